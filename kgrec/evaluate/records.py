"""Runs that were kept: one JSON file each in ``artifacts/runs``, figures of every user as parquet beside it."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.errors import CorruptArtifactError, NotFoundError, UserError
from kgrec.workspace import Workspace, read_json, storage_errors, write_json

if TYPE_CHECKING:
    import polars as pl

LISTS, RATINGS, REPLAY, OTHER = "lists", "ratings", "replay", "other"
"""Kinds of runs: lists were judged, ratings were foretold, the feedback loop was run, something else."""

LATEST = "latest"
"""Names the last run; ``latest~1`` the one before it."""


@dataclass(frozen=True)
class RunRecord:
    """A kept run.

    Attributes:
        name: what it is called: when it was made and six letters that tell it apart.
        file: where it is.
        document: its figures, settings, fingerprints.
    """

    name: str
    file: Path
    document: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """One of :data:`LISTS`, :data:`RATINGS`, :data:`REPLAY`, :data:`OTHER` or what else the record calls itself."""
        named = self.document.get("kind")
        if named:
            return str(named)
        marks = {"systems": LISTS, "predictors": RATINGS, "replay": REPLAY}
        return next((kind for mark, kind in marks.items() if mark in self.document), OTHER)

    def per_user(self) -> pl.DataFrame | None:
        """Return the figures of every user, see :func:`kgrec.evaluate.report.per_user`; None where none were kept."""
        file = self.file.with_suffix(".parquet")
        if not file.exists():
            return None
        import polars as pl

        try:
            return pl.read_parquet(file)
        except (OSError, pl.exceptions.PolarsError) as error:
            hint = f"delete {file}; the means in {self.file.name} stay"
            raise CorruptArtifactError(f"{file} cannot be read: {error}", hint=hint) from None


def runs_folder(workspace: Workspace) -> Path:
    """Return where runs are kept."""
    return workspace.artifacts / "runs"


def keep(
    folder: Path, kind: str, document: Mapping[str, Any], seconds: float, per_user: pl.DataFrame | None = None
) -> Path:
    """Write a run; names sort by time.

    Args:
        folder: where runs are kept.
        kind: of the run.
        document: JSON values.
        seconds: how long it took.
        per_user: figures of every user, or None.

    Returns:
        the record's file.
    """
    now = time.time()
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{uuid.uuid4().hex[:6]}"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if per_user is not None and per_user.height:
            per_user.write_parquet(folder / f"{name}.parquet")
        write_json(folder / f"{name}.json", {"format": 1, "kind": kind, "created": now, "seconds": seconds, **document})
    return folder / f"{name}.json"


def run_names(folder: Path) -> list[str]:
    """Return the names of the kept runs, oldest first."""
    files = folder.glob("*.json") if folder.is_dir() else ()
    # Names tell seconds; of two runs within one the file's own time tells which was first.
    return [file.stem for file in sorted(files, key=lambda f: (f.stem[:15], f.stat().st_mtime_ns))]


def load_run(folder: Path, name: str) -> RunRecord:
    """Return a kept run.

    Args:
        folder: where runs are kept.
        name: its name, a beginning or an end of it that no other run has, ``latest``, ``latest~1``..., or the path of
            a record of another workspace.

    Raises:
        NotFoundError: there is no such run, or several.
        CorruptArtifactError: the record is damaged.
    """
    if name.endswith(".json"):
        file = Path(name)
        if not file.is_file():
            raise UserError(f"{name} is no file", hint="name a record, or a run that `kgrec runs` lists")
        return _read(file)
    return _read(folder / f"{_resolved(run_names(folder), name)}.json")


def _resolved(names: list[str], name: str) -> str:
    if not names:
        raise NotFoundError("no run was kept yet", hint="run `kgrec evaluate`")
    back = re.fullmatch(rf"{LATEST}(?:~(\d+))?", name)
    if back:
        place = int(back[1] or 0)
        if place >= len(names):
            count = "one run is" if len(names) == 1 else f"{len(names)} runs are"
            raise NotFoundError(f"there is no {name}: only {count} kept", hint="`kgrec runs` lists them")
        return names[-1 - place]
    if name in names:
        return name
    near = [known for known in names if name and (known.startswith(name) or known.endswith(name))]
    if len(near) == 1:
        return near[0]
    if near:
        raise NotFoundError(f"{name!r} names {len(near)} runs", hint="one of " + ", ".join(near[:5]))
    raise NotFoundError.of("run", name, [*reversed(names), LATEST])


def _read(file: Path) -> RunRecord:
    document = read_json(file)
    if isinstance(document, list) and len(document) == 1:  # what --out writes
        document = document[0]
    if not isinstance(document, dict):
        raise CorruptArtifactError(f"{file} is no record of a run", hint="name a file that kgrec evaluate wrote")
    return RunRecord(file.stem, file, document)

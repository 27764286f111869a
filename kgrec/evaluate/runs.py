"""Runs that a workspace keeps: one JSON file each in ``artifacts/runs``, figures of every user as parquet beside it."""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from kgrec.artifacts import read_json, write_json
from kgrec.errors import CorruptArtifactError, NotFoundError, UserError
from kgrec.evaluate.lists_record import ListsRecord
from kgrec.evaluate.records import (
    FORMAT,
    KeptRun,
    RatingsRecord,
    RunRecord,
    SimulationRecord,
    TextsRecord,
)
from kgrec.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    import polars as pl

    from kgrec.evaluate.comparison import RunComparison

LATEST = "latest"
"""Names the last run; ``latest~1`` the one before it."""

R = TypeVar("R", bound=RunRecord)


class Runs:
    """The runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, workspace: Workspace) -> Runs:
        """Return the runs of a workspace."""
        return cls(workspace.artifacts / "runs")

    def names(self) -> list[str]:
        """Return the names of the kept runs, oldest first."""
        files = self.folder.glob("*.json") if self.folder.is_dir() else ()
        # Names tell seconds; of two runs within one the file's own time tells which was first.
        return [file.stem for file in sorted(files, key=lambda f: (f.stem[:15], f.stat().st_mtime_ns))]

    def load(self, name: str = LATEST) -> KeptRun[RunRecord]:
        """Return a kept run.

        Args:
            name: its name, a beginning or an end of it that no other run has, ``latest``, ``latest~1``..., or the path
                of a record of another workspace.

        Raises:
            NotFoundError: there is no such run, or several.
            CorruptArtifactError: the record is damaged, or of another version of kgrec.
        """
        if name.endswith(".json"):
            file = Path(name)
            if not file.is_file():
                raise UserError(f"{name} is no file", hint="name a record, or a run that `kgrec runs` lists")
            return _read(file)
        return _read(self.folder / f"{_resolved(self.names(), name)}.json")

    def keep(self, record: R, per_user: pl.DataFrame | None = None) -> KeptRun[R]:
        """Write a run; names sort by time.

        Args:
            record: its figures; the moment of writing is added.
            per_user: figures of every user, or None.
        """
        now = time.time()
        record = record.model_copy(update={"created": now})
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{uuid.uuid4().hex[:6]}"
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if per_user is not None and per_user.height:
                per_user.write_parquet(self.folder / f"{name}.parquet")
            write_json(self.folder / f"{name}.json", record.to_dict())
        return KeptRun(name, self.folder / f"{name}.json", record)

    def compare(self, a: str, b: str = LATEST) -> RunComparison:
        """Set two kept runs beside each other; differences are ``b - a``.

        Raises:
            UsageError: they cannot be compared.
        """
        from kgrec.evaluate.comparison import compare_runs

        return compare_runs(self.load(a), self.load(b))

    def export(self, to: str, out: Path, name: str = LATEST) -> Path:
        """Write a kept run for another tool.

        Args:
            to: ``"tensorboard"`` or ``"mlflow"``.
            out: folder; several runs may be written into one.
            name: see :meth:`load`.

        Raises:
            MissingExtraError: the tool's package is not installed.
        """
        from kgrec.evaluate.export import export_run

        return export_run(self.load(name), to, out)


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


_RECORDS: TypeAdapter[ListsRecord | RatingsRecord | SimulationRecord | TextsRecord] = TypeAdapter(
    Annotated[ListsRecord | RatingsRecord | SimulationRecord | TextsRecord, Field(discriminator="kind")]
)


def _read(file: Path) -> KeptRun[RunRecord]:
    document: Any = read_json(file)
    if isinstance(document, list) and len(document) == 1:  # what --out writes
        document = document[0]
    again = "evaluate again, or delete the file"
    if not isinstance(document, dict) or "format" not in document:
        raise CorruptArtifactError(f"{file} is no record of a run", hint="name a file that kgrec evaluate wrote")
    if document["format"] != FORMAT:
        raise CorruptArtifactError(f"{file} is a record of another version of kgrec", hint=again)
    try:
        return KeptRun(file.stem, file, _RECORDS.validate_python(document))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptArtifactError(f"{file} cannot be read: {where}: {first['msg']}", hint=again) from None

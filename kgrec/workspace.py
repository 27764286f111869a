"""A workspace: the folder that holds kgrec.toml and, under ``artifacts/``, everything that was made from the data.

    kgrec.toml
    artifacts/
      manifest.json         which version of each stage is current, and what it was made from
      dataset-3f2a…/        one folder a stage and version, written aside and renamed when complete
      graph-77b0…/  text-…/  models-…/
      cache/                text vectors by content; may be deleted at any time
      lock                  held while a command writes

A stage that fails or is interrupted leaves only a ``.tmp-`` folder, which the next writer removes: the last good
state stays current. kgrec writes into an ``artifacts`` folder only if it made it, and deletes in it only folders that
have both its exact naming pattern and its marker file inside. Artifacts are data (parquet, safetensors, JSON, an RDF
store), never pickle.
"""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kgrec.artifacts import (
    fingerprint_of,
    is_made,
    load_arrays,
    make_folder,
    read_json,
    remove_folder,
    replacing,
    save_arrays,
    storage_errors,
    sweep_asides,
    sync_folder,
    sync_tree,
    write_json,
)
from kgrec.consent import trust_file
from kgrec.errors import CorruptArtifactError, UserError, WorkspaceError

__all__ = [
    "COMMANDS",
    "STAGES",
    "StageInfo",
    "StageWriter",
    "Workspace",
    "fingerprint_of",
    "load_arrays",
    "package_versions",
    "read_json",
    "save_arrays",
    "storage_errors",
    "write_json",
]

STAGES = ("dataset", "graph", "text", "models")
"""The stages in the order they are made; each is made from the ones before it."""

OWN_FOLDERS = ("artifacts", "feedback", "live")
"""What kgrec makes beside kgrec.toml."""

FORMAT = 1
"""Version of the manifest and of the layout of the artifacts; raised when an older kgrec could not read them."""

COMMANDS = {"dataset": "build-graph", "graph": "build-graph", "text": "train", "models": "train"}
"""Which command makes a stage."""


@dataclass(frozen=True, slots=True)
class StageInfo:
    """What the manifest says of a stage.

    Attributes:
        folder: name of the stage's folder under artifacts/.
        fingerprint: hash of what the stage holds; the next stages are stale when it changes.
        made_from: fingerprints of the stages it was made from, by stage.
        created: unix seconds.
        seconds: how long it took.
        seed: seed of the run.
        versions: versions of the packages that matter.
        facts: counts and settings worth showing, JSON values.
    """

    folder: str
    fingerprint: str
    made_from: dict[str, str]
    created: float
    seconds: float
    seed: int
    versions: dict[str, str]
    facts: dict[str, Any]


class Workspace:
    """The artifacts under a folder. Reading needs no lock; writing takes it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artifacts = root / "artifacts"
        self._read: tuple[tuple[int, int, int], dict[str, StageInfo]] | None = None

    @property
    def config_file(self) -> Path:
        """The workspace's kgrec.toml."""
        return self.root / "kgrec.toml"

    @property
    def cache(self) -> Path:
        """Folder of what can be computed again."""
        return self.artifacts / "cache"

    def manifest(self) -> dict[str, StageInfo]:
        """Return what is known of each finished stage.

        Raises:
            CorruptArtifactError: manifest.json cannot be read.
        """
        file = self.artifacts / "manifest.json"
        try:
            found = file.stat()
            state = (found.st_ino, found.st_mtime_ns, found.st_size)  # the file is replaced, never written to
            if self._read is not None and self._read[0] == state:
                return dict(self._read[1])
            raw = json.loads(file.read_text(encoding="utf-8"))
            _check_format(file, raw["format"])
            infos = {stage: StageInfo(**info) for stage, info in raw["stages"].items()}
            for stage, info in infos.items():
                _check_folder(stage, info.folder)
            self._read = state, infos
            return dict(infos)
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CorruptArtifactError(
                f"{file} is damaged: {error}", hint="remove the file and run `kgrec build-graph` again"
            ) from None

    def info(self, stage: str) -> StageInfo:
        """Return the manifest's entry of ``stage``.

        Raises:
            WorkspaceError: the stage was not made yet; the hint names the command that makes it.
        """
        if not self.config_file.exists() and not self.artifacts.exists():
            raise self._none()
        infos = self.manifest()
        if stage not in infos:
            raise WorkspaceError(
                f"{self.root} has no {stage} yet", hint=f"run `kgrec {COMMANDS.get(stage, 'build-graph')}` first"
            )
        return infos[stage]

    def folder(self, stage: str) -> Path:
        """Return the folder of the current version of ``stage``.

        Raises:
            WorkspaceError: not made yet.
            CorruptArtifactError: the manifest names a folder that is gone.
        """
        folder = self.artifacts / self.info(stage).folder
        if not folder.is_dir():
            raise CorruptArtifactError(
                f"{folder} is missing", hint=f"run `kgrec {COMMANDS.get(stage, 'build-graph')}` to make it again"
            )
        return folder

    def stale(self, stage: str) -> list[str]:
        """Return the stages that changed since ``stage`` was made from them."""
        infos = self.manifest()
        if stage not in infos:
            return []
        made_from = infos[stage].made_from
        return [s for s, f in made_from.items() if s not in infos or infos[s].fingerprint != f]

    def stages(self) -> dict[str, dict[str, Any]]:
        """Return what each finished stage holds and how fresh it is, as JSON values."""
        return {
            name: {
                "made": time.strftime("%Y-%m-%d %H:%M", time.localtime(stage.created)),
                "age_hours": round((time.time() - stage.created) / 3600, 1),
                "seconds": stage.seconds,
                "seed": stage.seed,
                "changed_since": self.stale(name),
                **stage.facts,
            }
            for name, stage in self.manifest().items()
        }

    def freshness(self) -> dict[str, Any]:
        """Return the stages as :meth:`stages` does, and as ``next`` the command that is due, if one is."""
        stages = self.stages()
        if "models" in stages and not stages["models"]["changed_since"]:
            return {"stages": stages}
        return {"stages": stages, "next": "kgrec train" if stages else "kgrec build-graph"}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace for writing; leftovers of interrupted writers are removed.

        Raises:
            WorkspaceError: another process holds it.
        """
        from filelock import FileLock, Timeout

        self._own()
        with storage_errors(self.artifacts):
            lock = FileLock(self.artifacts / "lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise WorkspaceError(
                    f"{self.root} is in use by another kgrec command", hint="wait for it to end, then run this again"
                ) from None
        try:
            self._sweep()
            yield
        finally:
            lock.release()

    def check(self) -> None:
        """Make sure that this is a workspace.

        Raises:
            WorkspaceError: it has no kgrec.toml, or see :meth:`check_links`.
        """
        if not self.config_file.is_file():
            raise self._none()
        self.check_links()

    def _none(self) -> WorkspaceError:
        return WorkspaceError(
            f"{self.root} is no kgrec workspace (it has no kgrec.toml)",
            hint="run `kgrec init DIR --from FILES`, or name a workspace with --workspace DIR",
        )

    def check_links(self) -> None:
        """Make sure that what kgrec writes into the workspace, and reads as its own, lies in it.

        Raises:
            WorkspaceError: something under one of :data:`OWN_FOLDERS` is a symbolic link.
        """
        for folder in OWN_FOLDERS:
            place = self.root / folder
            link = place if place.is_symlink() else next((p for p in place.rglob("*") if p.is_symlink()), None)
            if link is not None:
                raise WorkspaceError(
                    f"{link} is a symbolic link; kgrec reads and writes there only what lies in the workspace",
                    hint="move it away; to keep artifacts elsewhere, put the whole workspace there",
                )

    def _own(self) -> None:
        """Make the artifacts folder, or make sure that it is kgrec's own.

        Raises:
            WorkspaceError: it is a link, or a folder with contents that kgrec did not make.
        """
        self.check_links()
        folder, lock = self.artifacts, self.artifacts / "lock"
        if lock.is_dir():
            raise WorkspaceError(f"{lock} is a folder", hint="move it away")
        try:
            make_folder(folder)
        except UserError as error:
            raise WorkspaceError(error.message, hint=f"{error.hint}; or make the workspace in another folder") from None

    def _sweep(self) -> None:
        """Delete what interrupted writers and older versions left: by exact name and marker, nothing else."""
        current = {info.folder for info in self.manifest().values()}
        for path in self.artifacts.iterdir():
            if (
                re.fullmatch(rf"(?:\.tmp-)?(?:{'|'.join(STAGES)})-[0-9a-f]{{12}}", path.name)
                and path.name not in current
            ):
                remove_folder(path)
        for folder in (self.root, self.artifacts, *(f for f in self.cache.rglob("*") if f.is_dir())):
            sweep_asides(folder)

    @contextmanager
    def publish(self, *stages: str, seed: int) -> Iterator[tuple[StageWriter, ...]]:
        """Write new versions of ``stages`` aside and make them current together when the block ends without an error.

        Must be called with the lock held. Each stage records the fingerprints of the stages before it, as they will
        stand. Readers see the old versions until the manifest is replaced, which is atomic; the folders of the old
        versions stay for readers that are at work until the next writer sweeps them.

        Args:
            stages: names, in the order of :data:`STAGES`.
            seed: of the run, for the manifest.

        Raises:
            StorageError: no space left, or the folder cannot be written.
        """
        writers = tuple(self._writer(stage) for stage in stages)
        with storage_errors(self.artifacts):
            try:
                for writer in writers:
                    make_folder(writer.folder)
                yield writers
                infos = self.manifest()
                for stage, writer in zip(stages, writers, strict=True):
                    infos[stage] = self._finish(stage, writer, infos, seed)
            except BaseException:
                for writer in writers:
                    remove_folder(writer.folder)
                raise
            pending = self.pending()
            for writer in writers:
                pending.update(writer.pending)
            sync_folder(self.artifacts)
            self._write(infos, pending)

    def _write(self, infos: Mapping[str, StageInfo], pending: Mapping[str, Any]) -> None:
        document: dict[str, Any] = {"format": FORMAT, "stages": {s: asdict(i) for s, i in infos.items()}}
        if pending:
            document["pending"] = dict(pending)
        write_json(self.artifacts / "manifest.json", document)

    @property
    def outputs_file(self) -> Path | None:
        """List of what commands wrote for people outside of the artifacts, one JSON object a line.

        It lies in the user's own folder: files that it names are changed, so it must not come with a workspace. The
        workspace keeps its name, wherever it is moved; where artifacts were removed, it is told by its lines. None:
        nothing was written yet.
        """
        folder = trust_file().parent / "outputs"
        with suppress(OSError, UnicodeDecodeError):
            name = (self.artifacts / "name").read_text(encoding="ascii").strip()
            return folder / f"{name}.jsonl" if re.fullmatch("[0-9a-f]{32}", name) else None
        mine = json.dumps({"root": str(self.root.resolve())})[:-1]
        with suppress(OSError):
            return next((file for file in folder.glob("*.jsonl") if mine in file.read_text(encoding="utf-8")), None)
        return None

    def note_outputs(self, files: Iterable[Path]) -> None:
        """Remember files that a command wrote, so that a person who is forgotten is found there, too."""
        inside = self.artifacts.resolve()
        found = [path for file in files if not (path := file.resolve()).is_relative_to(inside)]
        if not found or not is_made(self.artifacts):
            return
        with suppress(OSError, UserError):  # a home to read only
            place = self.outputs_file or trust_file().parent / "outputs" / f"{uuid.uuid4().hex}.jsonl"
            if not (self.artifacts / "name").exists():
                with replacing(self.artifacts / "name") as aside:
                    aside.write_text(place.stem, encoding="ascii")
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with place.open("a", encoding="utf-8") as stream:
                stream.write("".join(map(self._noted, found)))

    def keep_outputs(self, files: Iterable[Path]) -> None:
        """Remember just these."""
        if (place := self.outputs_file) is not None:
            with replacing(place) as aside:
                aside.write_text("".join(map(self._noted, files)), encoding="utf-8")

    def _noted(self, file: Path) -> str:
        root = self.root.resolve()
        beside = os.path.relpath(file, root)
        return json.dumps({"root": str(root), "path": str(file), "beside": beside, "size": file.stat().st_size}) + "\n"

    def outputs(self) -> dict[Path, int]:
        """Return the files that commands wrote, as far as they are there, and their size when they were written.

        Those of a workspace that was moved are looked for where they were, in it, and beside it, there of the same size
        only. What a workspace wrote that is still where it was belongs to that one, of which this is a copy.
        """
        found: dict[Path, int] = {}
        root, lines = self.root.resolve(), ""
        with suppress(OSError):
            lines = self.outputs_file.read_text(encoding="utf-8") if self.outputs_file else ""
        for line in lines.splitlines():
            with suppress(ValueError, KeyError, TypeError, OSError):  # half a line of a command that was killed
                told = json.loads(line)
                before, path, size = Path(told["root"]), Path(told["path"]), int(told["size"])
                moved = Path(os.path.normpath(root / told["beside"]))
                if before != root and not (before / self.config_file.name).exists():
                    if moved.is_file() and (moved.is_relative_to(root) or moved.stat().st_size == size):
                        path = moved
                elif before != root:
                    continue
                if path.is_file() and not path.is_symlink():
                    found[path] = size
        return found

    def pending(self) -> dict[str, Any]:
        """Return what a publication still owes to files outside of the artifacts; empty but after a crash."""
        if not self.manifest():
            return {}
        found = read_json(self.artifacts / "manifest.json").get("pending", {})
        return dict(found) if isinstance(found, dict) else {}

    def damaged(self) -> str | None:
        """Return a stage whose files are not those that were published, or None; reads all of them."""
        for stage, info in self.manifest().items():
            folder = self.artifacts / info.folder
            if not folder.is_dir() or fingerprint_of(folder) != info.fingerprint:
                return stage
        return None

    def settle(self) -> None:
        """Note that nothing is pending any more; the lock must be held."""
        self._write(self.manifest(), {})

    def _writer(self, stage: str) -> StageWriter:
        return StageWriter(self.artifacts / f".tmp-{stage}-{uuid.uuid4().hex[:12]}", {}, time.perf_counter())

    def _finish(self, stage: str, writer: StageWriter, infos: Mapping[str, StageInfo], seed: int) -> StageInfo:
        """Rename a written folder into place; until the manifest names it, it is only a leftover to sweep."""
        fingerprint = fingerprint_of(writer.folder)
        sync_tree(writer.folder)
        name = writer.folder.name.removeprefix(".tmp-")
        writer.folder.rename(self.artifacts / name)
        return StageInfo(
            folder=name,
            fingerprint=fingerprint,
            made_from={s: infos[s].fingerprint for s in STAGES[: STAGES.index(stage)] if s in infos},
            created=time.time(),
            seconds=round((writer.ended or time.perf_counter()) - writer.started, 3),
            seed=seed,
            versions=package_versions(),
            facts=writer.facts,
        )


def _check_format(file: Path, found: object) -> None:
    """Refuse a manifest of another version: a newer one must not be misread.

    Raises:
        WorkspaceError: it is newer.
        ValueError: it is no version.
    """
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError(f"its format {found!r} is no version of kgrec's")
    if found > FORMAT:
        raise WorkspaceError(
            f"{file} was written by a newer kgrec (format {found}; this one reads {FORMAT})",
            hint="upgrade kgrec, or remove the artifacts folder and run `kgrec build-graph` again",
        )


def _check_folder(stage: str, folder: str) -> None:
    """Refuse a name that leads elsewhere: a replaced folder is deleted, and a manifest may come from a stranger."""
    if stage not in STAGES or not re.fullmatch(rf"{stage}-[0-9a-f]{{12}}", folder):
        raise ValueError(f"stage {stage!r} cannot be in the folder {folder!r}")


@dataclass(slots=True)
class StageWriter:
    """The folder of a stage being written, and the facts that go into the manifest.

    Attributes:
        folder: write here.
        facts: for the manifest.
        started, ended: reading of :func:`time.perf_counter`; ``ended`` is None for the end of the whole publication.
        pending: what has to be done to other files once the stage is current, JSON values by name. It becomes known
            in the same moment as the stage, so that a crash between the two can be made good by the next command.
    """

    folder: Path
    facts: dict[str, Any]
    started: float
    ended: float | None = None
    pending: dict[str, Any] = field(default_factory=dict)


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on."""
    found = {}
    for name in ("kgrec", "numpy", "scipy", "polars", "torch", "torch-geometric", "transformers", "implicit"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

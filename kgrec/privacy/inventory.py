"""Where a workspace holds a person: every file is looked through; what holds people by number is known by its kind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from kgrec.artifacts import load_arrays, read_json
from kgrec.config import Config
from kgrec.data.dataset import table_errors
from kgrec.errors import KgrecError
from kgrec.places import address, base
from kgrec.privacy.person import PersonalData, PersonPlace
from kgrec.privacy.scan import Needles, Scanner, is_store
from kgrec.privacy.tables import PersonTables
from kgrec.workspace import STAGES, StageInfo, Workspace

USER_FIELDS = frozenset({"user_id", "user"})
"""What kgrec's own files call a user."""

THEN = {
    "input": "stays, unless --rewrite-inputs takes its rows out",
    "dataset": "made again without the person",
    "graph": "made again without the person",
    "text": "made again without the person",
    "models": "fitted again without the person",
    "left over": "deleted",
    "cache": "deleted",
    "run": "the person's rows are taken out",
    "feedback": "the person's texts and events are deleted",
    "live log": "the person's events and lists are deleted",
    "output": "the person's rows are taken out; deleted where it has no rows",
    "tuned model": "stays: tune again",
    "settings": "stays: edit it by hand",
    "other": "stays: kgrec did not make it",
}
"""What ``kgrec forget`` does with each kind of place."""


@dataclass(frozen=True)
class Survey:
    """What was looked through.

    Attributes:
        places: where something was found.
        files: how many files were looked through.
        bytes: how many.
        unread: files that could not be read, and why.
        by_name_only: the id is so short that only fields of users were compared, no running text.
    """

    places: tuple[PersonPlace, ...]
    files: int
    bytes: int
    unread: tuple[tuple[str, str], ...]
    by_name_only: bool


@dataclass(frozen=True)
class Inventory:
    """Knows every kind of file that a workspace can hold.

    Attributes:
        workspace: the workspace.
        config: its settings; they name the inputs.
        tables: reads the inputs.
    """

    workspace: Workspace
    config: Config
    tables: PersonTables

    def survey(self, person: PersonalData) -> Survey:
        """Look through the workspace, its inputs and the outputs of its commands."""
        needles = Needles(person.ids, person.words)
        scanner = Scanner(needles, USER_FIELDS)
        places = {(p.kind, p.path): p for p in self._by_number(person.user_id)}
        for rows in self.tables.inputs(person.ids):
            place = self._place(rows.path, "input", "the person's rows", len(rows))
            places["input", place.path] = place
        for beyond in self.tables.beyond():
            places["input", beyond] = PersonPlace(
                "input", beyond, "not looked through: it, or the key, is elsewhere", 0, THEN["input"]
            )
        unread, files, size = [], 0, 0
        for path, kind in self.files():
            found = scanner.look(path)
            files += 1
            size += sum(f.stat().st_size for f in path.iterdir()) if path.is_dir() else path.stat().st_size
            shown = self._shown(path)
            if found.problem:
                unread.append((shown, found.problem))
            hits = max(found.hits, found.rows) + needles.count([path.name.encode()])
            if hits:
                holds = "the id of the person" if found.rows else "the id or own words"
                before = places.get((kind, shown))
                holds = f"{holds}; {before.holds}" if before else holds
                places[kind, shown] = PersonPlace(
                    kind, shown, holds, max(hits, before.count if before else 0), THEN[kind]
                )
        ordered = sorted(places.values(), key=lambda p: (list(THEN).index(p.kind), p.path))
        return Survey(tuple(ordered), files, size, tuple(unread), not needles.telling)

    def files(self) -> Iterator[tuple[Path, str]]:
        """Yield every file, RDF stores as one, and its kind: inputs, all under the workspace, outputs elsewhere."""
        root = self.workspace.root.resolve()
        inputs, outputs = set(self.inputs()), set(self.workspace.outputs())
        current = {info.folder for info in self.workspace.manifest().values()}
        seen: set[Path] = set()
        for folder, below, names in os.walk(root):
            here = Path(folder)
            below[:] = sorted(name for name in below if not (here / name).is_symlink())
            stores = [name for name in below if is_store(here / name)]
            for path in [here / name for name in [*sorted(names), *stores]]:
                if path.is_symlink() or not (path.is_file() or path.is_dir()):
                    continue
                seen.add(path)
                yield path, self._kind(path, root, inputs, outputs, current)
        yield from ((path, "input") for path in sorted(inputs - seen))
        yield from ((path, "output") for path in sorted(outputs - seen - inputs))

    def inputs(self) -> list[Path]:
        """Return the data files that kgrec.toml names, as far as they are there."""
        stated = [entry.path for _, entry in self.tables.entries()]
        named = dict.fromkeys([*stated, *self.config.data.paths()])
        found = (base(self.workspace.root / path).resolve() for path in named if not address(path))
        return [path for path in dict.fromkeys(found) if path.is_file()]

    def _kind(self, path: Path, root: Path, inputs: set[Path], outputs: set[Path], current: set[str]) -> str:
        if path in inputs:
            return "input"
        if path in outputs:
            return "output"
        parts = path.relative_to(root).parts
        if parts[0] in ("feedback", "live"):
            return "feedback" if parts[0] == "feedback" else "live log"
        if parts[0] == "kgrec.toml":
            return "settings"
        if parts[0] != "artifacts" or len(parts) == 1:
            return "other"
        if re.fullmatch(rf"(?:\.tmp-)?(?:{'|'.join(STAGES)})-[0-9a-f]{{12}}", parts[1]):
            return parts[1].partition("-")[0] if parts[1] in current else "left over"
        return {"cache": "cache", "judged-texts": "cache", "runs": "run", "tuned": "tuned model"}.get(parts[1], "other")

    def _by_number(self, user_id: str) -> Iterator[PersonPlace]:
        """Yield where the current artifacts hold the person by position, without the id."""
        manifest = self.workspace.manifest()
        if "dataset" not in manifest:
            return
        with table_errors(self.workspace.artifacts):
            yield from self._numbered(user_id, manifest)

    def _numbered(self, user_id: str, manifest: Mapping[str, StageInfo]) -> Iterator[PersonPlace]:
        tables = self.workspace.folder("dataset")
        ids = pl.read_parquet(tables / "users.parquet", columns=["user_id"])["user_id"]
        position = ids.index_of(user_id)
        if position is None:
            return
        events = pl.scan_parquet(tables / "interactions.parquet").filter(pl.col("user") == position)
        n = int(events.select(pl.len()).collect().item())
        yield self._place(tables / "interactions.parquet", "dataset", "events by the person's number", n)
        yield self._place(tables / "cards.safetensors", "dataset", "attributes and count of events", 1)
        if "graph" in manifest:
            yield from self._edges(self.workspace.folder("graph"), user_id)
        if "text" in manifest and not self.workspace.stale("text"):
            file = self.workspace.folder("text") / "text.safetensors"
            if load_arrays(file)["users"][position].any():
                yield self._place(file, "text", "vector of own words", 1)
        if "models" in manifest:
            yield from self._models(self.workspace.folder("models"), user_id)
        for folder in ("training", "ratings", "best-ranks"):
            for file in sorted((self.workspace.cache / folder).glob("*.safetensors")):
                yield self._place(file, "cache", "learned from all users", 1)
        for record in self.runs(manifest["dataset"].fingerprint):
            table = record.with_suffix(".parquet")
            n = pl.scan_parquet(table).filter(pl.col("user") == position).select(pl.len()).collect().item()
            if n:
                yield self._place(table, "run", "figures by the person's number", int(n))

    def runs(self, fingerprint: str) -> list[Path]:
        """Return the records of kept runs with figures of users who are numbered as in a dataset."""
        found = []
        for file in sorted((self.workspace.artifacts / "runs").glob("*.json")):
            try:
                made_of = read_json(file)["reproduce"]["data"]["dataset"]
            except (KgrecError, KeyError, TypeError):
                continue
            if made_of == fingerprint and file.with_suffix(".parquet").exists():
                found.append(file)
        return found

    def _edges(self, folder: Path, user_id: str) -> Iterator[PersonPlace]:
        nodes = pl.scan_parquet(folder / "nodes.parquet").with_row_index("node")
        own = nodes.filter((pl.col("kind") == "user") & (pl.col("key") == user_id)).select("node").collect()["node"]
        ends = pl.col("head").is_in(own.implode()) | pl.col("tail").is_in(own.implode())
        n = int(pl.scan_parquet(folder / "edges.parquet").filter(ends).select(pl.len()).collect().item())
        yield self._place(folder / "edges.parquet", "graph", "edges of the person's node", n)

    def _models(self, folder: Path, user_id: str) -> Iterator[PersonPlace]:
        ids: Sequence[str] = read_json(folder / "ids.json")["users"]
        if user_id not in ids:
            return
        position = ids.index(user_id)
        starts = np.asarray(load_arrays(folder / "seen.safetensors")["indptr"], dtype=np.int64)
        n = int(starts[position + 1] - starts[position])
        for file in sorted(folder.glob("*.safetensors")):
            holds = "what the person has seen" if file.stem == "seen" else "learned from all users"
            yield self._place(file, "models", holds, n if file.stem == "seen" else 1)

    def _place(self, path: Path, kind: str, holds: str, count: int) -> PersonPlace:
        return PersonPlace(kind, self._shown(path), holds, count, THEN[kind])

    def _shown(self, path: Path) -> str:
        root, whole = self.workspace.root.resolve(), path.resolve()
        return str(whole.relative_to(root) if whole.is_relative_to(root) else whole)

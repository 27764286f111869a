"""Take a person's rows out of files with rows: inputs, and what commands wrote.

Text files lose the lines of the rows and keep every other byte. A changed file is read again and compared before it
takes the place of the old one, in one step; no copy of the old one is kept, for it would keep the person.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.artifacts import replacing
from kgrec.config import Config, FileConfig, InteractionsConfig
from kgrec.data.ingest import ROLES, files_of
from kgrec.data.joins import joined
from kgrec.data.mapping import resolve_mapping
from kgrec.data.parts import PartRole
from kgrec.data.pseudonyms import Pseudonyms
from kgrec.data.sources.files import LINE, PROBLEM, find_source, read_rows, read_text_bytes
from kgrec.data.values import as_text, clean
from kgrec.errors import DataError, KgrecError, NotFoundError
from kgrec.places import address, split_part, suffix
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.types import Mask

ASIDE = ".forgetting-"
"""Begins the name of a file that is being written; what a killed run left of it is removed by the next."""


@dataclass(frozen=True, slots=True)
class PersonRows:
    """The rows of one person in a file.

    Attributes:
        path: the file.
        entry: how it is read.
        table: the whole file as read.
        theirs: which rows are the person's, shape ``(n_rows,)``.
    """

    path: Path
    entry: FileConfig
    table: pl.DataFrame
    theirs: Mask

    def __len__(self) -> int:
        return int(self.theirs.sum())


@dataclass(frozen=True)
class PersonTables:
    """Finds and removes rows.

    Attributes:
        root: folder of kgrec.toml.
        config: its settings.
        domain: the domain in force.
        manager: knows the data sources.
    """

    root: Path
    config: Config
    domain: Domain
    manager: PluginManager

    def inputs(self, user_ids: Sequence[str]) -> Iterator[PersonRows]:
        """Yield the input files of users and interactions that hold rows of a user; addresses are not fetched again.

        Raises:
            DataError: a file is damaged.
        """
        found: dict[Path, PersonRows] = {}

        def note(rows: PersonRows) -> None:
            before = found.get(rows.path)  # a file may be read as two things
            found[rows.path] = rows if before is None else replace(before, theirs=before.theirs | rows.theirs)

        for role, entry in self.entries():
            path = self.root / entry.path
            if role == "items" or address(entry.path) or not split_part(path)[0].is_file():
                continue
            table = read_rows(path, entry.format, self.manager, entry.reading)
            join = entry.join if isinstance(entry, InteractionsConfig) else None
            whole = table if join is None else joined(table, join, self.root, self.manager)
            columns = resolve_mapping(entry, role, whole, self.domain, self.manager).columns
            who = [
                columns[field]
                for field in (("user", "visitor") if role == "interactions" else ("id",))
                if field in columns
            ]
            if isinstance(entry, InteractionsConfig) and entry.user is not None:
                theirs = np.full(table.height, entry.user in user_ids)
            elif not who or not set(who) <= set(whole.columns):
                continue
            else:
                theirs = _are(whole, who, user_ids)
            note(PersonRows(path, entry, table, theirs))
            if join is not None:  # the rows that say whose the others are, those without others too
                stem = f"{Path(join.path).stem}."
                heads = read_rows(self.root / join.path, None, self.manager)
                keys = whole.filter(pl.Series(theirs)).select(_text(whole, join.on)).to_series().drop_nulls()
                own = _are(heads, [join.key], keys.to_list())
                if named := [
                    name
                    for one in who
                    if (name := one.removeprefix(stem)) in heads.columns and one not in table.columns
                ]:
                    own |= _are(heads, named, user_ids)
                note(PersonRows(self.root / join.path, FileConfig(path=join.path), heads, own))
        yield from (rows for rows in found.values() if len(rows))

    def entries(self) -> list[tuple[PartRole, FileConfig]]:
        """Return the tables that kgrec.toml names, an entry a file."""
        named: list[tuple[PartRole, FileConfig]] = [(r, e) for r in ROLES for e in getattr(self.config.data, r)]
        found: list[tuple[PartRole, FileConfig]] = []
        for role, entry in named:
            try:
                found += [(role, one) for one in files_of(entry, self.root)]
            except NotFoundError:
                found.append((role, entry))
        return found

    def beyond(self) -> list[str]:
        """Return the tables of people that cannot be looked through: addresses, and files that are not there."""
        people = [entry.path for role, entry in self.entries() if role != "items"]
        names = Pseudonyms.of(self.root)
        if names.name and names.key is None:  # files know people by ids
            return people
        return [path for path in people if address(path) or not split_part(self.root / path)[0].is_file()]

    def output(self, path: Path, user_ids: Sequence[str], *, telling: bool) -> PersonRows | None:
        """Return the rows of a user in a file that a command wrote; None where it has no rows that kgrec reads.

        Args:
            path: the file.
            user_ids: canonical ids.
            telling: an id also counts where it stands in another cell, or inside of one.
        """
        try:
            if find_source(path, None, self.manager) is None:
                return None
            table = read_rows(path, None, self.manager)
        except KgrecError:
            return None
        cells = {name: as_text(name, kind) for name, kind in table.schema.items() if name != LINE}
        alike = [cell.is_in(user_ids) for name, cell in cells.items() if name in ("user_id", "user")]
        if telling:
            alike += [cell.str.contains_any(list(user_ids)) for cell in cells.values()]
        if not alike:
            return None
        theirs = table.select(pl.any_horizontal(alike).fill_null(False)).to_series().to_numpy()
        return PersonRows(path, FileConfig(path=str(path)), table, theirs)

    def remove(self, rows: PersonRows) -> None:
        """Write a file without the rows, whole or not at all.

        Raises:
            DataError: the file is of a format that kgrec cannot write, or would be read in another way; it stays.
        """
        path, kept = rows.path, rows.table.filter(~pl.Series(rows.theirs)).drop(LINE, PROBLEM, strict=False)
        if not path.is_file():
            raise DataError(f"{path} is a part of a file, which cannot be edited", hint="take the rows out by hand")
        for old in path.parent.glob(f"{ASIDE}*"):
            old.unlink(missing_ok=True)
        aside = path.with_name(f"{ASIDE}{path.name}")
        try:
            if suffix(path) in (".parquet", ".pq"):
                kept.write_parquet(aside)
            elif suffix(path) == ".json":
                aside.write_bytes(_packed(path, _without_elements(rows)))
            else:
                aside.write_bytes(_packed(path, _without_lines(rows)))
            if kept.height and not _same(read_rows(aside, rows.entry.format, self.manager, rows.entry.reading), kept):
                raise DataError(f"{path} cannot be edited safely", hint="take the rows out by hand")
            with replacing(path) as new:
                aside.replace(new)
        finally:
            aside.unlink(missing_ok=True)


def _text(table: pl.DataFrame, column: str) -> pl.Expr:
    return clean(as_text(column, table.schema[column]))


def _are(table: pl.DataFrame, columns: Sequence[str], ids: Sequence[str]) -> Mask:
    """Say in which rows the first of the columns that is filled holds one of the ids, shape ``(n_rows,)``."""
    held = table.select(pl.coalesce(_text(table, column) for column in columns)).to_series()
    return held.is_in(list(ids)).fill_null(False).to_numpy()


def _same(found: pl.DataFrame, kept: pl.DataFrame) -> bool:
    """Say whether a table that was read again is what was meant; a column that nobody else has may be gone."""
    lost = [name for name in kept.columns if name not in found.columns]
    there = [name for name in kept.columns if name in found.columns]
    return all(kept[name].null_count() == kept.height for name in lost) and found.select(there).equals(kept[there])


def _without_elements(rows: PersonRows) -> bytes:
    """Return a JSON array without the elements of the rows.

    Raises:
        DataError: the file holds something else.
    """
    document = json.loads(read_text_bytes(rows.path))
    if not isinstance(document, list) or len(document) != rows.table.height:
        raise DataError(f"{rows.path} is no array of rows, so it cannot be edited", hint="take the rows out by hand")
    kept = compress(document, (~rows.theirs).tolist())
    return json.dumps(list(kept), ensure_ascii=False, indent=2).encode() + b"\n"


def _without_lines(rows: PersonRows) -> bytes:
    """Return the text of a file without the lines of the rows; a row ends where the next one begins."""
    data = read_text_bytes(rows.path)
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")) + 1
    starts: NDArray[np.int64] = np.concatenate([[0], ends, [len(data)]]).astype(np.int64)
    first = rows.table[LINE].to_numpy().astype(np.int64) - 1  # line numbers count from 1
    begin = starts[np.minimum(first, len(starts) - 1)]
    stop = np.concatenate([begin[1:], [len(data)]])
    kept: list[bytes] = [data[: int(begin[0])]] if len(begin) else [data]
    return b"".join([*kept, *_kept(data, begin, stop, ~rows.theirs)])


def _kept(data: bytes, begin: NDArray[np.int64], stop: NDArray[np.int64], mask: Mask) -> Iterator[bytes]:
    """Yield the kept stretches: neighbouring rows are one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    for a, b in zip(edges[::2], edges[1::2], strict=True):
        yield data[int(begin[a]) : int(stop[b - 1])]


def _packed(path: Path, data: bytes) -> bytes:
    if path.suffix.lower() == ".gz":
        return gzip.compress(data)
    if path.suffix.lower() == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().compress(data)
    return data


def pruned(document: object, user_id: str, fields: Sequence[str], *, telling: bool) -> object:
    """Return a JSON document without the innermost objects of lists that name a user.

    Args:
        document: JSON values.
        user_id: canonical id.
        fields: names of fields that hold users.
        telling: the id counts in any field.
    """
    if isinstance(document, list):
        return [
            pruned(v, user_id, fields, telling=telling) for v in document if not _names(v, user_id, fields, telling)
        ]
    if isinstance(document, dict):
        return {key: pruned(value, user_id, fields, telling=telling) for key, value in document.items()}
    return document


def _names(value: object, user_id: str, fields: Sequence[str], telling: bool) -> bool:
    if isinstance(value, dict):
        return any(v == user_id and (telling or k in fields) for k, v in value.items())
    return telling and value == user_id

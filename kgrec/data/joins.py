"""Files that complete each other: heads of orders and their lines, ids and the names they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from kgrec.config import JoinConfig, LookupConfig
from kgrec.data import fields
from kgrec.data.fields import Links
from kgrec.data.profile import ColumnProfile, TableProfile, profile
from kgrec.data.sources.files import LINE, PROBLEM, read_source
from kgrec.data.values import as_text, clean
from kgrec.errors import ConfigError, did_you_mean
from kgrec.plugin.domain import Domain

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager

_LEVELS = 20
"""So many broader values are looked for above one."""
_MOST = 0.9
"""Share of a column's values that must stand in the key of another file."""


@dataclass(frozen=True)
class Join:
    """Rows of one file get the columns of another.

    Attributes:
        lines, heads: positions of the files.
        on, key: their columns of equal values.
    """

    lines: int
    heads: int
    on: str
    key: str


def joins_of(tables: Sequence[TableProfile], domain: Domain) -> list[Join]:
    """Return which files hold the lines of what others tell who did it: orders and their positions, sessions and hits.

    The lines name items but nobody who acts; the heads have one row for each value that the lines share with them, and
    name who acts but no items.
    """
    nothing, found = Links(), []
    scores = [
        {n: (fields.user(c, nothing, domain).points, fields.item(c, nothing, domain).points, _occurrence(c))
         for n, c in table.columns.items()}
        for table in tables
    ]  # fmt: skip
    for k, lines in enumerate(tables):
        named = max((user for user, _, event in scores[k].values() if not event), default=0)
        item = max(((i, n) for n, (_, i, _) in scores[k].items()), default=(0.0, ""))
        if named >= 2.2 or (item[0] < 1.5 and not _catalogued(lines, tables)):
            continue
        for j, heads in enumerate(tables):
            pair = _shared(lines, heads) if j != k else None
            if pair is None:
                continue
            users, items = zip(*((u, i) for n, (u, i, _) in scores[j].items() if n != pair[1]), strict=True)
            if max(users, default=0) >= 2.2 > max(items, default=0):
                found.append(Join(k, j, *pair))
                break
    return found


def _catalogued(lines: TableProfile, tables: Sequence[TableProfile]) -> bool:
    """Say whether a column that recurs, called like no occurrence, stands in the ids of a table of names."""
    for c in lines.columns.values():
        if c.identifies < 0.4 or c.distinct < 3 or c.uniqueness > 0.9 or _occurrence(c):
            continue
        for table in tables:
            named = any("title" in other.words.prop for other in table.columns.values())
            keys = [n for n, k in table.columns.items() if k.uniqueness > 0.98 and k.identifies > 0.4]
            if (
                table is not lines
                and named
                and any(inside(lines.values(c.name), table.values(n)) >= _MOST for n in keys)
            ):
                return True
    return False


def _occurrence(c: ColumnProfile) -> bool:
    """Say whether a column names orders, sessions and the like: who acts is told by another file."""
    return c.words.is_a("event") or (c.words.is_a("visitor") and not c.words.is_a("user"))


def _shared(lines: TableProfile, heads: TableProfile) -> tuple[str, str] | None:
    for on in lines.columns.values():
        if on.words.is_a("item", "shared") or on.identifies < 0.4 or on.distinct < 3:
            continue
        for key in heads.columns.values():
            if key.words.is_a("item") or key.identifies < 0.4 or key.uniqueness < 0.98:
                continue
            near = bool(on.words.noun & key.words.noun) or not key.words.noun
            alike = on.name == key.name or (near and on.uniqueness < 0.98)
            if alike and inside(lines.values(on.name), heads.values(key.name)) >= _MOST:
                return on.name, key.name
    return None


def inside(values: pl.Series, keys: pl.Series) -> float:
    """Return the share of values that are keys."""
    sample = values.head(5_000)
    return float(sample.is_in(keys.implode()).mean() or 0) if sample.len() else 0.0  # type: ignore[arg-type]


def joined_profile(tables: Sequence[TableProfile], join: Join, name: str) -> TableProfile:
    """Look at the lines with the columns of their heads; ``name``: the heads' file."""
    lines, heads = tables[join.lines].table, tables[join.heads].table
    return profile(_joined(lines, heads, join.on, join.key, Path(name).stem))


def joined(raw: pl.DataFrame, join: JoinConfig, root: Path, manager: PluginManager) -> pl.DataFrame:
    """Return a file's rows, in their order, with the columns of another file.

    Raises:
        ConfigError: a column does not exist.
        DataError: the other file is damaged.
        NotFoundError: it does not exist.
    """
    heads = read_source(root / join.path, None, manager)
    for where, column, there in (("on", join.on, raw), ("key", join.key, heads)):
        if column not in there.columns:
            raise ConfigError(
                f"join with {join.path}: there is no column {column!r} ({where})",
                hint=did_you_mean(column, there.columns),
            )
    return _joined(raw, heads, join.on, join.key, Path(join.path).stem)


def _joined(raw: pl.DataFrame, heads: pl.DataFrame, on: str, key: str, stem: str) -> pl.DataFrame:
    hidden = (LINE, PROBLEM)
    names = {n: n if n not in raw.columns else f"{stem}.{n}" for n in heads.columns if n not in (key, *hidden)}
    right = heads.select(
        clean(as_text(key, heads.schema[key])).alias("__key__"), *(pl.col(n).alias(m) for n, m in names.items())
    )
    right = right.drop_nulls("__key__").unique("__key__", keep="first", maintain_order=True)
    left = raw.with_columns(clean(as_text(on, raw.schema[on])).alias("__key__"))
    return left.join(right, on="__key__", how="left", maintain_order="left").drop("__key__")


def lookup_of(
    column: ColumnProfile, values: pl.Series, others: Sequence[tuple[int, TableProfile]]
) -> tuple[int, dict[str, str]] | None:
    """Return the table that says what the ids in a column are called or what stands above them, and its fields.

    Args:
        column: ids of an attribute: of categories, brands, departments.
        values: its distinct values, taken apart.
        others: tables that are neither logs nor catalogues, by their positions.
    """
    if column.identifies < 0.4 or column.decimal or column.dates > 0.5 or values.len() < 2:
        return None
    for k, table in others:
        if not 2 <= len(table.columns) <= 8:
            continue
        for key in table.columns.values():
            if key.uniqueness < 0.98 or key.identifies < 0.4 or inside(values, table.values(key.name)) < _MOST:
                continue
            rest = {n: c for n, c in table.columns.items() if n != key.name}
            keys = table.values(key.name)
            above = [n for n, c in rest.items() if c.distinct > 0 and inside(table.values(n), keys) >= _MOST]
            texts = [
                n for n, c in rest.items() if n not in above and c.numeric < 0.5 and c.dates < 0.5 and c.length <= 80
                and c.looks("url") < 0.5 and c.filled > 0.9 and c.uniqueness > 0.5
            ]  # fmt: skip
            named = [n for n in texts if "title" in rest[n].words.prop] or texts
            if named or above:
                found = {"id": key.name, **({"name": named[0]} if named else {})}
                return k, found | ({"broader": above[0]} if above else {})
    return None


def looked_up(raw: pl.DataFrame, column: str, separator: str | None, names: LookupConfig, root: Path,
              manager: PluginManager) -> pl.DataFrame:  # fmt: skip
    """Write in a column, in place of ids, what another file calls them: ``Books > Fiction`` where it names the broader.

    Ids that the file does not have stay.

    Raises:
        ConfigError: a column does not exist.
    """
    table = read_source(root / names.path, None, manager)
    stated = {f: c for f, c in (("id", names.id), ("name", names.name), ("broader", names.broader)) if c is not None}
    for field, name in stated.items():
        if name not in table.columns:
            raise ConfigError(f"{names.path} has no column {name!r} ({field})", hint=did_you_mean(name, table.columns))
    cells = table.select(clean(as_text(c, table.schema[c])).alias(f) for f, c in stated.items()).drop_nulls("id")
    cells = cells.unique("id", keep="first", maintain_order=True)
    called = dict(cells.select("id", "name" if names.name else pl.col("id").alias("name")).drop_nulls().iter_rows())
    above = dict(cells.select("id", "broader").drop_nulls().iter_rows()) if names.broader else {}
    paths = {one: " > ".join(called.get(level, level) for level in _upwards(one, above)) for one in cells["id"]}
    kind = raw.schema[column]
    if isinstance(kind, pl.List):
        return raw.with_columns(pl.col(column).cast(pl.List(pl.String)).list.eval(pl.element().replace(paths)))
    text = clean(as_text(column, kind))
    if separator:
        parts = text.str.split(separator).list.eval(pl.element().str.strip_chars().replace(paths))
        return raw.with_columns(parts.list.join(separator).alias(column))
    return raw.with_columns(text.replace(paths).alias(column))


def _upwards(one: str, above: dict[str, str]) -> list[str]:
    """Return what stands above a value, the broadest first, and the value."""
    found = [one]
    while (up := above.get(found[0])) is not None and up not in found and len(found) < _LEVELS:
        found.insert(0, up)
    return found

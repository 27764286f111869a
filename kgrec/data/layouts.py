"""Files in which a row is not one interaction: matrices, lists in a cell, packed orders, one person's own export.

:func:`layout_of` tells them, :func:`unfold` makes one row an interaction of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from kgrec.config import InteractionsConfig
from kgrec.data import fields
from kgrec.data.actions import IGNORE, action_of
from kgrec.data.fields import FEW, Links
from kgrec.data.naming import WORDS
from kgrec.data.profile import ColumnProfile, TableProfile
from kgrec.data.roles import Guess, Kind
from kgrec.data.values import as_text, clean
from kgrec.errors import ConfigError
from kgrec.plugin.domain import AGAINST, DEFAULT_ACTION_WEIGHTS, Domain

EACH = "*"
"""In place of the column of items (or users): every column that is nothing else is one, and its cells are values."""

ME = "me"
"""Id of the only user of a one-person export."""

_MATRIX = 4
"""Columns that a matrix has at least."""


@dataclass(frozen=True)
class RowLayout:
    """How interactions lie in the rows.

    Attributes:
        wide: a column an item, a cell a value.
        separator: separates the items in a cell.
        pattern: regular expression whose group is an item, for each place in the cell where it matches.
        user: the user of all rows.
        flags: columns of yes and no -> what a yes says was done.
        missing: cells that stand for nothing.
        beside: of ``wide``: columns that are no items.
        fill_down: columns whose empty cells repeat the cell above.
        columns: columns that are used besides fields and attributes.
    """

    wide: bool = False
    separator: str | None = None
    pattern: str | None = None
    user: str | None = None
    flags: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    fill_down: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def layout_of(
    table: TableProfile, guess: Guess, domain: Domain, *, alone: bool = True
) -> tuple[RowLayout, Kind, dict[str, str], tuple[str, ...]]:
    """Return layout, role and fields of a file that is taken for ``guess``, and what a person should know of it.

    Only where the file is ``alone``, no other names users beside items, can it be the log of one person.
    """
    matrix = _matrix(table, guess, domain)
    if matrix is not None:
        return matrix[0], "interactions", matrix[1], (matrix[2],)
    columns = dict(guess.columns)
    if guess.kind == "interactions" and "item" in columns:
        item = table.columns[columns["item"]]
        separator, pattern = item.packed
        if isinstance(table.table.schema[item.name], pl.List) or separator or pattern:
            note = f"a row holds several items ({item.name}): each becomes an interaction"
            return RowLayout(separator=separator, pattern=pattern), guess.kind, columns, (note,)
        flags = flags_of(table, columns)
        if flags:
            columns = {name: column for name, column in columns.items() if column not in flags}
            no = "an impression" if {"view", "click"} & set(flags.values()) else "a view"
            note = f"columns of yes and no say what was done: {', '.join(flags)}; a row where all say no is {no}"
            return RowLayout(flags=flags, columns=tuple(flags)), guess.kind, columns, (note,)
        return RowLayout(), guess.kind, columns, _stand_in(table.columns.get(columns.get("user", "")))
    if alone and guess.kind in ("items", "unknown"):
        own = _one_person(table, guess, domain)
        if own is not None:
            note = f'no column names a user: all rows are taken for those of one person (user = "{ME}")'
            return RowLayout(user=ME), "interactions", own, (note,)
    return RowLayout(), guess.kind, columns, ()


def grouped(table: TableProfile) -> tuple[str, ...]:
    """Return the columns of a grouped export, merged cells, that are empty below the first row of each group.

    They are empty in the same rows and hold the only times; the columns of each row's own are full.
    """
    columns = table.columns
    gaps = {n: c.text.is_null() for n, c in columns.items() if 0.1 <= c.filled < 0.95 and c.text[0] is not None}
    times = {n for n, c in columns.items() if c.times > 0.9 and "time" in c.words.props}
    for first in (n for n in gaps if n in times):
        names = tuple(n for n, gap in gaps.items() if gap.equals(gaps[first]))
        full = [n for n, c in columns.items() if c.filled > 0.98]
        if len(names) > 1 and len(full) > 1 and not times - set(names):
            return names
    return ()


def fill_down(raw: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Repeat in empty cells the cell above."""
    return raw.with_columns(
        pl.when(clean(as_text(n, raw.schema[n])).is_not_null()).then(pl.col(n)).forward_fill().alias(n) for n in names
    )


def _asked(name: str) -> str:
    """Return what a column of yes and no asks about."""
    return next((name.removeprefix(one) for one in WORDS["hints"]["yes_or_no"] if name.startswith(one)), name)


def flags_of(table: TableProfile, columns: Mapping[str, str]) -> dict[str, str]:
    """Return columns of 0 and 1 that are called like actions, with these; empty where a column names actions."""
    if "action" in columns:
        return {}
    found, vary = {}, 0
    for name, c in table.columns.items():
        yes_or_no = c.kind == pl.Boolean or (c.whole and c.span[0] >= 0 and c.span[1] == 1)
        action = action_of(_asked(name)) if yes_or_no else None
        if action not in (None, IGNORE, "rate") and name not in (columns.get("user"), columns.get("item")):
            found[name] = str(action)
            vary += c.distinct == 2
    rated = columns.get("value", "") in found
    return found if vary and (len(found) > 1 or not rated) else {}


def _stand_in(user: ColumnProfile | None) -> tuple[str, ...]:
    if user is None or not user.words.is_a("event") or user.words.is_a("user", "visitor"):
        return ()
    return (f"no column names a user: each {user.name} counts as one",)


def _matrix(table: TableProfile, guess: Guess, domain: Domain) -> tuple[RowLayout, dict[str, str], str] | None:
    """Return layout and fields of a matrix of users and items, and what a person should know; None where it is none."""
    alike = _alike(table)
    like_marks = [c for c in table.columns.values() if c.name in alike or _is_mark(c)]
    plain = [c for c in like_marks if c.name in alike or not c.words.prop & {"id", "time", "price"}]
    usual = {x for c in plain for x in c.counts} if len(plain) >= _MATRIX else set()
    marks = [c for c in like_marks if c in plain or set(c.counts) <= usual]
    if guess.kind == "interactions" and guess.columns.get("item") not in {c.name for c in marks} and not alike:
        return None
    spans = [c.span for c in marks if c.name not in alike]
    low, high = (sorted(ends)[len(ends) // 2] for ends in zip(*spans, strict=True)) if spans else (0.0, 0.0)
    # An age is none of the marks from 1 to 5 beside it.
    marks = [c for c in marks if c.name in alike or (c.span[0] <= high and c.span[1] >= low)]
    rest = [c for c in table.columns.values() if c not in marks]
    keys = [c for c in rest if c.identifies > 0.3 and c.uniqueness > 0.98]
    fewest = sum(bool(c.distinct) for c in rest) * (1 if alike else 2)
    if len(marks) < max(_MATRIX, fewest) or not keys or table.rows < 2:
        return None
    numbers = {float(x) for c in marks for x in c.numbers.unique().to_list()}
    gaps = sum(1 - c.filled for c in marks) / len(marks)
    scores = [fields.user(c, Links(), domain).points - 9 * c.words.is_a("item") for c in keys]
    key = next((c for c in keys if c.words.is_a("item")), keys[scores.index(max(scores))])
    person = key.words.is_a("user", "visitor") or key.looks("email") > 0.9
    if max(numbers, default=0) > 100 or len(numbers) > 21 or (gaps < 0.02 and not person):
        return None
    # Of an item, columns of yes and no are what it is like: its genres.
    if key.words.is_a("item") and numbers <= {0.0, 1.0}:
        return None
    columns = {"item": key.name, "user": EACH} if key.words.is_a("item") else {"user": key.name, "item": EACH}
    times = [c for c in rest if c.times > 0.9 and "time" in c.words.props and c is not key]
    columns |= {"time": times[0].name} if times else {}
    asked = all(re.search(_IN_BRACKETS, c.name) for c in marks)
    beside = () if asked else tuple(c.name for c in rest if c.distinct and c.name not in columns.values())
    yes = numbers == {0.0, 1.0} and not alike and gaps < 0.02
    what = f"wide: one column an item, {len(marks)} of them; cells are values"
    what += f"; no items: {', '.join(beside)}" if beside else ""
    pattern, missing = _IN_BRACKETS if asked else None, ("0",) if yes else ()
    return RowLayout(wide=True, pattern=pattern, missing=missing, beside=beside), columns, what


_IN_BRACKETS = r"\[([^\[\]]+)\]$"
"""The thing asked about in columns of a survey: ``How do you like ... [Tea]``."""


def _alike(table: TableProfile) -> set[str]:
    """Return columns that share a few words, however these are called: answers on one scale."""
    texts = [
        c for c in table.columns.values()
        if not c.is_list and 2 <= c.distinct <= 11 and c.shape(r"\d") < 0.5 and c.length <= 40 and c.dates < 0.5
        and c.uniqueness < 0.9
    ]  # fmt: skip
    words: set[str] = set().union(*(c.counts for c in texts))
    if len(texts) < _MATRIX or len(words) > 11 or any(2 * c.distinct < len(words) for c in texts):
        return set()
    return {n for n, c in table.columns.items() if c.distinct and not c.is_list and set(c.counts) <= words}


def _is_mark(c: ColumnProfile) -> bool:
    if c.is_list or not c.cells.len() or (c.numeric < 0.98 and not c.graded):
        return False
    return c.span[0] >= -1 and c.span[1] <= 100 and c.distinct <= 21


def _one_person(table: TableProfile, guess: Guess, domain: Domain) -> dict[str, str] | None:
    """Return the fields of one person's log; None where the file is a catalogue, or names users."""
    nothing = Links()
    if all(not c.words.noun and not c.words.prop for c in table.columns.values()):
        return None
    if max((fields.user(c, nothing, domain).points for c in table.columns.values()), default=0) >= 2:
        return None
    items = {n: fields.item(c, nothing, domain).points for n, c in table.columns.items()}
    named = [n for n, c in table.columns.items() if c.words.is_a("item") or "title" in c.words.prop]
    item = max(named or items, key=items.__getitem__, default="")
    key = guess.columns.get("id", "") if guess.kind == "items" else ""
    if key and (not item or table.columns[item].uniqueness > 0.98 or items[key] > items[item] - 1.5):
        item = key
    if not item or (items[item] < 1 and not key and "title" not in table.columns[item].words.prop):
        return None
    free = {n: c for n, c in table.columns.items() if n != item}
    times = {n: fields.moment(c, domain).points + 0.5 * bool(set(c.words.words) & _DONE) for n, c in free.items()}
    values = {n: fields.value(c, domain).points for n, c in free.items()}
    acts = {n: fields.action(c, domain).points for n, c in free.items()}
    time_, value_, act = (max(scores, key=scores.__getitem__, default="") for scores in (times, values, acts))
    recurs = table.columns[item].uniqueness < 0.98 and table.columns[item].rows >= FEW
    spoken = bool(time_) and bool(set(table.columns[time_].words.words) & _DONE)
    timed = bool(time_) and times[time_] >= (2.5 if recurs or spoken else 4)
    rated = bool(value_) and values[value_] >= 3
    shop = any(
        c.words.prop & {"price"} or ("average" in c.words.qualifiers and "value" in c.words.props)
        for c in free.values()
    )
    own = any("own" in c.words.qualifiers and "value" in c.words.props for c in free.values())
    marks = rated and table.columns[value_].shape(r"^\d+(?:[.,][05]0*)?$|^\D+$|/") > 0.98
    done = any(set(c.words.words) & _DONE for c in free.values()) and timed
    if not ((timed and recurs and not shop) or own or (timed and (marks or done) and not shop)):
        return None
    found = {"item": item}
    if rated:
        found["value"] = value_
    if timed or (time_ and times[time_] >= 2.5 and (own or done)):
        found["time"] = time_
    if act and acts[act] >= 3 and act not in found.values():
        found["action"] = act
    return found


_DONE = frozenset(
    {
        "read",
        "watched",
        "listened",
        "played",
        "rated",
        "finished",
        "visited",
        "seen",
        "attended",
        "done",
        "checkin",
        "start",
        "gelesen",
        "gesehen",
    }
)


def unfold(
    raw: pl.DataFrame, columns: Mapping[str, str], entry: InteractionsConfig
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Make one row an interaction; returns the table and its fields.

    Args:
        raw: the file as read; columns with names that begin with ``__`` stay with their rows.
        columns: field -> column.
        entry: the file in kgrec.toml.

    Raises:
        ConfigError: ``pattern`` cannot be used, or matches the name of no column.
    """
    found = dict(columns)
    if entry.pattern is not None:
        _check_pattern(entry.pattern, entry.path)
    if EACH in found.values():
        raw, found = _melt(raw, found, entry)
    elif (item := found.get("item")) is not None and item in raw.columns:
        raw = _explode(raw, item, found, entry)
    if "visitor" in found and "user" in found:
        user, visitor = found["user"], found.pop("visitor")  # rejected rows tell neither where pseudonyms are kept
        who = pl.coalesce(clean(as_text(name, raw.schema[name])) for name in (user, visitor))
        raw = raw.with_columns(who.alias(user)).drop({visitor} - set(found.values()))
    if entry.flags:
        raw = raw.with_columns(strongest(raw, entry.flags).alias("__action__"))
        found["action"] = "__action__"
    if entry.user is not None:
        raw = raw.with_columns(pl.lit(entry.user).alias("__user__"))
        found["user"] = "__user__"
    if "clock" in found or "zone" in found:
        raw, found = _moments(raw, found)
    return raw, found


def _check_pattern(pattern: str, path: str) -> None:
    hint = r'write it like "\[(.+)\]": what stands in the group is an item'
    try:
        groups = pl.select(pl.lit("").str.extract_groups(pattern)).to_series().struct.fields
    except pl.exceptions.ComputeError as error:
        told = " ".join(str(error).split())[-200:]
        raise ConfigError(f"{path}: pattern {pattern!r} cannot be used: {told}", hint=hint) from None
    if not groups:
        raise ConfigError(f"{path}: pattern {pattern!r} has no group", hint=hint)


def strongest(raw: pl.DataFrame, flags: Mapping[str, str]) -> pl.Expr:
    """Return the action of each row: of the columns that say yes what speaks against the item, else what counts most.

    A row without any is an impression where clicks or views are among the columns, otherwise it was viewed.
    """
    ranked = sorted(flags.items(), key=lambda f: (f[1] not in AGAINST, -DEFAULT_ACTION_WEIGHTS.get(f[1], 0)))
    yes = [
        pl.when(as_text(n, raw.schema[n]).str.to_lowercase().is_in(["1", "true", "yes", "y", "t"])).then(pl.lit(a))
        for n, a in ranked
    ]
    return pl.coalesce(*yes, pl.lit("impression" if {"view", "click"} & set(flags.values()) else "view"))


def _melt(raw: pl.DataFrame, columns: dict[str, str], entry: InteractionsConfig) -> tuple[pl.DataFrame, dict[str, str]]:
    each = next(field for field, column in columns.items() if column == EACH)
    fixed = [name for name in raw.columns if name.startswith("__") or name in columns.values()]
    names = pl.Series([name for name in raw.columns if name not in {*fixed, *entry.beside}], dtype=pl.String)
    told = names if entry.pattern is None else names.str.extract(entry.pattern, 1)
    cells = {name: item for name, item in zip(names, told, strict=True) if item is not None}
    if not cells:
        raise ConfigError(
            f"{entry.path}: no column is an item", hint="look at pattern, beside and columns of it in kgrec.toml"
        )
    text = raw.with_columns(as_text(name, raw.schema[name]).alias(name) for name in cells)
    long = text.unpivot(list(cells), index=fixed, variable_name="__each__", value_name="__value__")
    kept = long.filter(pl.col("__value__").str.strip_chars().fill_null("") != "")
    value = {"value": "__value__"} if entry.action in (None, "rate") else {}
    return kept.with_columns(pl.col("__each__").replace(cells)), {**columns, each: "__each__", **value}


def _explode(raw: pl.DataFrame, item: str, columns: Mapping[str, str], entry: InteractionsConfig) -> pl.DataFrame:
    kind = raw.schema[item]
    if isinstance(kind, pl.List | pl.Array):
        lists = [n for n in dict.fromkeys(columns.values()) if isinstance(raw.schema.get(n), pl.List | pl.Array)]
        same = [
            n for n in lists if n == item or bool((raw[n].list.len() == raw[item].list.len()).fill_null(True).all())
        ]
        return raw.with_columns(pl.col(n).cast(pl.List(pl.String)) for n in same).explode(same)
    text = as_text(item, kind)
    if entry.separator is not None or entry.pattern is not None:  # a cell of nothing holds no items
        raw = raw.filter(text.str.strip_chars().fill_null("") != "")
    if entry.separator is not None:
        raw = raw.with_columns(text.str.split(entry.separator).alias(item)).explode(item)
        text = pl.col(item)
        if entry.pattern is not None:
            raw = raw.with_columns(text.str.extract(entry.pattern, 1).alias(item))
    elif entry.pattern is not None:
        parts = text.str.extract_all(entry.pattern).list.eval(pl.element().str.extract(entry.pattern, 1))
        raw = raw.with_columns(parts.alias(item)).explode(item)
    else:
        return raw
    return raw


FURTHEST = 14 * 3600
"""Seconds that a zone is ahead of UTC, at most."""


def _as_offsets(ahead: pl.Series) -> pl.Series:
    """Write hours, minutes or seconds ahead of UTC, whichever the largest can be, like ``+02:00``."""
    most = ahead.abs().max()
    unit = 60 if not isinstance(most, float) or most <= 14 else 1 if most <= 14 * 60 else 1 / 60
    minutes = (ahead.abs() * unit).round(0).cast(pl.Int64)
    sign = pl.when(pl.col("ahead") < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
    parts = [(minutes // 60).cast(pl.String).str.zfill(2), (minutes % 60).cast(pl.String).str.zfill(2)]
    return ahead.to_frame("ahead").select(pl.format("{}{}:{}", sign, *map(pl.lit, parts))).to_series()


_ZONES: Mapping[str, str] = dict(WORDS["zones"])


def _moments(raw: pl.DataFrame, columns: dict[str, str]) -> tuple[pl.DataFrame, dict[str, str]]:
    """Join date and time of day, and write zones as the list of zones calls them."""
    found = dict(columns)
    if zone := columns.get("zone"):
        names = raw.select(as_text(zone, raw.schema[zone]).str.strip_chars()).to_series()
        offsets = names.cast(pl.Float64, strict=False)
        if offsets.count() and offsets.count() == names.count():
            names = _as_offsets(offsets)
        raw = raw.with_columns(names.replace(_ZONES).alias("__zone__"))
        found["zone"] = "__zone__"
    if clock := found.pop("clock", None):
        parts = [as_text(name, raw.schema[name]).str.strip_chars() for name in (columns["time"], clock)]
        raw = raw.with_columns(pl.coalesce(pl.concat_str(parts, separator=" "), parts[0]).alias("__time__"))
        found["time"] = "__time__"
    return raw, found

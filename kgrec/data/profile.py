"""What the values of a file's columns look like, once for each column: types, recurrence, times, scales, lists."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from kgrec.data.actions import share_of_action_words
from kgrec.data.naming import ColumnName, read_name
from kgrec.data.numbers import ParsedNumbers, read_numbers
from kgrec.data.packed import SEPARATORS, unpack
from kgrec.data.times import to_seconds
from kgrec.data.values import as_text

SAMPLE = 20_000
EARLIEST = 631_152_000
"""Unix seconds of 1990: an earlier time is none of an interaction."""

SHORT = 40
_NOTHING = ["na", "n/a", "nan", "null", "none", "nil", "undefined", "(null)", "(not set)", "\\n"]
"""Cells that programs write where there is nothing."""

_SHAPES = {
    "url": r"^(?:https?://|www\.)\S+$",
    "image": r"(?i)^\S+\.(?:jpe?g|png|gif|webp|svg|mp3|mp4)(?:\?\S*)?$",
    "email": r"^[^@\s]+@[^@\s]+\.\w+$",
    "uuid": r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
    "ip": r"^(?:\d{1,3}\.){3}\d{1,3}$",
    "json": r"^\s*[\[{].*[\]}]\s*$",
    "clock": r"^\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?$",
    "digits": r"^\d{8}|\d[-/.:\s年日,]|\d{4}$",
    "zone": r"^(?:[+-]\d{2}:?\d{2}|UTC.*|GMT.*|[A-Z]{3,4}|[A-Z][A-Za-z]+/[A-Z][\w/+-]+|.*\bTime\b.*)$",
}


@dataclass(frozen=True)
class ColumnProfile:
    """A column, looked at once.

    Attributes:
        name: the column's name.
        words: the name, taken apart.
        kind: type of the column in the table.
        rows: rows that were looked at.
        text: their cells as trimmed text; null where there is nothing.
        distinct: number of distinct filled cells.
    """

    name: str
    words: ColumnName
    kind: pl.DataType
    rows: int
    text: pl.Series
    distinct: int
    _known: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def nameless(self) -> bool:
        """Say whether the file gives the column no name."""
        return self.name.startswith("column_")

    @property
    def is_list(self) -> bool:
        """Say whether cells are lists."""
        return isinstance(self.kind, pl.List | pl.Array)

    @cached_property
    def cells(self) -> pl.Series:
        """The filled cells, at least one of them null where there is none."""
        return self.text.drop_nulls()

    @cached_property
    def filled(self) -> float:
        """Share of the rows that hold something."""
        return self.cells.len() / max(self.rows, 1)

    @cached_property
    def uniqueness(self) -> float:
        """Distinct values by filled cells: 1 where no value recurs."""
        return self.distinct / max(self.cells.len(), 1)

    @cached_property
    def _read(self) -> ParsedNumbers:
        if self.is_list or self.kind.is_temporal() or self.kind == pl.Boolean:
            return ParsedNumbers(pl.Series([], dtype=pl.Float64), "")
        return read_numbers(self.cells.head(5_000), name=self.name)

    @cached_property
    def notation(self) -> str:
        """How the column writes numbers: ``number``, ``price``, ``stars``, the name of a scale of words; or nothing."""
        enough = self._read.values.count() > 0.9 * max(self._read.values.len(), 1)
        return self._read.kind if enough and self._read.values.len() else ""

    @cached_property
    def graded(self) -> bool:
        """Say whether cells are marks of a scale: words, stars, 4/5."""
        return self.notation not in ("", "number", "price", "share", "duration")

    @cached_property
    def numbers(self) -> pl.Series:
        """The cells as numbers, as far as they are some, words of a scale included."""
        return self._read.values.drop_nulls()

    @cached_property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest number; 0 and 0 where there is none."""
        low, high = self.numbers.min(), self.numbers.max()
        return (float(low), float(high)) if isinstance(low, float) and isinstance(high, float) else (0.0, 0.0)

    @cached_property
    def numeric(self) -> float:
        """Share of numbers among the filled cells; marks of a scale are none."""
        if self.kind == pl.Boolean:
            return 1.0
        return 0.0 if self.graded else self._read.values.count() / max(self._read.values.len(), 1)

    @cached_property
    def whole(self) -> bool:
        """Say whether all numbers are whole and written as such."""
        return bool(self.numeric > 0.98 and self.shape("^[+-]?\\d+(?:\\.0+)?$") > 0.98)

    @cached_property
    def decimal(self) -> bool:
        """Say whether most cells are numbers with digits behind the point."""
        return self.numeric > 0.9 and self.shape(r"\d[.,]\d") > 0.3

    @cached_property
    def length(self) -> float:
        """Mean number of characters."""
        return float(self.cells.str.len_chars().mean() or 0)  # type: ignore[arg-type]

    @cached_property
    def spaces(self) -> float:
        """Share of cells with a space inside."""
        return self.shape(r"\S\s+\S")

    @cached_property
    def seconds(self) -> pl.Series:
        """Unix seconds of the first filled cells, null where a cell is no time; empty where none can be one."""
        sample = self.cells.head(1_000)
        never = self.is_list or self.kind == pl.Boolean or not 4 <= self.length <= 60
        if never or self.shape(_SHAPES["digits"]) < 0.2:
            return pl.Series([], dtype=pl.Int64)
        return to_seconds(sample)

    @cached_property
    def times(self) -> float:
        """Share of filled cells that are plausible times of an interaction."""
        if self.kind in (pl.Date, pl.Datetime):
            return 1.0
        good = ((self.seconds >= EARLIEST) & (self.seconds <= time.time() + 2 * 86_400)).sum()
        return float(good) / max(self.seconds.len(), 1)

    @cached_property
    def dates(self) -> float:
        """Share of filled cells that are written as dates, whenever they are."""
        if self.kind in (pl.Date, pl.Datetime):
            return 1.0
        return float(self.seconds.count()) / max(self.seconds.len(), 1) if self.numeric < 0.5 else 0.0

    @cached_property
    def actions(self) -> float:
        """Share of filled cells that are known words for actions."""
        if self.distinct > 200 or self.is_list or self.length > SHORT:
            return 0.0
        return share_of_action_words(self.counts)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How often each value occurs, the most frequent first, at most 500 values."""
        found = self.cells.value_counts(sort=True).head(500)
        return dict(found.iter_rows())

    def shape(self, pattern: str) -> float:
        """Return the share of filled cells that match a regular expression."""
        if pattern not in self._known:
            matching = self.cells.str.contains(pattern).sum() if self.cells.len() else 0
            self._known[pattern] = float(matching) / max(self.cells.len(), 1)
        return self._known[pattern]

    def looks(self, shape: str) -> float:
        """Return the share of filled cells of a shape: ``url``, ``image``, ``email``, ``uuid``, ``json`` ..."""
        return self.shape(_SHAPES[shape])

    @cached_property
    def constant(self) -> bool:
        """Say whether all filled cells are alike, of which there are some."""
        return self.distinct <= 1 and self.cells.len() > 3

    @cached_property
    def identifies(self) -> float:
        """Return how well the cells could be ids, 0 to 1: short, without spaces, whole where they are numbers."""
        if not self.cells.len() or self.kind == pl.Boolean:
            return 0.0
        if self.is_list:
            elements = self.cells.head(500).str.split("\x1f").explode()
            return float(1 - elements.str.contains(r"\s|^.{65,}$").mean()) if elements.len() else 0.0  # type: ignore[operator]
        if self.kind.is_temporal() or self.kind.is_float() or self.decimal:
            return 0.6 if self.whole else 0.0
        if self.looks("json") > 0.5 or self.dates > 0.9 or self.looks("clock") > 0.9 or self.length > 200:
            return 0.0
        return max(0.0, 1.0 - 0.8 * self.spaces - max(0.0, (self.length - 64) / 64))

    @cached_property
    def prefix(self) -> str:
        """The letters that most cells begin with, before a digit: ``user`` of ``user_01``."""
        if self.is_list or self.numeric > 0.5:
            return ""
        letters = self.cells.head(1_000).str.extract(r"^([^\W\d_]{2,})[\W_]?\d").str.to_lowercase()
        common = letters.drop_nulls().value_counts(sort=True)
        return str(common.row(0)[0]) if common.height and common.row(0)[1] > 0.8 * letters.len() else ""

    @cached_property
    def packed(self) -> tuple[str | None, str | None]:
        """Separator and pattern of several items in a cell; None and None where a cell holds one."""
        sample = [] if self.is_list else self.cells.head(500).to_list()
        return unpack(sample, self.words) if sample else (None, None)

    @cached_property
    def several(self) -> bool:
        """Say whether a cell holds several ids."""
        return self.is_list or self.packed != (None, None)

    @cached_property
    def separator(self) -> str | None:
        """What separates several values in a cell."""
        return None if self.is_list else guess_separator(self.cells, lenient=False)


@dataclass(frozen=True)
class TableProfile:
    """A file's columns, looked at.

    Attributes:
        columns: name -> profile.
        rows: rows of the whole table.
    """

    columns: Mapping[str, ColumnProfile]
    rows: int
    table: pl.DataFrame

    @cached_property
    def uniques(self) -> dict[str, pl.Series]:
        """Distinct values of columns, filled by :meth:`values`."""
        return {}

    def values(self, column: str) -> pl.Series:
        """Return the distinct values of a column of the whole table as text; of a list column the elements."""
        if column not in self.uniques:
            series = self.table[column]
            if isinstance(series.dtype, pl.List | pl.Array):
                series = series.cast(pl.List(pl.String)).explode()
            text = series.to_frame().select(as_text(column, series.dtype)).to_series()
            self.uniques[column] = text.str.strip_chars().drop_nulls().unique()
        return self.uniques[column]

    def determines(self, left: str, right: str) -> float:
        """Return the share of recurring values of ``left`` that have a single value of ``right``; 0 if none recur."""
        pairs = pl.DataFrame({"a": self.columns[left].text, "b": self.columns[right].text}).drop_nulls()
        groups = pairs.group_by("a").agg(pl.len().alias("n"), pl.col("b").n_unique().alias("k")).filter(pl.col("n") > 1)
        return float((groups["k"] == 1).mean() or 0) if groups.height else 0.0  # type: ignore[arg-type]


def profile(table: pl.DataFrame) -> TableProfile:
    """Look at the columns of a table; of a long one at rows from all of it."""
    names = [name for name in table.columns if not name.startswith("__")]
    sample = table
    if table.height > SAMPLE:  # the beginning as it stands, for recurrence; the rest for what comes later
        step = (table.height - SAMPLE // 2) // (SAMPLE // 2)
        sample = pl.concat(
            [table.head(SAMPLE // 2), table.slice(SAMPLE // 2).gather_every(max(1, step)).head(SAMPLE // 2)]
        )
    sample = _side_by_side(sample, names)
    return TableProfile({name: _column(sample[name], name) for name in names}, table.height, table)


def _side_by_side(table: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Take lists of one origin (``lines.sku``, ``lines.qty``) apart: their elements are looked at like cells."""
    groups: dict[str, list[str]] = {}
    for name in names:
        if "." in name and isinstance(table.schema[name], pl.List):
            groups.setdefault(name.rpartition(".")[0], []).append(name)
    for group in groups.values():
        lengths = [table[name].list.len() for name in group]
        if len(group) > 1 and all(length.equals(lengths[0]) for length in lengths):
            return table.explode(group)
    return table


def _column(series: pl.Series, name: str) -> ColumnProfile:
    kind = series.dtype
    if isinstance(kind, pl.List | pl.Array) and not isinstance(kind.inner, pl.Struct):
        text = series.cast(pl.List(pl.String)).list.join("\x1f", ignore_nulls=True)
    else:
        text = series.to_frame().select(as_text(name, kind)).to_series()
    text = text.str.strip_chars()
    text = text.set((text == "") | text.str.to_lowercase().is_in(_NOTHING), None)
    return ColumnProfile(name, read_name(name), kind, series.len(), text, text.drop_nulls().n_unique())


def guess_separator(sample: pl.Series, *, lenient: bool) -> str | None:
    """Return what separates the values in a column of strings, or None for one value a cell.

    A separator must occur in at least 2 % of the cells, leave short values, and the values must recur among the
    cells; ``lenient`` leaves that last condition out.
    """
    text = sample.cast(pl.String, strict=False).drop_nulls()
    if not text.len():
        return None
    best, most = None, 0.02 * text.len()
    for separator in SEPARATORS:
        cells = int(text.str.contains(separator, literal=True).sum())
        if cells <= (most if best is None else 1.2 * most):
            continue
        values = text.str.split(separator).explode().str.strip_chars()
        values = values.filter(values != "")
        if not values.len():
            continue
        short = float(values.str.len_chars().quantile(0.95) or 0) <= SHORT
        if short and (lenient or values.n_unique() <= 0.9 * values.len()):
            best, most = separator, cells
    return best or _space_between_ids(text)


def _space_between_ids(text: pl.Series) -> str | None:
    """A space separates only where every word holds a digit: ``m.0dyb1 m.09w353``."""
    ids = text.str.contains(r"^\S*\d\S*( \S*\d\S*)*$").sum() >= 0.9 * text.len()
    return " " if ids and text.str.contains(" ", literal=True).sum() >= 0.02 * text.len() else None


def overlap(left: pl.Series, right: pl.Series) -> float:
    """Return the share of the smaller of two sets of values that the other has, too; 0 for less than two values."""
    small, large = sorted((left, right), key=len)
    if small.len() < 2:
        return 0.0
    return float(small.is_in(large.implode()).mean() or 0)  # type: ignore[arg-type]

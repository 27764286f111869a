"""Which items meet a condition of :mod:`kgrec.ranking.where`: columns of the catalogue, and relations of the graph."""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kgrec.data.naming import fold
from kgrec.data.times import to_seconds
from kgrec.data.values import number
from kgrec.errors import NotFoundError, UsageError
from kgrec.ranking.where import Condition, Junction, Negation, ValueTest, at_place, parse_where
from kgrec.types import Mask

if TYPE_CHECKING:
    from kgrec.data.dataset import Dataset
    from kgrec.graph.knowledge_graph import KnowledgeGraph

COLUMNS = ("item_id", "title", "description")
"""What every item may have beside its attributes."""

_DATE = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")


@dataclass(frozen=True)
class ItemFilter:
    """Applies conditions to all items at once.

    Attributes:
        dataset: the items.
        graph: loads the knowledge graph; called where a name is no column.
    """

    dataset: Dataset
    graph: Callable[[], KnowledgeGraph]

    def mask(self, text: str) -> Mask:
        """Return which items meet a condition, shape ``(n_items,)``.

        Raises:
            UsageError: the condition cannot be read.
            NotFoundError: there is no such attribute or relation, or no item has such a value.
        """
        return self._mask(parse_where(text), text)

    def _mask(self, condition: Condition, text: str) -> Mask:
        if isinstance(condition, ValueTest):
            return self._compared(condition, text)
        if isinstance(condition, Negation):
            return ~self._mask(condition.part, text)
        assert isinstance(condition, Junction)
        join = np.logical_and if condition.every else np.logical_or
        return np.asarray(join.reduce([self._mask(part, text) for part in condition.parts]))

    def _compared(self, asked: ValueTest, text: str) -> Mask:
        cells, own = self._cells(asked, text)
        try:
            hit = _hits(asked, cells["value"])
        except ValueError as error:
            raise UsageError(f"where: {error} {at_place(text, asked.value_at)}", hint="write = or ~") from None
        if asked.operator == "=":
            for value, found in zip(asked.values, hit, strict=True):
                if not found.any():
                    known = cells["value"].drop_nulls().unique().sort().to_list()
                    raise NotFoundError.of("value", value, known, where=f"{own!r} ({at_place(text, asked.value_at)})")
        mask = np.zeros(self.dataset.n_items, dtype=np.bool_)
        for found in hit:
            mask[cells["item"].filter(found).to_numpy()] = True
        return mask

    def _cells(self, asked: ValueTest, text: str) -> tuple[pl.DataFrame, str]:
        """Return ``item``, ``value`` for every value of what is compared, and how that is called."""
        items = self.dataset.items
        columns = [name for name in items.columns if name in self.dataset.item_attributes or name in COLUMNS]
        if (own := _named(asked.name, columns)) is not None:
            cells = items.select(item=pl.int_range(pl.len(), dtype=pl.UInt32), value=own)
            if cells["value"].dtype == pl.List:
                cells = cells.explode("value")
            return cells.with_columns(pl.col("value").cast(pl.String)).drop_nulls("value"), own
        graph = self.graph()
        stated = graph.relations.select("name", "inverse")
        names = [*stated["name"].to_list(), *stated["inverse"].drop_nulls().to_list()]
        if (relation := _named(asked.name, names)) is None:
            place = f"the catalogue and the graph ({at_place(text, asked.at)})"
            raise NotFoundError.of("attribute or relation", asked.name, dict.fromkeys([*columns, *names]), where=place)
        return _related(graph, relation), relation


def _named(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is meant: the same, or the only one but for case, marks, spaces, or a plural's s."""
    names = list(dict.fromkeys(known))
    if name in names:
        return name
    for form in (fold, lambda text: fold(text).removesuffix("s")):
        alike = [one for one in names if form(one) == form(name)]
        if len(alike) == 1:
            return alike[0]
    return None


def _related(graph: KnowledgeGraph, relation: str) -> pl.DataFrame:
    """Return ``item``, ``value``: all names and the key of what items have a relation to; never a user."""
    number_of, found = graph.relations.with_row_index("number"), []
    about = graph.nodes.with_row_index("node").filter(pl.col("kind") != "user")
    items = about.filter(pl.col("kind") == "item").select(near="node", item="index")
    names = about.select(far="node", value=pl.concat_list("label", "key", "aliases")).explode("value").unique()
    for near, far, column in (("head", "tail", "name"), ("tail", "head", "inverse")):
        numbers = number_of.filter(pl.col(column) == relation)["number"]
        edges = graph.edges.filter(pl.col("relation").is_in(numbers.implode())).select(near=near, far=far).unique()
        found.append(edges.join(items, on="near").join(names, on="far").select("item", "value"))
    return pl.concat(found)


def _hits(asked: ValueTest, cells: pl.Series) -> list[pl.Series]:
    """Return, for each value, which cells meet the comparison with it.

    Raises:
        ValueError: nothing can be compared in this way; says so.
    """
    if asked.operator == "=":
        folded = cells.str.to_lowercase()
        return [(folded == value.strip().lower()) | _equal(value, cells) for value in asked.values]
    if asked.operator == "~":
        wanted = _plain(pl.Series(asked.values[:1]))[0]
        return [_plain(cells).str.contains(wanted, literal=True)]
    return [_ordered(asked, cells)]


def _plain(text: pl.Series) -> pl.Series:
    """Return texts without case and accents."""
    return text.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()


def _equal(value: str, cells: pl.Series) -> pl.Series:
    """Return which cells are the same number in another spelling."""
    wanted = _number(value)
    if wanted is None:
        return pl.repeat(False, cells.len(), dtype=pl.Boolean, eager=True)
    return (_numbers(cells) == np.float32(wanted)).fill_null(False)


def _ordered(asked: ValueTest, cells: pl.Series) -> pl.Series:
    value = asked.values[0]
    wanted, span, numbers = _number(value), _span(value), _numbers(cells)
    if wanted is None and span is None:
        raise ValueError(f"{asked.operator} compares numbers and dates, and {value!r} is neither")
    if wanted is not None and (numbers.count() or not cells.len()):
        first = end = float(np.float32(wanted))
    elif span and (numbers := to_seconds(cells).cast(pl.Float64)).count():
        first, end = span
    else:
        raise ValueError(f"{asked.name!r} has no values that compare with {value!r}")
    same = first == end
    tests = {
        "<": numbers < first,
        "<=": numbers <= first if same else numbers < end,
        ">": numbers > first if same else numbers >= end,
        ">=": numbers >= first,
    }
    return tests[asked.operator].fill_null(False)


def _numbers(cells: pl.Series) -> pl.Series:
    return cells.to_frame("value").select(number(pl.col("value")))["value"]


def _number(value: str) -> float | None:
    found = _numbers(pl.Series([value], dtype=pl.String))[0]
    return None if found is None or not math.isfinite(found) else float(found)


def _span(value: str) -> tuple[float, float] | None:
    """Return first second and end of the year, month, day or second that a text names."""
    if not (match := _DATE.fullmatch(value.strip())):
        second = to_seconds(pl.Series([value], dtype=pl.String))[0]
        return None if second is None else (float(second), float(second) + 1)
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        start = datetime(year or 1, month or 1, day or 1, tzinfo=UTC)
    except ValueError:
        return None
    assert year is not None
    days = 1 if day else calendar.monthrange(year, month)[1] if month else 366 if calendar.isleap(year) else 365
    return start.timestamp(), start.timestamp() + days * 86_400

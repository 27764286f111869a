"""The catalogue as it is now: the tables of the build, with what was put, changed and deleted since.

Items that the models do not know are numbered behind those that they do, so that lists, conditions and titles treat
all of them alike; :mod:`kgrec.live.new_items` scores them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.errors import NotFoundError, UserError, did_you_mean
from kgrec.live.records import Described, Value
from kgrec.ranking.item_filter import ItemFilter
from kgrec.types import Mask

if TYPE_CHECKING:
    from kgrec.data.dataset import AttributeInfo, Dataset
    from kgrec.graph.knowledge_graph import KnowledgeGraph
    from kgrec.ranking.recommend import Recommender

KEPT = 256
"""Conditions whose items are remembered."""


class LiveCatalogue:
    """Items by now; safe for many threads.

    Args:
        recommender: whose numbering counts.
        graph: loads the knowledge graph, for conditions on it.
        records: what was put of items since the build, None of what was deleted.
    """

    def __init__(
        self,
        recommender: Recommender,
        graph: Callable[[], KnowledgeGraph],
        records: Mapping[str, Described | None],
    ) -> None:
        self._recommender, self._graph, self._records = recommender, graph, records
        self._masks: dict[tuple[str, ...], Mask] = {}
        self._lock = threading.Lock()

    @property
    def touched(self) -> bool:
        """Whether anything was put or deleted since the build."""
        return bool(self._records)

    @cached_property
    def dataset(self) -> Dataset:
        """The tables with the items as they are now; those that are new stand last."""
        base = self._recommender.users.dataset()
        told = {key: one for key, one in self._records.items() if one is not None}
        if not told:
            return base
        at = {key: base.find_item(key) for key in told}
        new = [key for key, row in at.items() if row is None]
        places = [*(row for row in at.values() if row is not None), *range(base.n_items, base.n_items + len(new))]
        keys = [*(key for key, row in at.items() if row is not None), *new]
        rows = [_row(key, told[key], base) for key in keys]
        fresh = pl.DataFrame(rows, schema=base.items.schema, strict=False).with_columns(
            row=pl.Series(places, dtype=pl.UInt32)
        )
        kept = base.items.with_row_index("row").filter(~pl.col("item_id").is_in(pl.Series(keys).implode()))
        items = pl.concat([kept.select(fresh.columns), fresh]).sort("row").drop("row")
        return replace(base, items=items)

    @cached_property
    def _slots(self) -> NDArray[np.int64]:
        """Row of :attr:`dataset` -> position in lists; -1 of what was deleted."""
        rows = np.full(self.dataset.n_items, -1, dtype=np.int64)
        known = self._recommender.users.item_positions()
        rows[: len(known)] = known
        gone = [self.dataset.find_item(key) for key, one in self._records.items() if one is None]
        deleted = np.zeros(len(rows), dtype=np.bool_)
        deleted[[row for row in gone if row is not None]] = True
        new = np.flatnonzero((rows < 0) & ~deleted)
        rows[new] = len(self._recommender.ranker.item_ids) + np.arange(len(new))
        rows[deleted] = -1
        return rows

    @cached_property
    def new_rows(self) -> NDArray[np.int64]:
        """Rows of :attr:`dataset` of the items that the models do not know, in the order of their positions."""
        first = len(self._recommender.ranker.item_ids)
        rows = np.flatnonzero(self._slots >= first)
        return rows[np.argsort(self._slots[rows])]

    @cached_property
    def new_ids(self) -> list[str]:
        """Ids of these items."""
        return self.dataset.items["item_id"].gather(self.new_rows).to_list()

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Item id -> position, of all items that may be listed."""
        known = self._recommender.ranker.item_positions
        if not self._records and not self._recommender.users.changed:
            return known
        first = len(known)
        gone = {key for key, one in self._records.items() if one is None}
        fresh = {key: first + k for k, key in enumerate(self.new_ids)}
        return {**{key: place for key, place in known.items() if key not in gone}, **fresh}

    def id(self, position: int) -> str:
        """Return the id of an item."""
        ids = self._recommender.ranker.item_ids
        return ids[position] if position < len(ids) else self.new_ids[position - len(ids)]

    def titles(self, item_ids: Sequence[str]) -> list[str]:
        """Return what to show for items: the title, or the id where there is none."""
        return [self._titles.get(key) or key for key in item_ids]

    @cached_property
    def _titles(self) -> dict[str, str]:
        return dict(self.dataset.items.select("item_id", "title").drop_nulls().iter_rows())

    def shown(self, item_id: str) -> dict[str, Any]:
        """Return what is known of an item, JSON values.

        Raises:
            NotFoundError: there is none.
        """
        row = self.dataset.find_item(item_id)
        if row is None or (item_id in self._records and self._records[item_id] is None):
            raise NotFoundError.of("item", item_id, self.positions)
        cells = self.dataset.items.row(row, named=True)
        attributes = {name: cells[name] for name in self.dataset.item_attributes if cells[name] is not None}
        known = item_id in self._recommender.ranker.item_positions
        told = {name: cells.get(name) for name in ("title", "description")}
        return {"item_id": item_id, **told, "attributes": attributes, "trained": known}

    def described(self, item_id: str) -> Described:
        """Return what is known of an item as it is put; nothing of an unknown one."""
        try:
            shown = self.shown(item_id)
        except NotFoundError:
            return Described()
        return Described(title=shown["title"], description=shown["description"], attributes=shown["attributes"])

    def with_fact(self, item_id: str, relation: str, value: str, *, added: bool) -> Described:
        """Return an item with a fact more or less; a value that stands alone is replaced.

        Raises:
            NotFoundError: there is no such relation or attribute.
        """
        record, known = self.described(item_id), self.dataset.item_attributes
        (name,) = as_attributes({relation: value}, known)
        had = record.attributes.get(name, [])
        rest = [one for one in (had if isinstance(had, list) else [had]) if text(one) != value]
        values = [*map(text, rest), *([value] if added else [])]
        attributes = dict(record.attributes)
        attributes.pop(name, None)
        if values:
            attributes[name] = values if known[name].multi else values[-1]
        return record.model_copy(update={"attributes": attributes})

    def checked(self, record: Described) -> Described:
        """Return a record under the catalogue's names of attributes, which may also be named by their relations.

        Raises:
            NotFoundError: there is no such attribute.
        """
        known = self.dataset.item_attributes
        return record.model_copy(update={"attributes": as_attributes(record.attributes, known)})

    def allowed(self, where: Sequence[str]) -> Mask | None:
        """Return which items may be listed and meet all conditions, by position; None where all do.

        Raises:
            NotFoundError: there is no such attribute, relation or value.
            UsageError: a condition cannot be read.
            UserError: no item meets the conditions.
        """
        if not where and not self._records and not self._recommender.users.changed:
            return None
        key = tuple(where)
        with self._lock:
            if (found := self._masks.get(key)) is not None:
                return found
        chosen = ItemFilter(self.dataset, self._graph)
        rows = np.logical_and.reduce([self._slots >= 0, *(chosen.mask(text) for text in where)])
        if (there := self._recommender.users.there) is not None:
            rows[: len(there)] &= there
        if where and not rows.any():
            raise UserError(f"no item meets {' and '.join(where)}", hint="drop one of the conditions")
        mask = np.zeros(len(self._recommender.ranker.item_ids) + len(self.new_rows), dtype=np.bool_)
        mask[self._slots[rows]] = True
        with self._lock:
            if len(self._masks) >= KEPT:
                self._masks.pop(next(iter(self._masks)))
            self._masks[key] = mask
        return mask


def as_attributes(
    given: Mapping[str, Value | list[str]], known: Mapping[str, AttributeInfo]
) -> dict[str, Value | list[str]]:
    """Return attributes under the names of the tables; an attribute may also be named by its relation.

    Raises:
        NotFoundError: there is no such attribute.
    """
    by_relation = {info.relation: name for name, info in known.items() if info.relation is not None}
    found = {}
    for name, value in given.items():
        own = name if name in known else by_relation.get(name)
        if own is None:
            raise NotFoundError(f"there is no attribute {name!r}", hint=did_you_mean(name, [*known, *by_relation]))
        found[own] = value
    return found


def _row(key: str, record: Described, base: Dataset) -> dict[str, Any]:
    """Return an item as a row of the table."""
    cells: dict[str, Any] = {"item_id": key, "title": record.title, "description": record.description}
    for name, value in record.attributes.items():
        if name not in base.item_attributes:
            continue  # put when the tables had it
        several = [text(one) for one in (value if isinstance(value, list) else [value])]
        if base.item_attributes[name].multi:
            cells[name] = several
        else:
            cells[name] = several[0] if several else None
    return {name: cells.get(name) for name in base.items.columns}


def text(value: Value) -> str:
    """Return a value as tables hold it."""
    return value if isinstance(value, str) else f"{value:.15g}"

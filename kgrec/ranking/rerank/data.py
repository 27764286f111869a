"""What re-rankers may ask of items and users, made from the tables, the graph and the text vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import AttributeInfo, Dataset
from kgrec.data.item_features import first_seen, item_categories
from kgrec.errors import ConfigError, NotFoundError
from kgrec.models.features import unit_rows
from kgrec.plugin.reranking import Groups, RerankData
from kgrec.types import ItemIndices, Triples, Vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

DIM = 128
"""Length of the vectors at most: lists are built from cosines, which hardly need more."""

KINDS = ("text", "category", "graph")
"""Vectors by which items can be alike, in the order in which ``auto`` looks for them."""


@dataclass
class Catalogue:
    """Items and users as the ranker numbers them; what is asked for twice is made once.

    Attributes:
        dataset: the tables, without anything that is held out.
        rows: row of each item in the dataset's table, -1 for one that is no longer there, shape ``(n_items,)``.
        likes: who likes what, CSR of shape ``(n_users, n_items)``, items numbered as in ``rows``.
        item_ids: shape ``(n_items,)``.
        text: text vectors, shape ``(n_items, dim)``, or None.
        triples: the graph, its items numbered as in the dataset, or None.
        seed: of whatever is drawn.
        best_ranks: see :attr:`RerankData.best_ranks`.
        at: the moment that lists are made for, unix seconds; None: now.
    """

    dataset: Dataset
    rows: ItemIndices
    likes: csr_array
    item_ids: Sequence[str]
    text: Vectors | None = None
    triples: Triples | None = None
    seed: int = 42
    best_ranks: Callable[[], NDArray[np.int32]] | None = None
    at: int | None = None
    _groups: dict[str, Groups] = field(default_factory=dict)
    _vectors: dict[str, Vectors] = field(default_factory=dict)

    def describe(self) -> RerankData:
        """Return what re-rankers are told."""
        first, now = self._times()
        popularity = np.bincount(self.likes.indices, minlength=len(self.item_ids)).astype(np.int64)
        return RerankData(
            item_ids=self.item_ids,
            popularity=popularity,
            likes=self.likes,
            first_seen=first,
            now=now,
            seed=self.seed,
            item_groups=self.item_groups,
            user_groups=self.user_groups,
            item_values=self.item_values,
            vectors=self.vectors,
            best_ranks=self.best_ranks,
        )

    def bought(self) -> csr_array:
        """Return who bought what, boolean CSR of shape ``(n_users, n_items)``."""
        from scipy.sparse import csr_array as csr

        bought = self.dataset.interactions.filter((pl.col("action") == "purchase") & pl.col("item").is_not_null())
        pairs = bought.select("user", "item").unique()
        users, places = pairs["user"].to_numpy().astype(np.int64), self._places()[pairs["item"].to_numpy()]
        kept = places >= 0
        entries = (np.ones(int(kept.sum()), dtype=np.bool_), (users[kept], places[kept]))
        return csr(entries, shape=self.likes.shape)

    def item_groups(self, attribute: str) -> Groups:
        """Return the values of an attribute of the items; ``""`` is the one that sorts them best."""
        if attribute not in self._groups:
            name = attribute or self._sorting()
            _known(name, self.dataset.item_attributes, "the catalogue")
            values = self.dataset.items[name]
            self._groups[attribute] = _grouped(name, self._in_order(values))
        return self._groups[attribute]

    def user_groups(self, attribute: str) -> Groups:
        """Return the values of an attribute of the users."""
        _known(attribute, self.dataset.user_attributes, "the users table")
        return _grouped(attribute, self.dataset.users[attribute])

    def item_values(self, attribute: str) -> NDArray[np.float64]:
        """Return a number or a time (unix seconds) of each item, NaN where there is none, shape ``(n_items,)``.

        Numbers that are all between 1000 and 3000 are years.

        Raises:
            ConfigError: the attribute holds neither numbers nor dates.
        """
        _known(attribute, self.dataset.item_attributes, "the catalogue")
        return _as_numbers(attribute, self._in_order(self.dataset.items[attribute]))

    def vectors(self, by: str) -> Vectors:
        """Return unit rows by which items are alike; see :attr:`RerankData.vectors`.

        Raises:
            ConfigError: there are none of this kind.
        """
        if by != "auto" and by not in KINDS:
            raise ConfigError(f"items cannot be compared by {by!r}", hint=f"auto, {', '.join(KINDS)}")
        for kind in KINDS if by == "auto" else (by,):
            if kind not in self._vectors:
                made = self._made(kind)
                if made is None:
                    continue
                self._vectors[kind] = made
            return self._vectors[kind]
        what = "text, category or graph" if by == "auto" else by
        raise ConfigError(f"there is no {what} by which items could be alike", hint="leave out this re-ranker")

    def _made(self, kind: str) -> Vectors | None:
        if kind == "text":
            return None if self.text is None or not self.text.any() else compressed(self.text)
        if kind == "graph":
            return None if self.triples is None else graph_vectors(self.triples, self.rows, self.seed)
        if item_categories(self.dataset) is None:
            return None
        return compressed(np.asarray(self.item_groups("").matrix.todense(), dtype=np.float32))

    def _sorting(self) -> str:
        found = item_categories(self.dataset)
        if found is None:
            raise ConfigError(
                "no attribute sorts the items into categories", hint="name one: attribute=NAME after the re-ranker"
            )
        return found[0]

    def _in_order(self, values: pl.Series) -> pl.Series:
        """Bring a column of the items table into the ranker's order; null for items that are gone."""
        if len(self.rows) == len(values) and np.array_equal(self.rows, np.arange(len(values))):
            return values
        found = pl.DataFrame({"value": values.gather(np.maximum(self.rows, 0)), "there": self.rows >= 0})
        return found.select(pl.when("there").then("value").alias("value"))["value"]

    def _places(self) -> NDArray[np.int64]:
        """Row of the items table -> position at the ranker, -1 for an item that came later."""
        places = np.full(self.dataset.n_items, -1, dtype=np.int64)
        places[self.rows[self.rows >= 0]] = np.flatnonzero(self.rows >= 0)
        return places

    def _times(self) -> tuple[NDArray[np.float64], float]:
        of_rows, now = first_seen(self.dataset.interactions, self.dataset.n_items)
        there = self.rows >= 0
        appeared = np.where(there, of_rows[np.where(there, self.rows, 0)], np.nan)
        return appeared, now if self.at is None else float(self.at)


def _known(name: str, attributes: Mapping[str, AttributeInfo], where: str) -> None:
    if name not in attributes:
        raise NotFoundError.of("attribute", name, attributes, where=where)


def _grouped(name: str, values: pl.Series) -> Groups:
    from scipy.sparse import csr_array

    frame = pl.DataFrame({"row": np.arange(len(values)), "value": values})
    if values.dtype == pl.List:
        frame = frame.explode("value")
    frame = frame.drop_nulls("value").with_columns(pl.col("value").cast(pl.String)).unique(maintain_order=True)
    names = frame["value"].unique().sort()
    codes = frame["value"].rank("dense").cast(pl.Int64).to_numpy() - 1
    entries = (np.ones(frame.height, dtype=np.bool_), (frame["row"].to_numpy(), codes))
    matrix = csr_array(entries, shape=(len(values), len(names)))
    matrix.sort_indices()
    return Groups(name, tuple(names.to_list()), matrix)


def _as_numbers(name: str, values: pl.Series) -> NDArray[np.float64]:
    if values.dtype == pl.String:
        numbers = values.cast(pl.Float64, strict=False)
        dates = values.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        values = numbers if numbers.count() >= dates.count() else dates
    if values.dtype in (pl.Date, pl.Datetime):
        values = values.cast(pl.Datetime("us")).dt.epoch("s")
    if not values.dtype.is_numeric() or not values.count():
        raise ConfigError(f"attribute {name!r} holds neither numbers nor dates", hint="dates are written 2024-01-31")
    found: NDArray[np.float64] = values.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    present = found[~np.isnan(found)]
    if len(present) and present.min() >= 1000 and present.max() <= 3000:
        known = ~np.isnan(found)
        years = present.astype(np.int64) - 1970
        found[known] = years.astype("datetime64[Y]").astype("datetime64[s]").astype(np.int64)
    return found


def compressed(vectors: Vectors) -> Vectors:
    """Return unit rows of length :data:`DIM` at most: the principal axes of the second moments, so the best cosines.

    Args:
        vectors: shape ``(n, dim)``.
    """
    rows = unit_rows(np.asarray(vectors, dtype=np.float32))
    if rows.shape[1] <= DIM:
        return rows
    _, axes = np.linalg.eigh(rows.T @ rows)  # rising eigenvalues
    return unit_rows(rows @ axes[:, -DIM:])


def graph_vectors(triples: Triples, rows: ItemIndices, seed: int) -> Vectors | None:
    """Return unit rows by which items that share rare entities are alike; None where no item has an entity.

    An item's neighbours in the graph are weighted by inverse document frequency; many entities are brought to length
    :data:`DIM` by a random projection, which keeps cosines within about 0.1 (Johnson and Lindenstrauss 1984).

    Args:
        triples: the graph; both directions of an edge count.
        rows: item of the graph for each row asked for, -1 for none, shape ``(n,)``.
        seed: of the projection.
    """
    from scipy.sparse import coo_array, csr_array

    n_entities = triples.n_nodes - triples.n_items
    items, entities = triples.heads, triples.tails
    backward = triples.tails < triples.n_items
    items, entities = np.where(backward, entities, items), np.where(backward, items, entities)
    kept = (items < triples.n_items) & (entities >= triples.n_items)
    if not kept.any():
        return None
    known_by = np.bincount(entities[kept] - triples.n_items, minlength=n_entities)
    rarity = np.log((1 + triples.n_items) / (1 + np.minimum(known_by, triples.n_items)))
    places = (items[kept], entities[kept] - triples.n_items)
    cells = (triples.weights[kept] * rarity[places[1]]).astype(np.float32)
    weighted = csr_array(coo_array((cells, places), shape=(triples.n_items, n_entities)))
    if n_entities > DIM:
        directions = np.random.default_rng([seed, 29]).standard_normal((n_entities, DIM), dtype=np.float32)
        dense = np.asarray(weighted @ directions, dtype=np.float32)
    else:
        dense = np.asarray(weighted.todense(), dtype=np.float32)
    return unit_rows(np.where(rows[:, None] >= 0, dense[rows], np.float32(0)))

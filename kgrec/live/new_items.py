"""Scores of items that came after training, from what the hybrid says of the items that are like them.

The scorers of cold items regress from content to the columns of an item-item model; here the same regression is on the
scores of the whole hybrid, whatever its scorers are: a new item ``j`` gets ``z_N (K_NN + ridge I)^-1 K_Nj``, where
``z`` are the user's scores, standardised, ``N`` are the items nearest to ``j`` and ``K`` is a kernel of texts and graph
at equal weight. How high it stands is settled as for cold items: see :class:`kgrec.ranking.cold.ColdPlacement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, vstack

from kgrec.models import sparse
from kgrec.models.features import centred, unit_rows
from kgrec.text.item_text import item_texts
from kgrec.types import Vectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from kgrec.data.dataset import Dataset
    from kgrec.graph.knowledge_graph import KnowledgeGraph
    from kgrec.live.catalogue import LiveCatalogue
    from kgrec.ranking.recommend import Recommender

NEAREST, RIDGE = 100, 1.0
SAMPLE, SEED = 200, 20
"""Items of the training that are scored as if they were new, to know how such scores spread."""
TOLD = 10
"""Nearest items that a new one is explained by, or that stand for it as a like."""


@dataclass(frozen=True)
class NewItems:
    """What the items that the models do not know are made of.

    Attributes:
        shares: how much each known item says of each new one, CSR ``(m, n_items)``; nothing where nothing is like it.
        usual: the same of the sample, CSR ``(s, n_items)``.
        nearest: the known items most like each new one, best first, -1 where there are fewer, ``(m, TOLD)``.
        height, scale: of their scores among the others, in deviations of the user's.
    """

    shares: csr_array
    usual: csr_array
    nearest: NDArray[np.int64]
    height: float
    scale: float

    def scores(self, fused: NDArray[np.float32], cold: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score the new items for a user, shape ``(m,)``.

        Args:
            fused: scores of the known items, shape ``(n_items,)``.
            cold: positions of those without likes, whose scores are guesses themselves.
        """
        mean, deviation = float(fused.mean()), float(fused.std())
        z = (fused - mean) / max(deviation, 1e-9)
        z[cold] = 0
        usual = self.usual @ z
        told = self.shares @ z
        standard = (told - usual.mean()) / max(float(usual.std()), 1e-9) if len(usual) else told
        described = np.diff(self.shares.indptr) > 0
        return np.asarray(mean + deviation * np.where(described, self.height + self.scale * standard, 0), np.float32)


class ItemComparison:
    """Compares new items with those of a training, by texts and graph.

    Args:
        recommender: made the lists.
        graph: of the same build.
        encode: texts -> vectors, by the encoder of the training.
    """

    def __init__(
        self, recommender: Recommender, graph: KnowledgeGraph, encode: Callable[[Sequence[str]], Vectors]
    ) -> None:
        self._recommender, self._graph, self._encode = recommender, graph, encode
        self._compared: dict[tuple[str, bytes], tuple[csr_array, NDArray[np.int64]]] = {}

    def of(self, catalogue: LiveCatalogue) -> NewItems | None:
        """Compare the new items of a catalogue with the known ones; None where there are none."""
        rows = catalogue.new_rows
        if not len(rows):
            return None
        facts = self._facts(catalogue.dataset, rows)
        texts = self._texts_of(catalogue.dataset, rows)
        spans = [facts.indices[facts.indptr[k] : facts.indptr[k + 1]].tobytes() for k in range(len(rows))]
        keys = list(zip(texts, spans, strict=True))
        fresh = [k for k, key in enumerate(keys) if key not in self._compared]
        if fresh:  # what was compared before stays as it was
            vectors = self._vectors([texts[k] for k in fresh])
            found, near = self._shares(vectors, csr_array(facts[fresh]), None)
            for place, k in enumerate(fresh):
                self._compared[keys[k]] = csr_array(found[[place]]), near[place]
        shares = sparse.csr(vstack([self._compared[key][0] for key in keys], format="csr"))
        nearest = np.array([self._compared[key][1] for key in keys])
        cold = self._recommender.ranker.cold
        height, scale = (0.0, 1.0) if cold is None else (cold.height, cold.scale)
        return NewItems(shares, self._usual, nearest, height, scale)

    def _texts_of(self, dataset: Dataset, rows: NDArray[np.int64]) -> list[str]:
        """Return the texts of items, as those of the training were put together."""
        lookup = self._recommender.users
        return item_texts(
            replace(dataset, items=dataset.items[rows]), None, lookup.config.text.item_template, lookup.domain
        )

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        """Return the centred vectors of texts, zero rows of empty ones."""
        base, mean = self._texts
        found = np.zeros((len(texts), base.shape[1]), dtype=np.float32)
        told = [k for k, text in enumerate(texts) if text]
        if told and base.shape[1]:
            found[told] = self._encode([texts[k] for k in told])
        return unit_rows(np.where(np.asarray(found.any(axis=1))[:, None], found - mean, np.float32(0)))

    def _facts(self, dataset: Dataset, rows: NDArray[np.int64]) -> csr_array:
        """Return the facts of new items among those that known items have, rows of unit length."""
        chosen = dataset.items[rows].with_row_index("item")
        parts = []
        for name, info in dataset.item_attributes.items():
            if info.relation is not None:
                values = chosen.select("item", value=pl.col(name)).drop_nulls("value")
                values = values.explode("value") if info.multi else values
                parts.append(values.select("item", fact=_fact(pl.lit(info.relation), pl.col("value"))))
        matrix, vocabulary, idf = self._features
        if not parts:
            return sparse.csr(np.zeros((len(rows), matrix.shape[1]), dtype=np.float32))
        found = pl.concat(parts).drop_nulls().unique().join(vocabulary, on="fact")
        places = (found["item"].to_numpy().astype(np.int64), found["column"].to_numpy().astype(np.int64))
        own = csr_array((idf[places[1]], places), shape=(len(rows), matrix.shape[1]))
        return _unit(sparse.csr(own))

    @cached_property
    def _texts(self) -> tuple[Vectors, NDArray[np.float32]]:
        """Centred vectors of the known items, and what was taken off."""
        return centred(self._recommender.text_vectors().items)

    @cached_property
    def _features(self) -> tuple[csr_array, pl.DataFrame, NDArray[np.float32]]:
        """Facts of the known items, rows of unit length ``(n_items, f)``; ``fact``, ``column``; what a fact weighs."""
        graph, n_items = self._graph, len(self._recommender.ranker.item_ids)
        stated = graph.both_ways(graph.edges.filter(pl.col("provenance") != "interaction"))
        nodes = graph.nodes.with_row_index("node")
        items = nodes.filter(pl.col("kind") == "item").select(near="node", key="key")
        known = self._recommender.ranker.item_positions
        items = items.with_columns(item=pl.col("key").replace_strict(known, default=None, return_dtype=pl.Int64))
        entities = nodes.filter(pl.col("kind") == "entity").select(far="node", label="label")
        pairs = stated.join(items.drop_nulls(), on="near").join(entities, on="far")
        relation = pl.when(pl.col("forward")).then("relation").otherwise(pl.lit("^") + pl.col("relation"))
        pairs = pairs.select("item", fact=_fact(relation, pl.col("label"))).unique()
        counts = pairs.group_by("fact").len().filter((pl.col("len") > 1) & (pl.col("len") <= max(n_items / 2, 2)))
        vocabulary = counts.sort("fact").with_row_index("column")
        pairs = pairs.join(vocabulary, on="fact")
        idf = np.log(n_items / vocabulary["len"].to_numpy()).astype(np.float32)
        places = (pairs["item"].to_numpy(), pairs["column"].to_numpy().astype(np.int64))
        matrix = csr_array((idf[places[1]], places), shape=(n_items, vocabulary.height))
        return _unit(sparse.csr(matrix)), vocabulary.select("fact", "column"), idf

    @cached_property
    def _liked(self) -> NDArray[np.bool_]:
        """Which known items anybody has touched."""
        return np.bincount(self._recommender.ranker.seen.indices, minlength=len(self._texts[0])) > 0

    @cached_property
    def _usual(self) -> csr_array:
        """What is said of a sample of the known items by the others."""
        rng = np.random.default_rng(SEED)
        liked = np.flatnonzero(self._liked)
        chosen = np.sort(rng.permutation(liked)[:SAMPLE])
        return self._shares(self._texts[0][chosen], csr_array(self._features[0][chosen]), chosen)[0]

    def _shares(
        self, texts: Vectors, facts: csr_array, own: NDArray[np.int64] | None
    ) -> tuple[csr_array, NDArray[np.int64]]:
        """Regress on the nearest known items; ``own`` are the positions of the items themselves, which are left out."""
        base, features = self._texts[0], self._features[0]
        near = texts @ base.T + (facts @ features.T).toarray()  # (m, n_items)
        near[:, ~self._liked] = 0
        if own is not None:
            near[np.arange(len(own)), own] = 0
        rows, columns, values = [], [], []
        nearest = np.full((len(near), TOLD), -1, dtype=np.int64)
        for k, row in enumerate(near):
            best = np.argpartition(-row, min(NEAREST, len(row) - 1))[:NEAREST]
            best = best[row[best] > 0]
            best = best[np.argsort(-row[best], kind="stable")]
            nearest[k, : min(TOLD, len(best))] = best[:TOLD]
            if len(best):
                system = base[best] @ base[best].T + (features[best] @ features[best].T).toarray()
                np.einsum("ii->i", system)[:] += np.float32(RIDGE)
                rows.append(np.full(len(best), k))
                columns.append(best)
                values.append(cho_solve(cho_factor(system, lower=True), row[best]))
        empty = [np.zeros(0, dtype=np.int64)]
        places = (np.concatenate(empty + rows), np.concatenate(empty + columns))
        shares = csr_array((np.concatenate([np.zeros(0), *values]), places), shape=near.shape)
        return sparse.csr(shares), nearest


def _fact(relation: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.concat_str(relation, pl.lit("\0"), value.cast(pl.String).str.to_lowercase().str.strip_chars())


def _unit(matrix: csr_array) -> csr_array:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return sparse.csr(
        csr_array((matrix.data / np.maximum(norms, 1e-9)[rows], matrix.indices, matrix.indptr), matrix.shape)
    )

"""Keywords for items of thin texts: words of the items that stand near them in the graph or are liked with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from kgrec.artifacts import storage_errors
from kgrec.data.split import interaction_matrix, like_weights, split_validation, to_events
from kgrec.errors import UserError
from kgrec.models import sparse
from kgrec.models.features import graph_features
from kgrec.text.item_text import item_texts
from kgrec.text.terms import TermIndex
from kgrec.text.tokens import term_table

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.data.dataset import Dataset
    from kgrec.graph.knowledge_graph import KnowledgeGraph
    from kgrec.plugin.domain import Domain

NEIGHBOURS = 20
"""Items that an item's keywords are taken from, on each side."""

AGREE = 2
"""So many of them must share a word."""


def write_keywords(
    dataset: Dataset, graph: KnowledgeGraph, config: Config, domain: Domain, out: Path, *, thin: int, limit: int
) -> int:
    """Write keywords of items with thin texts; see :meth:`kgrec.generate.service.TextService.write_keywords`.

    Raises:
        UserError: the folder of the file does not exist.
    """
    if not out.parent.is_dir():
        raise UserError(f"the folder {out.parent} does not exist", hint=f"mkdir -p {out.parent}")
    texts = item_texts(dataset, None, config.text.item_template, domain)
    counted = term_table(texts).group_by("text").len()
    lengths = np.zeros(dataset.n_items, dtype=np.int64)
    lengths[counted["text"].to_numpy()] = counted["len"].to_numpy()
    weights = like_weights(dataset, config.feedback, domain)
    # What kgrec itself will hold out of training says nothing here either, or validation would see its own answers.
    split = split_validation(dataset, weights, config.train, config.seed)
    likes = interaction_matrix(to_events(dataset, split.fit, weights), dataset.n_users, dataset.n_items)
    sides = [csr_array(likes.T.tocsr().astype(bool).astype(np.float32))]
    triples = graph.triples(min_entity_degree=config.graph.min_entity_degree)
    if len(triples):
        features = graph_features(triples)
        sides.append(csr_array(features.matrix @ diags_array(features.idf())))
    terms = TermIndex.build(texts, min_items=2)
    rng = np.random.default_rng([config.seed, 41])
    items, found = keywords(terms, lengths, sides, thin=thin, limit=limit, rng=rng)
    ids = dataset.items["item_id"].gather(items)
    table = pl.DataFrame({"item_id": ids, "keywords": [", ".join(words) for words in found]})
    with storage_errors(out):
        table.write_csv(out)
    return table.height


def keywords(
    terms: TermIndex,
    lengths: NDArray[np.int64],
    sides: Sequence[csr_array],
    *,
    thin: int,
    limit: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], list[list[str]]]:
    """Choose keywords for the items whose texts are thin.

    The idea is GENRE's (Liu et al., ONCE: Boosting Content-based Recommendation with Both Open- and Closed-source Large
    Language Models, WSDM 2024), which asks a language model for what is missing; here the words are those that an
    item's neighbours agree on, weighted by TF-IDF and by how near the neighbours are, and none is invented. They help
    to compare items and are no facts: nothing says that they are true of the item.

    Args:
        terms: TF-IDF of the items' texts.
        lengths: words of each text, shape ``(n_items,)``.
        sides: what items are neighbours by, each CSR of shape ``(n_items, features)``: who likes them, what the graph
            joins them with.
        thin: texts of fewer words get keywords.
        limit: keywords an item.
        rng: draws lots between equally near neighbours.

    Returns:
        The items that get keywords, ascending, and the keywords of each, the best first.
    """
    rows = np.flatnonzero(lengths < thin)
    held = csr_array(terms.matrix.astype(bool).astype(np.float32))
    weights, agree = csr_array((len(rows), held.shape[1])), csr_array((len(rows), held.shape[1]))
    for side in sides:
        near = _nearest(side, rows, rng)
        weights = weights + near @ terms.matrix
        agree = agree + csr_array(near.astype(bool).astype(np.float32)) @ held
    shared = csr_array((agree >= AGREE).astype(np.float32)) if agree.nnz else agree
    own = csr_array(held[rows])
    found = csr_array(weights.multiply(shared))
    found = csr_array(found - found.multiply(own))
    found.eliminate_zeros()
    best = sparse.top_k(sparse.csr(found), limit, rng)
    owners = np.repeat(np.arange(len(rows)), np.diff(best.indptr))
    order = np.lexsort((best.indices, -best.data, owners))
    names = terms.terms.gather(best.indices[order]).to_list()
    parts = np.split(np.array(names, dtype=object), best.indptr[1:-1])
    kept = np.diff(best.indptr) > 0
    return rows[kept], [part.tolist() for part, has in zip(parts, kept, strict=True) if has]


def _nearest(side: csr_array, rows: NDArray[np.int64], rng: np.random.Generator) -> csr_array:
    """Return the cosines of ``rows`` to their nearest items, rows summing to 1, CSR of shape ``(r, n_items)``."""
    lengths = np.sqrt(np.asarray(side.multiply(side).sum(axis=1)).ravel())
    unit = csr_array(diags_array(1 / np.maximum(lengths, 1e-12)) @ side)
    cosines = sparse.csr(unit[rows] @ unit.T)
    owners = np.repeat(np.arange(len(rows)), np.diff(cosines.indptr))
    cosines.data[rows[owners] == cosines.indices] = 0
    cosines.eliminate_zeros()
    near = sparse.top_k(sparse.csr(cosines.astype(np.float32)), NEIGHBOURS, rng)
    sums = np.asarray(near.sum(axis=1)).ravel()
    return csr_array(diags_array((1 / np.maximum(sums, 1e-12)).astype(np.float32)) @ near)

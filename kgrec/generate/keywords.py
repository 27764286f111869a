"""Keywords of thin items, written into a file that training reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kgrec.errors import DataError, UserError
from kgrec.workspace import storage_errors

if TYPE_CHECKING:
    from kgrec.project import Project

THIN = 20
"""Words of a text below which it is thin."""

LIMIT = 8
"""Keywords an item."""


def enrich(project: Project, out: Path, *, thin: int = THIN, limit: int = LIMIT) -> int:
    """Write keywords of thin items; see :meth:`kgrec.project.Project.enrich`."""
    from scipy.sparse import csr_array, diags_array

    from kgrec.data.split import interaction_matrix, like_weights, split_validation, to_events
    from kgrec.generate.enrich import keywords
    from kgrec.models.features import graph_features
    from kgrec.text.item_text import item_texts
    from kgrec.text.terms import TermIndex
    from kgrec.text.tokens import tokenise

    if not out.parent.is_dir():
        raise UserError(f"the folder {out.parent} does not exist", hint=f"mkdir -p {out.parent}")
    dataset, config = project.dataset, project.config
    texts = item_texts(dataset, None, config.text.item_template, project.domain)
    counted = tokenise(texts).group_by("text").len()
    lengths = np.zeros(dataset.n_items, dtype=np.int64)
    lengths[counted["text"].to_numpy()] = counted["len"].to_numpy()
    weights = like_weights(dataset, config.feedback, project.domain)
    # What kgrec itself will hold out of training says nothing here either, or validation would see its own answers.
    split = split_validation(dataset, weights, config.train, config.seed)
    likes = interaction_matrix(to_events(dataset, split.fit, weights), dataset.n_users, dataset.n_items)
    sides = [csr_array(likes.T.tocsr().astype(bool).astype(np.float32))]
    triples = project.graph.triples(min_entity_degree=config.graph.min_entity_degree)
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


def read_keywords(file: Path, item_ids: pl.Series) -> list[str]:
    """Return the keywords of each item, empty where it has none.

    Args:
        file: written by :func:`enrich`, or by hand: columns ``item_id`` and ``keywords``.
        item_ids: of all items, in the order of the vocabulary.

    Raises:
        DataError: there is no such file, or it lacks a column.
    """
    hint = "write it by `kgrec generate enrich --out FILE`, or leave out text.keywords"
    try:
        table = pl.read_csv(file, infer_schema=False).select("item_id", "keywords")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file} holds no keywords: {error}", hint=hint) from None
    table = table.unique("item_id", keep="last", maintain_order=True)
    asked = pl.DataFrame({"item_id": item_ids})
    found = asked.join(table, on="item_id", how="left", maintain_order="left")["keywords"]
    return found.fill_null("").to_list()

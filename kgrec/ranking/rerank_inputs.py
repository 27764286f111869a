"""Re-rankers of a workspace: what they are told of its items and users, and of whom a list is for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.data.split import interaction_matrix, like_weights, to_events
from kgrec.errors import CorruptArtifactError
from kgrec.plugin.reranking import AUDIENCE
from kgrec.ranking.best_ranks import best_ranks
from kgrec.ranking.histories import training_positions
from kgrec.ranking.rerank.data import Catalogue
from kgrec.ranking.rerank.pipeline import Pipeline, build, prepare
from kgrec.types import Profile, UserIndices
from kgrec.workspace import load_arrays, save_arrays, storage_errors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.project import Project


def catalogue(project: Project) -> Catalogue:
    """Arrange tables, likes, texts and graph as the trained ranker numbers its items."""
    from scipy.sparse import csr_array

    dataset, config, ranker = project.dataset, project.config, project.ranker
    places = training_positions(project)
    rows = np.full(len(ranker.item_ids), -1, dtype=np.int64)
    rows[places[places >= 0]] = np.flatnonzero(places >= 0)
    everything = np.ones(dataset.interactions.height, dtype=np.bool_)
    events = to_events(dataset, everything, like_weights(dataset, config.feedback, project.domain))
    likes = interaction_matrix(events, dataset.n_users, dataset.n_items).tocoo()
    kept = places[likes.col] >= 0
    cells = (likes.data[kept], (likes.row[kept], places[likes.col[kept]]))
    matrix = csr_array(cells, shape=(dataset.n_users, len(ranker.item_ids)))
    triples = project.graph.triples(min_entity_degree=config.graph.min_entity_degree)
    text = project.text_vectors.items
    known = triples if len(triples) else None
    ranks = partial(_best_ranks, project)
    return Catalogue(dataset, rows, matrix, ranker.item_ids, text, known, config.seed, ranks)


def _best_ranks(project: Project) -> NDArray[np.int32]:
    """Return how high items stand in users' lists; found once for trained models, then read from the cache."""
    config, ranker = project.config, project.ranker
    folder = project.workspace.cache / "best-ranks"
    file = folder / f"{project.workspace.info('models').fingerprint}.safetensors"
    if file.exists():
        try:
            return load_arrays(file)["best_ranks"].astype(np.int32)
        except (CorruptArtifactError, KeyError):  # it is only a cache
            file.unlink(missing_ok=True)
    found = best_ranks(ranker, AUDIENCE, seed=config.seed, block_size=config.recommend.block_size)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.safetensors"):
            old.unlink(missing_ok=True)
        save_arrays(file, {"best_ranks": found})
    return found


def pipeline(project: Project, named: Sequence[str] | None) -> Pipeline | None:
    """Return the re-rankers that are named, or those of kgrec.toml, ready to work; None where there are none."""
    config = project.config
    registry = project.manager.registry("re-ranker")
    steps = build(config.recommend.rerank if named is None else named, registry, config.rerankers)
    if not steps:
        return None
    known = project.catalogue
    candidates = config.recommend.rerank_candidates
    return prepare(steps, known.describe(), bought=known.bought(), candidates=candidates)


def pool(steps: Pipeline | None, n: int) -> int:
    """Return how many of a user's best items are looked for where ``n`` are shown."""
    return n if steps is None else max(n, steps.candidates)


def histories(
    project: Project, user_ids: Sequence[str | None], profiles: Sequence[Profile] = ()
) -> tuple[UserIndices, csr_array]:
    """Return where people stand in the data, -1 for those who do not, and what they like.

    Args:
        project: the workspace.
        user_ids: ids, None for somebody who is not in the data, shape ``(u,)``.
        profiles: what those like, one a person; may be empty where all are in the data.
    """
    from scipy.sparse import csr_array

    likes = project.catalogue.likes
    if None not in user_ids:
        users = project.dataset.user_positions([user for user in user_ids if user is not None])
        return users, likes[users]
    items = [profile.items for profile in profiles]
    indptr = np.cumsum([0, *map(len, items)])
    weights = np.concatenate([profile.weights for profile in profiles])
    liked = csr_array((weights, np.concatenate(items), indptr), shape=(len(profiles), likes.shape[1]))
    return np.full(len(profiles), -1, dtype=np.int64), liked

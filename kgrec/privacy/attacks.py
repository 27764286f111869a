"""Membership inference: who was in the training, told from ranked lists alone.

The attacker knows some people's interactions and sees the lists they are shown, nothing of the models. To see how well
that works, models are trained with the settings that stand on half of the users of a pool, and the attacker tells
these members from the other half. A second pool, of other users, is the attacker's own: from its likes come vectors of
items, and on its members and non-members the attack is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.split import interaction_matrix, like_weights, seen_matrix, to_events
from kgrec.errors import DataError
from kgrec.models.features import unit_rows
from kgrec.models.sparse import take_rows
from kgrec.models.top_k import mask_seen, top_k
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import Registry
from kgrec.progress import SILENT, Progress
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.ranker import ListRules, Ranker
from kgrec.ranking.refitting import refit_ranker
from kgrec.ranking.training_inputs import prepare
from kgrec.significance import NORMAL, Interval
from kgrec.types import Profile, Triples, UserIndices, Vectors

FACTORS = 32
"""Length of the attacker's item vectors."""
LEAST_LIKES = 5
"""Users with fewer likes are in no pool: there is hardly anything to learn of them, or to attack with."""
LEAST_USERS = 80
"""Four groups of twenty."""
BLOCK = 256
RIDGE = 1.0
"""Of the learned attack."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AttackFigures:
    """How well an attack tells members from others; 0.5 is guessing.

    Attributes:
        attack: ``difference`` (Zhang et al., CCS 2021, arXiv 2109.08045) or ``nearness``.
        others: what non-members are shown: ``as newcomers``, lists from their own history by models that never saw
            it, or ``popular items``, as somebody of whom the service knows nothing.
        auc: area under the ROC curve with its 95 % interval (DeLong, DeLong and Clarke-Pearson 1988).
        by_activity: the same for thirds of the users by their number of likes, and how many those are.
    """

    attack: str
    others: str
    auc: Interval
    by_activity: tuple[tuple[str, Interval], ...]


@dataclass(frozen=True)
class AuditData:
    """What models are trained on.

    Attributes:
        dataset: the tables.
        config: the settings in force.
        domain: the domain in force.
        registry: the scorers on offer.
        triples: the graph, which holds no user.
        texts: vectors of items and users, or None.
    """

    dataset: Dataset
    config: Config
    domain: Domain
    registry: Registry
    triples: Triples | None
    texts: tuple[Vectors, Vectors] | None


@dataclass(frozen=True)
class Pool:
    """Users of whom half were trained on.

    Attributes:
        members, others: positions, shapes ``(m,)`` and ``(o,)``.
        shown: their lists: of members, of others as newcomers, of others popular items; each ``(u, n)``, -1 at the end.
    """

    members: UserIndices
    others: UserIndices
    shown: Mapping[str, NDArray[np.int64]]


def attack_lists(
    standing: Ranker, data: AuditData, *, n: int = 20, seed: int = 0, epochs: bool = True, progress: Progress = SILENT
) -> list[AttackFigures]:
    """Train on members of two pools with the options and weights that stand, and attack the lists of one.

    Args:
        standing: the trained models; their options and weights are used, their fits are not.
        data: what is trained on.
        n: length of the lists.
        seed: draws the pools.
        epochs: also train scorers that train by epochs.
        progress: told where it is.

    Raises:
        DataError: there are too few users with enough likes.
    """
    dataset, config = data.dataset, data.config
    rng = np.random.default_rng([seed, 17])
    everything = np.ones(dataset.interactions.height, dtype=np.bool_)
    events = to_events(dataset, everything, like_weights(dataset, config.feedback, data.domain))
    likes = interaction_matrix(events, dataset.n_users, dataset.n_items)
    able = np.flatnonzero(np.diff(likes.indptr) >= LEAST_LIKES)
    if len(able) < LEAST_USERS:
        raise DataError(
            f"{len(able)} users have {LEAST_LIKES} likes or more, too few to attack",
            hint=f"{LEAST_USERS} are needed",
        )
    groups = np.array_split(rng.permutation(able), 4)
    target, shadow = (_pool(standing, data, likes, groups[k], groups[k + 1], n, epochs, progress) for k in (0, 2))
    known = np.concatenate([shadow.members, shadow.others])
    vectors = _item_vectors(take_rows(likes, np.sort(known)), rng)
    texts = None if data.texts is None else unit_rows(data.texts[0])
    near = vectors if texts is None else np.concatenate([unit_rows(vectors.astype(np.float32)), texts], axis=1)
    found = []
    for others in ("as newcomers", "popular items"):

        def differences(pool: Pool, shown: str = others) -> tuple[Floats, Floats]:
            return (
                _difference(vectors, take_rows(likes, pool.members), pool.shown["members"]),
                _difference(vectors, take_rows(likes, pool.others), pool.shown[shown]),
            )

        learned = _learned(*differences(shadow))
        scores = {
            "difference": tuple(learned(features) for features in differences(target)),
            "nearness": (
                _nearness(near, take_rows(likes, target.members), target.shown["members"]),
                _nearness(near, take_rows(likes, target.others), target.shown[others]),
            ),
        }
        lengths = np.diff(likes.indptr)
        for attack, (inside, outside) in scores.items():
            thirds = _by_activity(inside, outside, lengths[target.members], lengths[target.others])
            found.append(AttackFigures(attack, others, auc(inside, outside), thirds))
    return found


def auc(inside: Floats, outside: Floats) -> Interval:
    """Return how often a member scores above another, ties counted half, with its 95 % interval.

    Args:
        inside: scores of members, shape ``(m,)``.
        outside: scores of others, shape ``(o,)``.
    """
    from scipy.stats import rankdata

    m, o = len(inside), len(outside)
    if min(m, o) < 2:
        return Interval(float("nan"), float("nan"), float("nan"), m + o)
    together = rankdata(np.concatenate([inside, outside]))
    above = (together[:m] - rankdata(inside)) / o  # share of the others below each member
    below = 1 - (together[m:] - rankdata(outside)) / m
    value = float(above.mean())
    spread = NORMAL * float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / o))
    return Interval(value, max(value - spread, 0.0), min(value + spread, 1.0), m + o)


def _pool(
    standing: Ranker,
    data: AuditData,
    likes: csr_array,
    members: UserIndices,
    others: UserIndices,
    n: int,
    epochs: bool,
    progress: Progress,
) -> Pool:
    rows = data.dataset.interactions["user"].is_in(pl.Series(members, dtype=pl.UInt32).implode())
    known = replace(data.dataset, interactions=data.dataset.interactions.filter(rows))
    items, words = data.texts if data.texts is not None else (None, None)
    if words is not None:
        words = words.copy()
        words[np.setdiff1d(np.arange(len(words)), members)] = 0
    inputs = prepare(
        known,
        data.config,
        data.domain,
        triples=data.triples,
        item_text=items if items is not None and items.any() else None,
        user_text=words if words is not None and words.any() else None,
        device="cpu",
    )
    ranker, _ = refit_ranker(standing, inputs, data.registry, Fitter(data.config, progress), epochs=epochs)
    seen = seen_matrix(data.dataset)
    starts = likes.indptr
    profiles = [
        Profile(
            likes.indices[starts[u] : starts[u + 1]].astype(np.int64), likes.data[starts[u] : starts[u + 1]]
        )  # one a newcomer: a profile is what scorers are asked with
        for u in others
    ]
    popular = np.tile(np.asarray(ranker.seen.sum(axis=0), dtype=np.float32), (len(others), 1))
    mask_seen(popular, take_rows(seen, others))
    shown = {
        "members": _lists(ranker, members, take_rows(seen, members), n),
        "as newcomers": _lists(ranker, profiles, take_rows(seen, others), n),
        "popular items": top_k(popular, n)[0],
    }
    return Pool(members, others, shown)


def _lists(ranker: Ranker, asked: UserIndices | list[Profile], seen: csr_array, n: int) -> NDArray[np.int64]:
    blocks = [slice(start, start + BLOCK) for start in range(0, len(asked), BLOCK)]
    rules = ListRules(n)
    return np.concatenate([ranker.rank(ranker.fused(asked[block]), rules, seen[block])[0] for block in blocks])


def _item_vectors(likes: csr_array, rng: np.random.Generator) -> Floats:
    """Return vectors of items by a truncated singular value decomposition, shape ``(n_items, f)``."""
    from scipy.sparse.linalg import svds

    rows = likes.astype(np.float64)
    rows.data[:] = 1
    size = min(FACTORS, min(rows.shape) - 1)
    _, values, right = svds(rows, k=size, v0=rng.normal(size=min(rows.shape)))
    return np.asarray(right.T * np.sqrt(np.maximum(values, 0)))


def _means(vectors: NDArray[np.floating], rows: csr_array) -> Floats:
    """Return the mean vector of the items of each row, shape ``(u, dim)``."""
    counts = np.maximum(np.diff(rows.indptr), 1)[:, None]
    ones = csr_array((np.ones(len(rows.indices)), rows.indices, rows.indptr), shape=rows.shape)
    return np.asarray(ones @ vectors, dtype=np.float64) / counts


def _listed(lists: NDArray[np.int64], n_items: int) -> csr_array:
    there = lists >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return csr_array((np.ones(int(there.sum())), lists[there], starts), shape=(len(lists), n_items))


def _difference(vectors: Floats, likes: csr_array, lists: NDArray[np.int64]) -> Floats:
    """Return what the attack looks at: mean vector of what a user likes less that of the list, and its squares."""
    gap = _means(vectors, likes) - _means(vectors, _listed(lists, likes.shape[1]))
    return np.concatenate([gap, gap**2, np.linalg.norm(gap, axis=1, keepdims=True)], axis=1)


def _learned(inside: Floats, outside: Floats) -> Callable[[Floats], Floats]:
    """Learn a logistic regression that tells members from others; it returns the log-odds of membership.

    The squares let it see lengths, for which Zhang et al. take a small neural network.
    """
    from scipy.optimize import minimize

    both = np.concatenate([inside, outside])
    mean, spread = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-9)
    x = (both - mean) / spread
    sign = np.where(np.arange(len(x)) < len(inside), 1.0, -1.0)

    def loss(theta: Floats) -> tuple[float, Floats]:
        margin = sign * (x @ theta[1:] + theta[0])
        weight = -sign / (1 + np.exp(np.clip(margin, -50, 50)))
        slope = np.concatenate([[weight.sum()], x.T @ weight + RIDGE * theta[1:]])
        return float(np.logaddexp(0, -margin).sum() + RIDGE / 2 * (theta[1:] ** 2).sum()), slope

    theta = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return lambda features: np.asarray((features - mean) / spread @ theta[1:] + theta[0])


def _nearness(vectors: NDArray[np.floating], likes: csr_array, lists: NDArray[np.int64]) -> Floats:
    """Return the cosine between what a user likes and the list, in vectors of likes and texts: nothing is learned."""
    one, two = _means(vectors, likes), _means(vectors, _listed(lists, likes.shape[1]))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return np.asarray(np.einsum("ud,ud->u", one, two) / np.maximum(lengths, 1e-12))


def _by_activity(
    inside: Floats, outside: Floats, likes_inside: NDArray[np.int64], likes_outside: NDArray[np.int64]
) -> tuple[tuple[str, Interval], ...]:
    edges: Sequence[float] = np.quantile(np.concatenate([likes_inside, likes_outside]), [1 / 3, 2 / 3]).tolist()
    bounds = [0.0, *edges, np.inf]
    found = []
    for low, high in pairwise(bounds):
        a, b = ((low < likes) & (likes <= high) for likes in (likes_inside, likes_outside))
        label = f"{int(low) + 1} to {int(high)} likes" if np.isfinite(high) else f"more than {int(low)} likes"
        found.append((label, auc(inside[a], outside[b])))
    return tuple(found)

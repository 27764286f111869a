"""How many of the held-out likes are in the lists, and where; vectorised over users.

Symbols: ``R`` is the number of a user's relevant (held-out) items, ``rel(i)`` is 1 if place ``i`` of the list holds one
of them, else 0. All figures are per user; the mean over users with ``R > 0`` is what is reported. NaN: the user has no
relevant item.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.models.ndcg import hits, ndcg, recall
from kgrec.types import Vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.types import Scores

PerUser = NDArray[np.float64]
"""One figure a user, shape ``(u,)``."""

LOWEST = np.float32(np.finfo(np.float32).min)
"""Stands for "cannot score" where masked items are -inf: ranked below all that is scored, above what is not ranked."""


def accuracy(top: NDArray[np.int64], truth: csr_array, ks: Sequence[int]) -> dict[str, PerUser]:
    """Return how right lists are, by name and length of the list: ``ndcg@10``.

    ========= ==============================================================================================
    ndcg      :func:`kgrec.models.ndcg.ndcg`
    recall    :func:`kgrec.models.ndcg.recall`
    precision ``sum of rel(i) / k``; a list shorter than ``k`` is still divided by ``k`` (TREC: ``P_k``)
    f1        harmonic mean ``2 P R / (P + R)`` of precision and recall, 0 without a hit (van Rijsbergen 1979)
    map       mean of AP@k: ``1 / R * sum over i <= k of rel(i) * precision@i`` (TREC: ``map_cut_k``); some
              libraries divide by ``min(R, k)`` instead, which is larger for users with ``R > k``
    mrr       mean of ``1 / rank`` of the first hit, 0 without one (Voorhees 1999; TREC: ``recip_rank``)
    hit       1 if any place holds a relevant item, else 0 (TREC: ``success_k``)
    ========= ==============================================================================================

    Args:
        top: recommended items, best first, shape ``(u, k)`` with ``k >= max(ks)``, -1 for none.
        truth: relevant items, CSR of shape ``(u, n_items)``.
        ks: lengths of the lists.
    """
    hit = hits(top, truth)
    relevant = np.diff(truth.indptr).astype(np.int64)
    found: dict[str, PerUser] = {}
    for k in ks:
        within = hit[:, :k]
        n_hits, any_hit = within.sum(axis=1), within.any(axis=1)
        values = {
            "ndcg": ndcg(within, relevant),
            "recall": recall(within, relevant),
            "precision": n_hits / k,
            "f1": 2 * n_hits / (k + relevant),
            "map": (within * np.cumsum(within, axis=1) / np.arange(1, k + 1)).sum(axis=1) / np.maximum(relevant, 1),
            "mrr": any_hit / (1.0 + within.argmax(axis=1)),
            "hit": any_hit.astype(np.float64),
        }
        found |= {f"{name}@{k}": np.where(relevant > 0, of_users, np.nan) for name, of_users in values.items()}
    return found


def auc(scores: Scores, truth: csr_array) -> PerUser:
    """Area under the ROC curve over all ranked items: how often a relevant item stands above another one.

    ``(sum of the relevant items' ranks from below - R (R + 1) / 2) / (R * N)`` with ``N`` other items and mean ranks
    for ties (Mann and Whitney 1947; Hanley and McNeil 1982).

    Args:
        scores: shape ``(u, n_items)``; -inf where an item is not ranked, NaN (cannot score) is below all others.
        truth: relevant items, CSR of the same shape; one that is not ranked does not count.

    Returns:
        shape ``(u,)``; NaN where no item is relevant or all are.
    """
    ordered = np.where(np.isnan(scores), LOWEST, scores)
    rows = np.repeat(np.arange(truth.shape[0]), np.diff(truth.indptr))
    ranked = scores[rows, truth.indices] != -np.inf
    rows, columns = rows[ranked], truth.indices[ranked]
    values = ordered[rows, columns]
    ordered.sort(axis=1)  # the truth is short: two searches for each of it are far cheaper than the ranks of all items
    ranks = (_places(ordered, rows, values, np.less) + _places(ordered, rows, values, np.less_equal) + 1) / 2
    left_out = (scores == -np.inf).sum(axis=1)
    n_relevant = np.bincount(rows, minlength=len(scores)).astype(np.float64)
    n_other = scores.shape[1] - left_out - n_relevant
    total = np.bincount(rows, weights=ranks - left_out[rows], minlength=len(scores))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((total - n_relevant * (n_relevant + 1) / 2) / (n_relevant * n_other), dtype=np.float64)


def _places(
    ordered: Scores, rows: NDArray[np.int64], values: NDArray[np.float32], before: np.ufunc
) -> NDArray[np.int64]:
    """Count the entries of sorted rows that stand ``before`` a value, by bisection of all at once -> shape ``(p,)``.

    Args:
        ordered: rising rows, shape ``(u, n)``.
        rows: which row each value is looked up in, shape ``(p,)``.
        values: shape ``(p,)``.
        before: ``np.less`` or ``np.less_equal``.
    """
    n = ordered.shape[1]
    low, high = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), n, dtype=np.int64)
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        right = (low < high) & before(ordered[rows, np.minimum(middle, n - 1)], values)
        high = np.where((low < high) & ~right, middle, high)
        low = np.where(right, middle + 1, low)
    return low


STECK_ALPHA = 0.01
"""How far the list's distribution is mixed with the history's, so that the divergence stays finite (Steck 2018)."""

DAY = 86_400.0
"""Seconds."""

DENSE_BLOCK = 1 << 22
"""Numbers gathered at once for the diversity of lists."""


def coverage(top: NDArray[np.int64], n_items: int) -> float:
    """Catalogue coverage: share of all items that are in at least one list (Herlocker et al. 2004).

    Args:
        top: recommended items, shape ``(u, k)``, -1 for none.
        n_items: how many could have been recommended.
    """
    return len(np.unique(top[top >= 0])) / max(n_items, 1)


def gini(top: NDArray[np.int64], n_items: int) -> float:
    """Gini index of how often each item is recommended: 0 when all are as often, near 1 when few take all places.

    ``sum over j of (2 j - n - 1) x_j / (n * sum of x)`` for the counts ``x`` in rising order, ``j = 1 … n`` (Fleder
    and Hosanagar 2009); items that are never recommended count with 0.

    Args:
        top: recommended items, shape ``(u, k)``, -1 for none.
        n_items: how many could have been recommended.
    """
    counts = np.sort(np.bincount(top[top >= 0], minlength=n_items))[-n_items:].astype(np.float64)
    total = counts.sum()
    if not total:
        return float("nan")
    places = np.arange(1, n_items + 1)
    return float(((2 * places - n_items - 1) * counts).sum() / (n_items * total))


def novelty(top: NDArray[np.int64], popularity: NDArray[np.int64], n_users: int) -> PerUser:
    """Mean self-information of the recommended items, in bits: ``-log2((c + 1) / (n_users + 1))``.

    Zhou et al. (PNAS 2010), with one added to the count ``c`` of users and to their number, so that an item that nobody
    knows has a finite value.

    Args:
        top: recommended items, shape ``(u, k)``, -1 for none.
        popularity: how many users of the fit part like each item, shape ``(n_items,)``.
        n_users: users of the fit part.
    """
    return _list_mean(top, -np.log2((popularity + 1) / (n_users + 1)))


def recommended_popularity(top: NDArray[np.int64], popularity: NDArray[np.int64]) -> PerUser:
    """Average recommendation popularity (ARP): mean number of users who like a listed item (Yin et al. 2012)."""
    return _list_mean(top, popularity.astype(np.float64))


def popularity_lift(top: NDArray[np.int64], popularity: NDArray[np.int64], history: csr_array) -> PerUser:
    """Popularity lift: ``(mean popularity of the list - that of the history) / that of the history``.

    The change of group average popularity, here of each user (Abdollahpouri et al., *The Unfairness of Popularity Bias
    in Recommendation*, RMSE at RecSys 2019): 0 when somebody gets items as popular as those he likes.

    Args:
        top: recommended items, shape ``(u, k)``, -1 for none.
        popularity: how many users of the fit part like each item, shape ``(n_items,)``.
        history: what the users are known to like, CSR of shape ``(u, n_items)``.

    Returns:
        shape ``(u,)``; NaN where list or history is empty.
    """
    counts = np.diff(history.indptr)
    rows = np.repeat(np.arange(history.shape[0]), counts)
    total = np.bincount(rows, weights=popularity[history.indices], minlength=history.shape[0])
    liked = np.divide(total, counts, out=np.full(len(counts), np.nan), where=total > 0)
    lift: PerUser = recommended_popularity(top, popularity) / liked - 1
    return lift


def age(top: NDArray[np.int64], appeared: NDArray[np.float64], now: float) -> PerUser:
    """Timeliness: mean age of the recommended items in days, ``mean of max(0, now - appeared(i)) / 86,400``.

    The recency of a list (Chakraborty et al., WWW 2017) as time since its items appeared; an item appears with its
    first interaction, and ``now`` is the latest moment that training knows of.

    Args:
        top: recommended items, shape ``(u, k)``, -1 for none.
        appeared: unix seconds, shape ``(n_items,)``, NaN where nothing is known; such an item does not count.
        now: unix seconds.

    Returns:
        shape ``(u,)``; NaN where no item of the list has a known age.
    """
    days = np.maximum(now - appeared, 0.0) / DAY
    return _list_mean(np.where(np.isnan(days)[top], -1, top), days)


def diversity(top: NDArray[np.int64], features: Vectors) -> PerUser:
    """Intra-list diversity: mean of ``1 - cosine`` over all pairs of items of the list (Smyth and McClave 2001).

    ``sum of cosines of pairs = (|sum of unit vectors|² - m) / 2`` for the ``m`` items of the list that have a vector.

    Args:
        top: recommended items, shape ``(u, k)``, -1 for none.
        features: vectors of the items, shape ``(n_items, dim)``; a zero row has no vector.

    Returns:
        shape ``(u,)``; NaN where fewer than two items have a vector.
    """
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.divide(features, norms, out=np.zeros_like(features), where=norms > 0)
    size = max(1, DENSE_BLOCK // max(top.shape[1] * features.shape[1], 1))
    squares = [
        (np.where(block[:, :, None] >= 0, unit[block], 0).sum(axis=1, dtype=np.float64) ** 2).sum(axis=1)
        for block in (top[start : start + size] for start in range(0, len(top), size))
    ]
    m = np.where(top >= 0, norms[top, 0] > 0, False).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (np.concatenate([*squares, np.zeros(0)]) - m) / (m * (m - 1))
    return np.where(m > 1, 1 - cosine, np.nan)


def serendipity(top: NDArray[np.int64], hit: NDArray[np.bool_], obvious: NDArray[np.int64]) -> PerUser:
    """Share of the list that is relevant and not obvious: ``|hits without the popular ones| / k`` (Ge et al. 2010).

    Args:
        top: recommended items, shape ``(u, k)``, -1 for none.
        hit: which of them are relevant, same shape.
        obvious: what the most popular unseen items would have been, shape ``(u, k)``, -1 for none.
    """
    expected = (top[:, :, None] == obvious[:, None, :]).any(axis=2)
    return np.asarray((hit & ~expected).mean(axis=1), dtype=np.float64)


def miscalibration(top: NDArray[np.int64], history: csr_array, categories: csr_array) -> PerUser:
    """Calibration (Steck, RecSys 2018): KL divergence of the list's categories from those of the history; 0 is best.

    ``sum over g of p(g) ln(p(g) / q'(g))`` with ``q' = 0.99 q + 0.01 p``; ``p`` weighs the history's items by how much
    they are liked, ``q`` the list's equally; an item's weight is shared equally by its categories.

    Args:
        top: recommended items, shape ``(u, k)``, -1 for none.
        history: what the users are known to like, CSR of shape ``(u, n_items)``.
        categories: which item has which category, CSR of shape ``(n_items, g)``.

    Returns:
        shape ``(u,)``; NaN where history or list have no category.
    """
    from scipy.sparse import csr_array as csr

    rows, places = np.nonzero(top >= 0)
    listed = csr((np.ones(len(rows)), (rows, top[rows, places])), shape=history.shape)
    p, q = category_shares(history, categories), category_shares(listed, categories)
    mixed = (1 - STECK_ALPHA) * q + STECK_ALPHA * p
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = np.where(p > 0, p * np.log(p / mixed), 0.0)
    undefined = np.isnan(p).any(axis=1) | np.isnan(q).any(axis=1)
    return np.where(undefined, np.nan, terms.sum(axis=1))


def category_shares(liked: csr_array, categories: csr_array) -> NDArray[np.float64]:
    """Return how much of each category is in what users like; an item's weight is shared equally by its categories.

    Args:
        liked: weights of items, CSR of shape ``(u, n_items)``.
        categories: which item has which category, CSR of shape ``(n_items, g)``.

    Returns:
        rows that sum to 1, NaN where no item has a category; shape ``(u, g)``.
    """
    from scipy.sparse import csr_array as csr

    per_item = np.diff(categories.indptr)
    shares = np.repeat(1.0 / np.maximum(per_item, 1), per_item)
    return _distribution(liked @ csr((shares, categories.indices, categories.indptr), shape=categories.shape))


def _distribution(weights: csr_array) -> NDArray[np.float64]:
    """Make rows sum to 1, NaN where they are empty; categories are few, so this is dense: ``(u, g)``."""
    dense = np.asarray(weights.todense(), dtype=np.float64)
    totals = dense.sum(axis=1, keepdims=True)
    distribution: NDArray[np.float64] = np.divide(dense, totals, out=np.full_like(dense, np.nan), where=totals > 0)
    return distribution


def _list_mean(top: NDArray[np.int64], values: NDArray[np.float64]) -> PerUser:
    present = top >= 0
    count = present.sum(axis=1)
    total = np.where(present, values[top], 0.0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)

"""Lists of a trained ranker for the test users, and every figure of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.data.impressions import as_observed
from kgrec.data.item_features import first_seen
from kgrec.data.split import interaction_matrix, to_events
from kgrec.errors import DataError
from kgrec.evaluate import metrics
from kgrec.evaluate.impressions import Showings, ShownLog, per_user_standard
from kgrec.evaluate.lists_record import Example
from kgrec.evaluate.metrics import PerUser, accuracy, auc
from kgrec.evaluate.splits import Holdout
from kgrec.models.ndcg import hits
from kgrec.models.top_k import mask_seen, top_k, with_reserved
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.rerank.pipeline import Pipeline
from kgrec.ranking.training_inputs import TrainingInputs
from kgrec.types import Mask, Scores, UserIndices, Vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BESIDE = "among all items"
"""Marks figures of lists in which cold items compete with all others."""


@dataclass(frozen=True)
class TestSet:
    """What the systems are asked and the right answers; the same for all of them.

    Attributes:
        users: positions of the users with test likes, shape ``(u,)``.
        truth: their test likes, CSR of shape ``(u, n_items)``.
        masked: what is never ranked because they know it, CSR of the same shape.
        history: what they are known to like, CSR of the same shape.
        candidates: items that are ranked, shape ``(n_items,)``, or None for all.
        popularity: users of the fit part who like each item, shape ``(n_items,)``.
        n_fit_users: users who like something in the fit part.
        obvious: the most popular items that each user does not know, shape ``(u, k)``, -1 for none.
        features: vectors by which lists are diverse, shape ``(n_items, dim)``, or None.
        categories: categories of the items, CSR of shape ``(n_items, g)``, or None.
        appeared: when the fit part first knows of each item, unix seconds of shape ``(n_items,)``, NaN for unknown; or
            None where there are no times.
        now: the latest moment that the fit part knows of, unix seconds.
        log: what was shown after the fit part, where the log tells it, or None.
        showings: the same with what was clicked, or None.
        inverse: inverse propensities of the items, by which likes weigh in debiased figures, shape ``(n_items,)``, or
            None where nothing is debiased.
    """

    __test__: ClassVar[bool] = False  # pytest collects classes by this name otherwise

    users: UserIndices
    truth: csr_array
    masked: csr_array
    history: csr_array
    candidates: Mask | None
    popularity: NDArray[np.int64]
    n_fit_users: int
    obvious: NDArray[np.int64]
    features: Vectors | None = None
    categories: csr_array | None = None
    appeared: NDArray[np.float64] | None = None
    now: float = float("nan")
    inverse: NDArray[np.float64] | None = None
    log: ShownLog | None = None
    showings: Showings | None = None

    @property
    def n_candidates(self) -> int:
        """How many items could be recommended."""
        return self.truth.shape[1] if self.candidates is None else int(self.candidates.sum())


@dataclass(frozen=True)
class Result:
    """Figures of a system.

    Attributes:
        per_user: one figure a user by name, each of shape ``(u,)``.
        overall: figures of all lists together, by name.
        top: the lists, shape ``(u, k)``, -1 for none.
        of_log: lists of those who were shown something, shape ``(l, k)``, or None where no log tells.
        of_showings: scores of what was shown, shape ``(s,)``, or None.
    """

    per_user: dict[str, PerUser]
    overall: dict[str, float]
    top: NDArray[np.int64]
    of_log: NDArray[np.int64] | None = None
    of_showings: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class JudgedSystem:
    """A system on one split.

    Attributes:
        name: of the system.
        result: its figures, or None when it could not be trained.
        weights: of its scorers.
        seconds: of training and judging.
        skipped: why it could not be trained.
        swept: its figures at each value of each sweep.
        curves: epochs and the held-out figure after each, by scorer.
        examples: a few of its lists with reasons.
    """

    name: str
    result: Result | None
    weights: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    skipped: str = ""
    swept: tuple[tuple[Result, ...], ...] = ()
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    examples: Sequence[Example] = ()


@dataclass(frozen=True)
class Round:
    """All systems on one split, with one seed and fold.

    Attributes:
        seed: of split and fits.
        holdout: what was held out.
        test_set: what the systems were asked.
        judged: the systems.
        known: likes that the systems may learn from, CSR of shape ``(n_users, n_items)``.
        categories: name of the attribute that sorts the items, or None.
        by_text: whether lists are diverse by texts, not by categories.
    """

    seed: int
    holdout: Holdout
    test_set: TestSet
    judged: tuple[JudgedSystem, ...]
    known: csr_array
    categories: str | None
    by_text: bool


def make_test_set(
    dataset: Dataset,
    holdout: Holdout,
    weights: NDArray[np.float32],
    training: TrainingInputs,
    *,
    k: int,
    include_seen: bool,
    features: Vectors | None,
    categories: csr_array | None,
) -> TestSet:
    """Put the questions together, and see that nothing that training may look at answers them.

    Args:
        dataset: what was split.
        holdout: how it was split.
        weights: how much each row is a like, shape ``(n_rows,)``.
        training: what the systems are trained on.
        k: length of the longest list.
        include_seen: also rank what the users know.
        features: vectors of the items, shape ``(n_items, dim)``.
        categories: categories of the items, CSR of shape ``(n_items, g)``.

    Raises:
        DataError: a test like is in a matrix of ``training``.
    """
    from scipy.sparse import csr_array

    truth = interaction_matrix(to_events(dataset, holdout.test, weights), dataset.n_users, dataset.n_items)
    known = training.everything or training.fit
    for name, matrix in _matrices(training):
        if truth.multiply(matrix).nnz:
            raise DataError(f"the split leaks: {name} holds test likes")
    users = np.flatnonzero(np.diff(truth.indptr)).astype(np.int64)
    masked = csr_array((len(users), dataset.n_items), dtype=np.bool_) if include_seen else training.seen[users]
    popularity = np.bincount(known.matrix.indices, minlength=dataset.n_items).astype(np.int64)
    appeared, now = first_seen(dataset.interactions.filter(pl.Series(holdout.fit)), dataset.n_items)
    return TestSet(
        users=users,
        truth=csr_array(truth[users]),
        masked=csr_array(masked),
        history=csr_array(as_observed(known)[users]),
        candidates=holdout.candidates,
        popularity=popularity,
        n_fit_users=int((np.diff(known.matrix.indptr) > 0).sum()),
        obvious=_most_popular(popularity, csr_array(masked), holdout.candidates, k),
        features=features,
        categories=categories,
        appeared=None if np.isnan(now) else appeared,
        now=now,
    )


def _most_popular(
    popularity: NDArray[np.int64], masked: csr_array, candidates: Mask | None, k: int, block_size: int = 512
) -> NDArray[np.int64]:
    """Return each user's most popular unseen candidates, shape ``(u, k)``, -1 where there are fewer."""
    scores = popularity.astype(np.float32)
    if candidates is not None:
        scores[~candidates] = -np.inf
    tops = []
    for start in range(0, masked.shape[0], block_size):
        block = masked[start : start + block_size]
        rows = np.tile(scores, (block.shape[0], 1))
        mask_seen(rows, block)
        tops.append(top_k(rows, k)[0])
    return np.concatenate(tops)


def _matrices(training: TrainingInputs) -> list[tuple[str, csr_array]]:
    found = [("the fit part", training.fit.matrix), ("what counts as seen", training.seen)]
    if training.fit.validation is not None:
        found.append(("the validation part", training.fit.validation))
    for data in (training.fit, training.everything):
        if data is not None:
            shape = data.matrix.shape
            found += [("the full fit", data.matrix), ("the events", interaction_matrix(data.events, *shape))]
    return found


def score_blocks(
    ranker: Ranker, users: UserIndices, masked: csr_array, block_size: int
) -> Iterator[tuple[slice, Scores]]:
    """Iterate over blocks of users with their fused scores, -inf for what they know, shape ``(b, n_items)``.

    Args:
        ranker: trained on the fit part.
        users: positions, shape ``(u,)``.
        masked: what is never ranked because they know it, CSR of shape ``(u, n_items)``.
        block_size: users at once.
    """
    for start in range(0, len(users), block_size):
        block = slice(start, start + block_size)
        scores = ranker.fused(users[block])
        mask_seen(scores, masked[block])
        yield block, scores


def listed(scores: Scores, users: UserIndices, history: csr_array, k: int, steps: Pipeline | None) -> NDArray[np.int64]:
    """Return lists, shape ``(b, k)``, -1 for none.

    Args:
        scores: of all items, shape ``(b, n_items)``.
        users: positions, shape ``(b,)``.
        history: what they are known to like, CSR of shape ``(b, n_items)``.
        k: length of the lists.
        steps: re-rankers that the lists go through, or None.
    """
    if steps is None:
        return top_k(scores, k)[0]
    found = with_reserved(scores, *top_k(scores, max(k, steps.candidates)), steps.reserved)
    return steps.apply(*found, users, history, k)[0]


def judge(
    ranker: Ranker, test_set: TestSet, ks: Sequence[int], *, block_size: int, steps: Pipeline | None = None
) -> Result:
    """Rank all candidates for all test users and measure the lists.

    Args:
        ranker: trained on the fit part.
        test_set: questions and answers.
        ks: lengths of the lists; what is not accuracy is taken at the longest.
        block_size: users at once.
        steps: re-rankers that the lists go through, or None.
    """
    longest, log, showings = max(ks), test_set.log, test_set.showings
    tops, besides, areas = [], [], []
    for block, scores in score_blocks(ranker, test_set.users, test_set.masked, block_size):
        if test_set.candidates is not None:
            besides.append(top_k(scores, longest)[0])
            scores[:, ~test_set.candidates] = -np.inf
        tops.append(listed(scores, test_set.users[block], test_set.history[block], longest, steps))
        areas.append(auc(scores, test_set.truth[block]))
    result = measure(np.concatenate(tops), test_set, ks)
    per_user = {**result.per_user, "auc": np.concatenate(areas)}
    if besides:
        among_all = accuracy(np.concatenate(besides), test_set.truth, ks)
        per_user |= {f"{name} {BESIDE}": v for name, v in among_all.items() if name.startswith(("ndcg", "recall"))}
    of_log = None
    if log is not None:
        blocks = score_blocks(ranker, log.users, log.masked, block_size)
        of_log = np.concatenate([listed(s, log.users[b], log.history[b], longest, steps) for b, s in blocks])
    of_showings = None
    if showings is not None:
        of_showings = per_user_standard(lambda users: ranker.fused(users), showings, block_size)
    return replace(result, per_user=per_user, of_log=of_log, of_showings=of_showings)


def measure(top: NDArray[np.int64], test_set: TestSet, ks: Sequence[int]) -> Result:
    """Return all figures that lists alone tell.

    Args:
        top: the lists, shape ``(u, k)``, -1 for none.
        test_set: questions and answers.
        ks: lengths at which accuracy is taken; the rest is taken at ``k``.
    """
    k = top.shape[1]
    found = {
        **accuracy(top, test_set.truth, ks),
        f"novelty@{k}": metrics.novelty(top, test_set.popularity, test_set.n_fit_users),
        f"popularity@{k}": metrics.recommended_popularity(top, test_set.popularity),
        f"lift@{k}": metrics.popularity_lift(top, test_set.popularity, test_set.history),
        f"serendipity@{k}": metrics.serendipity(top, hits(top, test_set.truth), test_set.obvious),
    }
    if test_set.appeared is not None:
        found[f"age@{k}"] = metrics.age(top, test_set.appeared, test_set.now)
    if test_set.features is not None:
        found[f"diversity@{k}"] = metrics.diversity(top, test_set.features)
    if test_set.categories is not None:
        found[f"miscalibration@{k}"] = metrics.miscalibration(top, test_set.history, test_set.categories)
    of_all = {"coverage": metrics.coverage, "gini": metrics.gini}
    return Result(found, {f"{name}@{k}": of(top, test_set.n_candidates) for name, of in of_all.items()}, top)

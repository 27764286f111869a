"""Learn the trees of the second stage on held-out likes, and find out whether they are worth it.

LambdaRank (Burges, *From RankNet to LambdaRank to LambdaMART*, 2010) as LightGBM has it. Nothing is judged on users
that it was learned on: one half of the users gets fusion and trees of the other half; how many trees and how strongly
they count is found inside the half that is learned on, again by folds of its users.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.models.ndcg import ndcg
from kgrec.models.top_k import top_k
from kgrec.ranking.fusion import Gate, by_user
from kgrec.ranking.fusion_weights import collect, learn_fusion
from kgrec.ranking.second_stage import (
    CANDIDATES,
    Listed,
    SecondStage,
    describe,
    import_lightgbm,
    popularity_of,
    rise_by,
)

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.plugin.protocols import Scorer
    from kgrec.ranking.fusion_weights import Candidates
    from kgrec.ranking.training_inputs import TrainingInputs

Fusion = tuple[Mapping[str, float], Gate | None]
"""Weights, and how they move with the user."""

ROUNDS = (20, 40, 80, 120, 160)
"""Numbers of trees that are tried."""

STRENGTHS = (0.25, 0.5, 1.0, 2.0)
"""What the trees' scores are multiplied by, as tried."""

N_SEEDS = 3
"""Models that are averaged."""

N_FOLDS = 3
"""Parts of the users by which number and strength are found."""

LEAST_USERS = 100
"""Fewer users with a held-out like among the candidates teach trees nothing but noise."""

TREES: dict[str, Any] = {
    "objective": "lambdarank",
    "num_leaves": 7,
    "learning_rate": 0.05,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "bagging_by_query": True,
    "lambda_l2": 20.0,
    "lambdarank_truncation_level": 30,
    "label_gain": "0,1",
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
}
"""Few leaves, strong shrinkage: there are a thousand users, not a million."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """What training found out about the second stage.

    Attributes:
        kept: it is used.
        ndcg_without, ndcg_with: of lists, on users that neither fusion nor trees were learned on; NaN: not measured.
        gain, error: mean of the users' differences and its standard error.
        rounds, strength: trees of each model, and what their scores are multiplied by; 0 where nothing was learned.
        users: so many it was judged on.
        seconds: of it all.
        skipped: why nothing was learned, or the empty string.
    """

    kept: bool
    ndcg_without: float = float("nan")
    ndcg_with: float = float("nan")
    gain: float = float("nan")
    error: float = float("nan")
    rounds: int = 0
    strength: float = 0.0
    users: int = 0
    seconds: float = 0.0
    skipped: str = ""

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values; what was not measured is None."""
        return {
            name: (None if np.isnan(value) else round(value, 5)) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, slots=True)
class Lesson:
    """Candidates with the answers.

    Attributes:
        listed: the candidates.
        relevant: held-out likes among them, shape ``(u, c)``.
        n_relevant: held-out likes of each user, among the candidates or not, shape ``(u,)``.
    """

    listed: Listed
    relevant: NDArray[np.bool_]
    n_relevant: NDArray[np.int64]

    def of(self, users: NDArray[np.int64]) -> Lesson:
        """Return what belongs to some of the users."""
        return Lesson(self.listed.of(users), self.relevant[users], self.n_relevant[users])

    def ndcg(self, k: int, added: NDArray[np.float32] | float = 0.0) -> NDArray[np.float64]:
        """Return NDCG@k of each user's list by the fused score plus ``added``, shape ``(u,)``."""
        best, _ = top_k(self.listed.fused + np.float32(added), k)
        hit = np.take_along_axis(self.relevant, np.maximum(best, 0), axis=1) & (best >= 0)
        return ndcg(hit, self.n_relevant)


def add_second_stage(
    scorers: Mapping[str, Scorer], fusion: Fusion, inputs: TrainingInputs, config: Config
) -> tuple[SecondStage | None, StageResult | None]:
    """Learn the second stage if kgrec.toml asks for it.

    Args:
        scorers: fitted on the fit part; all are looked at, also those without a weight.
        fusion: what the trees come after.
        inputs: the data.
        config: settings; ``fusion`` and ``seed`` are read.

    Returns:
        the stage, or None where it is not used; what was found out, or None where it was not asked for.

    Raises:
        MissingExtraError: LightGBM is not installed.
    """
    if config.fusion.second_stage == "none":
        return None, None
    started = time.perf_counter()
    names, held_out = list(scorers), inputs.held_out
    candidates = collect(scorers, held_out, inputs.fit.matrix, per_scorer=CANDIDATES)
    learner = Learner(
        names,
        candidates,
        counts=np.diff(inputs.seen.indptr)[held_out.users],
        popularity=popularity_of(inputs.fit.matrix),
        fusion=fusion,
        config=config,
    )
    models, result = learner.learn()
    result = replace(result, seconds=round(time.perf_counter() - started, 2))
    if not result.kept:
        return None, result
    everything = inputs.everything or inputs.fit
    ranks_seen = held_out.masked.nnz == 0
    popularity = popularity_of(everything.matrix)
    return SecondStage(models, result.strength, tuple(names), popularity, ranks_seen), result


@dataclass(frozen=True, slots=True)
class Learner:
    """Learns trees from the candidates of the held-out users.

    Attributes:
        names: the scorers, in the order of ``candidates.scores``.
        candidates: of the held-out users, with their items.
        counts: items that each of them has seen, shape ``(u,)``.
        popularity: see :func:`kgrec.ranking.second_stage.popularity_of`.
        fusion: what the trees come after.
        config: settings; ``fusion`` and ``seed`` are read.
    """

    names: Sequence[str]
    candidates: Candidates
    counts: NDArray[np.int64]
    popularity: NDArray[np.float32]
    fusion: Fusion
    config: Config

    def learn(self) -> tuple[tuple[str, ...], StageResult]:
        """Return the models in LightGBM's text format, none where they are not kept, and what was found out.

        ``second_stage = "auto"`` keeps them if the gain is larger than its standard error.
        """
        import_lightgbm()
        usable = int(self.candidates.relevant.any(axis=1).sum())
        if usable < LEAST_USERS:
            return (), StageResult(False, skipped=f"{usable} users with held-out likes are too few to learn from")
        k, seed = self.config.fusion.metric_k, self.config.seed
        rng = np.random.default_rng([seed, 11])
        before, after = self._cross_fitted(rng)
        gain = after - before
        mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
        figures = StageResult(False, float(before.mean()), float(after.mean()), mean, error, users=len(gain))
        if self.config.fusion.second_stage == "auto" and mean <= error:
            return (), figures
        lesson = self._lesson(self.fusion)
        rounds, strength = _choose(lesson, k, rng, seed)
        models = tuple(tree.model_to_string() for tree in _grow(lesson, rounds, N_SEEDS, seed))
        return models, replace(figures, kept=True, rounds=rounds, strength=strength)

    def _cross_fitted(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return each user's NDCG without and with trees, learned on the other half of the users."""
        k, seed = self.config.fusion.metric_k, self.config.seed
        halves = np.array_split(rng.permutation(len(self.counts)), 2)
        before, after = np.zeros(len(self.counts)), np.zeros(len(self.counts))
        for learned, judged in (map(np.sort, halves), map(np.sort, halves[::-1])):
            lesson = self._lesson(self._learned_fusion(learned, rng))
            rounds, strength = _choose(lesson.of(learned), k, rng, seed)
            trees = _grow(lesson.of(learned), rounds, N_SEEDS, seed)
            exam = lesson.of(judged)
            before[judged] = exam.ndcg(k)
            after[judged] = exam.ndcg(k, np.float32(strength) * rise_by(trees, exam.listed))
        return before, after

    def _learned_fusion(self, users: NDArray[np.int64], rng: np.random.Generator) -> Fusion:
        given = self.config.fusion
        if given.weights or given.method != "forward":  # it was not learned on these users
            return self.fusion
        part, counts, k = self.candidates.subset(users), self.counts[users], given.metric_k
        return learn_fusion(self.names, part, counts, k=k, max_members=given.max_members, rng=rng, max_users=1000)

    def _lesson(self, fusion: Fusion) -> Lesson:
        """List the candidates by a fusion and describe them."""
        weights, gate = fusion
        given, items = self.candidates, self.candidates.items
        assert items is not None  # collect() finds them
        moved = by_user(self.names, weights, gate or Gate(0.0, 1.0, {}), self.counts)
        scores = np.where(items >= 0, given.scores, np.float32(0))
        fused = np.where(items >= 0, np.einsum("su,suc->uc", moved, scores), -np.inf)
        places, best = top_k(fused, CANDIDATES)
        at, present = np.maximum(places, 0), places >= 0
        listed = describe(
            np.where(present, np.take_along_axis(items, at, axis=1), -1),
            best,
            [np.take_along_axis(own, at, axis=1) for own in scores],
            self.counts,
            self.popularity,
        )
        return Lesson(listed, np.take_along_axis(given.relevant, at, axis=1) & present, given.n_relevant)


def _choose(lesson: Lesson, k: int, rng: np.random.Generator, seed: int) -> tuple[int, float]:
    """Return number of trees and strength that rank folds of the users best, each by trees of the other folds."""
    folds = np.array_split(rng.permutation(len(lesson.relevant)), N_FOLDS)
    figures = np.zeros((len(ROUNDS), len(STRENGTHS)))
    for number, fold in enumerate(folds):
        others = np.concatenate([f for n, f in enumerate(folds) if n != number])
        trees, exam = _grow(lesson.of(np.sort(others)), max(ROUNDS), 1, seed), lesson.of(np.sort(fold))
        for r, rounds in enumerate(ROUNDS):
            rise = rise_by(trees, exam.listed, rounds=rounds)
            figures[r] += [exam.ndcg(k, np.float32(strength) * rise).sum() for strength in STRENGTHS]
    best, chosen = np.unravel_index(int(figures.argmax()), figures.shape)
    return ROUNDS[best], STRENGTHS[chosen]


def _grow(lesson: Lesson, rounds: int, n_seeds: int, seed: int) -> list[Any]:
    """Return boosters of ``rounds`` trees, one a seed."""
    lightgbm = import_lightgbm()
    usable = lesson.of(np.flatnonzero(lesson.relevant.any(axis=1)))  # the others have no pair to learn from
    present = usable.listed.present
    features, labels = usable.listed.features[present], usable.relevant[present].astype(np.int32)
    grown = []
    for number in range(n_seeds):
        data = lightgbm.Dataset(features, labels, group=present.sum(axis=1))
        grown.append(lightgbm.train({**TREES, "seed": seed + number}, data, rounds))
    return grown

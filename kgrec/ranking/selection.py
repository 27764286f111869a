"""Which settings of each scorer are used: those that rank the held-out likes best."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import ConfigError
from kgrec.models.ndcg import recall_ndcg
from kgrec.models.top_k import top_k
from kgrec.plugin.protocols import ConditionalScorer, GridScorer, RefittableScorer, Scorer
from kgrec.plugin.spec import Spec
from kgrec.progress import Progress, Recording, Task
from kgrec.ranking.checkpoint import Figures, FitStore
from kgrec.types import Scores, TrainingData, UserIndices

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Whom the scorers are judged on.

    Attributes:
        users: positions of the users with held-out likes, shape ``(u,)``.
        truth: their held-out likes, CSR of shape ``(u, n_items)``.
        masked: what they are known to have seen, CSR of the same shape; never ranked.
    """

    users: UserIndices
    truth: csr_array
    masked: csr_array

    def blocks(self, size: int) -> Iterator[slice]:
        """Iterate over slices of at most ``size`` users."""
        return (slice(start, start + size) for start in range(0, len(self.users), size))


@dataclass(frozen=True, slots=True)
class Selected:
    """A scorer with the settings chosen for it.

    Attributes:
        name: the scorer's.
        scorer: fitted on the fit part.
        options: what it was built with.
        refit_options: options for fitting on all data; the same, with what fitting found out (the number of epochs).
        recall, ndcg: on the held-out likes, NaN when there are none.
        seconds: of all the settings tried.
        tried: the settings tried and their NDCG.
        curve: epochs and the held-out figure after each, of a scorer that trains by epochs.
    """

    name: str
    scorer: Scorer
    options: dict[str, Any]
    refit_options: dict[str, Any]
    recall: float
    ndcg: float
    seconds: float
    tried: tuple[tuple[dict[str, Any], float], ...] = field(default=())
    curve: tuple[tuple[int, float], ...] = ()


def mask_seen(scores: Scores, seen: csr_array) -> None:
    """Set to -inf, in place, the scores at the nonzeros of ``seen``; both of shape ``(u, n_items)``."""
    rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
    scores[rows, seen.indices] = -np.inf


def judge(scorer: Scorer, held_out: HeldOut, *, k: int, block_size: int = 512) -> tuple[float, float]:
    """Return mean recall@k and NDCG@k of a scorer alone on the held-out likes."""
    recalls: list[NDArray[np.float64]] = []
    ndcgs: list[NDArray[np.float64]] = []
    for block in held_out.blocks(block_size):
        scores = np.array(scorer.score(held_out.users[block]), dtype=np.float32)
        mask_seen(scores, held_out.masked[block])
        recall, ndcg = recall_ndcg(top_k(scores, k)[0], held_out.truth[block])
        recalls.append(recall)
        ndcgs.append(ndcg)
    if not recalls:
        return float("nan"), float("nan")
    return float(np.nanmean(np.concatenate(recalls))), float(np.nanmean(np.concatenate(ndcgs)))


def unusable(spec: Spec, data: TrainingData) -> str:
    """Return why a scorer cannot be fitted on the data, or the empty string."""
    cls = spec.load()
    return cls.unusable(data) if issubclass(cls, ConditionalScorer) else ""


def option_sets(spec: Spec, data: TrainingData, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the settings worth trying: the scorer's own grid under what kgrec.toml says.

    An option that is given as a list in kgrec.toml is tried with each of its values.

    Raises:
        ConfigError: such a list is empty.
    """
    cls = spec.load()
    own = cls.grid(data) if issubclass(cls, GridScorer) else [{}]
    lists = {name: value for name, value in given.items() if isinstance(value, list)}
    for name, values in lists.items():
        if not values:
            raise ConfigError(f"[scorers.{spec.name}]: {name} is an empty list", hint="give one value, or some to try")
    fixed = {name: value for name, value in given.items() if name not in lists}
    products = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    sets: list[dict[str, Any]] = []
    for base, product in itertools.product(own, products):
        options = {**base, **fixed, **product}
        if options not in sets:
            sets.append(options)
    return sets


def select(
    spec: Spec,
    data: TrainingData,
    held_out: HeldOut,
    *,
    given: Mapping[str, Any],
    k: int,
    seed: int,
    progress: Progress,
    task: Task,
    store: FitStore,
) -> Selected:
    """Fit a scorer with each of its settings and keep the one with the best NDCG@k on the held-out likes.

    Args:
        spec: the scorer.
        data: the fit part.
        held_out: whom it is judged on; with nobody in it the first settings are taken.
        given: its table in kgrec.toml.
        k: length of the lists.
        seed: of the fits.
        progress: told of the epochs of those that train by epochs.
        task: told of every fit.
        store: keeps fits for an interrupted training.
    """
    candidates = option_sets(spec, data, given)
    if not len(held_out.users):
        candidates = candidates[:1]
    best: Selected | None = None
    tried: list[tuple[dict[str, Any], float]] = []
    seconds = 0.0
    for options in candidates:
        scorer, found = store.fitted(
            spec, options, "fit", partial(fit_and_judge, spec, options, data, held_out, k, seed, progress, store)
        )
        tried.append((options, found["ndcg"]))
        seconds += found["seconds"]
        task.advance(1 / len(candidates))
        task.note(f"{spec.name} {len(tried)}/{len(candidates)}")
        if best is None or found["ndcg"] > best.ndcg:
            refit = {**options, **found["refit"]}
            curve = tuple((int(epoch), float(value)) for epoch, value in found.get("curve", ()))
            best = Selected(spec.name, scorer, options, refit, found["recall"], found["ndcg"], 0.0, curve=curve)
    assert best is not None  # a scorer has at least one set of options
    return replace(best, seconds=round(seconds, 2), tried=tuple(tried))


def fit_and_judge(
    spec: Spec,
    options: dict[str, Any],
    data: TrainingData,
    held_out: HeldOut,
    k: int,
    seed: int,
    progress: Progress,
    store: FitStore,
) -> tuple[Scorer, Figures]:
    """Fit a scorer with ``options`` and return it with recall, NDCG, seconds, learning curve, what its refit needs."""
    started = time.perf_counter()
    built: Scorer = spec.build(options, table=f"scorers.{spec.name}")
    recording = Recording(progress)
    scorer = store.equip(built, spec.name, "fit", recording).fit(data, seed=seed)
    recall, ndcg = judge(scorer, held_out, k=k)
    seconds = time.perf_counter() - started
    refit = scorer.refit_options() if isinstance(scorer, RefittableScorer) else {}
    return scorer, {"recall": recall, "ndcg": ndcg, "seconds": seconds, "refit": refit, "curve": recording.points}

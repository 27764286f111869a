"""Fit scorers: each with the settings that rank the held-out likes best; fits that are done are kept until the end."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrec.artifacts import replacing
from kgrec.config import Config
from kgrec.errors import ConfigError, CorruptArtifactError, PartError
from kgrec.models.ndcg import recall_ndcg
from kgrec.models.top_k import mask_seen, top_k
from kgrec.plugin.protocols import (
    ConditionalScorer,
    GridScorer,
    RefittableScorer,
    ResumableScorer,
    Scorer,
    Traits,
    WatchedScorer,
    traits_of,
)
from kgrec.plugin.spec import Spec
from kgrec.progress import SILENT, Progress, Recording
from kgrec.ranking.training_inputs import HeldOut
from kgrec.types import TrainingData
from kgrec.workers import HERE, Workers
from kgrec.workspace import load_arrays, read_json, save_arrays, storage_errors, write_json

Figures = dict[str, Any]
"""What is kept beside a fitted scorer: JSON values."""

Options = dict[str, Any]


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
    options: Options
    refit_options: Options
    recall: float
    ndcg: float
    seconds: float
    tried: tuple[tuple[Options, float], ...] = field(default=())
    curve: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class FitStore:
    """Fitted scorers on disk, from which an interrupted training resumes.

    Attributes:
        folder: where; None keeps nothing.
        run: hash of everything that a fit depends on besides scorer and options: data, split, seed, versions.
    """

    folder: Path | None
    run: str = ""

    def fitted(
        self, spec: Spec, options: Options, part: str, fit: Callable[[], tuple[Scorer, Figures]]
    ) -> tuple[Scorer, Figures]:
        """Return the kept scorer and figures of an earlier, interrupted run, or those of ``fit()``, which are kept.

        Args:
            spec: the scorer.
            options: it is built with.
            part: what it is fitted on: ``"fit"`` or ``"everything"``.
            fit: fits it.
        """
        if self.folder is None:
            return fit()
        base = self._base(self.folder, spec, options, part)
        arrays, figures = base.with_suffix(".safetensors"), base.with_suffix(".json")
        if figures.exists():
            try:
                return spec.build(options).load_state(load_arrays(arrays)), read_json(figures)
            except CorruptArtifactError:  # written by a process that died; the fit is simply done again
                figures.unlink(missing_ok=True)
        scorer, found = fit()
        with replacing(arrays) as aside:
            save_arrays(aside, scorer.state())
        write_json(figures, found)  # last: its presence says that the arrays are whole
        return scorer, found

    def figures(self, spec: Spec, options: Options, measure: Callable[[], Figures]) -> Figures:
        """Return the kept figures of a trial of an interrupted run, or those of ``measure()``, which are kept."""
        if self.folder is None:
            return measure()
        file = self._base(self.folder, spec, options, "trial").with_suffix(".json")
        if file.exists():
            try:
                kept: Figures = read_json(file)
            except CorruptArtifactError:  # written by a process that died
                file.unlink(missing_ok=True)
            else:
                return kept
        found = measure()
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_json(file, found)
        return found

    def _base(self, folder: Path, spec: Spec, options: Options, part: str) -> Path:
        document = json.dumps([self.run, spec.target, options, part], sort_keys=True, default=str)
        return folder / hashlib.blake2b(document.encode(), digest_size=12).hexdigest()

    def equip(self, scorer: Scorer, name: str, part: str, progress: Progress) -> Scorer:
        """Tell a scorer that trains by epochs where to keep its state and what to tell of them."""
        if self.folder is not None and isinstance(scorer, ResumableScorer):
            self.folder.mkdir(parents=True, exist_ok=True)
            scorer.checkpoint = self.folder / f"{name}-{part}-epochs.safetensors"
        if isinstance(scorer, WatchedScorer):
            scorer.progress = progress
        return scorer

    def clear(self) -> None:
        """Forget everything; for when the training is done."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Fitter:
    """Fits scorers.

    Attributes:
        config: settings; ``seed``, ``fusion.metric_k`` and ``scorers`` are read.
        progress: told of the fits, and of the epochs of those that train by epochs.
        store: keeps fits for an interrupted training.
        workers: who fits.
    """

    config: Config
    progress: Progress = SILENT
    store: FitStore = FitStore(None)
    workers: Workers = HERE

    def selected(self, spec: Spec, options: Options, data: TrainingData, held_out: HeldOut) -> Selected:
        """Fit a scorer on the fit part, or take what is kept of it, and judge it on the held-out likes."""
        scorer, found = self.store.fitted(spec, options, "fit", partial(self.judged, spec, options, data, held_out))
        curve = tuple((int(epoch), float(value)) for epoch, value in found.get("curve", ()))
        refit = {**options, **found["refit"]}
        return Selected(
            spec.name, scorer, options, refit, found["recall"], found["ndcg"], found["seconds"], curve=curve
        )

    def trial(
        self, spec: Spec, options: Options, data: TrainingData, held_out: HeldOut
    ) -> tuple[NDArray[np.float64], Options]:
        """Fit a scorer to see how good its settings are; the scorer is not kept.

        Returns:
            NDCG of each user with held-out likes, shape ``(u,)``, and what the fit found out for a refit.
        """

        def tried() -> Figures:
            scorer = self._fitted(spec, options, data, "trial", self.progress)
            refit = scorer.refit_options() if isinstance(scorer, RefittableScorer) else {}
            return {"ndcg": self.figures(scorer, held_out).tolist(), "refit": refit}

        found = self.store.figures(spec, options, tried)
        return np.array(found["ndcg"], dtype=np.float64), found["refit"]

    def figures(self, scorer: Scorer, held_out: HeldOut) -> NDArray[np.float64]:
        """Return NDCG@k of each user with held-out likes, shape ``(u,)``."""
        return judge_users(scorer, held_out, k=self.config.fusion.metric_k)[1]

    def option_sets(self, spec: Spec, data: TrainingData) -> list[Options]:
        """Return the settings worth trying: the scorer's own grid under what kgrec.toml says.

        An option that is given as a list in kgrec.toml is tried with each of its values.

        Raises:
            ConfigError: such a list is empty.
        """
        cls, given = spec.load(), self.config.scorers.get(spec.name, {})
        own = cls.grid(data) if issubclass(cls, GridScorer) else [{}]
        lists = {name: value for name, value in given.items() if isinstance(value, list)}
        for name, values in lists.items():
            if not values:
                hint = "give one value, or some to try"
                raise ConfigError(f"[scorers.{spec.name}]: {name} is an empty list", hint=hint)
        fixed = {name: value for name, value in given.items() if name not in lists}
        products = [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
        sets: list[Options] = []
        for base, product in itertools.product(own, products):
            options = {**base, **fixed, **product}
            if options not in sets:
                sets.append(options)
        return sets

    def judged(self, spec: Spec, options: Options, data: TrainingData, held_out: HeldOut) -> tuple[Scorer, Figures]:
        """Fit a scorer -> it with recall, NDCG, seconds, learning curve, and what its refit needs."""
        recording = Recording(self.progress)
        started = time.perf_counter()
        scorer = self._fitted(spec, options, data, "fit", recording)
        recall, ndcg = judge(scorer, held_out, k=self.config.fusion.metric_k)
        seconds = time.perf_counter() - started
        refit = scorer.refit_options() if isinstance(scorer, RefittableScorer) else {}
        return scorer, {"recall": recall, "ndcg": ndcg, "seconds": seconds, "refit": refit, "curve": recording.points}

    def fit(self, spec: Spec, options: Options, data: TrainingData, part: str) -> tuple[Scorer, float]:
        """Fit a scorer on a part of the data, which has a name, or take what is kept of it -> it, and the seconds."""

        def fit() -> tuple[Scorer, Figures]:
            started = time.perf_counter()
            scorer = self._fitted(spec, options, data, part, self.progress)
            return scorer, {"seconds": time.perf_counter() - started}

        scorer, found = self.store.fitted(spec, options, part, fit)
        return scorer, found["seconds"]

    def _fitted(self, spec: Spec, options: Options, data: TrainingData, part: str, progress: Progress) -> Scorer:
        built: Scorer = spec.build(options, table=f"scorers.{spec.name}")
        return self.store.equip(built, spec.name, part, progress).fit(data, seed=self.config.seed)


def traits_of_spec(spec: Spec) -> Traits:
    """Return what a scorer's class says of itself; one that cannot be imported, by its plugin's fault, says nothing."""
    try:
        return traits_of(spec.load())
    except PartError:
        return Traits()


def unusable(spec: Spec, data: TrainingData) -> str:
    """Return why a scorer cannot be fitted on the data, or the empty string."""
    cls = spec.load()
    return cls.unusable(data) if issubclass(cls, ConditionalScorer) else ""


def judge(scorer: Scorer, held_out: HeldOut, *, k: int) -> tuple[float, float]:
    """Return mean recall@k and NDCG@k of a scorer alone on the held-out likes."""
    recall, ndcg = judge_users(scorer, held_out, k=k)
    return (float(np.nanmean(recall)), float(np.nanmean(ndcg))) if len(recall) else (float("nan"), float("nan"))


def judge_users(
    scorer: Scorer, held_out: HeldOut, *, k: int, block_size: int = 512
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return recall@k and NDCG@k of each user with held-out likes, as the user counts, both of shape ``(u,)``."""
    recall, ndcg = np.zeros(len(held_out.users)), np.zeros(len(held_out.users))
    for block in held_out.blocks(block_size):
        scores = np.array(scorer.score(held_out.users[block]), dtype=np.float32)
        mask_seen(scores, held_out.masked[block])
        recall[block], ndcg[block] = recall_ndcg(top_k(scores, k)[0], held_out.truth[block])
    return (recall, ndcg) if held_out.weights is None else (recall * held_out.weights, ndcg * held_out.weights)

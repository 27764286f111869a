"""Scorers fitted side by side by several workers, each with the settings that it would be given one after the other."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import PartError
from kgrec.models.threads import limited_threads
from kgrec.plugin.manager import Registry, load_plugins
from kgrec.plugin.protocols import Scorer, traits_of
from kgrec.plugin.spec import Spec
from kgrec.progress import SILENT, Task
from kgrec.ranking.fitting import Fitter, Options, Selected
from kgrec.ranking.search import select
from kgrec.ranking.training_inputs import HeldOut, TrainingInputs
from kgrec.types import TrainingData
from kgrec.workers import HERE, Workers

BLOCKS_FROM = 5_000_000
"""With so many likes, scorers that can are fitted by all workers, block by block; with fewer, each by one worker."""

State = dict[str, NDArray[np.generic]]
"""The arrays of a fitted scorer: what is sent back, since a plugin's objects need not travel well."""


@dataclass(slots=True)
class FitJob:
    """What all fits need.

    Attributes:
        fitter: fits; its progress and workers are not sent.
        data: what is fitted on.
        held_out: what settings are judged on.
        own: the data in memory of the worker's own, which scorers may write to.
    """

    fitter: Fitter
    data: TrainingData
    held_out: HeldOut
    own: TrainingData | None = field(default=None, repr=False)

    @classmethod
    def of(cls, fitter: Fitter, data: TrainingData, held_out: HeldOut) -> FitJob:
        """Leave out what stays here."""
        return cls(replace(fitter, progress=SILENT, workers=HERE), replace(data, workers=HERE), held_out)

    def mine(self) -> TrainingData:
        """Return the data, copied once."""
        self.own = self.own or copy.deepcopy(self.data)
        return self.own


def settle(
    fitter: Fitter, specs: Sequence[Spec], inputs: TrainingInputs, starts: Mapping[str, Options], task: Task
) -> Iterator[Selected | PartError]:
    """Yield each scorer with the settings that :func:`kgrec.ranking.search.select` finds, or its plugin's fault."""
    data, held_out = inputs.fit, inputs.held_out
    there: dict[str, Selected | PartError] = {}
    apart = [spec for spec in specs if _apart(spec, data, fitter.workers)]
    blocks = [(spec.name, starts.get(spec.name)) for spec in apart]
    job = FitJob.of(fitter, data, held_out)
    for spec, found in zip(apart, fitter.workers.map(_select, job, blocks) if blocks else (), strict=True):
        task.advance()
        there[spec.name] = found if isinstance(found, PartError) else found.of(spec)
    for spec in specs:
        if spec.name in there:
            yield there[spec.name]
            continue
        task.note(spec.name)
        try:
            yield select(fitter, spec, replace(data, workers=fitter.workers), held_out, task, starts.get(spec.name))
        except PartError as error:
            yield error


def refitted(
    fitter: Fitter, chosen: Sequence[Selected], registry: Registry, inputs: TrainingInputs, task: Task
) -> Iterator[tuple[Scorer, float]]:
    """Yield each scorer fitted on all data, and the seconds that took."""
    assert inputs.everything is not None
    data = replace(inputs.everything, validation=None)
    there: dict[str, tuple[Scorer, float]] = {}
    apart = [one for one in chosen if _apart(registry[one.name], data, fitter.workers)]
    blocks = [(one.name, one.refit_options) for one in apart]
    job = FitJob.of(fitter, data, inputs.held_out)
    for one, (state, seconds) in zip(apart, fitter.workers.map(_refit, job, blocks) if blocks else (), strict=True):
        there[one.name] = registry[one.name].build(one.refit_options).load_state(state), seconds
        task.advance()
    for one in chosen:
        if one.name in there:
            yield there[one.name]
            continue
        task.note(one.name)
        everything = replace(data, workers=fitter.workers)
        yield fitter.fit(registry[one.name], one.refit_options, everything, "everything")
        task.advance()


def _apart(spec: Spec, data: TrainingData, workers: Workers) -> bool:
    """Say whether a scorer is fitted by one worker, rather than here, block by block where there are workers."""
    if workers.count == 1 or spec.name not in _registry() or _registry()[spec.name].target != spec.target:
        return False  # what is not installed, but a workspace's own or handed over, is not there at a worker
    try:
        return data.matrix.nnz < BLOCKS_FROM or not traits_of(spec.load()).by_blocks
    except PartError:
        return True


@cache
def _registry() -> Registry:
    return load_plugins().registry("scorer")


@dataclass(frozen=True, slots=True)
class FoundSettings:
    """What a worker found of a scorer: :class:`Selected` with the arrays in place of the scorer."""

    state: State
    options: Options
    refit_options: Options
    figures: tuple[float, float, float]
    tried: tuple[tuple[Options, float], ...]
    curve: tuple[tuple[int, float], ...]

    def of(self, spec: Spec) -> Selected:
        """Build the scorer again."""
        scorer = spec.build(self.options, table=f"scorers.{spec.name}").load_state(self.state)
        found = (spec.name, scorer, self.options, self.refit_options, *self.figures)
        return Selected(*found, tried=self.tried, curve=self.curve)


def _select(job: FitJob, asked: tuple[str, Options | None]) -> FoundSettings | PartError:
    name, start = asked
    try:
        with limited_threads(1):
            found = select(job.fitter, _registry()[name], job.mine(), job.held_out, _NoTask(), start)
        figures = found.recall, found.ndcg, found.seconds
        state = dict(found.scorer.state())
        return FoundSettings(state, found.options, found.refit_options, figures, found.tried, found.curve)
    except PartError as error:
        return error


def _refit(job: FitJob, asked: tuple[str, Options]) -> tuple[State, float]:
    name, options = asked
    with limited_threads(1):
        scorer, seconds = job.fitter.fit(_registry()[name], options, job.mine(), "everything")
    return dict(scorer.state()), seconds


class _NoTask:
    def advance(self, amount: float = 1) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""

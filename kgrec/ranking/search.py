"""Find the settings of a scorer: its own first, then better ones around the best, as long as its share of work lasts.

A direct search by coordinates (after Hooke and Jeeves, Direct search solution, JACM 1961): each option
that a scorer's ``space`` names is moved by a large step as long as that ranks the held-out likes better, then to the
top of the parabola through the best three, then by smaller steps. Curves of ranking figures over a ridge, a number of
factors or a weight have one top, which this finds in a dozen fits wherever it lies in the range.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrec.config import SearchLevel
from kgrec.plugin.options import option_defaults
from kgrec.plugin.protocols import PricedScorer, TrialScorer, TunableScorer
from kgrec.plugin.space import Choice, Range, Real, Space, Value
from kgrec.plugin.spec import Spec
from kgrec.progress import Task
from kgrec.ranking.fitting import Fitter, Options, Selected
from kgrec.ranking.training_inputs import HeldOut
from kgrec.types import TrainingData

SECONDS, AT_LIKES = 4.0, 50_000
"""What a scorer may be searched for with ``normal`` on data of so many likes, in seconds of work by its ``price``."""
GROWTH = 0.5
"""They grow as this power of the likes: ten times the data get three times the search."""
JUDGING = 2e-8
"""Seconds that scoring and ranking one item for one user takes."""
LEVELS: Mapping[SearchLevel, float] = {"quick": 0.3, "normal": 1.0, "thorough": 8.0}
STEPS: Mapping[SearchLevel, tuple[float, ...]] = {
    "quick": (1.0,),
    "normal": (1.0, 0.5),
    "thorough": (1.0, 0.5, 0.25),
}
"""Sizes of the moves, in units of a factor of four, or of a quarter of a range."""
JUDGED = 2_000
"""At most so many users judge a trial; all of them judge what was found."""
SURE = 0.5
"""A move must raise the mean by so many of its standard errors for the search to go on from there, or luck would
wander over the flat top of a curve; of all that was tried the best is taken."""
NEAR = 0.15
"""A top that is nearer to a known point, in steps, is not worth a fit."""
ROUNDS = 4
"""Of moves of one size, at most."""


def budget(level: SearchLevel, likes: int) -> float:
    """Return the seconds of work that a scorer may be searched.

    Work is reckoned from shapes, not measured: the same data and seed give the same settings on any machine.
    """
    return float(SECONDS * LEVELS[level] * max(likes / AT_LIKES, 0.1) ** GROWTH)


def select(
    fitter: Fitter, spec: Spec, data: TrainingData, held_out: HeldOut, task: Task, start: Options | None = None
) -> Selected:
    """Fit a scorer with the settings that rank the held-out likes best.

    Args:
        fitter: fits; ``train.search`` and ``scorers`` of its settings are read: what kgrec.toml gives is not searched.
        spec: the scorer.
        data: the fit part.
        held_out: what it is judged on; where that is nothing, the first settings are taken.
        task: told of every fit.
        start: what an earlier training found; of the scorer's own settings only the first are tried beside it.
    """
    own = fitter.option_sets(spec, data)
    if not len(held_out.users):
        task.advance()
        return fitter.selected(spec, own[0], data, held_out)
    given = fitter.config.scorers.get(spec.name, {})
    if start is not None and not any(isinstance(value, list) for value in given.values()):
        own = [{**own[0], **start, **given}, own[0]]
    search = _Search(fitter, spec, data, held_out)
    for options in own:
        search.attempt(options, start=True)
        task.advance(0.5 / len(own))
    cls = spec.load()
    if issubclass(cls, TunableScorer):
        space = {name: span for name, span in cls.space(data).items() if name not in given}
        search.climb(space, fitter.config.train.search, task)
    task.advance(0.5)
    best = search.found
    found = fitter.selected(spec, best.options, data, held_out) if best.whole is None else best.whole
    tried = tuple((trial.options, trial.ndcg) for trial in search.trials.values())
    seconds = search.seconds + (found.seconds if best.whole is None else 0.0)
    return replace(found, seconds=round(seconds, 2), tried=tried)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Settings that were tried.

    Attributes:
        options: which.
        figures: NDCG of each judging user, shape ``(u,)``.
        refit: what the fit found out besides, see :class:`kgrec.plugin.protocols.RefittableScorer`.
        whole: the fitted scorer, where it was fitted as it will be used.
    """

    options: Options
    figures: NDArray[np.float64]
    refit: Mapping[str, Any]
    whole: Selected | None = None

    @property
    def ndcg(self) -> float:
        return float(np.nanmean(self.figures))

    def beats(self, other: _Trial) -> bool:
        """Say whether it is better by more than luck."""
        gain = self.figures - other.figures
        return bool(np.nanmean(gain) > SURE * np.nanstd(gain) / math.sqrt(len(gain)))


class _Search:
    """What was tried of one scorer, and the best of it."""

    def __init__(self, fitter: Fitter, spec: Spec, data: TrainingData, held_out: HeldOut) -> None:
        self._fitter, self._spec, self._data, self._everybody = fitter, spec, data, held_out
        self._held_out = held_out.sample(JUDGED)
        self._defaults = option_defaults(spec.load())
        self._best: _Trial | None = None
        self._spent = 0.0
        self.trials: dict[str, _Trial] = {}
        self.seconds = 0.0

    @property
    def best(self) -> _Trial:
        """The best settings so far; there are some, since a scorer has at least one set of options."""
        assert self._best is not None
        return self._best

    @property
    def found(self) -> _Trial:
        """What ranks best of all that was tried: what moves gained, each too little to be sure of, adds up."""
        top = max(self.trials.values(), key=lambda trial: trial.ndcg)
        return top if top.ndcg > self.best.ndcg else self.best

    def attempt(self, options: Options, *, start: bool = False) -> bool:
        """Try settings, unless they were, and say whether they are the best now; a start that needs no more is kept."""
        key = _key(options)
        if key in self.trials:
            return False
        started = time.perf_counter()
        trial = self._tried(options, start=start)
        self.seconds += time.perf_counter() - started
        self._spent += self._price(options)
        self.trials[key] = replace(trial, whole=None)
        if self._best is not None and not trial.beats(self._best):
            return False
        self._best = trial
        return True

    def _cheap(self, options: Options) -> Options:
        cls = self._spec.load()
        return cls.trial(options) if issubclass(cls, TrialScorer) else options

    def _price(self, options: Options) -> float:
        """Return the seconds of work that it takes to try settings; infinite where the scorer does not say."""
        cls = self._spec.load()
        if not issubclass(cls, PricedScorer):
            return math.inf
        judging = JUDGING * len(self._held_out.users) * self._data.n_items
        return judging + cls.price({**self._defaults, **self._cheap(options)}, self._data)

    def _tried(self, options: Options, *, start: bool) -> _Trial:
        known = self._best.refit if self._best else {}  # it hardly depends on the rest, and costs a lot to find out
        cheap = {**known, **self._cheap(options)}
        if start and cheap == options:
            whole = self._fitter.selected(self._spec, options, self._data, self._everybody)
            found = {name: value for name, value in whole.refit_options.items() if name not in options}
            return _Trial(options, self._fitter.figures(whole.scorer, self._held_out), found, whole)
        figures, refit = self._fitter.trial(self._spec, cheap, self._data, self._held_out)
        return _Trial(options, figures, {**refit, **known})

    def climb(self, space: Space, level: SearchLevel, task: Task) -> None:
        """Move option by option, by large steps first, until nothing helps or the work is done."""
        limit = budget(level, self._data.matrix.nnz)
        # What is measured by ratios often hangs together, as a ridge with the weight of what it holds back.
        ratios = [name for name, span in space.items() if not isinstance(span, Choice) and span.log][:2]
        moves = [*((name,) for name in space), *([tuple(ratios)] if len(ratios) == 2 else [])]
        for step in STEPS[level]:
            for _ in range(ROUNDS):
                before = self.best
                for names in moves:
                    self._along(names, space, step, limit)
                    task.note(f"{self._spec.name} {len(self.trials)}, best {self.best.ndcg:.4f}")
                if self.best is before:
                    break

    def _along(self, names: tuple[str, ...], space: Space, step: float, limit: float) -> None:
        """Move some options together as long as it helps, then to the top of the parabola through the best three."""
        figures, at, origin = {0: self.best.ndcg}, 0, self.best.options
        for direction in (1, -1):
            while (options := self._moved(origin, names, space, (at + direction) * step)) is not None:
                if options == self.best.options:  # the end of a range
                    break
                figure = self._afforded(options, limit)
                if figure is None:
                    break
                figures[at + direction] = figure
                if options != self.best.options:
                    break
                at += direction
            if at:
                break
        top = vertex(figures.get(at - 1), figures[at], figures.get(at + 1))
        if abs(top) >= NEAR and (options := self._moved(origin, names, space, (at + top) * step)) is not None:
            self._afforded(options, limit)

    def _afforded(self, options: Options, limit: float) -> float | None:
        """Try settings if that costs no more than what is left -> their figure; None: not known."""
        key = _key(options)
        if key not in self.trials and self._spent + self._price(options) <= limit:
            self.attempt(options)
        return self.trials[key].ndcg if key in self.trials else None

    def _moved(self, origin: Options, names: tuple[str, ...], space: Space, step: float) -> Options | None:
        """Return settings with some options moved; None at the end of a range, or where one has no number."""
        values = {name: origin.get(name, self._defaults.get(name)) for name in names}
        found = {name: moved(space[name], value, step) for name, value in values.items()}
        return None if None in found.values() else {**origin, **found}


def _key(options: Options) -> str:
    return json.dumps(options, sort_keys=True, default=str)


def vertex(below: float | None, best: float, above: float | None) -> float:
    """Return where the parabola through three figures, a step apart, has its top, in steps from the middle one.

    0 where a neighbour is not known, or where the middle is no top.
    """
    if below is None or above is None or min(below, above) > best or below + above >= 2 * best:
        return 0.0
    return float(np.clip((above - below) / (4 * best - 2 * (below + above)), -0.5, 0.5))


def moved(span: Range, value: Value, step: float) -> Value:
    """Return the next value of a range, None where there is none.

    Args:
        span: the range.
        value: where to start.
        step: how far: in factors of four where the range is logarithmic, else in quarters of it. A choice has no
            order: what is above 0 takes the next one, what is below the one before.
    """
    if isinstance(span, Choice):
        place = span.values.index(value) + (1 if step > 0 else -1) if value in span.values else 0
        return span.values[place] if 0 <= place < len(span.values) else None
    if not isinstance(value, int | float):
        return None
    found = max(value, span.low) * 4.0**step if span.log else value + step * (span.high - span.low) / 4
    found = min(max(found, span.low), span.high)
    found = min(max(float(f"{found:.4g}"), span.low), span.high) if isinstance(span, Real) else round(found)
    return None if found == value else found

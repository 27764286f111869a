"""Placements and experiments: which list a request gets, and what draws items out of their order to learn from it.

Items are drawn without replacement with probability proportional to ``exp(score / temperature)`` (Plackett–Luce), by
adding Gumbel noise to the scores and sorting. The probability of each place, given the places before it, is kept with
the list: what another policy would have earned can be told from it, see :mod:`kgrec.live.off_policy`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgrec.config import Config, ExperimentConfig, PlacementConfig
from kgrec.errors import ConfigError, NotFoundError

DEFAULT = "default"
"""The placement of requests that name none."""

POOL = 3
"""Items are drawn among so many times the length of the list."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a request gets.

    Attributes:
        name: of the placement that was asked for.
        shown: of the placement whose rules make the list.
        rules: these rules.
        experiment, variant: of the experiment that chose it, or empty.
    """

    name: str
    shown: str
    rules: PlacementConfig
    experiment: str = ""
    variant: str = ""


class Placements:
    """The placements of a workspace and the experiments among them.

    Args:
        config: settings; ``placements``, ``experiments`` and ``recommend`` are read.

    Raises:
        ConfigError: an experiment names a placement that does not exist, or two run in the same place.
    """

    def __init__(self, config: Config) -> None:
        self.rules: dict[str, PlacementConfig] = {DEFAULT: PlacementConfig(n=config.recommend.n), **config.placements}
        self.experiments: Mapping[str, ExperimentConfig] = config.experiments
        self._running: dict[str, str] = {}
        for name, experiment in config.experiments.items():
            for wanted in (experiment.placement, *experiment.variants.values()):
                if wanted not in self.rules:
                    raise ConfigError(f"experiments.{name}: there is no placement {wanted!r}")
            if experiment.placement in self._running:
                other = self._running[experiment.placement]
                raise ConfigError(f"experiments.{name}: {other!r} already runs in {experiment.placement!r}")
            self._running[experiment.placement] = name

    def choose(self, name: str, user_id: str) -> Chosen:
        """Return what a user sees in a placement; the same user always gets the same variant.

        Raises:
            NotFoundError: there is no such placement.
        """
        if name not in self.rules:
            raise NotFoundError.of("placement", name, self.rules)
        running = self._running.get(name)
        if running is not None and user_id:
            experiment = self.experiments[running]
            variant = assign(running, experiment, user_id)
            if variant is not None:
                shown = experiment.variants[variant]
                return Chosen(name, shown, self.rules[shown], running, variant)
        return Chosen(name, name, self.rules[name])


def assign(name: str, experiment: ExperimentConfig, user_id: str) -> str | None:
    """Return the variant of a user, None for users who do not take part; a hash of name and user decides."""
    digest = hashlib.sha256(f"{name}\0{user_id}".encode()).digest()
    taking_part = int.from_bytes(digest[:8], "big") / 2**64
    if taking_part >= experiment.share:
        return None
    place = int.from_bytes(digest[8:16], "big") * len(experiment.variants) >> 64
    return list(experiment.variants)[place]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A list in a drawn order.

    Attributes:
        order: places in the ranking of the candidates, shape ``(n,)``.
        propensities: probability of each place given the ones before it, shape ``(n,)``.
    """

    order: NDArray[np.int64]
    propensities: NDArray[np.float64]


def draw(scores: NDArray[np.floating], n: int, explore: float, rng: np.random.Generator) -> Drawn:
    """Draw ``n`` of the candidates.

    Args:
        scores: of the candidates, best first, shape ``(c,)``.
        n: length of the list.
        explore: temperature in standard deviations of the candidates' scores; 0: the best in their order.
        rng: draws the noise.
    """
    n = min(n, len(scores))
    logits = temper(scores, explore)
    if logits is None:
        return Drawn(np.arange(n), np.ones(n))
    order = np.argsort(-(logits + rng.gumbel(size=len(logits))), kind="stable")[:n]
    return Drawn(order, propensities(logits, order))


def temper(scores: NDArray[np.floating], explore: float) -> NDArray[np.float64] | None:
    """Return ``scores / temperature``, shape ``(c,)``; None where the order is certain."""
    if explore <= 0 or len(scores) < 2:
        return None
    levels = np.asarray(scores, dtype=np.float64) - float(np.max(scores))
    spread = float(levels.std())
    if spread <= 1e-9 * max(float(np.abs(scores).max()), 1e-9):  # all the same but for rounding
        return np.zeros(len(scores))
    return levels / (explore * spread)


def propensities(logits: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the Plackett–Luce probability of each place given the ones before it, shape ``(len(order),)``."""
    rest = np.ones(len(logits), dtype=np.bool_)
    rest[order] = False
    taken = np.concatenate([logits[order], logits[rest]])
    left = np.logaddexp.accumulate(taken[::-1])[::-1][: len(order)]  # of this place's item and all after it
    return np.asarray(np.exp(np.maximum(logits[order] - left, -700.0)), dtype=np.float64)

"""Which of several variants writes the next text: Thompson sampling on what readers made of the earlier ones.

Source: Thompson (1933); Chapelle and Li, "An empirical evaluation of Thompson sampling", NeurIPS 2011, also on feedback
that comes late. With successes s and failures f of a variant and a uniform prior, its rate is Beta(1 + s, 1 + f)
distributed; a rate is drawn for each variant, and the one of the highest draw writes. Deviation: of the t-th text, each
of K variants gets at least a share of min(1 / K, 1 / (2 sqrt(1 + t))) by an even draw. Over t texts these are about
sqrt(t) a variant: none starves for having had bad luck, and the regret that they cost stays sub-linear.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

DRAWS = 4096
"""Draws from which the probability of being the best is told."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant and what is known of it.

    Attributes:
        name: of the variant.
        version: of its prompt or phrases; another text is another arm.
        successes: exposures that the reader clicked (or that converted).
        failures: exposures that the reader did not.
    """

    name: str
    version: str
    successes: int = 0
    failures: int = 0

    @property
    def posterior(self) -> tuple[float, float]:
        """Alpha and beta of the rate's distribution."""
        return 1.0 + self.successes, 1.0 + self.failures


def arms_of(
    table: pl.DataFrame, versions: Mapping[str, str], *, kind: str, language: str, asked: str, reward: str
) -> list[Arm]:
    """Return what exposures tell of the variants of a kind in a language, asked of a model.

    What counts is which variant was asked for, also where the template had to step in: that, too, came of asking.

    Args:
        table: exposures.
        versions: variant -> version of its text as it is now; feedback on other versions is of other arms.
        kind: name of the kind.
        language: of the texts.
        asked: name of the model that was asked.
        reward: ``clicked`` or ``converted``.
    """
    rows = table.filter((pl.col("kind") == kind) & (pl.col("lang") == language) & (pl.col("asked") == asked))
    counted = rows.group_by("variant", "version").agg(pl.col(reward).sum(), pl.col("shown").sum())
    counts = counted.select("variant", "version", reward, "shown").rows()
    found = {(name, version): (won, shown) for name, version, won, shown in counts}
    arms = []
    for name, version in versions.items():
        won, shown = found.get((name, version), (0, 0))
        arms.append(Arm(name, version, int(won), int(shown - won)))
    return arms


def floor_share(n_arms: int, trials: int) -> float:
    """Return the least share that each of ``n_arms`` variants gets of the next text after ``trials`` exposures."""
    return min(1.0 / n_arms, 0.5 / math.sqrt(1.0 + trials))


def choose(arms: Sequence[Arm], rng: np.random.Generator) -> Arm:
    """Draw the variant of the next text.

    Args:
        arms: at least one.
        rng: draws.
    """
    if len(arms) == 1:
        return arms[0]
    trials = sum(arm.successes + arm.failures for arm in arms)
    evenly = rng.random() < len(arms) * floor_share(len(arms), trials)
    draws = rng.random(len(arms)) if evenly else _drawn(arms, rng, 1)[0]
    return arms[int(np.argmax(draws))]


def best_probabilities(arms: Sequence[Arm], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how likely it is of each arm that its rate is the highest, shape ``(len(arms),)``."""
    best = np.argmax(_drawn(arms, rng, DRAWS), axis=1)
    return np.asarray(np.bincount(best, minlength=len(arms)) / DRAWS, dtype=np.float64)


def draw_key(*parts: object) -> np.random.Generator:
    """Return a generator that depends on ``parts`` alone, so that one text's draw does not hang on the others'."""
    text = "\x1f".join(str(part) for part in parts)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16], "big"))


def _drawn(arms: Sequence[Arm], rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    alphas, betas = np.array([arm.posterior for arm in arms]).T
    return rng.beta(alphas, betas, size=(n, len(arms)))

"""How readers answer to generated texts: rates of clicks and conversions, time spent, by kind, prompt and model."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.generate.feedback.bandit import Arm, best_probabilities, draw_key
from kgrec.generate.feedback.exposures import exposures
from kgrec.significance import DRAWS, Interval, share

if TYPE_CHECKING:
    from kgrec.config import GenerateConfig
    from kgrec.generate.feedback.store import FeedbackStore

Z = 1.959963984540054
"""Normal quantile of 95 % intervals."""

FEW = 30
"""With fewer readers than this, a group's figures say little."""

SCARCE = 10
"""Readers below which nothing is resampled."""

WORK = 40_000_000
"""Numbers drawn for an interval at most; many readers need fewer resamples."""

VARIANT = ("kind", "lang", "asked", "variant", "version")
BY: dict[str, tuple[str, ...]] = {
    "all": (),
    "kind": ("kind",),
    "language": ("lang",),
    "model": ("writer",),
    "variant": VARIANT,
}
"""How exposures are grouped: name -> columns. ``writer`` is the model; a template that stepped in is told apart."""


@dataclass(frozen=True, slots=True)
class ResponseGroup:
    """Exposures of one group.

    Attributes:
        by: what they have in common, a key of :data:`BY`.
        values: its value: ``{"kind": "blurb"}``.
        shown: exposures.
        readers: of them, each counted once.
        clicked, converted: counts of exposures.
        ctr, conversion: rates with 95 % intervals: Wilson's where each reader has one exposure, otherwise bootstrap
            intervals over readers, whose exposures are not independent.
        dwell: mean seconds of the exposures of which a dwell time is known, interval over readers.
        rating: the same of the last rating of each exposure.
        value: sum of the values of conversions.
        edited, faulty: edits, and those that guards object to.
        enough: whether there are readers enough for the figures to say something.
    """

    by: str
    values: dict[str, str]
    shown: int
    readers: int
    clicked: int
    converted: int
    ctr: Interval
    conversion: Interval
    dwell: Interval
    rating: Interval
    value: float
    edited: int
    faulty: int
    enough: bool

    @property
    def label(self) -> str:
        """The values in a line: ``blurb.en · smollm2 · short@1f0c9a2b``."""
        if self.by != "variant":
            return " ".join(self.values.values()) or "all"
        v = self.values
        return f"{v['kind']}.{v['lang']} · {v['asked']} · {v['variant']}@{v['version']}"

    def to_dict(self) -> dict[str, Any]:
        """Return the group as JSON values; what is not known is None."""
        record = asdict(self)
        for name in ("ctr", "conversion", "dwell", "rating"):
            known = record[name]["n"] > 0
            record[name] = record[name] if known else None
        return record


@dataclass(frozen=True)
class FeedbackEvaluation:
    """What readers made of the texts.

    Attributes:
        window_hours: how long they had to react.
        reward: what variants are tried for.
        texts: on record.
        pending: exposures that are too young to be judged.
        unshown: events of texts that their reader was never shown, by the record; they count nowhere.
        late: clicks and conversions after the window; they count as none.
        groups: the figures.
        best: label of a variant's group -> how likely it is that its rate is the highest of its kind, language and
            model; only where there are several variants.
    """

    window_hours: float
    reward: str
    texts: int
    pending: int
    unshown: int
    late: int
    groups: tuple[ResponseGroup, ...]
    best: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        document = {
            name: getattr(self, name) for name in ("window_hours", "reward", "texts", "pending", "unshown", "late")
        }
        groups = [{**group.to_dict(), "best": self.best.get(group.label)} for group in self.groups]
        return {**document, "groups": groups}


def evaluate_feedback(store: FeedbackStore, settings: GenerateConfig, seed: int) -> FeedbackEvaluation:
    """Measure what readers did, by kind, language, model and variant, with intervals over readers.

    Args:
        store: the texts and events on record.
        settings: how long readers have to react, and what variants are tried for.
        seed: of the resamples.
    """
    found = exposures(store, window_hours=settings.window_hours, now=time.time())
    groups = measure(found.table, seed=seed)
    return FeedbackEvaluation(
        settings.window_hours,
        settings.reward,
        store.texts().height,
        found.pending,
        found.unshown,
        found.late,
        tuple(groups),
        _best(groups, settings.reward, seed),
    )


def _best(groups: Sequence[ResponseGroup], reward: str, seed: int) -> dict[str, float]:
    rivals: dict[tuple[str, ...], list[ResponseGroup]] = {}
    for group in groups:
        if group.by == "variant":
            rivals.setdefault(tuple(group.values[name] for name in ("kind", "lang", "asked")), []).append(group)
    best = {}
    for key, several in rivals.items():
        if len(several) < 2:
            continue
        won = [group.clicked if reward == "clicked" else group.converted for group in several]
        arms = [
            Arm(g.values["variant"], g.values["version"], w, g.shown - w) for g, w in zip(several, won, strict=True)
        ]
        shares = best_probabilities(arms, draw_key(seed, *key))
        best.update({group.label: float(share) for group, share in zip(several, shares, strict=True)})
    return best


def wilson(successes: float, n: int) -> Interval:
    """Return a rate with its score interval (Wilson 1927), which holds for rare events and few trials, too.

    Args:
        successes: between 0 and ``n``.
        n: independent trials.
    """
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    p, z2 = successes / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # Rounding must not put the rate outside of its own interval.
    return Interval(p, min(max(0.0, centre - half), p), max(min(1.0, centre + half), p), n)


def rate(successes: NDArray[np.float64], trials: NDArray[np.float64], rng: np.random.Generator) -> Interval:
    """Return the rate of successes with a 95 % interval over readers.

    Args:
        successes: of each reader, shape ``(u,)``.
        trials: of each reader, shape ``(u,)``, positive.
        rng: draws readers.

    Returns:
        The rate over all trials; ``n`` is the number of readers.
    """
    won, of = int(successes.sum()), int(trials.sum())
    n = len(trials)
    if n == 0 or of == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    if of == n:
        return wilson(won, n)
    if won in (0, of) or n < SCARCE:  # resamples would be too much alike; a reader then counts for one trial
        return wilson(won / of * n, n)
    return share(successes, trials, rng, draws=_draws(n))


def measure(table: pl.DataFrame, *, seed: int) -> list[ResponseGroup]:
    """Measure exposures, together and in groups.

    Args:
        table: a row an exposure: ``unit`` (the reader), ``shown``, ``clicked``, ``converted``, ``value``, ``dwell``,
            ``rating``, ``edited``, ``faulty``, and what :data:`BY` groups by (for ``writer``: ``model``, ``fallback``).
        seed: of the resamples.

    Returns:
        Groups in the order of :data:`BY`, the ones with most exposures first.
    """
    writer = pl.when("fallback").then(pl.col("model") + " (stepped in)").otherwise("model")
    table = table.with_columns(writer.alias("writer"))
    found: list[ResponseGroup] = []
    for by, columns in BY.items():
        groups = [_group(by, values, rows, seed) for values, rows in _parts(table, columns)]
        found += sorted(groups, key=lambda group: (-group.shown, group.label))
    return found


def _parts(table: pl.DataFrame, columns: Sequence[str]) -> Iterator[tuple[dict[str, str], pl.DataFrame]]:
    if not columns:
        yield {}, table
        return
    for key, rows in table.group_by(columns, maintain_order=True):
        yield {name: str(value) for name, value in zip(columns, key, strict=True)}, rows


def _group(by: str, values: dict[str, str], rows: pl.DataFrame, seed: int) -> ResponseGroup:
    rng = np.random.default_rng([seed, rows.height])
    readers = rows.group_by("unit", maintain_order=True).agg(
        pl.col("shown", "clicked", "converted", "value", "dwell", "rating", "edited", "faulty").sum(),
        *(pl.col(name).count().alias(f"n_{name}") for name in ("dwell", "rating")),
    )
    totals = {name: readers[name].sum() for name in ("shown", "clicked", "converted", "value", "edited", "faulty")}
    shown = _numbers(readers, "shown")
    return ResponseGroup(
        by=by,
        values=values,
        shown=int(totals["shown"]),
        readers=readers.height,
        clicked=int(totals["clicked"]),
        converted=int(totals["converted"]),
        ctr=rate(_numbers(readers, "clicked"), shown, rng),
        conversion=rate(_numbers(readers, "converted"), shown, rng),
        dwell=_mean(readers, "dwell", rng),
        rating=_mean(readers, "rating", rng),
        value=float(totals["value"]),
        edited=int(totals["edited"]),
        faulty=int(totals["faulty"]),
        enough=readers.height >= FEW,
    )


def _mean(readers: pl.DataFrame, name: str, rng: np.random.Generator) -> Interval:
    known = readers.filter(pl.col(f"n_{name}") > 0)
    return share(_numbers(known, name), _numbers(known, f"n_{name}"), rng, draws=_draws(known.height))


def _numbers(table: pl.DataFrame, name: str) -> NDArray[np.float64]:
    return table[name].cast(pl.Float64).to_numpy()


def _draws(n: int) -> int:
    return max(200, min(DRAWS, WORK // max(n, 1)))

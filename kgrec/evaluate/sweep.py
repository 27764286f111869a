"""What a strength costs and gives: the lists of one training, re-ranked at each value of an option."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import ConfigError, NotFoundError, UsageError
from kgrec.evaluate import metrics
from kgrec.evaluate.lists_record import SweepCurve, SweepPoint
from kgrec.evaluate.plan import Sweep
from kgrec.evaluate.records import Span
from kgrec.evaluate.significance import NORMAL, bootstrap, jackknife, over_seeds
from kgrec.evaluate.test_set import Result, TestSet, measure, scores_of
from kgrec.plugin.manager import Registry
from kgrec.plugin.options import option_defaults
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.rerank.data import Catalogue
from kgrec.ranking.rerank.pipeline import NONE, Pipeline, build_one, parse, prepare
from kgrec.ranking.top_k import top_k, with_reserved
from kgrec.types import ItemIndices

MOST_VALUES = 1000
"""A range with more values is a slip of the finger."""

EXAMPLE = "for example --sweep mmr.strength=0:1:0.1 or --sweep dpp.strength=0,0.02,0.1"


def parse_sweep(text: str, registry: Registry) -> Sweep:
    """Read ``mmr.strength=0:1:0.1`` (first, last, step) or ``mmr.by=text,category``; ``rerank.`` may stand before.

    Without a name of the option it is the re-ranker's first: ``mmr=0:1:0.1``.

    Raises:
        UsageError: it is not of that form.
        NotFoundError: there is no such re-ranker or it has no such option.
    """
    left, equals, right = text.partition("=")
    step, _, option = left.strip().removeprefix("rerank.").partition(".")
    if not equals or not step or not right.strip():
        raise UsageError(f"--sweep {text!r} is not of the form STEP.OPTION=VALUES", hint=EXAMPLE)
    cls = registry[step].load()
    known = list(option_defaults(cls))
    option = option or next(iter(known), "")
    if option not in known:
        error = NotFoundError.of("option", option, known, where=f"re-ranker {step!r}")
        raise NotFoundError(error.message, hint=error.hint or f"it has {', '.join(known)}")
    return Sweep(step, option, _range(right) if ":" in right else tuple(_value(word) for word in right.split(",")))


def _range(text: str) -> tuple[float, ...]:
    try:
        low, high, step = (float(word) for word in text.split(":"))
    except ValueError:
        raise UsageError(f"{text!r} is no range FIRST:LAST:STEP", hint=EXAMPLE) from None
    if not (np.isfinite([low, high, step]).all() and low <= high and step > 0):
        raise UsageError(f"the range {text} holds nothing", hint=EXAMPLE)
    if (high - low) / step >= MOST_VALUES:
        raise UsageError(f"the range {text} has more than {MOST_VALUES} values", hint="take a larger step")
    count = int((high - low) / step + 1e-9) + 1
    return tuple(round(low + k * step, 10) for k in range(count))  # 0.3, not 0.30000000000000004


def _value(word: str) -> Any:
    try:
        return tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word.strip()


def variants(
    sweep: Sweep, named: Sequence[str], registry: Registry, tables: Mapping[str, Mapping[str, Any]]
) -> list[list[tuple[str, Any]]]:
    """Make the re-rankers for each value: those that are named, with the option of the swept one replaced.

    A step that is not among those named comes after them.

    Args:
        sweep: what varies.
        named: of ``--rerank``.
        registry: the re-rankers on offer.
        tables: ``[rerankers.NAME]`` of kgrec.toml.

    Raises:
        ConfigError: a value is unusable.
    """
    steps = [] if list(named) == [NONE] else [parse(text, registry) for text in named]
    if sweep.step not in [name for name, _ in steps]:
        steps.append((sweep.step, {}))
    found = []
    for value in sweep.values:
        chosen = [(name, {**given, sweep.option: value} if name == sweep.step else given) for name, given in steps]
        found.append([(name, build_one(name, options, registry, tables)) for name, options in chosen])
    return found


@dataclass(frozen=True)
class Varying:
    """Re-rankers of which options vary.

    Attributes:
        sweeps: what varies, each by itself.
        named: the other re-rankers, see :func:`variants`.
        registry: the re-rankers on offer.
        tables: ``[rerankers.NAME]`` of kgrec.toml.
        candidates: how many of a user's best items are re-ranked.
    """

    sweeps: Sequence[Sweep]
    named: Sequence[str]
    registry: Registry
    tables: Mapping[str, Mapping[str, Any]]
    candidates: int

    def pipelines(self, known: Catalogue) -> list[list[Pipeline]]:
        """Return the prepared re-rankers for each value of each sweep."""
        data, bought = known.describe(), known.bought()
        return [
            [
                prepare(steps, data, bought=bought, candidates=self.candidates)
                for steps in variants(sweep, self.named, self.registry, self.tables)
            ]
            for sweep in self.sweeps
        ]


@dataclass(frozen=True)
class Lists:
    """The candidates of all test users, as ranked.

    Attributes:
        items: best first, shape ``(u, c)``, -1 for none.
        scores: fused, same shape.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float32]


def shortlist(ranker: Ranker, test_set: TestSet, n: int, reserved: ItemIndices, *, block_size: int) -> Lists:
    """Rank all candidates for all test users once; re-rankers work on what is returned.

    Args:
        ranker: trained on the fit part.
        test_set: questions and answers.
        n: how many of each user's best items are kept.
        reserved: items that are kept wherever they stand.
        block_size: users at once.
    """
    items, values = [], []
    for start in range(0, len(test_set.users), block_size):
        block = slice(start, start + block_size)
        scores = scores_of(ranker, test_set, block)
        if test_set.candidates is not None:
            scores[:, ~test_set.candidates] = -np.inf
        best = with_reserved(scores, *top_k(scores, n), reserved)
        items.append(best[0])
        values.append(best[1])
    return Lists(np.concatenate(items), np.concatenate(values))


def run_sweeps(
    steps: Varying, ranker: Ranker, test_set: TestSet, known: Catalogue, ks: Sequence[int], *, block_size: int
) -> tuple[tuple[Result, ...], ...]:
    """Judge the lists of a trained ranker at each value of each sweep; nothing is trained again.

    Args:
        steps: what varies.
        ranker: trained on the fit part.
        test_set: questions and answers.
        known: what re-rankers are told, without anything that is held out.
        ks: lengths of the lists.
        block_size: users at once.

    Returns:
        for each sweep the figures at each of its values.
    """
    made = steps.pipelines(known)
    reserved = np.unique(np.concatenate([p.reserved for row in made for p in row]))
    found = shortlist(ranker, test_set, max(*ks, steps.candidates), reserved, block_size=block_size)
    return tuple(tuple(measure(relist(p, found, test_set, max(ks)), test_set, ks) for p in row) for row in made)


def relist(steps: Pipeline, found: Lists, test_set: TestSet, n: int, *, block_size: int = 512) -> NDArray[np.int64]:
    """Return the lists of ``n`` items after the re-rankers, shape ``(u, n)``, -1 for none."""
    tops = []
    for start in range(0, len(test_set.users), block_size):
        block = slice(start, start + block_size)
        tops.append(
            steps.apply(found.items[block], found.scores[block], test_set.users[block], test_set.history[block], n)[0]
        )
    return np.concatenate(tops)


def check_sweeps(
    sweeps: Sequence[Sweep], named: Sequence[str], registry: Registry, tables: Mapping[str, Mapping[str, Any]]
) -> None:
    """Complain of an unusable value before the training.

    Raises:
        ConfigError: a re-ranker does not take a value.
    """
    for sweep in sweeps:
        try:
            variants(sweep, named, registry, tables)
        except ConfigError as error:
            raise ConfigError(f"--sweep {sweep.step}.{sweep.option}: {error.message}", hint=error.hint) from None


OVERALL = {"coverage": metrics.coverage, "gini": metrics.gini}
"""Figures of all lists together, by name."""


def curves(
    sweeps: Sequence[Sweep],
    swept: Sequence[Sequence[Sequence[Result]]],
    test_sets: Sequence[TestSet],
    rng: np.random.Generator,
) -> tuple[SweepCurve, ...]:
    """Put the results of all seeds together.

    Args:
        sweeps: what varied.
        swept: results by seed, sweep and value.
        test_sets: what was asked, by seed.
        rng: draws users and groups of users.
    """
    return tuple(
        SweepCurve(
            step=sweep.step,
            option=sweep.option,
            points=tuple(
                SweepPoint(value=value, metrics=spans([seed[s][v] for seed in swept], test_sets, rng))
                for v, value in enumerate(sweep.values)
            ),
        )
        for s, sweep in enumerate(sweeps)
    )


def spans(results: Sequence[Result], test_sets: Sequence[TestSet], rng: np.random.Generator) -> dict[str, Span]:
    """Return every figure of a system with its interval, from its results in all seeds."""
    found: dict[str, Span] = {}
    users = [test_set.users for test_set in test_sets]
    for name in results[0].per_user:
        found[name] = bootstrap(over_seeds(users, [r.per_user[name] for r in results]), rng).span
    for name in results[0].overall:
        mean = float(np.mean([result.overall[name] for result in results]))
        # The seeds share their users, so their errors do not cancel out.
        error = float(np.mean([_error(name, r, test_set, rng) for r, test_set in zip(results, test_sets, strict=True)]))
        found[name] = (mean, mean - NORMAL * error, mean + NORMAL * error)
    return found


def _error(name: str, result: Result, test_set: TestSet, rng: np.random.Generator) -> float:
    figure = OVERALL[name.partition("@")[0]]
    return jackknife(lambda kept: figure(result.top[kept], test_set.n_candidates), len(result.top), rng)

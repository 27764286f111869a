"""What a strength costs and gives: the lists of one training, re-ranked at each value of an option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import ConfigError, NotFoundError, UsageError
from kgrec.evaluate import metrics
from kgrec.evaluate.lists_record import SweepCurve, SweepPoint
from kgrec.evaluate.plan import Sweep
from kgrec.evaluate.records import Span
from kgrec.evaluate.test_set import Result, TestSet, measure, score_blocks
from kgrec.models.top_k import top_k, with_reserved
from kgrec.plugin.manager import Registry
from kgrec.plugin.options import option_defaults
from kgrec.plugin.protocols import Reranker
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.rerank.pipeline import NONE, Pipeline, build_one, parse
from kgrec.significance import NORMAL, bootstrap, jackknife, over_seeds

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
    words = [parse(f"{step}:{option}={word}", registry)[1][option] for word in right.split(",")]
    return Sweep(step, option, _range(right) if ":" in right else tuple(words))


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


def variants(
    sweep: Sweep, named: Sequence[str], registry: Registry, tables: Mapping[str, Mapping[str, Any]]
) -> list[list[tuple[str, Reranker]]]:
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
    try:
        for value in sweep.values:
            chosen = [(name, {**given, sweep.option: value} if name == sweep.step else given) for name, given in steps]
            found.append([(name, build_one(name, options, registry, tables)) for name, options in chosen])
    except ConfigError as error:
        raise ConfigError(f"--sweep {sweep.step}.{sweep.option}: {error.message}", hint=error.hint) from None
    return found


def run_sweep(
    ranker: Ranker, test_set: TestSet, steps: Sequence[Pipeline], ks: Sequence[int], *, block_size: int
) -> tuple[Result, ...]:
    """Judge the lists of a trained ranker with each of several re-rankers; all users are ranked once.

    Args:
        ranker: trained on the fit part.
        test_set: questions and answers.
        steps: the re-rankers, in the order of the values.
        ks: lengths of the lists.
        block_size: users at once.
    """
    reserved = np.unique(np.concatenate([pipeline.reserved for pipeline in steps]))
    n, longest = max(*ks, *(pipeline.candidates for pipeline in steps)), max(ks)
    tops: list[list[NDArray[np.int64]]] = [[] for _ in steps]
    for block, scores in score_blocks(ranker, test_set.users, test_set.masked, block_size):
        if test_set.candidates is not None:
            scores[:, ~test_set.candidates] = -np.inf
        best = with_reserved(scores, *top_k(scores, n), reserved)
        for pipeline, lists in zip(steps, tops, strict=True):
            lists.append(pipeline.apply(*best, test_set.users[block], test_set.history[block], longest)[0])
    return tuple(measure(np.concatenate(lists), test_set, ks) for lists in tops)


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

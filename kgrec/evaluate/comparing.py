"""Two kept runs beside each other: figures with differences, person by person where both asked the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kgrec.errors import UsageError
from kgrec.evaluate.records import LISTS, RATINGS, RunRecord
from kgrec.evaluate.report import plain
from kgrec.evaluate.significance import compare, holm
from kgrec.report.record import interval, judged, mapping, real, rows

if TYPE_CHECKING:
    import polars as pl

PAIRED = "paired"
"""Both runs asked the same people for the same likes: the difference is taken person by person."""

APART = "intervals apart"
TOUCHING = "intervals overlap"
"""The runs asked different questions, so only the intervals of the two means can be held beside each other."""

UNKNOWN = "no interval"


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """A figure of a system in two runs.

    Attributes:
        system, metric: what.
        a, b: mean, low and high in each run; low and high are NaN for figures of all lists together.
        difference: of the means, ``b - a``.
        low, high: interval of the difference where it is paired, else NaN.
        p_holm: of the paired permutation test, corrected for all figures of the system; NaN where it is not paired.
        effect: Cohen's d of the paired differences, NaN where it is not paired.
        how: :data:`PAIRED`, :data:`APART`, :data:`TOUCHING` or :data:`UNKNOWN`.
    """

    system: str
    metric: str
    a: tuple[float, float, float]
    b: tuple[float, float, float]
    difference: float
    low: float = math.nan
    high: float = math.nan
    p_holm: float = math.nan
    effect: float = math.nan
    how: str = UNKNOWN


@dataclass(frozen=True)
class RunComparison:
    """Two runs beside each other.

    Attributes:
        a, b: names of the runs.
        kind: lists or ratings.
        paired: whether both asked the same people for the same likes and kept every person's figures.
        why_not: why not, or the empty string.
        figures: those that both have.
        changed: settings, data, versions that differ: ``what``, ``a``, ``b``; None stands for what a run does not name.
        only_a, only_b: systems that the other run does not have.
    """

    a: str
    b: str
    kind: str
    paired: bool
    why_not: str
    figures: tuple[FigureDifference, ...]
    changed: tuple[Mapping[str, Any], ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; numbers that are not defined become None."""
        found: dict[str, Any] = plain(asdict(self))
        return found


def compare_runs(a: RunRecord, b: RunRecord) -> RunComparison:
    """Compare two runs.

    Raises:
        UsageError: they are the same run, of different kinds, of different splits, or have no figure in common.
    """
    _refuse(a, b)
    systems_a, systems_b = _systems(a), _systems(b)
    paired, why_not = _pairing(a, b)
    figures = list(_figures(systems_a, systems_b, paired))
    if not figures:
        raise UsageError(f"{a.name} and {b.name} have no figure in common", hint="give both the same -k and scorers")
    corrected = _corrected(figures)
    return RunComparison(
        a.name,
        b.name,
        a.kind,
        paired is not None,
        why_not,
        tuple(replace(f, p_holm=p) for f, p in zip(figures, corrected, strict=True)),
        tuple(_changes(a.document, b.document)),
        tuple(name for name in systems_a if name not in systems_b),
        tuple(name for name in systems_b if name not in systems_a),
    )


def _corrected(figures: Sequence[FigureDifference]) -> list[float]:
    """Correct p-values by Holm's method, for all figures of the same system."""
    found: dict[str, Iterator[float]] = {}
    for system in dict.fromkeys(figure.system for figure in figures):
        found[system] = iter(holm([figure.p_holm for figure in figures if figure.system == system]))
    return [next(found[figure.system]) for figure in figures]


def _refuse(a: RunRecord, b: RunRecord) -> None:
    if a.file.resolve() == b.file.resolve():
        raise UsageError(f"both names mean the run {a.name}", hint="name two runs: kgrec compare latest~1 latest")
    for record in (a, b):
        if record.kind not in (LISTS, RATINGS):
            raise UsageError(f"{record.name} is a run of the kind {record.kind!r}, which cannot be compared")
    if a.kind != b.kind:
        raise UsageError(
            f"{a.name} judges {a.kind} and {b.name} judges {b.kind}", hint="`kgrec runs` shows the kind of each run"
        )
    splits = [mapping(record.document.get("plan")).get("split") for record in (a, b)]
    if splits[0] != splits[1]:
        raise UsageError(
            f"{a.name} holds out by {splits[0]} and {b.name} by {splits[1]}: they answer different questions",
            hint=f"kgrec evaluate --split {splits[0]}",
        )


def _systems(record: RunRecord) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Return the figures of each system or predictor by name."""
    if record.kind == RATINGS:
        return {
            str(p.get("name")): {name.upper(): interval(p.get(name)) for name in ("rmse", "mae")}
            for p in rows(record.document.get("predictors"))
        }
    found = {}
    for system in judged(record.document):
        figures = {name: interval(value) for name, value in mapping(system.get("metrics")).items()}
        overall = {name: (real(v), math.nan, math.nan) for name, v in mapping(system.get("overall")).items()}
        found[str(system.get("name"))] = {**figures, **overall}
    return found


def _pairing(a: RunRecord, b: RunRecord) -> tuple[tuple[pl.DataFrame, pl.DataFrame] | None, str]:
    """Return the figures of every person of both runs, or None and why they cannot be paired."""
    exams = [mapping(record.document.get("data")).get("test_set") for record in (a, b)]
    if a.kind == RATINGS:
        return None, "errors of single people are not kept for foretold ratings"
    if not all(exams):
        return None, "a run is of before kgrec kept whom it asked"
    if exams[0] != exams[1]:
        return None, "they asked different people or hid different likes: other data, share, seeds or feedback settings"
    people = a.per_user(), b.per_user()
    if people[0] is None or people[1] is None:
        return None, "the figures of every user are not there any more"
    return (people[0], people[1]), ""


def _figures(
    a: Mapping[str, Mapping[str, tuple[float, float, float]]],
    b: Mapping[str, Mapping[str, tuple[float, float, float]]],
    people: tuple[pl.DataFrame, pl.DataFrame] | None,
) -> Iterator[FigureDifference]:
    rng = np.random.default_rng(17)
    for system in (name for name in a if name in b):
        of_people = None if people is None else _of_system(people, system)
        for metric in (name for name in a[system] if name in b[system]):
            one, other = a[system][metric], b[system][metric]
            found = FigureDifference(system, metric, one, other, other[0] - one[0], how=_apart(one, other))
            if of_people is not None and metric in of_people.columns and f"{metric}_b" in of_people.columns:
                values = [
                    of_people[name].cast(float).fill_null(math.nan).to_numpy() for name in (f"{metric}_b", metric)
                ]
                paired = compare(values[0], values[1], rng)
                if paired.n:
                    found = replace(
                        found,
                        difference=paired.difference,
                        low=paired.low,
                        high=paired.high,
                        p_holm=paired.p,
                        effect=paired.effect,
                        how=PAIRED,
                    )
            yield found


def _of_system(people: Sequence[pl.DataFrame], system: str) -> pl.DataFrame | None:
    import polars as pl

    one, other = (table.filter(pl.col("system") == system).drop("system") for table in people)
    return one.join(other, on="user", how="inner", suffix="_b") if one.height and other.height else None


def _apart(one: tuple[float, float, float], other: tuple[float, float, float]) -> str:
    if not all(math.isfinite(value) for value in (*one, *other)):
        return UNKNOWN
    return TOUCHING if one[1] <= other[2] and other[1] <= one[2] else APART


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what differs in plan, settings, data and versions."""
    parts = [{**_flat("plan", mapping(d.get("plan"))), **_reproduced(mapping(d.get("reproduce")))} for d in (a, b)]
    for name in dict.fromkeys((*parts[0], *parts[1])):
        values = [part.get(name) for part in parts]
        if values[0] != values[1]:
            yield {"what": name, "a": values[0], "b": values[1]}


def _reproduced(found: Mapping[str, Any]) -> dict[str, Any]:
    data = {f"fingerprint of the {name}": value for name, value in mapping(found.get("data")).items()}
    machine = {name: found[name] for name in ("device", "threads") if name in found}
    versions = {f"version of {name}": value for name, value in mapping(found.get("versions")).items()}
    return {**data, **_flat("", mapping(found.get("config"))), **machine, **versions}


def _flat(name: str, value: Any) -> dict[str, Any]:
    """Return nested settings by their dotted names."""
    if not isinstance(value, Mapping) or not value:
        return {name: value} if name else {}
    found: dict[str, Any] = {}
    for key, part in value.items():
        found |= _flat(f"{name}.{key}" if name else str(key), part)
    return found

"""What was to be reached, what was, and by how much it falls short."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from peers.registry import PEERS
from results import PerUser, Place, figures_of

from kgrec.significance import bootstrap, compare, share
from report import accuracy, measurements

HEAD = "| dataset, figure | goal | measured | |"
FEW = "few "
LEAST_USERS = 20
"""Fewer say nothing."""

Row = tuple[str, str, str, str]
"""What, the goal, what was measured, the verdict."""


def table() -> Iterable[str]:
    """Return one table of all goals."""
    rows = [*_figures(), *_shares(), *_beside_blend(), *_cold(), *_clicks()]
    return ["\n".join([HEAD, "|---|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows)])]


def verdict(found: float, goal: float) -> str:
    """Say whether a goal is met, and if not by how much of it it is missed.

    >>> verdict(0.31, 0.30), verdict(0.27, 0.30)
    ('met', '10.00 % short')
    """
    return "met" if found >= goal else f"{1 - found / goal:.2%} short".replace("%", " %")


@cache
def goals() -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parents[1] / "goals.toml").read_text(encoding="utf-8"))


def _done(dataset: str) -> dict[str, PerUser]:
    """Return figures a user of kgrec and the peers that were run."""
    found = {name: Place(dataset, name) for name in ("kgrec", *PEERS)}
    return {name: figures_of(place) for name, place in found.items() if (place.read() or {}).get("status") == "done"}


def _figures() -> Iterator[Row]:
    for dataset, wanted in goals()["figures"].items():
        per_user = _done(dataset).get("kgrec")
        for metric, goal in wanted.items():
            what = f"{dataset}, {accuracy.title_of(metric)}"
            if per_user is None:
                yield what, f"{goal:.3f}", "–", "not measured"
                continue
            one = bootstrap(per_user[metric], np.random.default_rng(0), draws=1000)
            measured = f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]"
            yield what, f"{goal:.3f}", measured, verdict(one.mean, goal)


def _shares() -> Iterator[Row]:
    for dataset, wanted in goals()["shares"].items():
        done = _done(dataset)
        own = done.pop("kgrec", None)
        for metric, goal in wanted.items():
            slice_ = ", users with few rows" if metric.startswith(FEW) else ""
            what = f"{dataset}, {accuracy.title_of(metric)}{slice_}, over the best peer"
            if own is None or not done:
                yield what, f"{goal:+.0%}", "–", "not measured"
                continue
            best = max(done, key=lambda name: float(np.nanmean(done[name][metric])))
            ratio = share(own[metric], done[best][metric], np.random.default_rng(0))
            measured = f"{ratio.mean - 1:+.1%} [{ratio.low - 1:+.1%}, {ratio.high - 1:+.1%}] over {PEERS[best].title}"
            yield what, f"{goal:+.0%}", measured, "met" if ratio.mean - 1 >= goal and ratio.low > 1 else "short"


def _beside_blend() -> Iterator[Row]:
    """For users with few rows: is kgrec anywhere below a blend of ALS and EASE?"""
    for dataset in goals()["blend"]["datasets"]:
        done = _done(dataset)
        if not {"kgrec", "blend"} <= done.keys():
            yield f"{dataset}, users with few rows, over ALS + EASE", "not below", "–", "not measured"
            continue
        metric = next(name for name in done["kgrec"] if name.startswith(f"{FEW}ndcg"))
        what = f"{dataset}, {accuracy.title_of(metric)}, users with few rows, over ALS + EASE"
        own, other = done["kgrec"][metric], done["blend"][metric]
        if (n := int((~np.isnan(own)).sum())) < LEAST_USERS:
            yield what, "not below", "–", f"{n} such users"
            continue
        found = compare(own, other, np.random.default_rng(0), draws=1000)
        measured = f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}], {n:,} users"
        yield what, "not below", measured, "met" if found.difference >= 0 else "short"


def _cold() -> Iterator[Row]:
    for dataset, wanted in goals()["cold"].items():
        mean = measurements.cold_mean(dataset)
        best = (
            None if mean is None else max(mean[kind] / mean["bar"] - 1 for kind in measurements.KINDS if kind in mean)
        )
        beside = None if mean is None else mean["beside"]["cold"]
        for name, found in (("share", best), ("beside", beside)):
            if name not in wanted:
                continue
            goal = wanted[name]
            what = "over content kNN" if name == "share" else "beside warm items"
            written = "{:+.0%}" if name == "share" else "{:.3f}"
            measured = "–" if found is None else written.format(found)
            said = "not measured" if found is None else "met" if found >= goal else "short"
            yield f"{dataset}, cold items, NDCG@20 {what}", written.format(goal), measured, said


def _clicks() -> Iterator[Row]:
    for dataset, goal in goals()["clicks"].items():
        line = measurements.clicks_of(dataset)
        if line is None:
            yield f"{dataset}, AUC", f"{goal:.2f}", "–", "not measured"
            continue
        measured = f"{line['auc']:.3f} [{line['low']:.3f}, {line['high']:.3f}]"
        yield f"{dataset}, AUC", f"{goal:.2f}", measured, verdict(line["auc"], goal)

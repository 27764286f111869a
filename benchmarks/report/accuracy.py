"""Tables of accuracy: intervals over users, and kgrec against the best peer on the same users."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cells import RANKED
from peers.registry import PEERS
from results import FEW, PerUser, Place, figures_of
from variants import VARIANTS

from kgrec.significance import Interval, bootstrap, compare, holm, share

METRICS = {
    "lastfm": ("recall@10", "mrr@10", "recall@20", "ndcg@20"),
    "scientific": ("recall@10", "ndcg@10", "recall@50", "ndcg@50"),
}
"""What is shown of a dataset, where it is not the usual."""
USUAL = ("recall@20", "ndcg@20")

SLICED = ("scientific", "goodreads")
"""Datasets on which users with few train rows are shown apart."""

NOTES = {
    "ml-100k": "Split `pos4-811`: ratings of 4 and 5 are likes, the others are not used. Fitted on train, settings "
    "chosen on valid.",
    "lastfm": "LightKG's split. Fitted on train, settings chosen on valid.",
    "dbbook": "CIKGRec's split. Settings chosen on a tenth of each user's train items, then fitted on all of train.",
    "scientific": "UniSRec's split, leave one out, nothing masked. All but the last item are known to kgrec "
    "and to the peers; settings chosen on the item before last.",
    "amazon-book": "KGAT's split, without its graph. Settings chosen as on dbbook.",
    "ml-1m": "CoLaKG's split. Settings chosen as on dbbook.",
    "retailrocket": "SSLRec's split: one purchase of each user. Every peer chooses between all actions and purchases "
    "as input. Nothing a user did anything with is ranked (no test item is of that kind). Settings chosen on the "
    "latest tenth of each user's purchases.",
    "douban": "The course's split. Settings chosen as on dbbook.",
    "goodreads": "Last item test, the one before it validation, for users with five and more. Fitted on train, "
    "settings chosen on valid.",
}


def sections() -> Iterable[str]:
    """Return a section a dataset that has any result."""
    for dataset in RANKED:
        found = {name: result for name in ["kgrec", *PEERS] if (result := Place(dataset, name).read())}
        if found:
            yield section(dataset, found)


def section(dataset: str, found: dict[str, dict[str, Any]]) -> str:
    """Return the section of a dataset."""
    metrics = METRICS.get(dataset, USUAL)
    per_user = {name: figures_of(Place(dataset, name)) for name, result in found.items() if result["status"] == "done"}
    lines = [f"### {dataset}", "", NOTES[dataset], ""]
    lines += table(metrics, found, per_user, published().get(dataset, []))
    lines += ["", *versus(metrics, per_user), *refitted(dataset, metrics)]
    if dataset in SLICED:
        few = tuple(f"few {name}" for name in metrics[:2])
        users = int(next((~np.isnan(one[few[0]])).sum() for one in per_user.values())) if per_user else 0
        lines += ["", f"Users with at most {FEW} train rows, warm items ({users:,} users):", ""]
        lines += table(few, {name: found[name] for name in per_user}, per_user, [])
        lines += ["", *versus(few, per_user)]
    return "\n".join(lines)


def table(
    metrics: tuple[str, ...],
    found: dict[str, dict[str, Any]],
    per_user: dict[str, PerUser],
    other: list[dict[str, Any]],
) -> list[str]:
    """Return a table of models, the best last metric first."""
    head = [
        "model",
        *(title_of(metric) for metric in metrics),
        "fit: CPU s",
        "all lists: CPU s",
        "peak MiB",
        "settings",
    ]
    lines = [_row(head), _row(["---"] * len(head))]
    means = {name: float(np.nanmean(values[metrics[-1]])) for name, values in per_user.items()}
    for name in sorted(per_user, key=lambda one: -means[one]):
        cells = [_interval(_of(per_user[name][metric])) for metric in metrics]
        lines.append(_row([title(name), *cells, *_costs(found[name]), _settings(found[name])]))
    for name, result in found.items():
        if name not in per_user:
            lines.append(_row([title(name), *["–"] * (len(head) - 2), f"{result['status']}: {result['message'][:90]}"]))
    for one in other:
        cells = [_figure(one["metrics"][metric]) if metric in one["metrics"] else "–" for metric in metrics]
        lines.append(_row([f"*{one['model']}*", *cells, "–", "–", "–", f"published: {one['source']}"]))
    return lines


def versus(metrics: tuple[str, ...], per_user: dict[str, PerUser]) -> list[str]:
    """Say how kgrec compares with the best peer by each metric, paired by user."""
    peers = [name for name in per_user if name != "kgrec"]
    if "kgrec" not in per_user or not peers:
        return ["kgrec: not measured yet."]
    said = []
    for metric in metrics:
        own = per_user["kgrec"][metric]
        best = max(peers, key=lambda one: float(np.nanmean(per_user[one][metric])))
        ratio = share(own, per_user[best][metric], np.random.default_rng(0))
        interval = f"[{ratio.low - 1:+.1%}, {ratio.high - 1:+.1%}]"
        said.append(f"{title_of(metric)} **{ratio.mean - 1:+.1%}** {interval} over {title(best)}")
    return ["kgrec against the peer that is best on the test users: " + "; ".join(said) + "."]


def refitted(dataset: str, metrics: tuple[str, ...]) -> list[str]:
    """Say what kgrec reaches where the validation part is fitted on in the end, which no row of the tables is."""
    place = Place(dataset, "kgrec-refit")
    if (place.read() or {}).get("status") != "done":
        return []
    per_user = figures_of(place)
    said = ", ".join(f"{title_of(metric)} {_interval(_of(per_user[metric]))}" for metric in metrics)
    track = (
        "A track of its own, not to be compared with the rows above: settings chosen as there, then fitted on train and"
    )
    return ["", f"{track} validation (`kgrec train --refit`): {said}."]


def gnn_alone() -> Iterable[str]:
    """Return a table a dataset of single scorers, and the GNN with its graph against the others, paired by user."""
    alone = {name: variant for name, variant in VARIANTS.items() if variant.alone}
    for dataset in sorted({one for variant in alone.values() for one in variant.datasets or ()}):
        metrics = METRICS.get(dataset, USUAL)[:2]
        places = {name: Place(dataset, name) for name in alone}
        found = {name: result for name, place in places.items() if (result := place.read())}
        if not found:
            yield f"{dataset}: not measured yet."
            continue
        per_user = {name: figures_of(places[name]) for name, result in found.items() if result["status"] == "done"}
        lines = [f"{dataset}:", "", *table(metrics, found, per_user, published().get(dataset, []))]
        yield "\n".join([*lines, "", *_differences(metrics, per_user)])


def _differences(metrics: tuple[str, ...], per_user: dict[str, PerUser]) -> list[str]:
    others = [name for name in per_user if name != "kgrec-gnn"]
    if "kgrec-gnn" not in per_user or not others:
        return []
    pairs = [(metric, other) for metric in metrics for other in others]
    found = [
        compare(per_user["kgrec-gnn"][metric], per_user[other][metric], np.random.default_rng(0), draws=1000)
        for metric, other in pairs
    ]
    adjusted = holm([one.p for one in found])
    said = [
        f"{title_of(metric)} {one.difference:+.4f} [{one.low:+.4f}, {one.high:+.4f}] over {other} (p {p:.3f})"
        for (metric, other), one, p in zip(pairs, found, adjusted, strict=True)
    ]
    return ["The GNN with its graph, paired by user, p Holm-corrected: " + "; ".join(said) + "."]


def title(name: str) -> str:
    return f"**{name}**" if name in VARIANTS else PEERS[name].title


@cache
def published() -> dict[str, list[dict[str, Any]]]:
    file = Path(__file__).parents[1] / "published.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _of(values: Any) -> Interval:
    return bootstrap(values, np.random.default_rng(0), draws=1000)


def _costs(result: dict[str, Any]) -> list[str]:
    if "stages" in result:
        stages = result["stages"]
        peak = max(stage["peak_mib"] for stage in stages.values())
        cost = f"{stages['train']['cpu_seconds']:,.0f} (`train`, tuning and all)"
        return [cost, f"{stages['recommend']['cpu_seconds']:,.1f}", f"{peak:,.0f}"]
    fit, rank = result["fit"]["cpu_seconds"], result["rank"]["cpu_seconds"]
    tune = result["tune"]["cpu_seconds"]
    return [f"{fit:,.1f} (tuning {tune:,.0f})", f"{rank:,.1f}", f"{result['peak_mib']:,.0f}"]


def _settings(result: dict[str, Any]) -> str:
    if "tried" not in result:
        return "default" if not result["options"] else ", ".join(result["options"])
    options = {name: value for name, value in result["options"].items() if name not in {"seconds", "als", "ease"}}
    chosen = ", ".join(f"{name} {value}" for name, value in options.items())
    return f"{chosen} ({len(result['tried'])} of {result['grid']} tried)" if result["grid"] > 1 else chosen


def _interval(found: Interval) -> str:
    return f"{_figure(found.mean)} [{_figure(found.low)}, {_figure(found.high)}]"


def _figure(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def title_of(metric: str) -> str:
    """Return how a figure is written: ``Recall@20``, also of ``few recall@20``."""
    name, k = metric.removeprefix("few ").split("@")
    return f"{'Recall' if name == 'recall' else name.upper()}@{k}"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"

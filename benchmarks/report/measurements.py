"""Tables of what is no list for known users: cold items, clicks, speed, versions."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from cells import COLD, RANKED
from peers.registry import PEERS
from results import Place
from variants import VARIANTS

BOUND_PRODUCTS, ALLOWED = 80.0 / 9.5, 1.3
"""Three layers forward and backward over 6 M entries × 64 at the bound of the memory: 80 ms on a machine that needs
9.5 ms for one product, so as many products on any machine; and how much more is allowed."""

KINDS = ("regression", "cold-items", "gnn", "cold-items + gnn")
PACKAGES = ("kgrec", "torch", "numpy", "scipy", "polars", "implicit", "torch-geometric", "transformers")


def lines_of(group: str, name: str) -> list[dict[str, Any]] | str:
    """Return the lines of a script, or why there are none."""
    found = Place(group, name).read()
    if found is None:
        return "not measured yet"
    return found["lines"] if found["status"] == "done" else f"{found['status']}: {found['message']}"


def cold() -> Iterable[str]:
    """NDCG@20 among cold items, by dataset and draw, and beside warm items."""
    head = (
        "| dataset, draw | content kNN (the bar) | " + " | ".join(KINDS) + " | beside warm items: cold, warm (before) |"
    )
    rows = [head, "|" + "---|" * (len(KINDS) + 3)]
    for dataset in COLD:
        lines = lines_of("cold", dataset)
        if isinstance(lines, str):
            rows.append(f"| {dataset} | {lines} |" + " |" * (len(KINDS) + 1))
            continue
        rows += [_cold_row(f"{dataset}, {line['draw']}", line) for line in lines if "draw" in line]
        rows.append(_cold_row(f"**{dataset}, mean**", _mean(lines)))
    return ["\n".join(rows)]


def cold_mean(dataset: str) -> dict[str, Any] | None:
    """Return the mean over the draws of a dataset, or None where it was not measured."""
    lines = lines_of("cold", dataset)
    return None if isinstance(lines, str) else _mean(lines)


def _mean(lines: list[dict[str, Any]]) -> dict[str, Any]:
    draws = [line for line in lines if "draw" in line]
    mean: dict[str, Any] = {
        key: sum(line[key] for line in draws) / len(draws) for key in ("bar", *KINDS) if key in draws[0]
    }
    mean["beside"] = {
        key: sum(_beside(line)[key] for line in draws) / len(draws) for key in ("cold", "warm", "warm before")
    }
    return mean


def _cold_row(name: str, line: dict[str, Any]) -> str:
    cells = [f"{line[kind]:.3f} ({line[kind] / line['bar'] - 1:+.0%})" if kind in line else "–" for kind in KINDS]
    beside = _beside(line)
    last = f"{beside['cold']:.3f}, {beside['warm']:.3f} ({beside['warm before']:.3f})"
    return f"| {name} | {line['bar']:.3f} | " + " | ".join(cells) + f" | {last} |"


def _beside(line: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = line.get("beside with gnn", line["beside"])
    return found


def clicks() -> Iterable[str]:
    """AUC on impressions of news."""
    lines = lines_of("clicks", "bing-news")
    if isinstance(lines, str):
        return [f"bing-news: {lines}."]
    rows = ["| | AUC | 95 % interval over users |", "|---|---|---|"]
    rows += [f"| {line['what']} | {line['auc']:.3f} | [{line['low']:.3f}, {line['high']:.3f}] |" for line in lines]
    return ["\n".join(rows)]


def clicks_of(dataset: str) -> dict[str, Any] | None:
    """Return kgrec's line of the clicks on a dataset, or None where it was not measured."""
    lines = lines_of("clicks", dataset)
    return None if isinstance(lines, str) else next((line for line in lines if line["what"] == "kgrec"), None)


def speed() -> Iterable[str]:
    """What was wanted, propagation, an epoch beside RecBole's, ranking, cost against size."""
    return [budgets(), propagation(), epochs(), ranking(), *cost()]


def budgets() -> str:
    """Whole commands with default settings against what they may cost."""
    rows = ["| command | wanted | measured |", "|---|---|---|"]
    for dataset, wanted in (
        ("ml-100k", "no more CPU than RecBole's LightGCN"),
        ("ml-1m", "300 s wall, 2,048 MiB"),
        ("amazon-book", "900 s wall, 4,096 MiB"),
    ):
        stage = ((Place(dataset, "kgrec").read() or {}).get("stages") or {}).get("train")
        found = f"{_seconds(stage)}, {stage['peak_mib']:,.0f} MiB" if stage else _seconds(None)
        rows.append(f"| `train` on {dataset} | {wanted} | {found} |")
    peer = (Place("ml-100k", "recbole_lightgcn").read() or {}).get("fit")
    rows.append(f"| RecBole's LightGCN on ml-100k, one fit | – | {_seconds(peer)} |")
    stage = ((Place("amazon-book", "kgrec").read() or {}).get("stages") or {}).get("recommend")
    rows.append(f"| `recommend --all` on amazon-book, process and all | half of EASE's time | {_seconds(stage)} |")
    peer = (Place("amazon-book", "ease").read() or {}).get("rank")
    rows.append(f"| EASE's lists on amazon-book | – | {_seconds(peer)} |")
    return "\n".join(rows)


def _seconds(cost: dict[str, float] | None) -> str:
    return f"{cost['cpu_seconds']:,.1f} CPU s, {cost['seconds']:,.1f} s wall" if cost else "not measured yet"


def ranking() -> str:
    found = Place("speed", "ranking").read()
    if found is None or found["status"] != "done":
        return f"Ranking on amazon-book: {'not measured yet' if found is None else found['message']}."
    return "\n".join(["Ranking on amazon-book (`ranking_speed.py`):", "", *(f"- {line}" for line in found["text"])])


def propagation() -> str:
    lines = lines_of("speed", "propagation")
    if isinstance(lines, str):
        return f"Propagation: {lines}."
    rows = ["| propagation | median ms | least ms |", "|---|---|---|"]
    rows += [f"| {line['what']} | {line['ms']:,.1f} | {line['least_ms']:,.1f} |" for line in lines if "ms" in line]
    products = [line for line in lines if line["what"].startswith("one product, fused")]
    for product, three in zip(products, [line for line in lines if line["what"].startswith("3 layers")], strict=False):
        median, least = (three[name] / product[name] / BOUND_PRODUCTS for name in ("ms", "least_ms"))
        rows.append(
            f"| {three['what']}: times {BOUND_PRODUCTS:.1f} products of the same graph, the bound of the memory "
            f"(wanted: at most {ALLOWED}) | {median:.2f} | {least:.2f} |"
        )
    return "\n".join(rows)


def epochs() -> str:
    """CPU seconds of an epoch on ml-100k, 64 dimensions: kgrec's GNN beside the peers'."""
    lines = lines_of("speed", "propagation")
    own = [line for line in lines if "cpu_s" in line] if not isinstance(lines, str) else []
    rows = ["| an epoch on ml-100k, 64 dimensions | CPU s | times kgrec's |", "|---|---|---|"]
    rows += [f"| kgrec: {line['what']} | {line['cpu_s']:.4f} | 1 |" for line in own]
    for name, peer in PEERS.items():
        found = Place("ml-100k", name).read()
        spent = (found or {}).get("facts", {}).get("cpu_seconds_an_epoch")
        if spent is not None:
            ratio = f"{spent / own[0]['cpu_s']:.1f}" if own else "–"
            rows.append(f"| {peer.title} | {spent:.3f} | {ratio} |")
    return "\n".join(rows)


def cost() -> Iterable[str]:
    lines = lines_of("speed", "cost_vs_size")
    if isinstance(lines, str):
        return [f"Cost against size: {lines}."]
    points = [line for line in lines if "cost" in line]
    slopes = [line for line in lines if "slope" in line]
    commands = list(points[0]["cost"])
    rows = [
        "| varied | size | " + " | ".join(f"{c}: CPU s, MiB" for c in commands) + " |",
        "|---" * (len(commands) + 2) + "|",
    ]
    for line in points:
        cells = [f"{line['cost'][c]['cpu_seconds']:,.1f}, {line['cost'][c]['peak_mib']:,.0f}" for c in commands]
        rows.append(f"| {line['what']} | {line['size']:,} | " + " | ".join(cells) + " |")
    by = {(line["what"], line["command"], line["of"]): line for line in slopes}
    for what in dict.fromkeys(line["what"] for line in points):
        cells = []
        for command in commands:
            pair = [by[what, command, of] for of in ("cpu_seconds", "peak_mib")]
            cells.append(", ".join(f"{one['slope']:.2f} (last {one['last']:.2f})" for one in pair))
        rows.append(f"| {what} | **slopes** | " + " | ".join(cells) + " |")
    return ["\n".join(rows)]


def versions() -> Iterable[str]:
    """What was measured with what."""
    own = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    peers: dict[str, str] = {}
    dates: set[str] = set()
    commits: set[str] = set()
    for dataset in RANKED:
        for name in (*PEERS, *VARIANTS):
            found = Place(dataset, name).read() or {}
            peers |= {k: v for k, v in found.get("versions", {}).items() if k not in PACKAGES}
            if found.get("date"):
                dates.add(found["date"])
            if name in VARIANTS and found.get("commit"):
                commits.add(found["commit"])
    lines = [f"Python {platform.python_version()}, {platform.system()} {platform.machine()}. kgrec's side: {own}."]
    others = ", ".join(f"{name} {number}" for name, number in sorted(peers.items()))
    lines.append(f"Peers: {others or 'none measured yet'}; the rest is in `benchmarks/peers/requirements`.")
    if dates:
        lines.append(
            f"Measured {min(dates)} to {max(dates)}; kgrec at {', '.join(sorted(commits)) or 'no commit yet'}."
        )
    return ["\n".join(lines)]

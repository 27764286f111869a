"""What graph, text and each scorer are worth to the hybrid, by dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cells import ABLATED

from report.measurements import lines_of


def tables() -> Iterable[str]:
    """Return a table a dataset, and what of its figure is owed to the graph."""
    for dataset in ABLATED:
        lines = lines_of("ablation", dataset)
        if isinstance(lines, str):
            yield f"{dataset}: {lines}."
            continue
        metrics = [name for name in lines[0] if "@" in name]
        head = [*map(_title, metrics), f"the whole hybrid leads by ({_title(metrics[-1])})", "p"]
        rows = [f"| {dataset} | {' | '.join(head)} |"]
        rows.append("|---" * (len(metrics) + 3) + "|")
        rows += [_row(line, metrics) for line in lines if "system" in line]
        yield "\n".join(rows)
        yield " ".join(_utilisation(line) for line in lines if "utilisation" in line)


def _title(metric: str) -> str:
    name, length = metric.split("@")
    return f"{'NDCG' if name == 'ndcg' else name.capitalize()}@{length}"


def _row(line: dict[str, Any], metrics: list[str]) -> str:
    if "skipped" in line:
        return f"| {line['system']} | {line['skipped']} |" + " |" * (len(metrics) + 1)
    cells = [_interval(line[metric], ".4f") for metric in metrics]
    if (lead := line.get("lead")) is None:
        return f"| **{line['system']}** | {' | '.join(cells)} | | |"
    by = f"{lead['difference']:+.4f} [{lead['low']:+.4f}, {lead['high']:+.4f}]"
    return f"| {line['system']} | {' | '.join(cells)} | {by} | {line['p']:.3f} |"


def _utilisation(line: dict[str, Any]) -> str:
    share = _interval(line, "+.1%")
    return f"Graph utilisation against {line['utilisation']}, {_title(line['metric'])}: {share}."


def _interval(found: dict[str, Any], form: str) -> str:
    return f"{found['mean']:{form}} [{found['low']:{form}}, {found['high']:{form}}]"

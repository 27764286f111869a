"""The paths of an explanation as what :mod:`kgrec.graph.drawing` draws."""

from __future__ import annotations

import polars as pl

from kgrec.errors import UserError
from kgrec.explain.explanation import Explanation, Stop
from kgrec.graph.neighbourhood import Neighbourhood


def picture(explanation: Explanation) -> Neighbourhood:
    """Return the paths as a tree that starts at the user; the item stands at the end of each.

    Raises:
        UserError: there are none.
    """
    if not explanation.paths:
        raise UserError(
            f"the graph joins {explanation.label!r} to nothing that speaks for it, so there is nothing to draw",
            hint="without --out the contributions are printed",
        )
    # A stop is named by the way to it, so that every edge is drawn whole and labelled: the paths are a tree.
    numbers: dict[tuple[Stop, ...], int] = {}
    edges: dict[tuple[int, int], dict[str, object]] = {}
    for path in explanation.paths:  # a few
        ways = [path.nodes[: hop + 1] for hop in range(len(path.nodes))]
        for way in ways:
            numbers.setdefault(way, len(numbers))
        for step, near, far in zip(path.relations, ways, ways[1:], strict=False):
            ends = (numbers[near], numbers[far])
            told = {"forward": step.forward, "relation": step.name, "label": step.label}
            edges.setdefault(ends, {"near": ends[0], "far": ends[1], **told})
    degree = [sum(number in ends for ends in edges) for number in numbers.values()]
    columns = ("node", "kind", "type", "key", "label", "hop", "degree")
    nodes = [
        dict(zip(columns, (k, way[-1].kind, way[-1].kind, way[-1].id, way[-1].label, len(way) - 1, d), strict=True))
        for (way, k), d in zip(numbers.items(), degree, strict=True)
    ]
    return Neighbourhood(0, pl.DataFrame(nodes), pl.DataFrame(list(edges.values())), {}, one_sided=True)

"""The paths of an explanation as what :mod:`kgrec.graph.drawing` draws."""

from __future__ import annotations

import polars as pl

from kgrec.errors import UserError
from kgrec.explain.explanation import Explanation, Stop
from kgrec.graph.neighbourhood import Neighbourhood


def picture(explanation: Explanation) -> Neighbourhood:
    """Return the union of the paths, the user in the middle.

    Raises:
        UserError: there are none.
    """
    if not explanation.paths:
        raise UserError(
            f"the graph joins {explanation.label!r} to nothing that speaks for it, so there is nothing to draw",
            hint="without --out the contributions are printed",
        )
    numbers: dict[Stop, int] = {}
    hops: list[int] = []
    edges: dict[tuple[int, int, str], dict[str, object]] = {}
    for path in explanation.paths:  # a few
        for hop, stop in enumerate(path.nodes):
            if stop not in numbers:
                numbers[stop] = len(numbers)
                hops.append(hop)
        for step, near, far in zip(path.relations, path.nodes, path.nodes[1:], strict=False):
            ends = (numbers[near], numbers[far], step.name)
            edges[ends] = {
                "near": ends[0],
                "far": ends[1],
                "forward": step.forward,
                "relation": step.name,
                "label": step.label,
            }
    degree = [sum(number in ends[:2] for ends in edges) for number in numbers.values()]
    nodes = [
        {
            "node": number,
            "kind": stop.kind,
            "type": stop.kind,
            "key": stop.id,
            "label": stop.label,
            "hop": hop,
            "degree": d,
        }
        for (stop, number), hop, d in zip(numbers.items(), hops, degree, strict=True)
    ]
    return Neighbourhood(0, pl.DataFrame(nodes), pl.DataFrame(list(edges.values())), {})

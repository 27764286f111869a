"""Where the nodes of a drawn neighbourhood stand: a tree that grows to both sides of its centre.

Every leaf has a line of its own, so no two labels can overlap, and the same neighbourhood always looks the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kgrec.graph.neighbourhood import Neighbourhood

ROW = 26.0
COLUMN = 330.0
MARGIN = 270.0
STRETCH = 1.6


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands, in pixels; ``side`` is -1 left of the centre, 1 right of it, 0 for the centre."""

    x: float
    y: float
    side: int
    leaf: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Places by node number; each node's edge towards the centre by node number (row of ``edges``)."""

    places: dict[int, Place]
    parents: dict[int, int]
    width: float
    height: float


def tree_layout(shown: Neighbourhood) -> Layout:
    """Place the nodes of a neighbourhood, relations kept together and spread evenly over both sides."""
    ends = list(zip(*(shown.edges[c].to_list() for c in ("near", "far", "relation")), strict=True))
    parents: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for row, (near, far, _) in enumerate(ends):
        if far not in parents and far != shown.center:
            parents[far] = row
            children.setdefault(near, []).append(far)
    first = {relation: row for row, (_, _, relation) in reversed(list(enumerate(ends)))}
    for below in children.values():
        below.sort(key=lambda node: (first[ends[parents[node]][2]], parents[node]))
    depth = max(shown.nodes["hop"].to_list())
    below_center = children.get(shown.center, [])
    sides = (below_center, []) if shown.one_sided else _split(below_center, children)
    rows = max(*(sum(_leaves(node, children) for node in side) for side in sides), 1)
    height, reach = rows * ROW + 2 * ROW, (depth * COLUMN + MARGIN)
    middle = MARGIN / 2 if shown.one_sided else reach
    places = {shown.center: Place(middle, height / 2, 0, leaf=False)}
    for side, nodes in zip((1, -1), sides, strict=True):
        taken = sum(_leaves(node, children) for node in nodes)
        line = (rows - taken) / 2
        for node in nodes:
            line = _place(node, 1, line, side, middle, children, places)
    if shown.one_sided:  # labels stand above and below the lines, for nearly every node leads on
        places = {node: replace(place, y=place.y * STRETCH) for node, place in places.items()}
        height *= STRETCH
    return Layout(places, parents, middle + reach, height)


def _leaves(node: int, children: dict[int, list[int]]) -> int:
    return max(sum(_leaves(child, children) for child in children.get(node, [])), 1)


def _split(nodes: list[int], children: dict[int, list[int]]) -> tuple[list[int], list[int]]:
    """Cut a list in two so that both halves have about as many leaves."""
    total, taken = sum(_leaves(node, children) for node in nodes), 0
    for k, node in enumerate(nodes):
        if taken >= total / 2:
            return nodes[:k], nodes[k:]
        taken += _leaves(node, children)
    return nodes, []


def _place(
    node: int,
    hop: int,
    line: float,
    side: int,
    middle: float,
    children: dict[int, list[int]],
    places: dict[int, Place],
) -> float:
    below = children.get(node, [])
    end = line
    for child in below:
        end = _place(child, hop + 1, end, side, middle, children, places)
    if not below:
        end = line + 1
    places[node] = Place(middle + side * hop * COLUMN, ROW + (line + end) / 2 * ROW, side, leaf=not below)
    return end

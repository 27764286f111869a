"""A neighbourhood as a picture: SVG, or a page that shows what one points at. Both stand alone and follow dark mode.

What is told of the nodes and edges is laid out by networkx in layers, and put into ``assets/drawing.svg`` and
``drawing.html``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.artifacts import replacing
from kgrec.errors import UsageError
from kgrec.graph.neighbourhood import Neighbourhood
from kgrec.shown import visible

if TYPE_CHECKING:
    from jinja2 import Environment

ROW, COLUMN, MARGIN = 26.0, 330.0, 270.0
"""Pixels between two nodes of a layer, between two layers, and beside the outer ones."""
STRETCH = 1.6
"""By how much rows are farther apart where labels stand above and below the lines, as nearly every node leads on."""
LONGEST_LABEL = 34

_LEVEL = 130.0
_HUES = (210, 25, 145, 330, 270, 50, 185, 0, 100, 300)
"""Hues of the relations, in the order they appear."""


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

    places: Mapping[int, Place]
    parents: Mapping[int, int]
    width: float
    height: float


def draw(shown: Neighbourhood, path: Path, *, lines: Sequence[str] = ()) -> None:
    """Draw a neighbourhood as ``.svg`` or ``.html``; the file is replaced only when it is complete.

    Args:
        shown: what is drawn.
        path: the file.
        lines: what a page says in words under the heading, for readers who cannot see all of the drawing.

    Raises:
        UsageError: the suffix is another.
        StorageError: the disk is full or read-only.
    """
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".html", ".htm"):
        raise UsageError(f"{path.name} names no drawing", hint="end it with .svg or .html")
    with replacing(path) as aside:
        aside.write_text(to_svg(shown) if suffix == ".svg" else to_html(shown, lines), encoding="utf-8")


def to_svg(shown: Neighbourhood) -> str:
    """Return the drawing as SVG: the centre, its edges by relation, and what they lead to."""
    layout = layered(shown)
    edges, nodes = shown.edges.rows(named=True), shown.nodes.rows(named=True)
    hues = {r: _HUES[k % len(_HUES)] for k, r in enumerate(dict.fromkeys(edge["relation"] for edge in edges))}
    more = f", {shown.omitted} more not shown" if shown.omitted else ""
    return (
        _templates()
        .get_template("drawing.svg")
        .render(
            title=visible(nodes[0]["label"]),
            width=f"{layout.width:g}",
            height=layout.height + 24,
            about="" if shown.caption else f"{len(edges)} edges{more}",
            edges=[_edge(edge, row, layout, hues) for row, edge in enumerate(edges)],
            nodes=[_node(node, layout, edges, hues, plain=shown.caption is not None) for node in nodes],
        )
    )


def to_html(shown: Neighbourhood, lines: Sequence[str] = ()) -> str:
    """Return the drawing as a page: pointing at a node, or moving to it by Tab, shows its edges and what is known."""
    from markupsafe import Markup

    centre, caption = visible(shown.nodes["label"][0]), shown.caption
    heading = visible(caption.heading) if caption else ""
    hint = visible(caption.hint) if caption else f"{centre}: point at a node to see its edges"
    return (
        _templates()
        .get_template("drawing.html")
        .render(
            title=heading or centre,
            heading=heading,
            language=caption.language if caption else "",
            hint=hint,
            lines=[visible(line) for line in lines],
            svg=Markup(to_svg(shown)),
        )
    )


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader

    return Environment(loader=PackageLoader("kgrec.graph", "assets"), autoescape=True, keep_trailing_newline=True)


def layered(shown: Neighbourhood) -> Layout:
    """Place the nodes of a neighbourhood in layers by their distance from the centre, each on a line of its own.

    Relations are kept together, and a neighbourhood of one step is spread evenly over both sides of its centre.
    """
    import networkx as nx

    ends = list(shown.edges.select("near", "far", "relation").iter_rows())
    parents: dict[int, int] = {}
    for row, (_, far, _) in enumerate(ends):
        if far != shown.center:
            parents.setdefault(far, row)
    first = {relation: row for row, (_, _, relation) in reversed(list(enumerate(ends)))}
    tree = nx.DiGraph()
    tree.add_node(shown.center)
    for far, row in sorted(parents.items(), key=lambda entry: (first[ends[entry[1]][2]], entry[1])):
        tree.add_edge(ends[row][0], far)
    depth = nx.single_source_shortest_path_length(tree, shown.center)
    outer = [node for node in nx.dfs_preorder_nodes(tree, shown.center) if node != shown.center]
    left = set() if shown.one_sided else set(outer[(len(outer) + 1) // 2 :])
    layers: dict[int, list[int]] = {0: [shown.center]}
    for node in outer:
        layers.setdefault(-depth[node] if node in left else depth[node], []).append(node)
    found = nx.multipartite_layout(tree, subset_key=layers)
    start = found[shown.center]
    step = abs(found[outer[0]] - start)[0] / depth[outer[0]] if outer else 1.0  # between two layers, and two nodes

    row_height = ROW * (STRETCH if shown.one_sided else 1.0)
    reach = max(depth.values()) * COLUMN + MARGIN
    middle = MARGIN / 2 if shown.one_sided else reach
    height = (max(map(len, layers.values())) + 2) * row_height
    places = {}
    for node in (shown.center, *outer):
        x, y = (found[node] - start) / step
        side = 0 if node == shown.center else -1 if node in left else 1
        leaf = node != shown.center and not tree.out_degree(node)
        places[node] = Place(middle + round(x) * COLUMN, float(height / 2 + y * row_height), side, leaf)
    return Layout(places, parents, middle + reach, height)


def _edge(edge: Mapping[str, Any], row: int, layout: Layout, hues: Mapping[str, int]) -> dict[str, Any]:
    start, end = layout.places[edge["near"]], layout.places[edge["far"]]
    x1, x2 = _port(start, end, 6), _port(end, start, 5)
    # Level for as long as the label is, so that the line runs under it and not through it.
    level = x2 - _LEVEL * (1 if x2 > x1 else -1) if abs(x2 - x1) > _LEVEL else x2
    bend = (level - x1) * 0.5 if start.x != end.x else 60.0
    curve = (
        f"M{x1:.1f} {start.y:.1f}C{x1 + bend:.1f} {start.y:.1f} {level - bend:.1f} {end.y:.1f} {level:.1f} {end.y:.1f}"
    )
    return {
        "near": edge["near"],
        "far": edge["far"],
        "hue": hues[edge["relation"]],
        "curve": f"{curve}L{x2:.1f} {end.y:.1f}",
        # Only the edge that leads to a node is labelled: near the node, where each has a line of its own.
        "label": _short(edge["label"], 22) if layout.parents.get(edge["far"]) == row else "",
        "anchor": "end" if end.side > 0 else "start",
        "x": f"{end.x - end.side * 12:.1f}",
        "y": f"{end.y - 3 if end.leaf else end.y + 12:.1f}",  # above a node that leads on stands its own label
    }


def _node(
    node: Mapping[str, Any],
    layout: Layout,
    edges: Sequence[Mapping[str, Any]],
    hues: Mapping[str, int],
    *,
    plain: bool,
) -> dict[str, Any]:
    place = layout.places[node["node"]]
    known = "" if plain else f" — {node['kind']}:{node['key']}, {node['type']}, {node['degree']} edges"
    parent = layout.parents.get(node["node"])
    anchor, dx, dy = ("start" if place.side > 0 else "end"), place.side * 11.0, 4.5
    if not place.leaf:
        anchor, dx, dy = "middle", 0.0, -9.0 if place.side else -18.0
    return {
        "number": node["node"],
        "center": place.side == 0,
        "radius": 5 if place.side else 9,
        "square": node["kind"] == "user",
        "x": round(place.x, 1),
        "y": round(place.y, 1),
        "anchor": anchor,
        "dx": dx,
        "dy": dy,
        "label": _short(node["label"]),
        "about": visible(f"{node['label']}{known}"),
        "up": None if parent is None else edges[parent]["near"],
        "hue": None if parent is None else hues[edges[parent]["relation"]],
    }


def _port(at: Place, towards: Place, gap: float) -> float:
    """Return where an edge leaves or meets a node: at its side, past the label of a leaf never."""
    direction = 1 if towards.x > at.x else -1 if towards.x < at.x else at.side
    return at.x + direction * gap


def _short(label: object, longest: int = LONGEST_LABEL) -> str:
    text = visible(label)
    # Chinese characters are twice as wide.
    width = 0
    for kept, char in enumerate(text):
        width += 2 if ord(char) > 0x2E7F else 1
        if width > longest:
            return text[:kept].rstrip() + "…"
    return text

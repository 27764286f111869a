"""A neighbourhood as a picture: SVG, or a page that shows what one points at. Both stand alone and follow dark mode."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from kgrec.errors import UsageError
from kgrec.graph.layout import Layout, Place, tree_layout
from kgrec.graph.neighbourhood import Neighbourhood
from kgrec.workspace import storage_errors

LONGEST_LABEL = 34
_LEVEL = 130.0
_HUES = (210, 25, 145, 330, 270, 50, 185, 0, 100, 300)
"""Hues of the relations, in the order they appear."""

_STYLE = """
svg.kg{--ink:#1d2430;--soft:#5d6775;--paper:#ffffff;--line:.44;--dot:.5;font-family:system-ui,-apple-system,"Segoe UI",
"Noto Sans","Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;font-size:13px;background:var(--paper)}
@media (prefers-color-scheme:dark){svg.kg{--ink:#e7eaf0;--soft:#a0a9b8;--paper:#14181f;--line:.62;--dot:.6}}
.kg text{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.kg .edge path{fill:none;stroke:hsl(var(--hue) 55% calc(var(--line)*100%));stroke-width:1.4}
.kg .edge text{fill:hsl(var(--hue) 60% calc(var(--line)*90%));font-size:11px}
.kg .other path{stroke-dasharray:3 4;opacity:.5}
.kg .node circle,.kg .node rect{fill:hsl(var(--hue,215) 55% calc(var(--dot)*100%));stroke:var(--paper);stroke-width:2}
.kg .center text{font-size:17px;font-weight:650}
.kg .about{fill:var(--soft);font-size:12px}
"""

_PAGE_STYLE = """
:root{color-scheme:light dark}body{margin:0;background:#fff;color:#1d2430;font:14px system-ui,sans-serif}
@media (prefers-color-scheme:dark){body{background:#14181f;color:#e7eaf0}}
header{padding:16px 16px 0;max-width:46em;line-height:1.45}h1{font-size:1.35em;margin:0 0 .4em}p{margin:.3em 0}
main{overflow:auto;padding:8px}svg{display:block;margin:auto;max-width:none}
.kg.pointed .node,.kg.pointed .edge{opacity:.16}.kg.pointed .on{opacity:1}.kg.pointed .edge.on path{stroke-width:2.6}
.kg .node{cursor:default}.kg .node:focus{outline:none}.kg .node:focus text{text-decoration:underline}
#told{position:sticky;bottom:0;padding:8px 16px;min-height:1.4em;border-top:1px solid #8884;background:inherit}
"""

_SCRIPT = """
const svg=document.querySelector('svg.kg'),told=document.getElementById('told'),hint=told.textContent;
const all=[...svg.querySelectorAll('[data-ends]')];
function show(node){svg.classList.add('pointed');all.forEach(e=>e.classList.remove('on'));
const id=node.dataset.ends,way=new Set([id]);let at=node;
while(at&&at.dataset.up){way.add(at.dataset.up);at=document.getElementById('n'+at.dataset.up)}
all.forEach(e=>{const ends=e.dataset.ends.split(' ');
if(ends.length==2&&(ends.includes(id)||ends.every(x=>way.has(x)))){e.classList.add('on');ends.forEach(x=>way.add(x))}});
all.forEach(e=>{if(way.has(e.dataset.ends))e.classList.add('on')});
told.textContent=node.querySelector('title').textContent}
function hide(){svg.classList.remove('pointed');told.textContent=hint}
svg.querySelectorAll('.node').forEach(n=>{n.addEventListener('mouseenter',()=>show(n));n.addEventListener('mouseleave',hide);
n.addEventListener('focus',()=>show(n));n.addEventListener('blur',hide)});
"""


def draw(shown: Neighbourhood, path: Path, *, heading: str = "", lines: Sequence[str] = ()) -> None:
    """Draw a neighbourhood as ``.svg`` or ``.html``; the file is replaced only when it is complete.

    Args:
        shown: what is drawn.
        path: the file.
        heading: of a page; a picture has none.
        lines: what a page says in words under the heading, for whoever cannot see all of the drawing.

    Raises:
        UsageError: the suffix is another.
        StorageError: the disk is full or read-only.
    """
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".html", ".htm"):
        raise UsageError(f"{path.name} names no drawing", hint="end it with .svg or .html")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            aside.write_text(to_svg(shown) if suffix == ".svg" else to_html(shown, heading, lines), encoding="utf-8")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def to_svg(shown: Neighbourhood) -> str:
    """Return the drawing as SVG: the centre, its edges by relation, and what they lead to."""
    layout = tree_layout(shown)
    edges, nodes = shown.edges.rows(named=True), shown.nodes.rows(named=True)
    hues = {r: _HUES[k % len(_HUES)] for k, r in enumerate(dict.fromkeys(edge["relation"] for edge in edges))}
    body = [_edge(edge, row, layout, hues) for row, edge in enumerate(edges)]
    body += [_node(node, layout, edges, hues) for node in nodes]
    left_out = sum(shown.omitted.values())
    about = f"{len(edges)} edges" + (f", {left_out} more not shown" if left_out else "")
    size = f'width="{layout.width:g}" height="{layout.height + 24:g}"'
    view = f'viewBox="0 0 {layout.width:g} {layout.height + 24:g}"'
    title = escape(_clean(nodes[0]["label"]))
    return (
        f'<svg class="kg" xmlns="http://www.w3.org/2000/svg" {size} {view} role="img" aria-label="{title}">'
        f"<style>{_STYLE}</style>\n"
        + "\n".join(filter(None, body))
        + f'\n<text class="about" x="12" y="{layout.height + 14:g}">{about}</text>\n</svg>\n'
    )


def to_html(shown: Neighbourhood, heading: str = "", lines: Sequence[str] = ()) -> str:
    """Return the drawing as a page: pointing at a node, or moving to it by Tab, shows its edges and what is known."""
    title = escape(_clean(heading or shown.nodes["label"][0]))
    centre = escape(_clean(shown.nodes["label"][0]))
    words = f"<header><h1>{title}</h1>" if heading else ""
    words += "".join(f"<p>{escape(_clean(line))}</p>" for line in lines) + "</header>\n" if heading else ""
    return (
        f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_PAGE_STYLE}</style></head>\n<body>{words}"
        f'<main tabindex="0" role="region" aria-label="drawing">\n{to_svg(shown)}</main>\n'
        f'<div id="told" role="status">{centre}: point at a node to see its edges</div>\n'
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _edge(edge: dict[str, object], row: int, layout: Layout, hues: dict[str, int]) -> str:
    near, far = int(str(edge["near"])), int(str(edge["far"]))
    start, end = layout.places[near], layout.places[far]
    in_tree = layout.parents.get(far) == row
    x1, x2 = _port(start, end, outgoing=True), _port(end, start, outgoing=False)
    # Level for as long as the label is, so that the line runs under it and not through it.
    level = x2 - _LEVEL * (1 if x2 > x1 else -1) if abs(x2 - x1) > _LEVEL else x2
    bend = (level - x1) * 0.5 if start.x != end.x else 60.0
    curve = (
        f"M{x1:.1f} {start.y:.1f}C{x1 + bend:.1f} {start.y:.1f} {level - bend:.1f} {end.y:.1f} {level:.1f} {end.y:.1f}"
    )
    curve += f"L{x2:.1f} {end.y:.1f}"
    label = ""
    if in_tree:
        # Near the far end, where every edge has a line of its own.
        anchor = "end" if end.side > 0 else "start"
        x = end.x - end.side * 12
        y = end.y - 3 if end.leaf else end.y + 12  # above a node that leads on stands its own label
        label = f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_short(edge["label"], 22)}</text>'
    hue, kind = hues[str(edge["relation"])], "edge" if in_tree else "edge other"
    ends = f"{near} {far}"
    return f'<g class="{kind}" style="--hue:{hue}" data-ends="{ends}"><path d="{curve}"/>{label}</g>'


def _node(node: dict[str, object], layout: Layout, edges: list[dict[str, object]], hues: dict[str, int]) -> str:
    number = int(str(node["node"]))
    place = layout.places[number]
    parent = layout.parents.get(number)
    center = place.side == 0
    radius = 9 if center else 5
    shape = f'<circle cx="{place.x:.1f}" cy="{place.y:.1f}" r="{radius}"/>'
    if node["kind"] == "user":
        corner, size = f'x="{place.x - radius:.1f}" y="{place.y - radius:.1f}"', 2 * radius
        shape = f'<rect {corner} width="{size}" height="{size}" rx="2"/>'
    anchor, dx, dy = ("start" if place.side > 0 else "end"), place.side * 11.0, 4.5
    if center:
        anchor, dx, dy = "middle", 0.0, -18.0
    elif not place.leaf:
        anchor, dx, dy = "middle", 0.0, -9.0
    text = f'<text x="{place.x + dx:.1f}" y="{place.y + dy:.1f}" text-anchor="{anchor}">{_short(node["label"])}</text>'
    up, hue = "", ""
    if parent is not None:
        up = f' data-up="{edges[parent]["near"]}"'
        hue = f' style="--hue:{hues[str(edges[parent]["relation"])]}"'
    kind = "node center" if center else "node"
    about = f"{node['label']} — {node['kind']}:{node['key']}, {node['type']}, {node['degree']} edges"
    return (
        f'<g class="{kind}" id="n{number}" data-ends="{number}"{up}{hue} tabindex="0">'
        f"<title>{escape(_clean(about))}</title>{shape}{text}</g>"
    )


def _port(at: Place, towards: Place, *, outgoing: bool) -> float:
    """Return where an edge leaves or meets a node: at its side, past the label of a leaf never."""
    direction = 1 if towards.x > at.x else -1 if towards.x < at.x else at.side
    return at.x + direction * (6 if outgoing else 5)


def _short(label: object, longest: int = LONGEST_LABEL) -> str:
    text = _clean(label)
    # Chinese characters are twice as wide.
    width = 0
    for kept, char in enumerate(text):
        width += 2 if ord(char) > 0x2E7F else 1
        if width > longest:
            return escape(text[:kept].rstrip()) + "…"
    return escape(text)


def _clean(text: object) -> str:
    """Return a text without the control characters that no XML may hold."""
    return "".join(char if char >= " " and char not in "\ufffe\uffff" else " " for char in str(text))

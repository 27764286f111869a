"""Charts inside a page: lines with intervals, bars, points with names, histograms. Drawn by matplotlib as SVG.

matplotlib fixes colours when it draws; here every colour it writes stands for a CSS variable of the page and is
replaced by it, so that a chart follows the reader's dark mode as the text around it does. Letters stay text that the
page's own fonts draw. Lines and points differ by dash and shape, not by colour alone; each chart has a title and a
description for screen readers, and each mark tells its figures when pointed at.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

from kgrec.report.blocks import clean, number, render, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAN = float("nan")
WIDTH = 4.0
"""Inches at 100 pixels each: about a phone's width, so that letters are as large there as on a desk."""

COLOURS = {
    "#000001": "var(--ink)",
    "#000002": "var(--soft)",
    "#000003": "var(--line)",
    "#000004": "var(--panel)",
    "#000010": "var(--c0)",
    "#000011": "var(--c1)",
    "#000012": "var(--c2)",
    "#000013": "var(--c3)",
    "#000014": "var(--c4)",
    "#000015": "var(--c5)",
}
"""What matplotlib is told to paint with -> the page's variable that it stands for."""

INK, SOFT, RULE, PANEL, *SERIES = COLOURS
DASHES = ("solid", (0, (5, 2)), (0, (1.5, 2)), (0, (6, 2, 1.5, 2)), (0, (8, 3)), (0, (3, 1.5, 1, 1.5)))
SHAPES = ("o", "s", "^", "D", "v", "P")
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kgrec",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "figure.dpi": 100,
    "savefig.transparent": True,
}


@dataclass(frozen=True, slots=True)
class Series:
    """A line.

    Attributes:
        name: stands in the legend.
        x, y: its points; a ``y`` of NaN or None is a gap.
        low, high: ends of the interval at each point, or empty.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, or a point of :func:`bar_plot` with ``zero=False``.

    Attributes:
        label: stands beside it.
        value: its length.
        low, high: ends of its interval, NaN for none.
        kind: bars of one kind share a colour and a line of the legend.
    """

    label: str
    value: float
    low: float = NAN
    high: float = NAN
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A point with a name.

    Attributes:
        label: its name, or the empty string.
        x, y: where it stands.
        low, high: ends of the interval of ``y``, NaN for none.
        kind: points of one kind share a colour, a shape and a line of the legend.
    """

    label: str
    x: float
    y: float
    low: float = NAN
    high: float = NAN
    kind: str = ""


@dataclass(slots=True)
class _Chart:
    """A chart being drawn: its axes, and what each mark says when pointed at."""

    axes: Axes
    told: dict[str, str] = field(default_factory=dict)

    def say(self, artist: Any, about: str) -> None:
        """Let a mark tell ``about`` when pointed at."""
        name = f"told-{len(self.told)}"
        artist.set_gid(name)
        self.told[name] = about

    def mark(self, kind: int, x: float, y: float, about: str) -> None:
        """Draw a point whose shape and colour tell its kind."""
        made = self.axes.plot(x, y, SHAPES[kind % 6], color=SERIES[kind % 6], markersize=5, zorder=3)
        self.say(made[0], about)


def line_plot(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    note: str = "",
    log_x: bool = False,
    log_y: bool = False,
) -> Markup:
    """Draw lines, with a band around those that have intervals.

    Args:
        series: the lines, six at most look different.
        title: stands above the chart.
        x_label: what is drawn to the right.
        y_label: what is drawn upwards.
        note: small print under the title.
        log_x: logarithmic axis of ``x``.
        log_y: logarithmic axis of ``y``.
    """
    about = []
    with _drawing(2.7) as (chart, page):
        axes = chart.axes
        _scales(axes, log_x, log_y)
        for place, one in enumerate(series):
            x, y, low, high = _arrays(one)
            colour = SERIES[place % 6]
            axes.plot(x, y, linestyle=DASHES[place % 6], color=colour, linewidth=1.5)
            if any(map(math.isfinite, low)):
                axes.fill_between(x, low, high, facecolor=colour, edgecolor="none", alpha=0.16)
            if len(x) <= 40:
                for at, value, below, above in zip(x, y, low, high, strict=True):
                    if math.isfinite(value):
                        text = f"{one.name} {number(at)}: {_told(value, below, above)}"
                        chart.mark(place, at, value, text)
            about.append(_summary(one.name or y_label or title, x, y))
        _label(axes, x_label, y_label)
        return page(title, ". ".join(about), [one.name for one in series], note=note, lines=True)


def scatter_plot(
    points: Sequence[Point],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    note: str = "",
    log_x: bool = False,
    log_y: bool = False,
) -> Markup:
    """Draw points with their names beside them; pointing at one tells its figures.

    Args: as those of :func:`line_plot`.
    """
    known = [p for p in points if math.isfinite(p.x) and math.isfinite(p.y)]
    kinds = list(dict.fromkeys(p.kind for p in known))
    with _drawing(2.7) as (chart, page):
        axes = chart.axes
        _scales(axes, log_x, log_y)
        axes.margins(0.12)
        for p in known:
            _whisker(axes, p.x, p.y, p.low, p.high)
            about = f"{p.label}: {x_label} {number(p.x)}, {y_label} {_told(p.y, p.low, p.high)}"
            chart.mark(kinds.index(p.kind), p.x, p.y, about)
        for k, p in enumerate(sorted(known, key=lambda p: p.x)):  # above and below in turn: neighbours stay readable
            below = k % 2
            axes.annotate(
                shortened(p.label, 24),
                (p.x, p.y),
                xytext=(0, -7 if below else 7),
                textcoords="offset points",
                ha="center",
                va="top" if below else "bottom",
            )
        _label(axes, x_label, y_label)
        about = "; ".join(f"{p.label}: {number(p.x)}, {number(p.y)}" for p in known[:40])
        return page(title, about, kinds, note=note)


def bar_plot(
    bars: Sequence[Bar], *, title: str, x_label: str = "", note: str = "", zero: bool = True, log: bool = False
) -> Markup:
    """Draw a bar for each value, below each other, with a whisker for the interval.

    Args:
        bars: in order from above.
        title: stands above the chart.
        x_label: what the length of the bars is.
        note: small print under the title.
        zero: bars begin at 0; False draws points with whiskers on an axis that begins where the values do.
        log: logarithmic axis, which only points can have.
    """
    known = [b for b in bars if math.isfinite(b.value)]
    kinds = list(dict.fromkeys(b.kind for b in known))
    with _drawing(0.25 * max(len(known), 1) + 0.65) as (chart, page):
        axes = chart.axes
        _scales(axes, log, False)
        axes.set_ylim(max(len(known), 1) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        for row, b in enumerate(known):
            kind, about = kinds.index(b.kind), f"{b.label}: {_told(b.value, b.low, b.high)}"
            if zero and not log:
                chart.say(axes.barh(row, b.value, height=0.66, color=SERIES[kind % 6])[0], about)
            else:
                chart.mark(kind, b.value, row, about)
            _whisker(axes, b.value, row, b.low, b.high, across=True)
        names = [b.label if k == 0 or known[k - 1].label != b.label else "" for k, b in enumerate(known)]
        axes.set_yticks(range(len(known)), [shortened(name, 28) for name in names])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        if not zero and known and min(b.value for b in known) < 0 < max(b.value for b in known):
            axes.axvline(0, color=SOFT, linewidth=1)
        _label(axes, x_label, "")
        about = "; ".join(
            f"{b.label}{' ' + b.kind if b.kind else ''} {_told(b.value, b.low, b.high)}" for b in known[:40]
        )
        return page(title, about, kinds, note=note)


def histogram(
    edges: Sequence[float],
    counts: Sequence[float],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    note: str = "",
    log_x: bool = False,
) -> Markup:
    """Draw how often values lie between edges.

    Args:
        edges: ends of the bins, rising, one more than there are bins.
        counts: of each bin.
        title: stands above the chart.
        x_label: what is counted.
        y_label: what is drawn upwards.
        note: small print under the title.
        log_x: logarithmic axis; all edges are above 0 then.
    """
    with _drawing(2.7) as (chart, page):
        axes = chart.axes
        _scales(axes, log_x, False)
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
            made = axes.bar(low, count, width=high - low, align="edge", color=SERIES[0], edgecolor=PANEL, linewidth=0.7)
            chart.say(made[0], f"{number(low)} to {number(high)}: {number(count)}")
        axes.grid(visible=False, axis="x")
        _label(axes, x_label, y_label)
        most = max(range(len(counts)), key=lambda k: counts[k], default=None)
        about = ""
        if most is not None:
            about = f"most, {number(counts[most])}, from {number(edges[most])} to {number(edges[most + 1])}"
        return page(title, about, [], note=note)


@contextmanager
def _drawing(height: float) -> Iterator[tuple[_Chart, Callable[..., Markup]]]:
    """Open a chart of ``height`` inches; the second value turns it into the block of a page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Letters that matplotlib's font lacks are drawn by the reader's fonts; an axis of one value it widens itself.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing|Attempting to set identical")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        chart = _Chart(figure.add_subplot())

        def page(title: str, about: str, kinds: Sequence[str], *, note: str = "", lines: bool = False) -> Markup:
            _widen(chart.axes)
            out = io.StringIO()
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
            svg = _inline(out.getvalue(), chart.told, title, about)
            named = [(k % 6, kind) for k, kind in enumerate(kinds) if kind] if len(kinds) > 1 else []
            return render("figure", title=title, note=note, svg=svg, legend=named, lines=lines)

        yield chart, page


def _inline(svg: str, told: dict[str, str], title: str, about: str) -> Markup:
    """Make an SVG file part of a page: its own ids, the page's colours, no foreign names, titles on marks."""
    svg = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>", "", svg, flags=re.DOTALL)
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, variable)
    root = ElementTree.fromstring(svg)
    prefix = "c" + hashlib.sha256(f"{title}\n{about}\n{svg}".encode("utf-8", "replace")).hexdigest()[:10]
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        said = told.get(element.get("id", ""))
        for name in list(element.attrib):
            value = element.attrib.pop(name)
            value = re.sub(r"url\(#", f"url(#{prefix}-", value)
            name = name.rpartition("}")[2]
            if name == "id":
                value = f"{prefix}-{value}"
            elif name == "href":
                value = f"#{prefix}-{value[1:]}"
            element.set(name, value)
        if said is not None:
            tip = ElementTree.Element("title")
            tip.text = clean(said)
            element.insert(0, tip)
    for metadata in root.findall("metadata"):
        root.remove(metadata)
    for k, (tag, text) in enumerate((("title", title), ("desc", about))):
        made = ElementTree.Element(tag)
        made.text = clean(text)
        root.insert(k, made)
    root.attrib = {"class": "chart", "viewBox": root.attrib["viewBox"], "role": "img"}
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=True))


def _scales(axes: Axes, log_x: bool, log_y: bool) -> None:
    from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

    for axis, log, set_scale in ((axes.xaxis, log_x, axes.set_xscale), (axes.yaxis, log_y, axes.set_yscale)):
        if log:
            set_scale("log")
            axis.set_minor_formatter(FuncFormatter(lambda *_: ""))
            axis.set_major_formatter(EngFormatter(sep=""))
        else:
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _widen(axes: Axes) -> None:
    """Give an axis whose values are all the same some room on both sides."""
    for (low, high), log, limit in (
        (axes.get_xlim(), axes.get_xscale() == "log", axes.set_xlim),
        (axes.get_ylim(), axes.get_yscale() == "log", axes.set_ylim),
    ):
        if log and high < 1.01 * low:
            limit(low / 2, high * 2)


def _label(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(shortened(x_label, 50))
    axes.set_title(shortened(y_label, 50), loc="left", fontsize=10.5, color=SOFT, pad=9)


def _whisker(axes: Axes, x: float, y: float, low: float, high: float, *, across: bool = False) -> None:
    """Draw an interval: upright, or lying where it goes ``across``; nothing where there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return
    middle = x if across else y
    errors = [[max(middle - low, 0.0)], [max(high - middle, 0.0)]]
    interval: dict[str, Any] = {"xerr": errors} if across else {"yerr": errors}
    axes.errorbar([x], [y], **interval, fmt="none", color=INK, elinewidth=1, capsize=2.5, zorder=4)


def _arrays(one: Series) -> tuple[list[float], list[float], list[float], list[float]]:
    gaps = [None] * len(one.y)
    x = [float(v) for v in one.x]
    y, low, high = (
        [NAN if v is None else float(v) for v in values] for values in (one.y, one.low or gaps, one.high or gaps)
    )
    return x, y, low, high


def _told(value: float, low: float, high: float) -> str:
    """Return a value with its interval in words."""
    return f"{number(value)} ({number(low)} to {number(high)})" if math.isfinite(low) else number(value)


def _summary(name: str, x: Sequence[float], y: Sequence[float]) -> str:
    known = [(at, value) for at, value in zip(x, y, strict=True) if math.isfinite(value)]
    if not known:
        return f"{name}: no values"
    best = max(known, key=lambda point: point[1])
    ends = " to ".join(f"{number(value)} at {number(at)}" for at, value in (known[0], known[-1]))
    return f"{name}: {ends}, highest {number(best[1])} at {number(best[0])}"

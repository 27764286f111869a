"""Charts as SVG inside a page: lines with intervals, bars, points with names, histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kgrec.report.axes import Axis
from kgrec.report.blocks import joined, number
from kgrec.report.drawing import LETTER, Frame, figure, mark, tag, told, whisker
from kgrec.report.text import escaped, shortened, width_of

NAN = float("nan")


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


def line_plot(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    note: str = "",
    zero: bool = False,
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
        zero: the axis of ``y`` begins at 0.
        log_x: logarithmic axis of ``x``.
        log_y: logarithmic axis of ``y``.
    """
    rows = [_points(one) for one in series]
    ys = [v for points in rows for _, *values in points for v in values]
    frame = Frame.around(
        [x for points in rows for x, *_ in points], ys, x_label, y_label, zero=zero, log_x=log_x, log_y=log_y
    )
    body = [_line(frame, points, one, place) for place, (one, points) in enumerate(zip(series, rows, strict=True))]
    about = ". ".join(_course(one.name or y_label or title, points) for one, points in zip(series, rows, strict=True))
    return figure(title, about, frame, joined(body), [one.name for one in series], note=note, lines=True)


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
    """Draw points with their names beside them where there is room; pointing at one tells its figures.

    Args: as those of :func:`line_plot`.
    """
    known = [p for p in points if math.isfinite(p.x) and math.isfinite(p.y)]
    kinds = list(dict.fromkeys(p.kind for p in known))
    ys = [v for p in known for v in (p.y, p.low, p.high)]
    frame = Frame.around(_roomy([p.x for p in known], log_x), ys, x_label, y_label, log_x=log_x, log_y=log_y)
    taken: list[tuple[float, float, float, float]] = []
    body = []
    for p in known:
        x, y = frame.x(p.x), frame.y(p.y)
        about = f"{p.label}: {x_label} {number(p.x)}, {y_label} {told(p.y, p.low, p.high)}"
        body += [whisker(x, frame.y, p.low, p.high), mark(kinds.index(p.kind), x, y, about)]
        taken.append((x - 5, y - 5, x + 5, y + 5))
    body += [tag(shortened(p.label, 24), frame.x(p.x), frame.y(p.y), taken, frame) for p in known if p.label]
    about = "; ".join(f"{p.label}: {number(p.x)}, {number(p.y)}" for p in known[:40])
    return figure(title, about, frame, joined(body), kinds, note=note)


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
    longest = 28
    left = 18 + LETTER * max((min(longest, width_of(b.label)) for b in known), default=0)
    frame = Frame.below(len(known), [v for b in known for v in (b.value, b.low, b.high)], left, x_label, zero, log)
    body, before = [], ""
    for row, b in enumerate(known):
        y, kind, about = frame.row(row), kinds.index(b.kind), f"{b.label}: {told(b.value, b.low, b.high)}"
        if b.label != before:
            label = escaped(shortened(b.label, longest))
            body.append(
                Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(round(left - 8, 1), y + 4, label)
            )
        before = b.label
        body.append(
            _bar(frame.x, b.value, y, kind, about) if zero and not log else mark(kind, frame.x(b.value), y, about)
        )
        body.append(whisker(y, frame.x, b.low, b.high, across=True))
    about = "; ".join(f"{b.label}{' ' + b.kind if b.kind else ''} {told(b.value, b.low, b.high)}" for b in known[:40])
    return figure(title, about, frame, joined(body), kinds, note=note)


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
    frame = Frame.around(edges, [*counts, 0.0], x_label, y_label, zero=True, log_x=log_x, tight=True)
    bottom, body = frame.y(0), []
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        left, right, top = frame.x(low), frame.x(high), frame.y(count)
        shape = f'<rect class="mark" x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(right - left - 1, 0.5):.1f}"'
        about = f"{number(low)} to {number(high)}: {number(count)}"
        body.append(
            Markup('<g class="s0">{} height="{}"><title>{}</title></rect></g>').format(
                Markup(shape), round(bottom - top, 1), about
            )
        )
    most = max(range(len(counts)), key=lambda k: counts[k], default=None)
    peak = (
        "" if most is None else f"most, {number(counts[most])}, from {number(edges[most])} to {number(edges[most + 1])}"
    )
    return figure(title, peak, frame, joined(body), [], note=note)


def _roomy(values: list[float], log: bool) -> list[float]:
    """Add room at both ends, so that no point stands on the edge."""
    if log or not values:
        return values
    room = 0.06 * (max(values) - min(values))
    return [min(values) - room, *values, max(values) + room]


def _points(one: Series) -> list[tuple[float, float, float, float]]:
    gaps = [None] * len(one.y)
    rows = zip(one.x, one.y, one.low or gaps, one.high or gaps, strict=True)
    return [(float(x), *(NAN if v is None else float(v) for v in rest)) for x, *rest in rows]  # type: ignore[misc]


def _line(frame: Frame, points: Sequence[tuple[float, float, float, float]], one: Series, place: int) -> Markup:
    pieces: list[list[tuple[float, float, float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    drawn = []
    for piece in pieces:
        inside = [p for p in piece if math.isfinite(p[2]) and math.isfinite(p[3])]
        if len(inside) > 1:
            there = [f"{frame.x(x)},{frame.y(high)}" for x, _, _, high in inside]
            back = [f"{frame.x(x)},{frame.y(low)}" for x, _, low, _ in reversed(inside)]
            drawn.append(Markup('<polygon class="band" points="{}"/>').format(" ".join([*there, *back])))
        line = " ".join(f"{frame.x(x)},{frame.y(y)}" for x, y, *_ in piece)
        if len(piece) > 1:
            drawn.append(Markup('<polyline class="line"{} points="{}"/>').format(frame.dash(place), line))
        if len(points) <= 40:
            drawn += [
                mark(place, frame.x(x), frame.y(y), f"{one.name} {number(x)}: {told(y, low, high)}")
                for x, y, low, high in piece
            ]
    return Markup('<g class="s{}">{}</g>').format(place % 6, joined(drawn))


def _course(name: str, points: Sequence[tuple[float, float, float, float]]) -> str:
    known = [(x, y) for x, y, *_ in points if math.isfinite(y)]
    if not known:
        return f"{name}: no values"
    best = max(known, key=lambda point: point[1])
    ends = " to ".join(f"{number(y)} at {number(x)}" for x, y in (known[0], known[-1]))
    return f"{name}: {ends}, highest {number(best[1])} at {number(best[0])}"


def _bar(along: Axis, value: float, y: float, kind: int, about: str) -> Markup:
    start, end = sorted((along(0.0), along(value)))
    shape = f'<rect class="mark" x="{start}" y="{y - 7}" width="{max(end - start, 0.5):.1f}" height="14" rx="1.5"'
    return Markup('<g class="s{}">{}><title>{}</title></rect></g>').format(kind % 6, Markup(shape), escaped(about))

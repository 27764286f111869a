"""What charts are drawn with: the frame with its axes, marks, whiskers, names, the legend, the figure around it all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kgrec.report.axes import Axis, axis
from kgrec.report.blocks import joined, number
from kgrec.report.text import escaped, width_of

WIDTH = 400.0
"""Of a chart; about that of a phone, so that its letters are as large there as on a desk."""

HEIGHT = 260.0
ROW = 22.0
_TOP, _RIGHT, _BOTTOM = 26.0, 14.0, 42.0
LETTER = 6.9
"""Width of a letter."""

_DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2 1 2")
_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "M-3.6 -3.6h7.2v7.2h-7.2z",
    "M0 -4.8L4.6 3.6H-4.6z",
    "M0 -5L5 0L0 5L-5 0z",
    "M0 4.8L4.6 -3.6H-4.6z",
    "M-1.6 -4.8h3.2v3.2h3.2v3.2h-3.2v3.2h-3.2v-3.2h-3.2v-3.2h3.2z",
)
_SIDES = (
    (9, 4, "start"),
    (-9, 4, "end"),
    (0, -9, "middle"),
    (0, 18, "middle"),
    (9, -7, "start"),
    (9, 16, "start"),
    (-9, -7, "end"),
    (-9, 16, "end"),
    (14, -22, "start"),
    (14, 30, "start"),
)
"""Where a name may stand beside its point: to the right, upwards from the middle, anchor."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A chart's place and axes.

    Attributes:
        x, y: the axes; that of rows of bars is not marked.
        height: of the whole chart.
        x_label, y_label: what the axes show.
        rows: whether ``y`` counts rows.
    """

    x: Axis
    y: Axis
    height: float
    x_label: str
    y_label: str
    rows: bool = False

    @classmethod
    def around(
        cls,
        xs: Sequence[float],
        ys: Sequence[float],
        x_label: str,
        y_label: str,
        *,
        zero: bool = False,
        log_x: bool = False,
        log_y: bool = False,
        tight: bool = False,
    ) -> Frame:
        """Make a frame for points; ``tight`` lets the axis of x end where the values do."""
        upwards = axis(ys, HEIGHT - _BOTTOM, _TOP, log=log_y, zero=zero)
        left = 14 + LETTER * max(len(label) for label in upwards.labels())
        right = WIDTH - _RIGHT
        along = axis(xs, left, right, log=log_x)
        if tight and not log_x and len(xs) > 1:
            inside = tuple(m for m in along.marks if min(xs) <= m <= max(xs))
            along = Axis(min(xs), max(xs), left, right, False, inside or along.marks[:1])
        return cls(along, upwards, HEIGHT, x_label, y_label)

    @classmethod
    def below(cls, n_rows: int, xs: Sequence[float], left: float, x_label: str, zero: bool, log: bool) -> Frame:
        """Make a frame for rows below each other."""
        height = ROW * max(n_rows, 1) + 8 + _BOTTOM
        along = axis(xs, left, WIDTH - _RIGHT - 6, log=log, zero=zero and not log, n_marks=4)
        return cls(along, Axis(0, 1, 8, height - _BOTTOM, False, ()), height, x_label, "", rows=True)

    def row(self, place: int) -> float:
        """Return the middle of a row."""
        return 8 + ROW * (place + 0.5)

    def dash(self, place: int) -> Markup:
        """Return how a line is broken, so that lines differ without colour."""
        pattern = _DASHES[place % len(_DASHES)]
        return Markup(' stroke-dasharray="{}"').format(pattern) if pattern else Markup("")

    def drawn(self) -> Markup:
        """Draw rules, marks and names of the axes."""
        left, right, top, bottom = self.x.start, self.x.end, self.y.end, self.y.start
        if self.rows:
            top, bottom = self.y.start, self.y.end
        parts = []
        for value, label in zip(self.y.marks, self.y.labels() if self.y.marks else (), strict=True):
            y = self.y(value)
            parts.append(Markup('<path class="rule" d="M{} {}H{}"/>').format(left, y, right))
            parts.append(
                Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(round(left - 6, 1), y + 4, label)
            )
        edge = 0.0
        for value, label in zip(self.x.marks, self.x.labels(), strict=True):
            x = self.x(value)
            half = len(label) * LETTER / 2
            if self.rows:
                kind = Markup("base" if value == 0 else "rule")
                parts.append(Markup('<path class="{}" d="M{} {}V{}"/>').format(kind, x, top, bottom))
            else:
                parts.append(Markup('<path class="base" d="M{} {}v4"/>').format(x, bottom))
            at = min(x, WIDTH - half)
            if at - half >= edge:
                parts.append(
                    Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(at, bottom + 17, label)
                )
                edge = at + half + 5
        parts.append(Markup('<path class="base" d="M{} {}H{}"/>').format(left, bottom, right))
        middle = round((left + right) / 2, 1)
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
                middle, bottom + 35, escaped(self.x_label)
            )
        )
        if self.y_label:
            parts.append(Markup('<text x="2" y="13">{}</text>').format(escaped(self.y_label)))
        return Markup('<g class="axis">{}</g>').format(joined(parts))


def mark(kind: int, x: float, y: float, about: str) -> Markup:
    """Draw a point whose shape and colour tell its kind, and which tells ``about`` when pointed at."""
    return Markup(
        '<g class="s{}"><path class="mark" transform="translate({} {})" d="{}"><title>{}</title></path></g>'
    ).format(kind % 6, x, y, Markup(_SHAPES[kind % len(_SHAPES)]), escaped(about))


def whisker(at: float, along: Axis, low: float, high: float, *, across: bool = False) -> Markup:
    """Draw an interval: upright, or lying where it goes ``across``; nothing where there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return Markup("")
    start, end = along(low), along(high)
    way = (
        f"M{start} {at}H{end}M{start} {at - 4}v8M{end} {at - 4}v8"
        if across
        else f"M{at} {start}V{end}M{at - 4} {start}h8M{at - 4} {end}h8"
    )
    return Markup('<path class="whisker" d="{}"/>').format(Markup(way))


def tag(label: str, x: float, y: float, taken: list[tuple[float, float, float, float]], frame: Frame) -> Markup:
    """Write a name beside a point where nothing else stands; where there is no such place, leave it out."""
    wide = width_of(label) * LETTER
    for dx, dy, anchor in _SIDES:
        at, base = x + dx, y + dy
        left = at - wide * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        box = (left, base - 10, left + wide, base + 3)
        outside = left < frame.x.start or box[2] > WIDTH or box[1] < 16 or base > frame.y.start
        if not outside and not any(_meet(box, other) for other in taken):
            taken.append(box)
            place = Markup('x="{}" y="{}" text-anchor="{}"').format(round(at, 1), round(base, 1), anchor)
            return Markup('<text class="tag" {}>{}</text>').format(place, escaped(label))
    return Markup("")


def told(value: float, low: float, high: float) -> str:
    """Return a value with its interval in words."""
    return f"{number(value)} ({number(low)} to {number(high)})" if math.isfinite(low) else number(value)


def figure(
    title: str, about: str, frame: Frame, body: Markup, kinds: Sequence[str], *, note: str = "", lines: bool = False
) -> Markup:
    """Put a chart together: caption, picture with its description, legend where there is more than one kind."""
    small = Markup("<small>{}</small>").format(escaped(note)) if note else ""
    legend = Markup("")
    if len(kinds) > 1:
        legend = Markup('<ul class="legend">{}</ul>').format(
            joined(
                Markup('<li class="s{}"><svg viewBox="-15 -6 30 12" aria-hidden="true">{}{}</svg>{}</li>').format(
                    k % 6,
                    Markup('<path class="line"{} d="M-15 0H15"/>').format(frame.dash(k)) if lines else "",
                    Markup('<path class="mark" d="{}"/>').format(Markup(_SHAPES[k % len(_SHAPES)])),
                    escaped(kind),
                )
                for k, kind in enumerate(kinds)
                if kind
            )
        )
    return Markup(
        '<figure><figcaption>{}{}</figcaption><svg class="chart" viewBox="0 0 {} {}" role="img">'
        "<title>{}</title><desc>{}</desc>{}{}</svg>{}</figure>\n"
    ).format(
        escaped(title),
        small,
        f"{WIDTH:g}",
        f"{frame.height:g}",
        escaped(title),
        escaped(about),
        frame.drawn(),
        body,
        legend,
    )


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

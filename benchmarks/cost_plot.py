"""Small log-log charts as SVG, so that no plotting library is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 300, 210, 52, 28, 12, 36
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
ROWS = (("cpu_seconds", "CPU seconds"), ("peak_mib", "peak MiB"))

Curves = Mapping[str, Mapping[int, Mapping[str, Mapping[str, float]]]]
"""What is varied -> size -> command -> cost by name."""


def plot(curves: Curves, commands: Sequence[str]) -> str:
    """Return an SVG with a column for each thing that is varied and a row for time and memory."""
    width, height = WIDTH * len(curves), HEIGHT * len(ROWS) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for column, (what, curve) in enumerate(curves.items()):
        for row, (cost, label) in enumerate(ROWS):
            lines = {command: {n: point[command][cost] for n, point in curve.items()} for command in commands}
            chart = _chart(lines, f"{label} against {what}")
            parts.append(f'<g transform="translate({column * WIDTH},{row * HEIGHT})">{chart}</g>')
    for place, command in enumerate(commands):
        x, y = LEFT + 130 * place, height - 10
        parts.append(f'<path d="M{x} {y - 4}h22" stroke="{COLOURS[place]}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 28}" y="{y}">{command}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _chart(lines: Mapping[str, Mapping[int, float]], title: str) -> str:
    xs = [n for line in lines.values() for n in line]
    ys = [max(y, 1e-3) for line in lines.values() for y in line.values()]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)) + 1e-9)

    def x_of(n: float) -> float:
        span = math.log(max(xs) / min(xs)) or 1.0
        return LEFT + math.log(n / min(xs)) / span * (WIDTH - LEFT - RIGHT - 8)

    def y_of(value: float) -> float:
        span = math.log(high / low) or 1.0
        return HEIGHT - BOTTOM - math.log(max(value, 1e-3) / low) / span * (HEIGHT - TOP - BOTTOM)

    parts = [f'<text x="{LEFT}" y="16" font-weight="bold">{title}</text>']
    tick = low
    while tick <= high * 1.001:
        parts.append(f'<path d="M{LEFT} {y_of(tick):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y_of(tick) + 4:.1f}" text-anchor="end">{tick:,.10g}</text>')
        tick *= 10
    below = HEIGHT - BOTTOM + 15
    parts += [f'<text x="{x_of(n):.1f}" y="{below}" text-anchor="middle">{_short(n)}</text>' for n in sorted(set(xs))]
    for colour, line in zip(COLOURS, lines.values(), strict=False):
        points = " ".join(f"{x_of(n):.1f},{y_of(value):.1f}" for n, value in line.items())
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x_of(n):.1f}" cy="{y_of(v):.1f}" r="2.5" fill="{colour}"/>' for n, v in line.items()]
    return "".join(parts)


def _short(n: int) -> str:
    if n >= 1_000_000:
        return f"{n / 1_000_000:g}M"
    return f"{n / 1000:g}k" if n >= 1000 else str(n)

"""The page of two runs beside each other."""

from __future__ import annotations

import math

from kgrec.evaluate.runs import PAIRED, FigureDifference, RunComparison
from kgrec.report import Bar, Section, bar_plot, details, facts, grid, page, paragraph, table
from kgrec.report.blocks import change, span, text_of
from kgrec.report.results import FALLING, SURE, meaning

UNSURE = "no difference shown"
"""The difference may be chance."""


def verdict(figure: FigureDifference) -> str:
    """Say in a word or two what the difference amounts to."""
    if figure.how != PAIRED:
        return figure.how
    if not figure.p_holm <= SURE:
        return UNSURE
    return "higher" if figure.difference > 0 else "lower"


def comparison_page(found: RunComparison) -> str:
    """Return the page of a comparison: one HTML file that stands alone."""
    systems = list(dict.fromkeys(figure.system for figure in found.figures))
    sections = [_summary(found, systems[0])]
    sections += [_system(found, system) for system in systems]
    sections.append(_changed(found))
    return page("Two runs beside each other", sections, lead=f"A: {found.a} · B: {found.b}", footer="Made by kgrec.")


def _summary(found: RunComparison, first: str) -> Section:
    main = main_figure(found)
    how = (
        "Both runs asked the same users for the same likes, so differences are taken user by user; p is of the "
        "paired permutation test, corrected for all figures of the same system by Holm's method."
        if found.paired
        else f"Differences cannot be taken user by user: {found.why_not}. "
        "Intervals that do not overlap differ; of those that do, nothing is known."
    )
    blocks: list[object] = [paragraph(how)]
    if main is not None:
        told = {"A": f"{main.a[0]:.4f} ({span(*main.a[1:])})", "B": f"{main.b[0]:.4f} ({span(*main.b[1:])})"}
        gap = f"{main.difference:+.4f}" + (f" ({span(main.low, main.high)})" if math.isfinite(main.low) else "")
        blocks.append(facts({f"{main.metric} of {first}": verdict(main), **told, "B minus A": gap}))
    for run, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            blocks.append(paragraph(f"Only in {run}: {', '.join(names)}.", quiet=True))
    return Section("In short", blocks)


def _system(found: RunComparison, system: str) -> Section:
    figures = [figure for figure in found.figures if figure.system == system]
    header = ["figure", "A", "95 % of A", "B", "95 % of B", "B − A", "95 % interval", "in per cent"]
    lines = [
        [
            f.metric,
            f.a[0],
            span(*f.a[1:]),
            f.b[0],
            span(*f.b[1:]),
            _signed(f.difference),
            span(f.low, f.high),
            change(f.b[0], f.a[0]),
            f"{f.p_holm:.3f}" if math.isfinite(f.p_holm) else "",
            verdict(f),
        ]
        for f in figures
    ]
    right = ["95 % of A", "95 % of B", "B − A", "95 % interval", "in per cent", "p"]
    made = table(
        [*header, "p", "B is"],
        lines,
        caption=f"{system}: A and B with 95 % intervals, and their difference",
        right=right,
    )
    relative = [f for f in figures if f.how == PAIRED and f.a[0]]
    bars = [Bar(f.metric, 100 * f.difference / f.a[0], 100 * f.low / f.a[0], 100 * f.high / f.a[0]) for f in relative]
    blocks: list[object] = [made]
    if bars:
        plot = bar_plot(bars, title="B against A", x_label="difference in per cent of A, 95 % interval", zero=False)
        blocks.insert(0, grid(plot))
    words = {f.metric: meaning(f.metric) for f in figures if meaning(f.metric)}
    lower = ", ".join(name for name in words if name.partition("@")[0] in FALLING)
    note = f"Of {lower} less is mostly wanted." if lower else ""
    if words:
        blocks.append(details("What the figures mean", facts(words), paragraph(note, quiet=True)))
    return Section(f"System {system}" if found.kind == "lists" else system, blocks)


def _signed(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:+.4f}" if abs(value) < 10 else f"{value:+,.1f}"


def _changed(found: RunComparison) -> Section:
    if not found.changed:
        return Section("What differs", [paragraph("Nothing: settings, data, seeds and versions are the same.")])
    lines = [[one.what, _written(one.a), _written(one.b)] for one in found.changed]
    return Section("What differs", [table(["setting", "A", "B"], lines, caption="Settings, data, versions")])


def _written(value: object) -> str:
    return "–" if value is None else text_of(value) if not isinstance(value, dict) else str(value)


def main_figure(found: RunComparison) -> FigureDifference | None:
    """Return the figure that the first system is known by: NDCG at the longest list both have, or the RMSE."""
    first = [f for f in found.figures if f.system == found.figures[0].system]
    ndcg = [f for f in first if f.metric.startswith("ndcg@") and f.metric.partition("@")[2].isdigit()]
    return max(ndcg, key=lambda f: int(f.metric.partition("@")[2]), default=first[0])

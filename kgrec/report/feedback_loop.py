"""The page of the feedback loop: how lists drift from round to round, with and without re-rankers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from kgrec.evaluate.plan import AS_RANKED
from kgrec.evaluate.records import SimulationRecord
from kgrec.report import Section, Series, facts, grid, line_plot, paragraph, table
from kgrec.report.blocks import change, span, text_of

MEANINGS = {
    "clicks": "Clicks that a list brings. It falls by nature: what people like best is soon behind them.",
    "popularity": "How many people liked the average listed item when the loop began.",
    "bestsellers": "Share of the places that belong to the items which had half of all likes when the loop began.",
    "coverage": "Share of the catalogue that is shown to somebody in the round.",
    "gini": "How unequally the places are handed out: 0 is equally, near 1 when a few items take nearly all.",
    "overlap": "Share of their items that two people's lists have in common.",
    "diversity": "How different the items of a list are from each other: 0 when all are alike.",
    "miscalibration": "How far the mix of categories is from what the person liked when the loop began.",
}
"""What each figure says, in a sentence for everybody; docs/evaluation.md says more."""

QUESTIONS = (
    ("Do the rich get richer?", ("popularity", "bestsellers", "coverage", "gini"),
     "Rising popularity, bestsellers and Gini, or falling coverage, say that what is known already crowds out the "
     "rest."),
    ("Does everybody get the same?", ("overlap", "diversity"),
     "Rising overlap says that people's lists grow alike; falling diversity, that the items of one list do."),
    ("Does a bubble form?", ("miscalibration",),
     "Rising says that lists leave the mix of categories that people came with, or shrink it."),
    ("What do people get out of it?", ("clicks",),
     "The re-rankers cost clicks where their line is below the other."),
)  # fmt: skip
"""Title, figures, and how to read them."""

GAP = "gap "
"""Begins the names of the gaps between groups."""


def summary(record: SimulationRecord) -> Section:
    """Say what was run, and what came of it in a sentence a system."""
    plan = record.plan
    named = {
        "rounds": plan.rounds,
        "length of the lists": plan.k,
        "seeds": text_of(plan.seeds),
        "share of likes held back": f"{plan.fraction:.0%}",
        "re-rankers": text_of(plan.rerank) if plan.rerank else None,
        "users": text_of(record.users),
        "items": text_of(record.items),
        "likes at the start": text_of(record.start_likes),
        "scorers": text_of(record.scorers),
    }
    told = [paragraph(sentence) for sentence in _answers(record)]
    how = (
        "Simulated people have a taste that is learned from all of their likes. In every round they get a list, look "
        "at its top more than at its end and click what they like of it; clicks become likes, and all scorers are "
        "fitted again. Their taste never changes, and nobody sees what is not recommended: this tells how lists "
        "drift, not how people do."
    )
    kept = {name: value for name, value in named.items() if value is not None}
    return Section("In short", [*told, facts(kept), paragraph(how, quiet=True)])


def _answers(record: SimulationRecord) -> list[str]:
    told = []
    for system, figures in record.systems.items():
        said = []
        for name, words in (
            ("bestsellers", "bestsellers' share of the places"),
            ("overlap", "what two lists have in common"),
            ("coverage", "the share of the catalogue that is shown"),
            ("miscalibration", "the distance from people's own mix of categories"),
        ):
            values = [v for v in figures.get(name, ()) if math.isfinite(v)]
            if len(values) > 1 and values[0]:
                said.append(f"{words} {_moves(values)}")
        if said:
            name = "Without re-ranking" if system == AS_RANKED else f"With {system}"
            told.append(f"{name}: {'; '.join(said)}.")
    return told


def _moves(values: Sequence[float]) -> str:
    share = values[-1] / values[0] - 1
    if abs(share) < 0.01:
        return f"stays at {values[-1]:.3f}"
    return f"{'rises' if share > 0 else 'falls'} from {values[0]:.3f} to {values[-1]:.3f} ({share:+.0%})"


def drifts(record: SimulationRecord) -> list[Section]:
    """Draw every figure over the rounds, a section for each question."""
    names = list(dict.fromkeys(name for figures in record.systems.values() for name in figures))
    found = []
    for title, wanted, reading in QUESTIONS:
        shown = [_plot(record, name) for name in wanted if name in names]
        if shown:
            found.append(Section(title, [paragraph(reading), grid(*shown), _table(record, wanted)]))
    gaps = [name for name in names if name.startswith(GAP)]
    if gaps:
        reading = (
            "By so many clicks a list the group that clicks most is ahead of the one that clicks least; nearer to 0 is "
            "fairer."
        )
        plots = [_plot(record, name) for name in gaps]
        found.append(Section("Who is left behind?", [paragraph(reading), grid(*plots), _table(record, gaps)]))
    return found


def _plot(record: SimulationRecord, name: str) -> Markup:
    lines = []
    for system, figures in record.systems.items():
        if name not in figures:
            continue
        spans = _spans(record, system, name)
        lows, highs = [low for low, _ in spans], [high for _, high in spans]
        rounds = [float(k) for k in record.rounds]
        lines.append(Series(system, rounds, figures[name], lows, highs))
    return line_plot(lines, title=name, x_label="round", y_label=name, note=MEANINGS.get(name, ""))


def _spans(record: SimulationRecord, system: str, name: str) -> list[tuple[float, float]]:
    return [pair or (math.nan, math.nan) for pair in record.intervals[system][name]]


def _table(record: SimulationRecord, wanted: Sequence[str]) -> Markup:
    several = len(record.plan.seeds) > 1
    lines: list[list[object]] = []
    for name in wanted:
        for system, figures in record.systems.items():
            if name not in figures:
                continue
            values = figures[name]
            last = span(*_spans(record, system, name)[-1])
            row = [name, system, values[0], values[-1], *([last] if several else [])]
            lines.append([*row, change(values[-1], values[0])])
    header = ["figure", "lists", "first round", "last round", *(["95 % interval"] if several else []), "change"]
    note = "over seeds" if several else "one seed: nothing is known of chance"
    caption = f"First and last round, means over people ({note})"
    return table(header, lines, caption=caption, right=["95 % interval", "change"])

"""Pages about generated texts: how good they are, and what readers made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kgrec.evaluate.records import JudgedText, TextsRecord, VariantFigures, Verdict
from kgrec.evaluate.responses import FEW
from kgrec.report import Bar, Section, bar_plot, facts, listing, number, page, paragraph, table
from kgrec.significance import Interval

if TYPE_CHECKING:
    from kgrec.evaluate.responses import FeedbackEvaluation, ResponseGroup
    from kgrec.significance import Interval

TITLES = {
    "all": "All texts",
    "kind": "By kind",
    "language": "By language",
    "model": "By the model that wrote them",
    "variant": "By variant of the prompt",
}


def feedback_page(found: FeedbackEvaluation) -> str:
    """Return what readers did as one HTML page."""
    lead = f"{found.texts} texts on record; a reader has {found.window_hours:g} hours to react"
    return page("What readers made of the texts", feedback_sections(found), lead=lead)


def feedback_sections(found: FeedbackEvaluation) -> list[Section]:
    """Return the sections, to be put on a page with others."""
    left_out = facts(
        {
            "exposures too young to be judged": found.pending,
            "clicks and conversions after the window": found.late,
            "events of texts that were never shown": found.unshown,
        }
    )
    if not found.groups or not found.groups[0].shown:
        return [Section("Too little data", [paragraph("No exposure is old enough to be judged."), left_out])]
    sections = []
    for by, title in TITLES.items():
        groups = [group for group in found.groups if group.by == by]
        if len(groups) == 1 and by not in ("all", "variant"):
            continue  # it is all there is
        blocks: list[object] = [_responses_table(by, groups, found)]
        if len(groups) > 1:
            bars = [Bar(_group_label(g), g.ctr.mean, g.ctr.low, g.ctr.high) for g in groups if g.ctr.n]
            blocks.append(bar_plot(bars, title="Clicks an exposure", x_label="CTR"))
        sections.append(Section(title, blocks))
    sections.append(Section("What does not count", [left_out, paragraph(_NOTE, quiet=True)]))
    return sections


def _group_label(group: ResponseGroup) -> str:
    """Return a label whose first letters tell groups apart."""
    v = group.values
    return f"{v['variant']} · {v['kind']}.{v['lang']} · {v['asked']}" if group.by == "variant" else group.label


_NOTE = (
    "An exposure is a text before a reader; shown again while they may still react, it is the same one. Intervals are "
    "95 %: Wilson's where each reader has one exposure, otherwise from resampled readers. Best: how likely it is that "
    "the variant has the highest rate of its kind, language and model."
)


def _responses_table(by: str, groups: list[ResponseGroup], found: FeedbackEvaluation) -> object:
    header = [by, "shown", "readers", "CTR", "conversion", "dwell, seconds", "rating", "edited"]
    best = by == "variant" and bool(found.best)
    rows = [
        [
            group.label + ("" if group.enough else " *"),
            group.shown,
            group.readers,
            _rate(group.ctr),
            _rate(group.conversion),
            _mean(group.dwell),
            _mean(group.rating),
            group.edited,
            *([_percent(found.best.get(group.label))] if best else []),
        ]
        for group in groups
    ]
    right = ("CTR", "conversion", "dwell, seconds", "rating", "best")
    note = f"* too little data: fewer than {FEW} readers" if any(not group.enough for group in groups) else ""
    return table([*header, *(["best"] if best else [])], rows, caption=note, right=right)


def _rate(interval: Interval) -> str:
    return f"{interval.mean:.1%} ({interval.low:.1%} to {interval.high:.1%})" if interval.n else "–"


def _mean(interval: Interval) -> str:
    return f"{interval.mean:.1f} ({interval.low:.1f} to {interval.high:.1f})" if interval.n else "–"


def _percent(probability: float | None) -> str:
    return "–" if probability is None else f"{probability:.0%}"


EXAMPLES = 5
"""Texts of each sort that are shown: the first ones, not chosen ones."""

SHARES = {
    "written": "wrote something",
    "faithful": "faithful by the guards",
    "checked": "faithful by the second check",
    "passed": "pass every guard",
    "repaired": "second drafts",
    "fallback": "left to the template",
    "picked": "readers picked out, by terms",
    "picked_by_meaning": "readers picked out, by meaning",
    "differ": "pairs of readers told something else",
    "coverage": "facts covered",
}
"""Figures that are shares, and what they are called."""

OTHERS = {
    "length": "words a text",
    "self_bleu": "self-BLEU",
    "perplexity": "perplexity",
    "seconds": "seconds a text",
    "tokens": "tokens a text, drafts included",
}


def quality_page(found: TextsRecord) -> str:
    """Return how good texts are, with examples, as one HTML page."""
    kind, seed = found.text_kind, found.plan.seed
    about = f"{found.readers} texts a variant, of the kind {kind}, language {found.language}, seed {seed}"
    personal = f"; readers in {found.groups} groups who are all recommended the same item" if found.groups > 1 else ""
    sections = [
        Section("Figures", [paragraph(_about_figures()), _table(found), *_remarks(found)]),
        Section("Truth", [_bars(found, ("faithful", "checked"), "Share of texts with nothing unsupported")]),
    ]
    if any(v.picked.n for v in found.variants):
        sections.append(
            Section(
                "Readers", [_bars(found, ("picked", "differ"), "Readers picked out, and pairs told something else")]
            )
        )
    sections += [Section(f"Texts: {figures.name}", list(_texts(found, figures))) for figures in found.variants]
    return page("How good are the texts?", sections, lead=about + personal)


def _about_figures() -> str:
    return (
        "Means with 95 % intervals over texts (over groups of readers, where readers are picked out). Faithful by the "
        "guards: no name, number or claim that the facts do not hold. The second check looks names, numbers, relations "
        "and counts up in the tables and the graph by code of its own. A reader is picked out where the text written "
        "for them is, among those for the others, most like their profile."
    )


def _table(found: TextsRecord) -> Any:
    rows: list[list[object]] = []
    for name, called in {**SHARES, **OTHERS}.items():
        values: list[Interval] = [getattr(v, name) for v in found.variants]
        if any(value.n for value in values):
            rows.append([called, *(shown(value, share=name in SHARES) for value in values)])
    for name, called in (
        ("distinct_1", "distinct-1"),
        ("distinct_2", "distinct-2"),
        ("tokens_a_second", "tokens a second"),
        ("texts_a_second", "texts a second"),
    ):
        rows.append([called, *(number(getattr(v, name)) for v in found.variants)])
    names = [v.name for v in found.variants]
    return table(["figure", *names], rows, caption="Figures by variant", right=names)


def shown(value: Interval, *, share: bool) -> str:
    """Write a figure with its interval: ``70.8 % (65.1 to 76.3)``."""
    if not value.n:
        return "–"
    mean, low, high = (100 * x if share else x for x in (value.mean, value.low, value.high))
    if share:
        return f"{mean:.1f} % ({low:.1f} to {high:.1f})"
    return f"{_short(mean)} ({_short(low)} to {_short(high)})"


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _remarks(found: TextsRecord) -> Iterator[Any]:
    models = {v.name: v.model for v in found.variants}
    yield facts(
        {
            **{f"written by, {name}": model for name, model in models.items()},
            "facts collected in, a text": f"{found.seconds_of_facts * 1000:.0f} ms",
            "most memory held": f"{found.peak_memory:.0f} MiB",
        }
    )
    for note in found.notes:
        yield paragraph(note, quiet=True)


def _bars(found: TextsRecord, names: Sequence[str], title: str) -> Any:
    bars = [
        Bar(v.name, value.mean, value.low, value.high, SHARES[name])
        for v in found.variants
        for name in names
        if (value := getattr(v, name)).n
    ]
    return bar_plot(bars, title=title) if bars else paragraph("nothing was measured", quiet=True)


def _texts(found: TextsRecord, figures: VariantFigures) -> Iterator[Any]:
    rows = list(zip(found.titles, found.texts[figures.name], strict=True))
    good = [row for row in rows if row[1].text and not _wrong(row[1].verdict) and not row[1].fallback]
    bad = [row for row in rows if row[1].text and _wrong(row[1].verdict)]
    replaced = [row for row in rows if row[1].fallback]
    empty = sum(not row[1].text for row in rows)
    yield paragraph(
        f"{len(good)} with nothing against them, {len(bad)} that a guard or the second check objects to, "
        f"{len(replaced)} left to the template, {empty} empty. Shown are the first of each sort."
    )
    for called, chosen in (("Nothing against them", good), ("Objected to", bad), ("Left to the template", replaced)):
        if chosen:
            yield table(["about", "text", "against it"], [_row(*row) for row in chosen[:EXAMPLES]], caption=called)


def _wrong(verdict: Verdict) -> bool:
    return bool(verdict.guards or verdict.form or verdict.checker)


def _row(title: str, written: JudgedText) -> list[object]:
    verdict = written.verdict
    against = [*verdict.guards, *verdict.form, *(f"second check: {note}" for note in verdict.checker)]
    against += [f"drafts: {note}" for note in written.refused[:4]]
    return [title, written.text, listing(against) if against else ""]

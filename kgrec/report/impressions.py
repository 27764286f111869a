"""What is said of what was shown, where the data tells it: what was clicked, and what showing changes."""

from __future__ import annotations

from kgrec.evaluate.lists_record import ListsRecord
from kgrec.report import Section, paragraph, table
from kgrec.report.record import span, text_of


def uplift(record: ListsRecord) -> Section | None:
    """Show how often things are liked when shown and when not, on average and for what is in the lists."""
    found = record.uplift
    if found is None:
        return None
    rows = [("anything", found.everywhere)]
    for system, by_k in found.at.items():
        rows += [(f"top {k} of {system}", effect) for k, effect in by_k.items()]
    lines = []
    for name, effect in rows:
        shown, unshown, gap = effect.shown.mean, effect.unshown.mean, effect.uplift
        lines.append([name, shown, unshown, gap.mean, span(gap.low, gap.high), float(effect.n_shown)])
    header = ["liked when", "shown", "not shown", "uplift", "95 % interval", "pairs shown"]
    text = (
        "The uplift is the likes that showing causes, not those that people would have found anyway: share liked when "
        "shown minus share liked when not, each pair of a person and an item weighed by the inverse of how likely it "
        f"was to be shown. Uncorrected, the difference is {found.naive:.4f}."
    )
    caption = "What was shown and liked after training"
    return Section("What showing changes", [paragraph(text), table(header, lines, caption=caption, right=header[1:])])


def clicks(record: ListsRecord) -> Section | None:
    """Show whether what was clicked is scored above what was only shown."""
    found = record.clicks
    if found is None or not found.systems:
        return None
    names = list(dict.fromkeys(name for figures in found.systems.values() for name in figures))
    lines = []
    for system, figures in found.systems.items():
        values = [figures[name] for name in names]
        lines.append([system, *(f"{value.mean:.4f} ({span(value.low, value.high)})" for value in values)])
    text = (
        f"Of {text_of(found.shown)} showings to {text_of(found.users)} people, "
        f"{text_of(found.clicked)} were clicked. AUC is over all showings together: how often a clicked one is "
        f"scored above one that was not. The others are means over {text_of(found.groups)} groups of "
        f"{found.by}. In brackets: 95 % intervals over people."
    )
    header = ["system", *names]
    caption = "Is what was clicked scored above what was only shown?"
    return Section("What was clicked", [paragraph(text), table(header, lines, caption=caption, right=header[1:])])

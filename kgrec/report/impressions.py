"""What is said of what was shown, where the data tells it: what was clicked, and what showing changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgrec.report import Section, paragraph, table
from kgrec.report.record import interval, mapping, real, span, text_of


def uplift(document: Mapping[str, Any]) -> Section | None:
    """Show how often things are liked when shown and when not, on average and for what is in the lists."""
    found = mapping(document.get("uplift"))
    if not found:
        return None
    rows = [("anything", mapping(found.get("everywhere")))]
    for system, by_k in mapping(found.get("at")).items():
        rows += [(f"top {k} of {system}", mapping(effect)) for k, effect in mapping(by_k).items()]
    lines = []
    for name, effect in rows:
        shown, unshown, gap = (interval(effect.get(key)) for key in ("shown", "unshown", "uplift"))
        lines.append([name, shown[0], unshown[0], gap[0], span(*gap[1:]), real(effect.get("n_shown"))])
    header = ["liked when", "shown", "not shown", "uplift", "95 % interval", "pairs shown"]
    text = (
        "The uplift is the likes that showing causes, not those that people would have found anyway: share liked when "
        "shown minus share liked when not, each pair of a person and an item weighed by the inverse of how likely it "
        f"was to be shown. Uncorrected, the difference is {real(found.get('naive')):.4f}."
    )
    caption = "What was shown and liked after training"
    return Section("What showing changes", [paragraph(text), table(header, lines, caption=caption, right=header[1:])])


def clicks(document: Mapping[str, Any]) -> Section | None:
    """Show whether what was clicked is scored above what was only shown."""
    found = mapping(document.get("clicks"))
    systems = mapping(found.get("systems"))
    if not systems:
        return None
    names = list(dict.fromkeys(name for figures in systems.values() for name in mapping(figures)))
    lines = []
    for system, figures in systems.items():
        values = [interval(mapping(figures).get(name)) for name in names]
        lines.append([system, *(f"{mean:.4f} ({span(low, high)})" for mean, low, high in values)])
    text = (
        f"Of {text_of(found.get('shown'))} showings to {text_of(found.get('users'))} people, "
        f"{text_of(found.get('clicked'))} were clicked. AUC is over all showings together: how often a clicked one is "
        f"scored above one that was not. The others are means over {text_of(found.get('groups'))} groups of "
        f"{found.get('by')}. In brackets: 95 % intervals over people."
    )
    header = ["system", *names]
    caption = "Is what was clicked scored above what was only shown?"
    return Section("What was clicked", [paragraph(text), table(header, lines, caption=caption, right=header[1:])])

"""What showing an item changes, where the data tells what was shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kgrec.evaluate.html.reading import interval, mapping, real, span
from kgrec.pages import Section, paragraph, table


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

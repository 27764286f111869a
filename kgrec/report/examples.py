"""Lists of a few users, drawn at random, with the reason for each item."""

from __future__ import annotations

from markupsafe import Markup

from kgrec.evaluate.lists_record import Example, ListsRecord
from kgrec.report import Section, escaped, joined, paragraph, table
from kgrec.report.record import text_of


def examples(record: ListsRecord) -> Section | None:
    """Show what the figures are about."""
    found = record.charts.examples
    if not found:
        return None
    text = (
        "These people were drawn at random, not chosen. A list is what the whole hybrid would have shown them; "
        "✓ marks what they turned out to like and the system could not know."
    )
    return Section("Examples", [paragraph(text), *(_one(example) for example in found)])


def _one(example: Example) -> Markup:
    hits = sum(item.hit for item in example.items)
    head = Markup("<h3>User {}</h3>").format(escaped(example.user))
    latest = text_of(example.latest) if example.latest else "nothing"
    known = paragraph(f"Known likes: {text_of(example.likes)}, the latest: {latest}.")
    lines = [[place + 1, item.title, "✓" if item.hit else "", item.reason] for place, item in enumerate(example.items)]
    were = "like was" if example.hidden == 1 else "likes were"
    caption = f"{hits} of the first {len(example.items)} are right; {text_of(example.hidden)} {were} hidden"
    return joined([head, known, table(["", "item", "right", "because"], lines, caption=caption)])

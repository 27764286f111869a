"""Lists of a few users, drawn at random, with the reason for each item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from kgrec.report import Section, escaped, joined, paragraph, table
from kgrec.report.record import mapping, rows, text_of


def examples(document: Mapping[str, Any]) -> Section | None:
    """Show what the figures are about."""
    found = rows(mapping(document.get("pictures")).get("examples"))
    if not found:
        return None
    text = (
        "These people were drawn at random, not chosen. A list is what the whole hybrid would have shown them; "
        "✓ marks what they turned out to like and the system could not know."
    )
    return Section("Examples", [paragraph(text), *(_one(example) for example in found)])


def _one(example: Mapping[str, Any]) -> Markup:
    items = rows(example.get("items"))
    hits = sum(bool(item.get("hit")) for item in items)
    head = Markup("<h3>User {}</h3>").format(escaped(example.get("user")))
    latest = text_of(example.get("latest")) if example.get("latest") else "nothing"
    known = paragraph(f"Known likes: {text_of(example.get('likes'))}, the latest: {latest}.")
    lines = [
        [place + 1, item.get("title") or item.get("item_id"), "✓" if item.get("hit") else "", item.get("reason") or ""]
        for place, item in enumerate(items)
    ]
    hidden = example.get("hidden")
    were = "like was" if hidden == 1 else "likes were"
    caption = f"{hits} of the first {len(items)} are right; {text_of(hidden)} {were} hidden"
    return joined([head, known, table(["", "item", "right", "because"], lines, caption=caption)])

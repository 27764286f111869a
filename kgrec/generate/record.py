"""Generated texts as records: for JSON, files and the command line."""

from __future__ import annotations

from typing import Any

from kgrec.plugin.generation import Fact, GeneratedText, Violation

RECORD_FIELDS = ("text", "kind", "lang", "user_id", "item_ids")
"""By which a file of texts is known as one; the first field stands first in each line."""


def to_record(text: GeneratedText) -> dict[str, Any]:
    """Return a text and how it came to be, as JSON values."""
    return {
        "text": text.text,
        "kind": text.kind,
        "lang": text.language,
        "model": text.model,
        "user_id": text.user_id or None,
        "item_ids": list(text.item_ids),
        "facts": [fact_record(fact) for fact in text.facts],
        "topics": list(text.topics),
        "violations": [violation_record(violation) for violation in text.violations],
        "repaired": text.repaired,
        "fallback": text.fallback,
        "seconds": text.seconds,
        "prompt": text.prompt or None,
        "variant": text.variant,
        "note": text.note or None,
        "text_id": text.text_id,
    }


def fact_record(fact: Fact) -> dict[str, Any]:
    """Return a fact as JSON values."""
    return {
        "id": fact.id,
        "type": fact.type,
        "name": fact.name,
        "value": f"{fact.value} {fact.unit}".strip(),
        "source": fact.source,
    }


def violation_record(violation: Violation) -> dict[str, Any]:
    """Return a violation as JSON values."""
    return {"guard": violation.guard, "message": violation.message, "text": violation.text or None}

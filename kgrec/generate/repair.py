"""What can be saved of a draft, and what it lacks for its reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

from kgrec.generate.language import beside, length
from kgrec.generate.spans import spans_of
from kgrec.generate.template import PERSONAL, phrases_of
from kgrec.plugin.generation import TextRequest, Violation

LONGEST = 6
"""Sentences of a draft that are looked through; there are two to the power of so many ways to shorten it."""

SHORTEST = 6
"""Words (characters) of what is left; less is no text."""

MENDED = ("claims", "entities", "numbers", "copying", "repetition", "length")
"""Guards whose faults are in single sentences."""

ROOM = {"en": 12, "zh": 20}
"""Words (characters) that a sentence for the reader needs."""

_END = re.compile(r"(?<=[.!?…])(?<!\b[A-Z]\.)(?<!\b(?:Mr|Dr|Ms|St|Jr|Sr|vs|No)\.)(?<!\bMrs\.)\s+|(?<=[。！？；])")


def shortened(text: str, request: TextRequest, check: Callable[[str], Sequence[Violation]]) -> str:
    """Return the longest text that passes and is the draft without some of its sentences, or nothing.

    What is said twice is said once, and a sentence that the model did not finish is left out.

    A draft that tries to steer its reader, or to tell secrets, is not mended: all of it is suspect.

    Args:
        text: a draft.
        request: what was to be written; no name of its facts is cut in two.
        check: asks the guards.
    """
    whole = _sentences(text, request)
    if len(whole) < 2 or any(found.guard not in MENDED for found in check(text)):
        return ""
    finished = [part for part in whole if re.search(r"[.!?…。！？][”\"」』]?$", part)]
    parts = list(dict.fromkeys(finished))[:LONGEST]
    for size in range(len(parts), 0, -1):
        for kept in combinations(parts, size):
            shorter = _joined(kept, request.language)
            if shorter != text and length(shorter, request.language) >= SHORTEST and not check(shorter):
                return shorter
    return ""


def _sentences(text: str, request: TextRequest) -> list[str]:
    inside = [(span.start, span.end) for span in spans_of(text, request.facts)]
    ends = [m.end() for m in _END.finditer(text) if not any(start < m.start() < end for start, end in inside)]
    return [part for a, b in zip([0, *ends], [*ends, len(text)], strict=True) if (part := text[a:b].strip())]


def _joined(parts: Sequence[str], language: str) -> str:
    joined = parts[0]
    for part in parts[1:]:
        joined = beside(joined, part) if language == "zh" else f"{joined} {part}"
    return joined


def for_reader(request: TextRequest) -> TextRequest | None:
    """Return a request for a sentence about the reader alone, or None where the kind or the facts have none."""
    own = tuple(fact for fact in request.facts if fact.type in ("history", "interest", "reason"))
    phrases = phrases_of(request)
    personal = phrases is not None and any(needs & PERSONAL for part in phrases.sections for needs in part.needs)
    if not personal or not request.kind.personal or request.kind.max_items > 1:
        return None
    return replace(request, facts=own) if any(fact.type == "history" for fact in own) else None


def speaks_to_reader(request: TextRequest, text: str) -> bool:
    """Say whether a text names an item of the reader's history."""
    return any(fact.type == "history" for span in spans_of(text, request.facts) for fact in span.facts)


def has_room(request: TextRequest, text: str) -> bool:
    """Say whether a sentence can be put behind a text."""
    longest = request.kind.max_length.get(request.language, 10**6)
    return length(text, request.language) + ROOM.get(request.language, 12) <= longest


def with_sentence(text: str, sentence: str, language: str) -> str:
    """Put a sentence behind a text."""
    ended = text if re.search(r"[.!?…。！？]$", text) else text + ("。" if language == "zh" else ".")
    return _joined((ended, sentence), language)

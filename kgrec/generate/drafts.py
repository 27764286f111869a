"""Which draft of several is shown, what can be saved of one with faults, and what one lacks for its reader."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from kgrec.generate.names import spans_of
from kgrec.generate.template import PERSONAL, phrases_of
from kgrec.languages.language import get_language
from kgrec.plugin.generation import TextChange, TextRequest, Violation
from kgrec.text.tokens import tokenize

Check = Callable[[str], Sequence[Violation]]
"""Asks the guards about a text."""

WEIGHTS: Mapping[str, float] = {"coverage": 0.35, "fit": 0.3, "fluency": 0.2, "diversity": 0.15}
"""How much each criterion counts; all lie between 0 and 1."""

ENOUGH = 4
"""A text that names so many different facts covers enough."""

OWN = 0.75
"""Share of the fit to the profile that the items of the reader's history make up."""


def scores(request: TextRequest, texts: Sequence[str], likelihoods: Sequence[float]) -> list[dict[str, float]]:
    """Judge candidates.

    Args:
        request: what was to be written.
        texts: candidates.
        likelihoods: mean log probability of a token of each, NaN where the model cannot tell.

    Returns:
        For each candidate the criteria of :data:`WEIGHTS` and ``total``.
    """
    found = []
    for text, likelihood in zip(texts, likelihoods, strict=True):
        row = {
            "coverage": coverage(request, text),
            "fit": fit(request, text),
            "fluency": 0.5 if math.isnan(likelihood) else math.exp(min(likelihood, 0.0)),
            "diversity": 1.0 - max((overlap(text, shown) for shown in request.shown), default=0.0),
        }
        row["total"] = sum(WEIGHTS[name] * value for name, value in row.items())
        found.append(row)
    return found


def settled(request: TextRequest, text: str) -> bool:
    """Say whether a draft is good enough: it covers enough facts, and it is its reader's own."""
    return coverage(request, text) == 1.0 and fit(request, text) >= OWN


def coverage(request: TextRequest, text: str) -> float:
    """Return the share of facts that the text names, of as many as a text can be expected to."""
    named = {fact.id for span in spans_of(text, request.facts) for fact in span.facts}
    due = min(ENOUGH, sum(fact.type != "text" for fact in request.facts))
    return min(1.0, len(named) / due) if due else 0.0


def fit(request: TextRequest, text: str) -> float:
    """Return how much a text is this reader's own.

    Items of the history that it names make up :data:`OWN` of it, two of them (or the only one that it could name) all
    of that: nothing tells one reader from another as they do. The rest is the user's interests that it speaks of, by
    weight; those among the facts in full.
    """
    facts = {fact for span in spans_of(text, request.facts) for fact in span.facts}
    known = {fact.value for fact in facts if fact.type == "history"}
    due = min(2, len({fact.value for fact in request.facts if fact.type == "history"}))
    words = set(tokenize(text).folded)
    total = sum(interest.weight for interest in request.interests)
    met = sum(i.weight for i in request.interests if set(tokenize(i.name).folded) <= words)
    shared = any(fact.type in ("reason", "interest") for fact in facts)
    return OWN * min(1.0, len(known) / max(due, 1)) + (1 - OWN) * (1.0 if shared else met / total if total else 0.0)


def overlap(first: str, second: str) -> float:
    """Return the share of words that two texts have in common (Jaccard)."""
    a, b = set(tokenize(first).folded), set(tokenize(second).folded)
    return len(a & b) / len(a | b) if a | b else 0.0


LONGEST = 12
"""Sentences of a draft that are looked through."""

SHORTEST = 6
"""Words (characters) of what is left; less is no text."""

LOCAL = ("claims", "entities", "numbers", "copying", "repetition", "length", "judge")
"""Guards whose faults are in single sentences."""

_END = re.compile(
    r"(?<=[.!?…])(?<!\b[A-Z]\.)(?<!\b(?:Mr|Dr|Ms|St|Jr|Sr|vs|No)\.)(?<!\bMrs\.)(?<!\d\.(?=\s\w))\s+|(?<=[。！？；])|\n+"
)


def shortened(text: str, request: TextRequest, check: Check) -> tuple[str, tuple[TextChange, ...]]:
    """Return the draft without those of its sentences that guards object to, and what was cut; or nothing.

    What is said twice is said once, and a sentence that the model did not finish is left out.

    A draft that tries to steer its reader, or to tell secrets, is not shortened: all of it is suspect.

    Args:
        text: a draft.
        request: what was to be written; no name of its facts is cut in two.
        check: asks the guards.
    """
    parts = _sentences(text, request)
    if len(parts) < 2 or any(found.guard not in LOCAL for found in check(text)):
        return "", ()
    kept: list[tuple[str, str]] = []
    cut: list[TextChange] = []
    seen: set[str] = set()
    for number, (part, gap) in enumerate(parts):
        why = ""
        if part in seen:
            why = "it was said before"
        elif number >= LONGEST:
            why = "the text is too long"
        elif not re.search(r"[.!?…:。！？；][”“«\"」』]?$", part):
            why = "it is not finished"
        else:
            why = next((found.message for found in check(part) if found.guard in ONE), "")
        seen.add(part)
        if why:
            cut.append(TextChange("cut", part, why))
        else:
            kept.append((part, gap))
    while len(kept) > 1 and (faults := check(_together(kept))):
        cut.append(TextChange("cut", kept[-1][0], faults[0].message))
        kept.pop()
    shorter = _together(kept)
    good = cut and get_language(request.language).size(shorter) >= SHORTEST and not check(shorter)
    return (shorter, tuple(cut)) if good else ("", ())


ONE = ("claims", "entities", "numbers", "copying", "judge")
"""Guards whose faults a sentence has by itself."""


def _together(parts: Sequence[tuple[str, str]]) -> str:
    return "".join(part + gap for part, gap in parts).strip()


def _sentences(text: str, request: TextRequest) -> list[tuple[str, str]]:
    """Return the sentences, each with the space or line end behind it."""
    inside = [(span.start, span.end) for span in spans_of(text, request.facts)]
    ends = [m for m in _END.finditer(text) if not any(start < m.start() < end for start, end in inside)]
    starts = [0, *(m.end() for m in ends)]
    stops = [*((m.start(), m.end()) for m in ends), (len(text), len(text))]
    return [
        (part, text[stop:after])
        for start, (stop, after) in zip(starts, stops, strict=True)
        if (part := text[start:stop].strip())
    ]


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
    pack = get_language(request.language)
    return pack.size(text) + pack.length.sentence <= request.kind.longest(request.language)


def with_sentence(text: str, sentence: str, code: str) -> str:
    """Put a sentence behind a text in the language ``code``."""
    pack = get_language(code)
    ended = text if re.search(r"[.!?…。！？]$", text) else text + pack.punctuation.full_stop
    return pack.joined((ended, sentence))

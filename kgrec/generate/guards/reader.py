"""What a text says of its reader: that they did, saw or like something is a claim, and facts must hold it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kgrec.generate.guards.evidence import Told
from kgrec.generate.guards.patterns import Patterns
from kgrec.generate.guards.synonyms import synonyms_of
from kgrec.generate.names import COVER, PLACE, Span, masked, placed, right_before
from kgrec.plugin.generation import Fact, Violation
from kgrec.text.tokens import sentences, words


def of_the_reader(
    patterns: Patterns, told: Told, facts: Sequence[Fact], spans: Sequence[Span], text: str
) -> Iterator[Violation]:
    """Find what the text says that the reader did or likes, and no fact does.

    A pronoun or a verb without an object speaks of the item that was named last: of an item of the history that is
    fine, if that is what the reader did with it, but the item that is recommended the reader does not know.
    """
    covered = masked(text, spans)
    yield from _named(patterns, spans, text)
    yield from _fond(patterns, facts, spans, text)
    for match in _of_it(patterns, covered):
        if not _did(match["deed"], _last_item(spans, match.start())) and not _by_noun(told, facts, match, covered):
            yield _untold(match[0])
    yield from (_untold(verb) for verb in _other_deeds(patterns, facts, spans, covered))
    for match in patterns.find("writer", covered):
        yield Violation("claims", f"the text speaks of nobody but the reader, not of {match[0]!r}", match[0])
    for match in patterns.find("favourite", covered):
        yield Violation("claims", f"the facts do not say what is {match[0]!r}", match[0])


def _of_it(patterns: Patterns, covered: str) -> Iterator[re.Match[str]]:
    """Yield where the text says that the reader did something with what was named last, or likes it."""
    for one in patterns.family:
        for match in one.find("did_it", covered, mixed=False):
            if not one.search("several", right_before(covered, match.start()), mixed=False):  # "five films you liked"
                yield match
    yield from patterns.find("and_did_it", covered)
    supposed = patterns.any_of("supposed")
    yield from (m for m in patterns.find("likes_it", covered) if (m["before"] or "").strip().lower() not in supposed)


def _named(patterns: Patterns, spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """What the reader is said to have done with items that are named: those items, and no more than that."""
    for match in patterns.find("did", placed(text, spans)):
        for number in map(int, re.findall(PLACE, match["names"])):
            span = spans[number]
            told = any(fact.type == "history" and fact.label for fact in span.facts)
            if not _did(match["deed"], span) and (told or not _shared(span)):
                name = text[span.start : span.end]
                yield Violation("claims", f"the facts do not say that the reader {match['deed']} {name!r}", name)


def _fond(patterns: Patterns, facts: Sequence[Fact], spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """Whom the reader is said to be fond of: what their history or their interests have to do with."""
    shared = {value for fact in facts if fact.type == "history" for value in fact.shares}
    for match in patterns.find("fond", placed(text, spans)):
        for span in (spans[number] for number in map(int, re.findall(PLACE, match["names"]))):
            if not (_known(span) or _shared(span) or any(fact.value in shared for fact in span.facts)):
                yield _untold(match[0].replace(match["names"], text[span.start : span.end]))


def _did(verb: str, span: Span | None) -> bool:
    """Say whether the facts say that the reader did this with an item."""
    labels = [fact.label.lower() for fact in span.facts if fact.type == "history" and fact.label] if span else []
    if any(label.startswith(verb.lower()) or verb.lower().startswith(label) for label in labels):
        return True
    meant = synonyms_of(()).groups(verb)
    return any(meant & synonyms_of(()).groups(label) for label in labels)


def _by_noun(told: Told, facts: Sequence[Fact], match: re.Match[str], covered: str) -> bool:
    """Say whether the reader did this with an item that is called by what it is: "the jacket you picked out"."""
    before = words(covered[max(match.start() - 40, 0) : match.start()])
    meant = told.synonyms.groups(before[-1]) if before else frozenset()
    items = (fact for fact in facts if fact.type == "history" and meant & told.synonyms.groups(fact.value))
    return any(_did(match["deed"], Span(0, 0, (fact,))) for fact in items)


def _known(span: Span) -> bool:
    return any(fact.type == "history" for fact in span.facts)


def _shared(span: Span) -> bool:
    return any(fact.type in ("interest", "reason") for fact in span.facts)


def _last_item(spans: Sequence[Span], before: int) -> Span | None:
    """Return the item that was named last before a place in the text."""
    named = [s for s in spans if s.end <= before and any(fact.type in ("title", "history") for fact in s.facts)]
    return named[-1] if named else None


def _other_deeds(patterns: Patterns, facts: Sequence[Fact], spans: Sequence[Span], covered: str) -> Iterator[str]:
    """Yield verbs that say what the reader did and that are not what the facts say they did with any item."""
    labels = [fact.label.lower() for fact in facts if fact.type == "history"]
    known = patterns.compiled("deeds")
    for match in patterns.find("deed", covered):
        verb = match["deed"]
        several = any(_shared(span) for span in spans) or sum(bool(_known(span)) for span in spans) > 1
        told = (several and any(one.fullmatch(verb) for one in patterns.compiled("keeps_up"))) or any(
            label.startswith(verb.lower()) or label.endswith(f" {verb.lower()}") for label in labels
        )
        if not _is_object(patterns, match) and not told and not any(deed.fullmatch(verb.lower()) for deed in known):
            yield match[0]
    for sentence in sentences(covered):
        for match in patterns.find("deed_alone", sentence):
            if COVER not in sentence and not _is_object(patterns, match):
                yield match[0]


def _is_object(patterns: Patterns, match: re.Match[str]) -> bool:
    """Say whether the reader is the object of a sentence: "films for you directed by Ada"."""
    before = match.groupdict().get("before")
    return before is not None and any(pattern.fullmatch(before) for pattern in patterns.compiled("object"))


def _untold(said: str) -> Violation:
    return Violation("claims", f"the facts do not say {said.strip()!r} of this item", said.strip())

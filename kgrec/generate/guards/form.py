"""Form: required mentions, length, language, repetition, copied catalogue text, tone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import Field

from kgrec.generate.guards.patterns import patterns_of
from kgrec.generate.names import COVER, masked, spans_of, tokens_of
from kgrec.languages.language import Language, every_language, get_language
from kgrec.plugin.generation import Fact, TextRequest, Violation
from kgrec.plugin.options import Configured, Options
from kgrec.text.tokens import han, sentences, words

_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f]")
_SHOUT = re.compile(r"\b[A-Z]{4,}\b")
EXCLAMATIONS = {"formal": 0, "neutral": 1, "warm": 2, "playful": 3}
"""How many exclamation marks a text of each tone may have."""


class Required:
    """Rejects texts that do not name what the kind of text requires."""

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        named = {(fact.name, fact.subject) for span in spans_of(text, tuple(facts)) for fact in span.facts}
        missing = []
        for name in request.kind.requires:
            due = {fact.subject: fact.value for fact in reversed(facts) if fact.name == name}
            absent = [value for subject, value in due.items() if (name, subject) not in named]
            # A digest may leave out an article; a text about one item may not leave it unnamed.
            if absent and (request.kind.max_items == 1 or len(absent) == len(due)):
                missing += absent
        return [Violation("required", f"{value!r} must be mentioned", value) for value in missing]


class Length:
    """Rejects texts that are too long or too short; long names of the catalogue are not held against a text."""

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        language, kind = get_language(request.language), request.kind
        unit, spans = language.counted, spans_of(text, tuple(facts))
        surplus = sum(max(0, language.size(text[s.start : s.end]) - language.length.name) for s in spans)
        found = language.size(text)
        longest, shortest = kind.longest(request.language), kind.shortest(request.language)
        if found - surplus > longest:
            return [Violation("length", f"{found} {unit} are too long, at most {longest} are allowed")]
        if found < shortest:
            return [Violation("length", f"{found} {unit} are too short, at least {shortest} are needed")]
        return []


class Languages:
    """Rejects texts that are not in the language asked for; names stay as the catalogue writes them."""

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        covered = masked(text, spans_of(text, tuple(facts))).replace(COVER, "")
        language, latin = get_language(request.language), words(covered)
        strange = sum(c > "\u024f" and c.isalpha() and not han(c) for c in covered)
        if not language.spaced:
            own = len(re.findall(f"[{language.script}]", covered))
            # A headline may be a name alone, and names end in dots and question marks.
            wrong = own < 2 * len(latin) or (own < 2 and sum(c.isalnum() for c in covered) > 2)
        else:
            wrong = han(covered) > 0 or (len(latin) >= 5 and not _reads_like(language, latin))
        return [Violation("language", f"the text must be in {language.name}")] if wrong or strange > 2 else []


def _reads_like(language: Language, latin: Sequence[str]) -> bool:
    """Say whether words have little words of a language, and of no other language more that are not also its own."""
    written = [word.lower() for word in latin]
    own = sum(word in language.little_words for word in written)
    others = (one.little_words - language.little_words for one in every_language() if one.spaced)
    return own > 0 and all(sum(word in other for word in written) <= own for other in others)


class RepetitionOptions(Options):
    """Options of the guard ``repetition``, ``[guards.repetition]``."""

    similar: float = Field(
        0.9, gt=0, le=1, description="share of words in common from which a text counts as shown before"
    )


class Repetition(Configured):
    """Rejects texts that say the same twice, or what the reader was shown last."""

    Options = RepetitionOptions
    options: RepetitionOptions

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        found = [
            Violation("repetition", f"{said!r} is said more than once", said) for said in _twice(request, text, facts)
        ]
        own = set(tokens_of(text).folded)
        for shown in request.shown:
            other = set(tokens_of(shown).folded)
            if own and len(own & other) / len(own | other) >= self.options.similar:
                found.append(Violation("repetition", "the reader has just been shown the same text"))
                break
        return found


def _twice(request: TextRequest, text: str, facts: Sequence[Fact]) -> Iterator[str]:
    covered = masked(text, spans_of(text, tuple(facts)))
    parts = [part.lower() for part in sentences(text) if len(part) > 8]
    yield from (part for part, count in Counter(parts).items() if count > 1)
    little = get_language(request.language).little_words
    tokens = [t for t in tokens_of(covered).folded if t not in little]
    size = 6 if han(covered) > len(covered) / 4 else 3
    runs = Counter(tuple(tokens[k : k + size]) for k in range(len(tokens) - size + 1))
    yield from (" ".join(run) for run, count in runs.items() if count > 2)


class CopyingOptions(Options):
    """Options of the guard ``copying``, ``[guards.copying]``."""

    words: int = Field(16, ge=2, description="so many words in a row count as copied")
    characters: int = Field(32, ge=2, description="the same where words are not spaced")


class Copying(Configured):
    """Rejects texts that copy the catalogue's description instead of putting it in other words."""

    Options = CopyingOptions
    options: CopyingOptions

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        spaced = get_language(request.language).spaced
        size = self.options.words if spaced else self.options.characters
        covered = masked(text, spans_of(text, tuple(facts)))
        tokens = tokens_of(covered).folded
        runs = {" ".join(tokens[k : k + size]) for k in range(len(tokens) - size + 1)}
        for fact in facts:
            if fact.type == "text" and runs:
                source = tokens_of(fact.value).folded
                copied = runs & {" ".join(source[k : k + size]) for k in range(len(source) - size + 1)}
                if copied:
                    return [
                        Violation("copying", f"{run!r} is copied from the catalogue", run) for run in sorted(copied)
                    ][:1]
        return []


class Tone:
    """Rejects texts that do not keep to the tone: exclamation marks, capitals, contractions, emoji."""

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        covered = masked(text, spans_of(text, tuple(facts)))
        allowed = EXCLAMATIONS.get(request.tone, 1)
        found = []
        if sum(covered.count(mark) for mark in "!！") > allowed:
            found.append(Violation("tone", f"at most {allowed} exclamation marks suit a {request.tone} tone", "!"))
        if shouted := _SHOUT.search(covered):
            found.append(Violation("tone", f"{shouted[0]!r} should not be in capitals", shouted[0]))
        if (emoji := _EMOJI.search(covered)) and request.tone != "playful":
            found.append(Violation("tone", f"no emoji in a {request.tone} tone", emoji[0]))
        if request.tone == "formal" and (short := patterns_of(request.language).search("contraction", covered)):
            found.append(Violation("tone", f"{short[0]!r} should be written out in a formal tone", short[0]))
        return found

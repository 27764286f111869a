"""Names: whatever the text names must be among the facts, and of a name it may say only what the facts say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise

from kgrec.generate.guards.evidence import told_of
from kgrec.generate.guards.patterns import Patterns, all_ordinary, ordinary_of, patterns_of
from kgrec.generate.names import COVER, Span, covers, masked, right_before, spans_of, told_key
from kgrec.languages.language import HAN, every_language
from kgrec.plugin.generation import Fact, TextRequest, Violation
from kgrec.text.tokens import han, name_key, tagged_names, words

_START = re.compile(r"(?:^|[.!?…:;。！？：；—–\n]|[\"“„»(]|\d[.)])\s*$")
_NEXT = re.compile(r"\s+([a-z][\w'’\-]*)")
_NAME_TAGS = ("nr", "ns", "nt", "nz")


class Entities:
    """Rejects names that the facts do not hold: known ones of the workspace, capitalised ones, quoted ones."""

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        held = tuple(facts)
        spans = spans_of(text, held)
        told, said = told_key(held), told_of(request, held)
        other = [(m.start, m.end) for m in said.synonyms.mentions(text) if m.group in said.groups]
        found: dict[tuple[int, int], str] = {}
        for start, end in self._suspects(request, spans, text, lambda w: name_key(w) in told or said.knows(w)):
            name = text[start:end]
            inside = any(s <= start and end <= e for s, e in found)
            whole = _whole_name(text, start, end, spans)
            known = name_key(name) in told and name_key(whole) in told
            renamed = said.knows(name) or any(s <= start and end <= e for s, e in other)
            if not inside and name_key(name) and not known and not renamed:
                found[start, end] = whole
        return [Violation("entities", f"{name!r} is not in the facts", name) for _, name in sorted(found.items())]

    def _suspects(
        self, request: TextRequest, spans: Sequence[Span], text: str, told: Callable[[str], bool]
    ) -> Iterator[tuple[int, int]]:
        covered = masked(text, spans)
        yield from _known(request, spans, text)
        for match in _quoted().finditer(text):
            start, end = match.start() + 1, match.end() - 1
            rest = covered[start:end].replace(COVER, "")
            if han(rest) > 1 or not all_ordinary(rest, request):
                yield start, end
        yield from _capitalised(request, covered, told)
        yield from (
            (one.start, one.end)
            for one, other in pairwise(spans)
            if text[one.end : other.start] == " " and _is_part(text, one) and _is_part(text, other)
        )
        if not patterns_of(request.language).language.spaced and han(covered):
            yield from _cut_out(request, covered)


@cache
def _quoted() -> re.Pattern[str]:
    pairs = dict.fromkeys(pair for one in every_language() for pair in one.punctuation.quotes)
    return re.compile("|".join(f"{pair[0]}[^{pair[-1]}]+{pair[-1]}" for pair in pairs))


def _whole_name(text: str, start: int, end: int, spans: Sequence[Span]) -> str:
    """Return a name with the names right before and after it: a forename of one and a surname of another are nobody."""
    for span in spans:
        if span.end == start - 1 and text[span.end] == " " and _is_part(text, span):
            start = span.start
    for span in spans:
        if span.start == end + 1 and text[end] == " " and _is_part(text, span):
            end = span.end
    return text[start:end]


def _is_part(text: str, span: Span) -> bool:
    """Say whether a span is a part of a longer name only: a surname."""
    name = text[span.start : span.end]
    return all(fact.type == "entity" and name_key(name) != name_key(fact.value) for fact in span.facts)


def _known(request: TextRequest, spans: Sequence[Span], text: str) -> Iterator[tuple[int, int]]:
    for mention in request.known.mentions(text) if request.known else ():
        if covers(spans, mention.start, mention.end):
            continue
        written = text[mention.start : mention.end]
        if han(written):
            if not ordinary_of(request.kind, request.language).holds_unspaced(written, request.noun):
                yield mention.start, mention.end
            continue
        starts = bool(_START.search(right_before(text, mention.start)))
        common = written[:1].islower() or (starts and " " not in written)
        if not (common and all_ordinary(written, request)) and written.lower() != request.noun.lower():
            yield mention.start, mention.end


def _capitalised(request: TextRequest, covered: str, told: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    units = {word for one in patterns_of(request.language).language.units.values() for word in one}
    ordinary, patterns = ordinary_of(request.kind, request.language), patterns_of(request.language)
    always, alone = patterns.any_of("capitals"), patterns.compiled("lone_names", mixed=False)
    stems = told_of(request, tuple(request.facts)).sentences
    for start, end in _runs(patterns, covered, bool(alone) and not request.strict):
        parts = words(covered[start:end])
        if _START.search(right_before(covered, start)) and parts:
            first = parts[0]
            if len(parts) == 1 or ordinary.holds(first, request.noun):
                start += len(first)
                parts = parts[1:]
        named = [part for part in parts if part[:1].isupper() and part not in always and part.lower() not in units]
        strange = [part for part in named if not (told(part) or ordinary.holds(part, request.noun))]
        if alone:  # nouns are joined
            strange = [part for part in strange if not ordinary.compounds(part, stems)]
        is_name = strange and len(named) == 1 and alone and alone[0].search(right_before(covered, start))
        if len(strange) < 2 and alone and not is_name:
            continue  # a noun, or one beside a word that is known
        if named and not all(ordinary.holds(part, request.noun) for part in named):
            yield start + (len(covered[start:end]) - len(covered[start:end].lstrip())), end


def _runs(patterns: Patterns, covered: str, apart: bool) -> Iterator[tuple[int, int]]:
    """Yield runs of capitalised words; where all nouns are capitalised, small words part them."""
    for match in _capitals(patterns).finditer(covered):
        at = match.start()
        if apart:
            joiner = "|".join(map(re.escape, sorted(patterns.any_of("joiners") - {"van", "de", "&"})))
            for gap in re.finditer(rf" (?:{joiner})(?= )", match[0]):
                yield at, match.start() + gap.start()
                at = match.start() + gap.end() + 1
        yield at, match.end()


@cache
def _capitals(patterns: Patterns) -> re.Pattern[str]:
    """Capitalised words in a row, with the small words that stand inside names."""
    word = rf"[{patterns.own.capital_letters}][^\W_{HAN}]*(?:['’\-.&][^\W_{HAN}]+)*"
    small = "|".join(f" {joiner}" for joiner in sorted(patterns.any_of("joiners")))
    return re.compile(rf"{word}(?:(?:{small})* {word})*")


def _cut_out(request: TextRequest, covered: str) -> Iterator[tuple[int, int]]:
    """Yield the names that a dictionary finds in a text without spaces."""
    ordinary = ordinary_of(request.kind, request.language)
    # A dictionary takes many a common word of two characters for a name: 天亮, 安静.
    for at, word in tagged_names(covered, _NAME_TAGS, 2 if request.strict else 3):
        doubled = len(word) == 3 and word[0] == word[2]  # 比一比
        if not doubled and han(word) and not ordinary.holds_unspaced(word, request.noun):
            yield at, at + len(word)


def of_names(patterns: Patterns, request: TextRequest, spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """Find what is said of a person or maker besides the relation that joins them with the item.

    A small model makes actors the heroes of the story: "starring Ada Orla, a retired detective", "Ada Orla hunts a
    killer". The words are those of the description, so that no word alone betrays it; its place does.
    """
    covered, nouns = masked(text, spans), bool(patterns.compiled("lone_names", mixed=False))
    for span in spans:
        name = text[span.start : span.end]
        noun = nouns and " " not in name  # a genre, a material
        if any(fact.type == "entity" for fact in span.facts) and name[:1].isupper() and not noun:
            said = _of_name(patterns, request, covered, span)
            if said:
                yield Violation("claims", f"the facts do not say {said!r} of {name!r}", name)
    yield from _in_place_of_names(patterns, request, covered)


def _of_name(patterns: Patterns, request: TextRequest, covered: str, span: Span) -> str:
    """Return what is said of a name, or nothing."""
    rest, inside = covered[span.end :], patterns.search("inside", right_before(covered, span.start)) is not None
    for pattern in patterns.compiled("said"):
        match = pattern.match(rest)
        if match and not (inside and patterns.match("copula", rest)):
            said = _before_verb(request, match["said"])
            noun = patterns.search("article", match[0][: match.start("said") - match.start()]) is not None
            if COVER not in said and (
                _tells(patterns, request, said) or (noun and _is_somebody(patterns, request, said))
            ):
                return match[0].partition(match["said"])[0].strip(" ,") + f" {said}"
    for pattern in patterns.compiled("said_before", mixed=False):
        match = pattern.search(right_before(covered, span.start))
        telling = match and rest[:1] in ",，" and _tells(patterns, request, match["said"])
        if match and telling and _is_somebody(patterns, request, match["said"]):
            return match["said"]
    if (match := patterns.match("does", rest)) and not _makes(patterns, request, span):
        return match[0].strip()
    match = _NEXT.match(rest)
    verb = match and any(pattern.fullmatch(match[1]) for pattern in patterns.compiled("next_verb"))
    if (
        match
        and (verb or request.strict)
        and not inside
        and not patterns.search("of_a_noun", right_before(covered, span.start))
        and _tells(patterns, request, match[1])
        and not (_makes(patterns, request, span) and told_of(request, tuple(request.facts)).known_words(match[1]))
    ):
        return match[1]
    return ""


def _before_verb(request: TextRequest, phrase: str) -> str:
    """Cut a phrase where the sentence goes on: "Ada Orla, the banker | directs Ben Venn"."""
    verbs = {word for cues in request.cues.values() for cue in cues for word in words(cue) if cue.startswith("{}")}
    found = re.search(rf"\b(?:{'|'.join(map(re.escape, sorted(verbs)))})\b", phrase) if verbs else None
    return phrase[: found.start()].strip() if found and found.start() else phrase


def _tells(patterns: Patterns, request: TextRequest, said: str) -> bool:
    """Say whether words state something that is no style, no relation, and not about the item as a whole."""
    found, ordinary = words(said), ordinary_of(request.kind, request.language)
    things = {request.noun.lower(), *patterns.any_of("things")}
    if any(word.lower() in things for word in found):
        return False
    stated = {ordinary.stem(word) for cues in request.cues.values() for cue in cues for word in words(cue)}
    return any(not ordinary.holds(word, request.noun) and ordinary.stem(word) not in stated for word in found)


def _makes(patterns: Patterns, request: TextRequest, span: Span) -> bool:
    """Say whether a name made the item, so that what it does is how the item is: "Ada goes underground again"."""
    by = tuple(f"{word} {{}}" for word in patterns.any_of("passive"))
    return bool(by) and any(
        cue == one or cue.endswith(f" {one}")
        for fact in span.facts
        for cue in request.cues.get(fact.name, ())
        for one in by
    )


def _is_somebody(patterns: Patterns, request: TextRequest, said: str) -> bool:
    """Say whether a phrase behind an article calls somebody what no relation and no word for roles does."""
    nouns = [
        word
        for word in words(re.split(patterns.own.before_reader, said)[0])
        if word.lower() not in patterns.language.little_words
    ]
    stem = ordinary_of(request.kind, request.language).stem
    roles = {word for one in patterns.family for word in one.language.phrases("claims/roles")}
    cued = {word for cues in request.cues.values() for cue in cues for word in words(cue)}
    known = {stem(word) for word in (*roles, *cued, *patterns.any_of("things"), request.noun)}
    return bool(nouns) and stem(nouns[-1]) not in known


@lru_cache(maxsize=64)
def _leads(patterns: Patterns, cues: frozenset[str]) -> re.Pattern[str] | None:
    """Return what finds the words before the name of a relation that nothing but a name may follow."""
    leads = {lead for cue in cues if len(lead := cue.partition("{}")[0].strip()) > 4}
    wanted = patterns.compiled("wants_a_name", mixed=False)
    found = sorted((re.escape(one) for one in leads if any(p.fullmatch(one) for p in wanted)), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(found)})\b", re.I) if found else None


def _in_place_of_names(patterns: Patterns, request: TextRequest, covered: str) -> Iterator[Violation]:
    """Find a noun where a relation wants a name: "a film by a retired detective", "starring a killer"."""
    ordinary = ordinary_of(request.kind, request.language)
    cues = frozenset(cue for worded in request.cues.values() for cue in worded)
    if (leads := _leads(patterns, cues)) is not None:
        for match in leads.finditer(covered):
            said = patterns.match("nobody", covered, match.end())
            if said and not ordinary.holds(said["said"], request.noun):
                yield Violation("claims", f"the facts do not say {(match[0] + said[0])!r}", said["said"])

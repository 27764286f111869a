"""Claims: what is said of the names must be what the facts say, and nothing else may be said at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from pydantic import Field

from kgrec.generate.guards.evidence import Told, clause_around, of_assertions, of_kinds, of_synonyms, told_of
from kgrec.generate.guards.names import of_names
from kgrec.generate.guards.patterns import Patterns, all_ordinary, ordinary_of, patterns_of
from kgrec.generate.guards.reader import of_the_reader
from kgrec.generate.guards.retold import of_retelling
from kgrec.generate.names import COVER, ONE, PLACE, PLACED, Span, masked, placed, right_before, spans_of, told_key
from kgrec.languages import languages
from kgrec.plugin.generation import Fact, TextRequest, Violation
from kgrec.plugin.options import Configured, Options
from kgrec.text.tokens import han, is_unspaced, name_key, sentences, term_table, words

_SENTENCE_END = re.compile(
    r"[.!?](?:\s+(?![a-z])|$)|[。！？\n]"
)  # a title may end in a mark: "Mars Attacks! and Glory"

_CLAUSE = re.compile(r"(?<=[.!?;:\n,。！？；：，])")

_Cue = tuple[frozenset[str], bool, re.Pattern[str], str]


class ClaimsOptions(Options):
    """Options of the guard ``claims``, ``[guards.claims]``."""

    tolerance: int = Field(1, ge=0, description="so many unknown words in a sentence are let pass")


class Claims(Configured):
    """Rejects negations, relations that the facts do not state, and words that no fact bears out."""

    Options = ClaimsOptions
    options: ClaimsOptions

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        held, patterns = tuple(facts), patterns_of(request.language)
        spans = spans_of(text, held)
        covered = masked(text, spans)
        named = [span for span in spans if not _common(request, span, text)]
        told = told_of(request, held)
        idle = patterns.phrases("not").sub(lambda match: COVER * len(match[0]), covered)
        found = [
            *of_kinds(request, told, idle),
            *of_synonyms(told, covered),
            *of_assertions(request, told, idle),
            *_negations(patterns, told, idle),
            *_flipped(patterns, told, idle),
            *of_retelling(told, held, covered),
            *_relations(patterns, request, spans, text),
            *of_the_reader(patterns, told, held, named, text),
            *of_names(patterns, request, named, text),
            *_other_items(patterns, request, spans, text),
        ]
        if request.strict:
            found += [*_strong(patterns, held, covered), *self._unknown(request, held, covered)]
        return found

    def _unknown(self, request: TextRequest, facts: tuple[Fact, ...], covered: str) -> Iterator[Violation]:
        ordinary, told = ordinary_of(request.kind, request.language), told_key(facts)
        stems = {ordinary.stem(token) for token in told.split()}
        stems |= {ordinary.stem(word) for cues in request.cues.values() for cue in cues for word in words(cue)}
        for sentence in sentences(covered):
            unknown = [
                word
                for word in words(sentence)
                if not ordinary.holds(word, request.noun) and ordinary.stem(word) not in stems
            ]
            if not ordinary.language.spaced and han(sentence):
                cued = "\n".join(cue for cues in request.cues.values() for cue in cues)
                terms = [t for t in term_table([sentence.replace(COVER, " ")])["term"].to_list() if han(t) > 1]
                unknown += [
                    term
                    for term in terms
                    if not ordinary.holds_unspaced(term, request.noun) and not (name_key(term) in told or term in cued)
                ]
            if len(unknown) > self.options.tolerance:
                named = ", ".join(dict.fromkeys(unknown))
                yield Violation("claims", f"the facts say nothing of {named}", unknown[0])


def _negations(patterns: Patterns, told: Told, covered: str) -> Iterator[Violation]:
    """Find denials of what is named, of the item itself, or of what the facts say.

    What a denial is about stands behind it: a writer may say that "the trams never sleep" of trams that run at night,
    but not that a detective who opens a restaurant "has no kitchen". A denial that speaks to the reader ("you need no
    road", "don't miss it") denies nothing of the item, but of what the reader did.
    """
    for match in patterns.find("negation", covered, mixed=False):
        clause, start = clause_around(covered, match)
        before, behind = clause[: match.start() - start], clause[match.end() - start :]
        named = patterns.match("denied_name", covered, match.end())
        if patterns.search("free_denial", clause) and not named:
            continue
        said = behind if words(behind) or han(behind) > 1 else clause
        if not named and _denied(told, said):
            continue
        of_item = patterns.search("denies_of_item", clause, mixed=False)
        if named or of_item or told.holds_denied(before, behind):
            yield Violation("claims", f"the facts deny nothing like {clause.strip()!r}", match[0])


def _denied(told: Told, said: str) -> bool:
    """Say whether a sentence of the facts denies something of what a denial is about."""
    if COVER in said.lstrip()[:3]:
        return False
    near = " ".join(said.split()[:6]) if " " in said else said[:8]
    return any(told.in_common(near, behind) for behind in denials(told.told))


def _flipped(patterns: Patterns, told: Told, covered: str) -> Iterator[Violation]:
    """Find what the text states and the facts deny: "safe in microwaves" of what is "not safe in microwaves".

    Or what they say the opposite of: "the first lesson" does what "the last lesson" does.
    """
    behind = denials(told.told)
    denied = [words for one in behind if len(words := told.first_words(one, 3)) > 1]
    things, opposed = told.things_of(behind), told.opposed
    if not denied and not things and not opposed:
        return
    for clause in _CLAUSE.split(covered):
        if "?" in clause or patterns.search("negation", clause):
            continue
        said = told.first_words(clause, len(clause))
        turned = opposed.intersection(pairwise(said)) or any(thing in clause for thing in things)
        if turned or any(len(stems & set(said)) * 3 >= len(stems) * 2 for stems in map(frozenset, denied)):
            yield Violation("claims", f"the facts deny what is stated in {clause.strip()!r}", clause.strip()[:40])


@lru_cache(maxsize=1024)
def denials(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return what stands behind each negation in several texts, whatever language they are in."""
    return tuple(
        _CLAUSE.split(sentence[match.end() :], 1)[0]
        for text in texts
        for one in map(patterns_of, languages())
        for sentence in sentences(one.phrases("not").sub(" ", text))
        for match in one.find("negation", sentence, mixed=False)
    )


def _strong(patterns: Patterns, facts: tuple[Fact, ...], covered: str) -> Iterator[Violation]:
    """Find phrases that claim something checkable: prizes, ranks, discounts, what people think."""
    told = told_key(facts)
    for match in patterns.phrases("claims").finditer(covered):
        if name_key(match[0]) not in told:
            yield Violation("claims", f"the facts do not say {match[0]!r}", match[0])


def _relations(patterns: Patterns, request: TextRequest, spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """Compare relation and name wherever the text joins a name to the item by words that state a relation.

    A name between two cues ("made in Norway, and Ada directed it") is fine if one of them fits it.
    """
    written = placed(text, spans)
    said: dict[int, list[str]] = {}
    fits: set[int] = set()
    folded = written.lower()
    for relations, follows, pattern, words_of_cue in _cues(patterns, tuple(sorted(request.cues.items()))):
        if words_of_cue not in folded:
            continue
        for match in pattern.finditer(written):
            for number in map(int, re.findall(PLACE, match["names"])):
                titled = [fact.type == "title" for fact in spans[number].facts]
                if _elsewhere(patterns, written, match, follows=follows):
                    continue
                if (follows and any(titled)) or (all(titled) and not request.strict):
                    continue  # "The Lamp stars Ada": the item is whom it is said of
                lead = match[0].partition(match["names"])[0].strip(' ,:《“„"')
                short = all(word.lower() in patterns.language.little_words for word in lead.split())
                if text[spans[number].start].islower() and short and not request.strict:
                    continue  # "with a romance at heart", but not "with Ada"
                said.setdefault(number, []).append(match[0].replace(match["names"], PLACED.format(number)))
                told = any(fact.name in relations or fact.type == "reason" for fact in spans[number].facts)
                if told or _says_which(patterns, request, spans[number], written[match.end() : match.end() + 40]):
                    fits.add(number)
    for number in sorted(set(said) - fits):
        name = text[spans[number].start : spans[number].end]
        words_said = re.sub(ONE, name, said[number][0]).strip(" ,.《》“”")
        yield Violation("claims", f"the facts do not say {words_said!r}", name)


def _says_which(patterns: Patterns, request: TextRequest, span: Span, behind: str) -> bool:
    """Say whether the words behind a name say its own relation: "with Ada in the director's chair"."""
    stem, little = ordinary_of(request.kind, request.language).stem, patterns.language.little_words
    cues = [cue for fact in span.facts for cue in request.cues.get(fact.name, ())]
    own = {stem(word) for cue in cues for word in words(cue) if word.lower() not in little}
    return any(stem(word) in own for word in words(re.split(r"[,.;:]|\ue000", behind)[0]))


def _elsewhere(patterns: Patterns, written: str, match: re.Match[str], *, follows: bool) -> bool:
    """Say whether a cue is about another name: "when Ada of Comet Films directs", "In the section Culture: Ada"."""
    if follows:
        return patterns.search("inside", right_before(written, match.start())) is not None
    lead = match[0].partition(match["names"])[0]
    return bool(re.search(r"[:：]\s*$", lead)) and bool(
        re.search(r"[^\W_]$", right_before(written, match.start()).rstrip())
    )


@lru_cache(maxsize=64)
def _cues(patterns: Patterns, cues: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[_Cue, ...]:
    """Return cues, the longest first: names of the relations stated, whether the cue follows the name, the pattern."""
    found: dict[str, set[str]] = {}
    for relation, worded in cues:
        for cue in worded:
            found.setdefault(cue, set()).add(relation)
    ordered = sorted(found, key=lambda cue: (-len(cue), cue))
    return tuple(
        (frozenset(found[cue]), cue.startswith("{}"), _pattern(patterns, cue), _longest_part(cue)) for cue in ordered
    )


def _longest_part(cue: str) -> str:
    """Return the words that a text must have for a cue to be in it."""
    return max(cue.partition("{}")[::2], key=len).strip().lower()


def _pattern(patterns: Patterns, cue: str) -> re.Pattern[str]:
    before, _, after = cue.partition("{}")
    # "Ada directed", but not "a drama directed by Ada".
    passive = "|".join(map(re.escape, sorted(patterns.any_of("passive")))) or "(?!)"
    start = r"\b" if _is_spaced(before[:1]) else ""
    end = rf"\b(?! (?:{passive})\b)" if _is_spaced(after[-1:]) else ""
    lead = re.escape(before.rstrip()) + (r"[\s,:]*" if before else "")
    return re.compile(start + lead + patterns.names + patterns.close + re.escape(after) + end, re.I)


def _is_spaced(char: str) -> bool:
    return char.isalpha() and not is_unspaced(char)


def _common(request: TextRequest, span: Span, text: str) -> bool:
    """Say whether a title of the history is rather an ordinary word: there are films called "It" and "A"."""
    name = text[span.start : span.end]
    if han(name) or not all(fact.type == "history" for fact in span.facts):
        return False
    first = not re.search(r"[^.!?…:;\s“\"(]\s*$", right_before(text, span.start))
    return all_ordinary(name, request) and (name[:1].islower() or (first and " " not in name))


def _other_items(patterns: Patterns, request: TextRequest, spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """An item of the reader's history may only be named as that: the facts say nothing else of it.

    "starring Ada in the film Comet Letters" states something of an item that no fact is about.
    """
    ends = [match.end() for match in _SENTENCE_END.finditer(masked(text, spans))]
    for span in spans:
        if not all(fact.type == "history" for fact in span.facts):
            continue
        start = max((end for end in ends if end <= span.start), default=0)
        end = min((end for end in ends if end >= span.end), default=len(text))
        name = text[span.start : span.end]
        if _common(request, span, text) or patterns.match("of_the_reader", text, span.end):
            continue
        common = {value for fact in span.facts for value in fact.shares}
        beside = any(start <= s.start < end and common & {fact.value for fact in s.facts} for s in spans)
        shared = common and (beside or patterns.search("alike", text[start:end]))
        # English says who did it before what was done: "you watched"; Chinese also after it: "看过《…》的你".
        before = text[start : span.start] if patterns.own.reader_first else text[start:end]
        clause = re.split(r"[,;:]", text[start : span.start])[-1] + re.split(r"[,;:]", text[span.end : end])[0]
        if not shared and not (patterns.search("reader", before) or patterns.search("reader", clause)):
            yield Violation("claims", f"{name!r} may only be named as something the reader knows", name)
        elif patterns.match("more_of_it", text, span.end):
            yield Violation("claims", f"the facts say nothing of {name!r} but what the reader did with it", name)

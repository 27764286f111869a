"""Claims: what is said of the names must be what the facts say, and nothing else may be said at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from kgrec.generate.guards.ordinary import all_ordinary, is_ordinary, is_ordinary_zh, stem
from kgrec.generate.guards.persons import of_names
from kgrec.generate.guards.reader import LIST, of_the_reader
from kgrec.generate.language import han, phrase_pattern, sentences, words
from kgrec.generate.spans import COVER, ONE, PLACE, PLACED, Span, masked, placed, spans_of, told_key
from kgrec.graph.linking.names import name_key
from kgrec.plugin.generation import Fact, TextRequest, Violation
from kgrec.text.tokens import tokenise

_NOT = re.compile(
    r"\b(?:not|no|never|without|nobody|nothing|none|neither|nor|hardly|barely|cannot|lacks?|lacking|fails? to"
    r"|refuses? to|anything but|far from)\b|n['’]t\b",
    re.I,
)
_NOT_ZH = re.compile(r"不|没|無|无|未|非|并非|绝非|从未|毫无|缺乏|缺少|并无")
_READER = re.compile(r"\b(?:you|your|yours|who|fans?|readers?|viewers?|customers?)\b|[你您]|读者|观众|顾客|的人", re.I)
_MORE_OF_IT = re.compile(r"[》”\"」』]?\s*,\s*(?:an?|the|which|where|whose|who|with|starring|directed)\b", re.I)

_SENTENCE_END = re.compile(
    r"[.!?](?:\s+(?![a-z])|$)|[。！？\n]"
)  # a title may end in a mark: "Mars Attacks! and Glory"
_OF_THE_READER = re.compile(r"[》”\"」』]?\s*,?\s*(?:which|that) (?:you|your)\b", re.I)

_Cue = tuple[frozenset[str], bool, re.Pattern[str]]


class Claims:
    """Rejects negations, relations that the facts do not state, and words that no fact bears out.

    Args:
        tolerance: so many unknown words in a sentence are let pass.
    """

    def __init__(self, *, tolerance: int = 1) -> None:
        if tolerance < 0:
            raise ValueError(f"tolerance must not be negative: {tolerance}")
        self.tolerance = tolerance

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        held = tuple(facts)
        spans = spans_of(text, held)
        covered = masked(text, spans)
        named = [span for span in spans if not _common(request, span, text)]
        return [
            *_negations(request, covered),
            *_strong(request, held, covered),
            *_relations(request, spans, text),
            *of_the_reader(named, text),
            *of_names(request, named, text),
            *_other_items(request, spans, text),
            *self._unknown(request, held, covered),
        ]

    def _unknown(self, request: TextRequest, facts: tuple[Fact, ...], covered: str) -> Iterator[Violation]:
        told = told_key(facts)
        stems = {stem(token) for token in told.split()}
        stems |= {stem(word) for cues in request.cues.values() for cue in cues for word in words(cue)}
        for sentence in sentences(covered):
            unknown = [w for w in words(sentence) if not is_ordinary(w, request) and stem(w) not in stems]
            if request.language == "zh" and han(sentence):
                cued = "\n".join(cue for cues in request.cues.values() for cue in cues)
                terms = [t for t in tokenise([sentence.replace(COVER, " ")])["term"].to_list() if han(t) > 1]
                unknown += [
                    t for t in terms if not is_ordinary_zh(t, request) and not (name_key(t) in told or t in cued)
                ]
            if len(unknown) > self.tolerance:
                named = ", ".join(dict.fromkeys(unknown))
                yield Violation("claims", f"the facts say nothing of {named}", unknown[0])


def _negations(request: TextRequest, covered: str) -> Iterator[Violation]:
    pattern, allowed = (_NOT_ZH, "not.zh") if request.language == "zh" else (_NOT, "not.en")
    text = phrase_pattern(allowed).sub(lambda match: COVER * len(match[0]), covered)
    for match in pattern.finditer(text):
        yield Violation("claims", f"the facts deny nothing, but the text says {match[0]!r}", match[0])


def _strong(request: TextRequest, facts: tuple[Fact, ...], covered: str) -> Iterator[Violation]:
    """Find phrases that claim something checkable: prizes, ranks, discounts, what people think."""
    told = told_key(facts)
    for match in phrase_pattern(f"claims.{request.language}").finditer(covered):
        if name_key(match[0]) not in told:
            yield Violation("claims", f"the facts do not say {match[0]!r}", match[0])


def _relations(request: TextRequest, spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """Compare relation and name wherever the text joins a name to the item by words that state a relation.

    A name between two cues ("made in Norway, and Ada directed it") is fine if one of them fits it.
    """
    written = placed(text, spans)
    said: dict[int, list[str]] = {}
    fits: set[int] = set()
    for names, follows, pattern in _patterns(request):
        for match in pattern.finditer(written):
            for number in map(int, re.findall(PLACE, match[1])):
                if follows and any(fact.type == "title" for fact in spans[number].facts):
                    continue  # "The Lamp stars Ada": the item is whom it is said of
                said.setdefault(number, []).append(match[0].replace(match[1], PLACED.format(number)))
                if any(fact.name in names or fact.type == "reason" for fact in spans[number].facts):
                    fits.add(number)
    for number in sorted(set(said) - fits):
        name = text[spans[number].start : spans[number].end]
        words_said = re.sub(ONE, name, said[number][0]).strip(" ,.《》“”")
        yield Violation("claims", f"the facts do not say {words_said!r}", name)


def _patterns(request: TextRequest) -> tuple[_Cue, ...]:
    return _compiled(tuple(sorted(request.cues.items())))


@lru_cache(maxsize=64)
def _compiled(cues: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[_Cue, ...]:
    """Return cues, the longest first: names of the relations stated, whether the cue follows the name, the pattern."""
    found: dict[str, set[str]] = {}
    for relation, worded in cues:
        for cue in worded:
            found.setdefault(cue, set()).add(relation)
    ordered = sorted(found, key=lambda cue: (-len(cue), cue))
    return tuple((frozenset(found[cue]), cue.startswith("{}"), _pattern(cue)) for cue in ordered)


def _pattern(cue: str) -> re.Pattern[str]:
    before, _, after = cue.partition("{}")
    start = r"\b" if before[:1].isascii() and before[:1].isalpha() else ""
    # "Ada directed", but not "a drama directed by Ada".
    end = r"\b(?! by\b)" if after[-1:].isascii() and after[-1:].isalpha() else ""
    lead = re.escape(before.rstrip()) + (r"[\s,:]*" if before else "")
    return re.compile(start + lead + LIST + r"[》”\"」』]?" + re.escape(after) + end, re.I)


def _common(request: TextRequest, span: Span, text: str) -> bool:
    """Say whether a title of the history is rather an ordinary word: there are films called "It" and "A"."""
    name = text[span.start : span.end]
    if han(name) or not all(fact.type == "history" for fact in span.facts):
        return False
    first = not re.search(r"[^.!?…:;\s“\"(]\s*$", text[: span.start])
    return all_ordinary(name, request) and (name[:1].islower() or (first and " " not in name))


def _other_items(request: TextRequest, spans: Sequence[Span], text: str) -> Iterator[Violation]:
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
        # English says who did it before what was done: "you watched"; Chinese also after it: "看过《…》的你".
        around = text[start : span.start] if request.language == "en" else text[start:end]
        if _common(request, span, text) or _OF_THE_READER.match(text, span.end):
            continue
        if not _READER.search(around):
            yield Violation("claims", f"{name!r} may only be named as something the reader knows", name)
        elif _MORE_OF_IT.match(text, span.end):
            yield Violation("claims", f"the facts say nothing of {name!r} but what the reader did with it", name)

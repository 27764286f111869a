"""Names: whatever the text names must be among the facts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from kgrec.generate.guards.ordinary import all_ordinary, is_ordinary, is_ordinary_zh
from kgrec.generate.language import HAN, han, words
from kgrec.generate.spans import COVER, Span, covers, masked, spans_of, told_key
from kgrec.graph.linking.names import name_key
from kgrec.plugin.generation import Fact, TextRequest, Violation

_CAPITAL = rf"[A-Z][^\W_{HAN}]*(?:['’\-.&][^\W_{HAN}]+)*"
_CAPITALS = re.compile(rf"{_CAPITAL}(?:(?: of| the| and| de| van| von| &)* {_CAPITAL})*")
_QUOTED = re.compile(r"《([^》]+)》|“([^”]+)”|「([^」]+)」|『([^』]+)』|\"([^\"]+)\"")
_START = re.compile(r"(?:^|[.!?…:;。！？：；—–\n]|[\"“(]|\d[.)])\s*$")
_NAME_TAGS = ("nr", "ns", "nt", "nz")


class Entities:
    """Rejects names that the facts do not hold: known ones of the workspace, capitalised ones, quoted ones."""

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        held = tuple(facts)
        spans = spans_of(text, held)
        told = told_key(held)
        found: dict[tuple[int, int], str] = {}
        for start, end in self._suspects(request, spans, text):
            name = text[start:end]
            inside = any(s <= start and end <= e for s, e in found)
            whole = _whole_name(text, start, end, spans)
            if not inside and name_key(name) and not (name_key(name) in told and name_key(whole) in told):
                found[start, end] = whole
        return [Violation("entities", f"{name!r} is not in the facts", name) for _, name in sorted(found.items())]

    def _suspects(self, request: TextRequest, spans: Sequence[Span], text: str) -> Iterator[tuple[int, int]]:
        covered = masked(text, spans)
        yield from _known(request, spans, text)
        for match in _QUOTED.finditer(text):
            start, end = next(match.span(group) for group in range(1, 6) if match[group] is not None)
            rest = covered[start:end].replace(COVER, "")
            if han(rest) > 1 or not all_ordinary(rest, request):
                yield start, end
        yield from _capitalised(request, covered)
        yield from (
            (one.start, one.end)
            for one, other in pairwise(spans)
            if text[one.end : other.start] == " " and _is_part(text, one) and _is_part(text, other)
        )
        if request.language == "zh" and han(covered):
            yield from _chinese(request, covered)


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
            if not is_ordinary_zh(written, request):
                yield mention.start, mention.end
            continue
        starts = bool(_START.search(text[: mention.start]))
        common = written[:1].islower() or (starts and " " not in written)
        if not (common and all_ordinary(written, request)) and not _verbatim_noun(written, request):
            yield mention.start, mention.end


def _verbatim_noun(written: str, request: TextRequest) -> bool:
    return written.lower() == request.noun.lower()


def _capitalised(request: TextRequest, covered: str) -> Iterator[tuple[int, int]]:
    for match in _CAPITALS.finditer(covered):
        start, end = match.span()
        parts = words(match[0])
        if _START.search(covered[:start]) and parts:
            first = parts[0]
            if len(parts) == 1 or is_ordinary(first, request):
                start += len(first)
                parts = parts[1:]
        named = [part for part in parts if part[:1].isupper() and part not in ("I", "I'm", "I've")]
        if named and not all(is_ordinary(part, request) for part in named):
            yield start + (len(covered[start:end]) - len(covered[start:end].lstrip())), end


def _chinese(request: TextRequest, covered: str) -> Iterator[tuple[int, int]]:
    at = 0
    for word, tag in _tagged(covered):
        if tag.startswith(_NAME_TAGS) and len(word) >= 2 and han(word) and not is_ordinary_zh(word, request):
            yield at, at + len(word)
        at += len(word)


def _tagged(text: str) -> list[tuple[str, str]]:
    """Cut a Chinese text into words with their parts of speech, by the dictionary alone."""
    return [(pair.word, pair.flag) for pair in _tagger().lcut(text, HMM=False)]


@cache
def _tagger() -> Any:
    from kgrec.text.tokens import chinese_tokeniser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old escape sequences
        import jieba.posseg

    return jieba.posseg.POSTokenizer(chinese_tokeniser())

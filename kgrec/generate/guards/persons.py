"""What a text says of the names that are joined with the item: the facts say how they are joined, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kgrec.generate.guards.ordinary import is_ordinary, stem
from kgrec.generate.language import words
from kgrec.generate.spans import COVER, Span, masked
from kgrec.plugin.generation import TextRequest, Violation

# Where a noun phrase ends: "Ada Orla, a story | of a killer" is about a story, "Ada Orla, a killer" about Ada Orla.
_PHRASE = r"((?:(?!\b(?:of|about|in|on|from|with|for|to|that|which|where|as|by|at|set|and|or|but)\b)[^.,;:!?—\n])*)"
_SAID = (
    re.compile(rf"[’']?\s*(?:,|—|–|-{{2}})\s*(?:an?|the|one|another) {_PHRASE}"),
    re.compile(rf"\s*,?\s+(?:who|whose) {_PHRASE}"),
    re.compile(rf"\s+(?:is|was|are|were|becomes?|became|plays|playing|as)(?: an?| the|) {_PHRASE}"),
    re.compile(r"\s*,\s*(\w{2,}(?:ed|ing))\b"),
)
"""What says something of the name before it: apposition, relative clause, predicate, participle."""

_NEXT = re.compile(r"\s+([a-z][\w'’\-]*)")
_DOES = re.compile(r"\s+(?:must|has to|have to|tries|finds|meets|decides|falls|wants|goes|lives|fights|learns)\b")
_OF_A_NOUN = re.compile(r"\b(?:an?|the|this|another|your|new|classic)\s+$", re.I)
_ROLE_ZH = re.compile(r"(?:饰演|扮演)(?:的|了|一[个位名])?(?=[\u3400-\u9fff])")
_NOBODY = re.compile(r"[\s,:]*(?:an?|the) (?!(?:\S+ ){0,3}\S*" + COVER + r")([^\s.,;:!?]+)", re.I)


def of_names(request: TextRequest, spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """Find what is said of a person or maker besides the relation that joins them with the item.

    A small model makes actors the heroes of the story: "starring Ada Orla, a retired detective", "Ada Orla hunts a
    killer". The words are those of the description, so that no word alone betrays it; its place does.
    """
    covered = masked(text, spans)
    for span in spans:
        name = text[span.start : span.end]
        if any(fact.type == "entity" for fact in span.facts) and name[:1].isupper():
            said = _of_name(request, covered, span)
            if said:
                yield Violation("claims", f"the facts do not say {said!r} of {name!r}", name)
    yield from _in_place_of_names(request, covered)


def _of_name(request: TextRequest, covered: str, span: Span) -> str:
    """Return what is said of a name, or nothing."""
    rest = covered[span.end :]
    for pattern in _SAID:
        match = pattern.match(rest)
        if match:
            said = _before_verb(request, match[1])
            if COVER not in said and _tells(request, said):
                return match[0].partition(match[1])[0].strip(" ,") + f" {said}"
    if match := _DOES.match(rest) or _ROLE_ZH.match(rest):
        return match[0].strip()
    match = _NEXT.match(rest)
    if match and not _OF_A_NOUN.search(covered[: span.start]) and _tells(request, match[1]):
        return match[1]
    return ""


def _before_verb(request: TextRequest, phrase: str) -> str:
    """Cut a phrase where the sentence goes on: "Ada Orla, the banker | directs Ben Venn"."""
    verbs = {word for cues in request.cues.values() for cue in cues for word in words(cue) if cue.startswith("{}")}
    found = re.search(rf"\b(?:{'|'.join(map(re.escape, sorted(verbs)))})\b", phrase) if verbs else None
    return phrase[: found.start()].strip() if found and found.start() else phrase


def _tells(request: TextRequest, said: str) -> bool:
    """Say whether words state something that is no style, no relation, and not about the item as a whole."""
    found = words(said)
    if any(word.lower() in (request.noun, "film", "movie", "story") for word in found):
        return False
    stated = {stem(word) for cues in request.cues.values() for cue in cues for word in words(cue)}
    return any(not is_ordinary(word, request) and stem(word) not in stated for word in found)


def _in_place_of_names(request: TextRequest, covered: str) -> Iterator[Violation]:
    """Find a noun where a relation wants a name: "a film by a retired detective", "starring a killer"."""
    if request.language != "en":
        return
    leads = {lead for cues in request.cues.values() for cue in cues if len(lead := cue.partition("{}")[0].strip()) > 4}
    for lead in sorted(lead for lead in leads if lead.endswith(" by") or lead in ("starring", "stars")):
        for match in re.finditer(rf"\b{re.escape(lead)}\b", covered, re.I):
            said = _NOBODY.match(covered, match.end())
            if said and not is_ordinary(said[1], request):
                yield Violation("claims", f"the facts do not say {(match[0] + said[0])!r}", said[1])

"""Claims: what is said of the names must be what the facts say, and nothing else may be said at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from kgrec.generate.guards.ordinary import all_ordinary, is_ordinary, is_ordinary_zh, stem
from kgrec.generate.language import han, phrase_pattern, sentences, words
from kgrec.generate.spans import COVER, Span, masked, spans_of, told_key
from kgrec.graph.linking.names import name_key
from kgrec.plugin.generation import Fact, TextRequest, Violation
from kgrec.text.tokens import tokenise

_NOT = re.compile(
    r"\b(?:not|no|never|without|nobody|nothing|none|neither|nor|hardly|barely|cannot|lacks?|lacking|fails? to"
    r"|refuses? to|anything but|far from)\b|n['’]t\b",
    re.I,
)
_NOT_ZH = re.compile(r"不|没|無|无|未|非|并非|绝非|从未|毫无|缺乏|缺少|并无")
_PLACE = "\ue000{}\ue001"
_ONE = "\ue000\\d+\ue001"
_OPEN, _CLOSE = r"[《“\"「『]?", r"[》”\"」』]?"
# "A, B and C", "A and B"; a comma alone may end the clause: "Directed by Ada, Comet Letters is..."
_MORE = rf"(?:{_CLOSE}\s*,\s*{_OPEN}{_ONE})+,?\s+and\s+{_OPEN}{_ONE}|{_CLOSE}\s+(?:and|&)\s+{_OPEN}{_ONE}"
_MORE_ZH = rf"(?:{_CLOSE}(?:、|和|与|及|以及){_OPEN}{_ONE})+"
_NOUNS = "movies? |films? |books? |novels? |series |shows? |articles? |stor(?:y|ies) |products? |items? "
_LIST = rf"(?:the |a |an |by |{_NOUNS}|[《“\"「『]|是|为|：|:|由|自|了)*({_ONE}(?:{_MORE}|{_MORE_ZH})?)"
_DEEDS = (
    "watched|bought|read|saw|viewed|rated|purchased|reviewed|liked|loved|enjoyed|shared|saved|clicked on|clicked"
    "|looked at|commented on|collected|searched for|put in(?:to)? your cart|put on your (?:wish )?list"
)
_DEEDS_ZH = (
    "看过|买过|读过|看了|买了|读了|购买过|购买了|购买|喜欢过|喜欢|喜爱|收藏过|收藏了|收藏|点赞过|点赞|评论过|评论|评价过|评价|分享过|分享"
    "|浏览过|浏览|点击过|点击|点开过|点过|评过分|评分|加入过购物车|加购了|加购|搜索过|看到过"
)
_YOU = re.compile(rf"\b[Yy]ou(?:['’]ve| have| had)?(?: also| once| recently| already)* ({_DEEDS}) {_LIST}")
_YOU_ZH = re.compile(rf"[您你](?:曾经|曾|也|刚|之前|最近|已经)*({_DEEDS_ZH}){_LIST}")

_READER = re.compile(r"\b(?:you|your|yours|who|fans?|readers?|viewers?|customers?)\b|[你您]|读者|观众|顾客|的人", re.I)
_MORE_OF_IT = re.compile(r"[》”\"」』]?\s*,\s*(?:an?|the|which|where|whose|who|with|starring|directed)\b", re.I)

_SENTENCE_END = re.compile(
    r"[.!?](?:\s+(?![a-z])|$)|[。！？\n]"
)  # a title may end in a mark: "Mars Attacks! and Glory"
_OF_THE_READER = re.compile(r"[》”\"」』]?\s*,?\s*(?:which|that) (?:you|your)\b", re.I)


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
        return [
            *_negations(request, covered),
            *_strong(request, held, covered),
            *_relations(request, spans, text),
            *_histories(spans, text),
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
    placed = _placed(text, spans)
    said: dict[int, list[str]] = {}
    fits: set[int] = set()
    for names, pattern in _patterns(request):
        for match in pattern.finditer(placed):
            for number in map(int, re.findall(r"\ue000(\d+)\ue001", match[1])):
                said.setdefault(number, []).append(match[0].replace(match[1], _PLACE.format(number)))
                if any(fact.name in names or fact.type == "reason" for fact in spans[number].facts):
                    fits.add(number)
    for number in sorted(set(said) - fits):
        name = text[spans[number].start : spans[number].end]
        words_said = re.sub(r"\ue000\d+\ue001", name, said[number][0]).strip(" ,.《》“”")
        yield Violation("claims", f"the facts do not say {words_said!r}", name)


def _placed(text: str, spans: Sequence[Span]) -> str:
    for number in reversed(range(len(spans))):
        span = spans[number]
        text = text[: span.start] + _PLACE.format(number) + text[span.end :]
    return text


def _patterns(request: TextRequest) -> tuple[tuple[frozenset[str], re.Pattern[str]], ...]:
    return _compiled(tuple(sorted(request.cues.items())))


@lru_cache(maxsize=64)
def _compiled(cues: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[tuple[frozenset[str], re.Pattern[str]], ...]:
    """Return cues as patterns with the names of the relations they state, the longest cue first."""
    found: dict[str, set[str]] = {}
    for relation, worded in cues:
        for cue in worded:
            found.setdefault(cue, set()).add(relation)
    ordered = sorted(found, key=lambda cue: (-len(cue), cue))
    return tuple((frozenset(found[cue]), _pattern(cue)) for cue in ordered)


def _pattern(cue: str) -> re.Pattern[str]:
    before, _, after = cue.partition("{}")
    start = r"\b" if before[:1].isascii() and before[:1].isalpha() else ""
    # "Ada directed", but not "a drama directed by Ada".
    end = r"\b(?! by\b)" if after[-1:].isascii() and after[-1:].isalpha() else ""
    lead = re.escape(before.rstrip()) + (r"[\s,:]*" if before else "")
    return re.compile(start + lead + _LIST + r"[》”\"」』]?" + re.escape(after) + end, re.I)


def _histories(spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """What the reader is said to have done must be what the facts say: that item, and no more than that action."""
    placed = _placed(text, spans)
    for match in (*_YOU.finditer(placed), *_YOU_ZH.finditer(placed)):
        for number in map(int, re.findall(r"\ue000(\d+)\ue001", match[2])):
            facts = spans[number].facts
            verbs = [fact.label for fact in facts if fact.type == "history"]
            stated = any(verb.startswith(match[1]) or match[1].startswith(verb) for verb in verbs if verb)
            if not stated and (verbs or not any(fact.type in ("interest", "reason") for fact in facts)):
                name = text[spans[number].start : spans[number].end]
                yield Violation("claims", f"the facts do not say that the reader {match[1]} {name!r}", name)


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
        common = all_ordinary(name, request) and (name[:1].islower() or " " not in name)  # films called "It" and "A"
        if common or _OF_THE_READER.match(text, span.end):
            continue
        if not _READER.search(around):
            yield Violation("claims", f"{name!r} may only be named as something the reader knows", name)
        elif _MORE_OF_IT.match(text, span.end):
            yield Violation("claims", f"the facts say nothing of {name!r} but what the reader did with it", name)

"""What a text says of its reader: that they did, saw or like something is a claim, and facts must hold it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kgrec.generate.language import sentences
from kgrec.generate.spans import COVER, ONE, PLACE, Span, masked, placed
from kgrec.plugin.generation import Violation

OPEN, CLOSE = r"[《“\"「『]?", r"[》”\"」』]?"
# "A, B and C", "A and B"; a comma alone may end the clause: "Directed by Ada, Comet Letters is..."
_MORE = rf"(?:{CLOSE}\s*,\s*{OPEN}{ONE})+,?\s+and\s+{OPEN}{ONE}|{CLOSE}\s+(?:and|&)\s+{OPEN}{ONE}"
_MORE_ZH = rf"(?:{CLOSE}(?:、|和|与|及|以及){OPEN}{ONE})+"
_NOUNS = "movies? |films? |books? |novels? |series |shows? |articles? |stor(?:y|ies) |products? |items? "
LIST = rf"(?:the |a |an |by |{_NOUNS}|[《“\"「『]|是|为|：|:|由|自|了)*({ONE}(?:{_MORE}|{_MORE_ZH})?)"
"""Names in a row, with what may stand before them; group 1 is the names, as places."""

_DEEDS = (
    "watched|bought|read|saw|seen|viewed|rated|purchased|reviewed|liked|loved|enjoyed|shared|saved|clicked on|clicked"
    "|looked at|commented on|collected|searched for|put in(?:to)? your cart|put on your (?:wish )?list|picked out"
    "|knew|known|owned|heard|met|chose|chosen|found|had|made|missed|praised|adored|hated|played|tried|finished|started|gave"
)
_DEEDS_ZH = (
    "看过|买过|读过|看了|买了|读了|购买过|购买了|购买|喜欢过|喜欢|喜爱|收藏过|收藏了|收藏|点赞过|点赞|评论过|评论|评价过|评价|分享过|分享"
    "|浏览过|浏览|点击过|点击|点开过|点过|评过分|评分|加入过购物车|加购了|加购|搜索过|看到过"
)
_OFTEN = "(?: also| once| recently| already| always| often| just| really| both| previously| probably| clearly)*"
_YOU = re.compile(rf"\b[Yy]ou(?:['’]ve| have| had)?{_OFTEN} ({_DEEDS}) {LIST}")
_YOU_ZH = re.compile(rf"[您你](?:曾经|曾|也|刚|之前|最近|已经)*({_DEEDS_ZH}){LIST}")
_THIS = (
    rf"(?:it|them|this(?: one)?|that|(?:this|the|that)(?: very)? (?:{_NOUNS.replace(' ', '')}|one|picture|title))"
    r"(?![\w'’-])"
)
_NONE_NAMED = r"(?=\s*(?:[.,;:!?)]|$)|\s+(?:and|so|because|before|already|recently|once|too|very|last|this|in|on)\b)"
_IT = re.compile(rf"\byou(?:['’]ve| have| had)?{_OFTEN} ({_DEEDS})(?: {_THIS}|{_NONE_NAMED})", re.I)
_AND_IT = re.compile(rf"\b(?:and|who) (watched|bought|read|saw|rated|liked|loved|enjoyed) {_THIS}", re.I)
_NOW = re.compile(rf"\b(\w+ )?you{_OFTEN} (like|love|enjoy|adore|own|know|prefer) {_THIS}", re.I)
_SUPPOSED = ("if", "whether", "when", "help", "helps", "let", "lets", "make", "makes", "hope", "sure", "see", "do")
_IT_ZH = re.compile(
    rf"[您你](?:曾经|曾|也|刚|之前|最近|已经)*({_DEEDS_ZH})(?:了|过)?"
    r"(?:它|[这该此那][部款本篇个件](?:影片|电影|片|书|商品|产品|文章)?|[本该此](?:片|书|品|文))"
)
_OTHER_DEED = re.compile(rf"(\S+ )?\byou(?:['’]ve| have| had)?{_OFTEN} (\w{{2,}}ed)\b", re.I)
_HAVE_DONE = re.compile(rf"\byou(?:['’]ve| have| had){_OFTEN} (\w{{2,}}(?:ed|en|wn|ought|old))\b", re.I)
_OBJECT = re.compile(
    r"(?:are|were|keeps?|leaves?|left|gets?|makes?|has|have|wants?|finds?|for|to|with|of|about|by|if|than|on)\s", re.I
)
_FAVOURITE = re.compile(
    r"\byour(?: \w+)? favou?rites?\b|\bfavou?rites? of yours\b|[您你]最(?:喜欢|喜爱|爱|钟爱)的?", re.I
)
_WRITER = re.compile(r"\bI(?:['’](?:m|ve|d|ll))?\b(?! ?[.,:;]?\s*[A-Z0-9])|\b(?:my|me|mine|myself)\b")
_SEVERAL = re.compile(r"(?:\w{2,}s|ones|what|those|all)(?:,? (?:that|which))?\s*$", re.I)


def of_the_reader(spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """Find what the text says that the reader did or likes, and no fact does.

    A pronoun or a verb without an object speaks of the item that was named last: of an item of the history that is
    fine, if that is what the reader did with it, but the item that is recommended the reader does not know.
    """
    covered = masked(text, spans)
    yield from _named(spans, text)
    patterns = (_IT, _AND_IT, _NOW, _IT_ZH)
    for match in (found for pattern in patterns for found in pattern.finditer(covered)):
        verb = match[2] if match.re is _NOW else match[1]
        if match.re is _NOW and (match[1] or "").strip().lower() in _SUPPOSED:
            continue
        if match.re is _IT and _SEVERAL.search(covered[: match.start()]):  # "five films you liked"
            continue
        if not _did(verb, _last_item(spans, match.start())):
            yield _untold(match[0])
    yield from (_untold(verb) for verb in _other_deeds(spans, covered))
    for match in _WRITER.finditer(covered):
        yield Violation("claims", f"the text speaks of nobody but the reader, not of {match[0]!r}", match[0])
    for match in _FAVOURITE.finditer(covered):
        yield Violation("claims", f"the facts do not say what is {match[0]!r}", match[0])


def _named(spans: Sequence[Span], text: str) -> Iterator[Violation]:
    """What the reader is said to have done with items that are named: those items, and no more than that."""
    written = placed(text, spans)
    for match in (*_YOU.finditer(written), *_YOU_ZH.finditer(written)):
        for number in map(int, re.findall(PLACE, match[2])):
            span = spans[number]
            told = any(fact.type == "history" and fact.label for fact in span.facts)
            if not _did(match[1], span) and (told or not _shared(span)):
                name = text[span.start : span.end]
                yield Violation("claims", f"the facts do not say that the reader {match[1]} {name!r}", name)


def _did(verb: str, span: Span | None) -> bool:
    """Say whether the facts say that the reader did this with an item."""
    labels = [fact.label for fact in span.facts if fact.type == "history" and fact.label] if span else []
    return any(label.startswith(verb.lower()) or verb.lower().startswith(label) for label in labels)


def _shared(span: Span) -> bool:
    return any(fact.type in ("interest", "reason") for fact in span.facts)


def _last_item(spans: Sequence[Span], before: int) -> Span | None:
    """Return the item that was named last before a place in the text."""
    named = [s for s in spans if s.end <= before and any(fact.type in ("title", "history") for fact in s.facts)]
    return named[-1] if named else None


def _other_deeds(spans: Sequence[Span], covered: str) -> Iterator[str]:
    """Yield verbs that say what the reader did and that are not what the facts say they did with any item."""
    labels = [fact.label for span in spans for fact in span.facts if fact.type == "history"]
    for match in (*_OTHER_DEED.finditer(covered), *_HAVE_DONE.finditer(covered)):
        verb = match[match.re.groups]
        is_object = match.re is _OTHER_DEED and _OBJECT.fullmatch(match[1] or "")
        known = re.fullmatch(_DEEDS, verb, re.I)
        if not is_object and not known and not any(label.startswith(verb.lower()) for label in labels):
            yield match[0]
    for sentence in sentences(covered):
        for match in re.finditer(rf"(\S+ )?\byou(?:['’]ve| have| had)?{_OFTEN} ({_DEEDS})\b", sentence, re.I):
            if COVER not in sentence and not _OBJECT.fullmatch(match[1] or ""):
                yield match[0]


def _untold(said: str) -> Violation:
    return Violation("claims", f"the facts do not say {said.strip()!r} of this item", said.strip())

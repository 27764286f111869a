"""How sure a match of a name in a text is a mention: length, commonness, case and quotation marks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kgrec.graph.linking.names import Tokens, is_unspaced

_FREQUENT = """
    a about above across after again against all almost alone along already also always am among an and another any
    anyone anything are around as ask at away back bad be because become been before begin being below best better
    between big body both boy but by call came can case child city come could country day dead death did different do
    does done down dream during each early end enough even ever every everything eye face fact family far father few
    find first five follow for four free friend from gave get girl give go god going gone good got great group had
    half hand has have he head heart hello help her here high him his home house how i if in into is it its job just
    keep kind king know land last late leave left let life like line little live long look lost love made make man
    many may me mean men might mine money more most mother move much must my myself name never new next night no
    nobody not nothing now of off old on once one only open or other our out over own part people place point power
    put queen real right room run same say school second see seem seven shall she should show side since six small so
    some something soon still stop story such summer take tell ten than that the their them then there these they thing
    think this those though three through time to today together too turn two under until up upon us use very wait walk
    want war was water way we week well went were what when where which while white who whole whom why wife wild will
    winter with within without woman women word work world would year yes yet you young your
    """

COMMON_WORDS = frozenset(_FREQUENT.split())
"""Frequent English words: a name made of these alone says little. The names of real entities do occur among them
(the films "Seven" and "Wild"), which is why they lower a score and do not forbid a match."""

_QUOTES = "\"'“”‘’«»《》〈〉「」『』_"
_BREAK = re.compile(r"[.!?;,:。！？；，、：\n]")
_SENTENCE_END = ".!?。！？\n"


@dataclass(frozen=True, slots=True)
class Mention:
    """A match of a name in a text.

    Attributes:
        text: the text.
        tokens: its tokens.
        first, last: the tokens that match, inclusive.
    """

    text: str
    tokens: Tokens
    first: int
    last: int

    @property
    def start(self) -> int:
        """Where it begins in the text."""
        return self.tokens.starts[self.first]

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.tokens.ends[self.last]

    @property
    def surface(self) -> str:
        """The mention as written."""
        return self.text[self.start : self.end]


def crosses_break(mention: Mention, label: str) -> bool:
    """Say whether punctuation that the name does not have stands inside the mention.

    "... by James Cameron. Diaz plays" does not mention Cameron Diaz, while the full stop of "Samuel L. Jackson" is
    that of an initial and "Dr. Strange" that of a short form.
    """
    for left, right in zip(range(mention.first, mention.last), range(mention.first + 1, mention.last + 1), strict=True):
        gap = mention.text[mention.tokens.ends[left] : mention.tokens.starts[right]]
        for sign in _BREAK.findall(gap):
            short_form = sign == "." and len(mention.tokens.folded[left]) <= 3
            if sign not in label and not short_form:
                return True
    return False


def score_name(mention: Mention, label: str, *, title: bool, strict: bool, case: str) -> float:
    """Score a mention of ``label`` between 0 and 1, ambiguity aside.

    Multi-word names start high, single words low; a proper name in lower case loses, one with a capital inside a
    sentence gains; a person's name that goes on behind the mention loses.

    Args:
        mention: where the name was found.
        label: the name as its entity writes it.
        title: the name is a title, which in Chinese, too, may be an ordinary word of two characters.
        strict: a single word is not enough without quotation marks: titles are often ordinary words, and a first name
            is rarely the person of that name.
        case: ``auto`` weighs case where the text has both cases, ``ignore`` never, ``require`` rejects other spelling.
    """
    words = mention.tokens.folded[mention.first : mention.last + 1]
    quoted = _is_quoted(mention)
    if all(is_unspaced(word) for word in words):
        base = {1: 0.1, 2: 0.65, 3: 0.75}.get(len(words), 0.9)
        return min(1.0, base + (0.3 if quoted else -0.2 if title and len(words) < 3 else 0.0))
    telling = [word for word in words if word not in COMMON_WORDS and (len(word) > 1 or is_unspaced(word))]
    base = {0: 0.25, 1: 0.5}.get(len(telling), 0.85)
    if len(telling) == 1 and len(words) > 1:
        base = 0.65
    if len(telling) > 2:
        base += 0.1
    if strict and len(telling) < 2:
        base -= 0.15
    if quoted:
        base += 0.35
    score = min(1.0, base * _case_factor(mention, label, case) + _case_bonus(mention, case))
    if strict and case != "ignore" and not quoted and _goes_on(mention):
        score *= 0.5
    return max(0.05, score)


def _is_quoted(mention: Mention) -> bool:
    before, after = mention.text[: mention.start][-1:], mention.text[mention.end :][:1]
    return bool(before and after) and before in _QUOTES and after in _QUOTES


def _goes_on(mention: Mention) -> bool:
    """Say whether the name seems to be the beginning of a longer one: "Charles Van" in "Charles Van Doren".

    A capital right behind tells nothing where most words have one, as in headlines.
    """
    tokens, following = mention.tokens, mention.last + 1
    if following == len(tokens.starts) or mention.text[mention.end : tokens.starts[following]] != " ":
        return False
    initials = [mention.text[start] for start in tokens.starts]
    return initials[following].isupper() and 2 * sum(map(str.islower, initials)) > len(initials)


def _mixed_case(text: str) -> bool:
    return not (text.islower() or text.isupper())


def _case_factor(mention: Mention, label: str, case: str) -> float:
    if case == "ignore" or not any(c.isupper() for c in label):
        return 1.0
    agrees = not mention.surface[:1].islower()
    if case == "require":
        return 1.0 if mention.surface in label else 0.05
    return 1.0 if agrees or not _mixed_case(mention.text) else 0.4


def _case_bonus(mention: Mention, case: str) -> float:
    """Reward a capital that no beginning of a sentence explains."""
    if case == "ignore" or not mention.surface[:1].isupper() or not _mixed_case(mention.text):
        return 0.0
    before = mention.text[: mention.start].rstrip(" \t\"'“‘_(")
    return 0.02 if not before or before[-1] in _SENTENCE_END else 0.2

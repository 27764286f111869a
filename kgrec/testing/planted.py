"""Texts with planted errors, and the same texts without: how well guards tell them apart.

The sentences are not those of the template generator, so that a guard cannot know them by heart. An error is planted
by altering the facts before the sentence is filled, or by altering the sentence; the text is then judged by the facts
as they are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kgrec.generate.template import Line, parse_phrases, slot_values
from kgrec.languages.language import get_language
from kgrec.plugin.generation import Fact, TextRequest, Violation

FRAMES: Mapping[tuple[str, str], str] = {
    ("video", "en"): """== text
        {title}, directed by {directed_by|one}, stars {starring|one}.
        {directed_by|one} directs {starring|one} in {title}, {has_genre|one,lower,a} film from {year}.
        Looking for something new? Try {title}, starring {starring|two}.
        {title} brings {starring|two} together, under the direction of {directed_by|one}.
        A {has_genre|one,lower} story for a quiet evening: {title} ({year}), with {starring|one}.
        You {verb} {history}, so {title} by director {directed_by|one} may be a good choice for tonight.
        {title} is {has_genre|two,lower,a} film made in {made_in|one}, and {directed_by|one} directed it in {year}.
        Discover {title}, a film by {directed_by|one} that is well worth your time.
        If you enjoy {has_genre|one,lower}, give {title} from {year} a chance.
        {starring|one} stars in {title}, a wonderful pick for fans of {has_genre|one,lower}.""",
    ("video", "zh"): """== text
        {directed_by|one}执导、{starring|one}主演的《{title}》值得一看。
        喜欢{has_genre|one}的您，不妨看看{year}年的《{title}》，主演是{starring|one}。
        您{verb}《{history}》，今晚可以看看{directed_by|one}导演的《{title}》。
        《{title}》由{starring|two}主演，是一部精彩的{has_genre|one}影片。
        {made_in|one}出品的《{title}》，导演是{directed_by|one}。""",
    ("ecommerce", "zh"): """== text
        {has_brand|one}品牌的{title}，采用{made_of|one}，值得拥有。
        {title}产自{comes_from|one}，属于{in_category|one}，价格{price}元。
        {title}选用{made_of|one}制成，品牌是{has_brand|one}，适合日常使用。
        来自{comes_from|one}的{title}，{has_brand|one}出品，售价{price}元。
        您{verb}“{history}”，不妨看看{has_brand|one}出品的{title}。
        适合{suited_for|one}的{title}，{made_of|two}材质。""",
    ("ecommerce", "en"): """== text
        {title} is crafted from {made_of|one,lower}, by the brand {has_brand|one}.
        Looking for something special? {title} comes from {comes_from|one} and costs {price}.
        Perfect for {suited_for|one,lower}: {title} by {has_brand|one}.
        You {verb} {history}, so have a look at {title} by the brand {has_brand|one}.
        {title} is a lovely choice from the category {in_category|one}, at {price}.
        Try {title}, by the brand {has_brand|one}, for a little comfort every day.""",
    ("news", "en"): """== text
        {written_by|one} reports on {about|one}: {title}.
        In the {in_category|one} section today: {title}, written by {written_by|one}.
        {title}. An article by {written_by|one}, published on {published}.
        You {verb} {history}; {written_by|one} writes about {about|one} in {title}.
        Worth reading in {in_category|one}: {title}, with a look at {mentions|one}.
        New today: {title}. It mentions {mentions|one}.
        If you follow {mentions|one}, read {title}.""",
}
"""By domain and language: sentences in the form of phrases."""

EXTRA: Mapping[str, Mapping[str, str]] = {
    "en": {
        "directed_by": "It is directed by {}.",
        "starring": "It stars {}.",
        "made_in": "It was made in {}.",
        "has_genre": "It is also {} at heart.",
        "has_brand": "It is by the brand {}.",
        "made_of": "It is made of {}.",
        "written_by": "It was written by {}.",
        "about": "It is about {}.",
        "in_category": "It is from the section {}.",
    },
    "zh": {
        "directed_by": "由{}执导。",
        "starring": "由{}主演。",
        "made_in": "制片国家是{}。",
        "has_genre": "也是一部{}影片。",
        "has_brand": "{}出品。",
        "made_of": "采用{}制成。",
        "comes_from": "产自{}。",
        "in_category": "属于{}。",
    },
}
"""A sentence by which a fact of another item is claimed of this one."""

NEGATIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "en": (
        (" is directed by ", " is not directed by "),
        (" directed by ", " not directed by "),
        (" stars ", " does not star "),
        (" directs ", " never directs "),
        (" is ", " is not "),
        (" comes ", " never comes "),
        ("Try ", "Don't try "),
        (" reports ", " did not report "),
        ("Worth ", "Not worth "),
        (" by ", " but not by "),
    ),
    "zh": (
        ("是", "不是"), ("由", "并非由"), ("采用", "没有采用"), ("产自", "并非产自"), ("执导", "没有执导"),
        ("来自", "并非来自"), ("适合", "不适合"), ("出品", "没有出品"), ("品牌", "非品牌"),
    ),
}  # fmt: skip
COUNTED = {"en": "It takes {} minutes.", "zh": "共{}件。"}
"""A number that is claimed, by language."""

SWAPS = (("directed_by", "starring"), ("has_brand", "made_of"), ("made_of", "comes_from"), ("written_by", "about"))
OF_THE_READER: Mapping[str, tuple[str, ...]] = {
    "en": (
        "You liked it.",
        "You have seen it before.",
        "You already own it.",
        "It is one of your favourite {nouns}.",
        "You rated this {noun} last year.",
        "You have been waiting for it.",
        "It is what you asked for.",
    ),
    "zh": ("您看过它。", "您买过它。", "它是您最喜欢的{noun}之一。", "您收藏过它。", "您喜欢它。"),
}
"""Claims that the reader knows the very item that is recommended."""

ERRORS = ("entity", "number", "negation", "relation", "other item", "reader", "role")


@dataclass(frozen=True, slots=True)
class PlantedText:
    """A text to be judged: ``error`` names what was planted, and is empty for a text without error."""

    request: TextRequest
    text: str
    error: str


@dataclass(frozen=True, slots=True)
class _Case:
    """A text without error, how it was made, and where errors are taken from."""

    request: TextRequest
    line: Line
    text: str
    others: Sequence[TextRequest]


def lines_of(domain: str, language: str) -> tuple[Line, ...]:
    """Return the sentences of a domain."""
    return parse_phrases(FRAMES[domain, language], f"{domain}.{language}").sections[0].lines


def planted(requests: Sequence[TextRequest], lines: Sequence[Line], count: int, *, seed: int) -> list[PlantedText]:
    """Make ``count`` texts with a planted error and as many without.

    Args:
        requests: facts of different items, in one language; other items' facts are the errors.
        lines: sentences.
        count: texts with an error; the kinds of error take turns.
        seed: of items, sentences and errors.
    """
    draw = random.Random(seed)
    wrong: list[PlantedText] = []
    right: list[PlantedText] = []
    tries = 0
    while min(len(wrong), len(right)) < count and tries < 400 * count:
        tries += 1
        request = requests[draw.randrange(len(requests))]
        line = _fitting(request, lines, draw)
        if line is None:
            continue
        # Turn by turn, but what cannot be planted in these facts holds up nothing.
        error = ERRORS[tries % len(ERRORS)]
        text = _write(request, request.facts, line)
        if len(right) < count:
            right.append(PlantedText(request, text, ""))
        false = _PLANTERS[error](_Case(request, line, text, requests), draw) if len(wrong) < count else ""
        if false and false != text:
            wrong.append(PlantedText(request, false, error))
    return [*wrong, *right]


def judge(texts: Sequence[PlantedText], check: Callable[[TextRequest, str], Sequence[Violation]]) -> dict[str, float]:
    """Return ``recall``, ``precision``, and the recall of each kind of error."""
    caught = [bool(check(row.request, row.text)) for row in texts]
    wrong = [flag for flag, row in zip(caught, texts, strict=True) if row.error]
    found = {"recall": sum(wrong) / max(len(wrong), 1), "precision": sum(wrong) / max(sum(caught), 1)}
    for error in ERRORS:
        flags = [flag for flag, row in zip(caught, texts, strict=True) if row.error == error]
        if flags:
            found[f"recall {error}"] = sum(flags) / len(flags)
    return found


def _fitting(request: TextRequest, lines: Sequence[Line], draw: random.Random) -> Line | None:
    known = slot_values(request, request.facts).keys()
    fitting = [line for line in lines if line.needs <= known]
    return draw.choice(fitting) if fitting else None


def _write(request: TextRequest, facts: Sequence[Fact], line: Line) -> str:
    return line.fill(slot_values(request, facts), request.language)


def _entity(case: _Case, draw: random.Random) -> str:
    """Put a name in the place of another: of another item, in the same relation."""
    names = [f.name for f in case.request.facts if f.type == "entity" and f.name in case.line.needs]
    if not names:
        return ""
    name = draw.choice(names)
    told = " ".join(fact.value for fact in case.request.facts).casefold()
    pool = [f.value for other in case.others for f in other.facts if f.name == name and f.value.casefold() not in told]
    if not pool:
        return ""
    false = draw.choice(pool)
    facts = [replace(f, value=false) if f.name == name else f for f in case.request.facts]
    return _write(case.request, facts, case.line)


def _number(case: _Case, draw: random.Random) -> str:
    """Change a number, or claim one."""
    numbers = [
        f for f in case.request.facts if f.number is not None and f.type == "number" and f.name in case.line.needs
    ]
    if not numbers:
        counts = [f"{f.number:g}" for f in case.request.facts if f.type == "interest" and f.number]
        if counts and get_language(case.request.language).spaced and draw.random() < 0.5:
            return f"{case.text} It is in {draw.choice(counts)}-{draw.choice('DK')}."  # counts the history, no format
        claim = draw.choice((37, 143, 1871, 6.5, 99))
        language = get_language(case.request.language)
        return language.joined((case.text, COUNTED[language.code].format(claim)))
    fact = draw.choice(numbers)
    shift = draw.choice((-7, -2, 3, 11, 30))
    value = f"{(fact.number or 0) + shift:.10g}"
    return _write(case.request, [replace(f, value=value) if f is fact else f for f in case.request.facts], case.line)


def _negation(case: _Case, draw: random.Random) -> str:
    """Deny what the text says; the words of the sentence are altered, never those of a name."""
    pairs = list(NEGATIONS[case.request.language])
    draw.shuffle(pairs)
    for before, after in pairs:
        place = next((k for k, literal in enumerate(case.line.literals) if before in literal), None)
        if place is not None:
            literals = list(case.line.literals)
            literals[place] = literals[place].replace(before, after, 1)
            return _write(case.request, case.request.facts, replace(case.line, literals=tuple(literals)))
    return ""


def _relation(case: _Case, draw: random.Random) -> str:  # noqa: ARG001
    """Swap two names that are joined with the item by different relations."""
    for first, second in SWAPS:
        a = [f.value for f in case.request.facts if f.name == first]
        b = [f.value for f in case.request.facts if f.name == second]
        if a and b and {first, second} & case.line.needs and not set(a) & set(b):
            swapped = {first: b[0], second: a[0]}
            facts = [replace(f, value=swapped[f.name]) if f.name in swapped else f for f in case.request.facts]
            return _write(case.request, facts, case.line)
    return ""


def _other(case: _Case, draw: random.Random) -> str:
    """Claim something of another item: a relation, or what its description tells."""
    other = case.others[draw.randrange(len(case.others))]
    told = " ".join(fact.value for fact in case.request.facts).casefold()
    worded = EXTRA[case.request.language]
    claims = [
        worded[f.name].format(f.value) for f in other.facts if f.name in worded and f.value.casefold() not in told
    ]
    stories = [f.value.split(". ")[0].rstrip(".") + "." for f in other.facts if f.type == "text"]
    stories = [story for story in stories if story.casefold().rstrip(".") not in told]
    pool = claims if draw.random() < 0.6 or not stories else stories
    return f"{case.text} {draw.choice(pool)}" if pool else ""


def _reader(case: _Case, draw: random.Random) -> str:
    """Claim that the reader knows the item."""
    noun, language = case.request.noun, case.request.language
    said = draw.choice(OF_THE_READER[language]).format(noun=noun, nouns=get_language(language).plural(noun))
    return get_language(language).joined((case.text, said))


def _role(case: _Case, draw: random.Random) -> str:
    """Say of a name what the description says of somebody in the story: its words are borne out, their place is not."""
    request = case.request
    names = [f.value for f in request.facts if f.type == "entity" and " " in f.value and f.value in case.text]
    stories = " ".join(f.value for f in request.facts if f.type == "text")
    nouns = re.findall(r"\b(?:an?|the) ((?:[a-z]{4,} )?[a-z]{5,})\b", stories)
    if not names or not nouns or not get_language(request.language).spaced:
        return ""
    name, said = draw.choice(names), draw.choice((", the", " as the", ", who is the", ", one", " is the"))
    return case.text.replace(name, f"{name}{said} {draw.choice(nouns)}", 1)


_PLANTERS: Mapping[str, Callable[[_Case, random.Random], str]] = {
    "entity": _entity,
    "number": _number,
    "negation": _negation,
    "relation": _relation,
    "other item": _other,
    "reader": _reader,
    "role": _role,
}

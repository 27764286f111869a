"""What a small model does with the reader's history: it takes those items for a part of the one it writes about."""

import pytest

from kgrec.generate.kinds import cues_of, kinds_of
from kgrec.generate.writer import Writer
from kgrec.plugin.generation import Fact, TextRequest
from kgrec.plugin.manager import load_plugins

MANAGER = load_plugins()
WRITER = Writer([spec.build() for _, spec in MANAGER.registry("guard").items()])
FACTS = (
    Fact("f0", "title", "title", "The Lamp", subject="i"),
    Fact("f1", "entity", "directed_by", "Ada Orla", "directed by", subject="i"),
    Fact("f2", "entity", "starring", "Ben Venn", "starring", subject="i"),
    Fact("f3", "entity", "starring", "Cy Tarsk", "starring", subject="i"),
    Fact("f4", "entity", "has_genre", "Drama", "has genre", subject="i"),
    Fact("f5", "number", "year", "1994", "year", number=1994.0, subject="i"),
    Fact("f6", "history", "history", "Comet Letters", "watched"),
    Fact("f7", "history", "examples", "Nine Days in Quell", "liked"),
    Fact("f8", "history", "examples", "A", "liked"),
    Fact("f9", "history", "examples", "Quell Attacks!", "liked"),
)


def found(text, language="en"):
    domain = MANAGER.domain("video")
    request = TextRequest(
        kinds_of(domain)["tag-line"],
        FACTS,
        language,
        noun="film",
        item_ids=("i",),
        cues=cues_of(domain, language),
        allowed=domain.may_say,
    )
    return [violation.text for violation in WRITER.check(request, text) if violation.guard in ("claims", "entities")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("The Lamp is a drama starring Ben Venn in the film Comet Letters.", "Comet Letters"),
        ("The Lamp is a drama starring Ben Venn and Comet Letters.", "Comet Letters"),
        ("The Lamp is a drama starring Ben Venn, Comet Letters; you liked it.", "Comet Letters"),
        ("The Lamp is a drama and a comet letters.", "comet letters"),
        ("The Lamp, for you who watched Comet Letters, a drama of 1994.", "Comet Letters"),
        ("The Lamp, for you: you watched the film The Lamp.", "The Lamp"),
        ("The Lamp is a drama of one who went to Quell.", "Quell"),
        ("The Lamp is a drama starring Ben Tarsk.", "Ben Tarsk"),
        ("The Lamp is a drama starring Venn Tarsk.", "Venn Tarsk"),
    ],
)
def test_an_item_of_the_history_is_no_part_of_this_one(text, told):
    assert told in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "The Lamp, a 1994 drama directed by Ada Orla, since you watched Comet Letters.",
        "You liked Nine Days in Quell: here is The Lamp, with Ben Venn and Cy Tarsk.",
        "The Lamp is close to Comet Letters, which you watched.",
        "The Lamp is a drama directed by Ada Orla.",
        "You liked Quell Attacks! and Comet Letters: here is The Lamp.",
    ],
)
def test_it_may_be_named_as_what_the_reader_knows(text):
    assert found(text) == []


def test_chinese_names_the_reader_after_the_title():
    assert found("看过《Comet Letters》的你，可以看看《The Lamp》。", "zh") == []
    assert "Comet Letters" in found("《The Lamp》由Ben Venn主演，出自《Comet Letters》。", "zh")


STORY = Fact("f10", "text", "description", "A madcap killer hunts a retired detective. A murder.", subject="i")
COUNT = Fact("f11", "interest", "interest", "Drama", "has genre", number=3.0)


def claimed(text, language="en"):
    domain = MANAGER.domain("video")
    noun = domain.item_noun[language]
    facts = (*FACTS, STORY, COUNT)
    request = TextRequest(
        kinds_of(domain)["blurb"],
        facts,
        language,
        noun=noun,
        item_ids=("i",),
        cues=cues_of(domain, language),
        allowed=domain.may_say,
    )
    return [v for v in WRITER.check(request, text) if v.guard in ("claims", "entities", "numbers")]


@pytest.mark.parametrize(
    "text",
    [
        "The Lamp is a drama directed by Ada Orla, and you liked it.",
        "The Lamp is a drama that you watched.",
        "You liked it, so try The Lamp.",
        "You've seen The Lamp.",
        "The Lamp, starring Ben Venn, is one of your favourite films.",
        "You watched Comet Letters, so The Lamp is for you; you watched it before.",
        "The Lamp is a drama you have always wanted.",
        "You asked for The Lamp.",
        "You love this film The Lamp.",
        "The Lamp is a drama starring Ben Venn, a madcap killer.",
        "The Lamp is a drama starring Ben Venn as a killer.",
        "Ben Venn hunts a retired detective in The Lamp.",
        "Ben Venn must find a killer in The Lamp.",
        "The Lamp is a drama, a film by a retired detective.",
        "The Lamp stars Ben Venn, who is hunted by a detective.",
        "The Lamp is a 3-D drama.",
        "The Lamp is a drama in 3 parts.",
        "You watched Comet Letters, and I am a fan of The Lamp.",
    ],
)
def test_words_that_facts_hold_are_refused_where_they_say_something_else(text):
    assert claimed(text)


@pytest.mark.parametrize(
    "text",
    [
        "You liked Nine Days in Quell. The Lamp, starring Ben Venn, is a drama too.",
        "If you like drama, you will love The Lamp.",
        "The Lamp is a drama starring Ben Venn and Cy Tarsk, a murder story.",
        "The Lamp, directed by Ada Orla, a drama of 1994.",
        "Ada Orla directed The Lamp, a Ben Venn drama.",
        "Drama comes up in 3 films of your history, and again in The Lamp.",
        "The Lamp stars Ben Venn, who also stars with Cy Tarsk.",
        "Drama runs through 3 films that you liked: Nine Days in Quell, for example.",
        "Are you interested in drama? The Lamp keeps you entertained.",
        "The Lamp is a film you have yet to discover.",
    ],
)
def test_the_same_words_pass_where_they_are_true(text):
    assert claimed(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "您看过它，《The Lamp》由Ben Venn主演。",
        "《The Lamp》是您最喜欢的影片之一。",
        "《The Lamp》由Ben Venn主演，您看过这部影片。",
        "在《The Lamp》中，Ben Venn饰演杀手。",
    ],
)
def test_chinese_claims_about_reader_and_roles(text):
    assert claimed(text, "zh")

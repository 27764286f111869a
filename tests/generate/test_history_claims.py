"""What a small model does with the reader's history: it takes those items for a part of the one it writes about."""

import pytest

from kgrec.generate.kinds import cues_of, kinds_of
from kgrec.generate.pipeline import Writer
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
        kinds_of(domain)["tag-line"], FACTS, language, noun="film", item_ids=("i",), cues=cues_of(domain, language)
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

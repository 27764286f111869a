"""Steering chooses among facts: what is foreseen decides which come first, and nothing is added."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kgrec.generate.facts import numbered
from kgrec.generate.kinds import BLURB
from kgrec.generate.prompts import render
from kgrec.generate.template import TemplateGenerator, parse_phrases
from kgrec.generate.topics import TOPICS, decode, merged, stressed
from kgrec.plugin.domain import PromptTemplate
from kgrec.plugin.generation import Fact, Interest, TextRequest

GENRES = ["Drama", "Comedy", "War", "Science Fiction", "Romance", "Western"]
FACTS = [
    Fact("", "title", "title", "Green Hills", subject="i1"),
    *(Fact("", "entity", "has_genre", genre, "genre", subject="i1") for genre in GENRES),
    Fact("", "entity", "directed_by", "Ada Orbit", "directed by", subject="i1"),
    Fact("", "text", "description", "A war of stars", subject="i1"),
]


def interest(name, weight, kind="entity", key=""):
    return Interest(kind, name, "", weight, 2, key=key)


def test_what_interests_speak_of_comes_first_among_facts_of_the_same_name():
    facts, topics = stressed(FACTS, [interest("War", 0.5), interest("fiction", 0.3, "term"), interest("stars", 1.0)])
    assert [fact.value for fact in facts[1:4]] == ["War", "Science Fiction", "Drama"]
    assert topics == ("War", "Science Fiction")
    assert facts[0] == FACTS[0]
    assert facts[-2:] == FACTS[-2:]


@given(st.lists(st.tuples(st.sampled_from([*GENRES, "Ada Orbit", "Elsewhere"]), st.floats(0, 1)), max_size=8))
def test_no_fact_is_added_changed_or_dropped(wanted):
    facts, topics = stressed(FACTS, [interest(*one) for one in wanted])
    assert sorted(map(repr, facts)) == sorted(map(repr, FACTS))
    assert set(topics) <= {fact.value for fact in FACTS}
    assert len(topics) <= TOPICS
    assert [(fact.type, fact.name) for fact in facts] == [(fact.type, fact.name) for fact in FACTS]


def test_own_words_of_the_user_stress_nothing():
    assert stressed(FACTS, [interest("War", 1.0, "words")])[1] == ()


def test_own_and_foreseen_interests_are_weighed_together():
    own = [interest("Drama", 0.6, key="d"), interest("War", 0.2, key="w")]
    found = merged(own, [interest("War", 0.8, key="w"), interest("Western", 0.4, key="x")])
    assert [(i.name, round(i.weight, 3), i.count) for i in found] == [
        ("War", 0.5, 2),
        ("Drama", 0.3, 2),
        ("Western", 0.2, 0),
    ]


def request(topics):
    facts, _ = stressed(FACTS, [interest(topic, 1.0) for topic in topics])
    interests = tuple(interest(name, 0.5) for name in GENRES)
    kind = replace(BLURB, plan=(), phrases={"en": "phrases"})
    return TextRequest(kind, numbered(facts), interests=interests, item_ids=("i1",), topics=tuple(topics))


def test_topics_lead_the_profile_of_a_prompt():
    prompt = PromptTemplate("p", "{facts}|{profile}")
    assert render(prompt, request([])).endswith("<<<Drama, Comedy, War, Science Fiction, Romance, Western>>>")
    assert "|<<<War, Drama" in render(prompt, request(["War"]))
    assert "Ada Orbit" not in render(prompt, request(["Ada Orbit"])).split("|")[1]  # no interest of the user's


PHRASES = """
== opening
{title} is {has_genre|one,lower,a} film.
{title} was directed by {directed_by}.
"""


def test_topics_choose_line_and_value_of_the_template(monkeypatch):
    monkeypatch.setattr("kgrec.generate.template.load_phrases", lambda target: parse_phrases(PHRASES, target))

    def texts(topics):
        return {TemplateGenerator().write([request(topics)], seed=seed)[0] for seed in range(20)}

    assert texts([]) == {"Green Hills is a drama film.", "Green Hills was directed by Ada Orbit."}
    assert texts(["War"]) == {"Green Hills is a war film."}
    assert texts(["Ada Orbit"]) == {"Green Hills was directed by Ada Orbit."}


def test_samples_name_their_nearest_items_and_nobody_names_none():
    vectors = np.eye(3, dtype=np.float32)
    samples = np.array([[0.8, 0.6, 0], [0, 0, 0]], dtype=np.float32)
    items, cosines = decode(samples, lambda s: np.argsort(-(s @ vectors.T), axis=1, kind="stable")[:, :2], vectors)
    assert items.tolist()[:2] == [0, 1]
    np.testing.assert_allclose(cosines, [0.8, 0.6, 0, 0], rtol=1e-6)

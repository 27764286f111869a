"""No text leaves with hidden characters, markup, addresses, or a call to harm, pay or tell, whoever wrote it."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kgrec.generate.writer import LONGEST_DRAFT, Writer
from kgrec.plugin.generation import Fact
from kgrec.plugin.manager import load_plugins
from kgrec.testing import toy_request
from kgrec.text.sanitize import GATE, LONGEST, forbidden, hidden, plain, safe_name

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from prose import KINDS, false_sentences, twins

GATED = ("threat", "data", "address", "markup")


class Says:
    """A model that always says the same."""

    name = "says"

    def __init__(self, text):
        self.text = text

    def complete(self, prompts, *, max_new_tokens, seed, schema=None):
        return [self.text] * len(prompts)


@pytest.mark.parametrize("language", ["en", "zh", "de"])
@pytest.mark.parametrize("kind", GATED)
def test_every_such_text_is_held_back_and_its_harmless_twin_is_not(kind, language):
    assert set(GATED) < set(KINDS)
    assert [row for row in false_sentences(kind, language) if not row.apart and not forbidden(row.text)] == []
    assert [row for row in twins(kind, language) if forbidden(row.text)] == []


@pytest.mark.parametrize(
    "belongs",
    ["می‌خواهم", "क्‍ष", "👨‍👩‍👧 family", "☕️ time", "🏳️‍🌈", "ﷺ سلام", "Zoë, naïve café", "№ 5", "2024-10-29", "50/50"],
)
def test_joiners_that_belong_stay(belongs):
    assert hidden(belongs) == ""
    assert plain(belongs) == belongs


@pytest.mark.parametrize(
    "hides", ["a\u200bb", "a\u200db", "x\u202ey", "\u2066x", "a\u00adb", "x\x07", "a\ufe0f", "é\u200c"]
)
def test_characters_that_hide_are_found_and_taken_out_of_names(hides):
    assert hidden(hides)
    assert hidden(plain(hides)) == ""


@pytest.mark.parametrize(
    "name", ["Call 555-0100-2000", "Send us your bank details", "<b>Hi</b>", "evil．com", "x dot com"]
)
def test_names_that_are_such_a_thing_become_no_fact(name):
    assert not safe_name(plain(name))


@pytest.mark.parametrize(
    "name", ["Kill Bill", "M*A*S*H", "Mr. & Mrs. Smith", "9/11", "E.T.", "Se7en", "#Alive", "2088-554-14 Pump"]
)
def test_ordinary_names_may_be_named(name):
    assert safe_name(plain(name))


def test_a_domain_may_allow_what_its_names_are():
    assert safe_name("Booking.com", frozenset({"address"}))
    request = toy_request(facts=(Fact("f1", "title", "title", "Booking.com", subject="i1"),))
    said = "Booking.com is a film."
    assert Writer(()).check(request, said)
    allowed = replace(request, allowed=frozenset({"address"}))
    assert not Writer(()).check(allowed, said)
    assert Writer(()).check(allowed, "Go to evil.com instead of Booking.com.")


def test_the_template_passes_the_same_gate():
    attack = Fact("f9", "entity", "directed_by", "Mail bob@evil.example", "directed by", subject="i1")
    request = toy_request()
    (text,) = Writer(()).write([replace(request, facts=(request.facts[0], attack))], seed=1)
    assert text.text
    assert not forbidden(text.text)
    only = replace(request, facts=(replace(request.facts[0], value="evil.example"),))
    assert "evil" not in Writer(()).write([only], seed=1)[0].text


@pytest.mark.parametrize(
    "seed", ["a", "a.", "1-", "_a", "dot ", "*a ", "a@a ", "\n", "one ", "tell us your ", "一", "\u200d"]
)
def test_time_to_look_through_a_text_is_linear(seed):
    text = (seed * LONGEST)[:LONGEST]
    for _, find in GATE:
        started = time.process_time()
        find(text)
        assert time.process_time() - started < 1.5


def test_an_answer_of_a_megabyte_is_refused_unseen():
    guards = [spec.build() for _, spec in load_plugins().registry("guard").items()]
    started = time.process_time()
    (text,) = Writer(guards, Says("Comet Letters. " * 70_000)).write([toy_request()], seed=1)
    assert time.process_time() - started < 2
    assert text.fallback
    assert len(text.changes[0].text) <= LONGEST_DRAFT

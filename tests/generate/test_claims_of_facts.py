"""Claims are compared with facts: counts, bounds, denials, opposites, relations told beside a name."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kgrec.generate.prompts import prompt_of
from kgrec.generate.template import TemplateGenerator
from kgrec.generate.writer import Writer
from kgrec.plugin.generation import Voice
from kgrec.plugin.manager import load_plugins
from kgrec.testing import toy_request

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from prose import request_of

BASE = {
    "V2": "The Northern Verdict is a film by Leon Lindqvale. ",
    "X2": "The Enamel Camping Mug is from the brand Alder & Finch. ",
    "X5": "Nadia Brandt writes about public transport. ",
}


@pytest.fixture(scope="module")
def writer():
    return Writer([spec.build() for _, spec in load_plugins().registry("guard").items()])


@pytest.mark.parametrize(
    ("subject", "true", "false"),
    [
        ("X2", "It costs less than twenty dollars.", "It costs less than ten dollars."),
        ("X2", "It costs less than twenty dollars.", "It costs less than a hundred dollars."),
        ("X2", "It costs $18.50.", "It costs 18.50 euros."),
        ("X2", "Keep it out of the microwave.", "The mug is safe in the microwave."),
        ("X2", "You bought the Folding Camp Stove.", "You bought the Enamel Coffee Pot."),
        ("X5", "The council voted 41 to 18.", "The council voted 18 to 41."),
        ("X5", "The trams never sleep.", "The trams do not run through the night."),
        ("X5", "Unions warn of staff shortages.", "Unions praise the decision."),
        ("V2", "Three of his films are in your ratings.", "Seven of his films are in your ratings."),
        ("V2", "Leon Lindqvale is in the director's chair.", "Leon Lindqvale plays the detective."),
        ("V2", "A retired detective opens a restaurant.", "The detective marries the cook."),
        ("V2", "Hardly anyone can drive there.", "The restaurant has no kitchen."),
    ],
)
def test_what_the_facts_bear_out_passes_and_what_they_do_not_is_refused(writer, subject, true, false):
    request = request_of(subject, "en")
    assert [found.message for found in writer.check(request, BASE[subject] + true)] == []
    assert writer.check(request, BASE[subject] + false)


def test_in_domains_that_no_rule_knows(writer):
    cases = (
        ("VF", "en", "a mapmaker who has lost her sight", "a mapmaker who has lost her hearing", "sight"),
        ("GA", "en", "a climbing rose with apricot flowers", "a climbing rose with crimson flowers", "apricot"),
        ("PO", "en", "the last night trains of Europe", "the last night trains of Asia", "Europe"),
        (
            "GA",
            "de",
            "eine Kletterrose mit aprikosenfarbenen Blüten",
            "eine Kletterrose mit tiefroten Blüten",
            "aprikos",
        ),
        ("PO", "zh", "欧洲最后的夜行列车", "亚洲最后的夜行列车", "欧洲"),
        ("VF", "en", "under two hours on an island", "nearly two and a half hours on an island", ""),
        ("SF", "en", "a light blanket", "the lightest blanket of all", ""),
        ("MU", "en", "glass from three countries", "glass from four countries", ""),
    )
    for subject, language, true, false, instead in cases:
        request = request_of(subject, language)
        assert [found.message for found in writer.check(request, f"{true}.")] == [], true
        found = writer.check(request, f"{false}.")
        assert any(instead in one.message for one in found), (false, found)


def test_words_that_a_brand_avoids_are_refused_but_in_names(writer):
    request = replace(request_of("X2", "en"), voice=Voice(avoid=("enamel", "delight")))
    named = "The Enamel Camping Mug is from the brand Alder & Finch."
    assert writer.check(request, named) == []
    (found,) = writer.check(request, f"{named} Tea in it is a delight.")
    assert (found.guard, found.text) == ("banned", "delight")


def test_the_template_and_prompts_keep_to_the_voice():
    plain = toy_request()
    voice = Voice(samples=("Oh, what a night!",), prefer=("evening",), avoid=("film",))
    assert "Oh, what a night!" in prompt_of(replace(plain, voice=voice))
    texts = TemplateGenerator().write([replace(plain, voice=Voice(avoid=("film",)))] * 5, model=None, seed=3)
    assert all("film" not in text.lower() for text in texts), texts


def test_the_time_of_a_check_grows_with_the_text_and_no_faster(writer):
    def seconds(size):
        text = ("A retired detective opens a restaurant where no road leads, and Leon Lindqvale directs. " * 200)[:size]
        times = []
        for k in range(3):
            started = time.process_time()
            writer.check(request_of("V2", "de"), f"{k} {text}")
            times.append(time.process_time() - started)
        return min(times)

    seconds(1000)
    assert seconds(16_000) < 12 * seconds(4000)

"""home keeps the contracts, and what its sample is about comes back in lists and texts."""

import kgrec_home
import numpy as np
import polars as pl
import pytest
from kgrec_home import sample
from kgrec_home.parts import HomeDay, HomeHours

import kgrec
from kgrec.plugin import read_domain
from kgrec.plugin.generation import Fact
from kgrec.testing import DomainContract, GuardContract, PluginContract, RerankerContract, toy_request


def scene(language, start, end):
    hours = (
        Fact("f2", "number", "from_hour", str(start), number=start),
        Fact("f3", "number", "to_hour", str(end), number=end),
    )
    return toy_request(language, facts=(Fact("f1", "title", "title", "Midnight Toast"), *hours))


class TestDomain(DomainContract):
    def make(self):
        return read_domain("kgrec_home")


class TestHomeHours(RerankerContract):
    neutral = {"strength": 0.0}  # noqa: RUF012

    def make(self, **options):
        return HomeHours(**options)


class TestHomeDay(GuardContract):
    def make(self):
        return HomeDay()

    def accepted(self):
        return [
            (scene("en", 20, 23), "Midnight Toast, for a quiet evening in the kitchen."),
            (scene("en", 22, 2), "Midnight Toast keeps the lights low at night."),
            (scene("de", 6, 9), "„Midnight Toast“ macht am Morgen helles Licht."),
            (scene("zh", 18, 22), "晚上试试《Midnight Toast》吧。"),
        ]

    def rejected(self):
        return [
            (scene("en", 6, 9), "Midnight Toast, made for tonight."),
            (scene("en", 20, 23), "Start it while you sleep."),
            (scene("de", 6, 9), "„Midnight Toast“ macht abends gemütliches Licht."),
            (scene("de", 20, 23), "Es geht an, wenn niemand zu Hause ist."),
            (scene("zh", 6, 9), "晚上试试《Midnight Toast》吧。"),
        ]


class TestPlugin(PluginContract):
    def make(self):
        return kgrec_home


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    sample.write(folder, 42)
    project = kgrec.open(folder, overrides=["text.encoder=hashing", "graph.store=false"])
    project.build_graph()
    project.train(only=["popularity", "item-knn"])
    return folder, project, pl.read_csv(folder / "scenes.csv").rename({"scene": "item_id"})


@pytest.mark.parametrize(("hour", "now"), [("7", 7), ("15", 15), ("-1", 20.5)])  # -1: the log ends at half past eight
def test_lists_fit_the_hour(home, hour, now):
    _, project, scenes = home
    fitting = (pl.col("from_hour") <= now) & (pl.col("to_hour") >= now)
    lists, plain = (
        project.recommend_many(n=3, rerank=[rerank]).join(scenes, on="item_id").select(fitting.mean()).item()
        for rerank in (f"home-hours:0.6,hour={hour}", "home-hours:0")
    )
    assert lists > 0.7
    assert lists > 1.5 * plain


def test_held_out_scenes_of_the_routines_that_people_keep_come_back(home):
    _, project, _ = home
    likes, residents, ids = sample.planted(42)
    held = {(residents[u], ids[i]) for u, i in np.argwhere(likes.held & ~likes.cold)}
    found = project.recommend_many(n=10, rerank=["home-hours:0.2"])
    assert len(held & set(zip(found["user_id"], found["item_id"], strict=True))) > 0.8 * len(held)  # by chance 0.2


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_texts_say_the_hours_and_pass_the_guard(home, language):
    _, project, scenes = home
    for kind in ("suggestion", "button"):
        for text in project.generate("r002", kind=kind, n=3, language=language):
            row = scenes.row(by_predicate=pl.col("item_id") == text.item_ids[0], named=True)
            for told in (row["title"], str(row["from_hour"]), str(row["to_hour"])):
                assert told in text.text
            assert HomeDay().check(None, text.facts, text.text) == []


SAID = [
    ("How about Lanterns Out on the terrace this evening, from 20:00 to 23:00?", True),
    ("How about Lanterns Out on the terrace this morning?", False),
    ("Lanterns Out lights the terrace while you are away.", False),
]


@pytest.mark.parametrize(("said", "passes"), SAID)
def test_a_model_is_held_to_the_guard(home, said, passes):
    folder = home[0]
    answers = f'language_models.recorded.answers={{"*" = "{said}"}}'
    project = kgrec.open(folder, overrides=["text.encoder=hashing", answers])
    (text,) = project.generate("r002", item="s42", kind="suggestion", model="recorded")
    assert text.fallback is not passes
    assert ("home-day" in {found.guard for found in text.violations}) is not passes

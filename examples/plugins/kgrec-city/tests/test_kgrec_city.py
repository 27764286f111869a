"""city keeps the contracts, and what its sample is about comes back in lists and texts."""

from datetime import timedelta

import kgrec_city
import numpy as np
import polars as pl
import pytest
from kgrec_city import sample
from kgrec_city.parts import CityDays, CityNear

import kgrec
from kgrec.plugin import read_domain
from kgrec.plugin.generation import Fact
from kgrec.testing import DomainContract, GuardContract, PluginContract, RerankerContract, toy_request

SATURDAYS = {"en": "5 July 2025", "de": "5. Juli 2025", "zh": "2025年7月5日"}


def reminder(language):
    facts = (Fact("f1", "title", "title", "Rooms for Tomorrow"), Fact("f2", "date", "starts", SATURDAYS[language]))
    return toy_request(language, facts=facts)


class TestDomain(DomainContract):
    def make(self):
        return read_domain("kgrec_city")


class TestCityNear(RerankerContract):
    neutral = {"strength": 0.0, "ends": ""}  # noqa: RUF012

    def make(self, **options):
        return CityNear(**{"home": "brand", **options})


class TestCityDays(GuardContract):
    def make(self):
        return CityDays()

    def accepted(self):
        return [
            (reminder("en"), "Rooms for Tomorrow is on Saturday, 5 July 2025, a treat for your weekend."),
            (reminder("de"), "Am Samstag, 5. Juli 2025: „Rooms for Tomorrow“, gut fürs Wochenende."),
            (reminder("zh"), "周六（2025年7月5日）有《Rooms for Tomorrow》，适合周末。"),
        ]

    def rejected(self):
        return [
            (reminder("en"), "Rooms for Tomorrow is on Sunday, 5 July 2025."),
            (reminder("en"), "See Rooms for Tomorrow tonight."),
            (reminder("de"), "Am Freitag, 5. Juli 2025: „Rooms for Tomorrow“."),
            (reminder("zh"), "星期天（2025年7月5日）有《Rooms for Tomorrow》。"),
        ]


class TestPlugin(PluginContract):
    def make(self):
        return kgrec_city


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("city")
    sample.write(folder, 42)
    project = kgrec.open(folder, overrides=["text.encoder=hashing", "graph.store=false"])
    project.build_graph()
    project.train(only=["popularity", "item-knn"])
    events = pl.read_csv(folder / "events.csv", try_parse_dates=True).rename({"event": "item_id"})
    homes = pl.read_csv(folder / "visitors.csv").rename({"visitor": "user_id", "district": "home"})
    return folder, project, events, homes


def test_nothing_that_is_over_is_listed_and_near_places_come_first(city):
    _, project, events, homes = city
    lists, plain = (
        project.recommend_many(n=5, rerank=steps).join(events, on="item_id").join(homes, on="user_id")
        for steps in (None, ["city-near:0"])
    )
    assert min(lists["ends"].min(), plain["ends"].min()) > sample.END - timedelta(days=1)
    assert (lists["district"] == lists["home"]).mean() > 1.5 * (plain["district"] == plain["home"]).mean()


def test_held_out_events_of_the_hosts_that_people_like_come_back(city):
    _, project, events, _ = city
    likes, visitors, ids = sample.planted(42)
    coming = set(events.filter(pl.col("ends") > sample.END)["item_id"])
    held = {(visitors[u], ids[i]) for u, i in np.argwhere(likes.held & ~likes.cold) if ids[i] in coming}
    lists = project.recommend_many(n=5, rerank=["city-near:0"])
    found = held & set(zip(lists["user_id"], lists["item_id"], strict=True))
    assert len(held) > 100
    assert len(found) > 0.7 * len(held)  # by chance about 0.2


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_texts_say_date_and_place_and_pass_the_guard(city, language):
    _, project, events, _ = city
    for text in project.generate("v001", kind="reminder", n=3, language=language):
        event = events.row(by_predicate=pl.col("item_id") == text.item_ids[0], named=True)
        assert event["title"] in text.text
        assert event["venue"] in text.text
        assert str(event["starts"].day) in text.text
        assert CityDays().check(None, text.facts, text.text) == []
    (plan,) = project.generate("v001", kind="weekend", language=language)
    assert plan.text.count("2025") == 3
    assert CityDays().check(None, plan.facts, plan.text) == []


SAID = [
    ("Winter Bees is on Saturday, 5 July 2025, at Castle Hill Library.", True),
    ("Winter Bees on 5 July 2025 at Castle Hill Library: a treat for your weekend.", True),
    ("Winter Bees is on Sunday, 5 July 2025, at Castle Hill Library.", False),
    ("Tomorrow is the day: Winter Bees, 5 July 2025, at Castle Hill Library.", False),
]


@pytest.mark.parametrize(("said", "passes"), SAID)
def test_a_model_is_held_to_the_guard(city, said, passes):
    folder = city[0]
    answers = f'language_models.recorded.answers={{"*" = "{said}"}}'
    project = kgrec.open(folder, overrides=["text.encoder=hashing", answers])
    (text,) = project.generate("v001", item="e27", kind="reminder", model="recorded")
    assert text.fallback is not passes
    assert ("city-days" in {found.guard for found in text.violations}) is not passes

"""social keeps the contracts, and what its sample is about comes back in lists and texts."""

import kgrec_social
import numpy as np
import pytest
from kgrec_social import sample
from kgrec_social.parts import SocialFollows, SocialGossip

import kgrec
from kgrec.plugin import read_domain
from kgrec.plugin.generation import Fact
from kgrec.testing import DomainContract, GuardContract, PluginContract, RerankerContract, toy_request


class TestDomain(DomainContract):
    def make(self):
        return read_domain("kgrec_social")


class TestSocialFollows(RerankerContract):
    neutral = {"strength": 0.0}  # noqa: RUF012

    def make(self, **options):
        return SocialFollows(**{"follows": "gender", "account": "gender", **options})


class TestSocialGossip(GuardContract):
    def make(self):
        return SocialGossip()

    def accepted(self):
        title = (Fact("f1", "title", "title", "Viral bread for everybody"),)
        return [
            (toy_request("en", facts=title), "Mira Holt and Tom Arden liked Viral bread for everybody."),
            (toy_request("de"), "Mira Holt mag „Im Garten“, geschrieben von Tom Arden."),
            (toy_request("zh"), "Mira Holt赞了Tom Arden的《花园》。"),
        ]

    def rejected(self):
        return [
            (toy_request("en"), "Mira Holt, whom you follow, liked it."),
            (toy_request("en"), "Everybody is reading this one."),
            (toy_request("de"), "Mira Holt, der Sie folgen, mag diesen Beitrag."),
            (toy_request("de"), "Davon reden jetzt alle: alle lieben diesen Beitrag."),
            (toy_request("zh"), "您关注的Mira Holt赞了这篇，全网刷屏。"),
        ]


class TestPlugin(PluginContract):
    def make(self):
        return kgrec_social


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("social")
    sample.write(folder, 0)
    project = kgrec.open(folder, overrides=["text.encoder=hashing", "graph.store=false"])
    project.build_graph()
    project.train(only=["popularity", "item-knn"])
    return project, *sample.planted(0)


def hits(project, wanted, rerank):
    lists = project.recommend_many(sorted({person for person, _ in wanted}), n=10, rerank=[rerank])
    return len(wanted & set(zip(lists["user_id"], lists["item_id"], strict=True))) / len(wanted)


def test_who_has_liked_nothing_yet_gets_what_followed_people_like(network):
    project, likes, _, people, posts = network
    wanted = likes.fan[:, likes.owner] & ~likes.cold
    wanted[: -sample.NEW] = False
    wanted = {(people[u], posts[i]) for u, i in np.argwhere(wanted)}
    assert hits(project, wanted, "social-follows:1") > 0.6  # by chance 0.2
    assert hits(project, wanted, "social-follows") > hits(project, wanted, "social-follows:0") + 0.1


def test_held_out_likes_come_back(network):
    project, likes, _, people, posts = network
    held = likes.held & ~likes.cold
    held[:16] = held[-sample.NEW :] = False
    assert hits(project, {(people[u], posts[i]) for u, i in np.argwhere(held)}, "social-follows") > 0.9


def test_people_follow_people_in_the_graph(network):
    project, _, follows, *_ = network
    assert project.graph.stats()["edges_by_relation"]["follows"] == follows.sum()


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_a_digest_names_people_whom_the_reader_follows(network, language):
    project, _, follows, people, _ = network
    named = {person.replace(".", " ").title(): k for k, person in enumerate(people[:16])}
    known = told = 0
    for u in range(40, 50):
        (text,) = project.generate(people[u], kind="digest", language=language)
        liked = {fact.value for fact in text.facts if fact.name == "liked_by"}
        for name in named.keys() & {name for name in liked if name in text.text}:
            told += 1
            known += follows[u, named[name]]
        assert SocialGossip().check(None, text.facts, text.text) == []
        assert "…" not in text.text
    assert told > 40
    assert known > 0.6 * told  # by chance a quarter

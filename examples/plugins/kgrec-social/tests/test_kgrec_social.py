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


def post(language, title="Im Garten"):
    facts = (Fact("f1", "title", "title", title), Fact("f2", "entity", "liked_by", "Mira Holt"))
    return toy_request(language, facts=facts)


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
        return [
            (post("en", "Viral bread for everybody"), "Mira Holt and Tom Arden liked Viral bread for everybody."),
            (toy_request("en"), "A film that everybody loves."),  # a text of another domain
            (post("de"), "Mira Holt mag „Im Garten“, geschrieben von Tom Arden."),
            (post("zh"), "Mira Holt赞了Tom Arden的《花园》。"),
        ]

    def rejected(self):
        return [
            (post("en"), "Mira Holt, whom you follow, liked it."),
            (post("en"), "Everybody is reading this one."),
            (post("de"), "Mira Holt, der Sie folgen, mag diesen Beitrag."),
            (post("de"), "Davon reden jetzt alle: alle lieben diesen Beitrag."),
            (post("zh"), "您关注的Mira Holt赞了这篇，全网刷屏。"),
        ]


class TestPlugin(PluginContract):
    def make(self):
        return kgrec_social


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("social")
    sample.write(folder, 42)
    project = kgrec.open(folder, overrides=["text.encoder=hashing", "graph.store=false"])
    project.build_graph()
    project.train(only=["popularity", "item-knn"])
    return folder, project, *sample.planted(42)


def hits(project, wanted, rerank):
    lists = project.recommend_many(sorted({person for person, _ in wanted}), n=10, rerank=[rerank])
    return len(wanted & set(zip(lists["user_id"], lists["item_id"], strict=True))) / len(wanted)


def test_who_has_liked_nothing_yet_gets_what_followed_people_like(network):
    _, project, likes, _, people, posts = network
    wanted = likes.fan[:, likes.owner] & ~likes.cold
    wanted[: -sample.NEW] = False
    wanted = {(people[u], posts[i]) for u, i in np.argwhere(wanted)}
    with_it, by_it_alone, without = (hits(project, wanted, f"social-follows:{strength}") for strength in (0.5, 1, 0))
    assert by_it_alone > 0.6  # by chance 0.2
    assert with_it > 2 * without


def test_held_out_likes_come_back(network):
    _, project, likes, _, people, posts = network
    held = likes.held & ~likes.cold
    held[:16] = held[-sample.NEW :] = False
    assert hits(project, {(people[u], posts[i]) for u, i in np.argwhere(held)}, "social-follows") > 0.9


def test_people_follow_people_in_the_graph(network):
    _, project, _, follows, *_ = network
    assert project.graph.stats()["edges_by_relation"]["follows"] == follows.sum()


@pytest.mark.parametrize("language", ["en", "de", "zh"])
def test_a_digest_names_people_whom_the_reader_follows(network, language):
    _, project, _, follows, people, _ = network
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


SAID = [
    ("Tom Reyes and Tom Varga liked A lost reel found in an attic by Hanna Varga.", True),
    ("Tom Reyes, whom you follow, liked A lost reel found in an attic by Hanna Varga.", False),
    ("Everybody loves A lost reel found in an attic by Hanna Varga.", False),
]


@pytest.mark.parametrize(("said", "passes"), SAID)
def test_a_model_is_held_to_the_guard(network, said, passes):
    folder = network[0]
    answers = f'language_models.recorded.answers={{"*" = "{said}"}}'
    project = kgrec.open(folder, overrides=["text.encoder=hashing", answers])
    (text,) = project.generate("elias.sato", item="n13", kind="nudge", model="recorded")
    assert text.fallback is not passes
    assert ("social-gossip" in {found.guard for found in text.violations}) is not passes

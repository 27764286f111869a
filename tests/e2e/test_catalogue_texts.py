"""Texts about catalogue items for nobody in particular, and digests of several articles, on the domains' samples."""

import json
import re

import pytest

import kgrec
from kgrec.cli.app import main

QUICK = ["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
DOMAINS = ("video", "news", "ecommerce")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def run(*words, folder):
    settings = [part for setting in QUICK for part in ("--set", setting)]
    return main([*map(str, words), "-w", str(folder), "-q", *settings])


@pytest.fixture(scope="module", params=DOMAINS)
def sample(request, tmp_path_factory):
    """A sample whose graph is built; nothing is trained, since a text for nobody needs no recommendation."""
    folder = tmp_path_factory.mktemp("sample") / request.param
    assert main(["init", str(folder), "--domain", request.param, "-q"]) == 0
    assert run("build-graph", folder=folder) == 0
    return folder


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_summary_about_an_item(sample, language, capfd):
    project = kgrec.open(sample, overrides=QUICK)
    ids = project.dataset.items["item_id"].to_list()[:12]
    capfd.readouterr()
    items = [part for item in ids for part in ("--item", item)]
    assert run("generate", *items, "--kind", "summary", "--lang", language, "--format", "json", folder=sample) == 0
    records = json.loads(capfd.readouterr().out)
    assert [record["item_ids"] for record in records] == [[item] for item in ids]
    for record in records:
        (title,) = (fact["value"] for fact in record["facts"] if fact["type"] == "title")
        assert title in record["text"]
        assert (record["kind"], record["lang"], record["user_id"]) == ("summary", language, None)
        assert not {fact["type"] for fact in record["facts"]} & {"history", "interest", "reason"}
        if language == "zh":
            assert CHINESE.search(record["text"].replace(title, ""))
    texts = project.generate(item=ids, kind="summary", language=language)
    assert [text.text for text in texts] == [record["text"] for record in records]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_summaries_of_the_whole_catalogue(sample, language, tmp_path):
    out = tmp_path / "summaries.jsonl"
    assert run("generate", "--all", "--kind", "summary", "--lang", language, "--out", out, folder=sample) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    items = kgrec.open(sample).dataset.items
    known = items.filter(items["title"].is_not_null())["item_id"].to_list()
    assert sorted(row["item_ids"][0] for row in rows) == sorted(known)
    assert all(row["text"] for row in rows)


def test_an_item_that_only_logs_name_is_said_to_be_unknown(sample, capfd):
    items = kgrec.open(sample).dataset.items
    unknown = items.filter(items["title"].is_null())["item_id"].to_list()
    if not unknown:
        pytest.skip("all items of this sample are in its catalogue")
    assert run("generate", "--item", unknown[0], "--kind", "summary", folder=sample) == 0
    assert f"nothing is known about {unknown[0]} " in capfd.readouterr().out


def test_a_user_changes_nothing_about_a_summary(sample):
    project = kgrec.open(sample, overrides=QUICK)
    user, item = project.dataset.users["user_id"][0], project.dataset.items["item_id"][0]
    (alone,) = project.generate(item=item, kind="summary")
    assert alone.user_id == ""
    assert user not in alone.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_digest_joins_the_articles_that_it_is_given(tmp_path_factory, language, capfd):
    folder = tmp_path_factory.mktemp("digest") / "news"
    assert main(["init", str(folder), "--domain", "news", "-q"]) == 0
    assert run("build-graph", folder=folder) == 0
    assert run("train", "--only", "item-knn", folder=folder) == 0
    project = kgrec.open(folder, overrides=QUICK)
    user = project.dataset.users["user_id"][0]
    items = [str(item) for item in project.dataset.items["item_id"].to_list()[:7]]
    wanted = [part for item in items for part in ("--item", item)]
    capfd.readouterr()
    assert (
        run("generate", user, *wanted, "--kind", "digest", "--lang", language, "--format", "json", folder=folder) == 0
    )
    records = json.loads(capfd.readouterr().out)
    assert [record["item_ids"] for record in records] == [items[:5], items[5:]]
    for record in records:
        titles = [fact["value"] for fact in record["facts"] if fact["type"] == "title"]
        told = [title for title in titles if title.rstrip(".!?。") in record["text"]]
        assert len(told) >= 2
    (recommended,) = project.generate(user, kind="digest", language=language)
    assert len(recommended.item_ids) == 5
    titles = [fact.value for fact in recommended.facts if fact.type == "title"]
    assert sum(title.rstrip(".!?。") in recommended.text for title in titles) >= 2

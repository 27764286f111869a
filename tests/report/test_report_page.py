"""The page of a run: whole, safe with any text, and made of old records too."""

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import kgrec
from kgrec.errors import UsageError
from kgrec.evaluate.ablation import AS_RANKED
from kgrec.evaluate.ratings import RatingsPlan
from kgrec.evaluate.records import RunRecord
from kgrec.report.feedback_loop import MEANINGS
from kgrec.report.reproduce import command_of
from kgrec.report.run_page import report_page
from kgrec.report.words import METRICS
from kgrec.testing import toy_workspace

HOSTILE = "</style></title><script src=http://evil.example/x.js>alert('x')</script>\"'><img src=x onerror=alert(1)>"
SECTIONS = [
    "In short",
    "Results",
    "What each ingredient is worth",
    "For whom, for what",
    "Popularity",
    "Calibration",
    "Debiased",
    "Trade-offs",
    "Learning curves",
    "Examples",
    "The data",
    "How to do it again",
]


class Tags(HTMLParser):
    """Notes tags and attributes, and that tags close in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes = [], set(), []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = toy_workspace(tmp_path_factory.mktemp("ws") / "toy")
    found = kgrec.open(root, overrides=["text.encoder=hashing", "linking.enabled=false"])
    found.build_graph()
    return found


@pytest.fixture(scope="module")
def record(project):
    project.evaluate(
        "ratio", k=[5], only=["popularity", "ease"], ablate=True, rerank=["mmr:0.3"], sweep=["mmr.strength=0:1:0.5"]
    )
    found = project.run("latest")
    # The curves of a scorer that trains by epochs are tested where it trains.
    document = copy.deepcopy(dict(found.document))
    document["pictures"]["learning"] = [{"seed": 42, "scorer": "gnn", "points": [[0, 0.1], [1, 0.2], [2, 0.25]]}]
    return RunRecord(found.name, found.file, document)


def titles(html):
    return [title.replace("&amp;", "&") for title in re.findall(r"<h2[^>]*>([^<]*)</h2>", html)]


def test_everything_that_was_found_is_on_the_page(record):
    html = report_page(record)
    assert titles(html) == SECTIONS
    full = record.document["systems"][0]["metrics"]["ndcg@5"]
    assert f"{full['mean']:.4f}" in html
    assert f"{full['low']:.4f} to {full['high']:.4f}" in html
    for system in record.document["systems"]:
        assert f">{system['name']}</td>" in html
    for example in record.document["pictures"]["examples"]:
        assert f"User {example['user']}" in html
    assert record.document["data"]["test_set"] in html
    assert html.count('<svg class="chart"') >= 12


def test_the_page_asks_for_nothing(record):
    html = report_page(record)
    page = Tags(html)
    # Settings name the graph's IRIs: text may, attributes may not.
    assert not [value for _, value in page.attributes if value and "//" in value]
    assert "@import" not in html
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "base", "form"}
    assert all(value.startswith("#") or value == "data:," for name, value in page.attributes if name in ("href", "src"))
    assert not re.search(r"url\((?!#)", html)


def hostile(value):
    """Put hostile text wherever a record holds text, keys included."""
    if isinstance(value, dict):
        kept = ("metrics", "overall", "seeds", "reproduce", "plan", "weights")
        return {(k if k in kept or k.isidentifier() or "@" in k else HOSTILE): hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(part) for part in value]
    return HOSTILE if isinstance(value, str) and value not in ("lists", "ratings") else value


def test_hostile_text_stays_text(record):
    html = report_page(RunRecord(HOSTILE, record.file, hostile(dict(record.document))))
    page = Tags(html)
    assert not page.tags & {"script", "img"}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]
    assert "&lt;script" in html


def test_one_system_alone_makes_a_page(project):
    project.evaluate("leave-last", k=[3], only=["popularity"], examples=0)
    html = report_page(project.run())
    Tags(html)
    assert "What each ingredient is worth" not in titles(html)
    assert "Examples" not in titles(html)
    assert "Results" in titles(html)


def test_old_records_make_a_page(record):
    old = {k: v for k, v in record.document.items() if k not in ("pictures", "sweeps", "kind", "gaps", "debiased")}
    old["data"] = {k: v for k, v in old["data"].items() if k not in ("distribution", "test_set")}
    html = report_page(RunRecord("old", Path("old.json"), old))
    Tags(html)
    assert titles(html) == [*SECTIONS[:4], SECTIONS[-1]]


def without(value, found):
    """Yield copies of a record, each with one part of it gone or of another type."""
    for key in value:
        yield {k: v for k, v in value.items() if k != key}
        yield {**value, key: None}
        if isinstance(value[key], dict) and key in ("pictures", "data", "plan", "categories"):
            for part in without(value[key], found + 1):
                yield {**value, key: part}


def test_any_part_may_be_missing(record):
    for document in without(dict(record.document), 0):
        if document.get("systems") or document.get("kind"):
            assert "<h2" in report_page(RunRecord("r", record.file, document))


def test_ratings_have_a_page(project):
    project.evaluate_ratings(RatingsPlan(folds=2, only=("baseline", "factors")))
    html = report_page(project.run())
    Tags(html)
    assert titles(html) == ["In short", "Results", "How to do it again"]
    assert "RMSE" in html
    assert "kgrec evaluate --ratings --folds 2 --seeds 42 --only baseline,factors" in html


@pytest.fixture(scope="module")
def loop(project):
    project.simulate(3, n=5, seeds=[1, 2], only=["popularity", "item-knn"], rerank=["mmr:0.3"])
    return project.run()


def test_the_feedback_loop_has_a_page(loop):
    html = report_page(loop)
    page = Tags(html)
    assert not page.tags & {"script", "img"}
    assert titles(html)[0] == "In short"
    assert titles(html)[-1] == "How to do it again"
    assert {"Do the rich get richer?", "Does everybody get the same?"} <= set(titles(html))
    figures = loop.document["replay"]["systems"]
    assert list(figures) == [AS_RANKED, "mmr:0.3"]
    for name, values in figures["mmr:0.3"].items():
        assert f">{name}</td>" in html
        if abs(values[-1]) < 10:
            assert f"{values[-1]:.4f}" in html
        assert name in MEANINGS or name.startswith("gap ")
    assert html.count('<svg class="chart"') == len(figures[AS_RANKED])
    told = "kgrec simulate --rounds 3 -n 5 --seeds 1,2 --only popularity,item-knn --rerank mmr:0.3"
    assert told in html
    assert command_of(loop.document) == told


def test_pages_of_the_loop_bear_missing_parts_and_hostile_text(loop):
    document = dict(loop.document)
    for part in ("plan", "replay", "reproduce"):
        assert "<h2" in report_page(RunRecord("r", loop.file, {**document, part: None}))
    for part in document["replay"]:
        less = {key: value for key, value in document["replay"].items() if key != part}
        assert "<h2" in report_page(RunRecord("r", loop.file, {**document, "replay": less}))
    systems = {HOSTILE: {key: [1.0, None, 2.0] for key in (HOSTILE, "clicks")}}
    document["replay"] = {**document["replay"], "systems": systems}
    html = report_page(RunRecord(HOSTILE, loop.file, document))
    assert not Tags(html).tags & {"script", "img"}


def test_what_is_neither_has_none(record):
    with pytest.raises(UsageError, match="no page"):
        report_page(RunRecord("r", record.file, {"kind": "weather"}))


def test_the_command_asks_for_the_same(record):
    assert command_of(record.document) == (
        "kgrec evaluate --split ratio -k 5 --seeds 42 --only popularity,ease --ablate "
        "--rerank mmr:0.3 --sweep mmr.strength=0.0,0.5,1.0"
    )


def test_every_figure_is_said_in_words(record):
    for system in record.document["systems"]:
        for name in (*system["metrics"], *system["overall"]):
            assert name.partition("@")[0] in METRICS


def test_a_record_reads_back_as_it_was(record):
    assert json.loads(record.file.read_text(encoding="utf-8"))["systems"] == record.document["systems"]

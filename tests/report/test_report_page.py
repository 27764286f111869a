"""The page of a run: whole, and safe with any text."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import kgrec
from kgrec.evaluate.lists_record import LearningCurve, ListsRecord
from kgrec.evaluate.plan import AS_RANKED, EvaluationPlan, RatingsPlan, SimulationPlan, Sweep
from kgrec.evaluate.records import KeptRun, SimulationRecord
from kgrec.report.feedback_loop import MEANINGS
from kgrec.report.results import METRICS
from kgrec.report.run_page import command_of, report_page
from kgrec.testing import toy_workspace

HOSTILE = "</style></title><script src=http://evil.example/x.js>alert('x')</script>\"'><img src=x onerror=alert(1)>"
SECTIONS = [
    "In short",
    "Results",
    "What each ingredient is worth",
    "Groups of users and items",
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
def run(project):
    sweeps = (Sweep("mmr", "strength", (0.0, 0.5, 1.0)),)
    plan = EvaluationPlan(ks=(5,), only=("popularity", "ease"), ablate=True, rerank=("mmr:0.3",), sweeps=sweeps)
    project.evaluate(plan)
    found = project.runs.load("latest")
    # The curves of a scorer that trains by epochs are tested where it trains.
    curve = LearningCurve(seed=42, scorer="gnn", points=((0, 0.1), (1, 0.2), (2, 0.25)))
    charts = found.record.charts.model_copy(update={"learning": (curve,)})
    return replace(found, record=found.record.model_copy(update={"charts": charts}))


def titles(html):
    return [title.replace("&amp;", "&") for title in re.findall(r"<h2[^>]*>([^<]*)</h2>", html)]


def test_everything_that_was_found_is_on_the_page(run):
    html = report_page(run)
    assert titles(html) == SECTIONS
    full = run.record.systems[0].metrics["ndcg@5"]
    assert f"{full.mean:.4f}" in html
    assert f"{full.low:.4f} to {full.high:.4f}" in html
    for system in run.record.systems:
        assert f">{system.name}</td>" in html
    for example in run.record.charts.examples:
        assert f"User {example.user}" in html
    assert run.record.data.test_set in html
    assert html.count('<svg class="chart"') >= 12


def test_the_page_asks_for_nothing(run):
    html = report_page(run)
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
    return HOSTILE if isinstance(value, str) and value != "lists" else value


def test_hostile_text_stays_text(run):
    html = report_page(KeptRun(HOSTILE, run.file, ListsRecord.model_validate(hostile(run.record.to_dict()))))
    page = Tags(html)
    assert not page.tags & {"script", "img"}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]
    assert "&lt;script" in html


def test_one_system_alone_makes_a_page(project):
    html = report_page(project.evaluate(EvaluationPlan("leave-last", ks=(3,), only=("popularity",), examples=0)))
    Tags(html)
    assert "What each ingredient is worth" not in titles(html)
    assert "Examples" not in titles(html)
    assert "Results" in titles(html)


def test_ratings_have_a_page(project):
    html = report_page(project.evaluate_ratings(RatingsPlan(folds=2, only=("baseline", "factors"))))
    Tags(html)
    assert titles(html) == ["In short", "Results", "How to do it again"]
    assert "RMSE" in html
    assert "kgrec evaluate --ratings --folds 2 --seeds 42 --only baseline,factors" in html


@pytest.fixture(scope="module")
def loop(project):
    return project.simulate(SimulationPlan(3, 5, (1, 2), only=("popularity", "item-knn"), rerank=("mmr:0.3",)))


def test_the_feedback_loop_has_a_page(loop):
    html = report_page(loop)
    page = Tags(html)
    assert not page.tags & {"script", "img"}
    assert titles(html)[0] == "In short"
    assert titles(html)[-1] == "How to do it again"
    assert {"Do the rich get richer?", "Does everybody get the same?"} <= set(titles(html))
    figures = loop.record.systems
    assert list(figures) == [AS_RANKED, "mmr:0.3"]
    for name, values in figures["mmr:0.3"].items():
        assert f">{name}</td>" in html
        if abs(values[-1]) < 10:
            assert f"{values[-1]:.4f}" in html
        assert name in MEANINGS or name.startswith("gap ")
    assert html.count('<svg class="chart"') == len(figures[AS_RANKED])
    told = "kgrec simulate --rounds 3 -n 5 --seeds 1,2 --only popularity,item-knn --rerank mmr:0.3"
    assert told in html
    assert command_of(loop.record) == told


def test_a_page_of_the_loop_bears_figures_that_are_not_defined_and_hostile_text(loop):
    figures = {HOSTILE: (1.0, math.nan, 2.0), "clicks": (1.0, math.nan, 2.0)}
    spans = dict.fromkeys(figures, ((0.0, 1.0), None, None))
    record = loop.record.model_copy(update={"systems": {HOSTILE: figures}, "intervals": {HOSTILE: spans}})
    html = report_page(KeptRun(HOSTILE, loop.file, SimulationRecord.model_validate(record.to_dict())))
    assert not Tags(html).tags & {"script", "img"}


def test_the_command_asks_for_the_same(run):
    assert command_of(run.record) == (
        "kgrec evaluate --split ratio -k 5 --seeds 42 --only popularity,ease --ablate "
        "--rerank mmr:0.3 --sweep mmr.strength=0.0,0.5,1.0"
    )


def test_every_figure_is_said_in_words(run):
    for system in run.record.systems:
        for name in (*system.metrics, *system.overall):
            assert name.partition("@")[0] in METRICS


def test_a_record_is_written_as_it_is(run):
    assert json.loads(run.file.read_text(encoding="utf-8"))["systems"] == run.record.to_dict()["systems"]

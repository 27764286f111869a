"""A command line over a fake project: what the commands do with answers, without computing any."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import polars as pl
import pytest

from kgrec.cli.app import main
from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.errors import NotFoundError
from kgrec.graph.neighbourhood import neighbourhood as find
from kgrec.graph.query import QueryResult
from kgrec.graph.tables import EDGES, NODES, RELATIONS, GraphTables
from kgrec.graph.validate import ShapeViolation
from kgrec.ranking.together import Together
from kgrec.ranking.train_report import ScorerResult, TrainReport
from kgrec.settings import load_settings
from kgrec.types import ItemList, Profile, Reason, Request

TITLES = {"i1": "Heat (1995)", "i2": "Alien [bold]3", "i3": "霸王别姬"}


class FakeGraph(GraphTables):
    """The graph of a fake project."""

    def __init__(self, project):
        self.project = project
        nodes = {
            "kind": ["item", "entity", "user"],
            "index": [0, None, 0],
            "type": ["film", "person", "user"],
            "key": ["i1", "person:ann", "u1"],
            "label": ["Heat (1995)", "Ann [b]", "u1"],
            "aliases": [[], [], []],
        }
        edges = {
            "head": [0, 2],
            "relation": [0, 1],
            "tail": [1, 0],
            "weight": [1.0, 1.0],
            "time": [None, 5],
            "provenance": ["catalogue", "interaction"],
            "source": ["items.csv", "log.csv"],
            "line": [2, 9],
        }
        relations = {
            "name": ["directed_by", "like"],
            "label": ["directed by", "likes"],
            "inverse": ["director_of", "liked_by"],
            "inverse_label": ["director of", "liked by"],
        }
        super().__init__(
            pl.DataFrame(nodes, schema=dict(NODES)),
            pl.DataFrame(relations, schema=dict(RELATIONS)),
            pl.DataFrame(edges, schema=dict(EDGES)),
        )

    def query(self, sparql, *, timeout, limit):
        self.project.asked("query", sparql, timeout, limit)
        rows = [("https://kgrec.example/id/item/1", 3), ("https://kgrec.example/id/item/2", None)]
        return QueryResult(("i", "n"), rows, 0.01, True, "SELECT", "https://kgrec.example/id/")

    def export(self, path, form):
        self.project.asked("export", path, form)
        Path(path).write_text("graph")

    def validate(self, shapes):
        self.project.asked("validate", shapes)
        return (
            []
            if self.project.conforms
            else [ShapeViolation("item:1", "ItemShape", "no label", "a.csv", k, 7) for k in (2, 3)]
        )

    def neighbourhood(self, name, *, limit):
        self.project.asked("neighbourhood", name, limit)
        return find(self, name, limit=limit)

    def draw(self, name, out, *, limit):
        self.project.asked("draw", name, out, limit)
        Path(out).write_text("<svg/>")

    def stats(self):
        return {"nodes": 3, "degree": {"user": {"mean": 1.0, "max": 1}, "item": {"mean": 2.0, "max": 2}}}


@dataclass
class FakeProject:
    """Answers like kgrec.project.Project, and remembers what it was asked."""

    calls: list[tuple] = field(default_factory=list)
    config: Config = field(default_factory=Config)
    fails_with: BaseException | None = None
    conforms: bool = False
    opened: dict = field(default_factory=dict)
    catalogue: dict = field(default_factory=lambda: dict(TITLES))

    @property
    def dataset(self) -> Dataset:
        rejects = pl.DataFrame({"source": ["a.csv"], "line": [7], "reason": ["no user id"], "row": ["{}"]})
        return Dataset(pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), rejects=rejects)

    @property
    def users(self):
        return SimpleNamespace(find=lambda user: SimpleNamespace(row=int(user[1:])))

    @property
    def cards(self):
        facts = [{}, {"description": "likes\tnoir", "age": 31}]
        return SimpleNamespace(user=lambda row: dict(facts[row]), interactions=lambda row: [1, 39][row])

    def asked(self, *call):
        self.calls.append(call)
        if self.fails_with is not None:
            raise self.fails_with

    @property
    def settings(self):
        return load_settings(None, self.opened["overrides"])

    def build_graph(self, *, append=(), strict=False, progress):
        self.asked("build_graph", tuple(append), strict)
        with progress.task("reading", total=2) as task:
            task.advance(2)
        return SimpleNamespace(
            dataset={"users": 30},
            cleaning={
                "losses": [
                    {
                        "source": "a.csv",
                        "reason": "no user id",
                        "rows": 2,
                        "share": 0.4,
                        "lost": True,
                        "example": "line 3",
                    },
                    {
                        "source": "a.csv",
                        "reason": "exact duplicate",
                        "rows": 1,
                        "share": 0.2,
                        "lost": False,
                        "example": "",
                    },
                ],
                "files": [
                    {"source": "a.csv", "missing": {"no time": 3}, "unused": {"colour": "an attribute of 2 values"}},
                    {"source": "b.csv", "missing": {"no time": 1}},
                ],
            },
            graph={"edges": 12345},
            seconds={"ingest": 0.5, "graph": 1.0},
        )

    def train(self, *, device=None, only=None, tune=None, reset_tuning=False, refit=None, progress):
        self.asked("train", device, only)
        progress.log("fitting")
        scorers = (
            ScorerResult("ease", 0.7, 0.385, 0.27, 1.5, {"l2": 10.0}),
            ScorerResult("gnn", skipped="no triples"),
        )
        return TrainReport(
            scorers,
            Together(0.28, 0.01, "ease", 0.26, 0.02, 0.004, 500),
            20,
            {"fit": 65.0},
            {"device": "cpu", "threads": 2, "users": 30},
        )

    def recommend(self, user, n=None, *, explain=False, include_seen=False, where=()):
        self.asked("recommend", user, explain)
        assert isinstance(user, Request)
        if user.user_id == "nobody":
            raise NotFoundError.of("user", "nobody", ["nobodies"])
        ids = tuple(self.catalogue)[: user.n]
        if user.where:
            ids = ()
        k = len(ids)
        reasons = tuple(Reason("because of\x1b[31m red", "path", ("i9", "e1", i), ("acted_in", "acts_in")) for i in ids)
        scores = np.linspace(0.9, 0.1, 3, dtype=np.float32)[:k]
        return ItemList(user.user_id or "", ids, np.arange(k), scores, {"ease": scores}, reasons if explain else ())

    def recommend_many(self, users, *, n, include_seen=False, where=(), rerank=None, explain=False, at=None, progress):
        self.asked("recommend_many", users, n, include_seen, where)
        ids = users or [f"u{k}" for k in range(5000)]
        return pl.DataFrame({"user_id": ids, "item_id": "i1", "rank": 1, "score": 0.5})

    def profile(self, *, text="", like=()):
        self.asked("profile", text, tuple(like))
        return Profile(text=text)

    def titles(self, item_ids):
        return [self.catalogue[i] for i in item_ids]

    @property
    def graph(self):
        return FakeGraph(self)

    def info(self):
        self.asked("info")
        return {"stages": {"dataset": {"created": 1.0, "users": 30}}, "stale": []}

    def user_info(self, user_id):
        self.asked("user_info", user_id)
        return {"interactions": 39, "top_terms": ["space", "noir"]}


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> FakeProject:
    """The project that every command opens."""
    fake = FakeProject()

    def open_project(path=".", *, overrides=(), manager=None):
        fake.opened = {"path": Path(path), "overrides": tuple(overrides)}
        return fake

    module = ModuleType("kgrec.project")
    module.open_project = open_project
    monkeypatch.setitem(sys.modules, "kgrec.project", module)
    return fake


@pytest.fixture
def kgrec(capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    """Run the command line in this process: ``kgrec("recommend", "u1").out``."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("KGREC_WORKSPACE", raising=False)

    def run(*args: object) -> Result:
        capfd.readouterr()
        code = main([str(a) for a in args])
        sys.stdout.flush()
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return run

"""``kgrec graph``: what is asked of the project, and how the answers are shown."""

from __future__ import annotations

import io
import json

import pytest


def test_stats(kgrec, project):
    got = kgrec("graph", "stats")
    assert "nodes" in got.out
    assert [line.split() for line in got.out.splitlines()[-2:]] == [["user", "1", "1"], ["item", "2", "2"]]
    assert json.loads(kgrec("graph", "stats", "-f", "json").out)[0]["nodes"] == 3


def test_a_query_is_shortened_for_people_and_whole_for_programs(kgrec, project):
    got = kgrec("graph", "query", "SELECT * {}", "--timeout", "3", "--limit", "2")
    assert project.calls == [("query", "SELECT * {}", 3.0, 2)]
    assert "item:1" in got.out
    assert "2 rows in 0.01 s, and there are more" in got.err
    rows = kgrec("graph", "query", "SELECT * {}", "-f", "csv").out
    assert rows == "i,n\nhttps://kgrec.example/id/item/1,3\nhttps://kgrec.example/id/item/2,\n"


def test_a_query_from_a_file_or_stdin(kgrec, project, tmp_path, monkeypatch):
    (tmp_path / "q.rq").write_text("ASK {}")
    kgrec("graph", "query", "--file", tmp_path / "q.rq")
    monkeypatch.setattr("sys.stdin", io.StringIO("ASK { ?s ?p ?o }"))
    kgrec("graph", "query", "-")
    assert [call[1] for call in project.calls] == ["ASK {}", "ASK { ?s ?p ?o }"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["query"], 2, "give the query"),
        (["query", "ASK {}", "--file", "q.rq"], 2, "give the query"),
        (["query", "--file", "missing.rq"], 3, "missing.rq does not exist"),
        (["validate", "--shapes", "missing.ttl"], 3, "there is no file missing.ttl"),
        (["show", "Haet (1995)"], 3, "did you mean 'Heat (1995)'"),
    ],
)
def test_what_cannot_be_done(kgrec, project, args, code, says):
    got = kgrec("graph", *args)
    assert got.code == code
    assert says in got.err


def test_violations_are_named_with_their_rows(kgrec, project):
    got = kgrec("graph", "validate")
    assert got.code == 5
    assert "a.csv" in got.out
    assert got.err.startswith("error: the graph breaks its shapes 7 times\nhint: ")
    project.conforms = True
    conforming = kgrec("graph", "validate")
    assert (conforming.code, conforming.err) == (0, "")
    assert "conforms" in conforming.out


def test_export_has_formats_of_its_own(kgrec, project, tmp_path):
    got = kgrec("graph", "export", tmp_path / "g.data", "--format", "turtle")
    assert project.calls == [("export", tmp_path / "g.data", "turtle")]
    assert "5 B written" in got.err


def test_show_prints_a_tree(kgrec, project):
    got = kgrec("graph", "show", "Heat (1995)")
    first, *rest = [line.rstrip() for line in got.out.splitlines()]
    assert first == "Heat (1995)  item i1 · 2 edges"
    assert {line.strip("├└─│ ") for line in rest} == {"directed by", "Ann [b]  person", "liked by", "u1  user"}
    records = json.loads(kgrec("graph", "show", "i1", "-f", "json").out)
    told = {r["relation"]: (r["label"], r["node_label"], r["source"], r["line"]) for r in records}
    assert told == {
        "directed_by": ("directed by", "Ann [b]", "items.csv", 2),
        "like": ("liked by", "u1", "log.csv", 9),
    }


def test_show_draws(kgrec, project, tmp_path):
    got = kgrec("graph", "show", "i1", "--out", tmp_path / "g.svg", "--limit", "5")
    assert project.calls == [("draw", "i1", tmp_path / "g.svg", 5)]
    assert "written to" in got.err

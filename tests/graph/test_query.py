"""SPARQL: results of every form, limits that hold, updates and other servers refused, faults explained."""

from __future__ import annotations

import time

import pytest

from kgrec.errors import CorruptArtifactError, UsageError, UserError
from kgrec.graph.query import check_readable, evaluate, explain_syntax, run_query
from kgrec.graph.rdf import RdfOptions
from kgrec.graph.store import write_store

BASE = "https://kgrec.example/id/"


@pytest.fixture(scope="module")
def store(make_graph, tmp_path_factory):
    people = [("entity", "person", f"person:{k}", f"Person {k}", []) for k in range(60)]
    nodes = [("item", "item", "50", "Star Wars", []), ("item", "item", "7", "大话西游", []), *people]
    edges = [(k % 2, "starring", 2 + k, 1.0, None, "catalogue") for k in range(60)]
    kg = make_graph(
        nodes, [("starring", "starring", "stars_in", "stars in")], [*edges, (0, "starring", 3, 1.0, None, "mention")]
    )
    folder = tmp_path_factory.mktemp("query") / "store"
    write_store(kg, folder, RdfOptions(BASE))
    return folder


def test_select_through_prefixes_in_a_process(store):
    found = run_query(
        store, "SELECT ?item ?label WHERE { ?item rel:starring entity:person:1 ; rdfs:label ?label } ORDER BY ?item"
    )
    assert found.columns == ("item", "label")
    assert found.rows == [(f"{BASE}item/50", "Star Wars"), (f"{BASE}item/7", "大话西游")]
    assert found.shortened() == [("item:50", "Star Wars"), ("item:7", "大话西游")]
    assert (found.kind, found.truncated) == ("SELECT", False)
    assert 0 < found.seconds < 5


def test_forms_and_values(store):
    def rows(sparql):
        return evaluate(store, sparql, None)["rows"]

    assert rows("ASK { item:50 a kgrec:Item }") == [[True]]
    assert rows("ASK { item:50 a kgrec:User }") == [[False]]
    assert rows("SELECT (COUNT(*) AS ?n) WHERE { item:50 rel:starring ?e }") == [[31]]
    assert rows("SELECT (1.5 AS ?x) (?nothing AS ?y) {}") == [[1.5, None]]
    assert rows("CONSTRUCT { ?i a <http://x.org/T> } WHERE { ?i a kgrec:Item }") == [
        [f"{BASE}item/50", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type", "http://x.org/T"],
        [f"{BASE}item/7", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type", "http://x.org/T"],
    ]
    described = rows("DESCRIBE item:7")
    assert [f"{BASE}item/7", "http://www.w3.org/2000/01/rdf-schema#label", "大话西游"] in described


def test_a_fact_stated_twice_is_one_and_its_origins_are_told(store):
    both = evaluate(store, "SELECT ?g WHERE { GRAPH ?g { item:50 rel:starring entity:person:1 } } ORDER BY ?g", None)
    assert both["rows"] == [[f"{BASE}provenance/mention"]]
    twice = evaluate(store, "SELECT ?e WHERE { item:50 rel:starring ?e }", None)["rows"]
    assert len(twice) == len({e for (e,) in twice}) == 31


def test_limit_truncates(store):
    answer = evaluate(store, "SELECT ?s WHERE { ?s a kgrec:Entity }", 10)
    assert (len(answer["rows"]), answer["truncated"]) == (10, True)
    answer = evaluate(store, "SELECT ?s WHERE { ?s a kgrec:Item }", 2)
    assert (len(answer["rows"]), answer["truncated"]) == (2, False)


def test_time_limit_ends_the_query(store):
    heavy = "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l }"
    started = time.monotonic()
    with pytest.raises(UserError, match="longer than 1 s"):
        run_query(store, heavy, timeout_s=1)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "sparql",
    [
        "INSERT DATA { <a:a> <a:b> <a:c> }",
        "# SELECT\nPREFIX x: <http://x/>\ndelete where { ?s ?p ?o }",
        "BASE <http://x/> CLEAR ALL",
        "LOAD <http://example.org/x.ttl>",
        "WITH <http://x/g> DELETE { ?s ?p ?o } WHERE { ?s ?p ?o }",
    ],
)
def test_updates_are_refused(sparql):
    with pytest.raises(UsageError, match="read-only"):
        check_readable(sparql)


@pytest.mark.parametrize(
    "sparql", ["SELECT * { SERVICE <http://x/> { ?s ?p ?o } }", "SELECT * {\n S\\u0045RVICE SILENT ?x { ?s ?p ?o } }"]
)
def test_other_servers_are_refused(sparql):
    with pytest.raises(UsageError, match="SERVICE"):
        check_readable(sparql)


@pytest.mark.parametrize(
    "sparql",
    [
        'SELECT ?service WHERE { ?service kgrec:service \'SERVICE <x>\' . ?insert ?p """delete " service""" }',
        "SELECT * { ?s ?p ?o FILTER(?o < 3 && ?o > 2) } # service",
        "PREFIX service: <http://x/service> SELECT * { service:x a service:insert }",
    ],
)
def test_words_in_names_and_strings_are_harmless(sparql):
    check_readable(sparql)


def test_syntax_errors_name_the_place(store):
    with pytest.raises(UsageError, match="line 2, column") as error:
        run_query(store, "SELECT * {\n ?s a }")
    assert "?s a }" in error.value.hint
    with pytest.raises(UsageError, match=r"prefix 'itm:' is not declared \(line 1, column 12\)") as error:
        run_query(store, "SELECT * { itm:7 ?p ?o }")
    assert "'item'" in error.value.hint
    with pytest.raises(UsageError, match="empty"):
        run_query(store, " \n# nothing")


def test_long_parser_messages_are_cut():
    error = explain_syntax("SELECT * { ?s ?p ", f"error at 1:18: expected one of {'x' * 300}", [])
    assert error.message == "SPARQL, line 1, column 18: unexpected text or end at the end of the line"


def test_unusable_limits_and_stores(store, tmp_path):
    with pytest.raises(UsageError, match="above 0"):
        run_query(store, "ASK {}", timeout_s=0)
    with pytest.raises(CorruptArtifactError, match="missing"):
        run_query(tmp_path / "none", "ASK {}")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "CURRENT").write_text("rubbish")
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        run_query(tmp_path / "bad", "ASK {}")


def test_no_timeout(store):
    assert run_query(store, "ASK {}", timeout_s=float("inf")).rows


def test_worker_imports_no_table_library():
    import subprocess
    import sys

    code = "import sys, kgrec.graph.query; print({'polars', 'torch', 'networkx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_from_is_honoured(store):
    graphs = evaluate(store, "SELECT DISTINCT ?g WHERE { GRAPH ?g { ?s rel:starring ?o } }", None)["rows"]
    catalogue, mention = (f"{BASE}provenance/{kind}" for kind in ("catalogue", "mention"))
    assert sorted(graphs) == [[catalogue], [mention]]

    def count(clause):
        return evaluate(store, f"SELECT (COUNT(*) AS ?n) {clause} WHERE {{ ?s rel:starring ?o }}", None)["rows"][0][0]

    assert count("") == 61
    assert count(f"FROM <{mention}>") == 1
    assert count(f"FROM <{mention}> FROM <{catalogue}>") == 61
    assert count("FROM <http://other.example/graph>") == 0
    assert count(f"FROM NAMED <{mention}>") == 0

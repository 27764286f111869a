"""Exports: other programs read back the same graph, and a failed write leaves the old file."""

from __future__ import annotations

import json

import networkx as nx
import pytest
import rdflib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgrec.errors import UsageError
from kgrec.graph.export import export_graph, format_of, to_networkx

BASE = "https://kgrec.example/id/"
# rdflib's own JSON-LD reader uses a class that rdflib deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
KGREC = rdflib.Namespace("https://w3id.org/kgrec/ns#")


@pytest.mark.parametrize(("name", "syntax"), [("g.ttl", "turtle"), ("g.nt", "nt"), ("g.jsonld", "json-ld")])
def test_rdf_read_back_by_rdflib(film_graph, tmp_path, name, syntax):
    export_graph(film_graph, tmp_path / name, base_iri=BASE)
    graph = rdflib.Graph().parse(tmp_path / name, format=syntax)
    items = {str(graph.value(item, rdflib.RDFS.label)) for item in graph.subjects(rdflib.RDF.type, KGREC.Item)}
    assert items == {"Star Wars (1977)", 'Blade "Runner" <1982> & more', "大话西游"}
    rated = rdflib.URIRef(f"{BASE}relation/rate")
    assert len(list(graph.triples((None, rated, None)))) == 3
    assert len(list(graph.subjects(KGREC.weight))) == 3
    assert str(graph.value(graph.value(rated, rdflib.OWL.inverseOf), rdflib.RDFS.label)) == "rated by"


def test_rdf_formats_hold_the_same_triples(film_graph, tmp_path):
    from rdflib.compare import isomorphic

    graphs = []
    for name, syntax in (("g.ttl", "turtle"), ("g.nt", "nt"), ("g.jsonld", "json-ld")):
        export_graph(film_graph, tmp_path / name, base_iri=BASE)
        graphs.append(rdflib.Graph().parse(tmp_path / name, format=syntax))
    assert isomorphic(graphs[0], graphs[1])
    assert isomorphic(graphs[1], graphs[2])


def test_fact_of_two_provenances_is_one_line(make_graph, tmp_path):
    nodes = [("item", "item", "1", "a", []), ("item", "item", "2", "b", [])]
    edges = [(0, "r", 1, 1.0, None, "catalogue"), (0, "r", 1, 1.0, None, "triples")]
    export_graph(make_graph(nodes, [("r", "r", "s", "s")], edges), tmp_path / "g.nt", base_iri=BASE)
    text = (tmp_path / "g.nt").read_text()
    assert text.count(f"<{BASE}item/1> <{BASE}relation/r> <{BASE}item/2> .") == 1


def same_edges(read):
    return sorted(
        (d["relation"], d["weight"], d["provenance"], d["file"], d["line"]) for _, _, d in read.edges(data=True)
    )


@pytest.fixture(params=["by networkx", "by Polars"])
def either_writer(request, monkeypatch):
    """The two ways in which files for networkx are written."""
    monkeypatch.setattr("kgrec.graph.export.LARGEST", 10_000 if request.param == "by networkx" else -1)


@pytest.mark.usefixtures("either_writer")
def test_graphml_and_json_read_back_by_networkx(film_graph, tmp_path):
    export_graph(film_graph, tmp_path / "g.graphml", base_iri=BASE)
    export_graph(film_graph, tmp_path / "g.json", base_iri=BASE)
    xml = nx.read_graphml(tmp_path / "g.graphml", force_multigraph=True)
    linked = nx.node_link_graph(json.loads((tmp_path / "g.json").read_text()), edges="edges")
    for read in (xml, linked):
        assert isinstance(read, nx.MultiDiGraph)
        assert (read.number_of_nodes(), read.number_of_edges()) == (8, 10)
        assert read.nodes[f"{BASE}item/7"]["label"] == 'Blade "Runner" <1982> & more'
        assert read.nodes["http://www.wikidata.org/entity/Q38222"]["type"] == "person"
        (edge,) = read.get_edge_data(f"{BASE}user/ann", f"{BASE}item/50").values()
        assert (edge["relation"], edge["weight"], edge["time"], edge["line"]) == ("rate", 5.0, 881_250_949, 2)
        assert edge["file"] == "film.csv"
    assert same_edges(xml) == same_edges(linked)
    assert linked.nodes[f"{BASE}item/50"]["aliases"] == ["Star Wars: Episode IV", "星球大战"]


@pytest.mark.usefixtures("either_writer")
def test_parallel_edges_stay_apart(make_graph, tmp_path):
    nodes = [("user", "user", "1", "a", []), ("item", "item", "2", "b", [])]
    edges = [(0, "rate", 1, value, None, "interaction") for value in (1.0, 2.0, 3.0)]
    kg = make_graph(nodes, [("rate", "r", "s", "s")], edges)
    export_graph(kg, tmp_path / "g.json", base_iri=BASE)
    read = nx.node_link_graph(json.loads((tmp_path / "g.json").read_text()), edges="edges")
    assert read.number_of_edges() == 3
    export_graph(kg, tmp_path / "g.graphml", base_iri=BASE)
    assert nx.read_graphml(tmp_path / "g.graphml").number_of_edges() == 3


def test_networkx_graph_has_names_and_attributes(film_graph):
    network = to_networkx(film_graph)
    assert isinstance(network, nx.MultiDiGraph)
    assert (network.number_of_nodes(), network.number_of_edges()) == (8, 10)
    assert network.nodes["item:50"] == {
        "kind": "item",
        "type": "item",
        "key": "50",
        "label": "Star Wars (1977)",
        "aliases": ["Star Wars: Episode IV", "星球大战"],
    }
    (edge,) = network.get_edge_data("user:ann", "item:50").values()
    assert edge == {
        "relation": "rate",
        "label": "rated",
        "weight": 5.0,
        "time": 881_250_949,
        "provenance": "interaction",
        "file": "film.csv",
        "line": 2,
    }
    assert all(None not in data.values() for _, _, data in network.edges(data=True))


@pytest.mark.usefixtures("either_writer")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(label=st.text(max_size=20))
def test_any_label_makes_readable_files(make_graph, tmp_path_factory, label):
    label = label.encode("utf-8", "ignore").decode()
    kg = make_graph([("item", "item", "1", label, [])], [], [])
    folder = tmp_path_factory.mktemp("x")
    export_graph(kg, folder / "g.graphml", base_iri=BASE)
    export_graph(kg, folder / "g.json", base_iri=BASE)
    read = nx.read_graphml(folder / "g.graphml")
    shown = read.nodes[f"{BASE}item/1"].get("label", "")
    assert len(shown) == len(label)
    (node,) = json.loads((folder / "g.json").read_text(encoding="utf-8"))["nodes"]
    assert node["label"] == label


def test_format_is_told_by_suffix_or_option(tmp_path):
    from pathlib import Path

    assert format_of(Path("x.TTL")) == "turtle"
    assert format_of(Path("x.data"), "graphml") == "graphml"
    with pytest.raises(UsageError, match=r"'\.xlsx' names no export format") as error:
        format_of(Path("x.xlsx"))
    assert ".graphml" in error.value.hint
    with pytest.raises(UsageError, match="unknown export format 'turtel'") as error:
        format_of(Path("x.ttl"), "turtel")
    assert "turtle" in error.value.hint


def test_failed_export_leaves_the_old_file(film_graph, tmp_path, monkeypatch):
    target = tmp_path / "g.nt"
    target.write_text("old")

    def fail(*args):
        raise RuntimeError("broken")

    monkeypatch.setitem(__import__("kgrec.graph.export", fromlist=["_WRITERS"])._WRITERS, "ntriples", fail)
    with pytest.raises(RuntimeError, match="broken"):
        export_graph(film_graph, target, base_iri=BASE)
    assert target.read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["g.nt"]

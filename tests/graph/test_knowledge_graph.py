"""The graph of a workspace: its tables are read when they are asked for, and a query asks for none."""

from __future__ import annotations

import pytest

from kgrec.errors import CorruptArtifactError, WorkspaceError
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.graph.rdf import RdfOptions
from kgrec.graph.store import write_store

BASE = "https://kgrec.example/id/"


@pytest.fixture
def folder(film_graph, tmp_path):
    film_graph.save(tmp_path / "graph")
    return tmp_path / "graph"


def test_tables_are_those_that_were_saved(film_graph, folder):
    graph = KnowledgeGraph(folder, BASE)
    assert graph.edges.equals(film_graph.edges)
    (folder / "nodes.parquet").unlink()
    assert graph.nodes.equals(film_graph.nodes)  # read with the edges
    assert graph.stats() == film_graph.stats()
    assert graph.to_networkx().number_of_edges() == film_graph.edges.height
    assert not graph.validate()
    with pytest.raises(AttributeError, match="no attribute 'vertices'"):
        graph.vertices  # noqa: B018


def test_a_query_reads_no_table(film_graph, folder):
    with pytest.raises(WorkspaceError, match="without an RDF store"):
        KnowledgeGraph(folder, BASE).query("ASK { ?s ?p ?o }")
    write_store(film_graph, folder / "store", RdfOptions(BASE))
    (folder / "nodes.parquet").unlink()
    graph = KnowledgeGraph(folder, BASE)
    assert graph.query("ASK { ?s ?p ?o }").rows == [(True,)]
    with pytest.raises(CorruptArtifactError, match=r"nodes\.parquet"):
        graph.neighbourhood("item:50")


def test_files_are_written_under_the_iris_of_the_workspace(folder, tmp_path):
    graph = KnowledgeGraph(folder, "http://shop.example/")
    assert graph.export(tmp_path / "g.nt") == tmp_path / "g.nt"
    assert "<http://shop.example/item/50>" in (tmp_path / "g.nt").read_text(encoding="utf-8")
    assert graph.draw("item:50", tmp_path / "g.svg", limit=2).read_text(encoding="utf-8").count('class="edge') == 2

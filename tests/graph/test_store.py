"""The RDF store: what a graph becomes, every key survives, a difference equals a full write."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

import polars as pl
import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.errors import ConfigError, CorruptArtifactError
from kgrec.graph.rdf import RdfOptions, encode, lines, node_iris, to_bytes
from kgrec.graph.store import open_store, store_options, update_store, write_store
from kgrec.graph.vocabulary import NAMESPACE, RDFS

BASE = "https://kgrec.example/id/"


def quads(folder):
    return sorted(str(quad) for quad in open_store(folder))


def test_store_nodes_edges_and_graphs(film_graph, tmp_path):
    write_store(film_graph, tmp_path / "s", RdfOptions(BASE))
    store = open_store(tmp_path / "s")
    star_wars, lucas = ox.NamedNode(f"{BASE}item/50"), ox.NamedNode("http://www.wikidata.org/entity/Q38222")
    found = list(store.quads_for_pattern(star_wars, ox.NamedNode(f"{BASE}relation/directed_by"), None))
    assert [(q.object, q.graph_name) for q in found] == [(lucas, ox.NamedNode(f"{BASE}provenance/triples"))]
    labels = {q.object.value for q in store.quads_for_pattern(None, ox.NamedNode(f"{RDFS}label"), None)}
    assert {"大话西游", 'Blade "Runner" <1982> & more', "rated by", "George Lucas"} <= labels
    assert not list(store.quads_for_pattern(None, ox.NamedNode(f"{NAMESPACE}weight"), None))
    assert store_options(tmp_path / "s") == RdfOptions(BASE)


def test_store_without_interactions_has_no_interaction(film_graph, tmp_path):
    write_store(film_graph, tmp_path / "s", RdfOptions(BASE, interactions=False))
    store = open_store(tmp_path / "s")
    assert not list(store.quads_for_pattern(None, ox.NamedNode(f"{BASE}relation/rate"), None))
    assert list(store.quads_for_pattern(None, ox.NamedNode(f"{BASE}relation/starring"), None))
    assert ox.NamedNode(f"{BASE}provenance/interaction") not in list(store.named_graphs())


def test_base_iri_must_start_iris(film_graph, tmp_path):
    with pytest.raises(ConfigError, match="base_iri") as error:
        write_store(film_graph, tmp_path / "s", RdfOptions("my graph"))
    assert "http" in error.value.hint


def test_missing_and_foreign_store(tmp_path):
    with pytest.raises(CorruptArtifactError, match="missing"):
        open_store(tmp_path / "none")
    ox.Store(str(tmp_path / "other")).flush()
    with pytest.raises(CorruptArtifactError, match="no store of kgrec"):
        store_options(tmp_path / "other")
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "CURRENT").write_text("rubbish")
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        open_store(tmp_path / "file")


@given(st.lists(st.text(max_size=12), unique=True, min_size=1, max_size=8))
def test_encoded_keys_are_valid_iris_and_never_meet(keys):
    encoded = encode(pl.Series("key", keys, dtype=pl.String)).to_list()
    assert len(set(encoded)) == len(keys)
    for step in encoded:
        assert "/" not in step
        assert "<" not in step
        next(iter(ox.parse(f"<{BASE}item/{step}> <{BASE}p> <{BASE}o> .", format=ox.RdfFormat.N_TRIPLES)))


def test_iri_keys_are_kept_but_not_a_users():
    nodes = pl.DataFrame({"kind": ["entity", "user", "entity"], "key": ["http://a.b/c", "http://a.b/c", "http://a b"]})
    kept, user, broken = node_iris(nodes, BASE).to_list()
    assert kept == "<http://a.b/c>"
    assert user == f"<{BASE}user/http:%2F%2Fa.b%2Fc>"
    assert broken == f"<{BASE}entity/http:%2F%2Fa%20b>"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)


@settings(max_examples=60, deadline=None)
@given(key=TEXT, label=TEXT, alias=TEXT)
def test_any_text_survives_as_literal(make_graph, key, label, alias):
    kg = make_graph([("item", "item", key, label, [alias])], [], [])
    text = b"".join(to_bytes(block) for block in lines(kg, RdfOptions(BASE)))
    triples = list(ox.parse(text, format=ox.RdfFormat.N_QUADS))
    node = [t.subject for t in triples if t.predicate.value == f"{NAMESPACE}key"]
    told = {t.predicate.value.rsplit("#")[-1]: t.object.value for t in triples if t.subject == node[0]}
    assert (told["key"], told["label"], told["altLabel"]) == (key, label, alias)


NODES = [("user", "user", "u"), ("item", "item", "a b"), ("item", "item", "2"), ("entity", "genre", "genre:é")]


@st.composite
def graphs(draw, make):
    """Graphs that share some nodes, relations and edges, numbered differently."""
    picked = draw(st.permutations(NODES))[: draw(st.integers(1, len(NODES)))]
    nodes = [
        (*node, draw(st.sampled_from(["L", "M"])), draw(st.sampled_from([[], ["x"], ["x", "y"]]))) for node in picked
    ]
    relations = draw(st.permutations([("rate", "rated", "rated_by", "rb"), ("r", "r", "s", "s")]))
    edge = st.tuples(
        st.integers(0, len(nodes) - 1),
        st.sampled_from(["rate", "r"]),
        st.integers(0, len(nodes) - 1),
        st.sampled_from([1.0, 0.5, 4.0]),
        st.sampled_from([None, 1_000_000_000]),
        st.sampled_from(["interaction", "catalogue", "triples"]),
    )
    return make(nodes, relations, draw(st.lists(edge, max_size=6)))


@settings(max_examples=5, deadline=None)
@given(data=st.data(), interactions=st.booleans())
def test_update_equals_full_write(make_graph, data, interactions):
    check_update(make_graph, data, interactions)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data(), interactions=st.booleans())
def test_update_equals_full_write_often(make_graph, data, interactions):
    check_update(make_graph, data, interactions)


def check_update(make_graph, data, interactions):
    old, new = data.draw(graphs(make_graph)), data.draw(graphs(make_graph))
    options = RdfOptions(BASE, interactions)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("kgrec.graph.store.REWRITE_SHARE", 1e9)
        folder = Path(name)
        write_store(old, folder / "old", options)
        before = quads(folder / "old")
        assert update_store(folder / "old", folder / "by-difference", old, new, options)
        write_store(new, folder / "full", options)
        assert quads(folder / "by-difference") == quads(folder / "full")
        assert quads(folder / "old") == before
        shutil.rmtree(folder / "old")  # the files are shared, not borrowed
        assert quads(folder / "by-difference") == quads(folder / "full")


def test_update_falls_back_to_full_write(film_graph, tmp_path):
    write_store(film_graph, tmp_path / "old", RdfOptions(BASE))
    other = dataclasses.replace(film_graph, edges=film_graph.edges[:1])
    assert not update_store(tmp_path / "old", tmp_path / "much", film_graph, other, RdfOptions(BASE))
    assert not update_store(tmp_path / "old", tmp_path / "moved", film_graph, film_graph, RdfOptions("http://x.org/"))
    assert store_options(tmp_path / "moved").base_iri == "http://x.org/"
    assert not update_store(tmp_path / "none", tmp_path / "first", film_graph, film_graph, RdfOptions(BASE))
    assert quads(tmp_path / "first") == quads(tmp_path / "old")


def test_update_with_nothing_new(film_graph, tmp_path):
    write_store(film_graph, tmp_path / "old", RdfOptions(BASE))
    assert update_store(tmp_path / "old", tmp_path / "same", film_graph, film_graph, RdfOptions(BASE))
    assert quads(tmp_path / "same") == quads(tmp_path / "old")

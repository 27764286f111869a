from __future__ import annotations

import gzip

import polars as pl
import pyoxigraph
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.errors import DataError
from kgrec.graph import rdf_reader
from kgrec.graph.rdf_reader import STATEMENTS, rdf_suffix, read_rdf

TURTLE = """@prefix e: <http://e.org/> .
e:a e:knows e:b , [ e:name "x" ] ;
    e:name "A"@en .
"""
XML = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://e.org/">
<rdf:Description rdf:about="http://e.org/a"><e:knows rdf:resource="http://e.org/b"/></rdf:Description></rdf:RDF>"""
JSON = '{"@id": "http://e.org/a", "http://e.org/knows": {"@id": "http://e.org/b"}}'
TRIG = "<http://e.org/g> { <http://e.org/a> <http://e.org/knows> <http://e.org/b> }"
TRIX = """<TriX xmlns="http://www.w3.org/2004/03/trix/trix-1/"><graph><triple><uri>http://e.org/a</uri>
<uri>http://e.org/knows</uri><uri>http://e.org/b</uri></triple></graph></TriX>"""
HEXT = '["http://e.org/a", "http://e.org/knows", "http://e.org/b", "globalId", "", ""]\n'
LINE = "<http://e.org/a> <http://e.org/knows> <http://e.org/b> "


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.nt", LINE + ".\n"),
        ("g.nq", LINE + "<http://e.org/g> .\n"),
        ("g.ttl", LINE + "."),
        ("g.rdf", XML),
        ("g.jsonld", JSON),
        ("g.trig", TRIG),
        ("g.n3", LINE + "."),
        ("g.trix", TRIX),
        ("g.hext", HEXT),
    ],
)
def test_every_syntax_gives_the_same_statement(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text)
    table = read_rdf(file, rdf_suffix(file, None))
    assert dict(table.schema) == dict(STATEMENTS)
    rows = table.select("subject", "predicate", "object", "literal").rows()
    assert rows == [("http://e.org/a", "http://e.org/knows", "http://e.org/b", False)]


def test_compressed_files_and_formats_by_name(tmp_path):
    file = tmp_path / "g.nt.gz"
    file.write_bytes(gzip.compress((LINE + ".\n").encode()))
    assert rdf_suffix(file, None) == ".nt"
    assert read_rdf(file, ".nt").height == 1
    assert rdf_suffix(tmp_path / "dump", "ntriples") == ".nt"
    assert rdf_suffix(tmp_path / "dump.tsv", None) is None
    assert rdf_suffix(tmp_path / "dump.csv", "turtle") == ".ttl"


def test_lines_are_counted_over_blank_lines_comments_and_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(rdf_reader, "_BLOCK", 64)
    file = tmp_path / "g.nt"
    file.write_text("# first\n\n" + (LINE + ". # said\n") * 5 + "  \r\n" + LINE + ".\r\n")
    assert read_rdf(file, ".nt")["line"].to_list() == [3, 4, 5, 6, 7, 9]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("g.nt", LINE + ".\n" + "<http://e.org/a> <http://e.org/kno ws> <http://e.org/b> .\n", 2),
        ("g.nt", LINE + ".\n\n" + LINE + "\n", 3),
        ("g.nt", LINE + "<http://e.org/g> .\n", 1),
        ("g.ttl", "@prefix e: <http://e.org/> .\ne:a e:b .\n", 2),
        ("g.rdf", '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n<r:Description>', 2),
    ],
)
def test_broken_rdf_names_file_and_line(tmp_path, name, text, line):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(DataError, match=rf"{name}: line {line}:"):
        read_rdf(file, rdf_suffix(file, None))


@pytest.mark.parametrize(("name", "text"), [("g.rdf", "<rdf"), ("g.jsonld", "{"), ("g.trix", "<x"), ("g.hext", "[")])
def test_broken_files_without_lines_name_the_file(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(DataError, match=name):
        read_rdf(file, rdf_suffix(file, None))


def test_bytes_that_are_no_utf8(tmp_path):
    file = tmp_path / "g.nt"
    file.write_bytes((LINE + ".\n").encode() + b'<http://e.org/a> <http://e.org/n> "\xe9" .\n')
    with pytest.raises(DataError, match="line 2"):
        read_rdf(file, ".nt")


def test_blank_nodes_are_named_the_same_every_time(tmp_path):
    file = tmp_path / "g.ttl"
    file.write_text(TURTLE)
    first, second = read_rdf(file, ".ttl"), read_rdf(file, ".ttl")
    assert first.equals(second)
    assert "_:b0" in first["subject"].to_list()
    assert first.filter(pl.col("literal"))["language"].to_list() == [None, "en"]


iris = st.text(alphabet="abé李/-.~", max_size=6).map(lambda s: pyoxigraph.NamedNode(f"http://e.org/{s}"))
blanks = st.sampled_from([pyoxigraph.BlankNode("x"), pyoxigraph.BlankNode("y.z"), pyoxigraph.BlankNode("B-1")])
texts = st.text(alphabet='ab"\\\n\r\t\u00e9李\U0001f600 .<>@^#_:', max_size=8)
literals = st.one_of(
    texts.map(pyoxigraph.Literal),
    texts.map(lambda t: pyoxigraph.Literal(t, language="zh-hans")),
    texts.map(lambda t: pyoxigraph.Literal(t, datatype=pyoxigraph.NamedNode("http://e.org/type"))),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.one_of(iris, blanks), iris, st.one_of(iris, blanks, literals)), min_size=1, max_size=6))
def test_lines_are_read_as_the_reference_parser_reads_them(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("rdf") / "g.nt"
    triples = [pyoxigraph.Triple(*row) for row in rows]
    file.write_bytes(pyoxigraph.serialize(triples, format=pyoxigraph.RdfFormat.N_TRIPLES))
    table = rdf_reader._read_lines(file.read_bytes(), quads=False)
    assert isinstance(table, pl.DataFrame), "the fast path must read what a serializer writes"

    def key(term):
        return f"_:{term.value}" if isinstance(term, pyoxigraph.BlankNode) else term.value

    expected = [
        (key(t.subject), t.predicate.value, key(t.object), isinstance(t.object, pyoxigraph.Literal),
         getattr(t.object, "language", None))
        for t in triples
    ]  # fmt: skip
    assert table.drop("line").rows() == expected

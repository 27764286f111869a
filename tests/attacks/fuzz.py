"""Coverage-guided fuzzing of what reads untrusted bytes: ``python tests/attacks/fuzz.py TARGET SECONDS [CORPUS]``.

It needs atheris (``pip install atheris``), which is none of kgrec's dependencies. A parser may answer with a
:class:`~kgrec.errors.KgrecError`; anything else, ten seconds, or 2 GiB stop the run and leave the input in the current
folder. ``all`` runs every target in a process of its own. Findings are made tests.
"""

import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

SECONDS, MEBIBYTES = 10, 2_048
RDF = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:x="urn:x">'
TRIX = b'<TriX xmlns="http://www.w3.org/2004/03/trix/trix-1/"><graph><triple><uri>urn:a</uri><uri>urn:b</uri>'
CUT = b"\n=====\n"
"""Between the files of an input of several."""
SHAPE = b"@prefix sh: <http://www.w3.org/ns/shacl#> . [] a sh:NodeShape ; "
SEEDS = {
    "csv": [b"a,b\n1,2\n", b'a;b\n"x\ny";2\n', b"\xef\xbb\xbfa\tb\n1\t2\n", "a,b\n\u00e9,\u6570\n".encode("gb18030")],
    "tsv": [b"a\tb\n1\t2\n"],
    "inter": [b"user_id:token\titem_id:token\n1\t2\n"],
    "jsonl": [b'{"a": 1, "b": [1, 2], "c": {"d": null}}\n{"a": "x"}\n'],
    "json": [b'[{"a": 1}, {"b": [2]}]', b'{"data": {"items": [{"a": 1}]}}'],
    "parquet": [],
    "db": [],
    "xlsx": [],
    "zip": [],
    "csv.gz": [],
    "csv.zst": [],
    "nt": [b'<urn:a> <urn:b> "x"@en .\n_:a <urn:b> <urn:c> . # c\n'],
    "nq": [b'<urn:a> <urn:b> "\\u0041\\n"^^<urn:t> <urn:g> .\n'],
    "ttl": [b'@prefix x: <urn:x> . x:a x:b "c", [ x:d (1 2) ] .'],
    "rdf": [RDF + b'<rdf:Description rdf:about="urn:a"><x:b>c</x:b></rdf:Description></rdf:RDF>'],
    "jsonld": [b'{"@id": "urn:a", "urn:b": [{"@value": "x", "@language": "en"}]}'],
    "trix": [TRIX + b"<plainLiteral>c</plainLiteral></triple></graph></TriX>"],
    "hext": [b'["urn:a", "urn:b", "x", "http://www.w3.org/2001/XMLSchema#string", "", ""]\n'],
    "toml": [b'domain = "video"\n[[data.items]]\npath = "x.csv"\ncolumns = { id = "i" }\n[train]\nseed = 3\n'],
    "set": [b'train.device="cpu"', b"data.items=[{path='x'}]"],
    "sparql": [b"SELECT ?a FROM <urn:g> WHERE { ?a rdfs:label 'x' . } # c"],
    "shapes": [SHAPE + b'sh:sparql [ sh:select "SELECT $this {}" ] .'],
    "answer": [b'{"text": "a", "n": [1]}', b"```json\n{}\n```"],
    "shown": ["\u0646\u200c\u0645 \u202e \U0001f468\u200d\U0001f469 http://a:b@c".encode()],
    "arrays": [],
    "trust": [b'[[host]]\norigin = "https://h"\nvariable = "V"\n'],
    "where": [b"year >= 1990 and (genre = 'Drama' or not actor in (a, b))", b"title contains x"],
    "template": [b"{title}. {description} {genre|by }"],
    "shop": [
        b"id,customer,date\no1,u1,2024-01-02\no2,u2,2024-01-03\no3,u1,2024-02-02\n"
        + CUT
        + b"order_id,sku,qty\no1,a,1\no2,b,2\no3,c,1\no3,a,1\n"
        + CUT
        + b"sku,title,category\na,Pan,c1\nb,Pot,c2\nc,Lid,c1\n",
        b'user,item,when,props\nu1,a,1700000000,"{""k"": [1]}"\nu2,b,1700000100,"[1, 2]"\n'
        + CUT
        + b'id,name,parent,cast\na,Home,,"[{""name"": ""A""}]"\nb,Pan > Lid,a,x|y\n'
        + CUT
        + b"uid,age,city\nu1,3,x\nu2,4,y\n",
        b"<urn:a> <urn:b> <urn:c> .\n" + CUT + b"user;a;b;c\n1;5;0;3\n2;;4;1\n" + CUT + b"a,b\n1,2\n",
    ],
    "cells": [b'A|B\n[\'A\', \'B\']\n{A,B}\n[{"name": "A", "id": 1}]\nHome > Pans\n1.299,00 \xe2\x82\xac\nPT1H2M'],
    "line": [
        b'{"user_id": "u", "item_id": "i", "action": "like", "value": 1, "time": 1}',
        b'{"item_id": "a", "title": "b"}',
    ],
    "said": [b"not by Ann, more like the second, from the nineties, newer", "没有 的 更多 1990 年代".encode()],
    "text": [b"Low Tide by Ines Holm runs 93 minutes, won 3 prizes since 1990 and costs 5 dollars. Not for children!"],
    "recipe": [],
    "domain": [],
}


def made(target, folder):
    """Write a sound file of a format that is not text."""
    import gzip
    import sqlite3
    import zipfile

    import numpy as np
    import polars as pl
    import zstandard

    file, table = folder / f"seed.{target}", pl.DataFrame({"a": ["x", None], "b": [1, 2], "c": [[1], [2, 3]]})
    if target == "parquet":
        table.write_parquet(file)
    elif target == "db":
        with sqlite3.connect(file) as connection:
            connection.executescript("CREATE TABLE t (a, b); INSERT INTO t VALUES ('x', 1);")
        connection.close()
    elif target in ("zip", "xlsx"):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.csv", "a,b\n1,2\n")
    elif target == "csv.gz":
        file.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    elif target == "csv.zst":
        file.write_bytes(zstandard.compress(b"a,b\n1,2\n"))
    elif target == "domain":
        return files("kgrec_news").joinpath("domain.toml").read_bytes()
    elif target == "recipe":
        return files("kgrec_video").joinpath("recipes/movielens.toml").read_bytes()
    elif target == "arrays":
        from kgrec.artifacts import save_arrays

        save_arrays(file, {"x": np.arange(6.0).reshape(2, 3)})
    return file.read_bytes()


def shop(folder, manager):
    """Take several files as ``init`` and ``build-graph`` do: roles, joins, lookups, cells, cleaning."""
    from kgrec.data.ingest import ingest
    from kgrec.data.propose import look, write
    from kgrec.settings import load_settings

    settings = folder / "kgrec.toml"

    def taken(data):
        names = [folder / name for name in ("a.csv", "b.csv", "c.csv")]
        parts = data.split(CUT)[: len(names)]
        files = names[: len(parts)]
        for file, part in zip(files, parts, strict=True):
            file.write_bytes(part)
        proposal = look(files, None, manager)
        settings.write_text(write(proposal, manager, folder=folder))
        config = load_settings(settings).config
        ingest(config, manager.domain(config.domain), manager, folder)

    return taken


def cells(folder, manager):
    """Read a column of an attribute."""
    import polars as pl

    from kgrec.data.attributes import read_attribute
    from kgrec.plugin.domain import Attribute

    def read(data):
        table = pl.DataFrame({"c": data.decode("utf-8", "replace").split("\n")})
        for relation, separator in ((None, None), ("has", "|"), ("has", None)):
            read_attribute(table, Attribute("c", separator, relation))

    return read


def line(folder, manager):
    """Read a line of an import of a server."""
    from pydantic import ValidationError

    from kgrec.serve.jobs import _read

    def read(data):
        for kind in ("events", "items", "users"):
            with suppress(ValidationError):  # told to whoever sent it
                _read(kind, data)

    return read


def said(folder, manager):
    """Understand what a visitor says."""
    import kgrec
    from kgrec.live.dialogue import Talk
    from kgrec.testing import toy_workspace

    toy_workspace(folder / "toy")
    project = kgrec.open(folder / "toy", overrides=["text.encoder=hashing"])
    project.build_graph()
    project.train(only=["popularity"])
    titles, models = [("i00", "Low Tide"), ("i01", "The Long Harbour")], project.live.now.models
    people = [models.dialogue(code) for code in ("en", "zh", "de")]

    def heard(data):
        for one in people:
            one.ask(one.understand(data.decode("utf-8", "replace"), Talk(), titles), ["i00", "i01"])

    return heard


def text(folder, manager):
    """Judge a text of a language model."""
    from kgrec.generate.writer import Writer
    from kgrec.testing import toy_request

    writer = Writer([spec.build() for _, spec in manager.registry("guard").items()])
    requests = [replace(toy_request(), language=code) for code in ("en", "zh", "de")]
    return lambda data: [writer.check(one, data.decode("utf-8", "replace")) for one in requests]


def recipe(folder, manager):
    """Read how an export is read, from a plugin's file; what it does not understand it calls no recipe."""
    import tomllib

    from kgrec.plugin.recipes import _recipe

    def read(data):
        with suppress(AttributeError, KeyError, TypeError, ValueError):  # as recipes_of does
            for table in tomllib.loads(data.decode("utf-8", "replace"))["file"]:
                _recipe(table).reads("a.csv", ["v", "w"])

    return read


def domain(folder, manager):
    """Read a domain from the files of a plugin."""
    import importlib

    module = importlib.import_module("kgrec.plugin.files")

    package = folder / "fuzzed"
    package.mkdir()
    (package / "__init__.py").touch()
    sys.path.insert(0, str(folder))

    def read(data):
        (package / "domain.toml").write_bytes(data)
        for one in vars(module).values():
            if hasattr(one, "cache_clear"):
                one.cache_clear()
        module.read_domain("fuzzed")

    return read


LATER = {one.__name__: one for one in (shop, cells, line, said, text, recipe, domain)}


def harness(target, folder):
    """Return what is called with bytes."""
    from kgrec.errors import KgrecError

    file = folder / f"input.{target}"

    def written(data):
        file.write_bytes(data)
        return file

    def decoded(data):
        return data.decode("utf-8", "surrogateescape" if target == "shown" else "replace")

    def calls():
        from kgrec.plugin.manager import load_plugins

        manager = load_plugins([])
        if target in ("nt", "nq"):
            from kgrec.graph import rdf_reader

            rdf_reader.parse = lambda path, ending, suspect=None: __import__("polars").DataFrame(
                schema=dict(rdf_reader.STATEMENTS)
            )
            return lambda data: rdf_reader.read_rdf(written(data), f".{target}")
        if target in ("ttl", "rdf", "jsonld", "trix", "hext"):
            from kgrec.graph import rdf_parsers

            rdf_parsers.bound_memory = lambda size: None  # this process has its own bound
            return lambda data: rdf_parsers.statements(written(data), f".{target}")
        if target == "toml":
            from kgrec.settings import load_settings

            return lambda data: list(load_settings(written(data)).rows())
        if target == "set":
            from kgrec.settings import load_settings

            return lambda data: list(load_settings(None, decoded(data).split("\x00")).rows())
        if target == "sparql":
            from kgrec.graph.query import check_readable, explain_syntax, names_graphs

            def asked(data):
                check_readable(decoded(data))
                names_graphs(decoded(data))
                explain_syntax(decoded(data), "error at 1:1: expected x", ["rdfs"])

            return asked
        if target == "shapes":
            from kgrec.graph import validate

            def checked(data):
                graph = validate._parse(decoded(data), "fuzz")
                validate._check_shapes(graph, file)

            return checked
        if target == "answer":
            from kgrec.generate.prompts import fence, first_line, valid_json

            schema = {"type": "object", "properties": {"text": {"type": "string"}}}
            return lambda data: (valid_json(decoded(data), schema), first_line(decoded(data)), fence(decoded(data)))
        if target == "shown":
            from kgrec.shown import visible, without_secrets

            def shown(data):
                told = visible(decoded(data))
                assert visible(told) == told
                without_secrets(told)

            return shown
        if target == "arrays":
            from kgrec.artifacts import load_arrays

            return lambda data: load_arrays(written(data))
        if target == "trust":
            from kgrec import consent

            consent.trust_file = lambda: file
            return lambda data: (written(data), consent.Consent.load(), consent.origin(decoded(data)))
        if target == "where":
            from kgrec.ranking.where import parse_where

            return lambda data: parse_where(decoded(data))
        if target == "template":
            from kgrec.text.item_text import parse_template

            return lambda data: parse_template(decoded(data))
        if target in LATER:
            return LATER[target](folder, manager)
        from kgrec.data.sources.files import read_rows

        return lambda data: read_rows(written(data), None, manager)

    call = calls()

    def one(data):
        try:
            call(data)
        except KgrecError:
            return

    return one


def main():
    """Fuzz one target, or all in turn."""
    target, seconds = sys.argv[1], sys.argv[2]
    if target == "all":
        ends = {}
        for name in SEEDS:
            command = [sys.executable, __file__, name, seconds]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            runs = next((line for line in done.stderr.splitlines()[::-1] if line.startswith(("Done", "#"))), "")
            ends[name] = done.returncode
            print(f"{name}: exit {done.returncode} {runs}", flush=True)
            if done.returncode:
                print(done.stderr[-1_500:], flush=True)
        return int(any(ends.values()))
    import atheris

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        corpus = Path(sys.argv[3]) if len(sys.argv) > 3 else folder / "corpus"
        corpus.mkdir(exist_ok=True)
        for k, seed in enumerate(SEEDS[target] or [made(target, folder)]):
            (corpus / f"seed-{k}").write_bytes(seed)
        with atheris.instrument_imports(include=["kgrec"]):
            one = harness(target, folder)
            one((corpus / "seed-0").read_bytes())
        limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEBIBYTES}", "-max_len=65536"]
        atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix=fuzz-{target}-", str(corpus)], one)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())

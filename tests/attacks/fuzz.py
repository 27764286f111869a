"""Coverage-guided fuzzing of what reads untrusted bytes: ``python tests/attacks/fuzz.py TARGET SECONDS [CORPUS]``.

It needs atheris (``pip install atheris``), which is none of kgrec's dependencies. A parser may answer with a
:class:`~kgrec.errors.KgrecError`; anything else, ten seconds, or 2 GiB stop the run and leave the input in the current
folder. ``all`` runs every target in a process of its own. Findings are made tests.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS, MEBIBYTES = 10, 2_048
RDF = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:x="urn:x">'
TRIX = b'<TriX xmlns="http://www.w3.org/2004/03/trix/trix-1/"><graph><triple><uri>urn:a</uri><uri>urn:b</uri>'
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
    elif target == "arrays":
        from kgrec.artifacts import save_arrays

        save_arrays(file, {"x": np.arange(6.0).reshape(2, 3)})
    return file.read_bytes()


def harness(target, folder):
    """Return what is called with bytes."""
    from kgrec.errors import KgrecError

    file = folder / f"input.{target}"

    def written(data):
        file.write_bytes(data)
        return file

    def text(data):
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

            return lambda data: list(load_settings(None, text(data).split("\x00")).rows())
        if target == "sparql":
            from kgrec.graph.query import check_readable, explain_syntax, names_graphs

            def asked(data):
                check_readable(text(data))
                names_graphs(text(data))
                explain_syntax(text(data), "error at 1:1: expected x", ["rdfs"])

            return asked
        if target == "shapes":
            from kgrec.graph import validate

            def checked(data):
                graph = validate._parse(text(data), "fuzz")
                validate._check_shapes(graph, file)

            return checked
        if target == "answer":
            from kgrec.generate.prompts import fence, first_line, valid_json

            schema = {"type": "object", "properties": {"text": {"type": "string"}}}
            return lambda data: (valid_json(text(data), schema), first_line(text(data)), fence(text(data)))
        if target == "shown":
            from kgrec.shown import visible, without_secrets

            def shown(data):
                told = visible(text(data))
                assert visible(told) == told
                without_secrets(told)

            return shown
        if target == "arrays":
            from kgrec.artifacts import load_arrays

            return lambda data: load_arrays(written(data))
        if target == "trust":
            from kgrec import consent

            consent.trust_file = lambda: file
            return lambda data: (written(data), consent.Consent.load(), consent.origin(text(data)))
        if target == "where":
            from kgrec.ranking.where import parse_where

            return lambda data: parse_where(text(data))
        if target == "template":
            from kgrec.text.item_text import parse_template

            return lambda data: parse_template(text(data))
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

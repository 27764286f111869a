"""A parser of RDF that crashes, grows or hangs costs an error that names the file, not the command."""

import subprocess
import sys

import pytest

from kgrec.errors import DataError
from kgrec.graph.rdf_parsers import parse
from kgrec.graph.worker import WorkerError, run_worker

GOOD = '<urn:a> <urn:p> "x" .\n'


@pytest.mark.parametrize("depth", [20_000, 200_000])
def test_deep_json_ld_beyond_a_raised_limit(tmp_path, monkeypatch, depth):
    monkeypatch.setenv("KGREC_LIMITS", "depth=100000000")
    file = tmp_path / "deep.jsonld"
    file.write_text('{"@id": "urn:a", "urn:p": ' + '{"urn:p": [' * depth + "1" + "]}" * depth + "}")
    with pytest.raises(DataError, match=r"deep\.jsonld"):
        parse(file, ".jsonld")


BLOWN_UP = {
    ".trix": (
        '<TriX xmlns="http://www.w3.org/2004/03/trix/trix-1/"><graph>',
        "<triple><uri>urn:a</uri><uri>urn:p</uri><plainLiteral>{}</plainLiteral></triple>",
        "</graph></TriX>",
    ),
    ".rdf": (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:p="urn:p">',
        '<rdf:Description rdf:about="urn:a"><p:p>{}</p:p></rdf:Description>',
        "</rdf:RDF>",
    ),
}


@pytest.mark.parametrize("ending", BLOWN_UP)
def test_memory_is_bounded(tmp_path, ending):
    """An entity that is long and one that is used often are plain ones; both together are gigabytes."""
    file = tmp_path / f"big{ending}"
    head, row, foot = BLOWN_UP[ending]
    rows = "".join(row.format(f"{k}&a;") for k in range(20_000))
    file.write_text(f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "{"x" * 100_000}">]>{head}{rows}{foot}')
    with pytest.raises(DataError, match=rf"big\{ending}"):
        parse(file, ending)


def test_time_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setenv("KGREC_LIMITS", "seconds=0")
    file = tmp_path / "a.ttl"
    file.write_text(GOOD)
    with pytest.raises(DataError, match="does not come to an end, the limit is 0") as caught:
        parse(file, ".ttl")
    assert 'KGREC_LIMITS="seconds=NUMBER"' in caught.value.hint


@pytest.mark.parametrize(("code", "told"), [("os.abort()", "SIGABRT"), ("sys.exit(3)", "exit code 3"), ("1/0", "Zero")])
def test_a_worker_that_breaks_down_tells_how(tmp_path, monkeypatch, code, told):
    (tmp_path / "broken_worker.py").write_text(f"import os, sys\n{code}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(WorkerError, match=told):
        run_worker("broken_worker", {}, seconds=60)


def test_a_file_of_the_users_folder_is_no_module(tmp_path):
    ran = tmp_path / "ran"
    for name in ("polars", "json", "pyoxigraph"):
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'w')\n")
    (tmp_path / "a.ttl").write_text(GOOD)
    program = "from pathlib import Path; from kgrec.graph.rdf_parsers import parse; print(parse(Path('a.ttl'), '.ttl'))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "urn:p" in done.stdout
    assert done.stderr == ""
    assert not ran.exists()

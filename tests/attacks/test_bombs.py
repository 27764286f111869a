"""A small file must not fill the memory or hold a core for minutes: it is refused, with the limit named."""

import gzip
import io
import itertools
import json
import zipfile

import pytest
import zstandard

from kgrec.data.sources.delimited import CsvSource
from kgrec.data.sources.limits import ALWAYS, check_depth, limit
from kgrec.data.sources.records import JsonSource
from kgrec.data.sources.typed import sheets
from kgrec.errors import ConfigError, DataError
from kgrec.graph.rdf_reader import read_rdf

ZEROS = bytes(1 << 20)


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_compressed_file_grows_no_further_than_the_limit(tmp_path, ending):
    file = tmp_path / f"bomb.csv.{ending}"
    size = 5 * ALWAYS
    if ending == "gz":
        with gzip.open(file, "wb") as stream:
            for _ in range(size >> 20):
                stream.write(ZEROS)
    else:
        with file.open("wb") as raw, zstandard.ZstdCompressor().stream_writer(raw) as stream:
            for _ in range(size >> 20):
                stream.write(ZEROS)
    with pytest.raises(DataError, match="times its size, the limit is 200") as caught:
        CsvSource().read(file)
    assert 'KGREC_LIMITS="expansion=NUMBER"' in caught.value.hint


def test_a_small_file_may_grow_as_it_likes(tmp_path):
    file = tmp_path / "a.csv.gz"
    with gzip.open(file, "wb") as stream:
        stream.write(b"a,b\n" + b"1,2\n" * 1_000_000)
    assert CsvSource().read(file).height == 1_000_000


def test_columns_of_a_table(tmp_path, monkeypatch):
    file = tmp_path / "wide.csv"
    file.write_text(",".join(f"c{k}" for k in range(200_000)) + "\n")
    with pytest.raises(DataError, match="200,000 columns, the limit is 5,000"):
        CsvSource().read(file)
    file.write_text(",".join(f"c{k}" for k in range(6_000)) + "\n")
    monkeypatch.setenv("KGREC_LIMITS", "columns=7000")
    assert CsvSource().read(file).width == 6_001


def test_keys_of_json_lines(tmp_path):
    file = tmp_path / "keys.jsonl"
    file.write_text("".join(json.dumps({"user_id": "u", f"k{k}": 1}) + "\n" for k in range(20_000)))
    with pytest.raises(DataError, match="more than 5,000 different keys, the limit is 5,000"):
        JsonSource().read(file)


@pytest.mark.parametrize("form", ['"k{}"  :', '"k{}"\t:', '"\\u006b{}":', '"' + "k" * 300 + '{}":'])
def test_keys_are_counted_however_they_are_written(tmp_path, form):
    file = tmp_path / "keys.jsonl"
    file.write_text("".join(f'{{"user_id": "u", {form.format(k)} 1}}\n' for k in range(6_000)))
    with pytest.raises(DataError, match="different keys"):
        JsonSource().read(file)


@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_deep_json_lines(tmp_path, depth):
    file = tmp_path / "deep.jsonl"
    file.write_text('{"user_id": "u", "x": ' + "[" * depth + "]" * depth + "}\n")
    with pytest.raises(DataError, match=r"nested|nests too deep|DepthLimit"):
        JsonSource().read(file)


@pytest.mark.parametrize("depth", [600, 10_000, 50_000])
def test_deep_json_ld(tmp_path, depth):
    file = tmp_path / "deep.jsonld"
    file.write_text('{"@id": "urn:a", "urn:p": ' + '{"urn:p": [' * depth + "1" + "]}" * depth + "}")
    with pytest.raises(DataError, match="deep, the limit is 500"):
        read_rdf(file, ".jsonld")


def test_brackets_in_texts_are_no_depth(tmp_path):
    check_depth(tmp_path, json.dumps({"a": "[" * 5_000 + '\\"' + "{" * 5_000}).encode())


def test_an_unclosed_string_is_passed_over_once(tmp_path):
    check_depth(tmp_path, b'{"a": "' + b'\\"' * 3_000_000)


LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY a "ha">{nested}]>
<TriX xmlns="http://www.w3.org/2004/03/trix/trix-1/"><graph><triple><uri>urn:s</uri><uri>urn:p</uri>
<plainLiteral>&z;</plainLiteral></triple></graph></TriX>
"""


@pytest.mark.parametrize("ending", [".trix", ".rdf"])
def test_nested_entities(tmp_path, ending):
    names = "abcdefghijklmnopqrstuvwxyz"
    nested = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in itertools.pairwise(names))
    file = tmp_path / f"laughs{ending}"
    file.write_text(LAUGHS.format(nested=nested))
    with pytest.raises(DataError, match="an entity is made from others"):
        read_rdf(file, ending)
    file.write_text(LAUGHS.format(nested='<!ENTITY z SYSTEM "file:///etc/passwd">'))
    with pytest.raises(DataError, match="lies elsewhere"):
        read_rdf(file, ending)


@pytest.mark.parametrize("text", ["columns", "columns=x", "depths=3", "columns=-1"])
def test_a_limit_that_is_none_is_named(monkeypatch, text):
    monkeypatch.setenv("KGREC_LIMITS", text)
    with pytest.raises(ConfigError, match="is no limit"):
        limit("columns")


def test_a_workbook_is_measured_by_what_it_holds_not_by_what_it_states(tmp_path):
    made, size, stated = io.BytesIO(), ALWAYS + 123_457, 1000
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(size))
    data = made.getvalue().replace(size.to_bytes(4, "little"), stated.to_bytes(4, "little"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.infolist()[0].file_size == stated
    (tmp_path / "book.xlsx").write_bytes(data)
    with pytest.raises(DataError, match="times its size, the limit is 200"):
        sheets(tmp_path / "book.xlsx")

import csv
import io

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.config import ReadConfig
from kgrec.data.sources.delimited import CsvSource, TsvSource, parse_delimited
from kgrec.data.sources.files import read_source
from kgrec.errors import DataError, NotFoundError


def read(source, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return source.read(path).to_dict(as_series=False)


def test_everything_stays_a_string_and_empty_is_null(tmp_path):
    found = read(CsvSource(), tmp_path, "a.csv", "id,n,date,flag\n007,1.50,2020-01-02,true\nx,,NaN,null\n")
    assert found == {
        "id": ["007", "x"],
        "n": ["1.50", None],
        "date": ["2020-01-02", "NaN"],
        "flag": ["true", "null"],
        "__line__": [2, 3],
    }


def test_bom_crlf_blank_lines_quotes_and_line_breaks_in_cells(tmp_path):
    text = '\ufeffuser,item\r\nu1,"a ""q"" b"\r\nu2,"two\r\nlines"\r\n\r\nu3,x\r\n'
    found = read(CsvSource(), tmp_path, "a.csv", text)
    assert found == {
        "user": ["u1", "u2", "u3"],
        "item": ['a "q" b', "two\r\nlines", "x"],
        "__line__": [2, 3, 6],
    }


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_separator_is_told_from_the_header(tmp_path, separator):
    found = read(CsvSource(), tmp_path, "a.csv", f"a{separator}b\n1,1{separator}2\n".replace("1,1", '"1,1"'))
    assert found["a"] == ["1,1"]
    assert found["b"] == ["2"]


def test_a_lone_quotation_mark_survives_in_tsv(tmp_path):
    found = read(TsvSource(), tmp_path, "a.tsv", 'id\ttitle\n1\t"Heroes\n2\t12" record\n3\t"both"\n')
    assert found["title"] == ['"Heroes', '12" record', '"both"']


def test_compressed_files_read_the_same(tmp_path, write, plugins):
    text = "user,item\nu1,i1\nu2,i2\n"
    write(a__csv=text, a__csv__gz=text, a__csv__zst=zstandard.compress(text.encode()))
    plain, *others = (read_source(tmp_path / n, None, plugins) for n in ("a.csv", "a.csv.gz", "a.csv.zst"))
    assert plain["user"].to_list() == ["u1", "u2"]
    assert all(other.equals(plain) for other in others)


def test_headers_may_be_padded_or_hold_line_breaks(tmp_path):
    found = read(CsvSource(), tmp_path, "a.csv", 'user_id, "x" ,"two\nlines, one name"\nu1,1,2\nu2,3,4\n')
    assert found == {
        "user_id": ["u1", "u2"],
        '"x"': ["1", "3"],
        "two\nlines, one name": ["2", "4"],
        "__line__": [3, 4],
    }


def test_a_single_column_is_no_problem(tmp_path):
    assert read(CsvSource(), tmp_path, "a.csv", "user_id\nu1\nu2")["user_id"] == ["u1", "u2"]


def test_header_only_has_no_rows(tmp_path):
    assert read(CsvSource(), tmp_path, "a.csv", "a,b\n") == {"a": [], "b": [], "__line__": []}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "\n \n", "is empty"),
        ("a.csv", "a,b,a\nx,y,z\n", "two columns are called 'a'"),
        ("a.csv", b"a,b\n1,\xc3\xa4\xc3\xa4\n" * 60 + b"1,\xff\n", "line 121 is not UTF-8 (byte 0xff at offset 662)"),
        ("a.csv", "a,b\n1,2\n3,4,5\n6\n", "line 3 has 3 cells, the header names 2 columns"),
        ("a.csv", "a,b\n1,2\n\n3\n4,5,6\n", "line 4 has 1 cells"),
        ("a.tsv", "a\tb\n3\n", "line 2 has 1 cells"),
        ("a.tsv", "a\tb\n1\t2\t3\n4\t5\t6\t7\n", "cells"),
        ("a.csv.gz", b"no gzip", "not a complete .gz file"),
        ("a.csv.zst", b"no zstd", "not a complete .zst file"),
    ],
)
def test_broken_files_say_where(tmp_path, plugins, name, content, message):
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as caught:
        read_source(tmp_path / name, None, plugins)
    assert message in caught.value.message
    assert name in caught.value.message
    assert caught.value.hint


def test_cut_off_compression_is_an_error(tmp_path, plugins, write):
    write(a__csv__gz="a,b\n" + "1,2\n" * 500)
    (tmp_path / "b.csv.zst").write_bytes(zstandard.compress(b"a,b\n" + b"1,2\n" * 500)[:-5])
    cut = (tmp_path / "a.csv.gz").read_bytes()[:-9]
    (tmp_path / "a.csv.gz").write_bytes(cut)
    for name in ("a.csv.gz", "b.csv.zst"):
        with pytest.raises(DataError, match="not a complete"):
            read_source(tmp_path / name, None, plugins)


def test_missing_file_names_the_near_ones(tmp_path, plugins, write):
    write(ratings__csv="a,b\n")
    with pytest.raises(NotFoundError) as caught:
        read_source(tmp_path / "rating.csv", None, plugins)
    assert caught.value.hint == "did you mean 'ratings.csv'?"
    with pytest.raises(NotFoundError):
        read_source(tmp_path / "nowhere" / "x.csv", None, plugins)
    with pytest.raises(DataError, match="is a folder"):
        read_source(tmp_path, None, plugins)


def test_format_can_be_given_and_must_exist(tmp_path, plugins, write):
    write(log__docx="a\tb\n1\t2\n")
    assert read_source(tmp_path / "log.docx", "tsv", plugins)["b"].to_list() == ["2"]
    with pytest.raises(DataError, match="no data source reads"):
        read_source(tmp_path / "log.docx", None, plugins)
    with pytest.raises(NotFoundError, match="'tvs'"):
        read_source(tmp_path / "log.docx", "tvs", plugins)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=6)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(CELL, CELL), max_size=8), st.sampled_from(",;|"))
def test_reads_what_the_csv_module_writes(tmp_path_factory, rows, separator):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("a", "b"), *rows])
    data = stream.getvalue().encode()
    options = ReadConfig(delimiter=separator, header=True)
    table = parse_delimited(tmp_path_factory.getbasetemp() / "x.csv", data, options, quoted=True)
    kept = [row for row in rows if any(row)]
    assert table.select("a", "b").rows() == [(a or None, b or None) for a, b in kept]
    lines = [2 + sum(cell.count("\n") + 0 for row in rows[:k] for cell in row) + k for k in range(len(rows))]
    assert table["__line__"].to_list() == [line for line, row in zip(lines, rows, strict=True) if any(row)]

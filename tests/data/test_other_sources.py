import datetime as dt
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrec.data.sources.files import find_source, read_source
from kgrec.data.sources.records import JsonSource
from kgrec.errors import DataError


def rows_of(path, plugins):
    return read_source(path, None, plugins).to_dict(as_series=False)


def test_jsonl_scalars_are_strings_arrays_lists(tmp_path, plugins, write):
    write(a__jsonl='{"id": 7, "t": "x"}\n\n{"id": "q", "g": ["a", 1], "s": {"z": 1}}\r\n{"id": null, "f": true}\n')
    found = rows_of(tmp_path / "a.jsonl", plugins)
    assert found["__line__"] == [1, 3, 4]
    assert found["id"] == ["7", "q", None]
    assert found["g"] == [None, ["a", "1"], None]
    assert found["s.z"] == [None, "1", None]
    assert found["f"] == [None, None, "true"]


def test_jsonl_gz(tmp_path, plugins, write):
    write(a__jsonl__gz='{"id": "1", "名称": "电影"}\n')
    assert rows_of(tmp_path / "a.jsonl.gz", plugins)["名称"] == ["电影"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{bad\n{bad\n', "line 2 is no JSON"),
        (b'[1]\n\n{"a": 1}\n', "is no JSON"),
        (b'{"a": 1} {"a": 2}\n', "line 1 is no JSON"),
        (b'{"a": "\xc3\xa4\xc3\xa4"}\n' * 60 + b'{"a": "\xff"}\n', "line 61 is not UTF-8"),
        (b"", "is empty"),
    ],
)
def test_broken_jsonl_names_the_line(tmp_path, plugins, content, message):
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_source(tmp_path / "a.jsonl", None, plugins)
    assert message in caught.value.message


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.fixed_dictionaries({"a": TEXT, "b": st.lists(TEXT, max_size=3)}), min_size=1, max_size=6))
def test_jsonl_gives_back_what_was_written(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "x.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8", newline="")
    table = JsonSource().read(path)
    assert table["a"].to_list() == [row["a"] for row in rows]
    assert table["b"].to_list() == [row["b"] for row in rows]


def test_parquet_keeps_types_and_counts_rows(tmp_path, plugins, write):
    table = pl.DataFrame({"user": [1, 2], "at": [dt.datetime(2020, 1, 1), None], "tags": [["a"], []]})
    write(a__parquet=table)
    found = read_source(tmp_path / "a.parquet", None, plugins)
    assert found.drop("__line__").equals(table)
    assert found["__line__"].to_list() == [1, 2]


def test_a_parquet_that_is_none(tmp_path, plugins, write):
    write(a__parquet="user,item\n1,2\n")
    with pytest.raises(DataError, match="is no Parquet file"):
        read_source(tmp_path / "a.parquet", None, plugins)


def test_recbole_atomic_files(tmp_path, plugins, write):
    write(x__item='item_id:token\tgenre:token_seq\tprice:float\n1\tAction "Sci-Fi"\t2.5\n2\t\t\n')
    found = rows_of(tmp_path / "x.item", plugins)
    assert found == {
        "item_id": ["1", "2"],
        "genre": [["Action", '"Sci-Fi"'], None],
        "price": ["2.5", None],
        "__line__": [2, 3],
    }


def test_recbole_without_types(tmp_path, plugins, write):
    write(x__inter="user_id:token\titem_id\n1\t2\n")
    with pytest.raises(DataError, match="'item_id' has no type"):
        read_source(tmp_path / "x.inter", None, plugins)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.CSV", "CsvSource"),
        ("a.b.tsv.gz", "TsvSource"),
        ("a.ndjson.zst", "JsonSource"),
        ("a.parquet", "ParquetSource"),
        ("a.kg.gz", "RecBoleSource"),
    ],
)
def test_the_name_tells_the_source(tmp_path, plugins, name, source):
    assert type(find_source(tmp_path / name, None, plugins)).__name__ == source


def test_names_no_one_claims(tmp_path, plugins):
    assert find_source(tmp_path / "a.docx", None, plugins) is None

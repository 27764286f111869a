"""Files as systems write them: what they hold is the same, however it is written."""

import gzip
import io
import json
import sqlite3
import zipfile

import polars as pl
import pytest
import zstandard

from kgrec.config import ReadConfig
from kgrec.data.sources.contents import expand
from kgrec.data.sources.files import LINE, PROBLEM, read_rows, read_source
from kgrec.errors import ConfigError, DataError, NotFoundError
from kgrec.places import address, matches, split_part
from kgrec.testing.workbooks import workbook


@pytest.fixture
def read(tmp_path, plugins):
    def _read(name, content, **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_rows(path, None, plugins, ReadConfig(**options))

    return _read


def cells(table):
    kept = table if PROBLEM not in table.columns else table.filter(table[PROBLEM].is_null()).drop(PROBLEM)
    return [kept.drop(LINE).columns, *map(list, kept.drop(LINE).rows())]


ROWS = [["user", "item", "stars"], ["u1", "i1", "5"], ["u2", "i2", "3"], ["u3", "i1", "4"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "::", "\x01"])
def test_delimiters(read, delimiter):
    text = "".join(delimiter.join(row) + "\n" for row in ROWS)
    assert cells(read("a.txt", text)) == ROWS


def test_numbers_with_commas_do_not_hide_the_delimiter(read):
    table = read("a.csv", "user;item;stars\nu1;i1;4,5\nu2;i2;3,0\nu3;i1;1,5\n")
    assert table["stars"].to_list() == ["4,5", "3,0", "1,5"]


def test_excels_line_that_names_the_delimiter(read):
    table = read("a.csv", "\ufeffsep=;\r\nuser;item\r\nu1;i1\r\nu2;i2\r\n")
    assert cells(table) == [["user", "item"], ["u1", "i1"], ["u2", "i2"]]
    assert table[LINE].to_list() == [3, 4]


def test_titles_above_and_totals_below(read):
    text = "Sales report\nmade 2024-03-01\n\nuser,item,amount\nu1,i1,5\nu2,i2,3\nu3,i1,4\nTotal,,12\n"
    table = read("a.csv", text)
    assert cells(table) == [["user", "item", "amount"], ["u1", "i1", "5"], ["u2", "i2", "3"], ["u3", "i1", "4"]]
    lost = table.filter(table[PROBLEM].is_not_null())
    assert lost[LINE].to_list() == [1, 2, 8]


def test_a_film_called_total_stays(read):
    table = read("a.csv", "id,title,year\n1,Alien,1979\n2,Heat,1995\n3,Total,2011\n")
    assert table["title"].to_list() == ["Alien", "Heat", "Total"]


@pytest.mark.parametrize(
    "text",
    [
        "196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n",
        "N1\tnews\tFoo bar\nN2\tsports\tBaz\nN3\tnews\tQuux\n",
        "alice,Dune\nbob,Emma\nalice,Emma\ncarl,Dune\n",
    ],
)
def test_files_without_header(read, text):
    table = read("a.csv", text)
    assert table.columns[0] == "column_1"
    assert table.height == text.count("\n")


@pytest.mark.parametrize(
    "text",
    ["user,1,2,3\nann,5,,3\nbob,,4,1\n", "user_id,title\nann,Dune\nbob,Emma\n", "id,n\na1,NULL\na2,5\na3,6\n"],
)
def test_files_with_header(read, text):
    assert "column_1" not in read("a.csv", text).columns


def test_header_can_be_stated(read):
    assert read("a.csv", "user,item\nu1,i1\n", header=False).height == 2
    assert read("a.csv", "1,2\n3,4\n", header=True).columns[:2] == ["1", "2"]
    assert read("a.csv", "x\ny\nuser,item\nu1,i1\n", skip_lines=2)["user"].to_list() == ["u1"]


def test_stray_quotes_and_escapes(read):
    assert read("a.csv", 'user,text\nu1,5" nail\nu2,"a ""b"" c"\n')["text"].to_list() == ['5" nail', 'a "b" c']
    assert read("b.csv", 'user,text\nu1,"say \\"no\\", he"\nu2,"x"\n')["text"].to_list() == ['say "no", he', "x"]
    table = read("c.csv", 'user,text\nu1,"never closed\nu2,b\nu3,c\nu4,d\n')
    assert table["user"].to_list() == ["u1", "u2", "u3", "u4"]


def test_rows_of_another_length_are_lost_loudly(read):
    table = read("a.csv", "user,item\nu1,i1\nu2,i2,extra\nu3,i3\n")
    assert table[PROBLEM].to_list() == [None, "3 cells instead of 2", None]
    assert table[LINE].to_list() == [2, 3, 4]


def test_rows_that_end_with_a_delimiter(read):
    assert read("a.csv", "user,item\nu1,i1,\nu2,i2,\n")["item"].to_list() == ["i1", "i2"]


NESTED = [
    {"who": {"id": "u1"}, "lines": [{"sku": "i1", "n": 1}, {"sku": "i2", "n": 2}], "at": 1.0},
    {"who": {"id": "u2"}, "lines": [{"sku": "i3", "n": 9007199254740993}], "at": 2},
]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, NESTED)),
        json.dumps(NESTED, indent=1),
        json.dumps({"meta": {"pages": 1}, "data": {"orders": NESTED}}),
    ],
)
def test_json_of_any_shape(read, text):
    table = read("a.json", text)
    assert table["who.id"].to_list() == ["u1", "u2"]
    assert table["lines.sku"].to_list() == [["i1", "i2"], ["i3"]]
    assert table["lines.n"].to_list() == [["1", "2"], ["9007199254740993"]]
    assert table["at"].to_list() == ["1", "2"]


def test_json_with_ids_for_keys(read, plugins, tmp_path):
    assert read("a.json", json.dumps({"i1": {"t": "A"}, "i2": {"t": "B"}}))["key"].to_list() == ["i1", "i2"]
    document = {"a": [{"x": "1"}], "b": {"c": [{"x": "2"}, {"x": "3"}]}}
    (tmp_path / "b.json").write_text(json.dumps(document))
    assert read_source(tmp_path / "b.json#a", None, plugins)["x"].to_list() == ["1"]
    with pytest.raises(DataError, match="no objects at 'z'"):
        read_source(tmp_path / "b.json#z", None, plugins)


def test_a_broken_line_of_json_is_lost_loudly(read):
    table = read("a.jsonl", '{"u": "1"}\n{"u": "2"}\n{"u": "3\n')
    assert table[PROBLEM].to_list() == [None, None, "no JSON object"]


def test_archives_databases_and_sheets_have_parts(tmp_path, plugins):
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("x/log.csv", "user,item\nu1,i1\n")
        out.writestr("items.csv.gz", gzip.compress(b"id,title\ni1,A\n"))
        out.writestr("__MACOSX/._log.csv", "x")
    assert [path.name for path in expand(archive)] == ["log.csv", "all.zip#items.csv.gz"]
    assert [read_source(part, None, plugins).height for part in expand(archive)] == [1, 1]
    with pytest.raises(DataError, match="holds 2 files"):
        read_source(archive, None, plugins)
    with pytest.raises(NotFoundError, match=r"log\.tsv"):
        read_source(tmp_path / "all.zip#x/log.tsv", None, plugins)
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE orders (buyer, sku INTEGER, price REAL)")
        shop.execute("INSERT INTO orders VALUES ('007', 9007199254740993, 4.5), (12, NULL, 3)")
        shop.execute("CREATE TABLE products (sku, title)")
    shop.close()
    orders, products = expand(tmp_path / "shop.db")
    found = read_source(orders, None, plugins).drop(LINE).rows()
    assert found == [("007", "9007199254740993", "4.5"), ("12", None, "3.0")]
    assert read_source(products, None, plugins).height == 0
    asked = ReadConfig(query="SELECT buyer AS user FROM orders WHERE price > 4")
    assert read_source(tmp_path / "shop.db", None, plugins, asked)["user"].to_list() == ["007"]
    for bad in ("ATTACH DATABASE '/etc/passwd' AS x", "DELETE FROM orders", "SELECT nope FROM orders"):
        with pytest.raises(DataError):
            read_source(tmp_path / "shop.db", None, plugins, ReadConfig(query=bad))


def test_archives_are_bounded(tmp_path, plugins):
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.csv", b"user,item\n" + b"0" * (70 << 20))
    with pytest.raises(DataError, match="times its size"):
        read_source(tmp_path / "b.zip", None, plugins)


def test_compression_of_every_kind(tmp_path, plugins):
    text = b"user,item\nu1,i1\n"
    for name, data in (("a.csv.gz", gzip.compress(text)), ("a.csv.zst", zstandard.compress(text))):
        (tmp_path / name).write_bytes(data)
        assert read_source(tmp_path / name, None, plugins)["user"].to_list() == ["u1"]


def test_parquet_with_structs(tmp_path, plugins):
    table = pl.DataFrame({"u": [1, 2], "e": [{"id": "a", "l": [{"k": 1}]}, {"id": "b", "l": []}]})
    stream = io.BytesIO()
    table.write_parquet(stream)
    (tmp_path / "a.parquet").write_bytes(stream.getvalue())
    found = read_source(tmp_path / "a.parquet", None, plugins)
    assert found.columns == ["u", "e.id", "e.l.k", LINE]


def test_patterns_and_folders(tmp_path):
    for day in ("01", "02"):
        (tmp_path / "logs").mkdir(exist_ok=True)
        (tmp_path / "logs" / f"2024-{day}.csv").write_text("user,item\nu,i\n")
    (tmp_path / "logs" / "_SUCCESS").write_text("")
    names = ["2024-01.csv", "2024-02.csv"]
    assert [path.name for path in expand(tmp_path / "logs")] == names
    assert [path.name for path in expand(tmp_path / "logs" / "2024-*.csv")] == names
    assert matches(tmp_path / "logs" / "*.csv", tmp_path / "logs" / "2024-03.csv")
    assert not matches(tmp_path / "logs" / "*.csv", tmp_path / "logs" / "x" / "2024-03.csv")
    assert matches(tmp_path / "logs", tmp_path / "logs" / "x" / "2024-03.csv")
    with pytest.raises(NotFoundError, match="matches no file"):
        expand(tmp_path / "logs" / "*.tsv")


def test_places(tmp_path):
    assert address(tmp_path / "https:/host/x.csv") == "https://host/x.csv"
    assert address("s3://bucket/a b.csv") == "s3://bucket/a b.csv"
    assert address(tmp_path / "x.csv") is None
    assert split_part(tmp_path / "a#b.csv") == (tmp_path / "a#b.csv", "")
    assert split_part(tmp_path / "a.xlsx#Sheet 1") == (tmp_path / "a.xlsx", "Sheet 1")


@pytest.mark.parametrize(
    ("name", "way"),
    [("a.pkl", "to_parquet"), ("a.rds", "write.csv"), ("a.7z", "unpack"), ("a.what", "export it as csv")],
)
def test_other_formats_are_told_how_to_convert(tmp_path, plugins, name, way):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match="no data source reads") as caught:
        read_source(tmp_path / name, None, plugins)
    assert way in caught.value.hint


def test_a_password_in_an_address_is_refused(plugins):
    from pathlib import Path

    with pytest.raises(ConfigError, match="holds a password"):
        read_source(Path("postgresql://ann:secret@host/db#orders"), None, plugins)


def test_sheets_of_a_workbook(tmp_path, plugins):
    rows = [
        ["Report"],
        [],
        ["user", "item", "price"],
        ["u1", "007", 4.5],
        ["u2", 9007199254740993, 3],
        ["Total", None, 7.5],
    ]
    (tmp_path / "b.xlsx").write_bytes(workbook({"Sales & more": rows, "Empty": []}))
    table = read_rows(tmp_path / "b.xlsx", None, plugins)
    assert cells(table) == [["user", "item", "price"], ["u1", "007", "4.5"], ["u2", "9007199254740992", "3"]]
    (tmp_path / "c.xlsx").write_bytes(workbook({"A": rows[2:4], "B": [["id", "title"], ["i", "T"]]}))
    assert [str(part.name) for part in expand(tmp_path / "c.xlsx")] == ["c.xlsx#A", "c.xlsx#B"]
    assert read_source(tmp_path / "c.xlsx#B", None, plugins)["title"].to_list() == ["T"]
    with pytest.raises(DataError, match="has 2 sheets"):
        read_source(tmp_path / "c.xlsx", None, plugins)
    with pytest.raises(NotFoundError, match="sheet 'C'"):
        read_source(tmp_path / "c.xlsx#C", None, plugins)

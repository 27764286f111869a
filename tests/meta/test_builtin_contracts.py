"""The contracts of the built-in formats and of the built-in linker."""

import sqlite3
from typing import ClassVar

import polars as pl

from kgrec.data.sources.databases import SqlSource
from kgrec.data.sources.delimited import CsvSource, RecBoleSource, TsvSource
from kgrec.data.sources.records import JsonSource
from kgrec.data.sources.typed import ParquetSource, SheetSource
from kgrec.graph.gazetteer import GazetteerLinker
from kgrec.testing import DataSourceContract, EntityLinkerContract
from kgrec.testing.workbooks import workbook


class TestCsv(DataSourceContract):
    file_name = "ratings.csv"

    def make(self):
        return CsvSource()

    def write(self, table, path):
        table.write_csv(path)


class TestCsvCompressed(TestCsv):
    file_name = "ratings.csv.gz"

    def write(self, table, path):
        table.write_csv(path, compression="gzip")


class TestTsv(DataSourceContract):
    file_name = "ratings.tsv"

    def make(self):
        return TsvSource()

    def write(self, table, path):
        table.write_csv(path, separator="\t", quote_style="never")  # quotes mean nothing in tab-separated files


class TestJsonLines(DataSourceContract):
    file_name = "ratings.jsonl"

    def make(self):
        return JsonSource()

    def write(self, table, path):
        table.write_ndjson(path)


class TestSql(DataSourceContract):
    file_name = "ratings.sqlite3"

    def make(self):
        return SqlSource()

    def write(self, table, path):
        shop = sqlite3.connect(path)
        shop.execute(f"CREATE TABLE ratings ({', '.join(table.columns)})")
        shop.executemany(f"INSERT INTO ratings VALUES ({', '.join('?' * table.width)})", table.rows())
        shop.commit()
        shop.close()


class TestSheet(DataSourceContract):
    file_name = "ratings.xlsx"

    def make(self):
        return SheetSource()

    def write(self, table, path):
        path.write_bytes(workbook({"Sheet1": [table.columns, *table.rows()]}))


class TestParquet(DataSourceContract):
    file_name = "ratings.parquet"

    def make(self):
        return ParquetSource()

    def write(self, table, path):
        table.write_parquet(path)


class TestRecBole(DataSourceContract):
    file_name = "shop.inter"
    types: ClassVar[dict[str, str]] = {"user_id": "token", "item_id": "token", "rating": "float", "text": "token"}

    def make(self):
        return RecBoleSource()

    def write(self, table, path):
        header = "\t".join(f"{name}:{kind}" for name, kind in self.types.items())
        path.write_text("\n".join([header, *("\t".join(row) for row in table.rows())]) + "\n", encoding="utf-8")


class TestGazetteer(EntityLinkerContract):
    def make(self):
        return GazetteerLinker()


def test_the_table_of_the_contract_is_hard_enough():
    cells = "".join(TestCsv.table.select(pl.concat_str(pl.all())).to_series())
    assert all(mark in cells for mark in ',";é陈')

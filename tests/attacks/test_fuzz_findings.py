"""What fuzzing found (tests/attacks/fuzz.py), one input a kind: each is read or is an error that names the file."""

import base64
import io
import sqlite3
import zipfile
from contextlib import closing, suppress

import polars as pl
import pytest

from kgrec.cli import app
from kgrec.data.sources.files import read_rows
from kgrec.errors import CorruptArtifactError, DataError, PluginError
from kgrec.generate.feedback.store import FeedbackStore
from kgrec.live.event_log import EventLog
from kgrec.plugin.files import read_domain
from kgrec.plugin.manager import load_plugins
from kgrec.plugin.recipes import recipes_of

FOUND = [
    ("csv", b"*\tb\x8e\n12\t\n:"),  # a title above columns that decode to one name
    ("tsv", base64.b64decode("YbIKKgmy")),
    ("jsonl", base64.b64decode("AAAAAAB7ImEiOiAxLCAiYiI6L1sxLCAyXSwgImPVAAAAAAAAACBudWxsIn0K")),  # taken for UTF-32
    ("jsonl", base64.b64decode("eyIlIjogMSwgIiJjIjoxLCAiImMiOiB7ImQiOiBhIjogIm51bGx9fQp7fQo=")),  # sound ones are {}
    ("csv.zst", b"\x28"),  # too short to say its size
]


def _zip(change):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
    return change(stream.getvalue())


FOUND += [
    ("zip", _zip(lambda data: data.replace(b"a.csv", b"\0.csv"))),  # a member without a name
    ("zip", _zip(lambda data: data.replace(b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\xc6"))),  # of version 19.8
    ("xlsx", _zip(lambda data: data.replace(b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\xc6"))),
]


@pytest.mark.parametrize(("ending", "data"), FOUND)
def test_it_is_read_or_named(tmp_path, ending, data):
    file = tmp_path / f"input.{ending}"
    file.write_bytes(data)
    with suppress(DataError):
        read_rows(file, None, load_plugins([]))


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("recipes/a.toml", b'[[file]]\nrole = "items"\ncolumns = "items"\n'),
        ("domain.toml", b"[columns.items]\nid = 1.5\n"),
        ("domain.toml", b"columns = 1\n"),
        ("domain.toml", b'[[patterns]]\npattern = [["x"]]\n'),
    ],
)
def test_a_plugins_file_of_another_form_is_named(tmp_path, monkeypatch, file, data):
    package = f"fuzzed_{tmp_path.name}"
    (tmp_path / package / file).parent.mkdir(parents=True)
    (tmp_path / package / "__init__.py").touch()
    (tmp_path / package / file).write_bytes(data)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=file):
        recipes_of(package) if file.startswith("recipes") else read_domain(package)


def test_names_in_a_database_that_are_no_text(tmp_path):
    """SQLite's own words on a damaged schema cannot be decoded then."""
    for name in ("shop.db", "live/events.sqlite", "feedback/feedback.sqlite"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(file)) as db:
            db.execute("CREATE TABLE texts (text_id, record)")
            db.commit()
        file.write_bytes(file.read_bytes().replace(b"CREATE TABLE texts", b"CREATE TABLE t\xb1\xb2(\xff"))
    for opened in (
        lambda: read_rows(tmp_path / "shop.db", None, load_plugins([])),
        lambda: EventLog(tmp_path),
        lambda: FeedbackStore(tmp_path).texts(),
    ):
        with pytest.raises((DataError, CorruptArtifactError)):
            opened()


def test_a_panic_of_rust_is_an_error_of_the_file(tmp_path, monkeypatch):
    """Polars panics over some damaged parquet files, and such a panic is no Exception."""

    def panic(*_, **__):
        raise pl.exceptions.PanicException("called `Result::unwrap()` on an `Err` value")

    file = tmp_path / "input.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(file)
    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(DataError, match=r"input\.parquet cannot be read"):
        read_rows(file, None, load_plugins([]))


def test_a_panic_elsewhere_is_a_line(monkeypatch, capsys):
    def panic(_):
        raise pl.exceptions.PanicException("index out of bounds")

    monkeypatch.setattr("kgrec.cli.application.run", panic)
    assert app.main([]) == 1
    assert "error: unexpected" in capsys.readouterr().err

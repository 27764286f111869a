"""Artifacts that a stranger forged with care: they are refused before native code trusts them."""

import sqlite3
from contextlib import closing

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

import kgrec
from kgrec.artifacts import fingerprint_of, load_arrays, read_json, save_arrays, write_json
from kgrec.data.sources.databases import SqlSource, tables_of
from kgrec.errors import CorruptArtifactError, DataError
from kgrec.generate.feedback.store import FeedbackStore
from kgrec.live.event_log import EventLog
from kgrec.models.sparse import from_state, to_state
from kgrec.packing import pack, unpack
from kgrec.privacy.scan import Needles, Scanner
from kgrec.testing import toy_workspace

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("indices", lambda x: x + 2**20),
        ("indices", lambda x: x - 2**20),
        ("indptr", lambda x: x * 1000),
        ("indptr", lambda x: x[::-1].copy()),
        ("indptr", lambda x: np.concatenate([x, x])),
        ("data", lambda x: x[:1]),
        ("shape", lambda x: x * 0 + 1),
        ("shape", lambda x: x - 2**40),
    ],
)
def test_a_sparse_matrix_that_points_beyond_itself_is_refused(part, change):
    state = to_state("m", csr_array(np.eye(5, dtype=np.float32)))
    with pytest.raises(CorruptArtifactError):
        from_state("m", {**state, f"m.{part}": change(state[f"m.{part}"])})


def test_a_forged_model_is_refused_whatever_the_manifest_says(tmp_path):
    """SciPy would read and write beyond the matrix; here it ended the process."""
    folder = toy_workspace(tmp_path / "w")
    project = kgrec.open(folder, overrides=["text.encoder=hashing"])
    project.build_graph()
    project.train(only=["item-knn"])
    manifest = folder / "artifacts" / "manifest.json"
    told = read_json(manifest)
    models = folder / "artifacts" / told["stages"]["models"]["folder"]
    for name, key in (("item-knn", "weights.indices"), ("seen", "indices")):
        sound = load_arrays(models / f"{name}.safetensors")
        save_arrays(models / f"{name}.safetensors", {**sound, key: np.full_like(sound[key], 2**30)})
        told["stages"]["models"]["fingerprint"] = fingerprint_of(models)
        write_json(manifest, told)
        with pytest.raises(CorruptArtifactError):
            kgrec.open(folder, overrides=["text.encoder=hashing"]).recommend("u01")
        save_arrays(models / f"{name}.safetensors", sound)


def test_packed_arrays_do_not_become_a_product():
    packed = pack("x", np.ones((64, 64), dtype=np.float32), "int8")
    steps, scales = (next(key for key in packed if key.endswith(end)) for end in ("int8", "scales"))
    for forged in ({steps: packed[steps].ravel()}, {scales: np.ones(10**6, dtype=np.float32)}):
        with pytest.raises(ValueError, match="no blocks"):
            unpack({**packed, **forged})
    assert unpack(packed)["x"].shape == (64, 64)


@pytest.mark.parametrize("kind", ["view", "trigger", "generated"])
@pytest.mark.parametrize("opened", [EventLog, lambda root: FeedbackStore(root).texts()], ids=["log", "record"])
def test_a_database_with_more_than_kgrecs_tables_is_refused(tmp_path, kind, opened):
    file = tmp_path / ("live/events.sqlite" if opened is EventLog else "feedback/feedback.sqlite")
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as db:
        if kind == "view":
            db.execute(f"CREATE VIEW events AS {ENDLESS} SELECT x AS seq, 'u' AS user_id, 'like' AS action FROM c")
        elif kind == "trigger":
            db.executescript(
                "CREATE TABLE state (name, value); CREATE TRIGGER t AFTER INSERT ON state BEGIN SELECT 1; END;"
            )
        else:
            db.execute("CREATE TABLE texts (text_id, record AS (zeroblob(1000000000)))")
        db.commit()
    with pytest.raises(CorruptArtifactError, match="not as kgrec makes it"):
        opened(tmp_path)


def test_a_shops_database_that_has_no_end_is_an_error(tmp_path, monkeypatch):
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE orders (a, b)")
        db.execute("CREATE TABLE big (a, b AS (zeroblob(1000000000)))")
        db.execute("INSERT INTO big VALUES (1)")
        db.execute(f"CREATE VIEW rows AS {ENDLESS} SELECT x, printf('%1000d', x) AS y FROM c")
        db.execute(f"CREATE VIEW never AS {ENDLESS} SELECT x FROM c WHERE x < 0")
        db.commit()
    assert tables_of(file) == ["big", "never", "orders", "rows"]
    monkeypatch.setenv("KGREC_LIMITS", "seconds=1")
    for table, told in (("rows", "too long|becomes more"), ("never", "too long"), ("big", "too big")):
        with pytest.raises(DataError, match=told):
            SqlSource().read(tmp_path / f"shop.db#{table}")
    assert isinstance(SqlSource().read(tmp_path / "shop.db#orders"), pl.DataFrame)
    assert Scanner(Needles(("somebody",))).look(file).problem

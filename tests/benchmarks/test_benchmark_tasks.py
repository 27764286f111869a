import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array, csr_matrix, random_array

from kgrec.evaluate.metrics import accuracy

ROOT = Path(__file__).parents[2]
SCORER = Path(os.environ.get("KGREC_DATA", ROOT.parent / "shared" / "data")).parent / "tools" / "score_recs.py"
N_USERS, N_ITEMS = 40, 60


def write(path, rows, columns):
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(path, separator="\t")
    return path


@pytest.fixture
def prepared(load, tmp_path):
    """Return a function that prepares a dataset of 30 users with 12 timed likes each."""
    rng = np.random.default_rng(5)
    likes = [(f"u{u}", f"i{i}", t) for u in range(30) for t, i in enumerate(rng.permutation(50)[:12].tolist())]

    def make(**options):
        train = write(tmp_path / "train.tsv", [x for x in likes if x[2] < 10], ["user_id", "item_id", "time"])
        test = write(tmp_path / "test.tsv", [x[:2] for x in likes if x[2] >= 10], ["user_id", "item_id"])
        write(tmp_path / "items.tsv", [(f"i{i}", "x") for i in range(55)], ["item_id", "title"])
        return load("adapters").Prepared("generic", (train,), "", test, train, **options)

    return make


def task_of(load, rng, density=0.2):
    matrices = [csr_matrix(random_array((N_USERS, N_ITEMS), density=density, rng=rng) > 0, dtype=np.float32)]
    held = csr_matrix(random_array((N_USERS, N_ITEMS), density=0.1, rng=rng) > 0, dtype=np.float32)
    held = csr_matrix(held - held.multiply(matrices[0]))
    held.eliminate_zeros()
    return load("peers.task").Task(
        matrices[0],
        matrices[0],
        held,
        matrices[0],
        matrices[0],
        held,
        k=5,
        length=10,
        triples=np.zeros((0, 3), np.int64),
    )


def test_lists_leave_out_what_is_known_and_are_best_first(load):
    rng = np.random.default_rng(0)
    task, tasks = task_of(load, rng), load("peers.task")
    scores = rng.normal(size=(N_USERS, N_ITEMS)).astype(np.float32)
    users = tasks.users_of(task.test)
    top = tasks.lists(lambda u: scores[u], users, task.known, 10)
    known = task.known.toarray()
    for row, user in enumerate(users):
        allowed = np.flatnonzero(known[user] == 0)
        assert top[row].tolist() == allowed[np.argsort(-scores[user, allowed])][:10].tolist()


def test_short_lists_end_with_nothing(load):
    tasks = load("peers.task")
    known = csr_matrix(np.array([[1, 1, 0, 0]], dtype=np.float32))
    top = tasks.lists(lambda u: np.array([[4.0, 3.0, 1.0, 2.0]]), np.array([0]), known, 3)
    assert top.tolist() == [[3, 2, -1]]


def test_the_peers_ndcg_is_that_of_kgrec(load):
    rng = np.random.default_rng(1)
    task, tasks = task_of(load, rng), load("peers.task")
    users = tasks.users_of(task.test)
    top = tasks.lists(lambda u: rng.normal(size=(len(u), N_ITEMS)), users, task.known, 10)
    truth = task.test[users]
    expected = accuracy(top.astype(np.int64), csr_array(truth), [10])["ndcg@10"]
    np.testing.assert_allclose(tasks.ndcg(top, truth), expected)


@pytest.mark.skipif(not SCORER.exists(), reason="the independent scorer is not there; set KGREC_DATA")
def test_figures_are_those_of_the_independent_scorer(load, tmp_path):
    rng = np.random.default_rng(2)
    task, tasks, results = task_of(load, rng), load("peers.task"), load("results")
    users = tasks.users_of(task.test)
    top = tasks.lists(lambda u: rng.normal(size=(len(u), N_ITEMS)), users, task.known, 10)
    rows = [(int(u), int(i), r + 1) for u, row in zip(users, top, strict=True) for r, i in enumerate(row)]
    recs = write(tmp_path / "recs.tsv", rows, ["user_id", "item_id", "rank"])
    pairs = np.argwhere(task.test.toarray()).tolist()
    test = write(tmp_path / "test.tsv", pairs, ["user_id", "item_id"])
    command = [sys.executable, str(SCORER), str(recs), str(test), "--k", "10"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    figures = results.judge(top, task)
    for name in ("recall", "ndcg", "hit"):
        assert np.nanmean(figures[f"{name}@10"]) == pytest.approx(said[name], abs=1e-5)


def test_a_task_is_read_back_as_it_was_written(load, tmp_path):
    task = task_of(load, np.random.default_rng(3))
    task.save(tmp_path / "task.npz")
    again = load("peers.task").Task.load(tmp_path / "task.npz")
    assert (again.k, again.length) == (5, 10)
    for name in ("fit", "known", "test", "tune_fit", "tune_known", "tune_test"):
        assert (getattr(again, name) != getattr(task, name)).nnz == 0


def test_a_problem_tunes_on_the_latest_train_likes_and_never_on_test(load, prepared):
    task, numbering = load("peers.problems").problem(prepared())
    assert task.fit.shape == (30, 55)
    assert task.fit.multiply(task.test).nnz == 0
    assert task.tune_fit.multiply(task.tune_test).nnz == 0
    assert (task.tune_fit + task.tune_test != task.fit).nnz == 0
    train = pl.read_csv(prepared().train, separator="\t")
    latest = {(u, i) for u, i, t in train.rows() if t == 9}
    held = {(numbering.users[int(u)], numbering.items[int(i)]) for u, i in np.argwhere(task.tune_test.toarray())}
    assert held == latest


def test_numbers_say_nothing_about_ids(load, prepared):
    _, numbering = load("peers.problems").problem(prepared())
    ids = numbering.items.str.strip_prefix("i").cast(pl.Int64).to_numpy()
    assert abs(np.corrcoef(ids, np.arange(len(ids)))[0, 1]) < 0.4
    assert numbering.items.to_list() != sorted(numbering.items.to_list())


def test_everything_is_ranked_where_the_protocol_says_so(load, prepared):
    task, _ = load("peers.problems").problem(prepared(include_seen=True))
    assert task.known.nnz == 0
    assert task.tune_known.nnz == 0


def test_lists_by_ids_become_the_same_lists_by_number(load, prepared):
    problems = load("peers.problems")
    _, numbering = problems.problem(prepared())
    lists = pl.DataFrame({"user_id": ["u3", "u3", "u1"], "item_id": ["i7", "i2", "i9"], "rank": ["2", "1", "1"]})
    users = np.arange(30)
    top = problems.numbers_of(lists, numbering, users, 3)
    named = {numbering.users[int(u)]: [numbering.items[int(i)] for i in row if i >= 0] for u, row in enumerate(top)}
    assert {user: row for user, row in named.items() if row} == {"u3": ["i2", "i7"], "u1": ["i9"]}


def test_a_leaking_list_is_refused(load, monkeypatch, tmp_path):
    results = load("results")
    monkeypatch.setattr(results, "BUILD", tmp_path)
    task = task_of(load, np.random.default_rng(4))
    users = load("peers.task").users_of(task.test)
    top = np.full((len(users), 10), -1, dtype=np.int32)
    place = results.Place("toy", "model")
    results.keep(place, {}, top, task)
    assert place.read()["status"] == "done"
    assert place.read()["metrics"]["recall@10"] == 0
    top[3, 0] = task.known[users[3]].indices[0]
    with pytest.raises(ValueError, match="1 recommended items were known"):
        results.keep(place, {}, top, task)


def test_items_of_a_graph_keep_their_number(load, prepared):
    data = prepared()
    folder = data.train.parent
    write(folder / "kg.tsv", [("m7", "genre", "x"), ("x", "kind", "m2")], ["head", "relation", "tail"])
    write(folder / "link.tsv", [("i7", "m7"), ("i2", "m2")], ["item_id", "entity"])
    task, numbering = load("peers.problems").problem(data)
    place = {key: n for n, key in enumerate(numbering.items)}
    assert task.triples.tolist() == [[place["i7"], 0, 55], [55, 1, place["i2"]]]


def test_the_held_out_file_is_marked_as_test(load, tmp_path):
    datasets = load("adapters.common")
    config = 'domain = "video"\n\n' + datasets.interactions("train.tsv") + '[[data.items]]\npath = "items.tsv"\n'
    prepared = datasets.Prepared("video", (tmp_path / "train.tsv",), config, tmp_path / "test.tsv", tmp_path / "k.tsv")
    marked = tomllib.loads(load("ablations").with_test(prepared))
    assert marked["domain"] == "video"
    assert [(file["path"], file["split"]) for file in marked["data"]["interactions"]] == [
        ("train.tsv", "train"),
        ("test.tsv", "test"),
    ]

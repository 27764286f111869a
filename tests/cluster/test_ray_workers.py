"""Two local workers of Ray: the same results as in process, in order, whatever dies."""

import json
import os
import signal
import socket
from pathlib import Path

import polars as pl
import pytest

from kgrec.artifacts import load_arrays
from kgrec.config import ClusterConfig
from kgrec.errors import ClusterError, ConsentError, UsageError, UserError
from kgrec.generate.service import GenerateOptions
from kgrec.jobs import ListOrder, generate_all, recommend_all, recommend_parts
from kgrec.project import open_project
from kgrec.testing.toys import toy_workspace
from kgrec.workers import HERE

SETTINGS = ["train.search=quick", "train.threads=1", "text.batch_size=8"]


def times(factor, block):
    return factor * block


def fail_at(place, block):
    if block == place:
        raise UserError(f"block {block} cannot be done", hint="leave it out")
    return block


def crash_at(place, block):
    if block == place:
        raise ZeroDivisionError("of a bug")
    return block


def die_once(folder, block):
    """Die as if the kernel had killed the worker, at each third block, the first time that it is tried."""
    mark = Path(folder) / str(block)
    if block % 6 == 0 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return block


def die(_, block):
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_in_order_and_blocks_are_taken_as_there_is_room(workers):
    taken = []

    def blocks():
        for number in range(50):
            taken.append(number)
            yield number

    found = workers.map(times, 3, blocks())
    assert next(found) == 0
    assert len(taken) < 20
    assert list(found) == [3 * number for number in range(1, 50)]
    assert list(workers.map(times, 2, [])) == []


def test_an_error_of_the_work_is_the_callers(workers):
    with pytest.raises(UserError, match="block 5 cannot be done") as raised:
        list(workers.map(fail_at, 5, range(20)))
    assert raised.value.hint == "leave it out"
    with pytest.raises(RuntimeError, match="ZeroDivisionError: of a bug"):
        list(workers.map(crash_at, 2, range(4)))
    assert list(workers.map(times, 2, range(3))) == [0, 2, 4]


def test_blocks_of_dead_workers_are_done_again(workers, tmp_path):
    assert list(workers.map(die_once, str(tmp_path), range(12))) == list(range(12))
    assert len(list(tmp_path.iterdir())) == 2


def test_work_that_kills_every_worker_is_an_error(workers):
    with pytest.raises(ClusterError, match="workers died in turn"):
        list(workers.map(die, None, [1]))


def test_lists_are_those_of_one_process(project, workers, tmp_path):
    order = ListOrder(n=4, explain=True)
    whole = recommend_all(project, order)
    assert recommend_all(project, order, workers=workers).equals(whole)
    recommend_parts(project, order, tmp_path / "lists", workers=workers)
    assert pl.read_parquet(tmp_path / "lists" / "*.parquet").equals(whole)


def test_texts_are_those_of_one_process(project, workers, tmp_path):
    found = []
    for name, who in (("here", {}), ("there", {"workers": workers})):
        file = tmp_path / f"{name}.jsonl"
        generate_all(project, file, GenerateOptions("blurb"), **who)
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        found.append([{key: value for key, value in row.items() if key != "seconds"} for row in rows])
    assert len(found[0]) == project.dataset.n_users
    assert found[0] == found[1]


def test_texts_on_record_are_written_by_one_process(workspace, workers, tmp_path):
    project = open_project(workspace, overrides=["generate.record=true"])
    with pytest.raises(UsageError, match="one process writes"):
        generate_all(project, tmp_path / "texts.jsonl", GenerateOptions("blurb"), workers=workers)


def test_a_build_is_that_of_one_process(workers, tmp_path):
    here, there = (open_project(toy_workspace(tmp_path / name), overrides=SETTINGS) for name in ("here", "there"))
    there.workers = workers
    for project in (here, there):
        project.build_graph()
    for table in ("interactions", "users", "items", "rejects"):
        assert getattr(there.dataset, table).equals(getattr(here.dataset, table)), table
    assert there.workspace.manifest()["graph"].fingerprint == here.workspace.manifest()["graph"].fingerprint


def test_a_worker_that_sees_another_workspace_says_so(project, workers, monkeypatch):
    from kgrec.jobs import WorkspaceOpening

    other = WorkspaceOpening(project.workspace.root, project.settings, {"models": "others"})
    monkeypatch.setattr(WorkspaceOpening, "of", lambda _: other)
    with pytest.raises(UserError, match="is not the workspace that this process has open"):
        recommend_all(project, ListOrder(), workers=workers)


def test_all_ports_are_of_loopback(workers):
    import psutil

    mine = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    listening = [c.laddr.ip for c in psutil.net_connections("inet") if c.status == "LISTEN" and c.pid in mine]
    assert len(listening) > 3
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_addresses_that_nothing_answers_at():
    from kgrec.cluster.connection import connect

    with pytest.raises(UsageError, match="is no cluster"), connect("here", ClusterConfig()):
        pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match="nothing answers at"), connect(where, ClusterConfig()):
            pass


def test_without_ray_the_extra_is_named(monkeypatch):
    import sys

    from kgrec.cluster.connection import connect
    from kgrec.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError) as raised, connect("local", ClusterConfig()):
        pass
    assert "kgrec[ray]" in raised.value.hint


def test_a_stranger_names_no_cluster(workspace):
    from kgrec.cli.run import CommandLineRun
    from kgrec.plugin.manager import load_plugins

    run = CommandLineRun(load_plugins(), where=workspace, overrides=("cluster.address=192.0.2.7:6379",))
    with pytest.raises(ConsentError, match=r"ray://192\.0\.2\.7:6379"), run.workers(None):
        pass


def trained_by(who, workspace, folder):
    import shutil

    shutil.copytree(workspace, folder, ignore=shutil.ignore_patterns("cache"))
    project = open_project(folder, overrides=[*SETTINGS, "text.encoder=transformers"])
    project.workers = who
    report = project.train(only=("popularity", "ease", "als", "item-knn", "content"))
    models = project.workspace.folder("models")
    arrays = {file.name: load_arrays(file) for file in models.glob("*.safetensors")}
    vectors = load_arrays(project.workspace.folder("text") / "text.safetensors")
    return report, {**arrays, "texts": vectors}


@pytest.mark.slow
def test_training_is_that_of_one_process(workspace, workers, tmp_path):
    """Settings, weights, vectors of texts and every array of every scorer, to the last bit."""
    (alone, own), (together, others) = (
        trained_by(who, workspace, tmp_path / name) for name, who in (("here", HERE), ("there", workers))
    )
    facts = [[(s.name, s.weight, s.ndcg, s.options) for s in report.scorers] for report in (alone, together)]
    assert facts[0] == facts[1]
    assert own.keys() == others.keys()
    for name, arrays in own.items():
        assert {key: value.tobytes() for key, value in arrays.items()} == {
            key: value.tobytes() for key, value in others[name].items()
        }, name

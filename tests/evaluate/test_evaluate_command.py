"""``kgrec evaluate`` as a user types it, on a workspace with a file marked for testing."""

import json
import re
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.evaluate.plan import EvaluationPlan
from kgrec.evaluate.splits import PROTOCOLS
from kgrec.testing import toy_tables, toy_workspace

SETTINGS = ["--set", "text.encoder=hashing", "--set", "linking.enabled=false"]
ONLY = ["--only", "popularity,ease,content", "-k", "3,5"]


def command(*words):
    streams = [TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main([str(word) for word in words])
    return code, *(stream.buffer.getvalue().decode() for stream in streams)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """The toy, with a sixth of the interactions in a file of their own that is marked ``test``."""
    root = toy_workspace(tmp_path_factory.mktemp("ws") / "toy")
    rows = toy_tables()["interactions"]
    marked = (rows["action"] != "search").to_numpy() & (pl.Series(range(rows.height)) % 6 == 0).to_numpy()
    rows.filter(~pl.Series(marked)).write_csv(root / "interactions.csv")
    rows.filter(pl.Series(marked)).write_csv(root / "test.csv")
    fields = {"user": "user_id", "item": "item_id", "action": "action", "value": "rating", "time": "timestamp"}
    columns = ", ".join(f'{field} = "{column}"' for field, column in fields.items())
    with (root / "kgrec.toml").open("a", encoding="utf-8") as stream:
        stream.write(f'\n[[data.interactions]]\npath = "test.csv"\nsplit = "test"\ncolumns = {{ {columns} }}\n')
    code, _, err = command("build-graph", "-w", root, *SETTINGS)
    assert code == 0, err
    return root


def test_rows_marked_test_are_in_the_tables_and_nowhere_else(workspace):
    project = kgrec.open(workspace)
    n_test = pl.read_csv(workspace / "test.csv").height
    assert (project.workspace.info("dataset").facts["interactions"] - project.dataset.interactions.height) == n_test
    assert set(project.dataset.interactions["split"]) == {"train"}
    in_graph = project.graph.edges.filter(pl.col("provenance") == "interaction")
    assert in_graph.height == project.dataset.interactions["item"].count()
    assert "test.csv" not in set(in_graph["source"])


def test_a_given_test_file_is_judged_and_the_run_is_kept(workspace, tmp_path):
    out = tmp_path / "report.json"
    code, shown, err = command("evaluate", "-w", workspace, "--split", "given", *ONLY, *SETTINGS, "--out", out)
    assert code == 0, err
    (document,) = json.loads(out.read_text(encoding="utf-8"))
    assert document["data"]["test_likes"] > 0
    full = document["systems"][0]
    assert 0 < full["metrics"]["ndcg@5"]["low"] <= full["metrics"]["ndcg@5"]["mean"] <= 1
    assert {"coverage@5", "gini@5"} == set(full["overall"])
    assert {"diversity@5", "miscalibration@5", "novelty@5", "serendipity@5", "auc"} <= set(full["metrics"])
    for name in ("full", "ndcg@5", "miscalibration@5", "user activity", "item popularity"):
        assert name in shown
    records = sorted((workspace / "artifacts" / "runs").glob("*.json"))
    assert str(records[-1]) in err
    kept = json.loads(records[-1].read_text(encoding="utf-8"))
    assert kept["systems"] == document["systems"]
    assert kept["reproduce"]["data"]["dataset"] == kgrec.open(workspace).workspace.info("dataset").fingerprint
    assert kept["reproduce"]["config"]["seed"] == 42


def test_ablations_from_the_command_line(workspace):
    words = ["evaluate", "-w", workspace, "--ablate", "--seeds", "1,2", *ONLY, *SETTINGS, "-q"]
    code, shown, err = command(*words)
    assert (code, "…" in shown) == (0, False), err
    for name in ("without graph", "shuffled graph", "without text", "without collaborative", "only ease"):
        assert name in shown
    assert "graph utilisation against without graph" in shown
    assert "Holm" in shown
    code, text, _ = command(*words, "-f", "json")
    assert len(json.loads(text)[0]["systems"]) == 8


@pytest.mark.parametrize("split", ["time", "leave-last", "cold-item", "cold-user", "k-fold"])
def test_every_split_runs_and_models_stay(workspace, split):
    code, shown, err = command("evaluate", "-w", workspace, "--split", split, *ONLY, *SETTINGS)
    assert code == 0, err
    assert f"split {split}" in shown
    assert "models" not in kgrec.open(workspace).workspace.manifest()


def test_folds_and_seeds_are_pooled_by_user(workspace):
    project = kgrec.open(workspace, overrides=["text.encoder=hashing"])
    plan = EvaluationPlan("k-fold", folds=3, seeds=(1, 2), only=("popularity",), ks=(5,))
    full = project.evaluate(plan).record.systems[0]
    assert len(full.weights) == 6
    assert len(full.seeds["ndcg@5"]) == 2
    assert full.metrics["ndcg@5"].n <= project.dataset.n_users  # a person counts once, however many folds test him
    assert np.mean(full.seeds["ndcg@5"]) == pytest.approx(full.metrics["ndcg@5"].mean, abs=0.02)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["-k", "ten"], 2, "-k 10,20"),
        (["-k", "0"], 2, "from 1"),
        (["--seeds", "-1"], 2, "from 0"),
        (["--only", ","], 2, "--only names no scorer"),
        (["--only", "eas"], 3, "ease"),
        (["--fraction", "0.7"], 2, "below 0.5"),
        (["--out", "report.csv"], 2, "report.csv"),
        (["--split", "weekly"], 2, "leave-last"),
        (["--sample-negatives", "100"], 2, "KDD 2020"),
    ],
)
def test_mistakes_are_told(workspace, words, code, told):
    got, _, err = command("evaluate", "-w", workspace, *SETTINGS, *words)
    assert got == code, err
    assert told in err


def test_the_page_explains_every_figure(workspace):
    page = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    found = kgrec.open(workspace, overrides=["text.encoder=hashing"]).evaluate(EvaluationPlan(only=("popularity",)))
    full = found.record.systems[0]
    for name in {name.partition("@")[0] for name in (*full.metrics, *full.overall)}:
        assert re.search(rf"^\| `{name}` \| .{{30,}} \|$", page, re.MULTILINE), name
    for split in PROTOCOLS:
        assert re.search(rf"^\| `{split}` \|", page, re.MULTILINE), split

"""Measure scorers on items without interactions: a fifth of the items lose all their rows, those items are ranked.

usage: python benchmarks/cold_items.py DATASET ... [--draws 1 2 3] [--no-gnn] [--encoder NAME]

Truth are all rows that the cold items lost; candidates are the cold items; figures are NDCG@20, the mean over the users
who lost a row and kept one. The bar is the best content kNN (over texts, graph or both), chosen on another draw, which
also chose the scorers' defaults. "beside" is the NDCG@20 of cold items in lists of all items at 2 % of the warm
items' NDCG@20, the warm scorer being EASE. Leaves build/cold/DATASET/figures.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from adapters import ROOT, prepare
from bench import built
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

import kgrec
from kgrec.data.split import interaction_matrix, like_weights, split_validation, to_events
from kgrec.models.cold_items import ColdStart
from kgrec.models.ease import EASE
from kgrec.models.features import centred, graph_features
from kgrec.models.gnn.scorer import GNN
from kgrec.models.history import History
from kgrec.models.ndcg import recall_ndcg
from kgrec.models.threads import choose_threads, limited_threads
from kgrec.models.top_k import mask_seen, top_k
from kgrec.progress import SILENT
from kgrec.project import Project
from kgrec.ranking.cold import ColdPlacement, learn_height, merging
from kgrec.ranking.score_stats import standardise
from kgrec.ranking.training_inputs import TextInputs
from kgrec.types import Scores, TrainingData

K = 20
SHARE = 0.2
TUNING_DRAW = 0
BUDGET = 0.02


def text_inputs(project: Project) -> TextInputs:
    """Return what encodes the texts of a workspace."""
    return TextInputs(project.workspace, project.config, project.manager, project.domain, lambda: project.graph)


def load(name: str, encoder: str | None) -> tuple[TrainingData, csr_array, bool]:
    """Return train and validation rows together, the test likes, and whether seen items are ranked."""
    folder = ROOT / "build" / "cold" / name
    folder.mkdir(parents=True, exist_ok=True)
    prepared = prepare(name, folder / "data")
    workspace = built(prepared, folder)
    project = kgrec.open(workspace, overrides=[f"text.encoder={encoder}"] if encoder else [])
    dataset, settings = project.dataset, project.config
    weights = like_weights(dataset, settings.feedback, project.domain)
    split = split_validation(dataset, weights, settings.train, settings.seed)
    texts = text_inputs(project).encode(dataset, split, SILENT)
    events = to_events(dataset, np.ones(dataset.interactions.height, dtype=np.bool_), weights)
    matrix = interaction_matrix(events, dataset.n_users, dataset.n_items)
    rows = pl.read_csv(prepared.test, separator="\t", infer_schema=False)
    users = dict(zip(dataset.users["user_id"].to_list(), range(dataset.n_users), strict=True))
    items = dict(zip(dataset.items["item_id"].to_list(), range(dataset.n_items), strict=True))
    rows = rows.with_columns(
        user=pl.col("user_id").replace_strict(users, default=None),
        item=pl.col("item_id").replace_strict(items, default=None),
    ).drop_nulls(["user", "item"])
    cells = rows["user"].to_numpy(), rows["item"].to_numpy()
    test = csr_array((np.ones(rows.height, dtype=np.float32), cells), shape=matrix.shape)
    return TrainingData(matrix, events, project.graph.triples(), texts.items), test, prepared.include_seen


def cut(data: TrainingData, test: csr_array, draw: int) -> tuple[TrainingData, csr_array, csr_array, NDArray[np.int64]]:
    """Return what is left to fit on, the warm test likes, the rows of the cold items, and the cold items."""
    rng = np.random.default_rng([draw, 5])
    cold = np.zeros(data.n_items, dtype=np.bool_)
    cold[rng.permutation(data.n_items)[: int(SHARE * data.n_items)]] = True
    kept = ~cold[data.events.items]
    parts = {name: getattr(data.events, name)[kept] for name in ("users", "items", "actions", "values", "weights")}
    times = None if data.events.times is None else data.events.times[kept]
    left = replace(data, matrix=_columns(data.matrix, ~cold), events=replace(data.events, **parts, times=times))
    return left, _columns(test, ~cold), _columns(data.matrix + test, cold), np.flatnonzero(cold)


def _columns(matrix: Any, kept: NDArray[np.bool_]) -> csr_array:
    result = csr_array(matrix @ diags_array(kept.astype(np.float32)))
    result.eliminate_zeros()
    result.sort_indices()
    return result


def content_knn(data: TrainingData, cold: NDArray[np.int64]) -> dict[str, Scores]:
    """Return the scores of the cold items by each content kNN; the sum over the history of similarities."""
    sides: dict[str, Any] = {}
    if data.item_text is not None and data.item_text.any():
        sides["text"] = centred(data.item_text)[0]
    if data.triples is not None and len(data.triples):
        features = graph_features(data.triples)
        weighted = csr_array(features.matrix @ diags_array(features.idf()))
        norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)))
        sides["graph"] = csr_array(diags_array((1 / np.maximum(norms, 1e-9)).astype(np.float32)) @ weighted)
    similar = {name: side @ side[cold].T for name, side in sides.items()}
    similar = {n: np.asarray(s.toarray() if hasattr(s, "toarray") else s, dtype=np.float32) for n, s in similar.items()}
    if len(similar) == 2:
        similar["text+graph"] = (similar["text"] + similar["graph"]) / 2
    history = History.of(data.matrix).matrix
    liked = np.bincount(history.indices, minlength=data.n_items) > 0
    scores = {}
    for name, found in similar.items():
        found = np.maximum(np.where(liked[:, None], found, 0), 0)
        for k in (20, 50, 100):
            near = np.where(found >= np.partition(found, -k, axis=0)[-k], found, np.float32(0))
            scores[f"{name} {k}"] = np.asarray(history @ near, dtype=np.float32)
    return scores


def judge(scores: Scores, truth: csr_array, cold: NDArray[np.int64]) -> float:
    """Return NDCG@20 among the cold items."""
    return float(np.nanmean(recall_ndcg(top_k(scores, K)[0], csr_array(truth[:, cold]))[1]))


def beside(
    data: TrainingData,
    members: Mapping[str, Scores],
    warm_test: csr_array,
    lost: csr_array,
    cold: NDArray[np.int64],
    include_seen: bool,
) -> dict[str, float]:
    """Return the NDCG@20 of warm and cold items in lists of all items, at 2 % of the warm NDCG@20."""
    users = np.flatnonzero(np.diff(data.matrix.indptr))
    seen = csr_array(data.matrix.shape, dtype=np.bool_) if include_seen else csr_array(data.matrix.astype(np.bool_))
    model = EASE(text_weight=60.0, regularization=50.0) if include_seen else EASE()
    total = standardise(model.fit(replace(data, triples=None), seed=0).score(users))
    z = standardise(np.sum([standardise(s[users]) for s in members.values()], axis=0))
    found = merging(total, z, cold, csr_array(seen[users]), csr_array(warm_test[users]), K)
    height = learn_height(found, BUDGET)
    parts = {"warm": total.copy()}
    wide = {}
    for name, scores in members.items():
        wide[name] = np.full(total.shape, np.nan, dtype=np.float32)
        wide[name][:, cold] = scores[users]
    ColdPlacement(cold, tuple(members), height).place(parts, wide)
    fused = np.sum(list(parts.values()), axis=0)
    mask_seen(fused, csr_array(seen[users]))
    listed = top_k(fused, K)[0]
    return {
        "warm before": found.ndcg(-20),
        "warm": float(np.nanmean(recall_ndcg(listed, csr_array(warm_test[users]))[1])),
        "cold": float(np.nanmean(recall_ndcg(listed, csr_array(lost[users]))[1])),
        "places": float(np.isin(listed, cold).mean()),
    }


def measure(name: str, draws: list[int], encoder: str | None, gnn: bool) -> dict[str, Any]:
    """Measure one dataset and print its table."""
    data, test, include_seen = load(name, encoder)
    tuned, _, lost, cold = cut(data, test, TUNING_DRAW)
    known = np.diff(tuned.matrix.indptr) > 0
    lost = csr_array(lost.multiply(known[:, None]))
    bar = max((judge(s, lost, cold), n) for n, s in content_knn(tuned, cold).items())[1]
    rows: list[dict[str, Any]] = []
    for draw in draws:
        left, warm_test, lost, cold = cut(data, test, draw)
        lost = csr_array(lost.multiply((np.diff(left.matrix.indptr) > 0)[:, None]))
        users = np.arange(data.n_users)
        members = {"cold-items": ColdStart().fit(left, seed=draw).score(users)[:, cold]}
        regression = ColdStart(nearest=0).fit(left, seed=draw).score(users)[:, cold]
        row: dict[str, Any] = {"draw": draw, "bar": judge(content_knn(left, cold)[bar], lost, cold)}
        row |= {"regression": judge(regression, lost, cold), "cold-items": judge(members["cold-items"], lost, cold)}
        row["beside"] = beside(left, members, warm_test, lost, cold, include_seen)
        if gnn:
            members["gnn"] = GNN().fit(left, seed=draw).score(users)[:, cold]
            both = standardise(members["cold-items"]) + standardise(members["gnn"])
            row |= {"gnn": judge(members["gnn"], lost, cold), "cold-items + gnn": judge(both, lost, cold)}
            row["beside with gnn"] = beside(left, members, warm_test, lost, cold, include_seen)
        rows.append(row)
        print(json.dumps(_rounded(row)), flush=True)
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if isinstance(rows[0][key], float)}
    print(f"{name} (bar: {bar})")
    for key, value in means.items():
        print(f"  {key:18} {value:.4f} {value / means['bar'] - 1:+.1%}", flush=True)
    print(json.dumps({"bar": bar, "means": _rounded(means)}), flush=True)
    return {"bar": bar, "draws": rows, "means": means}


def _rounded(row: Any) -> Any:
    if isinstance(row, dict):
        return {key: _rounded(value) for key, value in row.items()}
    return round(row, 4) if isinstance(row, float) else row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--draws", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--no-gnn", action="store_true")
    parser.add_argument("--encoder")
    arguments = parser.parse_args()
    for name in arguments.datasets:
        with limited_threads(choose_threads().count):  # as `kgrec train` does
            found = measure(name, arguments.draws, arguments.encoder, not arguments.no_gnn)
        (ROOT / "build" / "cold" / name / "figures.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

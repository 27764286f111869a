"""What privacy costs: NDCG and the AUC of membership attacks against epsilon.

usage: python benchmarks/privacy_curve.py [DATASET] [--epsilon 100,30,10] [--clip 30] [--seeds 1,2] [--folder DIR]

The same scorers (popularity, item-knn, EASE) are trained without privacy, with options and weights chosen on held-out
likes, and with ``train.privacy.epsilon``, where nothing is chosen. NDCG@20 is that of `kgrec evaluate` (a fifth of each
user's likes held out, a split and noise for each seed); attacks are those of `kgrec audit privacy`, on other splits of
the users for each seed. Prints a line of JSON for each epsilon, then a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from adapters import ROOT, prepare
from bench import built

import kgrec
from kgrec.evaluate.plan import EvaluationPlan
from kgrec.privacy.attacks import AuditData, attack_lists
from kgrec.ranking.private_training import guarantee_of

SCORERS = ("popularity", "item-knn", "ease")


def measured(
    place: Path, epsilon: float | None, clip: float, seeds: list[int], only: tuple[str, ...]
) -> dict[str, object]:
    """Evaluate, train and attack with one epsilon."""
    sets = ["text.encoder=hashing", "train.threads=1"]
    sets += [] if epsilon is None else [f"train.privacy.epsilon={epsilon}", f"train.privacy.clip={clip}"]
    project = kgrec.open(place, overrides=sets)
    started = time.perf_counter()
    ndcg = [
        project.evaluate(EvaluationPlan(seeds=(seed,), only=only, examples=0)).record.systems[0].metrics["ndcg@20"]
        for seed in seeds
    ]
    project.train(only=only)
    data = AuditData(
        project.dataset,
        project.config,
        project.domain,
        project.manager.registry("scorer"),
        project.graph.triples(),
        None,
    )
    attacks = [attack_lists(project.ranker, data, seed=seed) for seed in seeds]
    found: dict[str, object] = {
        "epsilon": epsilon,
        "ndcg@20": round(float(np.mean([one.mean for one in ndcg])), 4),
        "low": round(float(np.mean([one.low for one in ndcg])), 4),
        "high": round(float(np.mean([one.high for one in ndcg])), 4),
        "by_seed": [round(one.mean, 4) for one in ndcg],
    }
    if epsilon is not None:
        found["guarantee"] = guarantee_of(project.config.train.privacy, project.dataset.n_users).state()
    for k, first in enumerate(attacks[0]):
        found[f"{first.attack}, {first.others}"] = {
            "auc": round(float(np.mean([one[k].auc.mean for one in attacks])), 3),
            "low": round(float(np.mean([one[k].auc.low for one in attacks])), 3),
            "high": round(float(np.mean([one[k].auc.high for one in attacks])), 3),
        }
    return {**found, "seconds": round(time.perf_counter() - started, 1)}


def main() -> None:
    """Measure the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", default="ml-100k")
    parser.add_argument("--epsilon", default="300,100,30,10,3,1")
    parser.add_argument("--clip", type=float, default=30.0)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--only", default=",".join(SCORERS))
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "privacy")
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    folder = given.folder / given.dataset
    place = built(prepare(given.dataset, folder / "data"), folder)
    rows = []
    for epsilon in (None, *map(float, filter(None, given.epsilon.split(",")))):
        rows.append(measured(place, epsilon, given.clip, seeds, tuple(given.only.split(","))))
        print(json.dumps({"dataset": given.dataset, **rows[-1]}), flush=True)
    attacks = [name for name in rows[0] if ", " in name]
    print("\n| ε | NDCG@20 |", " | ".join(attacks), "|\n|" + " --- |" * (2 + len(attacks)))
    for row in rows:
        cells = [f"{row[name]['auc']:.3f} ({row[name]['low']:.3f}–{row[name]['high']:.3f})" for name in attacks]  # type: ignore[index]
        name = "none" if row["epsilon"] is None else f"{row['epsilon']:g}"
        print(f"| {name} | {row['ndcg@20']:.4f} ({row['low']:.4f}–{row['high']:.4f}) |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()

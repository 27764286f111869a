"""How well the defaults travel: each scorer beside the best of a wide grid, the hybrid beside the best single model.

usage: python benchmarks/generalise.py [SET ...] [--seed 2] [--folder DIR]

A set is a real one (see benchmarks/adapters) or drawn by benchmarks/generated.py; without names all that are drawn. The
search of the defaults was made with seed 1; figures to believe are of other seeds. For each family of scorers the
default (what ``kgrec train`` finds) and the best of a wide grid are both chosen on the held-out part, fitted on all but
the test part, and judged on the test part, by NDCG@20. The regret is what the default is below the grid's best. The
hybrid is compared with the best single model of any family, chosen held out among defaults and grids. Prints
a row of a table for each set and family, and keeps everything in DIR/SET.json; a set that was judged is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from adapters import ADAPTERS, ROOT, Prepared, prepare
from bench import built
from cold_items import text_inputs
from generated import SHAPES, prepare_generated
from numpy.typing import NDArray
from scipy.sparse import csr_array

import kgrec
from kgrec.config import Config
from kgrec.data.split import like_weights, split_validation
from kgrec.models.ndcg import recall_ndcg
from kgrec.models.threads import keep_freed_memory, limited_threads
from kgrec.models.top_k import mask_seen, top_k
from kgrec.plugin.manager import Registry
from kgrec.progress import SILENT
from kgrec.ranking.fitting import FitStore, Fitter, Options, judge_users, unusable
from kgrec.ranking.search import select
from kgrec.ranking.training import train
from kgrec.ranking.training_inputs import HeldOut, TrainingInputs
from kgrec.ranking.training_inputs import prepare as training_inputs
from kgrec.significance import compare
from kgrec.types import TrainingData

K = 20


def wide(family: str, data: TrainingData) -> list[Options]:
    """Return the grid of a family: every value of every option that matters, far beyond what any default tries."""
    spans: dict[str, dict[str, tuple[Any, ...]]] = {
        "ease": {
            "regularization": (0.5, 2.0, 8.0, 32.0, 128.0, 512.0, 2048.0, 8192.0),
            "dropout": (0.0, 0.5),
            "graph_weight": (0.0, 0.12) if data.has_graph else (0.0,),
            "text_weight": (0.0, 60.0) if data.has_texts else (0.0,),
        },
        "als": {
            "factors": (16, 64, 256),
            "regularization": (2.0, 10.0, 50.0, 250.0),
            "alpha": (1.0, 4.0, 16.0, 64.0),
            "iterations": (10,),
            "n_seeds": (1,),
        },
        "item-knn": {"neighbours": (20, 100, 500), "shrinkage": (0.0, 10.0, 100.0), "weighting": ("none", "idf")},
        "graph-filter": {
            "rank": (16, 64, 256),
            "low_pass": (0.0, 0.3, 1.0),
            "user_norm": (0.25, 0.5, 0.75),
            "item_norm": (0.25, 0.5, 0.75),
            "graph_weight": (0.0, 0.05) if data.has_graph else (0.0,),
        },
        "content": {"nearest": (0.0, 0.25, 0.5, 0.75, 1.0), "neighbours": (10, 50, 200)},
        "transitions": {"window": (1, 3, 8), "backoff": (0.0, 3.0, 15.0, 50.0), "fade": (0.5, 0.9)},
    }
    names = spans[family]
    return [dict(zip(names, values, strict=True)) for values in product(*names.values())]


FAMILIES = {
    "ease": ("ease",),
    "als": ("als", "als-many-factors"),
    "item-knn": ("item-knn",),
    "graph-filter": ("graph-filter",),
    "content": ("content",),
    "transitions": ("transitions",),
}
"""Family -> the scorers of it that are trained by default; the default is the one that is better held out."""


@dataclass(frozen=True, slots=True)
class Row:
    """A family on a set: test figures of default and grid, chosen held out; settings tried; the regret."""

    family: str
    default: float
    grid: float
    regret: float
    tried: int
    in_grid: int
    options: Options


class Judged:
    """One set, its scorers fitted on all but the test part, and the test part."""

    def __init__(self, prepared: Prepared, folder: Path) -> None:
        project = kgrec.open(built(prepared, folder), overrides=["text.encoder=hashing"])
        config, dataset = project.config, project.dataset
        split = split_validation(
            dataset, like_weights(dataset, config.feedback, project.domain), config.train, config.seed
        )
        texts = text_inputs(project).encode(dataset, split, SILENT)
        self.config: Config = config.model_copy(update={"train": config.train.model_copy(update={"refit": True})})
        self.registry: Registry = project.manager.registry("scorer")
        self.inputs: TrainingInputs = training_inputs(
            dataset,
            self.config,
            project.domain,
            triples=project.graph.triples(min_entity_degree=config.graph.min_entity_degree),
            item_text=texts.items if texts.items.any() else None,
            user_text=texts.users if texts.users.any() else None,
            device="cpu",
            split=split,
        )
        self.fitter = Fitter(self.config, SILENT, FitStore(folder / "fits", "generalise"))
        self.test = self._test(prepared)

    def _test(self, prepared: Prepared) -> HeldOut:
        rows = pl.read_csv(prepared.test, separator="\t", infer_schema=False, quote_char=None)
        users = {name: place for place, name in enumerate(self.inputs.user_ids)}
        items = {name: place for place, name in enumerate(self.inputs.item_ids)}
        pairs = [(users.get(u), items.get(i)) for u, i in rows.select("user_id", "item_id").iter_rows()]
        known = np.array([pair for pair in pairs if None not in pair], dtype=np.int64).T
        truth = csr_array((np.ones(known.shape[1], dtype=np.float32), tuple(known)), shape=self.inputs.seen.shape)
        whose = np.unique(known[0])
        seen = csr_array((len(whose), truth.shape[1]), dtype=np.bool_)
        return HeldOut(whose, truth[whose], seen if prepared.include_seen else self.inputs.seen[whose])

    def families(self) -> Iterator[tuple[Row, float, NDArray[np.float64]]]:
        """Yield each family's row, and held-out figure and test figures of the better of its default and its grid."""
        for family, names in FAMILIES.items():
            specs = [self.registry[name] for name in names]
            if unusable(specs[0], self.inputs.fit):
                continue
            with SILENT.task("") as task:
                found = [select(self.fitter, spec, self.inputs.fit, self.inputs.held_out, task) for spec in specs]
            best = max(found, key=lambda one: one.ndcg)
            grid = wide(family, self.inputs.fit)
            trials = [self.fitter.trial(specs[0], o, self.inputs.fit, self.inputs.held_out) for o in grid]
            figures = [ndcg.mean() for ndcg, _ in trials]
            place = int(np.argmax(figures))
            default = self.on_test(best.name, best.refit_options)
            other = self.on_test(specs[0].name, {**grid[place], **trials[place][1]})
            regret = 1 - default.mean() / max(other.mean(), 1e-9)
            counts = (sum(max(len(one.tried), 1) for one in found), len(grid))
            row = Row(family, float(default.mean()), float(other.mean()), float(regret), *counts, best.options)
            yield row, max(best.ndcg, figures[place]), default if best.ndcg >= figures[place] else other

    def on_test(self, name: str, options: Options) -> NDArray[np.float64]:
        """Fit on all but the test part -> NDCG of each test user."""
        assert self.inputs.everything is not None
        scorer, _ = self.fitter.fit(self.registry[name], options, self.inputs.everything, "everything")
        return judge_users(scorer, self.test, k=K)[1]

    def hybrid(self) -> tuple[NDArray[np.float64], str]:
        """Train as ``kgrec train`` does -> NDCG of each test user, and which scorer is served alone, if one is."""
        ranker, report = train(self.inputs, self.registry, self.fitter)
        figures = np.zeros(len(self.test.users))
        for block in self.test.blocks(512):
            scores = np.array(ranker.fused(self.test.users[block]))
            mask_seen(scores, self.test.masked[block])
            figures[block] = recall_ndcg(top_k(scores, K)[0], self.test.truth[block])[1]
        return figures, report.together.best if report.together is not None and report.together.alone else ""


def judge_set(name: str, seed: int, folder: Path) -> dict[str, Any]:
    """Return what is found out about a set, or what was."""
    called = name if name in ADAPTERS else f"{name}-{seed}"
    kept = folder / f"{called}.json"
    if kept.exists():
        result: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return result
    place = folder / called
    place.mkdir(parents=True, exist_ok=True)
    drawn = name in SHAPES
    prepared = prepare_generated(name, place / "data", seed) if drawn else prepare(name, place / "data")
    started = time.process_time()
    judged = Judged(prepared, place)
    found = list(judged.families())
    best = max(found, key=lambda one: one[1])
    hybrid, alone = judged.hybrid()
    lead = compare(hybrid, best[2], np.random.default_rng(0))
    result = {
        "set": called,
        "families": [asdict(row) for row, _, _ in found],
        "best_single": best[0].family,
        "best_single_ndcg": float(best[2].mean()),
        "hybrid_ndcg": float(hybrid.mean()),
        "lead": [100 * value / float(best[2].mean()) for value in (lead.difference, lead.low, lead.high)],
        "alone": alone,
        "users": len(hybrid),
        "cpu_seconds": round(time.process_time() - started, 1),
    }
    kept.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(SHAPES))
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "generalise")
    options = parser.parse_args()
    keep_freed_memory()
    print("| set | family | default | best of the grid | regret | fits: default, grid |\n|---|---|---|---|---|---|")
    results = []
    with limited_threads(1):
        for name in options.sets:
            found = judge_set(name, options.seed, options.folder)
            results.append(found)
            for row in found["families"]:
                cells = (f"{row['default']:.4f}", f"{row['grid']:.4f}", f"{100 * row['regret']:+.1f} %")
                print(f"| {found['set']} | {row['family']} | {' | '.join(cells)} | {row['tried']}, {row['in_grid']} |")
            low, high = found["lead"][1:]
            cells = (f"{found['hybrid_ndcg']:.4f}", f"{found['best_single_ndcg']:.4f} ({found['best_single']})")
            lead = f"lead {found['lead'][0]:+.1f} % ({low:+.1f} to {high:+.1f})"
            print(f"| {found['set']} | **hybrid** | {' | '.join(cells)} | {lead} | {found['alone']} |", flush=True)
    for family in FAMILIES:
        regrets = [100 * row["regret"] for found in results for row in found["families"] if row["family"] == family]
        if regrets:
            print(f"{family}: mean regret {np.mean(regrets):+.2f} %, worst {max(regrets):+.2f} %, {len(regrets)} sets")
    print(f"hybrid: mean lead {np.mean([found['lead'][0] for found in results]):+.2f} %, {len(results)} sets")


if __name__ == "__main__":
    main()

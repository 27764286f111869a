"""Do keywords for thin texts (`kgrec generate enrich`) help the content scorer?

usage: python benchmarks/enrichment.py goodreads|bing-news [--thin WORDS] [--template '{title}']

The content scorer with its defaults, on the texts as they are and with keywords: NDCG@20 on the published test likes,
all of them and only those of items with keywords, and added to item-kNN's scores (how much is chosen on the validation
likes); on bing-news, whose test news are all new, AUC over the test impressions. With ``--template`` items are told by
less than the workspace would take, and what that takes stands beside it: on goodreads ``{title}`` compares keywords
with the descriptions that GPT-3.5 wrote from the titles. Nothing is chosen on test likes. Intervals of the difference
are bootstraps over users. Leaves build/enrich/DATASET.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from adapters import ROOT, data_folder, prepare
from bench import built
from click_auc import auc
from cold_items import load, text_inputs
from numpy.typing import NDArray
from scipy.sparse import csr_array

import kgrec
from kgrec.data.split import interaction_matrix, like_weights, split_validation, to_events
from kgrec.models.content import Content
from kgrec.models.item_knn import ItemKNN
from kgrec.models.ndcg import recall_ndcg
from kgrec.models.top_k import mask_seen, top_k
from kgrec.progress import SILENT
from kgrec.ranking.score_stats import standardise
from kgrec.types import Scores, TrainingData, Vectors

DRAWS = 2_000
BLOCK = 1_000
MOST = 4_000
"""At most so many users get lists of two scorers together."""
SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Of the content scorer, beside item-kNN."""
Floats = NDArray[np.float64]


def workspace(name: str) -> Any:
    """Return the built workspace of a dataset; goodreads shares that of the cold items' benchmark."""
    folder = ROOT / "build" / ("cold" if name != "bing-news" else "enrich") / name
    folder.mkdir(parents=True, exist_ok=True)
    built(prepare(name, folder / "data"), folder)
    return folder / "workspace"


class Arms:
    """What is fitted on, and the text vectors that are compared."""

    def __init__(self, folder: Any, thin: int, template: str | None) -> None:
        told = [f"text.item_template={template}"] if template else []
        self.project = project = kgrec.open(folder, overrides=told)
        dataset, settings = project.dataset, project.config
        started = time.process_time()
        written = project.texts.write_keywords(folder / "keywords.csv", thin=thin)
        seconds = round(time.process_time() - started, 1)
        named = pl.read_csv(folder / "keywords.csv", infer_schema=False)["item_id"].to_list()
        self.enriched = np.zeros(dataset.n_items, dtype=np.bool_)
        self.enriched[dataset.item_positions(named)] = True
        self.told = {"items": dataset.n_items, "thin": thin, "template": template, "enriched": written}
        self.told |= {"cpu_seconds": seconds}
        print(json.dumps(self.told), flush=True)
        weights = like_weights(dataset, settings.feedback, project.domain)
        split = split_validation(dataset, weights, settings.train, settings.seed)
        kept = dataset.interactions["split"].to_numpy() != "test"
        events = to_events(dataset, kept, weights)
        matrix = interaction_matrix(events, dataset.n_users, dataset.n_items)
        self.vectors = {"plain": text_inputs(project).encode(dataset, split, SILENT).items}
        enriched = kgrec.open(folder, overrides=[*told, "text.keywords=keywords.csv"])
        self.vectors["keywords"] = text_inputs(enriched).encode(dataset, split, SILENT).items
        if template:
            self.vectors["whole"] = text_inputs(kgrec.open(folder)).encode(dataset, split, SILENT).items
        self.data = TrainingData(matrix, events, None, self.vectors["plain"])
        fit, kept_back = (to_events(dataset, mask, weights) for mask in (split.fit, split.validation))
        self.less = TrainingData(interaction_matrix(fit, *matrix.shape), fit, None, self.vectors["plain"])
        self.validation = interaction_matrix(kept_back, *matrix.shape)


def interval(draw: Any, n: int) -> list[float]:
    """Return the 95 % interval of a figure over bootstrap draws of ``n`` users."""
    rng = np.random.default_rng(0)
    return [
        round(float(v), 4)
        for v in np.nanquantile([draw(rng.integers(n, size=n)) for _ in range(DRAWS)], [0.025, 0.975])
    ]


def ranked(data: TrainingData, test: csr_array) -> Floats:
    """Return NDCG@20 of each user, NaN for those without test likes, shape ``(n_users,)``."""
    scorer = Content().fit(data, seed=0)
    parts = []
    for start in range(0, data.n_users, BLOCK):
        users = np.arange(start, min(start + BLOCK, data.n_users))
        scores: Scores = np.array(scorer.score(users))
        mask_seen(scores, csr_array(data.matrix[users]))
        parts.append(recall_ndcg(top_k(scores, 20)[0], csr_array(test[users]))[1])
    return np.concatenate(parts)


def together(data: TrainingData, truth: csr_array, shares: Sequence[float]) -> Floats:
    """Return NDCG@20 of item-kNN with so much of the content scorer, shape ``(len(shares), u)``, of some users."""
    users = np.flatnonzero(np.diff(truth.indptr))
    users = np.sort(np.random.default_rng(3).permutation(users)[:MOST])
    members = ItemKNN().fit(data, seed=0), Content().fit(data, seed=0)
    parts = []
    for start in range(0, len(users), BLOCK):
        chosen = users[start : start + BLOCK]
        seen = csr_array(data.matrix[chosen])
        likes, texts = (standardise(np.array(member.score(chosen)), seen) for member in members)
        rows = []
        for share in shares:
            scores = likes + np.float32(share) * texts
            mask_seen(scores, seen)
            rows.append(recall_ndcg(top_k(scores, 20)[0], csr_array(truth[chosen]))[1])
        parts.append(np.array(rows, dtype=np.float64))
    return np.concatenate(parts, axis=1)


def beside_item_knn(arms: Arms, test: csr_array) -> dict[str, Any]:
    """Return the figures of item-kNN and content together; the share of content is chosen on the validation likes."""
    found: dict[str, Any] = {}
    figures = {}
    for arm, rows in arms.vectors.items():
        tried = together(replace(arms.less, item_text=rows), arms.validation, SHARES).mean(axis=1)
        share = SHARES[int(tried.argmax())]
        alone, figures[arm] = together(replace(arms.data, item_text=rows), test, (0.0, share))
        found |= {"item-knn": round(float(alone.mean()), 4), "users": len(alone)}
        found |= {arm: round(float(figures[arm].mean()), 4), f"{arm}, share": share}
        for other, values in {"item-knn": alone, **figures}.items():
            if other != arm:
                gain = figures[arm] - values
                found[f"{arm} over {other}"] = interval(lambda drawn, g=gain: g[drawn].mean(), len(gain))
    return found


def goodreads(name: str, thin: int, template: str | None) -> dict[str, Any]:
    _, test, _ = load(name, None)
    arms = Arms(workspace(name), thin, template)
    found: dict[str, Any] = dict(arms.told)
    of_thin = csr_array(test.multiply(arms.enriched[None, :].astype(np.float32)))
    of_thin.eliminate_zeros()
    for part, truth in (("all", test), ("of enriched items", of_thin)):
        figures = {arm: ranked(replace(arms.data, item_text=rows), truth) for arm, rows in arms.vectors.items()}
        known = np.flatnonzero(np.isfinite(figures["plain"]))
        found[part] = {"users": len(known)}
        for arm, values in figures.items():
            found[part][arm] = round(float(values[known].mean()), 4)
            if arm != "plain":
                gain = (values - figures["plain"])[known]
                found[part][f"{arm}, gain"] = interval(lambda rows, g=gain: g[rows].mean(), len(gain))
        print(part, json.dumps(found[part]), flush=True)
    found["beside item-knn"] = beside_item_knn(arms, test)
    print("beside item-knn", json.dumps(found["beside item-knn"]), flush=True)
    return found


def bing_news(name: str, thin: int, template: str | None) -> dict[str, Any]:
    arms = Arms(workspace(name), thin, template)
    dataset = arms.project.dataset
    asked = pl.read_csv(data_folder() / "bing-news-dkn" / "test.tsv.gz", separator="\t", infer_schema=False)
    users = dataset.user_positions(asked["user_id"].to_list())
    items = dataset.item_positions(asked["news_id"].to_list())
    clicked = (asked["clicked"] == "1").to_numpy()
    distinct, row = np.unique(users, return_inverse=True)
    own = [np.flatnonzero(row == user) for user in range(len(distinct))]

    def scored(vectors: Vectors) -> Floats:
        scores = Content().fit(replace(arms.data, item_text=vectors), seed=0).score(distinct)
        return np.nan_to_num(scores[row, items], nan=-1.0).astype(np.float64)

    figures = {arm: scored(vectors) for arm, vectors in arms.vectors.items()}

    def gain(drawn: NDArray[np.int64], arm: str) -> float:
        rows = np.concatenate([own[user] for user in drawn])
        return auc(figures[arm][rows], clicked[rows]) - auc(figures["plain"][rows], clicked[rows])

    found = {**arms.told, "impressions": len(clicked), "of enriched news": round(float(arms.enriched[items].mean()), 4)}
    for arm, values in figures.items():
        found[arm] = round(auc(values, clicked), 4)
        if arm != "plain":
            found[f"{arm}, gain"] = interval(lambda drawn, a=arm: gain(drawn, a), len(distinct))
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=("goodreads", "bing-news"))
    parser.add_argument("--thin", type=int, default=20)
    parser.add_argument("--template", help="of the items' texts, as text.item_template")
    arguments = parser.parse_args()
    measure = bing_news if arguments.dataset == "bing-news" else goodreads
    (ROOT / "build" / "enrich").mkdir(parents=True, exist_ok=True)
    found = measure(arguments.dataset, arguments.thin, arguments.template)
    (ROOT / "build" / "enrich" / f"{arguments.dataset}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

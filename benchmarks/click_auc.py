"""AUC of the trained hybrid on impressions of news: does it score what was clicked above what was not?

usage: python benchmarks/click_auc.py [--set a.b=c ...] [--folder DIR]

The data is bing-news-dkn: every news of the test part is new, so only texts and entities tell. AUC is over all test
impressions together, as DKN states it; the interval is a bootstrap over users, with all their impressions. Beside kgrec
stands the bar: similarity by BM25 of the title to those of the user's clicked minus those of the unclicked news.
Prints a line of JSON for each, and one for their difference.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
from adapters import ROOT, data_folder, prepare
from bench import run, workspace
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

import kgrec
from kgrec.evaluate.impressions import PooledAuc
from kgrec.ranking.score_stats import standardise

DRAWS = 2000
K1, B = 1.2, 0.75


def auc(scores: NDArray[np.float64], clicked: NDArray[np.bool_]) -> float:
    """Return how often a clicked showing stands above one that was not; a tie counts half."""
    return float(PooledAuc(scores, clicked).of(np.ones((1, len(scores))))[0])


def interval(
    scores: list[NDArray[np.float64]], clicked: NDArray[np.bool_], users: NDArray[np.int64]
) -> list[tuple[float, float]]:
    """Return the percentile intervals of each AUC, and last that of the first minus the second, over the same draws."""
    rng = np.random.default_rng(0)
    order = np.argsort(users, kind="stable")
    starts = np.flatnonzero(np.diff(users[order], prepend=-1))
    own = np.split(order, starts[1:])
    found = []
    for _ in range(DRAWS):
        rows = np.concatenate([own[user] for user in rng.integers(len(own), size=len(own))])
        found.append([auc(one[rows], clicked[rows]) for one in scores])
    values = np.array(found)
    columns = [*values.T, values[:, 0] - values[:, 1]]
    return [(float(low), float(high)) for low, high in (np.nanquantile(one, [0.025, 0.975]) for one in columns)]


def bm25(titles: pl.DataFrame, known: pl.DataFrame, asked: pl.DataFrame) -> NDArray[np.float64]:
    """Return how like each asked news is to the user's clicked minus the unclicked news, shape ``(rows,)``."""
    words = titles.with_row_index("row").with_columns(word=pl.col("title").str.split(" ")).explode("word")
    words = words.with_columns(column=pl.col("word").rank("dense").cast(pl.Int64) - 1).drop_nulls("word")
    shape = (titles.height, int(words["column"].max() or 0) + 1)  # type: ignore[call-overload]
    counts = csr_array((np.ones(words.height), (words["row"].to_numpy(), words["column"].to_numpy())), shape=shape)
    length = np.asarray(counts.sum(axis=1)).ravel()
    idf = np.log1p((shape[0] + 1) / (np.bincount(counts.indices, minlength=shape[1]) + 0.5))
    rows = np.repeat(np.arange(shape[0]), np.diff(counts.indptr))
    counts.data *= (K1 + 1) / (counts.data + K1 * (1 - B + B * length[rows] / length.mean()))
    vectors = counts @ diags_array(idf)
    norms = np.sqrt(np.asarray((vectors * vectors).sum(axis=1)).ravel())
    vectors = csr_array(diags_array(1 / np.maximum(norms, 1e-12)) @ vectors)
    place = titles.select("news_id").with_row_index("row")
    users = pl.concat([known, asked]).select("user_id").unique(maintain_order=True).with_row_index("user")

    def cells(frame: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        joined = frame.join(place, on="news_id", maintain_order="left").join(users, on="user_id", maintain_order="left")
        return joined["user"].to_numpy().astype(np.int64), joined["row"].to_numpy().astype(np.int64)

    profile = csr_array((users.height, shape[1]))
    for part, sign in ((known.filter(pl.col("clicked") == "1"), 1.0), (known.filter(pl.col("clicked") == "0"), -1.0)):
        who, what = cells(part)
        weights = sign / np.bincount(who, minlength=users.height)[who]
        profile = profile + csr_array((weights, (who, what)), shape=(users.height, shape[0])) @ vectors
    who, what = cells(asked)
    return np.asarray((csr_array(profile)[who] * vectors[what]).sum(axis=1)).ravel()


def hybrid(folder: Path, overrides: list[str], asked: pl.DataFrame) -> NDArray[np.float64]:
    """Train kgrec through its command line and score the asked (user, news) by its Python interface.

    Fused scores of different users are on no common scale; so each user's are standardised over the asked news.
    """
    prepared = prepare("bing-news", folder / "data")
    place, log = workspace(prepared, folder), folder / "log.txt"
    options = [part for override in overrides for part in ("--set", override)]
    command, at = [sys.executable, "-m", "kgrec"], ["--workspace", str(place)]
    run([*command, "build-graph", *at, *options], log)
    run([*command, "train", *at, *options], log)
    ranker = kgrec.open(place, overrides=overrides).ranker
    users = np.array([ranker.user_positions[user] for user in asked["user_id"]], dtype=np.int64)
    items = np.array([ranker.item_positions[item] for item in asked["news_id"]], dtype=np.int64)
    distinct, row = np.unique(users, return_inverse=True)
    news, column = np.unique(items, return_inverse=True)
    scores = standardise(ranker.fused(distinct)[:, news])
    return np.asarray(scores[row, column], dtype=np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="A.B=C")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "benchmarks" / "work" / "clicks" / "kgrec")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    source = data_folder() / "bing-news-dkn"
    tables = {
        name: pl.read_csv(source / f"{name}.tsv.gz", separator="\t", infer_schema=False, quote_char=None)
        for name in ("train", "test", "news")
    }
    asked = tables["test"].sample(fraction=1.0, shuffle=True, seed=1)
    clicked = (asked["clicked"] == "1").to_numpy()
    users = asked["user_id"].rank("dense").to_numpy().astype(np.int64)
    systems = {
        "kgrec": hybrid(arguments.folder, arguments.overrides, asked),
        "BM25": bm25(tables["news"], tables["train"], asked),
    }
    values = [auc(scores, clicked) for scores in systems.values()]
    ends = interval(list(systems.values()), clicked, users)
    names, values = [*systems, "kgrec - BM25"], [*values, values[0] - values[1]]
    for name, value, (low, high) in zip(names, values, ends, strict=True):
        figure = {"what": name, "auc": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
        print(json.dumps(figure | {"impressions": len(clicked), "users": len(np.unique(users))}))


if __name__ == "__main__":
    main()

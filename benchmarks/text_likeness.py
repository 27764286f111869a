"""How like our texts are to those that GPT-3.5 wrote for the same cold users of goodreads-genre.

    python benchmarks/text_likeness.py WORKSPACE DATA/goodreads-genre/generated.jsonl.gz [--users 300] [--model NAME]

GPT-3.5 proposed a book to each user and described it; we write about the book that the workspace recommends first. Two
figures, each beside the same for the text of another user, which is what chance gives: cosine of the vectors of the
workspace's text encoder, and ROUGE-L (Lin, 2004; F-measure, by rouge-score, which is installed for this script alone:
pip install rouge-score). The books differ, so neither figure can be near 1.
"""

from __future__ import annotations

import argparse
import gzip

import numpy as np
import polars as pl

import kgrec
from kgrec.evaluate.significance import bootstrap, compare
from kgrec.text.build import TextVectors


def rouge_l(ours: list[str], theirs: list[str]) -> np.ndarray:
    from rouge_score.rouge_scorer import RougeScorer

    judge = RougeScorer(["rougeL"], use_stemmer=True)
    return np.array([judge.score(b, a)["rougeL"].fmeasure for a, b in zip(ours, theirs, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace")
    parser.add_argument("generated", help="generated.jsonl.gz")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--model", default="template")
    parser.add_argument("--kind", default="blurb")
    parser.add_argument("--seed", type=int, default=42)
    asked = parser.parse_args()
    project = kgrec.open(asked.workspace)
    rng = np.random.default_rng(asked.seed)

    with gzip.open(asked.generated) as stream:
        table = pl.read_ndjson(stream.read()).filter(pl.col("version") == "v1").cast({"user_id": pl.String})
    table = table.filter(pl.col("user_id").is_in(project.dataset.users["user_id"].implode()))
    table = table[rng.permutation(table.height)[: asked.users]]
    ours = [project.generate(user, kind=asked.kind, model=asked.model)[0].text for user in table["user_id"].to_list()]
    theirs = [f"{t}: {d}" for t, d in table.select("title", "description").iter_rows()]
    others = [theirs[k - 1] for k in range(len(theirs))]
    encoder = TextVectors.load(project.workspace.folder("text")).make_encoder(project.manager)
    mine, gpt = encoder.encode(ours), encoder.encode(theirs)
    cosine = (mine * gpt).sum(axis=1).astype(np.float64)
    chance = (mine * np.roll(gpt, 1, axis=0)).sum(axis=1).astype(np.float64)
    figures = {"cosine": (cosine, chance), "ROUGE-L": (rouge_l(ours, theirs), rouge_l(ours, others))}
    print(f"{len(ours)} users, {asked.model}, kind {asked.kind}, encoder {encoder.fingerprint}")
    for name, (own, other) in figures.items():
        a, b, gap = bootstrap(own, rng), bootstrap(other, rng), compare(own, other, rng)
        print(f"{name:8} own {a.mean:.3f} ({a.low:.3f} to {a.high:.3f})  another's {b.mean:.3f}  p {gap.p:.3f}")
    for k in range(3):
        print(f"- ours:    {ours[k]}\n  GPT-3.5: {theirs[k]}")


if __name__ == "__main__":
    main()

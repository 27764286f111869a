"""How like our texts are to those that GPT-3.5 wrote for the same cold users of goodreads-genre.

    python benchmarks/text_likeness.py WORKSPACE DATA/goodreads-genre/generated.jsonl.gz [--users 300] [--model NAME]

GPT-3.5 proposed a book to each user and described it, twice; we write about the book that the workspace recommends
first. Likeness to its first text is told by three figures: cosine of the vectors of a text encoder; greedy matching of
the vectors of single tokens as in BERTScore (Zhang et al., ICLR 2020; F1, last layer, tokens unweighted, not rescaled),
where the encoder is a transformer; and ROUGE-L (Lin, 2004; F-measure, by rouge-score, which is installed for this
script alone: pip install rouge-score). Beside each stand the same to the text for another user, which is what chance
gives, and both for GPT-3.5's second text, which is as like as one can expect to be. Intervals are bootstraps over
users.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

import kgrec
from kgrec.config import TextConfig
from kgrec.plugin.protocols import TextEncoder
from kgrec.significance import bootstrap, compare
from kgrec.text.encoders.pretrained import TransformerEncoder, quiet_loading
from kgrec.text.vectors import choose_encoder

Floats = NDArray[np.float64]
Judge = Callable[[list[str], list[str]], Floats]


def rouge_l(ours: list[str], theirs: list[str]) -> Floats:
    from rouge_score.rouge_scorer import RougeScorer

    judge = RougeScorer(["rougeL"], use_stemmer=True)
    return np.array([judge.score(b, a)["rougeL"].fmeasure for a, b in zip(ours, theirs, strict=True)])


def cosines(encoder: TextEncoder, ours: list[str], theirs: list[str]) -> Floats:
    a, b = encoder.encode(ours).astype(np.float64), encoder.encode(theirs).astype(np.float64)
    return np.asarray((a * b).sum(axis=1))


class TokenMatcher:
    """BERTScore's greedy matching by the tokens of a transformer encoder."""

    def __init__(self, encoder: TransformerEncoder) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.length = encoder.max_length
        self.tokenizer = AutoTokenizer.from_pretrained(encoder.model, local_files_only=True)
        with quiet_loading():
            self.model = AutoModel.from_pretrained(encoder.model, local_files_only=True).eval()
        self.known: dict[str, NDArray[np.float32]] = {}

    def vectors(self, text: str) -> NDArray[np.float32]:
        """Return unit vectors of the tokens of a text, those that stand for its ends left out."""
        import torch

        if text not in self.known:
            batch = self.tokenizer(text, truncation=True, max_length=self.length, return_tensors="pt")
            with torch.inference_mode():
                tokens = self.model(**batch).last_hidden_state[0, 1:-1]  # (t, dim)
            self.known[text] = torch.nn.functional.normalize(tokens, dim=1).numpy()
        return self.known[text]

    def f1(self, ours: list[str], theirs: list[str]) -> Floats:
        """Return F1 of each pair: of the best match of each token on the other side, the means of both sides."""
        found = []
        for a, b in zip(ours, theirs, strict=True):
            near = self.vectors(a) @ self.vectors(b).T
            precision, recall = float(near.max(1).mean()), float(near.max(0).mean())
            found.append(2 * precision * recall / (precision + recall))
        return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace")
    parser.add_argument("generated", help="generated.jsonl.gz")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--model", default="template")
    parser.add_argument("--kind", default="blurb")
    parser.add_argument("--encoder", default="auto", help="as text.encoder; auto looks at the texts")
    parser.add_argument("--seed", type=int, default=42)
    asked = parser.parse_args()
    project = kgrec.open(asked.workspace)
    rng = np.random.default_rng(asked.seed)

    with gzip.open(asked.generated) as stream:
        table = pl.read_ndjson(stream.read()).cast({"user_id": pl.String})
    table = table.with_columns(text=pl.concat_str("title", "description", separator=": "))
    table = table.pivot("version", index="user_id", values="text").drop_nulls()
    table = table.filter(pl.col("user_id").is_in(project.dataset.users["user_id"].implode()))
    table = table[rng.permutation(table.height)[: asked.users]]
    ours = [project.generate(user, kind=asked.kind, model=asked.model)[0].text for user in table["user_id"].to_list()]
    theirs, again = table["v1"].to_list(), table["v2"].to_list()
    others = [*theirs[1:], *theirs[:1]]

    _, _, encoder = choose_encoder(theirs, TextConfig(encoder=asked.encoder), project.manager)
    judges: dict[str, Judge] = {"cosine": partial(cosines, encoder)}
    if isinstance(encoder, TransformerEncoder):
        judges["tokens"] = TokenMatcher(encoder).f1
    judges["ROUGE-L"] = rouge_l
    print(f"{len(ours)} users, {asked.model}, kind {asked.kind}, encoder {encoder.fingerprint}")
    for name, judge in judges.items():
        for writer, texts in ((asked.model, ours), ("GPT-3.5's second", again)):
            own, other = judge(texts, theirs), judge(texts, others)
            a, b, gap = bootstrap(own, rng), bootstrap(other, rng), compare(own, other, rng)
            told = f"{a.mean:.3f} ({a.low:.3f} to {a.high:.3f})  another's {b.mean:.3f} ({b.low:.3f} to {b.high:.3f})"
            print(f"{name:8} {writer:16} own {told}  p {gap.p:.4f}", flush=True)
    for k in range(3):
        print(f"- ours:    {ours[k]}\n  GPT-3.5: {theirs[k]}")


if __name__ == "__main__":
    main()

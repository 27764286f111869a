"""How kgrec's profiles of users compare with keywords that GPT-3.5 wrote about the same users.

usage: python benchmarks/profiles.py [--users N] [--encoder NAME] [--seed S] [--folder DIR]

The data is goodreads-genre. kgrec's profile rests on train and validation; GPT-3.5 was shown the whole history, the
held-out book among it, so where it is better at finding that book, this may be why. Two questions:

- overlap: is the user's own GPT profile picked out among those of nine others by kgrec's, by words and by vectors?
- retrieval: the profile's words as one text; the books whose texts are nearest, those of train and validation left out.

Prints a line of JSON for each figure; intervals are bootstraps over users, comparisons paired.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from adapters import ROOT, data_folder, prepare
from bench import built
from numpy.typing import NDArray
from scipy.sparse import csr_array

import kgrec
from kgrec.significance import bootstrap, compare
from kgrec.text.item_text import item_texts
from kgrec.text.terms import TermIndex
from kgrec.text.tokens import term_table

Vectors = NDArray[np.float32]
OTHERS = 9
DEPTH = 20


def workspace(folder: Path) -> tuple[kgrec.Project, pl.DataFrame]:
    """Return the goodreads workspace, its graph built and nothing trained, and the held-out books."""
    prepared = prepare("goodreads", folder / "data")
    cheap = ("--set", "linking.compare_meaning=false", "--set", "graph.store=false")
    at = built(prepared, folder, *cheap)
    return kgrec.open(at), pl.read_csv(prepared.test, separator="\t", infer_schema=False)


def drawn(project: kgrec.Project, test: pl.DataFrame, count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return ``user_id``, ``user`` and ``item`` (positions) and GPT's ``interests`` of users with a held-out book."""
    written = pl.read_ndjson(data_folder() / "goodreads-genre" / "users.jsonl.gz").with_columns(
        pl.col("user_id").cast(pl.String)
    )
    dataset = project.dataset
    users = dataset.users.select("user_id").with_row_index("user")
    items = dataset.items.select("item_id").with_row_index("item")
    rows = test.join(users, on="user_id").join(items, on="item_id").join(written, on="user_id")
    rows = rows.filter(pl.col("interests").list.len() > 0).sort("user_id")
    return rows[rng.permutation(len(rows))[:count]]


def own_profiles(project: kgrec.Project, users: list[str]) -> dict[str, list[list[str]]]:
    """Return the names of kgrec's interests for each user, by what they are: all, terms alone, entities alone."""
    found: dict[str, list[list[str]]] = {"all": [], "terms": [], "entities": []}
    for user in users:
        interests = project.profiler.profile(user, evidence=False).interests
        found["all"].append([one.name for one in interests])
        found["terms"].append([one.name for one in interests if one.kind in ("term", "words")])
        found["entities"].append([one.name for one in interests if one.kind in ("entity", "category")])
    return found


def bags(profiles: list[list[str]], vocabulary: pl.DataFrame) -> csr_array:
    """Return the words of profiles, rows of length 1, shape ``(u, words)``; words weigh what they weigh in books."""
    words = term_table([" . ".join(names) for names in profiles]).unique(["text", "term"])
    words = words.join(vocabulary, on="term").sort("text", "column")
    entries = (words["idf"].to_numpy(), (words["text"].to_numpy(), words["column"].to_numpy()))
    matrix = csr_array(entries, shape=(len(profiles), vocabulary.height))
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    return csr_array(matrix.multiply(1 / np.maximum(lengths, 1e-12)[:, None]))


def picked(likeness: NDArray[np.floating[Any]], rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """Return for each user whether the own profile is liker than nine others', and how often it beats another one.

    Args:
        likeness: of kgrec's profile of user ``a`` and GPT's of user ``b``, shape ``(u, u)``; a tie is shared.
        rng: draws the others.
    """
    n = len(likeness)
    shift = rng.random((n, n - 1)).argsort(axis=1)[:, :OTHERS] + 1
    others = np.take_along_axis(likeness, (np.arange(n)[:, None] + shift) % n, axis=1)
    own = likeness.diagonal()[:, None]
    ties = (others == own).sum(axis=1)
    first = np.where((others > own).any(axis=1), 0.0, 1.0 / (1 + ties))
    beats = ((others < own) + 0.5 * (others == own)).mean(axis=1)
    return first, beats


def retrieved(queries: Vectors, items: Vectors, known: csr_array, wanted: NDArray[np.int64]) -> dict[str, Vectors]:
    """Return Recall@20 and NDCG@20 of the one held-out book for each user; a profile without words finds nothing."""
    ranks = np.full(len(queries), np.inf)
    for start in range(0, len(queries), 256):
        scores = queries[start : start + 256] @ items.T
        scores[known[start : start + 256].toarray() > 0] = -np.inf
        own = np.take_along_axis(scores, wanted[start : start + 256, None], axis=1)
        ranks[start : start + 256] = (scores > own).sum(axis=1)
    ranks[~queries.any(axis=1)] = np.inf
    hit = ranks < DEPTH
    return {"Recall@20": hit.astype(np.float64), "NDCG@20": np.where(hit, 1 / np.log2(ranks + 2), 0.0)}


def shown(name: str, values: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Print a mean with its interval."""
    found = bootstrap(values, rng)
    row = {"mean": found.mean, "low": found.low, "high": found.high}
    print(json.dumps({"figure": name, **{key: round(value, 4) for key, value in row.items()}, "users": found.n}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--encoder", default="multilingual")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "bench" / "profiles")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(asked.seed)
    project, test = workspace(asked.folder)
    rows = drawn(project, test, asked.users, rng)
    texts = item_texts(project.dataset, None, project.config.text.item_template, project.domain)
    users = rows["user"].to_list()
    started = time.process_time()
    own = own_profiles(project, rows["user_id"].to_list())
    print(json.dumps({"users": len(users), "profiles_cpu_seconds": round(time.process_time() - started, 1)}))
    written = [[name for name in names if name] for names in rows["interests"].to_list()]
    short = [names[:5] for names in own["all"]]
    profiles = {**{f"kgrec, {kind}": names for kind, names in own.items()}, "kgrec, 5": short, "GPT-3.5": written}

    index = TermIndex.build(texts, max_share=1.0)
    vocabulary = pl.DataFrame({"term": index.terms, "idf": index.idf.astype(np.float64)}).with_row_index("column")
    encoder = project.manager.registry("text encoder")[asked.encoder].build()
    queries = {name: encoder.encode([", ".join(names) for names in found]) for name, found in profiles.items()}
    words = {name: bags(found, vocabulary) for name, found in profiles.items()}
    for name in profiles:
        if name != "GPT-3.5":
            alike = {
                "words": (words[name] @ words["GPT-3.5"].T).toarray(),
                "vectors": queries[name] @ queries["GPT-3.5"].T,
            }
            for by, likeness in alike.items():
                first, beats = picked(likeness, np.random.default_rng(asked.seed))
                shown(f"{name} | own GPT profile first of 10, by {by}", first, rng)
                shown(f"{name} | own GPT profile beats another's, by {by}", beats, rng)
    shared = (words["kgrec, all"].multiply(words["GPT-3.5"])).sum(axis=1) > 0
    shown("kgrec, all | shares a word with the GPT profile", np.asarray(shared, dtype=np.float64), rng)

    items = encoder.encode(texts)
    seen = project.dataset.interactions.filter(pl.col("user").is_in(users)).select("user", "item")
    seen = seen.join(pl.DataFrame({"user": users}).cast(seen.schema["user"]).with_row_index("row"), on="user")
    shape = (len(users), project.dataset.n_items)
    at = (seen["row"].to_numpy(), seen["item"].to_numpy())
    known = csr_array((np.ones(len(seen), dtype=np.float32), at), shape=shape)
    mean = known @ items
    queries["mean of the books read"] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    wanted = rows["item"].to_numpy().astype(np.int64)
    found = {name: retrieved(vectors, items, known, wanted) for name, vectors in queries.items()}
    for name, figures in found.items():
        for metric, values in figures.items():
            shown(f"{name} | {metric}", values, rng)
    for metric in ("Recall@20", "NDCG@20"):
        lead = compare(found["kgrec, all"][metric], found["GPT-3.5"][metric], rng)
        row = {"difference": lead.difference, "low": lead.low, "high": lead.high, "p": lead.p}
        rounded = {key: round(value, 4) for key, value in row.items()}
        print(json.dumps({"figure": f"kgrec, all less GPT-3.5 | {metric}", **rounded, "users": lead.n}))


if __name__ == "__main__":
    main()

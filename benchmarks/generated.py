"""Datasets drawn from a model of real logs, with a seed: what a default is judged on that nobody could tune it to.

Every set has the shapes that logs have: item popularity falls as a power of the rank, activity is log-normal, users
have a few of many tastes, items one or two. A user's items are drawn by ``popularity * exp(focus * taste)``, without
repeats; with ``order`` an item follows an earlier one instead, being one of its successors; with ``drift`` items are
born over time and their popularity fades. An item has entities of its tastes or, with probability ``noise``, of any;
texts are words drawn the same way. So density, skew, order, graph and text vary independently of each other. What a set
is made of stands in :data:`SHAPES`; the seed draws everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from adapters.common import Prepared, interactions, write
from numpy.typing import NDArray

STEPS_BACK = 3
"""An ordered user follows one of so many latest items."""
SUCCESSORS = 5
"""Items that an item leads to."""
SPAN = 3 * 365 * 86_400
"""Seconds that a log spans."""
START = 1_600_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What a set looks like.

    Attributes:
        users, items: how many.
        mean: items of a user, in the mean.
        spread: of the log of a user's activity.
        skew: exponent with which popularity falls with the rank.
        tastes: how many there are.
        focus: how strongly taste counts.
        order: probability that an item follows an earlier one.
        drift: how many half-lives of an item's popularity the log spans; 0: none.
        graph, text: entities and words of an item, in the mean; 0: none.
        noise: share of entities and words that say nothing.
        split: what is the test part: ``random`` fifth or ``last`` fifth of each user, or the ``latest`` fifth of all.
    """

    users: int
    items: int
    mean: float
    spread: float = 0.8
    skew: float = 0.8
    tastes: int = 24
    focus: float = 2.5
    order: float = 0.0
    drift: float = 0.0
    graph: float = 0.0
    text: float = 0.0
    noise: float = 0.3
    split: str = "random"


SHAPES: dict[str, Shape] = {
    "dense-log": Shape(600, 500, 70, skew=0.3, tastes=60, focus=16.0, order=0.2, split="last"),
    "sparse-graph": Shape(4000, 2500, 6, 0.5, 0.8, 40, 7.0, graph=8, split="random"),
    "short-texts": Shape(2500, 1500, 9, 0.6, 0.9, 30, 6.0, text=6, split="random"),
    "by-time": Shape(3000, 1500, 14, 0.9, 0.8, 20, 5.0, drift=3, graph=4, noise=0.5, split="latest"),
    "few-hits": Shape(3000, 1000, 8, 0.7, 1.6, 10, 3.0, text=5, noise=0.6, split="random"),
    "ordered": Shape(2000, 1200, 20, 0.7, 0.7, 20, 4.0, order=0.6, text=8, noise=0.5, split="last"),
    "many-tastes": Shape(1500, 2000, 40, 1.0, 0.7, 64, 9.0, graph=6, noise=0.7, split="random"),
    "small-catalogue": Shape(500, 250, 60, 0.7, 0.5, 30, 10.0, order=0.1, split="last"),
    "sparser-graph": Shape(2500, 3000, 4, 0.5, 0.8, 40, 8.0, graph=10, noise=0.4, split="random"),
    "in-order": Shape(1200, 800, 25, 0.6, 0.6, 16, 3.0, order=0.8, drift=1, split="last"),
    "small": Shape(120, 150, 12, 0.6, 0.8, 8, 5.0, graph=4, text=4, split="random"),
}
"""Name -> shape of the sets that are drawn."""


def _tastes(rng: np.random.Generator, n: int, tastes: int, most: int) -> NDArray[np.float32]:
    """Return shares of tastes: one to ``most`` of each row, summing to 1, shape ``(n, tastes)``."""
    ranks = rng.random((n, tastes)) / rng.dirichlet(np.full(tastes, 2.0))  # some tastes are common
    order = np.argsort(ranks, axis=1)
    strength = rng.dirichlet(np.ones(most), n).astype(np.float32)
    strength[:, 1:] *= rng.random((n, most - 1)) < 0.6
    shares = np.zeros((n, tastes), dtype=np.float32)
    np.put_along_axis(shares, order[:, :most], strength, axis=1)
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)


def _likes(shape: Shape, of_items: NDArray[np.float32], rng: np.random.Generator) -> pl.DataFrame:
    """Return ``u``, ``i``, ``time`` in the order of time of each user."""
    of_users = _tastes(rng, shape.users, shape.tastes, 3)
    popularity = -shape.skew * np.log(rng.permutation(shape.items) + 1.0)
    born = np.sort(rng.random(shape.items)) * 0.9 - 0.3
    follows = rng.integers(0, shape.items, (shape.items, SUCCESSORS))
    lengths = np.exp(rng.normal(np.log(shape.mean) - shape.spread**2 / 2, shape.spread, shape.users))
    lengths = np.clip(lengths.round().astype(int), 3, shape.items // 2)
    parts = []
    for user in range(shape.users):
        n = lengths[user]
        begins = rng.random() * 0.9
        when = np.sort(begins + (1 - begins) * rng.random(n) * rng.random())
        utility = popularity + shape.focus * np.sqrt(of_items @ of_users[user]) + rng.gumbel(size=shape.items)
        if shape.drift:
            age = when.mean() - born
            utility += np.where(age < 0, -np.inf, -shape.drift * np.log(2) * age)
        n = min(n, int(np.isfinite(utility).sum()))
        drawn = np.argsort(-utility)[:n]
        drawn = rng.permutation(drawn)
        for place in np.flatnonzero(rng.random(n) < shape.order):
            back = place - 1 - rng.integers(STEPS_BACK)
            if back >= 0:
                drawn[place] = follows[drawn[back], rng.integers(SUCCESSORS)]
        _, first = np.unique(drawn, return_index=True)
        first.sort()
        parts.append(pl.DataFrame({"u": np.full(len(first), user), "i": drawn[first], "time": when[:n][first]}))
    return pl.concat(parts).with_columns(time=(START + pl.col("time") * SPAN).cast(pl.Int64))


def _facts(
    shape: Shape, mean: float, per_taste: int, of_items: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return items and things that are said of them: entities or words, mostly of the item's tastes."""
    items = np.repeat(np.arange(shape.items), rng.poisson(mean, shape.items))
    ends = np.cumsum(of_items[items], axis=1)
    taste = (ends < rng.random(len(items))[:, None]).sum(axis=1).clip(max=shape.tastes - 1)
    taste = np.where(rng.random(len(items)) < shape.noise, rng.integers(shape.tastes, size=len(items)), taste)
    return items, taste * per_taste + np.minimum(rng.geometric(0.15, len(items)) - 1, per_taste - 1)


def _is_test(likes: pl.DataFrame, shape: Shape, rng: np.random.Generator) -> pl.Series:
    place = {
        "last": pl.col("time").rank("ordinal", descending=True).over("u") / pl.len().over("u"),
        "random": pl.col("draw").rank("ordinal").over("u") / pl.len().over("u"),
        "latest": pl.col("time").rank("ordinal", descending=True) / pl.len(),
    }[shape.split]
    return likes.with_columns(draw=pl.Series(rng.random(likes.height))).select(place <= 0.2).to_series()


def prepare_generated(name: str, out: Path, seed: int) -> Prepared:
    """Draw a set of :data:`SHAPES` and write its files under ``out``."""
    shape = SHAPES[name]
    rng = np.random.default_rng([seed, *name.encode()])
    of_items = _tastes(rng, shape.items, shape.tastes, 2)
    likes = _likes(shape, of_items, rng)
    table = likes.select(user_id=pl.format("u{}", "u"), item_id=pl.format("i{}", "i"), time="time")
    held = _is_test(likes, shape, rng)
    train, test = table.filter(~held), table.filter(held)
    files = [write(train, out / "train.tsv")]
    config = interactions("train.tsv", time="time")
    items = pl.DataFrame({"i": np.arange(shape.items)}).select(item_id=pl.format("i{}", "i"))
    columns = 'columns = { id = "item_id" }'
    if shape.text:
        said, words = _facts(shape, shape.text, 40, of_items, rng)
        names = np.array([_word(n) for n in range(40 * shape.tastes)])
        texts = pl.DataFrame({"item_id": said, "title": names[words]}).select(pl.format("i{}", "item_id"), "title")
        texts = texts.group_by("item_id").agg(pl.col("title").str.join(" "))
        items = items.join(texts, on="item_id", how="left").with_columns(pl.col("title").fill_null(""))
        columns = 'columns = { id = "item_id", title = "title" }'
    files.append(write(items, out / "items.tsv"))
    config += f'[[data.items]]\npath = "items.tsv"\n{columns}\n\n'
    if shape.graph:
        heads, tails = _facts(shape, shape.graph, 12, of_items, rng)
        graph = pl.DataFrame({"h": heads, "t": tails}).unique(maintain_order=True)
        graph = graph.select(
            head=pl.format("i{}", "h"), relation=pl.format("r{}", pl.col("t") % 4), tail=pl.format("e{}", "t")
        )
        files.append(write(graph, out / "kg.tsv"))
        columns = '{ head = "head", relation = "relation", tail = "tail" }'
        config += f'[[data.triples]]\npath = "kg.tsv"\ncolumns = {columns}\n'
    known = write(train.select("user_id", "item_id"), out / "known.tsv")
    return Prepared("generic", tuple(files), config, write(test.select("user_id", "item_id"), out / "test.tsv"), known)


def _word(n: int) -> str:
    """Return a pronounceable word, another one for each number."""
    consonants, vowels, word = "bdfgklmnprstvz", "aeiou", ""
    n += 97  # words of one syllable look like function words
    while n:
        n, rest = divmod(n, len(consonants) * len(vowels))
        word += consonants[rest // len(vowels)] + vowels[rest % len(vowels)]
    return word

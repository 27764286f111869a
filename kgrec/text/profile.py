"""What a user is interested in, in words: terms of the items they touched, their own words, entities of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from kgrec.data.dataset import Dataset
from kgrec.plugin.domain import DEFAULT_ACTION_WEIGHTS
from kgrec.text.terms import TermIndex
from kgrec.text.tokens import tokenise

HALF_LIFE = 20
"""After how many newer interactions of the same user one counts half; works with and without times."""

OWN_WORD_WEIGHT = 1.0
"""Weight of the rarest term in the user's own words against one of the item liked most recently."""

UNKNOWN_WORD_WEIGHT = 0.25
"""The same for a word that no item has, or most have."""

USER_BLOCK = 4096
"""Users whose terms are counted at once; bounds the memory."""


@dataclass(frozen=True, slots=True)
class Recent:
    """A touched item: its position and title, the action, the value and unix seconds where known."""

    item: int
    title: str
    action: str
    value: float | None
    time: int | None


@dataclass(frozen=True, slots=True)
class UserProfile:
    """What is known of a user's interests.

    Attributes:
        terms: terms and weights, strongest first; weights sum to 1 over all terms of the user.
        entities: label, weight and number of touched items, strongest first.
        recent: what was touched last, newest first.
        own_words: description, comments and searches, newest first.
        text: all of it as one text for the encoder.
    """

    terms: list[tuple[str, float]] = field(default_factory=list)
    entities: list[tuple[str, float, int]] = field(default_factory=list)
    recent: list[Recent] = field(default_factory=list)
    own_words: str = ""
    text: str = ""


def user_profile(
    dataset: Dataset,
    user: int,
    index: TermIndex,
    *,
    entities: pl.DataFrame | None = None,
    rows: pl.Series | None = None,
    action_weights: Mapping[str, float] = DEFAULT_ACTION_WEIGHTS,
    n_terms: int = 15,
    n_entities: int = 10,
    n_recent: int = 10,
) -> UserProfile:
    """Describe one user.

    Args:
        dataset: the tables.
        user: position of the user.
        index: terms of the items.
        entities: graph neighbourhood of the items: ``item`` (position) and ``labels`` (list of strings).
        rows: boolean, one an interaction: those that may be looked at; default: the training rows.
        action_weights: how strongly each action counts; the built-in weights where it names none.
        n_terms: how many terms at most.
        n_entities: how many entities at most.
        n_recent: how many touched items at most.
    """
    allowed = dataset.interactions.filter(_allowed(dataset, rows))
    mine = allowed.filter(pl.col("user") == user)
    weighted = weighted_items(mine, action_weights, rating_scale(allowed))
    terms = _terms(weighted, _own(dataset, mine, pl.col("user") == user), index, n_terms)
    words = _own_texts(dataset, mine, pl.col("user") == user)
    own_words = words["text"][0] if words.height else ""
    names = _entities(weighted, entities, n_entities)
    listed = [(row["term"], row["weight"]) for row in terms.iter_rows(named=True)]
    text = _join(own_words, [term for term, _ in listed], [name for name, _, _ in names])
    return UserProfile(listed, names, _recent(dataset, mine, n_recent), own_words, text)


def profile_texts(
    dataset: Dataset,
    index: TermIndex,
    rows: pl.Series | None = None,
    *,
    action_weights: Mapping[str, float] = DEFAULT_ACTION_WEIGHTS,
    n_terms: int = 15,
) -> list[str]:
    """Return a text of the interests of every user: own words, then the strongest terms; empty where nothing is known.

    Args:
        dataset: the tables.
        index: terms of the items.
        rows: boolean, one an interaction: those that may be looked at, nothing else is; default: the training rows.
        action_weights: how strongly each action counts; the built-in weights where it names none.
        n_terms: how many terms at most.
    """
    allowed = dataset.interactions.filter(_allowed(dataset, rows))
    everyone = pl.lit(value=True)
    weighted = weighted_items(allowed, action_weights, rating_scale(allowed))
    own = _own(dataset, allowed, everyone)
    blocks = []
    for start in range(0, max(dataset.n_users, 1), USER_BLOCK):
        inside = pl.col("user").is_between(start, start + USER_BLOCK - 1)
        terms = _terms(weighted.filter(inside), own.filter(inside), index, n_terms)
        blocks.append(terms.group_by("user", maintain_order=True).agg(pl.col("term").str.join(", ")))
    listed = pl.concat(blocks)
    users = pl.DataFrame({"user": pl.int_range(dataset.n_users, dtype=pl.UInt32, eager=True)})
    table = users.join(_own_texts(dataset, allowed, everyone), on="user", how="left", maintain_order="left")
    table = table.join(listed, on="user", how="left", maintain_order="left")
    return table.select(pl.concat_str("text", "term", separator=" ", ignore_nulls=True)).to_series().to_list()


def own_words(dataset: Dataset, rows: pl.Series | None = None) -> list[str]:
    """Return the own words of every user (description, then comments and searches, newest first), empty where none.

    Args:
        dataset: the tables.
        rows: boolean, one an interaction: those whose texts may be used; default: the training rows.
    """
    allowed = dataset.interactions.filter(_allowed(dataset, rows))
    users = pl.DataFrame({"user": pl.int_range(dataset.n_users, dtype=pl.UInt32, eager=True)})
    words = _own_texts(dataset, allowed, pl.lit(value=True))
    return users.join(words, on="user", how="left", maintain_order="left")["text"].fill_null("").to_list()


def _allowed(dataset: Dataset, rows: pl.Series | None) -> pl.Series:
    return dataset.interactions["split"] == "train" if rows is None else rows


def rating_scale(interactions: pl.DataFrame) -> tuple[float, float]:
    """Return the lowest and the highest rating; where they do not differ, a scale on which each of them is a like."""
    values = interactions.filter(pl.col("action") == "rate")["value"].drop_nulls().to_numpy()
    if not len(values) or values.min() == values.max():
        return 0.0, float(values.max()) if len(values) and values.max() > 0 else 1.0
    return float(values.min()), float(values.max())


def weighted_items(
    interactions: pl.DataFrame, action_weights: Mapping[str, float], scale: tuple[float, float]
) -> pl.DataFrame:
    """Return ``user``, ``item`` and ``weight``: action times rating (0 to 1 over the scale) times recency."""
    low, top = scale
    is_rating = (pl.col("action") == "rate") & pl.col("value").is_not_null()
    value = pl.when(is_rating).then((pl.col("value") - low) / (top - low)).otherwise(1.0)
    newer = pl.int_range(pl.len()).reverse().over("user")
    weights = {**DEFAULT_ACTION_WEIGHTS, **action_weights}
    weight = pl.col("action").replace_strict(weights, default=1.0, return_dtype=pl.Float64)
    return (
        interactions.drop_nulls("item")
        .with_columns((weight * value * 0.5 ** (newer / HALF_LIFE)).alias("weight"))
        .group_by("user", "item", maintain_order=True)
        .agg(pl.col("weight").sum())
        .filter(pl.col("weight") > 0)
    )


def _own(dataset: Dataset, interactions: pl.DataFrame, who: pl.Expr) -> pl.DataFrame:
    """Return ``user`` and ``text``: each description, comment and search, the description first, then the newest."""
    spoken = interactions.select("user", "text").drop_nulls("text").reverse()
    described = dataset.users.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("user"), pl.col("description").alias("text")
    )
    both = pl.concat([described.filter(who).drop_nulls("text"), spoken])
    return both.filter(pl.col("text").str.strip_chars() != "")


def _own_texts(dataset: Dataset, interactions: pl.DataFrame, who: pl.Expr) -> pl.DataFrame:
    """Return ``user`` and ``text``, one row for each user with words of their own."""
    said = _own(dataset, interactions, who).unique(maintain_order=True)
    return said.group_by("user", maintain_order=True).agg(pl.col("text").str.join(" "))


def _terms(weighted: pl.DataFrame, own: pl.DataFrame, index: TermIndex, n_terms: int) -> pl.DataFrame:
    """Return ``user``, ``term`` and ``weight``, the strongest terms of each user first."""
    users = pl.concat([weighted["user"], own["user"]]).unique().sort()
    numbers = pl.DataFrame({"user": users}).with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
    touched = weighted.join(numbers, on="user")
    history = csr_array(
        (touched["weight"].to_numpy(), (touched["row"].to_numpy(), touched["item"].to_numpy())),
        shape=(len(users), index.matrix.shape[0]),
    )
    scores = (history @ index.matrix).tocoo()
    rows, columns = scores.coords
    of_items = pl.DataFrame({"row": rows.astype(np.int64), "term": index.terms.gather(columns), "weight": scores.data})
    said = tokenise(own["text"])
    said = said.with_columns(own["user"].gather(said["text"]).alias("user"))
    rarity = pl.DataFrame(
        {"term": index.terms, "weight": OWN_WORD_WEIGHT * index.idf / max(index.idf.max(initial=0), 1)}
    )
    said = said.join(rarity, on="term", how="left", maintain_order="left")
    of_words = said.join(numbers, on="user").select("row", "term", pl.col("weight").fill_null(UNKNOWN_WORD_WEIGHT))
    table = pl.concat([of_items.cast({"weight": pl.Float64}), of_words.cast({"weight": pl.Float64})])
    table = table.group_by("row", "term").agg(pl.col("weight").sum())
    # Rounded, so that the order of summation cannot decide between terms of equal weight.
    table = table.with_columns((pl.col("weight") / pl.col("weight").sum().over("row")).round(6))
    table = table.sort(["row", "weight", "term"], descending=[False, True, False])
    table = table.group_by("row", maintain_order=True).head(n_terms)
    return table.join(numbers, on="row", maintain_order="left").select("user", "term", "weight")


def _entities(weighted: pl.DataFrame, entities: pl.DataFrame | None, n: int) -> list[tuple[str, float, int]]:
    """Return label, weight and count of the entities of touched items; rare entities weigh more than common ones."""
    if entities is None or weighted.is_empty():
        return []
    pairs = entities.select(pl.col("item").cast(pl.UInt32), pl.col("labels").alias("label")).explode("label")
    pairs = pairs.drop_nulls().unique(maintain_order=True)
    n_items = max(pairs["item"].n_unique(), 1)
    degree = pairs.group_by("label").len("degree")
    found = (
        pairs.join(weighted, on="item")
        .group_by("label")
        .agg(pl.col("weight").sum(), pl.len().alias("count"))
        .join(degree, on="label")
        .with_columns(pl.col("weight") * ((1 + n_items) / pl.col("degree")).log())
        .sort(["weight", "label"], descending=[True, False])
        .head(n)
    )
    return list(found.select("label", "weight", "count").iter_rows())


def _recent(dataset: Dataset, mine: pl.DataFrame, n: int) -> list[Recent]:
    last = mine.drop_nulls("item").reverse().unique("item", keep="first", maintain_order=True).head(n)
    items = dataset.items[last["item"].to_list()]
    titles = items.select(pl.coalesce("title", "item_id")).to_series()
    rows = last.with_columns(titles.alias("title")).select("item", "title", "action", "value", "time")
    return [Recent(*row) for row in rows.iter_rows()]


def _join(words: str, terms: list[str], entities: list[str]) -> str:
    parts = [words, ", ".join(terms), ", ".join(entities)]
    return " ".join(part for part in parts if part)

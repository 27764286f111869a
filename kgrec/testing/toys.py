"""Toy data: training data whose right answers can be proved, small tables, and a workspace of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from kgrec.data.dataset import INTERACTIONS, AttributeInfo, Dataset
from kgrec.plugin.protocols import Scorer
from kgrec.types import Events, TrainingData, Triples, Vectors

DAY = 86_400
START = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Toy:
    """Data and what must follow from it.

    Attributes:
        data: what to fit on.
        pairs: rows ``(user, better item, worse item)``, shape ``(p, 3)``.
    """

    data: TrainingData
    pairs: NDArray[np.int64]

    def solved_by(self, scorer: Scorer) -> float:
        """Return the share of pairs that the fitted ``scorer`` orders right; NaN is wrong."""
        users, rows = np.unique(self.pairs[:, 0], return_inverse=True)
        scores = scorer.score(users)
        return float(np.mean(scores[rows, self.pairs[:, 1]] > scores[rows, self.pairs[:, 2]]))


def checkerboard(n: int = 32) -> Toy:
    """Users and items of the same parity belong together; user ``k`` has not seen item ``k``, which must come next.

    After the test of the same name in implicit (``tests/recommender_base_test.py``). All items are equally popular.

    Args:
        n: number of users and of items; even.
    """
    users, items = np.nonzero(np.add.outer(np.arange(n), np.arange(n)) % 2 == 0)
    known = users != items
    other = np.nonzero(np.add.outer(np.arange(n), np.arange(n)) % 2 == 1)
    pairs = np.column_stack([other[0], other[0], other[1]])
    return Toy(training_data(users[known], items[known], n, n), pairs)


def graph_toy(n: int = 24) -> Toy:
    """The last two items have no interactions; only the graph says to which of the two tastes each belongs.

    Args:
        n: number of users and of items; even.
    """
    users, items = _two_tastes(n)
    tastes = np.arange(n) % 2
    # Entities 0-2 belong to taste 0, 3-5 to taste 1; each item has two of its three.
    heads = np.repeat(np.arange(n), 2)
    tails = n + 3 * tastes[heads] + (heads // 2 + np.tile([0, 1], n)) % 3
    relations = np.tile([0, 1], n)
    weights = np.ones(2 * n, dtype=np.float32)
    triples = Triples(heads, relations, tails, weights, n, n + 6, ("has_genre", "made_by"))
    return Toy(training_data(users, items, n, n, triples=triples), _cold_pairs(n))


def text_toy(n: int = 24) -> Toy:
    """As :func:`graph_toy`, but it is the text vectors that tell."""
    users, items = _two_tastes(n)
    return Toy(training_data(users, items, n, n, item_text=_taste_vectors(n, seed=0)), _cold_pairs(n))


def own_words_toy(n: int = 24) -> Toy:
    """The last two users have no history; their own words tell which of the two tastes they have."""
    users, items = _two_tastes(n)
    known = users < n - 2
    item_text, user_text = _taste_vectors(n, seed=0), _taste_vectors(n, seed=1)
    data = replace(training_data(users[known], items[known], n, n, item_text=item_text), user_text=user_text)
    even, odd = np.arange(0, n - 2, 2), np.arange(1, n - 2, 2)
    crossed = np.array(np.meshgrid(even, odd)).reshape(2, -1)
    pairs = [
        np.column_stack([np.full(crossed.shape[1], user), crossed[user % 2], crossed[1 - user % 2]])
        for user in (n - 2, n - 1)
    ]
    return Toy(data, np.concatenate(pairs))


def hot_cold(n: int = 20) -> Toy:
    """Items 0 and 1 are liked by most, the others by few; the hot ones come first for those who lack them."""
    people = np.arange(2, n)
    users = np.concatenate([people, people, np.arange(n), np.arange(n)])
    cold = 2 + np.arange(n) % (n - 2)
    items = np.concatenate([np.zeros(n - 2), np.ones(n - 2), cold, 2 + (cold - 1) % (n - 2)]).astype(np.int64)
    worse = np.arange(6, n)
    pairs = np.array([(user, hot, item) for user in (0, 1) for hot in (0, 1) for item in worse])
    return Toy(training_data(users, items, n, n), pairs)


def trending(n: int = 20) -> Toy:
    """Items 0 and 1 have as many likes, those of item 0 from this week, those of item 1 from ten years ago.

    Users 0 and 1 have seen neither, so item 0 must come first for them (for scorers that look at times).
    """
    half = (n - 2) // 2
    fans = np.arange(2, 2 + 2 * half)
    users = np.concatenate([fans, [0, 1]])
    items = np.concatenate([np.repeat([0, 1], half), [2, 2]])
    times = np.concatenate([np.full(half, START), np.full(half, START - 3650 * DAY), [START, START]])
    times += np.arange(len(times))
    return Toy(training_data(users, items, n, 3, times=times), np.array([(0, 0, 1), (1, 0, 1)]))


TOYS: Mapping[str, Callable[[], Toy]] = {
    "checkerboard": checkerboard,
    "graph": graph_toy,
    "text": text_toy,
    "own_words": own_words_toy,
    "hot_cold": hot_cold,
    "trending": trending,
}
"""The toys by the names that :attr:`kgrec.testing.ScorerContract.solves` uses."""


def toy_training_data(*, seed: int = 0, n_users: int = 24, n_items: int = 20) -> TrainingData:
    """Return small training data with all that a scorer may use: graph, texts, times, two actions, validation.

    The last user has no interaction and no own words; the last item has no interaction and no text, and the graph
    does not mention it.
    """
    rng = np.random.default_rng(seed)
    same = np.equal.outer(np.arange(n_users) % 2, np.arange(n_items) % 2)
    drawn = rng.random((n_users, n_items))
    liked = drawn < np.where(same, 0.6, 0.1)
    held_out = same & ~liked & (drawn < 0.75)
    for cells in (liked, held_out):
        cells[-1, :] = False
        cells[:, -1] = False
    users, items = np.nonzero(liked)
    order = rng.permutation(len(users))
    users, items = users[order], items[order]
    heads = np.repeat(np.arange(n_items - 1), 2)
    tails = n_items + np.where(np.arange(len(heads)) % 2 == 0, heads % 2, 2 + heads % 3)
    relations = np.tile([0, 1], n_items - 1)
    weights = np.ones(len(heads), dtype=np.float32)
    triples = Triples(heads, relations, tails, weights, n_items, n_items + 5, ("has_genre", "made_by"))
    validation = coo_array((np.ones(held_out.sum(), np.float32), np.nonzero(held_out)), shape=same.shape).tocsr()
    validation.sort_indices()
    item_text, user_text = _taste_vectors(n_items, seed=seed), _taste_vectors(n_users, seed=seed + 1)
    item_text[-1] = 0.0
    user_text[-1] = 0.0
    weights = np.where(np.arange(len(users)) % 4 == 0, 0.2, 1.0)
    data = training_data(users, items, n_users, n_items, triples=triples, item_text=item_text, weights=weights)
    return replace(data, user_text=user_text, validation=validation)


def training_data(
    users: NDArray[np.integer],
    items: NDArray[np.integer],
    n_users: int,
    n_items: int,
    *,
    weights: NDArray[np.floating] | None = None,
    times: NDArray[np.integer] | None = None,
    triples: Triples | None = None,
    item_text: Vectors | None = None,
) -> TrainingData:
    """Build training data from pairs of users and items, an hour apart unless ``times`` says otherwise.

    What else :class:`kgrec.types.TrainingData` may hold is put in by ``dataclasses.replace``.

    Args:
        users: positions, shape ``(e,)``.
        items: positions, shape ``(e,)``.
        n_users: number of users.
        n_items: number of items.
        weights: how strongly each pair counts, shape ``(e,)``; 1 by default. Below 1 the action is a view, else a like.
        times: unix seconds, shape ``(e,)``.
        triples: the graph.
        item_text: shape ``(n_items, dim)``.
    """
    strength = np.ones(len(users), dtype=np.float32) if weights is None else weights.astype(np.float32)
    when = START + 3600 * np.arange(len(users)) if times is None else times.astype(np.int64)
    order = np.argsort(when, kind="stable")
    events = Events(
        users.astype(np.int64)[order],
        items.astype(np.int64)[order],
        (strength < 1).astype(np.int64)[order],
        np.full(len(users), np.nan, dtype=np.float32),
        strength[order],
        when.astype(np.int64)[order],
        ("like", "view"),
    )
    matrix = csr_array(coo_array((strength, (users, items)), shape=(n_users, n_items)))
    matrix.sum_duplicates()
    return TrainingData(matrix, events, triples, item_text)


def _two_tastes(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users like two thirds of the items of their parity, the last two items excepted."""
    grid_users, grid_items = np.meshgrid(np.arange(n), np.arange(n - 2), indexing="ij")
    liked = (grid_users + grid_items) % 2 == 0
    liked &= (grid_users // 2 + grid_items // 2) % 3 != 0
    users, items = np.nonzero(liked)
    return users, items


def _cold_pairs(n: int) -> NDArray[np.int64]:
    users = np.arange(n)
    return np.column_stack([users, n - 2 + users % 2, n - 1 - users % 2])


def _taste_vectors(n: int, *, seed: int, dim: int = 8) -> Vectors:
    """Unit vectors around one of two orthogonal directions, by parity."""
    vectors = 0.1 * np.random.default_rng(seed).standard_normal((n, dim))
    vectors[np.arange(n), np.arange(n) % 2] += 1.0
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


Language = Literal["en", "zh"]
N_FILMS, N_USERS = 8, 10


@dataclass(frozen=True, slots=True)
class _Words:
    genres: tuple[str, ...]
    directors: tuple[str, ...]
    subjects: tuple[tuple[str, ...], ...]
    title: str
    description: str
    likes: str
    comment: str


_WORDS: Mapping[str, _Words] = {
    "en": _Words(
        genres=("Space", "Cooking", "Ghosts"),
        directors=("Ada Orbit", "Ben Comet", "Cora Oven", "Dan Butter", "Eve Crypt", "Finn Shade"),
        subjects=(
            ("planet", "rocket", "astronaut", "comet"),
            ("bread", "kitchen", "chef", "soup"),
            ("haunted house", "spirit", "graveyard", "curse"),
        ),
        title="The {subject} {number}",
        description="A film by {director} about a {subject} and a {other}.",
        likes="I like films about a {subject}.",
        comment="Loved the {subject}!",
    ),
    "zh": _Words(
        genres=("太空", "美食", "鬼怪"),
        directors=("王星河", "李远航", "陈面包", "赵黄油", "孙古墓", "周暗影"),
        subjects=(
            ("行星", "火箭", "宇航员", "彗星"),
            ("面包", "厨房", "厨师", "浓汤"),
            ("鬼屋", "幽灵", "墓地", "诅咒"),
        ),
        title="{subject}传奇{number}",
        description="{director}执导的影片，讲述{subject}与{other}的故事。",
        likes="我喜欢关于{subject}的电影。",
        comment="{subject}太精彩了！",
    ),
}


def toy_tables(language: Language = "en") -> dict[str, pl.DataFrame]:
    """Return the tables ``interactions``, ``items`` and ``users`` as they stand in the files.

    Columns: ``user_id item_id action rating timestamp text`` · ``item_id title description genres director year`` ·
    ``user_id description``. Searches have no item, only rows of action ``rate`` have a rating.
    """
    words, tastes = _WORDS[language], len(_WORDS[language].genres)
    films = [(taste, number) for taste in range(tastes) for number in range(N_FILMS)]
    items = pl.DataFrame([_film(words, taste, number) for taste, number in films])
    users = pl.DataFrame(
        {
            "user_id": [f"u{user:02d}" for user in range(tastes * N_USERS)],
            # Every other user has written a line about themselves.
            "description": [
                words.likes.format(subject=words.subjects[user // N_USERS][0]) if user % 2 == 0 else None
                for user in range(tastes * N_USERS)
            ],
        }
    )
    return {"interactions": _interactions(words, tastes), "items": items, "users": users}


def toy_dataset(language: Language = "en") -> Dataset:
    """Return the toy as a cleaned dataset: 30 users, 24 items, attributes ``genres``, ``director`` and ``year``."""
    tables = toy_tables(language)
    items, users = tables["items"], tables["users"]
    rows = tables["interactions"].with_row_index("line", offset=2)
    rows = (
        rows.join(users.select("user_id").with_row_index("user"), on="user_id", maintain_order="left")
        .join(items.select("item_id").with_row_index("item"), on="item_id", how="left", maintain_order="left")
        .select(
            "user",
            "item",
            "action",
            pl.col("rating").alias("value"),
            pl.col("timestamp").alias("time"),
            "text",
            pl.lit("train").alias("split"),
            pl.lit("interactions.csv").alias("source"),
            "line",
        )
        .cast(pl.Schema(INTERACTIONS))
    )
    return Dataset(
        interactions=rows.sort("time", maintain_order=True),
        users=users,
        items=items.with_columns(pl.col("genres").str.split("|")),
        item_attributes={
            "genres": AttributeInfo("has_genre", multi=True),
            "director": AttributeInfo("directed_by", multi=False),
            "year": AttributeInfo(None, multi=False),
        },
    )


def toy_workspace(folder: Path, language: Language = "en") -> Path:
    """Write the toy as interactions.csv, items.csv, users.csv and a kgrec.toml that reads them; return ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in toy_tables(language).items():
        table.write_csv(folder / f"{name}.csv")
    (folder / "kgrec.toml").write_text(KGREC_TOML, encoding="utf-8")
    return folder


KGREC_TOML = """\
domain = "generic"

[[data.interactions]]
path = "interactions.csv"
columns = { user = "user_id", item = "item_id", action = "action", value = "rating", time = "timestamp", text = "text" }

[[data.items]]
path = "items.csv"
columns = { id = "item_id", title = "title", description = "description" }

[data.items.attributes]
genres = { column = "genres", separator = "|", relation = "has_genre" }
director = { column = "director", relation = "directed_by" }
year = { column = "year" }

[[data.users]]
path = "users.csv"
columns = { id = "user_id", description = "description" }
"""
"""Settings of :func:`toy_workspace`."""


def _film(words: _Words, taste: int, number: int) -> dict[str, object]:
    subjects = words.subjects[taste]
    subject, other = subjects[number % len(subjects)], subjects[(number + 1) % len(subjects)]
    director = words.directors[2 * taste + number % 2]
    return {
        "item_id": f"i{taste}{number}",
        "title": words.title.format(subject=subject, number=number + 1),
        "description": words.description.format(director=director, subject=subject, other=other),
        "genres": words.genres[taste] if number % 4 else "|".join([words.genres[taste], words.genres[taste - 1]]),
        "director": director,
        "year": 1990 + number,
    }


def _interactions(words: _Words, tastes: int) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for user in range(tastes * N_USERS):
        taste = user // N_USERS
        key = f"u{user:02d}"
        for number in sorted(rng.permutation(N_FILMS)[:5].tolist()):
            item = f"i{taste}{number}"
            rows.append(_event(key, item, "rate", rating=float(4 + number % 2)))
            if number % 4 == user % 4:
                subject = words.subjects[taste][number % 4]
                rows.append(_event(key, item, "comment", text=words.comment.format(subject=subject)))
        if user % 3 == 0:
            rows.append(_event(key, None, "search", text=words.subjects[taste][user % 4]))
        if user % 5 == 0:
            rows.append(_event(key, f"i{(taste + 1) % tastes}{user % N_FILMS}", "rate", rating=1.0))
    times = START + 3600 * rng.permutation(len(rows))
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(timestamp=pl.Series(times, dtype=pl.Int64))


def _event(
    user: str, item: str | None, action: str, *, rating: float | None = None, text: str | None = None
) -> dict[str, object]:
    return {"user_id": user, "item_id": item, "action": action, "rating": rating, "timestamp": 0, "text": text}

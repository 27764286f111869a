"""A toy catalogue with interactions, in English or Chinese: as tables, as a Dataset, and as a workspace of files.

Three tastes with eight films and ten users each. A user rates films of the own taste high and, rarely, one of another
taste low; some comment and search in the words of their taste. So films of a user's own taste must come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from kgrec.data.dataset import INTERACTIONS, AttributeInfo, Dataset

Language = Literal["en", "zh"]
START = 1_700_000_000
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

"""Helps a domain plugin to write its sample: likes drawn around entities, so that a test can prove they are found.

Only :meth:`numpy.random.Generator.random` is drawn from: numpy promises to keep no other method's stream for good,
and a committed sample must come out the same for years.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sample_words(package: str) -> SimpleNamespace:
    """Return the words that a sample's texts are made of: ``sample_words.toml`` of a plugin's package."""
    return SimpleNamespace(**tomllib.loads(files(package).joinpath("sample_words.toml").read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Planted:
    """Who likes what, and where an item says which entity it belongs to.

    Every item belongs to one entity (its director, its brand...) and every user likes all items of a few entities.

    Attributes:
        owner: entity of each item, shape ``(i,)``.
        cold: items without interactions in the sample, one an entity, shape ``(i,)``.
        fan: which entities each user likes, shape ``(u, e)``.
        seen: likes that are in the sample, shape ``(u, i)``.
        noise: interactions with items that the user does not like, drawn by popularity, shape ``(u, i)``.
        held: likes that are held out, cold items among them, shape ``(u, i)``.
        in_column: items whose catalogue row names the entity, shape ``(i,)``; no cold item does.
        in_graph: items that the graph links to the entity; of the cold items those of the even entities.
        in_text: items whose text names the entity; of the cold items those of the odd entities.
    """

    owner: NDArray[np.int64]
    cold: NDArray[np.bool_]
    fan: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    noise: NDArray[np.bool_]
    held: NDArray[np.bool_]
    in_column: NDArray[np.bool_]
    in_graph: NDArray[np.bool_]
    in_text: NDArray[np.bool_]

    def kinds(self) -> list[str]:
        """Return how each item can be found: ``warm``, or for a cold one ``graph`` or ``text``."""
        kinds = np.where(self.cold, np.where(self.in_graph, "graph", "text"), "warm")
        return [str(kind) for kind in kinds]

    def held_out(self, users: Sequence[str], items: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return user id -> held-out item id -> how it can be found (:meth:`kinds`)."""
        kinds = self.kinds()
        rows = (np.flatnonzero(row) for row in self.held)
        return {user: {items[int(k)]: kinds[int(k)] for k in row} for user, row in zip(users, rows, strict=True)}


def plant(
    rng: np.random.Generator,
    *,
    n_users: int,
    n_entities: int,
    n_each: int,
    tastes: int = 2,
    seen_share: float = 0.6,
    noise: float = 3.0,
) -> Planted:
    """Draw a population of fans.

    Args:
        rng: the generator.
        n_users: number of users.
        n_entities: number of entities that can be liked.
        n_each: items an entity; one of them is cold.
        tastes: entities a user likes.
        seen_share: share of a user's warm likes that is in the sample; the others are held out.
        noise: mean number of items a user touches without liking them.
    """
    n_items = n_entities * n_each
    owner = np.repeat(np.arange(n_entities), n_each)[order(rng, n_items)]
    members = np.argsort(owner, kind="stable").reshape(n_entities, n_each)
    cold = np.zeros(n_items, dtype=np.bool_)
    cold[members[np.arange(n_entities), (rng.random(n_entities) * n_each).astype(np.int64)]] = True
    fan = np.zeros((n_users, n_entities), dtype=np.bool_)
    np.put_along_axis(fan, np.argsort(rng.random((n_users, n_entities)), axis=1)[:, :tastes], True, axis=1)
    likes = fan[:, owner]
    seen = likes & ~cold & (rng.random(likes.shape) < seen_share)
    popularity = 1 / (10 + order(rng, n_items))
    unliked = ~likes & ~cold & (rng.random(likes.shape) < noise * popularity / popularity.sum())
    in_column = ~cold & (rng.random(n_items) < 0.85)
    in_graph = np.where(cold, owner % 2 == 0, ~in_column | (rng.random(n_items) < 0.9))
    in_text = np.where(cold, owner % 2 == 1, rng.random(n_items) < 0.6)
    return Planted(owner, cold, fan, seen, unliked, likes & ~seen, in_column, in_graph, in_text)


def order(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Return a random order of ``range(n)``."""
    return np.argsort(rng.random(n)).astype(np.int64)


def pick(rng: np.random.Generator, options: Sequence[str], n: int) -> list[str]:
    """Draw ``n`` of ``options``, each as likely as the others, with replacement."""
    return [options[int(k)] for k in np.floor(rng.random(n) * len(options))]


def pick_some(rng: np.random.Generator, options: Sequence[str], n: int, count: int) -> list[list[str]]:
    """Draw ``n`` times ``count`` different ones of ``options``."""
    rows = np.argsort(rng.random((n, len(options))), axis=1)[:, :count]
    return [[options[int(k)] for k in row] for row in rows]


def write_table(file: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], *, delimiter: str = ",") -> None:
    """Write a table as UTF-8 text, lines ended by a newline on every system."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

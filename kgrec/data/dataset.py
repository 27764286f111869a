"""The tables of a workspace after cleaning: interactions, users and items with their numbering."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kgrec.data.forgotten import ForgottenUsers
from kgrec.errors import CorruptArtifactError, NotFoundError
from kgrec.languages.language import language_of
from kgrec.types import ItemIndices, UserIndices
from kgrec.workspace import read_json, storage_errors, write_json

INTERACTIONS: Mapping[str, pl.DataType] = {
    "user": pl.UInt32(),
    "item": pl.UInt32(),
    "action": pl.Categorical(),
    "value": pl.Float32(),
    "time": pl.Int64(),
    "text": pl.String(),
    "split": pl.Categorical(),
    "source": pl.Categorical(),
    "line": pl.UInt32(),
}
"""Columns of the interactions: positions in the vocabularies (``item`` is null for a search), the action, rating or
amount (null: none), unix seconds (null: unknown), text of a comment or search, ``train``, ``validation`` or ``test``,
and the file and line the row came from."""


RESERVED = ("user_id", "item_id", "title", "description", "source", "line")
"""Columns of the users and items tables that no attribute may take."""

LANGUAGE_SAMPLE = 400
"""About so many items tell the language of the catalogue."""

RECENT = 10
"""Events of a user that :meth:`Dataset.user_facts` names."""


@dataclass(frozen=True, slots=True)
class AttributeInfo:
    """What is known of a column of the users or items table.

    Attributes:
        relation: relation type of its edges, or None for a literal.
        multi: the column holds lists.
        unit: what stood beside the numbers of a literal: ``€``; empty for nothing or several.
        broader: of a hierarchy, narrower value -> broader value.
    """

    relation: str | None
    multi: bool
    unit: str = ""
    broader: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """Cleaned tables. Row ``k`` of ``users`` and ``items`` is the user or item at position ``k``.

    Attributes:
        interactions: columns as in :data:`INTERACTIONS`, in the order of time, then of the files.
        users: ``user_id``, ``description`` (null: none), the attributes, then ``source`` and ``line``: where the row
            stands (null for a user that only interactions name).
        items: ``item_id``, ``title`` (null: unknown), ``description`` (null: none), the attributes, and the
            same.
        user_attributes, item_attributes: what the attribute columns are, by name.
        report: counts of what cleaning did, JSON values.
        rejects: rows that were dropped: ``source``, ``line``, ``reason``, ``row`` (JSON of the row as read).
    """

    interactions: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame
    user_attributes: Mapping[str, AttributeInfo] = field(default_factory=dict)
    item_attributes: Mapping[str, AttributeInfo] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    rejects: pl.DataFrame = field(default_factory=lambda: empty_rejects())

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.users.height

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.items.height

    @cached_property
    def _user_positions(self) -> dict[str, int]:
        return {key: k for k, key in enumerate(self.users["user_id"].to_list())}

    @cached_property
    def _item_positions(self) -> dict[str, int]:
        return {key: k for k, key in enumerate(self.items["item_id"].to_list())}

    @cached_property
    def language(self) -> str | None:
        """The language that titles and descriptions are written in, by a sample of them; None: it cannot be told."""
        step = max(self.n_items // LANGUAGE_SAMPLE, 1)
        told = [name for name in ("title", "description") if name in self.items.columns]
        if not told:
            return None
        texts = self.items.select(pl.concat_str(told, separator=" ", ignore_nulls=True))
        return language_of(texts.gather_every(step).to_series().str.slice(0, 400).drop_nulls().to_list())

    def without_test(self) -> Dataset:
        """Return the dataset without interactions marked ``test``; users and items keep their numbers."""
        if not (self.interactions["split"] == "test").any():
            return self
        return replace(self, interactions=self.interactions.filter(pl.col("split") != "test"))

    def hiding(self, forgotten: ForgottenUsers) -> Dataset:
        """Return the dataset without the events, words and id of people who are being forgotten; their row stays."""
        users = forgotten.hidden(self.users["user_id"])
        if users is None or not users.any():
            return self
        gone = self.interactions["user"].is_in(users.arg_true().cast(pl.UInt32).implode())
        nameless = self.users.with_columns(
            pl.when(~users).then(pl.col(name)).alias(name) for name in self.users.columns
        )
        return replace(self, interactions=self.interactions.filter(~gone), users=nameless)

    def user_positions(self, ids: list[str]) -> UserIndices:
        """Return the positions of users, shape ``(len(ids),)``.

        Raises:
            NotFoundError: an id is unknown; the hint names near ones.
        """
        return _positions("user", ids, self._user_positions)

    def item_positions(self, ids: list[str]) -> ItemIndices:
        """Return the positions of items, shape ``(len(ids),)``.

        Raises:
            NotFoundError: an id is unknown; the hint names near ones.
        """
        return _positions("item", ids, self._item_positions)

    def find_item(self, item_id: str) -> int | None:
        """Return the position of an item, or None where there is no such item."""
        return self._item_positions.get(item_id)

    def user_facts(self, position: int) -> dict[str, Any]:
        """Return what the tables hold of the user at ``position``, as JSON values.

        That is ``attributes``, ``interactions`` (how many), ``actions`` (how many of each), and ``recent``: the last
        events, newest first.
        """
        rows = self.interactions.filter(pl.col("user") == position)
        attributes = {
            name: value
            for name, value in self.users.row(position, named=True).items()
            if (name in self.user_attributes or name == "description") and value not in (None, [])
        }
        items = self.items.select("item_id", "title").with_row_index("item")
        last = rows.sort("time", nulls_last=False, maintain_order=True).tail(RECENT).reverse()
        shown = last.join(items, on="item", how="left", maintain_order="left").select(
            "action",
            pl.coalesce("title", "item_id", "text").alias("what"),
            pl.col("value").cast(pl.Float64).round(2),
            pl.from_epoch("time").dt.strftime("%Y-%m-%d %H:%M").alias("when"),
        )
        return {
            "attributes": attributes,
            "interactions": rows.height,
            "actions": dict(rows["action"].value_counts(sort=True).iter_rows()),
            "recent": shown.to_dicts(),
        }

    def save(self, folder: Path) -> None:
        """Write the tables as parquet and the rest as JSON."""
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.interactions.write_parquet(folder / "interactions.parquet")
            self.users.write_parquet(folder / "users.parquet")
            self.items.write_parquet(folder / "items.parquet")
            self.rejects.write_parquet(folder / "rejects.parquet")
        document = {
            "user_attributes": {name: asdict(a) for name, a in self.user_attributes.items()},
            "item_attributes": {name: asdict(a) for name, a in self.item_attributes.items()},
            "report": self.report,
        }
        write_json(folder / "dataset.json", document)

    @classmethod
    def load(cls, folder: Path) -> Dataset:
        """Read what :meth:`save` wrote.

        Raises:
            CorruptArtifactError: a file is missing or damaged.
        """
        document = read_json(folder / "dataset.json")
        names = ("interactions", "users", "items", "rejects")
        tables = {name: read_table(folder / f"{name}.parquet") for name in names}
        return cls(
            **tables,
            user_attributes={k: AttributeInfo(**a) for k, a in document["user_attributes"].items()},
            item_attributes={k: AttributeInfo(**a) for k, a in document["item_attributes"].items()},
            report=document["report"],
        )


def read_table(file: Path) -> pl.DataFrame:
    """Read a parquet artifact.

    Raises:
        CorruptArtifactError: missing or damaged.
    """
    with table_errors(file):
        return pl.read_parquet(file)


@contextmanager
def table_errors(place: Path) -> Iterator[None]:
    """Turn what goes wrong with tables of artifacts into an error that names them.

    Raises:
        CorruptArtifactError: a table is missing, damaged, or lacks a column.
    """
    try:
        yield
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise CorruptArtifactError(f"{place} cannot be read: {error}", hint="run `kgrec build-graph` again") from None


def empty_rejects() -> pl.DataFrame:
    """Return a rejects table without rows."""
    return pl.DataFrame(schema={"source": pl.String(), "line": pl.UInt32(), "reason": pl.String(), "row": pl.String()})


def _positions(kind: str, ids: list[str], known: Mapping[str, int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    for key in ids:
        if key not in known:
            raise NotFoundError.of(kind, key, known)
    return np.fromiter((known[key] for key in ids), dtype=np.int64, count=len(ids))

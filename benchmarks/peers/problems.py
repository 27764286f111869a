"""Real datasets as tasks for peers: the same rows that kgrec gets, numbered at random, with a part to tune on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from adapters import Prepared
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from peers.task import Task

STRENGTHS = {"view": 1.0, "cart": 2.0, "buy": 3.0}
"""Of actions, where the data tells them apart."""

SHARE = 0.1
"""Of a user's items that settings are chosen on where no validation part is published."""

MOST_USERS = 5_000
"""Users that settings are chosen on, at most."""


@dataclass(frozen=True)
class Numbering:
    """Ids by number.

    Attributes:
        users, items: ids, in an order drawn at random.
    """

    users: pl.Series
    items: pl.Series

    @classmethod
    def of(cls, tables: list[pl.DataFrame], catalogue: pl.Series | None, seed: int) -> Numbering:
        rng = np.random.default_rng([seed, 17])

        def shuffled(columns: list[pl.Series]) -> pl.Series:
            ids = pl.concat([column.alias("id") for column in columns]).drop_nulls().unique().sort()
            return ids.gather(rng.permutation(len(ids)))

        items = [table["item_id"] for table in tables]
        return cls(
            shuffled([table["user_id"] for table in tables]),
            shuffled(items if catalogue is None else [*items, catalogue]),
        )

    def number(self, table: pl.DataFrame) -> pl.DataFrame:
        """Add the columns ``user`` and ``item``; rows of unknown items are dropped."""
        users = pl.DataFrame({"user_id": self.users}).with_row_index("user")
        items = pl.DataFrame({"item_id": self.items}).with_row_index("item")
        return table.join(users, on="user_id", maintain_order="left").join(items, on="item_id", maintain_order="left")

    def matrix(self, table: pl.DataFrame) -> csr_matrix:
        """Return the largest strength of each pair, CSR of shape ``(n_users, n_items)``."""
        shape = (len(self.users), len(self.items))
        cells = table.group_by("user", "item").agg(pl.col("strength").max()).sort("user", "item")
        values = cells["strength"].to_numpy().astype(np.float32)
        return csr_matrix((values, (cells["user"].to_numpy(), cells["item"].to_numpy())), shape=shape)


def problem(prepared: Prepared, seed: int = 1) -> tuple[Task, Numbering]:
    """Return the task of a prepared dataset and its ids."""
    names = ("train", "valid", "test", "known")
    read = {name: _read(path) for name in names if (path := getattr(prepared, name)) is not None}
    catalogue = prepared.train.parent / "items.tsv"
    ids = pl.read_csv(catalogue, separator="\t", infer_schema=False, quote_char=None) if catalogue.exists() else None
    items = None if ids is None or "item_id" not in ids.columns else ids["item_id"]
    numbering = Numbering.of(list(read.values()), items, seed)
    tables = {name: numbering.number(table) for name, table in read.items()}
    train = tables["train"]
    if "valid" in tables:
        tune_fit, tune_test = train, _some(tables["valid"], np.random.default_rng([seed, 23]))
    else:
        tune_fit, tune_test = cut(train, np.random.default_rng([seed, 23]))
    empty = csr_matrix((len(numbering.users), len(numbering.items)), dtype=np.float32)
    known = pl.concat([tables["known"].select("user", "item", "strength"), train.select("user", "item", "strength")])
    task = Task(
        fit=numbering.matrix(train),
        known=empty if prepared.include_seen else numbering.matrix(known),
        test=numbering.matrix(tables["test"]),
        tune_fit=numbering.matrix(tune_fit),
        tune_known=empty if prepared.include_seen else numbering.matrix(tune_fit),
        tune_test=numbering.matrix(tune_test),
        k=prepared.k,
        length=prepared.length,
        triples=_triples(prepared.train.parent, numbering.items),
    )
    return task, numbering


def cut(train: pl.DataFrame, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Hold out a tenth of each user's items, at least one: the latest where there are times, else at random.

    Only the strongest kind of action is held out, with all other actions on the same item. Users with one item keep it.
    """
    strongest = train.filter(pl.col("strength") == train["strength"].max())
    pairs = strongest.group_by("user", "item", maintain_order=True).agg(pl.col("time").max())
    order = pairs.with_columns(chance=pl.Series(rng.permutation(pairs.height)))
    place = pl.struct("time", "chance").rank("ordinal", descending=True).over("user")
    held = (SHARE * pl.len().over("user")).floor().clip(1)
    ranked = order.with_columns(place=place, held=held, owned=pl.len().over("user"))
    chosen = ranked.filter((pl.col("owned") > 1) & (pl.col("place") <= pl.col("held")))
    chosen = _some(chosen, rng)
    keys = ["user", "item"]
    return train.join(chosen, on=keys, how="anti"), strongest.join(chosen.select(keys), on=keys, how="semi")


def _some(table: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Keep the rows of at most so many users."""
    users = table["user"].unique().sort()
    if len(users) <= MOST_USERS:
        return table
    return table.filter(pl.col("user").is_in(users.gather(rng.permutation(len(users))[:MOST_USERS]).implode()))


def _triples(folder: Path, items: pl.Series) -> NDArray[np.int64]:
    """Return the graph by number, shape ``(t, 3)``: items keep theirs, other entities come after them."""
    if not (folder / "kg.tsv").exists():
        return np.zeros((0, 3), dtype=np.int64)
    table = pl.read_csv(folder / "kg.tsv", separator="\t", infer_schema=False, quote_char=None)
    table = table.rename(dict(zip(table.columns, ("head", "relation", "tail"), strict=True)))
    numbers = pl.DataFrame({"entity": items}).with_row_index("number")
    if (folder / "link.tsv").exists():
        link = pl.read_csv(folder / "link.tsv", separator="\t", infer_schema=False, quote_char=None)
        link = link.rename(dict(zip(link.columns, ("item", "entity"), strict=True)))
        numbers = link.join(numbers.rename({"entity": "item"}), on="item").select("entity", "number")
    numbers = numbers.unique("entity", keep="first", maintain_order=True)
    names = pl.concat([table["head"], table["tail"].alias("head")]).unique().sort().to_frame("entity")
    others = names.join(numbers, on="entity", how="anti").with_row_index("number", offset=len(items))
    number = pl.concat([numbers.select("entity", "number"), others.select("entity", "number")])
    joined = table.join(number, left_on="head", right_on="entity", maintain_order="left")
    joined = joined.join(number, left_on="tail", right_on="entity", suffix="_tail", maintain_order="left")
    relation = pl.col("relation").rank("dense").cast(pl.Int64) - 1
    return joined.select(pl.col("number").cast(pl.Int64), relation, pl.col("number_tail").cast(pl.Int64)).to_numpy()


def _read(path: Path) -> pl.DataFrame:
    table = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
    strength = pl.col("behavior").replace_strict(STRENGTHS) if "behavior" in table.columns else pl.lit(1.0)
    times = [name for name in ("time", "timestamp") if name in table.columns]
    time = pl.col(times[0]).cast(pl.Int64) if times else pl.lit(0, pl.Int64)
    return table.select("user_id", "item_id", strength=strength, time=time)


def numbers_of(lists: pl.DataFrame, numbering: Numbering, users: NDArray[np.int64], length: int) -> NDArray[np.int32]:
    """Return lists given by ids as numbers, best first, shape ``(len(users), length)``, -1 where there are no more.

    Args:
        lists: ``user_id``, ``item_id``, ``rank``.
        numbering: of the ids.
        users: rising.
        length: of the lists.
    """
    rows = numbering.number(lists.with_columns(pl.col("rank").cast(pl.Int64)))
    rows = rows.filter(pl.col("user").is_in(pl.Series(users).cast(pl.UInt32).implode()) & (pl.col("rank") <= length))
    top = np.full((len(users), length), -1, dtype=np.int32)
    top[np.searchsorted(users, rows["user"].to_numpy()), rows["rank"].to_numpy() - 1] = rows["item"].to_numpy()
    return top

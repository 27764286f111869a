"""Graphs as tensors of torch_geometric; only what calls this imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.data.split import liked_pairs
from kgrec.graph.tables import KINDS, GraphTables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch_geometric.data import HeteroData

    from kgrec.config import Config
    from kgrec.plugin.domain import Domain
    from kgrec.types import Vectors
    from kgrec.workspace import Workspace

Ints = NDArray[np.int64]

LIKES = "likes"
"""Name of the edge type between users and items that a model learns."""


@dataclass(frozen=True, slots=True)
class LearnedTables:
    """What models learn from besides the graph.

    Attributes:
        likes: columns ``user``, ``item``, ``weight`` and ``split`` (``train``, ``validation`` or ``test``), as
            :func:`kgrec.data.split.liked_pairs` returns them.
        user_text: text vectors, shape ``(n_users, dim)``, or None before the first training.
        item_text: text vectors, shape ``(n_items, dim)``, or None before the first training.
    """

    likes: pl.DataFrame
    user_text: Vectors | None = None
    item_text: Vectors | None = None


class _TextVectors(Protocol):
    """The part of :class:`kgrec.text.vectors.TextVectors` that is needed here."""

    @property
    def users(self) -> Vectors: ...

    @property
    def items(self) -> Vectors: ...


def learned_tables(
    workspace: Workspace, config: Config, domain: Domain, vectors: Callable[[], _TextVectors]
) -> LearnedTables:
    """Return likes, what of them is held out, and text vectors where they are of this graph.

    Args:
        workspace: holds the tables, those marked ``test`` among them.
        config: settings; ``feedback``, ``train`` and ``seed`` are read.
        domain: the domain in force.
        vectors: reads the text vectors.
    """
    dataset = Dataset.load(workspace.folder("dataset"))
    likes = liked_pairs(dataset, config.feedback, domain, config.train, config.seed)
    if "text" not in workspace.manifest() or workspace.stale("text"):
        return LearnedTables(likes)
    found = vectors()
    return LearnedTables(likes, found.users, found.items)


def to_pyg(graph: GraphTables, learned: LearnedTables | None = None) -> HeteroData:
    """Return a workspace's graph.

    Nodes are ``user``, ``item`` and ``entity``: users and items in the order of the vocabulary, entities in that of the
    graph. ``key`` holds their ids, ``x`` text vectors where there are any; ``entity`` has ``type``, a position in
    ``type_names``. Each action and each relation is an edge type ``(kind, name, kind)`` with ``edge_index``,
    ``edge_weight`` and, where times are known, ``time`` (unix seconds, -1 unknown). Edges are forward only:
    ``torch_geometric.transforms.ToUndirected`` adds the others.

    With ``learned`` there is the edge type ``(user, likes, item)`` too: what models are trained and judged on. All
    edges between users and items then have ``train_mask``, ``val_mask`` and ``test_mask``; those of actions are held
    out with the like of the same user and item. What files mark as ``test`` is among the likes only.
    """
    import torch
    from torch_geometric.data import HeteroData

    data = HeteroData()
    nodes = graph.nodes.with_columns(
        number=pl.when(pl.col("kind") == "entity").then(pl.int_range(pl.len()).over("kind")).otherwise("index")
    )
    texts = {} if learned is None else {"user": learned.user_text, "item": learned.item_text}
    for kind in KINDS:
        own = nodes.filter(pl.col("kind") == kind).sort("number")
        data[kind].num_nodes, data[kind].key = own.height, own["key"].to_list()
        if (text := texts.get(kind)) is not None:
            data[kind].x = torch.from_numpy(text)
        if kind == "entity":
            types = own["type"].unique().sort()
            data[kind].type_names = types.to_list()
            numbers = own["type"].replace_strict(types, range(len(types)), return_dtype=pl.Int64)
            data[kind].type = torch.from_numpy(numbers.to_numpy().astype(np.int64))
    kinds = nodes["kind"].replace_strict(list(KINDS), [0, 1, 2], return_dtype=pl.Int64).to_numpy()
    # A fact that two sources state is one edge; an interaction that is repeated is several.
    facts = (pl.col("provenance") != "interaction").alias("fact")
    ends = ("head", "relation", "tail")
    stated = graph.edges.filter(facts).group_by(ends, maintain_order=True).agg(pl.col("weight").max())
    events = graph.edges.filter(~facts).select(*ends, "weight", "time")
    for edges in (stated, events):
        columns = {"edge_weight": edges["weight"].to_numpy()}
        if "time" in edges and edges["time"].count():
            columns["time"] = edges["time"].fill_null(-1).to_numpy()
        heads, relations, tails = (edges[name].cast(pl.Int64).to_numpy() for name in ends)
        names = graph.relations["name"].to_list()
        add_edges(data, kinds, nodes["number"].to_numpy(), (heads, relations, tails), names, **columns)
    if learned is not None:
        _add_likes(data, learned.likes)
    return data


def _add_likes(data: HeteroData, likes: pl.DataFrame) -> None:
    """Add the likes, and masks to all edges between users and items."""
    import torch

    n_items = data["item"].num_nodes
    held_out = likes.filter(pl.col("split") == "validation")
    held_pairs = held_out["user"].cast(pl.Int64).to_numpy() * n_items + held_out["item"].cast(pl.Int64).to_numpy()
    for store in data.edge_stores:
        if store._key[0] == "user" and store._key[2] == "item":
            users, items = store.edge_index.numpy()
            in_validation = np.isin(users * n_items + items, held_pairs)
            store.train_mask, store.val_mask = torch.from_numpy(~in_validation), torch.from_numpy(in_validation)
            store.test_mask = torch.zeros(len(users), dtype=torch.bool)
    store = data["user", LIKES, "item"]
    store.edge_index = torch.from_numpy(likes.select("user", "item").cast(pl.Int64).to_numpy().T.copy())
    store.edge_weight = torch.from_numpy(likes["weight"].cast(pl.Float32).to_numpy().copy())
    for name, part in (("train_mask", "train"), ("val_mask", "validation"), ("test_mask", "test")):
        store[name] = torch.from_numpy((likes["split"] == part).to_numpy().copy())


def add_edges(
    data: HeteroData,
    kinds: Ints,
    numbers: Ints,
    edges: tuple[Ints, Ints, Ints],
    names: Sequence[str],
    **columns: NDArray[np.generic],
) -> None:
    """Add an edge type for each relation and pair of kinds that occurs; edges keep their order.

    Args:
        data: where to.
        kinds: position in :data:`KINDS` of each node, shape ``(n,)``.
        numbers: number of each node among those of its kind, shape ``(n,)``.
        edges: heads, relations (positions in ``names``) and tails, shape ``(e,)`` each.
        names: of the relations.
        columns: more of each edge, shape ``(e,)``.
    """
    import torch

    heads, relations, tails = edges
    types = (relations * len(KINDS) + kinds[heads]) * len(KINDS) + kinds[tails]
    order = np.argsort(types, kind="stable")
    found, starts = np.unique(types[order], return_index=True)
    for code, chosen in zip(found.tolist(), np.split(order, starts[1:]), strict=False):  # no edges: one empty part
        relation, pair = divmod(code, len(KINDS) ** 2)
        store = data[KINDS[pair // len(KINDS)], names[relation], KINDS[pair % len(KINDS)]]
        store.edge_index = torch.from_numpy(np.stack([numbers[heads[chosen]], numbers[tails[chosen]]]))
        for name, values in columns.items():
            store[name] = torch.from_numpy(values[chosen])

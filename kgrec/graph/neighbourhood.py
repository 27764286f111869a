"""What lies around a user, an item or an entity: the edges that say most about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.errors import NotFoundError, UserError
from kgrec.graph.tables import GraphTables

_Degrees = NDArray[np.int64]

KINDS = ("user", "item", "entity")


@dataclass(frozen=True)
class Neighbourhood:
    """A node and the edges around it.

    Attributes:
        center: number of the node.
        nodes: ``node`` (number in the graph), ``kind``, ``type``, ``key``, ``label``, ``hop`` (0: the centre) and
            ``degree`` (edges in the whole graph); the centre first.
        edges: ``near`` and ``far`` (node numbers, ``near`` is closer to the centre), ``forward`` (stated from near to
            far), ``relation``, ``label`` (how it reads from near to far), ``hop`` (of ``far``), ``weight``, ``time``,
            ``provenance``, ``source``, ``line``; the most informative first within a hop.
        omitted: by hop, how many edges were left out.
        one_sided: drawn from left to right, not to both sides of the centre.
    """

    center: int
    nodes: pl.DataFrame
    edges: pl.DataFrame
    omitted: Mapping[int, int]
    one_sided: bool = False


def neighbourhood(
    kg: GraphTables, name: str, *, hops: int = 1, limit: int = 40, kind: str | None = None
) -> Neighbourhood:
    """Return the most informative edges around a node.

    An edge tells more the rarer its far end is: edges are ranked by ``weight * ln(1 + n_edges / degree(far))``, and
    later ones of the same relation are put back (divided by the square root of their rank), so that all relations show.

    Args:
        kg: the graph.
        name: key or label of a user, item or entity; ``item:50`` where the kind must be said.
        hops: how far to go.
        limit: edges at most in the first hop, and about twice as many in each further one.
        kind: user, item or entity; only such nodes are looked at.

    Raises:
        NotFoundError: no node of that name; the hint names near ones.
        UserError: several nodes go by that name; the hint lists them.
    """
    center = find_node(kg, name, kind=kind)
    degree = _degrees(kg)
    seen = pl.Series("node", [center], dtype=pl.UInt32)
    parts: list[pl.DataFrame] = []
    omitted: dict[int, int] = {}
    frontier = seen
    for hop in range(1, hops + 1):
        around = _around(kg, frontier, seen, degree)
        budget = limit if hop == 1 else max(2 * limit // max(len(frontier), 1), 2)
        best = around.filter(pl.int_range(pl.len()).over("near") < budget)
        omitted[hop] = around.height - best.height
        parts.append(best.with_columns(hop=pl.lit(hop, pl.UInt8)))
        frontier = best["far"].unique(maintain_order=True)
        seen = pl.concat([seen, frontier.rename("node")])
    edges = pl.concat(parts).drop("score")
    hop_of = edges.group_by("far", maintain_order=True).agg(pl.col("hop").min()).rename({"far": "node"})
    start = pl.DataFrame({"node": [center], "hop": [0]}, schema={"node": pl.UInt32, "hop": pl.UInt8})
    nodes = pl.concat([start, hop_of.select("node", "hop")])
    told = kg.nodes[nodes["node"]].select("kind", "type", "key", "label")
    reached = pl.Series("degree", degree[nodes["node"].to_numpy()])
    return Neighbourhood(center, pl.concat([nodes, told, reached.to_frame()], how="horizontal"), edges, omitted)


def find_node(kg: GraphTables, name: str, *, kind: str | None = None) -> int:
    """Return the number of the node that goes by ``name``: a key, else a label, else an alias (case is ignored).

    Raises:
        NotFoundError: none; the hint names near ones.
        UserError: several.
    """
    prefix, colon, rest = name.partition(":")
    if kind is None and colon and prefix in KINDS:
        kind, name = prefix, rest
    nodes = kg.nodes.with_row_index("node")
    if kind is not None:
        nodes = nodes.filter(pl.col("kind") == kind)
    folded = name.strip().lower()
    looks = (
        pl.col("key") == name,
        pl.col("label") == name,
        pl.col("label").str.to_lowercase() == folded,
        pl.col("aliases").list.eval(pl.element().str.to_lowercase()).list.contains(folded),
        pl.col("key").str.to_lowercase().str.ends_with(f":{folded}"),
    )
    for look in looks:
        found = nodes.filter(look)
        if found.height == 1:
            return int(found["node"][0])
        if found.height > 1:
            raise _ambiguous(name, found)
    known = pl.concat([nodes["label"], nodes["key"]]).drop_nulls().unique(maintain_order=True)
    raise NotFoundError.of(kind or "node", name, known.to_list(), where="the graph")


def _ambiguous(name: str, found: pl.DataFrame) -> UserError:
    shown = found.head(5).select(pl.format("{}:{} ({}, {})", "kind", "key", "label", "type").alias("text"))["text"]
    more = f" and {found.height - 5} more" if found.height > 5 else ""
    return UserError(f"{name!r} names {found.height} nodes", hint=f"say which: {'; '.join(shown.to_list())}{more}")


def _degrees(kg: GraphTables) -> _Degrees:
    ends = np.concatenate([kg.edges["head"].to_numpy(), kg.edges["tail"].to_numpy()])
    return np.bincount(ends, minlength=kg.nodes.height)


def _around(kg: GraphTables, frontier: pl.Series, seen: pl.Series, degree: _Degrees) -> pl.DataFrame:
    """Return the edges from ``frontier`` to nodes not in ``seen``, each pair and relation once, best first."""
    names = kg.relations.select(
        pl.int_range(pl.len()).cast(pl.UInt16).alias("relation"),
        pl.col("name"),
        pl.col("label"),
        pl.coalesce("inverse_label", "label").alias("back"),
    )
    told = ("weight", "time", "provenance", "source", "line")
    sides = []
    for near, far, label, forward in (("head", "tail", "label", True), ("tail", "head", "back", False)):
        edges = kg.edges.filter(pl.col(near).is_in(frontier.implode()) & ~pl.col(far).is_in(seen.implode()))
        edges = edges.join(names, on="relation", how="left", maintain_order="left")
        ends = (pl.col(near).alias("near"), pl.col(far).alias("far"), pl.lit(forward).alias("forward"))
        sides.append(edges.select(*ends, pl.col("name").alias("relation"), pl.col(label).alias("label"), *told))
    both = pl.concat(sides).unique(["near", "far", "relation"], keep="last", maintain_order=True)
    rarity = np.log1p(kg.edges.height / np.maximum(degree[both["far"].to_numpy()], 1))
    # The value of an interaction is a rating or an amount; only within its relation does it rank.
    strongest = pl.col("weight").abs().max().over("relation").replace(0.0, 1.0)
    both = both.with_columns(score=pl.col("weight").fill_nan(0.0).fill_null(0.0) / strongest * pl.Series(rarity))
    both = both.with_columns(rank=pl.col("score").rank("ordinal", descending=True).over("near", "relation"))
    both = both.with_columns(score=pl.col("score") / pl.col("rank").cast(pl.Float64).sqrt()).drop("rank")
    order = ["score", "time", "near", "far"]
    return both.sort(order, descending=[True, True, False, False], nulls_last=True)

"""What lies around a user, an item or an entity: the edges that say most about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.errors import NotFoundError, UserError
from kgrec.graph.tables import KINDS, GraphTables
from kgrec.shown import html_table
from kgrec.types import canonical_id


@dataclass(frozen=True)
class Caption:
    """What a drawing for people says around it, in one language; keys and figures of the graph then stay out.

    Attributes:
        language: its code.
        heading: of the page.
        hint: what the page says before anything is pointed at.
    """

    language: str
    heading: str
    hint: str


@dataclass(frozen=True)
class Neighbourhood:
    """A node and edges around it.

    Attributes:
        center: number of the node.
        nodes: ``node`` (number in the graph), ``kind``, ``type``, ``key``, ``label`` and ``degree`` (edges in the whole
            graph); the centre first.
        edges: ``near`` and ``far`` (node numbers, ``near`` is closer to the centre), ``forward`` (stated from near to
            far), ``relation``, ``label`` (how it reads from near to far), ``weight``, ``time``, ``provenance``,
            ``source``, ``line``; the most informative first.
        omitted: how many edges were left out.
        one_sided: drawn from left to right, not to both sides of the centre.
        caption: of a drawing for people, or None.
    """

    center: int
    nodes: pl.DataFrame
    edges: pl.DataFrame
    omitted: int = 0
    one_sided: bool = False
    caption: Caption | None = None

    def _repr_html_(self) -> str:
        """Return the edges as a table, for notebooks; ``project.graph.draw`` makes a picture."""
        names = dict(self.nodes.select("node", "label").iter_rows())
        edges = self.edges.select("near", "label", "far", "weight").iter_rows()
        rows = ((names[near], label, names[far], f"{weight:g}") for near, label, far, weight in edges)
        left = f", {self.omitted} edges left out" if self.omitted else ""
        return html_table(("from", "relation", "to", "weight"), rows, f"{names[self.center]}{left}")


def neighbourhood(kg: GraphTables, name: str, *, limit: int = 40) -> Neighbourhood:
    """Return the most informative edges around a node.

    An edge tells more the rarer its far end is: edges are ranked by ``weight * ln(1 + n_edges / degree(far))``, and
    later ones of the same relation are put back (divided by the square root of their rank), so that all relations show.

    Args:
        kg: the graph.
        name: key or label of a user, item or entity; ``item:50`` where the kind must be said.
        limit: edges at most.

    Raises:
        NotFoundError: no node of that name; the hint names near ones.
        UserError: several nodes go by that name; the hint lists them.
    """
    center = find_node(kg, name)
    ends = np.concatenate([kg.edges["head"].to_numpy(), kg.edges["tail"].to_numpy()])
    degree = np.bincount(ends, minlength=kg.nodes.height)
    around = _around(kg, center, degree)
    edges = around.head(limit)
    nodes = pl.concat([pl.Series("node", [center], dtype=pl.UInt32), edges["far"].alias("node")])
    nodes = nodes.unique(maintain_order=True)
    told = kg.nodes[nodes].select(nodes, "kind", "type", "key", "label", pl.Series("degree", degree[nodes.to_numpy()]))
    return Neighbourhood(center, told, edges, around.height - edges.height)


def find_node(kg: GraphTables, name: str) -> int:
    """Return the number of the node that goes by ``name``: a key, else a label, else an alias (case is ignored).

    Args:
        kg: the graph.
        name: ``item:50`` looks at items only.

    Raises:
        NotFoundError: none; the hint names near ones.
        UserError: several.
    """
    name = canonical_id(name)
    kind, colon, rest = name.partition(":")
    nodes = kg.nodes.with_row_index("node")
    if colon and kind in KINDS:
        name = rest
        nodes = nodes.filter(pl.col("kind") == kind)
    else:
        kind = "node"
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
    raise NotFoundError.of(kind, name, known.to_list(), where="the graph")


def search(kg: GraphTables, text: str, *, limit: int = 20) -> pl.DataFrame:
    """Return items and entities whose names hold all words of ``text``, case ignored; no users.

    Args:
        kg: the graph.
        text: words.
        limit: rows at most.

    Returns:
        ``kind``, ``type``, ``key``, ``label``: names that begin with the text first, shorter ones before longer ones.
    """
    wanted = " ".join(text.casefold().split())
    name = pl.col("label").str.to_lowercase()
    holds = pl.all_horizontal([name.str.contains(word, literal=True) for word in wanted.split()] or [pl.lit(False)])
    found = kg.nodes.filter((pl.col("kind") != "user") & holds)
    order = [~name.str.starts_with(wanted), pl.col("label").str.len_chars(), pl.col("label")]
    return found.select("kind", "type", "key", "label").sort(order).head(limit)


def _ambiguous(name: str, found: pl.DataFrame) -> UserError:
    shown = found.head(5).select(pl.format("{}:{} ({}, {})", "kind", "key", "label", "type").alias("text"))["text"]
    more = f" and {found.height - 5} more" if found.height > 5 else ""
    return UserError(f"{name!r} names {found.height} nodes", hint=f"say which: {'; '.join(shown.to_list())}{more}")


def _around(kg: GraphTables, center: int, degree: NDArray[np.int64]) -> pl.DataFrame:
    """Return the edges of a node, but for loops, each neighbour and relation once, best first."""
    edges = kg.edges.filter(
        ((pl.col("head") == center) | (pl.col("tail") == center)) & (pl.col("head") != pl.col("tail"))
    )
    seen = kg.both_ways(edges).filter(pl.col("near") == center).drop("read")
    both = seen.unique(["far", "relation"], keep="last", maintain_order=True)
    rarity = np.log1p(kg.edges.height / np.maximum(degree[both["far"].to_numpy()], 1))
    # The value of an interaction is a rating or an amount; only within its relation does it rank.
    strongest = pl.col("weight").abs().max().over("relation").replace(0.0, 1.0)
    both = both.with_columns(score=pl.col("weight").fill_nan(0.0).fill_null(0.0) / strongest * pl.Series(rarity))
    both = both.with_columns(rank=pl.col("score").rank("ordinal", descending=True).over("relation"))
    both = both.with_columns(score=pl.col("score") / pl.col("rank").cast(pl.Float64).sqrt())
    order = ["score", "time", "far"]
    return both.sort(order, descending=[True, True, False], nulls_last=True).drop("rank", "score")

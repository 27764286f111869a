"""The gazetteer of a workspace: which names its items and entities go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from kgrec.graph.linking.names import name_key, name_variants
from kgrec.plugin.protocols import Gazetteer

NEIGHBOURS = 5
"""How many neighbours describe an entity to the encoder."""


@dataclass(frozen=True)
class Vocabulary:
    """Linkable nodes, one row each, and the gazetteer over them.

    Attributes:
        nodes: ``kind``, ``key``, ``type``, ``label``; row ``k`` is entity ``k`` of the gazetteer.
        gazetteer: names of the nodes.
    """

    nodes: pl.DataFrame
    gazetteer: Gazetteer

    @cached_property
    def keys(self) -> list[str]:
        """The normalised form of each name of the gazetteer."""
        return [name_key(name) for name in self.gazetteer.names]

    @cached_property
    def by_name(self) -> dict[str, list[int]]:
        """Normalised name -> rows of ``nodes``."""
        found: dict[str, list[int]] = {}
        for key, entity in zip(self.keys, self.gazetteer.entities, strict=True):
            rows = found.setdefault(key, [])
            if entity not in rows:
                rows.append(entity)
        found.pop("", None)
        return found

    def signatures(self, *, described: bool) -> pl.DataFrame:
        """Return ``name`` (normalised) and ``signature``, a hash of all that decides what the name is linked to.

        Links of a text can only change when the signature of a name in it does.

        Args:
            described: an encoder compares descriptions, so an ambiguous name depends on these too.
        """
        texts = self.gazetteer.descriptions if described else ()
        uses = pl.DataFrame(
            {"name": self.keys, "row": self.gazetteer.entities, "written": self.gazetteer.names},
            schema={"name": pl.String, "row": pl.UInt32, "written": pl.String},
        ).filter(pl.col("name") != "")
        about = self.nodes.select("kind", "key", "type", "label").with_row_index("row")
        about = about.with_columns(text=pl.Series(texts, dtype=pl.String) if texts else pl.lit(""))
        ambiguous = pl.col("row").n_unique().over("name") > 1
        parts = uses.join(about, on="row", maintain_order="left").select(
            "name",
            part=pl.concat_str(
                "kind",
                "key",
                "type",
                "label",
                "written",
                pl.when(ambiguous).then("text").otherwise(pl.lit("")),
                separator="\x1f",
            ),
        )
        grouped = parts.group_by("name").agg(pl.col("part").sort().str.join("\x1e"))
        return grouped.select("name", signature=pl.col("part").hash(0)).sort("name")


def build_vocabulary(nodes: pl.DataFrame, facts: pl.DataFrame, *, described: bool) -> Vocabulary:
    """Return the names by which texts may mention items and entities.

    Entities that only users have (an occupation, a town) are left out, and so are names that are mere ids.

    Args:
        nodes: as :func:`kgrec.graph.entities.describe` returns them.
        facts: the edges so far.
        described: describe the entities by their neighbours, for an encoder.
    """
    ends = [("head", "tail"), ("tail", "head")]
    touched = pl.concat(
        [
            facts.filter((pl.col(f"{end}_kind") == "entity") & (pl.col(f"{other}_kind") != "user")).select(key=end)
            for end, other in ends
        ]
    ).unique()
    linkable = pl.concat(
        [
            nodes.filter(pl.col("kind") == "item"),
            nodes.filter(pl.col("kind") == "entity").join(touched, on="key", how="semi"),
        ]
    ).sort("kind", "key")
    names: list[str] = []
    entities: list[int] = []
    for row, (key, label, aliases) in enumerate(linkable.select("key", "label", "aliases").iter_rows()):
        known = [name for name in (label, *aliases) if name != key]
        variants = dict.fromkeys(variant for name in known for variant in name_variants(name))
        names += variants
        entities += [row] * len(variants)
    descriptions = _descriptions(linkable, nodes, facts) if described else ()
    gazetteer = Gazetteer(
        tuple(names),
        tuple(entities),
        tuple(linkable["type"].to_list()),
        tuple(linkable["label"].to_list()),
        tuple(descriptions),
    )
    return Vocabulary(linkable.select("kind", "key", "type", "label"), gazetteer)


def _descriptions(linkable: pl.DataFrame, nodes: pl.DataFrame, facts: pl.DataFrame) -> Sequence[str]:
    labels = nodes.select(other_kind="kind", other="key", name="label").filter(pl.col("other_kind") != "user")
    both = [
        facts.select(kind=f"{a}_kind", key=a, other_kind=f"{b}_kind", other=b)
        for a, b in (("head", "tail"), ("tail", "head"))
    ]
    near = (
        pl.concat(both)
        .join(labels, on=["other_kind", "other"])
        .unique()
        .sort("kind", "key", "name")
        .group_by("kind", "key", maintain_order=True)
        .agg(pl.col("name").head(NEIGHBOURS))
        .select("kind", "key", near=pl.col("name").list.join(", "))
    )
    described = linkable.join(near, on=["kind", "key"], how="left", maintain_order="left").select(
        text=pl.format("{} ({}). {}", "label", "type", pl.col("near").fill_null(""))
    )
    texts: list[str] = described["text"].to_list()
    return texts

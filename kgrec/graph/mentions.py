"""Edges from item texts: mentions of entities and of other items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kgrec.config import LinkingConfig
from kgrec.data.dataset import Dataset
from kgrec.graph.catalogue import provenance_columns
from kgrec.graph.facts import FACTS, Facts, shape
from kgrec.graph.linking.cache import digest, link_texts
from kgrec.graph.linking.names import name_key, name_variants
from kgrec.graph.linking.vocabulary import Vocabulary
from kgrec.graph.schema import MENTIONS
from kgrec.plugin.manager import PluginManager
from kgrec.plugin.protocols import EntityLinker, TextEncoder


def item_texts(dataset: Dataset) -> pl.DataFrame:
    """Return ``item``, ``text``, ``source``, ``line``: title and description of each item, one text a row."""
    where = provenance_columns(dataset.items, dataset.item_attributes)
    texts = pl.concat(
        [dataset.items.select("item_id", pl.col(c).alias("text"), *where) for c in ("title", "description")]
    )
    return texts.rename({"item_id": "item"}).drop_nulls("text").filter(pl.col("text").str.strip_chars() != "")


@dataclass(frozen=True)
class MentionFinder:
    """Finds mentions with the linker of the workspace.

    Attributes:
        config: which linker, with which options and threshold.
        manager: offers the linkers.
        encoder: settles ambiguous names, or None.
        cache: folder for links of texts that do not change, or None.
    """

    config: LinkingConfig
    manager: PluginManager
    encoder: TextEncoder | None = None
    cache: Path | None = None

    def run(self, dataset: Dataset, vocabulary: Vocabulary, known: pl.DataFrame) -> Facts:
        """Return an edge ``mentions`` for each entity or other item that an item's text names.

        An item does not mention itself, nor an entity that ``known`` connects it with already.

        Args:
            dataset: title and description of its items are searched.
            vocabulary: the names.
            known: facts found otherwise.
        """
        texts = item_texts(dataset)
        distinct = texts["text"].unique(maintain_order=True).to_list()
        spec = self.manager.registry("entity linker")[self.config.linker]
        linker: EntityLinker = spec.build(dict(self.config.options), table="linking.options")
        if distinct and vocabulary.gazetteer.names:
            linker.prepare(vocabulary.gazetteer, self.encoder)
        links, linked = link_texts(distinct, vocabulary, linker, self.encoder, self.cache)
        digests = pl.DataFrame(
            {"written": distinct, "text": map(digest, distinct)}, {"written": pl.String, "text": pl.String}
        )
        sure = links.filter(pl.col("start").is_not_null() & (pl.col("score") >= self.config.threshold))
        found = (
            texts.rename({"text": "written"})
            .join(digests, on="written")
            .join(sure, on="text")
            .with_columns(surface=pl.col("written").str.slice("start", pl.col("end") - pl.col("start")))
        )
        others = _without_own(found, dataset)
        new = others.join(_connected(known), on=["item", "kind", "key"], how="anti")
        best = new.sort("item", "kind", "key", "score", descending=[False, False, False, True]).unique(
            ["item", "kind", "key"], keep="first", maintain_order=True
        )
        facts = best.select(
            head_kind=pl.lit("item"),
            head="item",
            relation=pl.lit(MENTIONS.name),
            tail_kind="kind",
            tail="key",
            weight="score",
            provenance=pl.lit("mention"),
            source="source",
            line="line",
        )
        report: dict[str, Any] = {
            "texts": len(distinct),
            "texts_linked_now": linked,
            "links": sure.height,
            "below_threshold": links.drop_nulls("start").height - sure.height,
            "own_title": found.height - others.height,
            "known_otherwise": others.height - new.height,
            "edges": facts.height,
        }
        return Facts(shape(facts, FACTS), report=report)


def _without_own(found: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Drop mentions of an item in its own text, also where its title is that of another item as well."""
    involved = found.select(item="item").unique()
    titles = dataset.items.select("item_id", "title").drop_nulls()
    owners = titles.join(involved, left_on="item_id", right_on="item", how="semi")
    own = [
        (item, key)
        for item, title in owners.iter_rows()
        for key in {name_key(variant) for variant in name_variants(title)}
    ]
    table = pl.DataFrame(own, schema={"item": pl.String, "name": pl.String}, orient="row")
    keys = found["surface"].unique()
    named = pl.DataFrame(
        {"surface": keys, "name": [name_key(s) for s in keys.to_list()]}, {"surface": pl.String, "name": pl.String}
    )
    others = found.filter((pl.col("kind") != "item") | (pl.col("key") != pl.col("item")))
    return others.join(named, on="surface", how="left").join(table, on=["item", "name"], how="anti")


def _connected(known: pl.DataFrame) -> pl.DataFrame:
    """Return ``item``, ``kind``, ``key``: what each item has an edge with, in either direction."""
    both = [
        known.filter(pl.col(f"{a}_kind") == "item").select(item=a, kind=f"{b}_kind", key=b)
        for a, b in (("head", "tail"), ("tail", "head"))
    ]
    return pl.concat(both).unique()

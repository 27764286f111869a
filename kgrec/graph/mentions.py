"""Edges from item texts: mentions of entities and of other items, and relations that texts state in words.

A pattern of the domain yields an edge only when what it captures names exactly one known entity (of the type the
relation leads to, where there is one of that type). New entities are never made from text: an unknown capture is
more often half a sentence than a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kgrec.config import LinkingConfig
from kgrec.data.dataset import Dataset
from kgrec.errors import PluginError
from kgrec.graph.catalogue import provenance_columns
from kgrec.graph.facts import EDGE_KEY, FACTS, Facts, shape
from kgrec.graph.linking import Vocabulary, digest, link_texts, name_variants
from kgrec.graph.schema import MENTIONS, Schema
from kgrec.plugin.domain import RelationType, TextPattern
from kgrec.plugin.manager import PluginManager
from kgrec.plugin.protocols import EntityLinker, TextEncoder
from kgrec.text.tokens import Tokens, is_unspaced, name_key, tokenize


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


_CAPTURES = {"item": pl.String(), "captured": pl.String(), "source": pl.String(), "line": pl.UInt32()}


def extract_facts(
    dataset: Dataset, patterns: tuple[TextPattern, ...], vocabulary: Vocabulary, schema: Schema, known: pl.DataFrame
) -> Facts:
    """Return the edges that the patterns find in item texts and that ``known`` does not have already.

    Raises:
        PluginError: a pattern is no regular expression, has no group ``entity`` or names an unknown relation.
    """
    texts = item_texts(dataset)
    parts, captured, resolved = [], 0, 0
    for pattern in patterns:
        found = schema.find(pattern.relation)
        if found is None:
            raise PluginError(
                f"text pattern {pattern.pattern!r} states {pattern.relation!r}, which is no relation of the domain"
            )
        captures = _captures(texts, pattern)
        entities = _resolve(captures["captured"].unique(maintain_order=True), vocabulary, found[0], found[1])
        edges = captures.join(entities, on="captured")
        captured += captures.height
        resolved += edges.height
        parts.append(_edges(edges, *found))
    facts = pl.concat(parts) if parts else Facts().facts
    loops = (pl.col("head") == pl.col("tail")) & (pl.col("head_kind") == pl.col("tail_kind"))
    once = facts.filter(~loops).unique(EDGE_KEY, keep="first", maintain_order=True)
    new = once.join(known.select(EDGE_KEY), on=list(EDGE_KEY), how="anti", maintain_order="left")
    return Facts(new, report={"captured": captured, "resolved": resolved, "edges": new.height})


def _captures(texts: pl.DataFrame, pattern: TextPattern) -> pl.DataFrame:
    """Return ``item``, ``captured``, ``source``, ``line`` for each match of a pattern."""
    try:
        compiled = re.compile(pattern.pattern)
    except re.error as error:
        raise PluginError(f"text pattern {pattern.pattern!r} is no regular expression: {error}") from None
    if "entity" not in compiled.groupindex:
        raise PluginError(
            f"text pattern {pattern.pattern!r} has no group named entity", hint="write (?P<entity>...) round the name"
        )
    try:
        matching = texts.filter(pl.col("text").str.contains(pattern.pattern))
    except pl.exceptions.ComputeError:  # look-around and back-references are Python's alone
        matching = texts
    # Only texts that match come here, and only to tell the group from the match.
    found = pl.Series(
        [[m["entity"] for m in compiled.finditer(t)] for t in matching["text"].to_list()], dtype=pl.List(pl.String)
    )
    return shape(matching.with_columns(captured=found).explode("captured").drop_nulls("captured"), _CAPTURES)


def _resolve(captures: pl.Series, vocabulary: Vocabulary, relation: RelationType, swapped: bool) -> pl.DataFrame:
    """Return ``captured``, ``kind``, ``key`` for the captures that name one entity."""
    wanted = relation.head if swapped else relation.tail
    types = vocabulary.gazetteer.types
    rows = []
    for captured in captures.to_list():
        for name in _names(tokenize(captured)):
            candidates = vocabulary.by_name.get(name, [])
            fitting = [e for e in candidates if types[e] == wanted] or (
                [] if wanted in ("item", "user") else [e for e in candidates if types[e] == "entity"]
            )
            if len(fitting) == 1:
                rows.append((captured, fitting[0]))
            if fitting:
                break
    nodes = vocabulary.nodes.select("kind", "key").with_row_index("row")
    schema = {"captured": pl.String, "row": pl.UInt32}
    return pl.DataFrame(rows, schema=schema, orient="row").join(nodes, on="row").drop("row")


def _names(tokens: Tokens) -> Iterator[str]:
    """Yield the names that a capture may be, longest first.

    A pattern knows where a name begins better than where it ends ("starring Tom Hanks As"); in Chinese, where the verb
    follows, it is the other way round ("影片由李安执导").
    """
    length = len(tokens.folded)
    ends_well = length > 0 and all(is_unspaced(token) for token in tokens.folded)
    for size in range(length, 0, -1):
        part = tokens.folded[length - size :] if ends_well else tokens.folded[:size]
        yield "".join(f" {token} " for token in part)


def _edges(found: pl.DataFrame, relation: RelationType, swapped: bool) -> pl.DataFrame:
    here, there = ("tail", "head") if swapped else ("head", "tail")
    edges = found.rename({"item": here, "key": there, "kind": f"{there}_kind"}).with_columns(
        pl.lit("item").alias(f"{here}_kind"),
        relation=pl.lit(relation.name),
        weight=pl.lit(1.0),
        provenance=pl.lit("pattern"),
    )
    return shape(edges, FACTS)

"""Relations that texts state in words: the domain's patterns, resolved against known names.

A pattern yields an edge only when what it captures names exactly one known entity (of the type the relation leads to,
where there is one of that type). New entities are never made from text: a capture that nobody knows is more often half
a sentence than a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from kgrec.data.dataset import Dataset
from kgrec.errors import PluginError
from kgrec.graph.facts import EDGE_KEY, FACTS, Facts, shape
from kgrec.graph.linking.names import Tokens, is_unspaced, tokenize
from kgrec.graph.linking.vocabulary import Vocabulary
from kgrec.graph.mentions import item_texts
from kgrec.graph.schema import Schema
from kgrec.plugin.domain import RelationType, TextPattern

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

"""Builds the knowledge graph: tables, imported graphs and texts become one set of nodes and edges.

The order matters: what tables and graphs state gives the entities and their names, the names are what texts are
searched for, and what is stated already is not mentioned again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.graph.catalogue import catalogue_facts
from kgrec.graph.facts import FACTS, Facts, describe, merge, relation_types_of, rename_entities, same_entities
from kgrec.graph.imports import Importer
from kgrec.graph.link_audit import LinkAuditor
from kgrec.graph.linking import build_vocabulary
from kgrec.graph.mentions import MentionFinder, extract_facts, item_texts
from kgrec.graph.schema import MENTIONS, Schema, build_schema
from kgrec.graph.tables import EDGES, NODES, GraphTables
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.plugin.protocols import TextEncoder
from kgrec.progress import SILENT, Progress


@dataclass(frozen=True)
class GraphBuilder:
    """Builds graphs from datasets; the same input gives the same graph, row by row.

    Attributes:
        domain: relation types and text patterns.
        config: ``data.triples``, ``linking`` and ``graph`` count here.
        manager: offers data sources and entity linkers.
        root: paths of kgrec.toml are relative to it.
        encoder: settles names of several entities by the meaning of the text around them.
        cache: folder for what is costly and depends on its input alone: parsed RDF by content, links by text. It may
            be deleted at any time.
        progress: told of each step.
    """

    domain: Domain
    config: Config
    manager: PluginManager
    root: Path
    encoder: TextEncoder | None = None
    cache: Path | None = None
    progress: Progress = SILENT

    def build(self, dataset: Dataset, previous: GraphTables | None = None) -> GraphTables:
        """Build the knowledge graph of a dataset.

        Given the graph that stands, the edges are those of a full build, for every step is the same: files of RDF that
        were parsed and texts that were linked before come from the cache, and only texts that contain a name which is
        new, or which now means something else, are linked again. Nodes and relations keep their numbers, new ones
        follow; a node that a full build would not have (a value that turned out to be an entity of a new graph that was
        there already) stays without edges.

        Args:
            dataset: users, items, interactions.
            previous: the graph that stands, to be brought up to a dataset and settings to which something was added.

        Raises:
            DataError: a file of triples cannot be used.
            NotFoundError: a file or linker does not exist.
            PluginError: a text pattern of the domain is unusable.
        """
        domain, config = self.domain, self.config
        cache = self.cache / "graph" if self.cache else None
        schema = build_schema(domain, dataset.interactions["action"].unique().cast(pl.String).to_list())
        item_ids, base_iri = dataset.items["item_id"], config.graph.base_iri
        auditor = LinkAuditor(dataset, config.seed)
        known = (item_ids, schema, domain, self.manager, self.root, base_iri)
        importer = Importer(*known, cache, auditor, config.data.links.trust)
        with self.progress.task("build graph", total=5) as task:
            task.note("catalogue")
            catalogue = catalogue_facts(dataset, domain, schema)
            task.advance()
            task.note("triples")
            imported = importer.run(config.data.triples, self.progress)
            imported = merge([imported, Facts(types=relation_types_of(imported.facts, schema))], imported.report)
            renamed = same_entities(catalogue, imported)
            stated = merge([rename_entities(catalogue, renamed), imported])
            nodes = describe(dataset, stated)
            task.advance()
            task.note("texts")
            patterns, mentions = self._from_texts(dataset, schema, nodes, stated.facts, cache)
            task.advance(2)
            task.note("nodes and edges")
            counted = dict(imported.report)
            report = {
                "seed": config.seed,
                "link_audits": counted.pop("audits", []),
                "catalogue": dict(catalogue.report),
                "triples": {**counted, "same_as_catalogue": renamed.height},
                "patterns": dict(patterns.report),
                "mentions": dict(mentions.report),
                "without_item": dataset.interactions["item"].null_count(),
            }
            facts = pl.concat([stated.facts, patterns.facts, mentions.facts])
            graph = assemble(dataset, nodes, facts, schema, previous=previous, renamed=renamed, report=report)
            task.advance()
        return graph

    def _from_texts(
        self, dataset: Dataset, schema: Schema, nodes: pl.DataFrame, known: pl.DataFrame, cache: Path | None
    ) -> tuple[Facts, Facts]:
        """Return the edges from patterns and from mentions."""
        if not self.config.linking.enabled or item_texts(dataset).is_empty():
            return Facts(), Facts()
        vocabulary = build_vocabulary(nodes, known, described=self.encoder is not None)
        patterns = extract_facts(dataset, self.domain.patterns, vocabulary, schema, known)
        schema.add(MENTIONS)
        finder = MentionFinder(self.config.linking, self.manager, self.encoder, cache)
        return patterns, finder.run(dataset, vocabulary, pl.concat([known, patterns.facts]))


def assemble(
    dataset: Dataset,
    nodes: pl.DataFrame,
    facts: pl.DataFrame,
    schema: Schema,
    *,
    previous: GraphTables | None = None,
    renamed: pl.DataFrame | None = None,
    report: Mapping[str, Any] | None = None,
) -> GraphTables:
    """Number the nodes and write the edges.

    Args:
        dataset: the interactions.
        nodes: as :func:`kgrec.graph.facts.describe` returns them; without ``previous`` this is their order.
        facts: all other edges.
        schema: the relations.
        previous: its nodes and relations keep their numbers, new ones follow. A node that nothing names any more stays
            behind without edges.
        renamed: ``key`` of an entity -> ``entity``, its key now: it keeps the number under the new key.
        report: of the build.
    """
    table = _number(nodes, previous, renamed)
    relations = schema.table(previous.relations if previous else None)
    numbers = pl.col("relation").replace_strict(relations["name"], pl.int_range(relations.height, eager=True))
    keys = table.select("kind", "key").with_row_index("node")
    columns = [(numbers if name == "relation" else pl.col(name)).cast(dtype) for name, dtype in EDGES.items()]
    edges = pl.concat([part.select(columns) for part in (_interactions(dataset, table), _facts(facts, keys))])
    return GraphTables(table, relations, edges, report or {})


def _number(nodes: pl.DataFrame, previous: GraphTables | None, renamed: pl.DataFrame | None) -> pl.DataFrame:
    columns = [pl.col(name).cast(dtype) for name, dtype in NODES.items()]
    if previous is None:
        return nodes.select(columns)
    before = previous.nodes.with_row_index("node")
    if renamed is not None and not renamed.is_empty():
        free = renamed.filter(~pl.col("entity").is_in(before.filter(pl.col("kind") == "entity")["key"].implode()))
        free = free.unique("entity", keep="first", maintain_order=True)
        entity = pl.col("kind") == "entity"
        before = before.with_columns(
            pl.when(entity).then(pl.col("key").replace(free["key"], free["entity"])).otherwise("key").alias("key")
        )
    known = nodes.join(before.select("kind", "key", "node"), on=["kind", "key"], how="left", maintain_order="left")
    standing = known.drop_nulls("node")
    left_behind = before.join(standing.select("node"), on="node", how="anti").select(standing.columns)
    new = known.filter(pl.col("node").is_null())
    return pl.concat([pl.concat([standing, left_behind]).sort("node"), new]).select(columns)


def _interactions(dataset: Dataset, nodes: pl.DataFrame) -> pl.DataFrame:
    """Return an edge for each interaction with an item; a search without one has none."""
    ends = nodes.with_row_index("node").filter(pl.col("kind") != "entity").select("kind", "index", "node")
    users = ends.filter(pl.col("kind") == "user").sort("index")["node"]
    items = ends.filter(pl.col("kind") == "item").sort("index")["node"]
    rows = dataset.without_test().interactions.drop_nulls("item")
    return rows.select(
        pl.Series("head", users.gather(rows["user"])),
        pl.col("action").alias("relation"),
        pl.Series("tail", items.gather(rows["item"])),
        pl.col("value").fill_null(1.0).cast(pl.Float32).alias("weight"),
        pl.col("time").cast(pl.Int64),
        pl.lit("interaction", dtype=EDGES["provenance"]).alias("provenance"),
        "source",
        "line",
    )


def _facts(facts: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    numbered = facts
    for end in ("head", "tail"):
        ends = keys.rename({"kind": f"{end}_kind", "key": end, "node": f"{end}_node"})
        numbered = numbered.join(ends, on=[f"{end}_kind", end], how="left", maintain_order="left")
    return numbered.select(
        pl.col("head_node").alias("head"),
        "relation",
        pl.col("tail_node").alias("tail"),
        "weight",
        pl.lit(None, dtype=pl.Int64).alias("time"),
        "provenance",
        pl.col("source").cast(FACTS["source"]),
        "line",
    )

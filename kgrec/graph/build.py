"""Builds the knowledge graph: tables, imported graphs and texts become one set of nodes and edges.

The order matters: what tables and graphs state gives the entities and their names, the names are what texts are
searched for, and what is stated already is not mentioned again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.graph.assemble import assemble
from kgrec.graph.catalogue import catalogue_facts
from kgrec.graph.entities import describe, relation_types_of, rename_entities, same_entities
from kgrec.graph.extract import extract_facts
from kgrec.graph.facts import Facts, merge
from kgrec.graph.imports import Importer
from kgrec.graph.linking.vocabulary import build_vocabulary
from kgrec.graph.mentions import MentionFinder, item_texts
from kgrec.graph.schema import MENTIONS, Schema, build_schema
from kgrec.graph.tables import GraphTables
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.progress import SILENT, Progress

if TYPE_CHECKING:
    from kgrec.plugin.protocols import TextEncoder


def build_graph(
    dataset: Dataset,
    domain: Domain,
    config: Config,
    manager: PluginManager,
    *,
    root: Path,
    seed: int,
    encoder: TextEncoder | None = None,
    progress: Progress = SILENT,
    cache: Path | None = None,
    previous: GraphTables | None = None,
) -> GraphTables:
    """Build the knowledge graph of a dataset; the same input gives the same graph, row by row.

    Args:
        dataset: users, items, interactions.
        domain: relation types and text patterns.
        config: ``data.triples``, ``linking`` and ``graph`` count here.
        manager: offers data sources and entity linkers.
        root: paths of kgrec.toml are relative to it.
        seed: goes into the report; nothing is drawn at random.
        encoder: settles names of several entities by the meaning of the text around them.
        progress: hears of each step.
        cache: folder for what is costly and depends on its input alone: parsed RDF by content, links by text. It may
            be deleted at any time.
        previous: see :func:`append_graph`.

    Raises:
        DataError: a file of triples cannot be used.
        NotFoundError: a file or linker does not exist.
        PluginError: a text pattern of the domain is unusable.
    """
    cache = cache / "graph" if cache else None
    schema = build_schema(domain, dataset.interactions["action"].unique().cast(pl.String).to_list())
    importer = Importer(
        dataset.items["item_id"], schema, domain, manager, root=root, base_iri=config.graph.base_iri, cache=cache
    )
    with progress.task("build graph", total=5) as task:
        task.note("catalogue")
        catalogue = catalogue_facts(dataset, domain, schema)
        task.advance()
        task.note("triples")
        imported = importer.run(config.data.triples, progress)
        imported = merge([imported, Facts(types=relation_types_of(imported.facts, schema))], imported.report)
        renamed = same_entities(catalogue, imported)
        stated = merge([rename_entities(catalogue, renamed), imported])
        nodes = describe(dataset, stated)
        task.advance()
        task.note("texts")
        patterns, mentions = _texts(dataset, domain, config, manager, schema, nodes, stated.facts, encoder, cache)
        task.advance(2)
        task.note("nodes and edges")
        report = {
            "seed": seed,
            "catalogue": dict(catalogue.report),
            "triples": {**imported.report, "same_as_catalogue": renamed.height},
            "patterns": dict(patterns.report),
            "mentions": dict(mentions.report),
            "without_item": dataset.interactions["item"].null_count(),
        }
        facts = pl.concat([stated.facts, patterns.facts, mentions.facts])
        graph = assemble(dataset, nodes, facts, schema, previous=previous, renamed=renamed, report=report)
        task.advance()
    return graph


def append_graph(
    previous: GraphTables,
    dataset: Dataset,
    domain: Domain,
    config: Config,
    manager: PluginManager,
    *,
    root: Path,
    seed: int,
    encoder: TextEncoder | None = None,
    progress: Progress = SILENT,
    cache: Path | None = None,
) -> GraphTables:
    """Bring a graph up to a dataset and a config to which rows, items or files were added.

    The edges are those of a full build, for every step is the same; files of RDF that were parsed and texts that were
    linked before come from ``cache``, and only texts that contain a name which is new, or which now means something
    else, are linked again. Nodes and relations of ``previous`` keep their numbers, new ones follow; a node that a full
    build would not have (a value that turned out to be an entity of a new graph that was there already) stays without
    edges.

    Args:
        previous: the graph that stands.
        dataset: with all that was added.
        domain: the domain.
        config: with the added files.
        manager: the plugins in use.
        root: paths of kgrec.toml are relative to it.
        seed: goes into the report.
        encoder: the one of the full build, or the links of ambiguous names differ.
        progress: hears of each step.
        cache: the folder given to the build of ``previous``; without it everything is parsed and linked again.
    """
    return build_graph(
        dataset,
        domain,
        config,
        manager,
        root=root,
        seed=seed,
        encoder=encoder,
        progress=progress,
        cache=cache,
        previous=previous,
    )


def _texts(
    dataset: Dataset,
    domain: Domain,
    config: Config,
    manager: PluginManager,
    schema: Schema,
    nodes: pl.DataFrame,
    known: pl.DataFrame,
    encoder: TextEncoder | None,
    cache: Path | None,
) -> tuple[Facts, Facts]:
    """Return the edges from patterns and from mentions."""
    if not config.linking.enabled or item_texts(dataset).is_empty():
        return Facts(), Facts()
    vocabulary = build_vocabulary(nodes, known, described=encoder is not None)
    patterns = extract_facts(dataset, domain.patterns, vocabulary, schema, known)
    schema.add(MENTIONS)
    finder = MentionFinder(config.linking, manager, encoder, cache)
    return patterns, finder.run(dataset, vocabulary, pl.concat([known, patterns.facts]))

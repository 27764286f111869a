"""From files to the dataset and the knowledge graph, published together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.data.ingest import IngestResult, ingest
from kgrec.errors import UserError
from kgrec.graph.tables import GraphTables
from kgrec.progress import SILENT, Progress
from kgrec.workers import HERE, Workers

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.data.additions import Addition
    from kgrec.data.dataset import Dataset
    from kgrec.plugin.domain import Domain
    from kgrec.plugin.manager import PluginManager
    from kgrec.plugin.protocols import TextEncoder
    from kgrec.workspace import Workspace


STORED_INTERACTIONS = 500_000
"""More than so many are triples in the RDF store only if somebody asks for it."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build made.

    Attributes:
        dataset: counts of users, items and interactions.
        cleaning: what cleaning did, by file and in all.
        graph: counts of nodes, edges and links.
        seconds: by step.
        added: files that were appended: role and entry of kgrec.toml.
    """

    dataset: Mapping[str, Any]
    cleaning: Mapping[str, Any]
    graph: Mapping[str, Any]
    seconds: Mapping[str, float]
    added: tuple[Addition, ...] = ()


@dataclass(slots=True)
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self.last, 2)
        self.last = now


@dataclass(frozen=True, slots=True)
class GraphStage:
    """What the stages "dataset" and "graph" of a workspace are made with.

    Attributes:
        workspace: where they are published.
        config: the settings in force.
        domain: the domain in force.
        manager: the plugins in use.
        encoder: returns, for the tables, what settles ambiguous names, or None.
        progress: told where it is.
        workers: who reads files.
    """

    workspace: Workspace
    config: Config
    domain: Domain
    manager: PluginManager
    encoder: Callable[[Dataset], TextEncoder | None]
    progress: Progress = SILENT
    workers: Workers = HERE

    def build(self) -> BuildReport:
        """Read all files and build the dataset and the graph."""
        return self._publish(self.config, ())

    def append(self, files: Sequence[Path]) -> BuildReport:
        """Add files to what stands, and to kgrec.toml.

        Raises:
            UserError: nothing stands yet.
        """
        from kgrec.data.additions import resolve_append

        if "graph" not in self.workspace.manifest():
            raise UserError("there is nothing to append to yet", hint="run `kgrec build-graph` without --append first")
        added = resolve_append(files, self.config, self.domain, self.manager, self.workspace.root)
        return self._publish(self.config.with_files(added), added, appending=True)

    def renew(self, standing: IngestResult) -> BuildReport:
        """Build dataset and graph from files that were read before, such as those less a user."""
        return self._publish(self.config, (), standing)

    def _publish(
        self,
        config: Config,
        added: Sequence[Addition],
        standing: IngestResult | None = None,
        *,
        appending: bool = False,
    ) -> BuildReport:
        from kgrec.data.additions import finish_append, pending_files
        from kgrec.graph.build import GraphBuilder

        workspace, domain, manager, progress = self.workspace, self.domain, self.manager, self.progress
        clock = _Clock()
        with workspace.locked(), workspace.publish("dataset", "graph", seed=config.seed) as (tables, graph):
            if appending:
                standing = IngestResult.load(workspace.folder("dataset"))
            result = ingest(
                config, domain, manager, workspace.root, progress=progress, previous=standing, workers=self.workers
            )
            result.save(tables.folder)
            dataset, counts = result.dataset, _counts(result)
            standing = None
            del result  # the files' rows, which the graph has no need of, are half of the memory
            tables.facts.update(counts)
            clock.lap("tables")
            tables.ended = graph.started = clock.last
            encoder = self.encoder(dataset)
            builder = GraphBuilder(domain, config, manager, workspace.root, encoder, workspace.cache, progress)
            old = workspace.folder("graph") if appending else None
            before = GraphTables.load(old) if old else None
            after = builder.build(dataset, before)
            after.save(graph.folder)
            clock.lap("graph")
            if config.graph.store:
                self._write_store(graph.folder / "store", after, config, old, before)
                clock.lap("store")
            report = _report(dataset, counts, after, clock, added)
            graph.facts.update(report.graph)
            if added:  # a later full build must know of the files too
                tables.pending.update(pending_files(added))
        if added:
            finish_append(workspace)
        return report

    def _write_store(
        self, folder: Path, graph: GraphTables, config: Config, old: Path | None, before: GraphTables | None
    ) -> None:
        from kgrec.graph.rdf import RdfOptions
        from kgrec.graph.store import update_store, write_store

        interactions = config.graph.store_interactions
        if interactions is None:
            interactions = int((graph.edges["provenance"] == "interaction").sum()) <= STORED_INTERACTIONS
        options = RdfOptions(config.graph.base_iri, interactions)
        if old is None or before is None or not (old / "store").is_dir():
            write_store(graph, folder, options, progress=self.progress)
        else:
            update_store(old / "store", folder, before, graph, options, progress=self.progress)


def _counts(result: IngestResult) -> dict[str, Any]:
    dataset = result.dataset
    return {
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": dataset.interactions.height,
        "rejected": dataset.rejects.height,
        "files": len(result.parts),
    }


def _report(
    dataset: Dataset, read: dict[str, Any], graph: GraphTables, clock: _Clock, added: Sequence[Addition]
) -> BuildReport:
    relations = graph.edges["relation"].n_unique()  # a domain declares more than the data uses
    counts = {"nodes": graph.nodes.height, "edges": graph.edges.height, "relations": relations, **graph.report}
    return BuildReport(read, dataset.report, counts, clock.seconds, tuple(added))

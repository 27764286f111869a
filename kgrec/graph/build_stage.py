"""From files to the dataset and the knowledge graph, published together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.data.ingest import IngestResult, ingest
from kgrec.errors import UserError
from kgrec.graph.tables import GraphTables
from kgrec.progress import SILENT, Progress

if TYPE_CHECKING:
    from kgrec.config import Config
    from kgrec.data.additions import Addition
    from kgrec.data.dataset import Dataset
    from kgrec.plugin.domain import Domain
    from kgrec.plugin.manager import PluginManager
    from kgrec.plugin.protocols import TextEncoder
    from kgrec.workspace import StageWriter, Workspace


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
    """

    workspace: Workspace
    config: Config
    domain: Domain
    manager: PluginManager
    encoder: Callable[[Dataset], TextEncoder | None]
    progress: Progress = SILENT

    def build(self) -> BuildReport:
        """Read all files and build the dataset and the graph."""
        from kgrec.graph.build import build_graph

        workspace, config = self.workspace, self.config
        clock = _Clock()
        with workspace.locked(), workspace.publish("dataset", "graph", seed=config.seed) as (tables, graph):
            result = ingest(config, self.domain, self.manager, workspace.root, progress=self.progress)
            _save_tables(result, tables)
            clock.lap("tables")
            tables.ended = graph.started = clock.last
            built = build_graph(
                result.dataset,
                self.domain,
                config,
                self.manager,
                root=workspace.root,
                seed=config.seed,
                encoder=self.encoder(result.dataset),
                cache=workspace.cache,
                progress=self.progress,
            )
            built.save(graph.folder)
            clock.lap("graph")
            if config.graph.store:
                self._write_store(built, graph.folder)
                clock.lap("store")
            report = _report(result, built, clock)
            graph.facts.update(report.graph)
        return report

    def append(self, files: Sequence[Path]) -> BuildReport:
        """Add files to what stands, and to kgrec.toml.

        Raises:
            UserError: nothing stands yet.
        """
        from kgrec.data.additions import add_to_config, resolve_append
        from kgrec.graph.build import append_graph
        from kgrec.graph.store import update_store

        workspace = self.workspace
        if "graph" not in workspace.manifest():
            raise UserError("there is nothing to append to yet", hint="run `kgrec build-graph` without --append first")
        clock = _Clock()
        additions = resolve_append(files, self.config, self.domain, self.manager, workspace.root)
        config = self.config.with_files(additions)
        with workspace.locked(), workspace.publish("dataset", "graph", seed=config.seed) as (tables, graph):
            standing = IngestResult.load(workspace.folder("dataset"))
            old = workspace.folder("graph")
            result = ingest(
                config, self.domain, self.manager, workspace.root, progress=self.progress, previous=standing
            )
            _save_tables(result, tables)
            clock.lap("tables")
            tables.ended = graph.started = clock.last
            before = GraphTables.load(old)
            after = append_graph(
                before,
                result.dataset,
                self.domain,
                config,
                self.manager,
                root=workspace.root,
                seed=config.seed,
                encoder=self.encoder(result.dataset),
                cache=workspace.cache,
                progress=self.progress,
            )
            after.save(graph.folder)
            clock.lap("graph")
            if config.graph.store and (old / "store").is_dir():
                update_store(
                    old / "store",
                    graph.folder / "store",
                    before,
                    after,
                    base_iri=config.graph.base_iri,
                    interactions=config.graph.store_interactions,
                    progress=self.progress,
                )
            elif config.graph.store:
                self._write_store(after, graph.folder)
            clock.lap("store")
            report = replace(_report(result, after, clock), added=tuple(additions))
            graph.facts.update(report.graph)
            # A later full build must know of the files too; recorded last, when nothing else can fail.
            add_to_config(workspace.config_file, additions)
        return report

    def _write_store(self, graph: GraphTables, folder: Path) -> None:
        from kgrec.graph.store import write_store

        settings = self.config.graph
        write_store(
            graph,
            folder / "store",
            base_iri=settings.base_iri,
            interactions=settings.store_interactions,
            progress=self.progress,
        )


def _save_tables(result: IngestResult, writer: StageWriter) -> None:
    result.save(writer.folder)
    writer.facts.update(_counts(result))


def _counts(result: IngestResult) -> dict[str, Any]:
    dataset = result.dataset
    return {
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": dataset.interactions.height,
        "rejected": dataset.rejects.height,
        "files": len(result.parts),
    }


def _report(result: IngestResult, graph: GraphTables, clock: _Clock) -> BuildReport:
    relations = graph.edges["relation"].n_unique()  # a domain declares more than the data uses
    counts = {"nodes": graph.nodes.height, "edges": graph.edges.height, "relations": relations}
    return BuildReport(_counts(result), result.dataset.report, {**counts, **graph.report}, clock.seconds)

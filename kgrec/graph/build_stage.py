"""From files to the dataset and the knowledge graph, published together."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.data.ingest import IngestResult, ingest
from kgrec.errors import UserError
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.progress import Progress
from kgrec.ranking.text_inputs import linking_encoder
from kgrec.settings import FILE_NAME
from kgrec.workspace import StageWriter

if TYPE_CHECKING:
    from kgrec.config import Config, FileConfig
    from kgrec.project import Project


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build made.

    Attributes:
        dataset: counts of users, items and interactions.
        cleaning: what cleaning did, by file and in all.
        graph: counts of nodes, edges and links.
        seconds: by step.
    """

    dataset: Mapping[str, Any]
    cleaning: Mapping[str, Any]
    graph: Mapping[str, Any]
    seconds: Mapping[str, float]


@dataclass(slots=True)
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self.last, 2)
        self.last = now


def build_graph(project: Project, append: Sequence[Path], progress: Progress) -> BuildReport:
    """Build the dataset and the graph; see :meth:`kgrec.project.Project.build_graph`.

    Raises:
        UserError: files to append, but nothing stands yet.
    """
    if append:
        return _append(project, append, progress)
    workspace, config = project.workspace, project.config
    clock = _Clock()
    with workspace.locked(), workspace.publish("dataset", "graph", seed=config.seed) as (tables, graph):
        result = ingest(config, project.domain, project.manager, workspace.root, progress=progress)
        _save_tables(result, tables)
        clock.lap("tables")
        tables.ended = graph.started = clock.last
        from kgrec.graph.build import build_graph as build

        built = build(
            result.dataset,
            project.domain,
            config,
            project.manager,
            root=workspace.root,
            seed=config.seed,
            encoder=linking_encoder(project, result.dataset, progress),
            cache=workspace.cache,
            progress=progress,
        )
        built.save(graph.folder)
        clock.lap("graph")
        if config.graph.store:
            _write_store(built, graph.folder, config, progress)
            clock.lap("store")
        report = _report(result, built, clock)
        graph.facts.update(report.graph)
    project.forget()
    return report


def _append(project: Project, files: Sequence[Path], progress: Progress) -> BuildReport:
    from kgrec.data.additions import add_to_config, resolve_append
    from kgrec.graph.build import append_graph
    from kgrec.graph.store import update_store

    workspace, config = project.workspace, project.config
    if "graph" not in workspace.manifest():
        raise UserError("there is nothing to append to yet", hint="run `kgrec build-graph` without --append first")
    clock = _Clock()
    entries = resolve_append(files, config, project.domain, project.manager, workspace.root)
    extended = _extend(config, entries)
    with workspace.locked(), workspace.publish("dataset", "graph", seed=config.seed) as (tables, graph):
        standing = IngestResult.load(workspace.folder("dataset"))
        old = workspace.folder("graph")
        result = ingest(extended, project.domain, project.manager, workspace.root, progress=progress, previous=standing)
        _save_tables(result, tables)
        clock.lap("tables")
        tables.ended = graph.started = clock.last
        before = KnowledgeGraph.load(old)
        after = append_graph(
            before,
            result.dataset,
            project.domain,
            extended,
            project.manager,
            root=workspace.root,
            seed=config.seed,
            encoder=linking_encoder(project, result.dataset, progress),
            cache=workspace.cache,
            progress=progress,
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
                progress=progress,
            )
        elif config.graph.store:
            _write_store(after, graph.folder, config, progress)
        clock.lap("store")
        report = _report(result, after, clock)
        graph.facts.update(report.graph)
        # A later full build must know of the files too; recorded last, when nothing else can fail.
        add_to_config(workspace.config_file, entries)
    # So must the next build of this very project, whose settings were read before.
    origins = {**project.settings.origins, **{f"data.{role}": FILE_NAME for role, _ in entries}}
    project.settings = replace(project.settings, config=extended, origins=origins)
    project.forget()
    return report


def _write_store(graph: KnowledgeGraph, folder: Path, config: Config, progress: Progress) -> None:
    from kgrec.graph.store import write_store

    settings = config.graph
    write_store(
        graph,
        folder / "store",
        base_iri=settings.base_iri,
        interactions=settings.store_interactions,
        progress=progress,
    )


def _extend(config: Config, entries: Sequence[tuple[str, FileConfig]]) -> Config:
    added = {role: [*getattr(config.data, role), *(e for r, e in entries if r == role)] for role, _ in entries}
    return config.model_copy(update={"data": config.data.model_copy(update=added)})


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


def _report(result: IngestResult, graph: KnowledgeGraph, clock: _Clock) -> BuildReport:
    relations = graph.edges["relation"].n_unique()  # a domain declares more than the data uses
    counts = {"nodes": graph.nodes.height, "edges": graph.edges.height, "relations": relations}
    return BuildReport(_counts(result), result.dataset.report, {**counts, **graph.report}, clock.seconds)

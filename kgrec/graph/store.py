"""The RDF store of a workspace: an Oxigraph database on disk, written in bulk, or brought up to date by a difference.

A store says of itself with which options it was written (see :func:`kgrec.graph.rdf.header_lines`), so that readers
need only its folder.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from kgrec.errors import CorruptArtifactError, StorageError
from kgrec.graph.rdf import (
    STATEMENT,
    LineStream,
    RdfOptions,
    header_lines,
    lines,
    node_iris,
    node_lines,
    provenance_iri,
    relation_iris,
    statement_lines,
    statements,
)
from kgrec.graph.tables import GraphTables
from kgrec.graph.vocabulary import NAMESPACE, VOID
from kgrec.progress import SILENT, Progress
from kgrec.workspace import storage_errors

if TYPE_CHECKING:
    import pyoxigraph as ox

REWRITE_SHARE = 0.3
"""From this share of changed rows on, a full write is faster than a difference."""

_DELETE_LINES = 20_000


def write_store(kg: GraphTables, folder: Path, options: RdfOptions, *, progress: Progress = SILENT) -> None:
    """Write ``kg`` as a new store in ``folder``, which must not exist or be empty.

    Raises:
        StorageError: the disk is full or read-only.
    """
    import pyoxigraph as ox

    with _writing(folder), progress.task("writing the RDF store"):
        folder.mkdir(parents=True, exist_ok=True)
        store = ox.Store(str(folder))
        _load(store, lines(kg, options))
        store.flush()


def update_store(
    old_folder: Path,
    folder: Path,
    old: GraphTables,
    new: GraphTables,
    options: RdfOptions,
    *,
    progress: Progress = SILENT,
) -> bool:
    """Write the store of ``new`` from the store of ``old`` by what changed; the result equals a full write.

    The files of the old store are linked, not copied (the database never changes a file once written), and the old
    store stays as it is. Where most of the graph changed, or the old store was written otherwise or holds times and
    weights of edges, everything is written.

    Returns:
        True when the difference was applied, False when everything was written.

    Raises:
        StorageError: the disk is full or read-only.
    """
    import pyoxigraph as ox

    change = _difference(old, new, options)
    rows = new.edges.height + new.nodes.height
    alike = old_folder.is_dir() and store_options(old_folder) == options and not options.details
    if not alike or change.rows > REWRITE_SHARE * rows:
        write_store(new, folder, options, progress=progress)
        return False
    with _writing(folder), progress.task("updating the RDF store"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            folder.rmdir()
        ox.Store.read_only(str(old_folder)).backup(str(folder))
        store = ox.Store(str(folder))
        for graph, line in change.removed():
            _delete(store, graph, line)
        _load(store, change.added())
        store.flush()
    return True


def open_store(folder: Path) -> ox.Store:
    """Open a store for reading.

    Raises:
        CorruptArtifactError: the store is missing or damaged.
    """
    import pyoxigraph as ox

    if not folder.is_dir():
        raise CorruptArtifactError(
            f"{folder} is missing", hint="run `kgrec build-graph --set graph.store=true` to write the RDF store"
        )
    try:
        return ox.Store.read_only(str(folder))
    except (OSError, RuntimeError) as error:  # the database reports damage as either
        raise CorruptArtifactError(
            f"the RDF store {folder} cannot be read: {error}", hint="run `kgrec build-graph` again"
        ) from None


def store_options(folder: Path) -> RdfOptions:
    """Return the options with which a store was written.

    Raises:
        CorruptArtifactError: it is no store of kgrec's.
    """
    store = open_store(folder)
    told = list(
        store.query(  # type: ignore[arg-type]  # a SELECT gives solutions
            f"SELECT ?base ?interactions ?details WHERE {{ ?graph <{VOID}uriSpace> ?base ;"
            f" <{NAMESPACE}interactions> ?interactions ; <{NAMESPACE}details> ?details }}"
        )
    )
    if len(told) != 1:
        raise CorruptArtifactError(f"{folder} is no store of kgrec's", hint="run `kgrec build-graph` again")
    base, interactions, details = (term.value for term in told[0])
    return RdfOptions(base, interactions == "true", details == "true")


@dataclass(frozen=True)
class _Change:
    """What differs, as lines: triples to remove, each block with its graph (None: the default one), and quads to add.

    They are added after the removal: what a node keeps while it changes is in both.
    """

    rows: int  # nodes and edges that changed
    removed: Callable[[], Iterator[tuple[str | None, pl.Series]]]
    added: Callable[[], Iterator[pl.Series]]


def _difference(old: GraphTables, new: GraphTables, options: RdfOptions) -> _Change:
    keys, old_nodes = _merge(new.nodes.select("kind", "key"), old.nodes.select("kind", "key"))
    names, old_relations = _merge(new.relations.select("name"), old.relations.select("name"))
    base = options.base_iri
    nodes, relations = node_iris(keys, base), relation_iris(names["name"], base)
    old_edges = old.edges.with_columns(
        head=old_nodes.gather(old.edges["head"]),
        tail=old_nodes.gather(old.edges["tail"]),
        relation=old_relations.gather(old.edges["relation"]),
    )
    new_edges = new.edges.with_columns(pl.col("head", "relation", "tail").cast(pl.UInt32))
    told = ["kind", "type", "key", "label", "_aliases"]
    described = [kg.nodes.with_columns(_aliases=pl.col("aliases").list.join("\x1f")) for kg in (old, new)]
    gone_headers, headers = _both_ways(["line"], *(header_lines(kg, options).to_frame() for kg in (old, new)))
    gone_nodes, new_nodes = _both_ways(told, *described)
    gone, stated = _both_ways(list(STATEMENT), *(statements(edges, options) for edges in (old_edges, new_edges)))

    def removed() -> Iterator[tuple[str | None, pl.Series]]:
        for line in (gone_headers["line"], *node_lines(gone_nodes, base)):
            yield None, line
        for (provenance,), rows in gone.group_by("provenance"):
            for line in statement_lines(rows, nodes, relations, base, graphs=False):
                yield provenance_iri(str(provenance), base), line

    def added() -> Iterator[pl.Series]:
        yield headers["line"]
        yield from node_lines(new_nodes, base)
        yield from statement_lines(stated, nodes, relations, base)

    return _Change(sum(frame.height for frame in (gone_nodes, new_nodes, gone, stated)), removed, added)


def _merge(new: pl.DataFrame, old: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Return the rows of ``new`` and then those only in ``old``, and the number of each row of ``old`` there."""
    keys = new.columns
    both = pl.concat([new, old.join(new, on=keys, how="anti")])
    numbered = both.with_row_index("number").unique(subset=keys, keep="first")
    return both, old.join(numbered, on=keys, how="left", maintain_order="left")["number"]


def _both_ways(keys: list[str], old: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    return (
        old.join(new, on=keys, how="anti", nulls_equal=True),
        new.join(old, on=keys, how="anti", nulls_equal=True),
    )


def _load(store: ox.Store, blocks: Iterator[pl.Series]) -> None:
    import pyoxigraph as ox

    # Lenient: the lines are made here, every IRI is encoded, and checking them again takes a third of the time.
    store.bulk_load(io.BufferedReader(LineStream(blocks), 1 << 20), ox.RdfFormat.N_QUADS, lenient=True)


def _delete(store: ox.Store, graph: str | None, line: pl.Series) -> None:
    for rows in line.to_frame("line").iter_slices(_DELETE_LINES):
        text = "\n".join(rows["line"].to_list())
        store.update(f"DELETE DATA {{ GRAPH {graph} {{ {text} }} }}" if graph else f"DELETE DATA {{ {text} }}")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        with storage_errors(folder):
            yield
    except OSError as error:
        # What the database reports has a text but often no error number.
        if "no space left" in str(error).lower():
            raise StorageError(
                f"no space left for {folder}", hint="free some space and run the command again; nothing was lost"
            ) from error
        raise

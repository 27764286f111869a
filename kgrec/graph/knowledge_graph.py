"""The knowledge graph of a workspace, as ``project.graph`` hands it out: its tables, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.errors import WorkspaceError
from kgrec.graph.tables import GraphTables

if TYPE_CHECKING:
    import networkx as nx
    import polars as pl
    from torch_geometric.data import HeteroData

    from kgrec.graph.neighbourhood import Neighbourhood
    from kgrec.graph.pyg import LearnedTables
    from kgrec.graph.query import QueryResult
    from kgrec.graph.validate import ShapeViolation


class KnowledgeGraph(GraphTables):
    """The graph in a folder. Its tables are read when one of them is first asked for; :meth:`query` needs none.

    Args:
        folder: of the stage "graph".
        base_iri: start of the IRIs of nodes that have none of their own.
        learned: returns what :meth:`to_pyg` adds to the graph, or None.
    """

    def __init__(self, folder: Path, base_iri: str, learned: Callable[[], LearnedTables] | None = None) -> None:
        self.folder = folder
        self.base_iri = base_iri
        self._learned = learned

    def __getattr__(self, name: str) -> Any:
        # Called for what is not there yet: all tables are read at once, so that they are of one build.
        if name not in ("nodes", "relations", "edges", "report"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        self.__dict__.update(vars(GraphTables.load(self.folder)))
        return self.__dict__[name]

    def to_pyg(self) -> HeteroData:
        """Return it as tensors of torch_geometric, with features, likes and masks; see :func:`kgrec.graph.pyg.to_pyg`.

        Needs no training; text vectors (``x``) are there after it.
        """
        from kgrec.graph.pyg import to_pyg

        return to_pyg(self, None if self._learned is None else self._learned())

    def query(self, sparql: str, *, timeout: float = 10.0, limit: int | None = None) -> QueryResult:
        """Run a SPARQL query on the RDF store; see :func:`kgrec.graph.query.run_query`.

        Args:
            sparql: SELECT, ASK, CONSTRUCT or DESCRIBE.
            timeout: seconds it may take.
            limit: rows at most; None for all.

        Raises:
            WorkspaceError: the workspace was built without a store.
        """
        from kgrec.graph.query import run_query

        store = self.folder / "store"
        if not store.is_dir():
            raise WorkspaceError(
                "the graph was built without an RDF store", hint="set graph.store = true and build again"
            )
        return run_query(store, sparql, timeout_s=timeout, limit=limit)

    def export(self, path: str | Path, form: str | None = None) -> Path:
        """Write the graph as Turtle, N-Triples, JSON-LD, GraphML or node-link JSON; by the suffix, or ``form``."""
        from kgrec.graph.export import export_graph

        export_graph(self, Path(path), form, base_iri=self.base_iri)
        return Path(path)

    def to_networkx(self) -> nx.MultiDiGraph:
        """Return the graph for networkx, nodes named like ``item:50``; see :func:`kgrec.graph.export.to_networkx`."""
        from kgrec.graph.export import to_networkx

        return to_networkx(self)

    def validate(self, shapes: str | Path | None = None) -> list[ShapeViolation]:
        """Check the graph against kgrec's SHACL shapes, and against those in the file ``shapes``."""
        from kgrec.graph.validate import validate

        return validate(self, shapes=Path(shapes) if shapes else None, base_iri=self.base_iri)

    def neighbourhood(self, name: str, *, limit: int = 40) -> Neighbourhood:
        """Return the most informative edges around a user, item or entity, given by key or label."""
        from kgrec.graph.neighbourhood import neighbourhood

        return neighbourhood(self, name, limit=limit)

    def search(self, text: str, *, limit: int = 20) -> pl.DataFrame:
        """Return items and entities by words of their names; see :func:`kgrec.graph.neighbourhood.search`."""
        from kgrec.graph.neighbourhood import search

        return search(self, text, limit=limit)

    def draw(self, name: str, out: str | Path, *, limit: int = 40) -> Path:
        """Draw :meth:`neighbourhood` as .svg or .html."""
        from kgrec.graph.drawing import draw

        draw(self.neighbourhood(name, limit=limit), Path(out))
        return Path(out)

"""The part of a project that asks the knowledge graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from kgrec.api.project import Project
    from kgrec.graph.neighbourhood import Neighbourhood
    from kgrec.graph.query import QueryResult
    from kgrec.graph.validate import Violation


class GraphQuestions:
    """Methods of :class:`kgrec.api.Project`."""

    @property
    def _own(self) -> Project:
        return cast("Project", self)

    def graph_stats(self) -> dict[str, Any]:
        """Count nodes and edges by kind, type, relation and provenance."""
        from kgrec.graph.stats import stats

        return stats(self._own.graph)

    def query(self, sparql: str, *, timeout: float = 10.0, limit: int | None = None) -> QueryResult:
        """Run a SPARQL query on the workspace's RDF store, for at most ``timeout`` seconds."""
        from kgrec.api.describing import query

        return query(self._own, sparql, timeout, limit)

    def export(self, path: str | Path, form: str | None = None) -> Path:
        """Write the graph as Turtle, N-Triples, JSON-LD, GraphML or node-link JSON; by the suffix, or ``form``."""
        from kgrec.graph.export import export_graph

        export_graph(self._own.graph, Path(path), form, base_iri=self._own.config.graph.base_iri)
        return Path(path)

    def validate(self, shapes: str | Path | None = None) -> list[Violation]:
        """Check the graph against the SHACL shapes, and against those in the file ``shapes``."""
        from kgrec.graph.validate import validate

        own = self._own
        return validate(own.graph, shapes=Path(shapes) if shapes else None, base_iri=own.config.graph.base_iri)

    def neighbourhood(self, name: str, *, limit: int = 40) -> Neighbourhood:
        """Return the most informative edges around a user, item or entity, given by key or label."""
        from kgrec.graph.neighbourhood import neighbourhood

        return neighbourhood(self._own.graph, name, limit=limit)

    def draw(self, name: str, out: str | Path, *, limit: int = 40) -> Path:
        """Draw :meth:`neighbourhood` as .svg or .html."""
        from kgrec.graph.drawing import draw

        draw(self.neighbourhood(name, limit=limit), Path(out))
        return Path(out)

"""``kgrec video coverage``: which relations of a foreign graph the video domain knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgrec.errors import DataError, NotFoundError
from kgrec.plugin import workspace_command
from kgrec.plugin.manager import PluginManager
from kgrec.plugin.protocols import CommandRun

RELATION_COLUMNS = ("relation", "relation_id", "predicate")


@workspace_command
def coverage(
    run: CommandRun,
    file: Annotated[Path, typer.Argument(help="A graph: RDF, or a table with a relation column.")],
    column: Annotated[str, typer.Option(help="The table's relation column; by default guessed.")] = "",
) -> None:
    """List the relations of a graph and what the video domain takes them for.

    No workspace is needed: the graph may be looked at before one is made.
    """
    rows = known_relations(relation_counts(file, run.manager, column))

    def show() -> None:
        width = max(len(name) for name, *_ in rows)
        for name, count, meaning in rows:
            print(f"{name:<{width}}  {count:>9,}  {meaning or '(kept under its own name)'}")

    run.data([{"relation": name, "triples": count, "meaning": meaning} for name, count, meaning in rows], show)
    total = sum(count for _, count, _ in rows)
    known = sum(count for _, count, meaning in rows if meaning)
    run.say(f"{known:,} of {total:,} triples have a relation that the domain knows")


def relation_counts(file: Path, manager: PluginManager, column: str = "") -> dict[str, int]:
    """Count the triples of each relation, most frequent first.

    Args:
        file: the graph.
        manager: knows the readers of tables.
        column: the table's relation column; empty: guessed.

    Raises:
        NotFoundError: no such file, or the table has no such column.
        DataError: nothing reads the file, or it holds no triples.
    """
    if not file.is_file():
        raise NotFoundError(f"no such file: {file}")
    sources = sorted((spec for _, spec in manager.registry("data source").items()), key=lambda s: s.rank)
    source = next((s for s in (spec.build() for spec in sources) if s.claims(file)), None)
    if source is None:
        return _count_rdf(file)
    table = source.read(file)
    name = column or next((c for c in RELATION_COLUMNS if c in table.columns), "")
    if name not in table.columns:
        raise NotFoundError.of("column", name or "relation", table.columns, where=str(file))
    counts = table[name].value_counts(sort=True)
    if counts.is_empty():
        raise DataError(f"{file} holds no triples")
    return dict(zip(counts[name].to_list(), counts["count"].to_list(), strict=True))


def known_relations(counts: dict[str, int]) -> list[tuple[str, int, str]]:
    """Return name, count and meaning of each relation: ``directed_by``, ``directed_by (turned round)`` or nothing."""
    from kgrec.plugin import read_domain

    meanings: dict[str, str] = {}
    for relation in read_domain(__package__).relation_types:
        meanings.update(dict.fromkeys((relation.name, *relation.aliases), relation.name))
        turned = (relation.inverse, *relation.inverse_aliases)
        meanings.update(dict.fromkeys(turned, f"{relation.name} (turned round)"))
    return [(name, count, meanings.get(name, "")) for name, count in counts.items()]


def _count_rdf(file: Path) -> dict[str, int]:
    from collections import Counter

    import rdflib
    from rdflib.util import guess_format

    syntax = guess_format(file.name)
    if syntax is None:
        raise DataError(f"{file}: neither a table nor an RDF syntax that is known by the file's name")
    try:
        graph = rdflib.Graph().parse(file, format=syntax)
    except Exception as error:  # every parser of rdflib raises errors of its own
        raise DataError(f"{file} is not {syntax}: {error}") from None
    nodes_only = {rdflib.RDF.type, rdflib.RDFS.label}  # they tell type and name of a node, and make no edges
    counts = Counter(str(predicate) for predicate in graph.predicates(unique=False) if predicate not in nodes_only)
    if not counts:
        raise DataError(f"{file} holds no triples")
    return dict(counts.most_common())

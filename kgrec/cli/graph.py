"""``kgrec graph``: look into the knowledge graph, query it, check it, take it elsewhere."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrec.cli.run import Run, command
from kgrec.cli.screen import cell, duration, show_facts, show_records, size
from kgrec.errors import DataError, UsageError, UserError, did_you_mean

if TYPE_CHECKING:
    from kgrec.graph.query import QueryResult

SUFFIXES = {".ttl": "turtle", ".nt": "ntriples", ".jsonld": "jsonld", ".graphml": "graphml", ".json": "node-link"}
SYNTAXES = tuple(SUFFIXES.values())


def app() -> typer.Typer:
    """Make the group of commands."""
    group = typer.Typer(invoke_without_command=True)
    group.callback()(command(_top))
    for function in (stats, query, export, validate, show):
        group.command()(command(function))
    return group


def _top(run: Run, context: typer.Context) -> None:  # noqa: ARG001
    """Look into the knowledge graph, query it, check it, take it elsewhere."""
    if context.invoked_subcommand is None:
        print(context.get_help(), end="")


def stats(run: Run) -> None:
    """Count nodes, edges and relations, and say where the edges come from."""
    facts = run.project.graph_stats()
    run.data([facts], lambda: show_facts(facts))


def query(
    run: Run,
    sparql: Annotated[str | None, typer.Argument(metavar="SPARQL", help="The query; - reads it from stdin.")] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Read the query from FILE.")] = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Give up after so many seconds.")] = 10.0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write to FILE: .tsv, .csv, .jsonl, .json or .parquet."),
    ] = None,
) -> None:
    """Run a SPARQL query on the graph."""
    result = run.project.query(_query_text(sparql, file), timeout=timeout)
    records = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    run.data(records, lambda: _show_rows(result), out)
    more = ", and there are more: set LIMIT and OFFSET" if result.truncated else ""
    run.say(f"{cell(len(records))} rows in {duration(result.seconds)}{more}")


def _show_rows(result: QueryResult) -> None:
    records = [dict(zip(result.columns, row, strict=True)) for row in result.shortened()]
    show_records(records, empty="no rows")


def _query_text(sparql: str | None, file: Path | None) -> str:
    if (sparql is None) == (file is None):
        raise UsageError(
            "give the query, or --file FILE", hint="kgrec graph query 'SELECT * WHERE { ?s ?p ?o } LIMIT 5'"
        )
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UserError(f"{file} does not exist", hint="check the path") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: not UTF-8 (byte {error.start})", hint="save the file as UTF-8") from None
    return sys.stdin.read() if sparql == "-" else str(sparql)


def validate(run: Run) -> None:
    """Check the graph against its SHACL shapes; what breaks them is named with the row it came from."""
    violations = run.project.validate()
    records = [asdict(v) for v in violations]
    run.data(records, lambda: show_records(records, empty="the graph conforms to its shapes"))
    if violations:
        raise DataError(
            f"{cell(len(violations))} violations of the shapes",
            hint="correct the rows named and run `kgrec build-graph`",
        )


def export(
    run: Run,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write: .ttl, .nt, .jsonld, .graphml or .json.")
    ],
    syntax: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Syntax, when the name of FILE does not tell: {', '.join(SYNTAXES)}."),
    ] = None,
) -> None:
    """Write the whole graph as Turtle, N-Triples, JSON-LD, GraphML or networkx node-link JSON."""
    chosen = syntax or SUFFIXES.get(file.suffix.lower())
    if chosen not in SYNTAXES:
        problem = f"unknown syntax {syntax!r}" if syntax else f"cannot tell a syntax from the name {file.name!r}"
        raise UsageError(problem, hint=did_you_mean(chosen or "", SYNTAXES) or f"give --syntax {'|'.join(SYNTAXES)}")
    run.project.export(file, chosen)
    run.say(f"{size(file.stat().st_size)} written to {file}")


def show(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A user, an item or an entity: id, title or label.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Draw it into FILE: .html or .svg.")
    ] = None,
) -> None:
    """Print what surrounds a user, an item or an entity, or draw it."""

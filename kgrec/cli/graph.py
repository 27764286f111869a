"""``kgrec graph``: look into the knowledge graph, query it, check it, take it elsewhere."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import cell, clean, console, duration, show_facts, show_records, size
from kgrec.cli.run import CommandLineRun
from kgrec.errors import DataError, UsageError, UserError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.graph.neighbourhood import Neighbourhood
    from kgrec.graph.query import QueryResult


@workspace_command
def stats(run: CommandLineRun) -> None:
    """Count nodes, edges and relations, by where they come from."""
    facts = run.project.graph.stats()
    run.data([facts], lambda: show_facts(facts))


@workspace_command
def query(
    run: CommandLineRun,
    sparql: Annotated[str | None, typer.Argument(metavar="SPARQL", help="The query; - reads it from stdin.")] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Read the query from FILE.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Give up after so many seconds.")] = 10.0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
    out: options.TableFile = None,
) -> None:
    """Run a SPARQL query on the graph."""
    result = run.project.graph.query(_query_text(sparql, file), timeout=timeout, limit=limit)
    records = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    run.data(records, lambda: _show_rows(result), out)
    more = ", and there are more: give --limit, or LIMIT and OFFSET" if result.truncated else ""
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


@workspace_command
def validate(
    run: CommandLineRun,
    shapes: Annotated[
        Path | None, typer.Option("--shapes", metavar="FILE", help="Also check against these SHACL shapes (Turtle).")
    ] = None,
) -> None:
    """Check the graph against its SHACL shapes.

    What breaks them is named with the row it came from.
    """
    if shapes is not None and not shapes.is_file():
        raise UserError(f"there is no file {shapes}", hint="--shapes takes a Turtle file")
    violations = run.project.graph.validate(shapes)
    records = [asdict(v) for v in violations]
    run.data(records, lambda: show_records(records, empty="the graph conforms to its shapes"))
    if violations:
        count = sum({(v.shape, v.message): v.total for v in violations}.values())
        raise DataError(
            f"the graph breaks its shapes {cell(count)} times", hint="correct the rows named, then `kgrec build-graph`"
        )


@workspace_command
def export(
    run: CommandLineRun,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write: .ttl, .nt, .jsonld, .graphml or .json.")
    ],
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="turtle, ntriples, jsonld, graphml or json; by default by FILE."),
    ] = None,
) -> None:
    """Write the graph as Turtle, N-Triples, JSON-LD, GraphML or JSON.

    JSON is networkx's node-link format.
    """
    run.project.graph.export(file, form)
    run.say(f"{size(file.stat().st_size)} written to {file}")


@workspace_command
def show(
    run: CommandLineRun,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Id or label of a user, an item or an entity; item:50.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many edges, the most telling first.")] = 40,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Draw it into FILE: .html or .svg.")
    ] = None,
) -> None:
    """Print or draw what is around a user, an item or an entity."""
    name = run.names.stored(name)
    if out is not None:
        run.project.graph.draw(name, out, limit=limit)
        run.say(f"{size(out.stat().st_size)} written to {out}")
        return
    shown = run.project.graph.neighbourhood(name, limit=limit)
    far = shown.nodes.select("node", "kind", "type", "key", node_label="label").unique("node")
    edges = shown.edges.join(far, left_on="far", right_on="node", how="left", maintain_order="left").to_dicts()
    keys = ("relation", "forward", "label", "kind", "type", "key", "node_label", "weight", "time", "provenance")
    records = [{key: edge[key] for key in (*keys, "source", "line")} for edge in edges]
    run.data(records, lambda: _show_tree(shown, records))


def _show_tree(shown: Neighbourhood, records: list[dict[str, Any]]) -> None:
    from rich.text import Text
    from rich.tree import Tree

    def named(label: str, of: str, more: str) -> Text:
        return Text.assemble((clean(label), "bold"), (f"  {clean(of)}{clean(more)}", "dim"))

    centre = shown.nodes.row(0, named=True)
    about = f" {centre['key']} · {cell(centre['degree'])} edges"
    tree = Tree(named(centre["label"], centre["kind"], about), guide_style="dim")
    branches: dict[str, Tree] = {}
    for record in records:
        if record["label"] not in branches:
            branches[record["label"]] = tree.add(Text(clean(record["label"]), "cyan"))
        known = record["kind"] == "entity" or record["key"] == record["node_label"]  # an entity's key is an IRI
        key = "" if known else f" {record['key']}"
        branches[record["label"]].add(named(record["node_label"], record["type"] or record["kind"], key))
    if shown.omitted:
        tree.add(Text(f"and {cell(shown.omitted)} more edges; --limit shows more", "dim"))
    console().print(tree)

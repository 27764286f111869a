"""SPARQL on the store of a workspace, with a limit of time that holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrec.errors import CorruptArtifactError, UsageError, UserError
from kgrec.graph.sparql_words import check_readable, explain_syntax
from kgrec.graph.vocabulary import prefixes

_FORMS = ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE")
_LONGEST = 1e6
"""Seconds; the operating system can count no infinity."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query found.

    Attributes:
        columns: names of the variables; ``answer`` for ASK; ``subject predicate object`` for CONSTRUCT and DESCRIBE.
        rows: one tuple a solution; IRIs in full, literals as numbers, truth values or text, None where unbound.
        seconds: how long the query itself took.
        truncated: there was more than the limit.
        kind: SELECT, ASK or CONSTRUCT.
        base_iri: start of the IRIs of the workspace.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    seconds: float
    truncated: bool
    kind: str
    base_iri: str

    def shortened(self) -> list[tuple[Any, ...]]:
        """Return the rows with IRIs written as ``item:50`` where a prefix is known, as people read them."""
        starts = sorted(((iri, name) for name, iri in prefixes(self.base_iri).items()), key=lambda p: -len(p[0]))

        def short(value: Any) -> Any:
            if not isinstance(value, str):
                return value
            return next((f"{name}:{value[len(iri) :]}" for iri, name in starts if value.startswith(iri)), value)

        return [tuple(short(value) for value in row) for row in self.rows]


def run_query(store: Path, sparql: str, *, timeout_s: float = 30.0, limit: int | None = None) -> QueryResult:
    """Run a SPARQL query through rdflib on Oxigraph, read-only and without a network.

    The query runs in a process of its own, which is ended at the limit: the database cannot be interrupted from
    within. Starting it takes about 0.2 s, which ``seconds`` does not include. All named graphs are searched, and the
    prefixes of :func:`kgrec.graph.vocabulary.prefixes` need not be declared.

    Args:
        store: folder of the store.
        sparql: SELECT, ASK, CONSTRUCT or DESCRIBE.
        timeout_s: seconds the query may take.
        limit: rows to return at most; None for all.

    Raises:
        UsageError: a syntax error with its line and column, an update, or a call to another server.
        UserError: the query took longer than ``timeout_s``, or its evaluation failed.
        CorruptArtifactError: the store is missing or damaged.
    """
    if timeout_s <= 0 or (limit is not None and limit < 1):
        raise UsageError("the time limit and the number of rows must be above 0")
    check_readable(sparql)
    if not store.is_dir():
        raise CorruptArtifactError(f"the RDF store {store} is missing", hint="run `kgrec build-graph` again")
    request = json.dumps({"store": str(store.resolve()), "sparql": sparql, "limit": limit})
    answer = _ask_worker(request, timeout_s)
    if answer.get("error") == "syntax":
        raise explain_syntax(sparql, answer["message"], answer["prefixes"])
    if answer.get("error") == "store":
        raise CorruptArtifactError(
            f"the RDF store {store} cannot be read: {answer['message']}", hint="run `kgrec build-graph` again"
        )
    if "error" in answer:
        raise UserError(f"the query failed: {answer['message']}", hint="simplify it, or search a smaller part")
    return QueryResult(
        tuple(answer["columns"]),
        [tuple(row) for row in answer["rows"]],
        answer["seconds"],
        answer["truncated"],
        answer["kind"],
        answer["base_iri"],
    )


def _ask_worker(request: str, timeout_s: float) -> dict[str, Any]:
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # -P: a file of the user's own folder named like a module must not be imported.
    command = [sys.executable, "-P", "-m", "kgrec.graph.query_worker"]
    try:
        done = subprocess.run(
            command,
            input=request,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=min(timeout_s, _LONGEST),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"the query took longer than {timeout_s:g} s and was stopped",
            hint="name more of the pattern, add LIMIT, or allow more with --timeout",
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"the query's process ended with code {done.returncode}: {last}",
            hint="it may have run out of memory: name more of the pattern or add LIMIT",
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer

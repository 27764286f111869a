"""SPARQL on the store of a workspace, with a limit of time that holds.

Run as a program, this module is the process that evaluates one query: it reads ``{"store", "sparql", "limit"}`` as JSON
from standard input and writes one JSON object to standard output.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from kgrec.errors import CorruptArtifactError, UsageError, UserError, did_you_mean
from kgrec.graph.vocabulary import prefixes
from kgrec.graph.worker import WorkerError, order, run_worker


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
    within. Starting it takes about 0.2 s, which ``seconds`` does not include. All graphs are searched, unless FROM or
    FROM NAMED names some, and the prefixes of :func:`kgrec.graph.vocabulary.prefixes` need not be declared.

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
    answer = _ask_worker({"store": str(store.resolve()), "sparql": sparql, "limit": limit}, timeout_s)
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


def _ask_worker(request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    try:
        with run_worker("kgrec.graph.query", request, seconds=timeout_s) as out:
            answer: dict[str, Any] = json.load(out)
    except WorkerError as error:
        if error.seconds is not None:
            raise UserError(
                f"the query took longer than {timeout_s:g} s and was stopped",
                hint="name more of the pattern, add LIMIT, or allow more with --timeout",
            ) from None
        raise UserError(
            f"the query's process broke down: {error.told}",
            hint="it may have run out of memory: name more of the pattern or add LIMIT",
        ) from None
    return answer


UPDATES = frozenset({"insert", "delete", "load", "clear", "create", "drop", "add", "move", "copy", "with"})

_TOKEN = re.compile(
    r"""
      (?P<comment>\#[^\n]*)
    | (?P<iri><[^<>"{}|^`\\\s]*>)
    | (?P<string>\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<variable>[?$]\w+)
    | (?P<language>@[A-Za-z-]+)
    | (?P<name>(?:[^\W\d_][\w.-]*)?:(?:[\w:%-]|\.(?=[\w:%-])|\\.)*)
    | (?P<word>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def check_readable(sparql: str) -> None:
    """Refuse what is no query of this store: an update, or a call to a remote one.

    Raises:
        UsageError: says which word is not allowed, and where.
    """
    text, words = _words(sparql)
    if not words:
        raise UsageError("the query is empty", hint="for example SELECT ?item ?label WHERE { ?item rdfs:label ?label }")
    verb = next(((w, at) for w, at in words if w not in ("prefix", "base")), words[0])
    if verb[0] in UPDATES:
        raise UsageError(
            f"{verb[0].upper()} changes data, and the store is read-only ({position(text, verb[1])})",
            hint="use SELECT, ASK, CONSTRUCT or DESCRIBE; data is changed with `kgrec build-graph --append`",
        )
    for word, at in words:
        if word == "service":
            raise UsageError(
                f"SERVICE asks another server, which is not allowed ({position(text, at)})",
                hint="query only what is in the workspace's graph",
            )


def names_graphs(sparql: str) -> bool:
    """Say whether a query names the graphs that are searched."""
    return any(word == "from" for word, _ in _words(sparql)[1])


def _words(sparql: str) -> tuple[str, list[tuple[str, int]]]:
    """Return a query without escapes, and its bare words with their places."""
    # SPARQL allows \u0053 for any letter anywhere, so a forbidden word may be spelt like that.
    text = re.sub(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})", _unescape, sparql)
    return text, [(m["word"].casefold(), m.start("word")) for m in _TOKEN.finditer(text) if m["word"]]


def explain_syntax(sparql: str, message: str, known_prefixes: Iterable[str]) -> UsageError:
    """Turn the parser's ``error at 3:9: expected ...`` into an error with line, column and the text there."""
    unknown = _unknown_prefix(sparql, set(known_prefixes))
    if unknown:
        prefix, at = unknown
        known = sorted(known_prefixes)
        near = did_you_mean(prefix, known) or ""
        return UsageError(
            f"SPARQL: prefix {prefix + ':'!r} is not declared ({position(sparql, at)})",
            hint=f"{near} add PREFIX {prefix}: <IRI>, or use one of {', '.join(known)}".strip(),
        )
    found = re.match(r"error at (\d+):(\d+): (.*)", message, re.DOTALL)
    if not found:
        return UsageError(f"SPARQL: {message}", hint="see https://www.w3.org/TR/sparql11-query/")
    line, column, what = int(found[1]), int(found[2]), found[3]
    if len(what) > 80:  # the parser lists every character that a name may begin with
        what = "unexpected text or end"
    lines = sparql.splitlines() or [""]
    shown = lines[line - 1] if line <= len(lines) else ""
    rest = shown[column - 1 :].strip()
    where = f"before {rest[:30]!r}" if rest else "at the end of the line"
    return UsageError(f"SPARQL, line {line}, column {column}: {what} {where}", hint=f"in: {shown.strip()}")


def position(text: str, at: int) -> str:
    """Return ``line 2, column 5`` of an offset."""
    before = text[:at]
    return f"line {before.count(chr(10)) + 1}, column {at - (before.rfind(chr(10)) + 1) + 1}"


def _unescape(match: re.Match[str]) -> str:
    code = int(match[1] or match[2], 16)
    return chr(code) if code < 0x110000 else " "


def _unknown_prefix(sparql: str, known: set[str]) -> tuple[str, int] | None:
    tokens = [m for m in _TOKEN.finditer(sparql) if m.lastgroup in ("name", "word")]
    declared = set(known)
    previous = ""
    for token in tokens:
        if token.lastgroup == "name":
            prefix = token["name"].split(":", 1)[0]
            if previous == "prefix":
                declared.add(prefix)
            elif prefix not in declared:
                return prefix, token.start()
        previous = (token["word"] or "").casefold()
    return None


def main() -> None:
    """Answer the query on standard input."""
    request = order()
    json.dump(evaluate(Path(request["store"]), request["sparql"], request["limit"]), sys.stdout)


def evaluate(folder: Path, sparql: str, limit: int | None) -> dict[str, Any]:
    """Evaluate a query through rdflib on Oxigraph and return what can be told in JSON."""
    import pyoxigraph as ox
    from oxrdflib import OxigraphStore
    from rdflib.query import ResultException

    try:
        store = ox.Store.read_only(str(folder))
    except (OSError, RuntimeError) as error:  # the database reports damage as either
        return {"error": "store", "message": str(error)}
    base = base_iri(store)
    known = prefixes(base)
    searched = "" if names_graphs(sparql) else "__UNION__"  # rdflib itself would have FROM ignored
    started = time.perf_counter()
    try:
        result = OxigraphStore(store=store).query(sparql, known, {}, searched)
        columns, rows = _read(result, limit)
    except (SyntaxError, ResultException) as error:
        return {"error": "syntax", "message": str(error), "prefixes": sorted(known)}
    except (ValueError, OSError, RuntimeError) as error:
        return {"error": "evaluation", "message": str(error)}
    return {
        "kind": result.type,
        "columns": columns,
        "rows": rows[:limit],
        "truncated": limit is not None and len(rows) > limit,
        "seconds": time.perf_counter() - started,
        "base_iri": base,
    }


def base_iri(store: Any) -> str:
    """Return the start of the IRIs in a store, the empty string when it does not say."""
    told = list(store.query("SELECT ?base WHERE { ?graph <http://rdfs.org/ns/void#uriSpace> ?base }"))
    return str(told[0][0].value) if told else ""


def _read(result: Any, limit: int | None) -> tuple[list[str], list[list[Any]]]:
    stop = None if limit is None else limit + 1
    if result.type == "ASK":
        return ["answer"], [[bool(result.askAnswer)]]
    if result.type == "SELECT":
        names = [str(name) for name in result.vars]
        # ``bindings`` would read everything; iterating stops where the limit is.
        rows = islice(iter(result), stop)
        return names, [[_plain(row[k]) for k in range(len(names))] for row in rows]
    triples = sorted(islice(iter(result.graph), stop))
    return ["subject", "predicate", "object"], [[_plain(term) for term in triple] for triple in triples]


def _plain(term: Any) -> Any:
    """Return a term as a JSON value: an IRI as it is, a number or truth value as such, everything else as text."""
    from rdflib import BNode, Literal

    if term is None:
        return None
    if isinstance(term, BNode):
        return f"_:{term}"
    if isinstance(term, Literal) and isinstance(term.value, bool | int | float | Decimal):
        number = float(term.value) if isinstance(term.value, Decimal) else term.value
        return number if number == number and abs(number) != float("inf") else str(term)
    return str(term)


if __name__ == "__main__":
    main()

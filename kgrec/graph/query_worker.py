"""The process that evaluates one SPARQL query; :func:`kgrec.graph.query.run_query` starts it and ends it at the limit.

Reads ``{"store", "sparql", "limit"}`` as JSON from standard input and writes one JSON object to standard output.
"""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from kgrec.graph.vocabulary import prefixes


def main() -> None:
    """Answer the query on standard input."""
    request = json.load(sys.stdin)
    json.dump(evaluate(Path(request["store"]), request["sparql"], request["limit"]), sys.stdout)


def evaluate(folder: Path, sparql: str, limit: int | None) -> dict[str, Any]:
    """Evaluate a query through rdflib on Oxigraph and return what can be told in JSON."""
    import pyoxigraph as ox
    from oxrdflib import OxigraphStore
    from rdflib import Dataset
    from rdflib.query import ResultException

    try:
        store = ox.Store.read_only(str(folder))
    except (OSError, RuntimeError) as error:  # the database reports damage as either
        return {"error": "store", "message": str(error)}
    base = base_iri(store)
    known = prefixes(base)
    dataset = Dataset(store=OxigraphStore(store=store), default_union=True)
    started = time.perf_counter()
    try:
        result = dataset.query(sparql, initNs=known)
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

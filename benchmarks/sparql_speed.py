"""How long the RDF store takes to write and to answer: ``python benchmarks/sparql_speed.py [TRIPLES]``.

The graph is random with a heavy tail, as catalogues are: 50,000 items and 60,000 entities for 500,000 triples. Prints
one JSON object: seconds to write, the store's MB, and milliseconds of a two-hop query (median, 95th percentile and
largest of 50 items), of the same query with its counts ranked, and of a whole call with the process it runs in.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from kgrec.graph.query import evaluate, run_query
from kgrec.graph.rdf import RdfOptions
from kgrec.graph.store import write_store
from kgrec.graph.tables import EDGES, NODES, RELATIONS, GraphTables

BASE = "https://kgrec.example/id/"
TWO_HOPS = "SELECT ?other ?shared WHERE {{ item:{0} ?r ?shared . ?other ?r ?shared }} LIMIT 1000"
RANKED = (
    "SELECT ?other (COUNT(?shared) AS ?n) WHERE {{ item:{0} ?r ?shared . ?other ?r ?shared }}"
    " GROUP BY ?other ORDER BY DESC(?n) LIMIT 10"
)


def random_graph(n_triples: int, seed: int = 0) -> GraphTables:
    """Return items related to entities, some of which are shared by very many."""
    rng = np.random.default_rng(seed)
    n_items, n_entities, n_relations = n_triples // 10, n_triples * 6 // 50, 20
    share = 1.0 / np.arange(1, n_entities + 1) ** 0.6
    nodes = pl.concat(
        [
            _nodes("item", "item", n_items, pl.format("{}", "n"), pl.format("Item {}", "n")),
            _nodes("entity", "thing", n_entities, pl.format("http://example.org/{}", "n"), pl.format("Thing {}", "n")),
        ]
    )
    names = [f"r{k}" for k in range(n_relations)]
    relations = pl.DataFrame(
        {"name": names, "label": names, "inverse": [f"{n}_of" for n in names], "inverse_label": names},
        schema=dict(RELATIONS),
    )
    columns = {
        "head": rng.integers(0, n_items, n_triples),
        "relation": rng.integers(0, n_relations, n_triples),
        "tail": n_items + rng.choice(n_entities, n_triples, p=share / share.sum()),
        "line": np.arange(n_triples),
    }
    edges = pl.DataFrame(columns).with_columns(
        weight=pl.lit(1.0), time=pl.lit(None), provenance=pl.lit("triples"), source=pl.lit("random.nt")
    )
    return GraphTables(nodes, relations, edges.select(list(EDGES)).cast(dict(EDGES)))


def _nodes(kind: str, type_: str, n: int, key: pl.Expr, label: pl.Expr) -> pl.DataFrame:
    index = pl.col("n") if kind != "entity" else pl.lit(None)
    frame = pl.DataFrame({"n": np.arange(n)}).with_columns(
        kind=pl.lit(kind), index=index, type=pl.lit(type_), key=key, label=label, aliases=pl.lit([], pl.List(pl.String))
    )
    return frame.select(list(NODES)).cast(dict(NODES))


def main() -> None:
    n_triples = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    kg = random_graph(n_triples)
    figures: dict[str, object] = {"triples": n_triples}
    with tempfile.TemporaryDirectory() as name:
        store = Path(name) / "store"
        started = time.perf_counter()
        write_store(kg, store, RdfOptions(BASE))
        figures["write_s"] = round(time.perf_counter() - started, 2)
        figures["store_mb"] = round(sum(f.stat().st_size for f in store.iterdir()) / 1e6, 1)
        items = np.random.default_rng(1).integers(0, n_triples // 10, 50)
        for label, template in (("two_hops_ms", TWO_HOPS), ("two_hops_ranked_ms", RANKED)):
            taken = [1000 * evaluate(store, template.format(item), None)["seconds"] for item in items]
            figures[label] = [round(float(q), 1) for q in np.quantile(taken, (0.5, 0.95, 1.0))]
        started = time.perf_counter()
        run_query(store, TWO_HOPS.format(7))
        figures["whole_call_ms"] = round(1000 * (time.perf_counter() - started))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

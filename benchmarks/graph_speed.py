"""How fast a graph comes in: N-Triples of a given size to nodes, edges, parquet and the RDF store.

usage: python benchmarks/graph_speed.py [--triples 500000] [--out FILE.json]

The triples are made up with a seed: 100,000 entities, a tenth of them items, 20 relations whose frequencies fall like a
power law, a label for each entity. Prints wall and CPU seconds of each step, the peak memory of the process, and the
time of a two-hop SPARQL query.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from memory import peak_mib

from kgrec.config import Config, DataConfig, TriplesConfig
from kgrec.data.dataset import INTERACTIONS, Dataset
from kgrec.graph.build import GraphBuilder
from kgrec.plugin.manager import load_plugins

N_ENTITIES, N_ITEMS, N_RELATIONS = 100_000, 10_000, 20
BASE = Config().graph.base_iri


def write_triples(file: Path, n: int, seed: int = 0) -> None:
    """Write ``n`` statements: a label for every entity, edges for the rest."""
    rng = np.random.default_rng(seed)
    labels = min(N_ENTITIES, n // 5)
    edges = n - labels
    relation = (rng.zipf(1.6, edges) - 1) % N_RELATIONS
    head, tail = rng.integers(0, N_ENTITIES, edges), rng.integers(0, N_ENTITIES, edges)
    frame = pl.DataFrame({"h": head, "r": relation, "t": tail})

    def node(column: str) -> pl.Expr:
        item = pl.format("<{}item/{}>", pl.lit(BASE), pl.col(column))
        return pl.when(pl.col(column) < N_ITEMS).then(item).otherwise(pl.format("<http://example.org/e/{}>", column))

    stated = frame.select(line=pl.format("{} <http://example.org/relation/r{}> {} .", node("h"), "r", node("t")))
    named = pl.DataFrame({"h": np.arange(labels)}).select(
        line=pl.format('{} <http://www.w3.org/2000/01/rdf-schema#label> "Entity number {}"@en .', node("h"), "h")
    )
    pl.concat([stated, named]).write_csv(file, include_header=False, quote_style="never")


def dataset() -> Dataset:
    """Return items without texts and one user without interactions."""
    items = pl.DataFrame({"item_id": [str(k) for k in range(N_ITEMS)]}).with_columns(
        title=pl.lit(None, pl.String), description=pl.lit(None, pl.String)
    )
    users = pl.DataFrame(
        {"user_id": ["u"], "description": [None]}, schema={"user_id": pl.String, "description": pl.String}
    )
    return Dataset(pl.DataFrame(schema=dict(INTERACTIONS)), users, items)


def measure(n: int, folder: Path) -> dict[str, float]:
    """Run the steps and return their figures."""
    from kgrec.graph.rdf import RdfOptions
    from kgrec.graph.store import write_store

    write_triples(folder / "graph.nt", n)
    config = Config(data=DataConfig(triples=[TriplesConfig(path="graph.nt")]))
    manager = load_plugins()
    figures: dict[str, float] = {"triples": n, "file_mib": round((folder / "graph.nt").stat().st_size / 2**20, 1)}
    laps, cpu = [time.perf_counter()], [time.process_time()]

    def lap(name: str) -> None:
        laps.append(time.perf_counter())
        cpu.append(time.process_time())
        figures[f"{name}_seconds"] = round(laps[-1] - laps[-2], 2)
        figures[f"{name}_cpu_seconds"] = round(cpu[-1] - cpu[-2], 2)

    builder = GraphBuilder(manager.domain("generic"), config, manager, folder, cache=folder / "cache")
    graph = builder.build(dataset())
    lap("import")
    graph.save(folder / "graph")
    lap("parquet")
    write_store(graph, folder / "store", RdfOptions(BASE))
    lap("store")
    figures["end_to_end_seconds"] = round(laps[-1] - laps[0], 2)
    builder.build(dataset())
    lap("import_again")
    figures["edges"] = graph.edges.height
    figures["two_hop_query_ms"] = two_hops(folder / "store")
    figures["peak_mib"] = round(peak_mib())
    return figures


def two_hops(store: Path) -> float:
    """Return the median milliseconds of a two-hop query from single items, the store open."""
    from pyoxigraph import Store

    opened = Store.read_only(str(store))
    times = []
    for item in range(20):
        query = f"SELECT DISTINCT ?b WHERE {{ GRAPH ?g {{ <{BASE}item/{item}> ?p ?a }} GRAPH ?h {{ ?a ?q ?b }} }}"
        started = time.perf_counter()
        list(opened.query(query))
        times.append(time.perf_counter() - started)
    return round(float(np.median(times)) * 1000, 2)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triples", type=int, default=500_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments.triples, Path(folder))
    print(json.dumps(figures, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

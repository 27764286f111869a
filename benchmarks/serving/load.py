"""Loads a server of a trained workspace from the same machine and prints what it reached, beside a bare route.

    python benchmarks/serving/load.py WORKSPACE [--seconds 5] [--clients 4] [--reload 100000] [--soak MINUTES]

The server is `kgrec serve` in a process of its own. Ratios to the bare route hold on other machines, absolute figures
do not: clients and server share the cores. Answers a second of the server's own CPU time hold on a machine with other
work, too. Overload: ten times as many requests as were answered without it, from ten times the clients; what is shown
right after it is one client alone. With --reload so many lists are asked for while models are loaded again and again.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from drive import drive, requests

PORT, BARE = 8399, 8398

BARE_APP = """
import uvicorn
from fastapi import FastAPI
from starlette.responses import Response
app = FastAPI()
@app.post("/bare")
def bare():
    return Response(b'{"ok":true}', media_type="application/json")
uvicorn.run(app, port=%d, log_level="warning", access_log=False)
"""


class Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        """Send JSON and return status and body."""
        self._connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def load(
    server: subprocess.Popen[bytes],
    port: int,
    path: str,
    bodies: list[dict[str, Any]],
    clients: int,
    seconds: float,
    pause: float = 0.02,
) -> dict[str, float]:
    """Send bodies over and over on several connections -> answers a second, a second of CPU time, and milliseconds."""
    process = psutil.Process(server.pid)
    spent_before, end = sum(process.cpu_times()[:2]), time.perf_counter() + seconds
    found = drive(port, requests(path, bodies), clients, lambda _: time.perf_counter() < end, pause)
    cpu = max(sum(process.cpu_times()[:2]) - spent_before, 0.01)
    return {"per second": len(found.times) / seconds, "per cpu": len(found.times) / cpu, **found.figures()}


def reloaded(port: int, bodies: list[dict[str, Any]], clients: int, count: int) -> dict[str, float]:
    """Send so many requests while the models are loaded again and again; ``reloads`` says how often they were."""
    stop, reloads, begun = threading.Event(), [], time.perf_counter()

    def run() -> None:
        while not stop.wait(0.2):
            reloads.append(Client(port).post("/v1/models/reload", {})[0])

    thread = threading.Thread(target=run)
    thread.start()
    found = drive(port, requests("/v1/recommend", bodies), clients, lambda so_far: len(so_far.times) < count)
    spent = time.perf_counter() - begun
    stop.set()
    thread.join()
    print(
        f"{len(found.times):,} requests, {len(reloads)} reloads (answers {sorted(set(reloads))}), {found.failed} failed"
    )
    return {"per second": len(found.times) / spent, "per cpu": float("nan"), **found.figures()}


def soaked(server: subprocess.Popen[bytes], port: int, users: list[str], items: list[str], minutes: float) -> None:
    """Let lists and events come for a while; print memory by the tenth of the time."""
    lists = [{"user_id": user, "n": 20} for user in users]
    events = [
        {"events": [{"user_id": users[k % 500], "item_id": items[k % len(items)], "action": "view"}]}
        for k in range(len(lists))
    ]
    both = zip(requests("/v1/recommend", lists), requests("/v1/events", events), strict=True)
    sent = [one for pair in both for one in pair]
    for tenth in range(1, 11):
        end = time.perf_counter() + 6 * minutes
        found = drive(port, sent, 3, lambda _, end=end: time.perf_counter() < end)
        size = psutil.Process(server.pid).memory_info().rss / 2**20
        print(
            f"soak, minute {minutes * tenth / 10:g}: {size:.1f} MiB, {len(found.times)} answers, {found.failed} failed"
        )


def freshness(port: int, users: list[str], item: str, rounds: int = 50) -> dict[str, float]:
    """Return milliseconds from sending an event to the list that counts it, one client."""
    client, spent = Client(port), []
    for user in users[:rounds]:
        begun = time.perf_counter()
        event = {"user_id": user, "item_id": item, "action": "view"}
        seq = json.loads(client.post("/v1/events", {"events": [event]})[1])["seq"]
        client.post("/v1/recommend", {"user_id": user, "min_seq": seq})
        spent.append((time.perf_counter() - begun) * 1000)
    p50, p99 = np.percentile(spent, [50, 99])
    return {"p50 ms": p50, "p99 ms": p99}


def wait_for(port: int, path: str) -> None:
    """Wait until a server answers."""
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", path)
            connection.getresponse()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--reload", type=int, default=0)
    parser.add_argument("--soak", type=float, default=0.0)
    options = parser.parse_args()
    import kgrec

    ranker = kgrec.open(options.workspace).ranker
    users, items = list(ranker.user_ids[:2_000]), list(ranker.item_ids)
    print(f"{len(ranker.user_ids)} users, {len(items)} items, scorers {', '.join(ranker.weights)}")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CONFIG_HOME": tempfile.mkdtemp()}
    command = [sys.executable, "-m", "kgrec", "serve", "-w", str(options.workspace), "--port", str(PORT), "-q"]
    fresh = ["--set", "serve.cache=0", "--set", "serve.receipts=false"]
    bare = subprocess.Popen([sys.executable, "-c", BARE_APP % BARE])
    rows: dict[str, dict[str, float]] = {}
    try:
        wait_for(BARE, "/")
        rows["bare route"] = load(bare, BARE, "/bare", [{}], options.clients, options.seconds)
        for name, extra in (("fresh", fresh), ("cached", [])):
            server = subprocess.Popen([*command, *extra], env=environment)

            def run(path: str, sent: list[dict[str, Any]], clients: int, server: Any = server) -> dict[str, float]:
                return load(server, PORT, path, sent, clients, options.seconds)

            try:
                wait_for(PORT, "/health/ready")
                bodies = [{"user_id": user, "n": 20} for user in users]
                sent, client = bodies if name == "fresh" else bodies[:50], Client(PORT)
                for body in sent[:50]:  # warm, and in the cache where there is one
                    client.post("/v1/recommend", body)
                rows[f"{name} lists"] = run("/v1/recommend", sent, options.clients)
                if name == "fresh":
                    rows["one at a time"] = run("/v1/recommend", bodies, 1)
                    pause = options.clients / rows["fresh lists"]["per second"]  # ten times what it can, asked
                    many = (10 * options.clients, options.seconds, pause)
                    rows["overload"] = load(server, PORT, "/v1/recommend", bodies, *many)
                    rows["right after it"] = load(server, PORT, "/v1/recommend", bodies, 1, 2.0)
                    rows["fresh with reasons"] = run("/v1/recommend", [{**body, "explain": True} for body in bodies], 1)
                    print(f"memory of the server: {psutil.Process(server.pid).memory_info().rss / 2**20:.0f} MiB")
                    continue
                if options.reload:
                    rows["lists under reload"] = reloaded(PORT, sent, options.clients, options.reload)
                if options.soak:
                    soaked(server, PORT, users, items, options.soak)
                rows["event to list"] = freshness(PORT, users, items[0])
                batch = [
                    {"user_id": users[k % len(users)], "item_id": items[k % len(items)], "action": "view"}
                    for k in range(500)
                ]
                found = run("/v1/events", [{"events": batch}], options.clients)
                many = {key: 500 * found[key] for key in ("per second", "per cpu")}
                rows["events, 500 a call"] = {**found, **many}
            finally:
                server.terminate()
                server.wait()
    finally:
        bare.terminate()
        bare.wait()
    base = rows["bare route"]["per cpu"]
    print("| what | a second | a CPU second | of the bare route | p50 ms | p99 ms | refused | failed |")
    print("|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        rate = row.get("per second")
        shown = "| |" if rate is None else f"{rate:,.0f} | {row['per cpu']:,.0f} | {row['per cpu'] / base:.2f}"
        spent = f"{row['p50 ms']:.1f} | {row['p99 ms']:.1f}"
        print(f"| {name} | {shown} | {spent} | {row.get('refused', 0):.0f} | {row.get('failed', 0):.0f} |")


if __name__ == "__main__":
    main()

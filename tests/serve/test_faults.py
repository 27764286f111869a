"""Faults of machines and of people: kills, full disks, slow and dead connections, damaged models, clocks that jump."""

import http.client
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import kgrec
from kgrec.testing import toy_workspace

KILLS = int(os.environ.get("KGREC_KILLS", "200"))
CLIENTS = 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("faults") / "workspace")
    with (folder / "kgrec.toml").open("a") as file:
        file.write('\n[text]\nencoder = "hashing"\n')
    project = kgrec.open(folder)
    project.build_graph()
    project.train(only=["popularity", "ease"])
    return folder


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """`kgrec serve` in a process of its own."""

    def __init__(self, folder: Path, port: int, limit: int | None = None) -> None:
        command = [sys.executable, "-m", "kgrec", "serve", "-w", str(folder), "--port", str(port), "-q"]
        environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "OMP_NUM_THREADS": "1"}

        def limited() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        self.port, self.errors = port, folder / "errors.txt"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(command, env=environment, preexec_fn=limited, stderr=errors)

    def wait(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.errors.read_text()
            try:
                if ask(self.port, "GET", "/health/ready")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def ask(port, method, path, body=None, timeout=10):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from None
    finally:
        connection.close()


@pytest.fixture
def server(trained):
    found = Server(trained, free_port())
    found.wait()
    yield found
    found.kill()


@pytest.mark.slow
def test_no_acknowledged_event_is_lost_or_counted_twice_whenever_the_server_is_killed(trained):
    port, acknowledged, stop = free_port(), [[] for _ in range(CLIENTS)], threading.Event()

    def client(number):
        k = 0
        while not stop.is_set():
            key = f"{number}-{k}"
            body = {"events": [{"user_id": f"k{number}", "item_id": "i00", "action": "view", "event_id": key}]}
            try:
                status, _ = ask(port, "POST", "/v1/events", body, timeout=3)
            except OSError:
                time.sleep(0.01)
                continue  # sent again, whether it arrived or not
            if status == 200:
                acknowledged[number].append(key)
                k += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for kill in range(KILLS):
        server = Server(trained, port)
        server.wait()
        time.sleep(0.05 + 0.01 * (kill % 10))
        server.kill()
    stop.set()
    for thread in threads:
        thread.join()
    server = Server(trained, port)
    server.wait()
    try:
        with sqlite3.connect(trained / "live" / "events.sqlite") as db:
            kept = [key for (key,) in db.execute("SELECT event_id FROM events WHERE user_id LIKE 'k%'")]
        sent = [key for keys in acknowledged for key in keys]
        assert len(kept) == len(set(kept))
        assert set(sent) <= set(kept)
        assert len(kept) <= len(sent) + CLIENTS  # one of each may have arrived without being acknowledged
        assert len(sent) > KILLS
    finally:
        server.kill()


@pytest.mark.slow
def test_with_a_full_disk_events_are_refused_and_lists_go_on(trained):
    """A limit on the size of files stands for the disk: writes beyond it fail as they do on a full one."""
    log = trained / "live" / "events.sqlite"
    size = max(file.stat().st_size for file in log.parent.glob("events.sqlite*")) if log.exists() else 1 << 16
    server = Server(trained, free_port(), limit=size + (1 << 18))
    server.wait()
    try:
        events = [{"user_id": f"d{k}", "item_id": "i00", "action": "view", "text": "x" * 400} for k in range(500)]
        found = [ask(server.port, "POST", "/v1/events", {"events": events}) for _ in range(6)]
        assert found[-1][0] == 503
        assert "disk" in found[-1][1]["hint"]
        for user in ("u00", "u01", "somebody"):
            assert ask(server.port, "POST", "/v1/recommend", {"user_id": user})[0] == 200
        item = {"title": "Too much", "description": "x" * 20_000}
        assert {ask(server.port, "PUT", f"/v1/items/full-{k}", item)[0] for k in range(40)} <= {200, 503}
    finally:
        server.kill()


@pytest.mark.slow
def test_slow_and_dead_connections_hold_nobody_up(server):
    held = []
    for _ in range(100):
        dead = socket.create_connection(("127.0.0.1", server.port))
        dead.sendall(b"POST /v1/recommend HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
        held.append(dead)
    for _ in range(20):  # they ask and do not read
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        slow.sendall(b"GET /v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 20)
        held.append(slow)
    found = [ask(server.port, "POST", "/v1/recommend", {"user_id": f"u{k % 9:02}"})[0] for k in range(50)]
    assert set(found) == {200}
    for one in held:
        one.close()
    time.sleep(0.2)
    assert ask(server.port, "POST", "/v1/recommend", {"user_id": "u00"})[0] == 200


@pytest.mark.slow
def test_models_are_swapped_under_load_and_a_damaged_training_is_not_served(server, trained):
    stop, failed, answered = threading.Event(), [], [0] * CLIENTS

    def client(number):
        while not stop.is_set():
            status, body = ask(server.port, "POST", "/v1/recommend", {"user_id": f"u{answered[number] % 9:02}"})
            answered[number] += 1
            if status != 200:
                failed.append((status, body))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            assert ask(server.port, "POST", "/v1/models/reload", timeout=120)[0] == 200
        folder = kgrec.open(trained).workspace.folder("models")
        whole = (folder / "ranker.json").read_bytes()
        try:
            (folder / "ranker.json").write_bytes(whole[: len(whole) // 2])
            status, told = ask(server.port, "POST", "/v1/models/reload", timeout=120)
            assert status >= 400
            assert told["title"]
        finally:
            (folder / "ranker.json").write_bytes(whole)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert sum(answered) > 100


def test_a_clock_that_jumps_back_or_forth_loses_nothing(trained, monkeypatch):
    from kgrec.live.events import Event
    from kgrec.live.lists import ListRequest

    live = kgrec.open(trained).live
    before = live.models.profiles.applied
    real = time.time
    for jump in (0, 86_400 * 365, -86_400 * 365 * 10, 0):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        live.append([Event(user_id="clock", item_id="i00", action="view")])
        assert live.recommend(ListRequest(user_id="clock")).items
        assert live.trending(3)
    assert live.models.profiles.applied == before + 4
    live.log.close()

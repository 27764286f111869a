"""What operation sees of requests, and what it does not."""

import json
import logging
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient

import kgrec
from kgrec.serve.app import create_app
from kgrec.serve.keys import Keys
from kgrec.serve.serving import Metrics, Serving
from kgrec.serve.watching import JsonLines, log, tracing
from kgrec.testing import toy_workspace

WHO = "frieda.m@example.org"


def requests_of(folder, watches):
    keys = Keys(folder.parent / "keys.toml")
    key = keys.add("shop", ["read", "write"], 1_000)
    project = kgrec.open(folder)
    app = create_app(Serving(project.live, project, keys, Metrics(), watches), hosts=("testserver",))
    client = TestClient(app, raise_server_exceptions=False, headers={"authorization": f"Bearer {key}"})
    client.get(f"/v1/users/{WHO}/profile?why={WHO}")
    client.post("/v1/recommend", json={"user_id": WHO})
    client.get(f"/nowhere/{WHO}")
    project.live.log.close()
    return key


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("watched") / "workspace")
    project = kgrec.open(folder)
    project.build_graph()
    project.train(only=["popularity"])
    return folder


def test_lines_tell_route_status_and_key_and_nothing_that_was_sent(trained, caplog):
    with caplog.at_level(logging.INFO, logger="kgrec.serve"):
        key = requests_of(trained, (log,))
    lines = [JsonLines().format(record) for record in caplog.records if record.name == "kgrec.serve"]
    told = [json.loads(line) for line in lines]
    assert [(one["route"], one["status"]) for one in told] == [
        ("/v1/users/{user_id:path}/profile", 404),
        ("/v1/recommend", 200),
        ("unknown", 404),
    ]
    assert {one["key"] for one in told} == {"shop"}
    assert WHO not in "".join(lines)
    assert key not in "".join(lines)


def test_an_error_is_told_by_type_and_place_not_by_its_words():
    try:
        raise ValueError(WHO)
    except ValueError:
        record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Exception in %s", (WHO,), sys.exc_info())
    told = json.loads(JsonLines().format(record))
    assert told["error"] == "ValueError"
    assert told["at"][-1].startswith("test_watching.py:")
    assert WHO not in json.dumps(told)


def test_spans_go_where_the_environment_says(trained, monkeypatch):
    pytest.importorskip("opentelemetry.sdk")
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert tracing() is None
    bodies = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    watch = tracing()
    assert watch is not None
    requests_of(trained, (watch,))
    for _ in range(100):
        if b"unknown" in b"".join(bodies):
            break
        time.sleep(0.05)
    server.shutdown()
    server.server_close()
    sent = b"".join(bodies)
    assert b"/v1/users/{user_id:path}/profile" in sent
    assert WHO.encode() not in sent

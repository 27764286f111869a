"""The endpoint model against a server on this machine that speaks the protocol, with its faults."""

import contextlib
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from kgrec.consent import Consent
from kgrec.errors import ModelError
from kgrec.generate.models.endpoint import EndpointModel, RateLimit, hidden
from kgrec.generate.writer import Writer
from kgrec.testing import LanguageModelContract, toy_request

KEY = "sk-very-secret-0123456789"
TEXT = "A film by Ada."


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Stay silent."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.asked.append((body, self.headers.get("Authorization")))
        fault = server.faults.pop(0) if server.faults else ""
        getattr(self, f"_{fault or 'fine'}")(body)

    def _send(self, code, payload, kind="application/json", length=None):
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _fine(self, body):
        if body.get("stream"):
            self._events([*TEXT.split(" ")], done=True)
            return
        structured = body.get("response_format") or "JSON" in body["messages"][-1]["content"]
        text = '{"text": "A film by Ada."}' if structured else TEXT
        self._send(200, {"id": "x", "object": "chat.completion", "choices": [_choice(text)]})

    def _events(self, words, *, done):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for k, word in enumerate(words):
            delta = {"choices": [{"index": 0, "delta": {"content": (" " if k else "") + word}, "finish_reason": None}]}
            self.wfile.write(f"data: {json.dumps(delta)}\n\n".encode())
        if done:
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            self.wfile.write(f"data: {json.dumps(end)}\n\ndata: [DONE]\n\n".encode())
        self.close_connection = True

    def _hang(self, body):
        self.server.released.wait(5)

    def _limit(self, body):
        self._send(429, {"error": {"message": f"slow down, {KEY}", "type": "rate_limit"}})

    def _down(self, body):
        self._send(500, {"error": {"message": "internal"}})

    def _denied(self, body):
        self._send(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})

    def _html(self, body):
        self._send(200, b"<html><body>Login</body></html>", "text/html")

    def _rubbish(self, body):
        self._send(200, b"\x00\xff{not json", "application/json")

    def _strange(self, body):
        self._send(200, {"choices": "none", "hello": [1, 2]})

    def _empty(self, body):
        self._send(200, {"choices": []})

    def _null(self, body):
        self._send(200, {"choices": [_choice(None)]})

    def _cut(self, body):
        if body.get("stream"):
            self._events(["A", "film"], done=False)
            return
        self._send(200, b'{"choices": [{"mess', length=500)
        self.close_connection = True

    def _deep(self, body):
        self._send(200, b"[" * 100_000)

    def _long(self, body):
        self._send(200, {"choices": [_choice("word " * 1_000_000)]})

    def _elsewhere(self, body):
        self.send_response(307)
        self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _trickle(self, body):
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n{")
            while not self.server.released.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()
        self.close_connection = True

    def _slow_header(self, body):
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self.server.released.wait(0.05):
                self.wfile.write(b"x")
                self.wfile.flush()
        self.close_connection = True

    def _closed(self, body):
        self.close_connection = True
        self.connection.close()


def _choice(text):
    return {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}


@contextmanager
def serving(*faults):
    server = _Server(("127.0.0.1", 0), _Handler)
    server.faults, server.asked, server.released = list(faults), [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def model(server, **options):
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    return EndpointModel(**{"model": "tiny", "base_url": url, "api_key": KEY, "timeout": 2.0, "retries": 0, **options})


@pytest.fixture
def fine():
    with serving() as server:
        yield server


class TestEndpoint(LanguageModelContract):
    bounded = False

    @pytest.fixture(autouse=True)
    def _serve(self, fine):
        self._model = model(fine)

    def make(self):
        return self._model

    def model(self):
        return self._model

    def test_unknown_option_is_an_error(self):
        with pytest.raises(ValueError, match="no option"):
            EndpointModel(there_is_no_such_option=1)


def complete(server, n=1, **options):
    return model(server, **options).complete(["Facts: x\nText:"] * n, max_new_tokens=8, seed=3)


FAULTS = [
    "hang",
    "limit",
    "down",
    "denied",
    "html",
    "rubbish",
    "strange",
    "empty",
    "cut",
    "closed",
    "deep",
    "long",
    "trickle",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_clear_error_without_the_key(fault, caplog, capfd):
    with serving(*[fault] * 4) as server, pytest.raises(ModelError) as caught:
        complete(server, timeout=0.4)
    said = f"{caught.value.message} {caught.value.hint} {caught.value!r} {caplog.text} {capfd.readouterr()}"
    assert KEY not in said
    assert "secret" not in said
    assert "<html" not in said
    assert caught.value.message.startswith("tiny: ")
    assert caught.value.__cause__ is None  # a traceback would show the request


@pytest.mark.parametrize("fault", [*FAULTS, "null"])
def test_a_fault_falls_back_to_the_template(fault):
    with serving(*[fault] * 8) as server:
        writer = Writer((), model(server, timeout=0.4))
        texts = writer.write([toy_request(), toy_request(key="other")], seed=1)
    assert len(texts) == 2
    assert all(text.fallback and text.model == "template" and text.text for text in texts)
    assert all(KEY not in repr(text) for text in texts)
    assert fault == "null" or texts[0].note


def test_what_passes_by_itself_is_tried_again(monkeypatch):
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_, **__: 0.0)
    with serving("limit", "down") as server:
        assert complete(server, retries=2) == [TEXT]
        assert len(server.asked) == 3


def test_one_failure_among_many_loses_only_itself():
    with serving("strange") as server:
        assert sorted(complete(server, n=4, concurrency=1)) == ["", TEXT, TEXT, TEXT]


def test_a_dead_endpoint_is_not_asked_for_every_prompt():
    with serving(*["down"] * 50) as server:
        with pytest.raises(ModelError):
            complete(server, n=40, concurrency=2)
        assert len(server.asked) <= 5


def test_the_key_comes_from_the_environment_and_goes_into_the_header(monkeypatch, tmp_path):
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with serving() as server:
        Consent.load().allow(hosts=[(f"http://127.0.0.1:{server.server_address[1]}", "MY_KEY")])
        assert complete(server, api_key=None, api_key_env="MY_KEY") == [TEXT]
        body, header = server.asked[0]
    assert header == f"Bearer {KEY}"
    assert KEY not in json.dumps(body)
    assert body["seed"] == 3
    assert body["messages"][0]["role"] == "system"


def test_without_a_key_nothing_is_sent(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving() as server:
        with pytest.raises(ModelError, match="OPENAI_API_KEY"):
            complete(server, api_key=None)
        assert server.asked == []


def test_a_key_never_prints_itself():
    model = model_without_server()
    assert KEY not in f"{model} {model!r} {vars(model)} {model.options} {model.options.model_dump_json()}"
    assert hidden(f"wrong key {KEY}, Bearer abc.def, http://me:pw@host/", SecretStr(KEY)) == (
        "wrong key ***, Bearer ***, http://***@host/"
    )


def model_without_server():
    return EndpointModel(api_key=KEY, base_url="http://127.0.0.1:9/v1")


def test_nobody_listens():
    with pytest.raises(ModelError, match="no connection"):
        EndpointModel(api_key=KEY, base_url="http://127.0.0.1:9/v1", retries=0, timeout=1).complete(
            ["x"], max_new_tokens=4, seed=1
        )


def test_a_stream_that_breaks_off_is_an_error_after_its_pieces():
    with serving("cut") as server:
        pieces = model(server).stream("x", max_new_tokens=8, seed=1)
        assert next(pieces) == "A"
        with pytest.raises(ModelError, match="broke off"):
            list(pieces)


@pytest.mark.parametrize("structured", ["schema", "object", "none"])
def test_structured_answers(structured):
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    with serving() as server:
        (answer,) = model(server, structured=structured).complete(["x"], max_new_tokens=8, seed=1, schema=schema)
        asked = server.asked[0][0].get("response_format", {}).get("type")
    assert json.loads(answer) == {"text": TEXT}
    assert asked == {"schema": "json_schema", "object": "json_object", "none": None}[structured]


def test_the_rate_limit_waits_for_its_turn():
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    limit = RateLimit(2, clock=lambda: now[0], sleep=sleep)
    for _ in range(5):
        limit.wait()
    assert slept == [60.0, 60.0]
    RateLimit(0, sleep=slept.append).wait()
    assert len(slept) == 2


@pytest.mark.parametrize("options", [{"timeout": 0}, {"retries": -1}, {"structured": "maybe"}, {"concurrency": 0}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=r"."):
        EndpointModel(**options)


def test_time_limit_holds():
    started = time.perf_counter()
    with serving("hang") as server, pytest.raises(ModelError, match=r"within 0.3 s"):
        complete(server, timeout=0.3)
    assert time.perf_counter() - started < 4


@pytest.mark.parametrize("fault", ["trickle", "slow_header"])
def test_bytes_now_and_then_do_not_outlast_the_time_limit(fault):
    started = time.perf_counter()
    with serving(fault) as server, pytest.raises(ModelError, match=r"within 0.3 s"):
        complete(server, timeout=0.3)
    with serving(fault) as server, pytest.raises(ModelError, match=r"within 0.3 s"):
        list(model(server, timeout=0.3).stream("x", max_new_tokens=8, seed=1))
    assert time.perf_counter() - started < 8


def test_the_worst_answer_costs_one_text():
    with serving("deep", "long") as server:
        assert sorted(complete(server, n=4, concurrency=1)) == ["", "", TEXT, TEXT]


def test_a_redirect_to_another_host_is_not_followed():
    with serving() as stranger, serving("elsewhere") as server:
        server.elsewhere = f"http://127.0.0.1:{stranger.server_address[1]}/v1/chat/completions"
        with pytest.raises(ModelError, match="answered 307"):
            complete(server)
        assert stranger.asked == []

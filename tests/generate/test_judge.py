"""A second model that judges sentence by sentence, at a server on this machine that lies, errs and stalls."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kgrec.generate.guards.judge import Judge
from kgrec.generate.models.endpoint import EndpointModel
from kgrec.generate.writer import Writer
from kgrec.plugin.manager import load_plugins
from kgrec.testing import toy_request

TRUE = "Comet Letters is a Space film directed by Ada Orbit. Why not tonight?"
FALSE = "Comet Letters is directed by Brad Pitt."
GUARDS = [spec.build() for _, spec in load_plugins().registry("guard").items()]


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Stay silent."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        if server.answer is None:
            server.released.wait(10)
        answer = server.answer if isinstance(server.answer, str) else json.dumps({"sentences": server.answer})
        message = {"role": "assistant", "content": answer}
        body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def judge(answer, status=200):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.answer, server.status, server.released = answer, status, threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield Judge(EndpointModel(model="judge", base_url=url, api_key="sk-none", timeout=1.0, retries=0))
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def row(number, verdict, *facts):
    return {"number": number, "verdict": verdict, "facts": list(facts)}


def refused(found, text=TRUE):
    request = toy_request()
    return found.check(request, request.facts, text)


def test_what_it_finds_borne_out_passes():
    with judge([row(1, "supported", "f1", "f2"), row(2, "no claim")]) as found:
        assert refused(found) == []


def test_what_it_does_not_find_borne_out_is_refused_with_its_words():
    with judge([row(1, "supported", "f1"), row(2, "unsupported")]) as found:
        (violation,) = refused(found)
    assert violation.guard == "judge"
    assert violation.text == "Why not tonight?"


@pytest.mark.parametrize(
    "lie",
    [
        [row(1, "supported", "f99"), row(2, "no claim")],
        [row(1, "supported"), row(2, "no claim")],
        [row(1, "supported", "f1")],
        [row(1, "supported", "f1"), row(2, "no claim"), row(3, "no claim")],
        [row(1, "fine", "f1"), row(2, "no claim")],
        [],
        "All sentences are true.",
        '{"sentences": ' + "[" * 500,
        "",
    ],
)
def test_a_judge_that_lies_or_errs_lets_nothing_pass(lie):
    with judge(lie) as found:
        assert refused(found)


def test_a_judge_that_fails_or_stalls_lets_nothing_pass_and_ends_in_time():
    with judge([], status=500) as found:
        assert "no answer" in refused(found)[0].message
    started = time.monotonic()
    with judge(None) as found:
        assert "no answer" in refused(found)[0].message
    assert time.monotonic() - started < 6


class Says:
    """A model that always says the same."""

    name = "says"

    def __init__(self, text):
        self.text = text

    def complete(self, prompts, *, max_new_tokens, seed, schema=None):
        return [self.text] * len(prompts)


def test_a_judge_that_finds_everything_true_cannot_let_pass_what_guards_refuse():
    with judge([row(1, "supported", "f1"), row(2, "supported", "f1")]) as found:
        (lied,) = Writer(GUARDS, Says(FALSE), judge=found).write([toy_request()], seed=1)
        (true,) = Writer(GUARDS, Says(TRUE), judge=found).write([toy_request()], seed=1)
    assert lied.fallback
    assert (true.text, true.changes) == (TRUE, ())


def test_what_a_judge_refuses_is_replaced_and_told():
    with judge([row(1, "supported", "f1"), row(2, "unsupported")]) as found:
        (text,) = Writer(GUARDS, Says(TRUE), judge=found).write([toy_request()], seed=1)
    assert text.fallback
    assert [change.action for change in text.changes] == ["replaced"]
    assert "judge" in {violation.guard for violation in text.violations}

"""`kgrec generate` with an endpoint on this machine: true sentences arrive as they were written, false ones do not."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import kgrec
from kgrec.cli.app import main
from kgrec.testing import toy_workspace

pytestmark = pytest.mark.slow


class _Says(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Stay silent."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = self.server.says
        content = json.dumps({"text": said}) if asked.get("response_format") else said
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        body = json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Says) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_true_sentences_arrive_and_false_ones_do_not(tmp_path, server, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    folder = toy_workspace(tmp_path)
    own = ["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
    project = kgrec.open(folder, overrides=own)
    project.build_graph()
    project.train(only=["item-knn"])
    address = f"language_models.openai.base_url=http://127.0.0.1:{server.server_port}/v1"
    words = ["generate", "-w", str(folder), "--item", "i02", "--kind", "summary", "--model", "openai:strong"]

    def delivered(said):
        server.says = said
        assert main([*words, "--set", address, "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        return found[0] if isinstance(found, list) else found

    for said in ("The astronaut 3 comes from Ada Orbit.", "From 1992: The astronaut 3, directed by Ada Orbit."):
        assert delivered(said)["text"] == said
    for said in (
        "The astronaut 3 was directed by Ben Crater.",
        "From 1997: The astronaut 3, directed by Ada Orbit.",
        "The astronaut 3 by Ada Orbit won two awards.",
        "Critics love The astronaut 3 by Ada Orbit.",
        "You are pregnant, so The astronaut 3 by Ada Orbit is for you.",
    ):
        found = delivered(said)
        assert said not in found["text"], found
        assert found["changes"] or found["fallback"], found

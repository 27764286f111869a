"""Whatever fits the OpenAPI, and much that does not, is answered without a server error."""

import json

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

import kgrec
from kgrec.serve.app import create_app
from kgrec.serve.keys import Keys
from kgrec.serve.serving import Metrics, Serving
from kgrec.testing import toy_workspace

EXAMPLES = 40


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    """Send bytes as they are, and anything else as one line of JSON."""
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("fuzz") / "workspace")
    project = kgrec.open(folder, overrides=["text.encoder=hashing"])
    project.build_graph()
    project.train(only=["popularity", "ease"])
    app = create_app(Serving(project.live, project, Keys(folder / "keys.toml"), Metrics()))
    yield schemathesis.openapi.from_asgi("/v1/openapi.json", app, headers={"host": "localhost"})
    project.live.log.close()


@pytest.mark.slow
def test_no_request_is_a_server_error(api):
    faults = []
    for found in api.get_all_operations():
        operation = found.ok()
        for mode in schemathesis.GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
            def call(case):
                answer = case.call(headers={"host": "localhost"})
                assert answer.status_code < 500 or answer.status_code == 501, (case.as_curl_command(), answer.text)

            try:
                call()
            except AssertionError as error:
                faults.append(f"{operation.label} {mode}: {error}")
            except Unsatisfiable:
                pass  # a route without parameters cannot be called wrongly
    assert not faults, "\n".join(faults)

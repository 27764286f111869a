"""Serving over HTTP: routes, who may ask, limits, and the pages."""

import html
import json
import re
import time

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from starlette.testclient import TestClient

import kgrec
from kgrec.errors import UserError
from kgrec.plugin.domain import ACTIONS
from kgrec.serve.app import MAX_BODY, ROUTERS, Gatekeeper, create_app, scope_of
from kgrec.serve.keys import SCOPES, Keys
from kgrec.serve.serving import Metrics, Serving
from kgrec.testing import toy_workspace

HASHING = ["text.encoder=hashing"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("serve") / "workspace")
    found = kgrec.open(folder, overrides=[*HASHING, "generate.record=true"])
    found.build_graph()
    found.train(only=["popularity", "item-knn", "ease", "content"])
    yield found
    found.live.log.close()


def client_of(project, keys):
    return TestClient(
        create_app(Serving(project.live, project, keys, Metrics())),
        base_url="http://localhost:8080",
        raise_server_exceptions=False,
    )


@pytest.fixture
def client(project, tmp_path):
    return client_of(project, Keys(tmp_path / "keys.toml"))


def test_a_list_an_event_and_the_next_list(client):
    first = client.post("/v1/recommend", json={"user_id": "u00", "n": 3, "explain": True}).json()
    assert len(first["items"]) == 3
    assert all(item["reason"] for item in first["items"])
    top = first["items"][0]["item_id"]
    event = {"user_id": "u00", "item_id": top, "action": "like", "rec_id": first["rec_id"], "event_id": "e1"}
    done = client.post("/v1/events", json={"events": [event]})
    assert done.status_code == 200
    assert client.post("/v1/events", json={"events": [event]}).json()["known"] == 1
    body = {"user_id": "u00", "n": 3, "min_seq": done.json()["seq"]}
    assert top not in [item["item_id"] for item in client.post("/v1/recommend", json=body).json()["items"]]
    again = client.get(f"/v1/recs/{first['rec_id']}?replay=true").json()
    assert again["same"] is True


def test_a_call_with_an_idempotency_key_may_be_sent_again(client):
    body = {"events": [{"user_id": "u01", "item_id": "x", "action": "view"}] * 3}
    headers = {"Idempotency-Key": "call-1"}
    first, second = (client.post("/v1/events", json=body, headers=headers).json() for _ in range(2))
    assert (first["new"], second["new"], second["known"]) == (3, 0, 3)


def test_every_route_answers(client, project):
    item = project.ranker.item_ids[0]
    known = client.post("/v1/recommend", json={"user_id": "u02"}).json()
    director = project.dataset.items["director"].drop_nulls()[0]
    calls = [
        ("POST", "/v1/similar", {"item_id": item, "n": 3}),
        ("GET", "/v1/trending?n=3", None),
        ("POST", "/v1/rank", {"user_id": "u02", "item_ids": [item, "nothing"]}),
        ("POST", "/v1/search", {"text": project.dataset.items["title"][0].split()[0]}),
        ("POST", "/v1/impressions", {"rec_id": known["rec_id"]}),
        ("POST", "/v1/explain", {"user_id": "u02", "item_id": item}),
        ("POST", "/v1/counterfactual", {"user_id": "u02", "item_id": known["items"][0]["item_id"]}),
        ("POST", "/v1/why-not", {"user_id": "u02", "item_id": item, "n": 1}),
        ("GET", "/v1/trending?minutes=5", None),
        ("PUT", "/v1/items/brand-new", {"title": "Brand new", "description": "Never seen."}),
        ("GET", "/v1/items/brand-new", None),
        ("PATCH", "/v1/items/brand-new", {"title": "Newer"}),
        ("PUT", "/v1/triples", {"item_id": "brand-new", "relation": "director", "value": "Ann"}),
        ("DELETE", "/v1/triples", {"item_id": "brand-new", "relation": "director", "value": "Ann"}),
        ("DELETE", "/v1/items/brand-new", None),
        ("PUT", "/v1/users/u02", {"description": "quiet films"}),
        ("PATCH", "/v1/users/u02", {"attributes": {"age": 7}}),
        ("GET", "/v1/users/u02", None),
        ("POST", "/v1/events", {"events": [{"user_id": "session-1", "item_id": item, "action": "view"}]}),
        ("POST", "/v1/users/u02/merge", {"session": "session-1"}),
        ("POST", "/v1/users-for-item", {"item_id": item, "n": 3}),
        ("POST", "/v1/next", {"user_id": "u02"}),
        ("POST", "/v1/generate/stream", {"user_id": "u02", "n": 2}),
        ("GET", "/v1/jobs", None),
        ("POST", "/v1/chat", {"user_id": "u02", "text": "newer"}),
        ("GET", "/v1/users/u02/profile", None),
        ("PATCH", "/v1/users/u02/profile", {"weights": {item: 0.0}}),
        ("PATCH", "/v1/users/u02/profile", {"less": ["director=" + json.dumps(director)]}),
        ("PATCH", "/v1/users/u02/profile", {"undo": True}),
        ("POST", "/v1/generate", {"user_id": "u02"}),
        ("POST", "/v1/graph/query", {"query": "SELECT ?s WHERE { ?s ?p ?o } LIMIT 2"}),
        ("GET", f"/v1/graph/nodes/item:{item}", None),
        ("GET", "/v1/placements", None),
        ("GET", "/v1/experiments", None),
        ("GET", "/v1/models", None),
        ("POST", "/v1/models/reload", None),
        ("POST", "/v1/models/roll-back", None),
        ("GET", "/health/live", None),
        ("GET", "/health/ready", None),
        ("GET", "/metrics", None),
        ("DELETE", "/v1/users/u02", None),
    ]
    for method, path, body in calls:
        found = client.request(method, path, json=body)
        assert found.status_code == 200, (path, found.text)
    told = {path for _, path, _ in calls}
    routes = client.get("/v1/openapi.json").json()["paths"]
    missing = [r for r in routes if not any(re.match(re.sub(r"\{[^}]*\}", ".+", r) + r"(\?|$)", path) for path in told)]
    assert set(missing) <= {
        "/v1/recommend",
        "/v1/events",
        "/v1/recs/{rec_id}",
        "/v1/experiments/{name}",
        "/v1/off-policy/{placement}",
        "/v1/feedback",
        "/v1/jobs/import",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/result",
        "/v1/jobs/export",
    }


def test_bulk_jobs_take_in_and_hand_out(client):
    rows = [{"user_id": f"bulk{k}", "item_id": "i00", "action": "view", "event_id": f"b{k}"} for k in range(1_500)]
    lines = "\n".join(map(json.dumps, rows)) + '\n{"user_id": "x"}\n'
    job = client.post("/v1/jobs/import?kind=events", content=lines)
    assert job.status_code == 202
    state = finished(client, job.json()["id"])
    assert (state["state"], state["done"], state["rejected"]) == ("done", 1_501, 1)
    assert state["faults"][0].startswith("line 1501: ")
    item = json.dumps({"item_id": "in-bulk", "title": "In bulk"})
    assert finished(client, client.post("/v1/jobs/import?kind=items", content=item).json()["id"])["state"] == "done"
    bad = json.dumps({"item_id": "y", "attributes": {"flavour": "sweet"}})
    failed = finished(client, client.post("/v1/jobs/import?kind=items", content=bad).json()["id"])
    assert failed["state"] == "failed"
    assert "flavour" in failed["error"]
    job = client.post("/v1/jobs/export?kind=events").json()
    assert finished(client, job["id"])["state"] == "done"
    found = [json.loads(line) for line in client.get(f"/v1/jobs/{job['id']}/result").text.splitlines()]
    assert sum(row["user_id"].startswith("bulk") for row in found) == 1_500
    assert client.get(f"/v1/jobs/{failed['id']}/result").status_code == 400


def finished(client, job_id):
    for _ in range(600):
        state = client.get(f"/v1/jobs/{job_id}").json()
        if state["state"] in ("done", "failed"):
            return state
        time.sleep(0.02)
    raise AssertionError(state)


def test_a_list_comes_with_texts_and_is_checked_beforehand(client):
    kind = client.post("/v1/generate", json={"user_id": "u05"}).json()["texts"][0]["kind"]
    made = client.post("/v1/recommend", json={"user_id": "u05", "n": 2, "texts": kind}).json()
    assert all(item["text"]["text"] for item in made["items"])
    assert client.get(f"/v1/recs/{made['rec_id']}?replay=true").json()["same"]
    told = client.post("/v1/recommend", json={"user_id": "u05", "where": ["year>1"], "validate_only": True}).json()
    assert told["items"] > 0
    assert (
        client.post("/v1/recommend", json={"user_id": "u05", "boosts": [{"where": ["x=1"], "by": 1}]}).status_code
        == 404
    )


def test_what_is_done_with_a_text_is_recorded(client):
    written = client.post("/v1/generate", json={"user_id": "u05"}).json()["texts"][0]
    done = {"text_id": written["text_id"], "event": "accepted"}
    answer = client.post("/v1/feedback", json=done)
    assert answer.status_code == 200, answer.text
    assert client.post("/v1/feedback", json={**done, "text_id": "none"}).status_code == 404
    assert client.post("/v1/feedback", json={**done, "event": "eaten"}).status_code == 422


def test_texts_are_streamed_as_events(client):
    found = client.post("/v1/generate/stream", json={"user_id": "u05", "n": 3})
    assert found.headers["content-type"].startswith("text/event-stream")
    assert found.text.count("event: text") == 3
    assert found.text.rstrip().endswith("event: done\ndata: {}")


def test_whom_an_item_would_please_is_who_has_it_high(client):
    found = client.post("/v1/users-for-item", json={"item_id": "i00", "n": 5}).json()["users"]
    assert found == sorted(found, key=lambda one: -one["score"])
    for one in found[:2]:
        n = client.post("/v1/recommend", json={"user_id": one["user_id"], "n": 1_000}).json()["items"]
        assert [item["item_id"] for item in n].index("i00") + 1 == one["place"]


def test_what_comes_next_adds_up_to_no_more_than_certainty(client):
    found = client.post("/v1/next", json={"user_id": "u05", "n": 100}).json()["next"]
    odds = [one["probability"] for one in found]
    assert odds == sorted(odds, reverse=True)
    assert 0 < sum(odds) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/recommend", {"user_id": "u00", "placement": "nowhere"}, 404),
        ("POST", "/v1/recommend", {"user_id": "u00", "where": ["colour=red"]}, 404),
        ("POST", "/v1/recommend", {"user_id": "u00", "where": ["((("]}, 400),
        ("POST", "/v1/recommend", {}, 422),
        ("POST", "/v1/recommend", {"user_id": "u00", "surprise": 1}, 422),
        ("POST", "/v1/recommend", {"user_id": "u00", "n": 10_000_000}, 422),
        ("POST", "/v1/events", {"events": []}, 422),
        ("POST", "/v1/events", {"events": [{"user_id": "u", "item_id": "i", "action": "steal"}]}, 422),
        ("POST", "/v1/graph/query", {"query": "DELETE WHERE { ?s ?p ?o }"}, 400),
        ("GET", "/v1/recs/nothing", None, 404),
        ("GET", "/v1/users/nobody/profile", None, 404),
        ("GET", "/v1/experiments/none", None, 404),
        ("GET", "/nowhere", None, 404),
        ("GET", "/v1/recommend", None, 405),
    ],
)
def test_errors_are_problem_details(client, method, path, body, status):
    found = client.request(method, path, json=body)
    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
    assert found.json()["title"]
    assert found.json()["status"] == status


def test_garbage_is_no_server_error(client):
    for body in (b"", b"[" * 50_000, b"\xff\xfe", b'{"user_id": 1e999}', b"null", b'{"user_id":"\\ud800"}'):
        found = client.post("/v1/recommend", content=body, headers={"content-type": "application/json"})
        assert 400 <= found.status_code < 500, body[:20]


def test_a_body_that_is_too_long_is_refused_whatever_its_header_says(client):
    def endless():
        for _ in range(MAX_BODY // 1000 + 2):
            yield b"x" * 1000

    assert client.post("/v1/events", content=endless()).status_code == 413
    assert client.post("/v1/events", content=b"x" * (MAX_BODY + 1)).status_code == 413


def test_keys_open_what_their_scopes_say(project, tmp_path):
    file = tmp_path / "keys.toml"
    texts = {scope: Keys.load(file).add(scope, [scope]) for scope in SCOPES}
    assert not any(text in file.read_text() for text in texts.values())
    assert file.stat().st_mode & 0o077 == 0
    client = client_of(project, Keys.load(file))
    asked = {
        "read": ("POST", "/v1/recommend", {"user_id": "u00"}),
        "write": ("POST", "/v1/events", {"events": [{"user_id": "k", "item_id": "i", "action": "view"}]}),
        "admin": ("GET", "/v1/models", None),
        "erase": ("DELETE", "/v1/users/k", None),
    }
    for needed, (method, path, body) in asked.items():
        assert client.request(method, path, json=body).status_code == 401
        for scope, text in texts.items():
            status = client.request(method, path, json=body, headers={"authorization": f"Bearer {text}"}).status_code
            assert (status < 400) == (scope == needed), (needed, scope, status)
    assert client.get("/health/live").status_code == 200
    Keys.load(file).remove("read")
    with pytest.raises(UserError):
        Keys.load(file).remove("read")
    with pytest.raises(UserError):
        Keys.load(file).add("x", ["everything"])


def test_a_quota_is_kept(project, tmp_path):
    file = tmp_path / "keys.toml"
    text = Keys.load(file).add("slow", ["read"], rate=1.0)
    client = client_of(project, Keys.load(file))
    found = [client.get("/v1/placements", headers={"authorization": f"Bearer {text}"}) for _ in range(5)]
    assert [each.status_code for each in found][:2] == [200, 200]
    assert found[-1].status_code == 429
    assert found[-1].headers["retry-after"]


def test_other_sites_and_other_names_are_refused(client):
    event = {"events": [{"user_id": "u", "item_id": "i", "action": "view"}]}
    assert client.post("/v1/events", json=event, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/v1/events", json=event, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post("/v1/events", json=event, headers={"origin": "http://localhost:8080"}).status_code == 200
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421


def test_too_many_at_once_are_told_to_come_back(project, tmp_path):
    app = create_app(Serving(project.live, project, Keys(tmp_path / "k"), Metrics()))
    gate = Gatekeeper(app, Serving(project.live, project, Keys(tmp_path / "k"), Metrics()), ("localhost",))
    gate.running[False] = gate.waiting
    client = TestClient(gate, base_url="http://localhost")
    full = client.post("/v1/recommend", json={"user_id": "u00"})
    assert full.status_code == 503
    assert full.headers["retry-after"]
    assert client.get("/health/live").status_code == 200
    assert client.post("/v1/search", json={"text": "x"}).status_code == 503
    assert client.get("/v1/jobs").status_code == 200
    gate.running[False] = 0
    assert client.post("/v1/recommend", json={"user_id": "u00"}).status_code == 200
    assert sum(gate.running.values()) == 0


def routes():
    """Return method and path of every route, with something in place of what it asks for."""
    found = [route for part in ROUTERS for route in part.routes]
    return [(method, re.sub(r"\{[^}]*\}", "x", route.path)) for route in found for method in sorted(route.methods)]


@pytest.fixture(scope="module")
def guarded(project, tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    texts = {scope: Keys.load(file).add(scope, [scope], rate=1e6) for scope in SCOPES}
    return client_of(project, Keys.load(file)), texts


@pytest.mark.parametrize(("method", "path"), [*routes(), ("GET", "/metrics"), ("GET", "/v1/openapi.json")])
def test_a_key_without_the_scope_learns_nothing(guarded, method, path):
    client, texts = guarded
    needed = scope_of(method, path)
    if path.startswith("/health/"):
        assert needed is None
        return
    assert needed in SCOPES
    for scope, text in [("", ""), *texts.items()]:
        headers = {"authorization": f"Bearer {text}"} if text else {}
        if scope != needed:
            found = client.request(method, path, json={}, headers=headers)
            assert found.status_code == (403 if scope else 401)
            assert set(found.json()) <= {"type", "title", "status", "hint"}


def test_what_changes_something_needs_more_than_reading():
    assert scope_of("DELETE", "/v1/users/u1") == "erase"
    assert scope_of("POST", "/page/event") == "write"
    assert scope_of("POST", "/v1/models/reload") == "admin"
    assert scope_of("POST", "/v1/recommend") == "read"
    assert scope_of("POST", "/v1/something/new") == "write"


@pytest.mark.parametrize("language", ["en", "de", "zh"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?user=u00",
        "/why?user=u00",
        "/graph?q=a",
        "/placements?user=u00",
        "/experiments",
        "/models",
        "/why?item=i03",
        "/texts?user=u00",
        "/live",
        "/data?user=u00",
        "/chat?user=u00",
    ],
)
def test_pages_are_whole_and_speak_one_language(client, path, language):
    found = client.get(path + ("&" if "?" in path else "?") + f"lang={language}")
    assert found.status_code == 200
    assert f'<html lang="{language}">' in found.text
    assert "<script" not in found.text
    assert not re.search(r'(src|href)="https?://', found.text)
    assert "default-src 'none'" in found.headers["content-security-policy"]


def test_languages_have_the_same_words():
    from kgrec.languages import table

    words = {code: set(table(code, "page.toml")) for code in ("en", "de", "zh")}
    assert words["en"] == words["de"] == words["zh"]
    assert {f"action-{action}" for action in ACTIONS} <= words["en"]


def test_a_click_on_the_page_changes_the_list_and_hiding_hides(client):
    top = client.post("/v1/recommend", json={"user_id": "u03"}).json()["items"][0]
    why = client.get(f"/why?user=u03&item={top['item_id']}")
    assert top["title"] in why.text
    done = client.post(
        "/page/event", data={"user": "u03", "item": top["item_id"], "action": "hide"}, follow_redirects=False
    )
    assert done.status_code == 303
    assert top["item_id"] not in [
        i["item_id"] for i in client.post("/v1/recommend", json={"user_id": "u03"}).json()["items"]
    ]
    client.post("/page/edit", data={"user": "u03", "item": "x", "which": ""})
    assert client.get("/v1/users/u03/profile").json()["edits"] == {}
    assert client.post("/page/event", data={"user": "", "item": "", "action": "like"}).status_code == 400


def test_a_talk_on_the_page_goes_on_and_wishes_can_be_taken_off(client, project):
    director = project.dataset.items["director"].drop_nulls()[0]
    form = {"user": "u04", "text": f"nothing by {director}", "state": "{}", "lines": "[]", "shown": "[]"}
    page = client.post("/chat?lang=en", data=form).text
    assert page.count('class="chip"') == 1
    state = html.unescape(re.search(r'name="state" value="([^"]*)"', page)[1])
    again = client.post("/chat?lang=en", data={**form, "state": state, "off": "0"}).text
    assert 'class="chip"' not in again
    assert client.post("/chat", data={**form, "state": "{broken"}).status_code == 400


def test_hostile_names_stay_text(client):
    evil = "<img src=x onerror=alert(1)>"
    client.post("/v1/events", json={"events": [{"user_id": evil, "item_id": "i", "action": "view"}]})
    for path in ("/", "/why", "/data", "/live", "/placements", "/texts"):
        assert "<img" not in client.get(path, params={"user": evil}).text
    assert "<img" not in client.get("/graph", params={"q": evil, "node": evil}).text
    assert "<img" not in client.post("/graph/query", data={"query": evil}).text


def test_metrics_count_all_answers(client):
    client.get("/v1/placements")
    client.get("/v1/recs/nothing")
    text = client.get("/metrics").text
    assert 'route="/v1/placements",status="200"' in text
    assert 'route="/v1/recs/{rec_id}",status="404"' in text


def test_the_openapi_describes_bodies(client):
    found = json.dumps(client.get("/v1/openapi.json").json())
    assert "min_seq" in found
    assert "ServedList" in found

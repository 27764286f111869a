"""The client for programs: typed answers, problems as errors, what is repeated counts once."""

import json

import pytest

pytest.importorskip("httpx2")
pytest.importorskip("fastapi")

import httpx2 as httpx
from starlette.testclient import TestClient

import kgrec
from kgrec.serve.app import create_app
from kgrec.serve.client import MAX_BATCH, Client, ServerError
from kgrec.serve.keys import Keys
from kgrec.serve.serving import Metrics, Serving
from kgrec.testing import toy_workspace


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("client") / "workspace")
    project = kgrec.open(folder, overrides=["text.encoder=hashing"])
    project.build_graph()
    project.train(only=["popularity", "item-knn", "ease", "content"])
    app = create_app(Serving(project.live, project, Keys(folder.parent / "keys.toml"), Metrics()))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as found:
        yield found
    project.live.log.close()


def through(server, **options):
    """Return a client whose requests go to the application in this process."""

    def answer(request):
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        given = server.request(request.method, str(request.url), content=request.content, headers=headers)
        return httpx.Response(given.status_code, headers=given.headers, content=given.content)

    return Client("http://localhost", transport=httpx.MockTransport(answer), **options)


def test_a_list_an_event_and_the_next_list(server):
    with through(server) as kgrec_client:
        shown = kgrec_client.recommend("u00", n=4, explain=True)
        assert len(shown.items) == 4
        assert shown.items[0].reason
        top = shown.items[0].item_id
        kgrec_client.seen(shown.rec_id)
        done = kgrec_client.send([{"user_id": "u00", "item_id": top, "action": "like", "rec_id": shown.rec_id}])
        assert done.new == 1
        again = kgrec_client.recommend("u00", n=4, min_seq=done.seq)
        assert top not in [item.item_id for item in again.items]
        assert kgrec_client.similar(top, n=2).items[1].title
        assert kgrec_client.trending().items[0].item_id == top
        assert kgrec_client.explain("u00", again.items[0].item_id)["item_id"] == again.items[0].item_id
        assert kgrec_client.generate("u00")[0]["text"]


def test_ids_with_any_characters_reach_the_item_they_name(server):
    with through(server) as kgrec_client:
        assert kgrec_client.put_item("a/b?c#d e", title="Odd")["title"] == "Odd"
        assert kgrec_client.similar("a/b?c#d e", n=1).items
        assert kgrec_client.forget("nobody / here")["events"] == 0


def test_problems_are_errors_that_say_what_to_do(server):
    with through(server) as kgrec_client:
        with pytest.raises(ServerError, match="no such item") as caught:
            kgrec_client.similar("there is no such item")
        assert caught.value.status == 404
        with pytest.raises(ServerError, match="colour: Extra inputs") as caught:
            kgrec_client.recommend("u00", colour="red")
        assert caught.value.status == 422


def test_many_events_go_in_several_calls_and_count_once():
    calls, tries = [], []

    def answer(request):
        tries.append(request)
        if len(tries) in (1, 3):
            return httpx.Response(503, headers={"retry-after": "0"})
        if len(tries) == 2:
            raise httpx.ConnectError("gone")
        events = json.loads(request.content)["events"]
        calls.append([event["event_id"] for event in events])
        return httpx.Response(200, json={"seq": 10 * len(calls), "new": len(events), "known": 0})

    one = {"user_id": "u", "item_id": "i", "action": "view"}
    client = Client("http://localhost", transport=httpx.MockTransport(answer))
    assert client.send([one] * (MAX_BATCH + 5)).new == MAX_BATCH + 5
    assert [len(call) for call in calls] == [MAX_BATCH, 5]
    assert len({key for call in calls for key in call}) == MAX_BATCH + 5
    first = [json.loads(request.content)["events"][0]["event_id"] for request in tries[:4]]
    assert len(set(first)) == 1  # sent again, it is the same event


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={"items": [3]}),
        httpx.Response(500, content=b"<html>"),
        httpx.Response(302, headers={"location": "http://elsewhere.example/"}),
        httpx.Response(422, json={"title": "bad", "errors": [3, {"where": "n", "what": "too many"}]}),
    ],
)
def test_whatever_answers_the_error_is_clear(answer):
    asked = []

    def give(request):
        asked.append(request.url.host)
        return answer

    with pytest.raises(ServerError) as caught:
        Client("http://localhost", key="secret", transport=httpx.MockTransport(give)).recommend("u")
    assert "secret" not in str(caught.value)
    assert set(asked) == {"localhost"}


def test_nobody_there():
    def gone(_request):
        raise httpx.ConnectError("refused")

    with pytest.raises(ServerError, match="no answer") as caught:
        Client("http://localhost", retries=0, transport=httpx.MockTransport(gone)).trending()
    assert caught.value.status == 0

"""The routes of the API, version 1. Every body is a model with bounds; unknown fields are errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, StringConstraints, ValidationError
from starlette.responses import Response, StreamingResponse

from kgrec.errors import KgrecError, UserError
from kgrec.live.audience import audience
from kgrec.live.dialogue import Talk, Wish
from kgrec.live.events import MAX_BATCH, Event, Id, Name, Strict
from kgrec.live.lists import ListRequest, ServedList
from kgrec.live.next_event import PAST, next_events
from kgrec.live.results import estimate, experiment_result
from kgrec.live.trending import MINUTES
from kgrec.serve.serving import Serving, as_json, live, serving

router = APIRouter()

Text = Annotated[str, StringConstraints(max_length=4_000)]
Count = Annotated[int, Field(ge=1, le=1_000)]
ItemId = Annotated[Id, Path()]
UserId = Annotated[Id, Path()]


class EventBatch(Strict):
    """Events of one call."""

    events: Annotated[list[Event], Field(min_length=1, max_length=MAX_BATCH)]


class Shown(Strict):
    """A list that was really looked at."""

    rec_id: Annotated[str, StringConstraints(max_length=64)]
    item_ids: Annotated[list[Id], Field(max_length=1_000)] | None = None
    """Those that were seen; None: all of the list."""


class Rank(Strict):
    """Items to put in the user's order."""

    user_id: Id
    item_ids: Annotated[list[Id], Field(min_length=1, max_length=10_000)]


class Similar(Strict):
    """What is near to an item."""

    item_id: Id
    n: Count = 10


class Search(Strict):
    """Words to look for in titles and names."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    n: Count = 20


class Question(Strict):
    """An item and the user whom it is recommended to, or not."""

    user_id: Id
    item_id: Id
    n: Count | None = None


class Audience(Strict):
    """An item for which users are looked for."""

    item_id: Id
    n: Count = 100


class Next(Strict):
    """Whose next events are asked for."""

    user_id: Id
    n: Annotated[int, Field(ge=1, le=100)] = 10


class Texts(Strict):
    """A text to write."""

    user_id: Id | None = None
    item_ids: Annotated[tuple[Id, ...], Field(max_length=20)] = ()
    n: Annotated[int, Field(ge=1, le=20)] = 1
    kind: Name | None = None
    language: Name | None = None
    tone: Name | None = None
    seed: int | None = None


class TextFeedbackBody(Strict):
    """What was done with a text, as `kgrec feedback` takes it: shown, clicked, rated, accepted, edited or rejected."""

    text_id: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    event: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    value: float | None = None
    text: Text | None = None
    user_id: Id | None = None
    event_id: Id | None = None


class Sparql(Strict):
    """A query on the graph, read only."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    timeout: Annotated[float, Field(gt=0, le=30)] = 10.0


class WishBody(Strict):
    """Something that was asked for in a talk; see :class:`kgrec.live.dialogue.Wish`."""

    where: Annotated[str, StringConstraints(max_length=1_000)] = ""
    like: Annotated[str, StringConstraints(max_length=256)] = ""
    label: Annotated[str, StringConstraints(max_length=1_000)] = ""


class Chat(Strict):
    """What somebody says about a list; the state of the talk comes back with each answer and is sent along."""

    user_id: Id
    text: Annotated[str, StringConstraints(max_length=1_000)] = ""
    wishes: Annotated[list[WishBody], Field(max_length=20)] = []  # noqa: RUF012
    asked: WishBody | None = None
    refused: Annotated[list[Annotated[str, StringConstraints(max_length=1_000)]], Field(max_length=50)] = []  # noqa: RUF012
    shown: Annotated[list[Id], Field(max_length=100)] = []  # noqa: RUF012
    language: Name | None = None
    n: Annotated[int, Field(ge=1, le=100)] = 10


class ListBody(ListRequest):
    """Who wants a list, and what comes with it."""

    texts: Name | None = None
    """Kind of text to write about each item, at most 20."""
    validate_only: bool = False
    """Only say what would be made."""

    def model_post_init(self, context: Any, /) -> None:
        """Check what belongs together."""
        super().model_post_init(context)
        if self.texts is not None and (self.n or 0) > 20:
            raise ValueError("texts are written about 20 items at most")


BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": ListBody.model_json_schema()}}}}


@router.post("/v1/recommend", response_model=ServedList, openapi_extra=BODY)
async def recommend(request: Request) -> Response:
    """A list for a user, for somebody with some likes, or for what somebody says; with reasons where asked for."""
    try:  # the busiest route: nothing is read twice, and a list that is there is sent without a thread
        body = ListBody.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_context=False, include_url=False)) from None
    here = serving(request)
    if body.texts is None and not body.validate_only and (found := here.live.kept(body)) is not None:
        return Response(found.text, media_type="application/json")
    return await here.lists.run(lambda: _listed(here, body))


def _listed(here: Serving, body: ListBody) -> Response:
    if body.validate_only:
        return as_json(here.live.check(body))
    made = here.live.listed(body)
    if body.texts is None:
        return Response(made.text, media_type="application/json")
    values = made.made.to_dict()
    _with_texts(here, values, body)
    return as_json(values)


def _with_texts(serving: Serving, made: dict[str, Any], body: ListBody) -> None:
    """Write a text about each item that is in the tables; of others ``text`` is null."""
    user = None if body.user_id is None else serving.live.stored(body.user_id)
    user = user if user in serving.live.models.recommender.ranker.user_positions else None
    known = serving.live.models.recommender.ranker.item_positions
    items = [item["item_id"] for item in made["items"][:20] if item["item_id"] in known]
    told = {"kind": body.texts, "language": body.language, "seed": made["seed"]}
    written = serving.project.generate(user, item=items, **told) if items else []
    texts = {key: _told(text) for text in written for key in text.item_ids}
    for item in made["items"]:
        item["text"] = texts.get(item["item_id"])


@router.post("/v1/similar", response_model=ServedList)
def similar(request: Request, body: Similar) -> Response:
    """Items that somebody would get who likes nothing but this one."""
    return as_json(live(request).similar(body.item_id, body.n).to_dict())


@router.get("/v1/trending")
def trending(
    request: Request,
    n: Annotated[int, Query(ge=1, le=1_000)] = 20,
    minutes: Annotated[int | None, Query(ge=1, le=MINUTES)] = None,
) -> Response:
    """What most people turn to now: what came in so many minutes, or all, the latest counting most."""
    return as_json({"items": [item.to_dict() for item in live(request).trending(n, minutes)]})


@router.post("/v1/rank")
def rank(request: Request, body: Rank) -> Response:
    """The given items in the user's order, with scores; unknown ids are named."""
    found, unknown = live(request).rank(body.user_id, body.item_ids)
    return as_json({"items": [item.to_dict() for item in found], "unknown": unknown})


@router.post("/v1/search")
def search(request: Request, body: Search) -> Response:
    """Items and entities of the graph whose names hold the words."""
    found = serving(request).project.graph.search(body.text, limit=body.n)
    return as_json({"found": found.to_dicts()})


@router.post("/v1/events")
def events(
    request: Request, body: EventBatch, idempotency_key: Annotated[str | None, Header(max_length=128)] = None
) -> Response:
    """Take events; the answer comes when they are on the disk and counted.

    An event with an ``event_id`` counts once, however often it is sent. With the header ``Idempotency-Key`` events
    without one get ids from it, so that a whole call may be sent again.
    """
    given = body.events
    if idempotency_key:
        given = [
            event if event.event_id else event.model_copy(update={"event_id": f"{idempotency_key}#{place}"})
            for place, event in enumerate(given)
        ]
    found = live(request).append(given)
    serving(request).metrics.events.labels("new").inc(found.new)
    serving(request).metrics.events.labels("known").inc(found.known)
    return as_json(asdict(found))


@router.post("/v1/impressions")
def impressions(request: Request, body: Shown) -> Response:
    """Say that a list, or some of its items, was really looked at."""
    record = live(request).receipt(body.rec_id)
    shown = [item["item_id"] for item in record["items"]]
    seen = shown if body.item_ids is None else [key for key in body.item_ids if key in set(shown)]
    if not record["user_id"]:
        raise UserError("this list was for nobody in particular", hint="impressions are events of a user")
    events = [
        Event(
            user_id=record["user_id"],
            action="impression",
            item_id=key,
            rec_id=body.rec_id,
            event_id=f"{body.rec_id}~{key}"[:256],
        )
        for key in seen
    ]
    return as_json(asdict(live(request).append(events)) if events else {"seq": 0, "new": 0, "known": 0})


@router.get("/v1/recs/{rec_id}")
def receipt(request: Request, rec_id: Annotated[str, Path(max_length=64)], replay: bool = False) -> Response:
    """The receipt of a list; with ``replay`` it is made again, and ``same`` says whether place by place."""
    record = live(request).receipt(rec_id)
    if replay:
        made, same = live(request).replay(rec_id)
        record = {**record, "replayed": made.to_dict(), "same": same}
    return as_json(record)


@router.post("/v1/explain")
def explain(request: Request, body: Question) -> Response:
    """Why an item is, or is not, in the user's list, from events up to now."""
    return as_json(_explained(request, body))


def _explained(request: Request, body: Question, *, search: bool = False) -> dict[str, Any]:
    found = live(request).explain(body.user_id, body.item_id, body.n, search=search)
    return {**found.to_dict(), "user_id": body.user_id}


@router.post("/v1/why-not")
def why_not(request: Request, body: Question) -> Response:
    """What keeps an item out of the user's list: the items above it, what it lacks, which scorers speak against it."""
    found = _explained(request, body)
    return as_json({name: found[name] for name in ("user_id", "item_id", "rank", "n", "out_of", "why_not")})


@router.post("/v1/counterfactual")
def counterfactual(request: Request, body: Question) -> Response:
    """The same, with the items of the history without which it would not be there."""
    return as_json(_explained(request, body, search=True))


@router.post("/v1/chat")
def chat(request: Request, body: Chat) -> Response:
    """Answer somebody who talks about a list: what was understood, perhaps a question, the wishes in force, a list."""
    wishes = tuple(Wish(**wish.model_dump()) for wish in body.wishes)
    asked = Wish(**body.asked.model_dump()) if body.asked else None
    before = Talk(wishes, asked, tuple(body.refused))
    talk, made = live(request).talks.answer(
        body.user_id, body.text, before, body.shown, language=body.language, n=body.n
    )
    return as_json({**asdict(talk), "list": made.to_dict()})


@router.post("/v1/users-for-item")
def users_for_item(request: Request, body: Audience) -> Response:
    """Users whom an item would please most and who do not know it; of many, those near to it are scored."""
    found, scored = audience(live(request).now, body.item_id, body.n)
    names = live(request).names
    users = [{**asdict(one), "user_id": names.shown(one.user_id)} for one in found]
    return as_json({"users": users, "scored": scored})


@router.post("/v1/next")
def next_event(request: Request, body: Next) -> Response:
    """What a user will likely do next, each action and item with its probability."""
    here = live(request)
    found = next_events(here.models, here.user(body.user_id), here.past(body.user_id, PAST), body.n)
    return as_json({"next": [asdict(one) for one in found]})


@router.post("/v1/generate/stream")
def stream(request: Request, body: Texts) -> Response:
    """The same as generate, each text sent as an event when the guards have let it pass."""
    project, here = serving(request).project, live(request)
    items = body.item_ids
    if not items and body.user_id is not None:
        made = here.recommend(ListRequest(user_id=body.user_id, n=body.n))
        items = tuple(item.item_id for item in made.items)
    asked: dict[str, Any] = {"kind": body.kind, "language": body.language, "tone": body.tone, "seed": body.seed}
    user = None if body.user_id is None else here.stored(body.user_id)
    first = project.generate(user, item=items[:1], **asked)  # what is wrong is told before the stream begins

    def events() -> Iterator[str]:
        yield from (_event("text", _told(text)) for text in first)
        for item in items[1:]:
            try:
                yield from (_event("text", _told(text)) for text in project.generate(user, item=item, **asked))
            except KgrecError as error:
                yield _event("problem", {"item_id": item, "title": error.message})
        yield _event("done", {})

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


def _event(name: str, value: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(value, ensure_ascii=False)}\n\n"


@router.post("/v1/generate")
def generate(request: Request, body: Texts) -> Response:
    """Texts about items for a user, or for nobody in particular; none leaves that a guard refused."""
    texts = serving(request).project.generate(
        None if body.user_id is None else live(request).stored(body.user_id),
        item=body.item_ids,
        n=body.n,
        kind=body.kind,
        language=body.language,
        tone=body.tone,
        seed=body.seed,
    )
    return as_json({"texts": [_told(text) for text in texts]})


def _told(text: Any) -> dict[str, Any]:
    return {
        "text": text.text,
        "kind": text.kind,
        "language": text.language,
        "model": text.model,
        "item_ids": list(text.item_ids),
        "text_id": text.text_id,
        "fallback": text.fallback,
        "note": text.note,
    }


@router.post("/v1/feedback")
def feedback(request: Request, body: TextFeedbackBody) -> Response:
    """Say what a reader, or who decides on texts, did with a text; of lists, events and impressions say it."""
    user = None if body.user_id is None else live(request).stored(body.user_id)
    told: dict[str, Any] = {"value": body.value, "text": body.text, "user": user, "event_id": body.event_id}
    return as_json(serving(request).project.feedback.record(body.text_id, body.event, **told).to_dict())


@router.post("/v1/graph/query")
def query(request: Request, body: Sparql) -> Response:
    """Rows of a SPARQL query; updates and calls to other servers are refused."""
    found = serving(request).project.graph.query(body.query, timeout=body.timeout, limit=body.limit)
    return as_json({"columns": found.columns, "rows": found.shortened(), "truncated": found.truncated})


@router.get("/v1/graph/nodes/{name:path}")
def node(request: Request, name: str, limit: Annotated[int, Query(ge=1, le=200)] = 40) -> Response:
    """A node by key or name, and the edges around it that say most."""
    found = serving(request).project.graph.neighbourhood(name[:500], limit=limit)
    return as_json({"nodes": found.nodes.to_dicts(), "edges": found.edges.to_dicts(), "omitted": found.omitted})


@router.get("/v1/placements")
def placements(request: Request) -> Response:
    """The placements and what their lists are made of."""
    return as_json({name: rules.model_dump() for name, rules in live(request).placements.rules.items()})


@router.get("/v1/experiments")
def experiments(request: Request) -> Response:
    """The experiments."""
    return as_json({name: e.model_dump() for name, e in live(request).placements.experiments.items()})


@router.get("/v1/experiments/{name}")
def experiment(request: Request, name: Name) -> Response:
    """What is known of an experiment by now; its intervals hold however often they are looked at."""
    return as_json(asdict(experiment_result(live(request).log, live(request).placements, name)))


@router.get("/v1/off-policy/{placement}")
def off_policy(request: Request, placement: Name, explore: Annotated[float, Query(gt=0, le=1)]) -> Response:
    """What another temperature would have earned a list of a placement that explores."""
    return as_json({name: asdict(e) for name, e in estimate(live(request).log, placement, explore).items()})


@router.get("/v1/models")
def models(request: Request) -> Response:
    """What is served, and what was before."""
    here = live(request)
    return as_json({"served": here.models.version, "previous": here.previous.version if here.previous else None})


@router.post("/v1/models/reload")
def reload(request: Request) -> Response:
    """Load what `kgrec train` made since beside what is served, and swap; requests go on meanwhile."""
    version, overlap = live(request).reload()
    return as_json({"served": version, "overlap": overlap})


@router.post("/v1/models/roll-back")
def roll_back(request: Request) -> Response:
    """Serve the models again that were served before."""
    return as_json({"served": live(request).roll_back()})


@router.get("/health/live", include_in_schema=False)
def health_live() -> Response:
    """Whether the process answers."""
    return as_json({"status": "ok"})


@router.get("/health/ready", include_in_schema=False)
def health_ready(request: Request) -> Response:
    """Whether lists can be made, with the state of the log."""
    here = live(request)
    return as_json({"status": "ok", "model": here.models.version, "seq": here.models.profiles.applied})

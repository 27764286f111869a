"""The routes of users, items and jobs: what is known of them, changed while serving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response, StreamingResponse

from kgrec.errors import UserError
from kgrec.live.events import Id, Strict
from kgrec.live.records import Changes, Described, Label, merged
from kgrec.serve.serving import as_json, live, serving

data_router = APIRouter()

ItemId = Annotated[Id, Path()]
UserId = Annotated[Id, Path()]


class Triple(Strict):
    """A fact about an item: a relation, or an attribute of the catalogue, and a value."""

    item_id: Id
    relation: Label
    value: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Session(Strict):
    """An anonymous session."""

    session: Id


Condition = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class EditsBody(Strict):
    """Changes of what lists think a user likes; ``undo`` takes back the last one."""

    weights: Annotated[dict[Id, Annotated[float, Field(ge=0, le=10)] | None], Field(max_length=1_000)] = {}  # noqa: RUF012
    """How much items are liked: 0 not at all, null as events say."""
    less: Annotated[list[Condition], Field(max_length=20)] = []  # noqa: RUF012
    """Conditions on items of which there should be fewer, as ``where`` takes them: ``director="Ann"``."""
    more: Annotated[list[Condition], Field(max_length=20)] = []  # noqa: RUF012
    undo: bool = False


@data_router.get("/v1/users/{user_id:path}/profile")
def profile(request: Request, user_id: UserId) -> Response:
    """What lists think a user likes, the strongest first, the latest events, and what was changed by hand."""
    return as_json(live(request).profile(user_id))


@data_router.patch("/v1/users/{user_id:path}/profile")
def edit(request: Request, user_id: UserId, body: EditsBody) -> Response:
    """Change what lists think a user likes, and of what there should be less or more."""
    here = live(request)
    edits = here.undo(user_id) if body.undo else here.edit(user_id, body.weights) if body.weights else None
    for where, more in [*((one, False) for one in body.less), *((one, True) for one in body.more)]:
        edits = here.lean(user_id, where, more=more)
    if edits is None:
        raise UserError("nothing to change", hint="give weights, less, more or undo")
    return as_json({"edits": edits.weights, "leanings": edits.leanings})


@data_router.post("/v1/users/{user_id:path}/merge")
def merge(request: Request, user_id: UserId, body: Session) -> Response:
    """Say that an anonymous session was this user's: its events, also those to come, are hers."""
    return as_json({"events": live(request).merge(body.session, user_id)})


@data_router.get("/v1/users/{user_id:path}")
def show_user(request: Request, user_id: UserId) -> Response:
    """What was put of a user."""
    return as_json(live(request).person(user_id).model_dump())


@data_router.put("/v1/users/{user_id:path}")
def put_user(request: Request, user_id: UserId, body: Described) -> Response:
    """Say what is known of a user; what she says of herself (``description``) counts from her next list on."""
    live(request).put_user(user_id, body)
    return as_json(body.model_dump())


@data_router.patch("/v1/users/{user_id:path}")
def patch_user(request: Request, user_id: UserId, body: Changes) -> Response:
    """Change some of what is known of a user; null takes something away."""
    made = merged(live(request).person(user_id), body.model_dump(exclude_unset=True))
    live(request).put_user(user_id, made)
    return as_json(made.model_dump())


@data_router.delete("/v1/users/{user_id:path}")
def forget(request: Request, user_id: UserId) -> Response:
    """Remove the live events, receipts and edits of a user; what the build holds, `kgrec forget` removes."""
    events, lists = live(request).forget(user_id)
    return as_json({"events": events, "lists": lists})


@data_router.get("/v1/items/{item_id:path}")
def show_item(request: Request, item_id: ItemId) -> Response:
    """What is known of an item, and whether the models were trained with it."""
    return as_json(live(request).now.catalogue.shown(item_id))


@data_router.put("/v1/items/{item_id:path}")
def put_item(request: Request, item_id: ItemId, body: Described) -> Response:
    """Put an item as it is from now on: a new one is in lists at once, placed by its texts and facts."""
    live(request).put_items([(item_id, body)])
    return as_json(live(request).now.catalogue.shown(item_id))


@data_router.patch("/v1/items/{item_id:path}")
def patch_item(request: Request, item_id: ItemId, body: Changes) -> Response:
    """Change some of what is known of an item; null takes something away."""
    catalogue = live(request).now.catalogue
    catalogue.shown(item_id)
    live(request).put_items([(item_id, merged(catalogue.described(item_id), body.model_dump(exclude_unset=True)))])
    return as_json(live(request).now.catalogue.shown(item_id))


@data_router.delete("/v1/items/{item_id:path}")
def delete_item(request: Request, item_id: ItemId) -> Response:
    """Take an item out of all lists from now on; what happened with it stays known."""
    live(request).now.catalogue.shown(item_id)
    live(request).put_items([(item_id, None)])
    return as_json({"deleted": item_id})


@data_router.put("/v1/triples")
def put_triple(request: Request, body: Triple) -> Response:
    """Add a fact to an item."""
    return _change_triple(request, body, added=True)


@data_router.delete("/v1/triples")
def delete_triple(request: Request, body: Triple) -> Response:
    """Take a fact of an item away."""
    return _change_triple(request, body, added=False)


def _change_triple(request: Request, body: Triple, *, added: bool) -> Response:
    catalogue = live(request).now.catalogue
    catalogue.shown(body.item_id)
    live(request).put_items([(body.item_id, catalogue.with_fact(body.item_id, body.relation, body.value, added=added))])
    return as_json(live(request).now.catalogue.shown(body.item_id))


@data_router.get("/v1/jobs")
def jobs(request: Request) -> Response:
    """The bulk jobs and how far they are, the latest first."""
    return as_json({"jobs": [asdict(job) for job in serving(request).jobs.all()]})


@data_router.post("/v1/jobs/import", openapi_extra={"requestBody": {"content": {"application/x-ndjson": {}}}})
async def start_import(request: Request, kind: Annotated[Literal["events", "items", "users"], Query()]) -> Response:
    """Take many events, items or users, a JSON value a line, at most 256 MiB; the answer names the job."""
    here = serving(request).jobs
    job = here.new("import", kind)
    try:
        with here.file(job).open("wb") as out:
            async for part in request.stream():
                out.write(part)
    except BaseException:
        here.drop(job)
        raise
    here.start(job)
    return as_json(asdict(job), 202)


@data_router.post("/v1/jobs/export")
def start_export(request: Request, kind: Annotated[Literal["events", "items", "users", "lists"], Query()]) -> Response:
    """Write all events, items, users or lists, a JSON value a line; the answer names the job."""
    here = serving(request).jobs
    job = here.new("export", kind)
    here.start(job)
    return as_json(asdict(job), 202)


@data_router.get("/v1/jobs/{job_id}")
def show_job(request: Request, job_id: Annotated[str, Path(max_length=64)]) -> Response:
    """How far a job is, and which lines it could not use."""
    return as_json(asdict(serving(request).jobs.find(job_id)))


@data_router.get("/v1/jobs/{job_id}/result")
def job_result(request: Request, job_id: Annotated[str, Path(max_length=64)]) -> Response:
    """What an export wrote; it is kept for a day."""
    here = serving(request).jobs
    job = here.find(job_id)
    if job.task != "export" or job.state != "done" or not here.file(job).exists():
        raise UserError(f"the job {job_id!r} has no result", hint="ask for its state first")

    def lines() -> Iterator[bytes]:
        with here.file(job).open("rb") as stream:
            while part := stream.read(1 << 16):
                yield part

    return StreamingResponse(lines(), media_type="application/x-ndjson")

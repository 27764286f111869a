"""What the buttons of the web page do; each goes back to its page."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from kgrec.errors import UserError
from kgrec.live.events import Event
from kgrec.serve.serving import serving

action_router = APIRouter(include_in_schema=False)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; of repeated ones the last."""
    body = (await request.body()).decode("utf-8", errors="replace")
    return {key: values[-1] for key, values in parse_qs(body, keep_blank_values=True, max_num_fields=50).items()}


def _back(path: str, form: Mapping[str, str], *names: str) -> Response:
    kept = {name: form[name] for name in (*names, "lang") if name in form}
    return RedirectResponse(f"{path}?{urlencode(kept)}", 303)


@action_router.post("/page/event")
async def act(request: Request) -> Response:
    """Take what somebody did in the window."""
    form, live = await read_form(request), serving(request).live
    user, item, action = (form.get(name, "") for name in ("user", "item", "action"))

    def take() -> None:
        if action == "hide":
            live.edit(user, {item: 0.0})
        elif action in ("click", "like"):
            given = {"user_id": user, "item_id": item, "action": action, "rec_id": form.get("rec") or None}
            try:
                live.append([Event.model_validate(given)])
            except ValidationError:
                raise UserError("this is no event", hint="it needs a user and an item") from None

    await run_in_threadpool(take)
    return _back("/", {**form, "since": form.get("rec", "")}, "user", "since")


@action_router.post("/page/edit")
async def edit(request: Request) -> Response:
    """Change how much something counts, or take the last change back."""
    form, live = await read_form(request), serving(request).live
    user, which = form.get("user", ""), form.get("which", "")

    def take() -> None:
        if not which:
            live.undo(user)
            return
        try:
            weight = min(max(float(form.get("weight", "0")), 0.0), 10.0)
        except ValueError:
            raise UserError("a weight is a number") from None
        live.edit(user, {which: weight})

    await run_in_threadpool(take)
    return _back("/why", form, "user", "item")


@action_router.post("/page/models")
async def switch(request: Request) -> Response:
    """Load new models, or go back to those before."""
    form, live = await read_form(request), serving(request).live
    await run_in_threadpool(live.roll_back if form.get("what") == "back" else live.reload)
    return _back("/models", form)


@action_router.post("/page/forget")
async def forget(request: Request) -> Response:
    """Remove what came of a user since the build."""
    form, live = await read_form(request), serving(request).live
    await run_in_threadpool(live.forget, form.get("user", ""))
    return _back("/data", form)


@action_router.post("/page/lean")
async def lean(request: Request) -> Response:
    """Show a person less, or more, of a kind."""
    form, live = await read_form(request), serving(request).live
    user, where, more = form.get("user", ""), form.get("where", "")[:1_000], form.get("more") == "yes"
    await run_in_threadpool(lambda: live.lean(user, where, more=more))
    return _back("/why", form, "user", "item")


@action_router.post("/page/text")
async def decide(request: Request) -> Response:
    """Accept, edit or reject a text that is on record."""
    form, project = await read_form(request), serving(request).project
    key, what, said = (form.get(name, "")[:4_000] for name in ("text_id", "what", "text"))
    told = (said.strip() or None) if what in ("edited", "rejected") else None
    await run_in_threadpool(lambda: project.feedback.record(key, what, text=told))
    return _back("/texts", {**form, "decided": what}, "user", "kind", "tone", "decided")

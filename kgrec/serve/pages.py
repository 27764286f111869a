"""The web page: plain HTML made on the server, which works without scripts and asks nobody else for anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Query, Request
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from kgrec.errors import KgrecError, NotFoundError, UserError
from kgrec.generate.service import GenerateOptions
from kgrec.generate.template import TONES
from kgrec.graph.drawing import to_svg
from kgrec.languages import DEFAULT, languages, table
from kgrec.live.dialogue import Talk
from kgrec.live.events import Event
from kgrec.live.lists import ListRequest
from kgrec.live.results import experiment_result
from kgrec.report.blocks import clean
from kgrec.serve.serving import Serving

page_router = APIRouter(include_in_schema=False)

PAGES = {
    "window": "/",
    "why": "/why",
    "graph": "/graph",
    "placements": "/placements",
    "texts": "/texts",
    "chat": "/chat",
    "live": "/live",
    "data": "/data",
}
"""Name of a page -> where it is."""

EXAMPLE = """SELECT ?entity (COUNT(?item) AS ?items) WHERE {
  ?item a kgrec:Item ; ?relation ?entity . ?entity a kgrec:Entity
} GROUP BY ?entity ORDER BY DESC(?items) LIMIT 20"""

Short = Annotated[str, Query(max_length=256)]


@cache
def _templates() -> Environment:
    loader = ChoiceLoader([PackageLoader("kgrec.serve"), PackageLoader("kgrec.report")])

    def finalize(value: Any) -> Any:
        return value if isinstance(value, Markup) else clean(value)

    return Environment(loader=loader, autoescape=True, finalize=finalize, undefined=StrictUndefined, trim_blocks=True)


@cache
def _words(code: str) -> Mapping[str, str]:
    """Return the words of the page in a language; English where it has none."""
    return {**table(DEFAULT, "page.toml"), **table(code, "page.toml")}


def _language(request: Request, serving: Serving) -> str:
    known = [code for code in languages() if table(code, "page.toml")]
    asked = request.query_params.get("lang", "")
    if asked in known:
        return asked
    wanted = [
        part.split(";")[0].split("-")[0].strip() for part in request.headers.get("accept-language", "").split(",")
    ]
    usual = serving.project.config.recommend.language or serving.project.dataset.language or DEFAULT
    return next((code for code in wanted if code in known), usual)


def _page(request: Request, name: str, values: Mapping[str, Any], problem: str = "", status: int = 200) -> Response:
    serving: Serving = request.app.state.serving
    lang = _language(request, serving)
    words = _words(lang)

    def here(**changed: str) -> str:
        return f"{request.url.path}?{urlencode({**request.query_params, **changed})}"

    def t(key: str) -> str:
        return words.get(key, key)

    tongues = [(code, _words(code)["own-name"]) for code in languages() if table(code, "page.toml")]
    html = (
        _templates()
        .get_template(f"{name}.html")
        .render(
            page=name,
            pages=[(key, f"{href}?{urlencode({'lang': lang})}") for key, href in PAGES.items()],
            lang=lang,
            languages=tongues,
            here=here,
            t=t,
            problem=problem,
            workspace=serving.project.workspace.root.resolve().name,
            **values,
        )
    )
    return HTMLResponse(html, status)


def _shown(request: Request, name: str, empty: Mapping[str, Any], find: Callable[[], Mapping[str, Any]]) -> Response:
    """Return a page with what ``find`` finds laid over ``empty``; an error stands on the page."""
    try:
        return _page(request, name, {**empty, **find()})
    except KgrecError as error:
        told = f"{error.message}. {error.hint or ''}".strip()
        return _page(request, name, empty, told, 404 if isinstance(error, NotFoundError) else 400)


def _serving(request: Request) -> Serving:
    found: Serving = request.app.state.serving
    return found


@page_router.get("/")
def window(request: Request, user: Short = "", since: Short = "") -> Response:
    """Show the lists of a user by placement, what she did, and what is trending; mark what is new ``since`` a list."""
    live = _serving(request).live
    known = [live.names.shown(key) for key in live.models.recommender.ranker.user_ids[:200]]
    empty: dict[str, Any] = {"user": user, "known": known, "lists": [], "profile": None, "trending": [], "fresh": set()}

    def find() -> Mapping[str, Any]:
        if not user:
            return {}
        names, lang = list(live.placements.rules)[:4], _language(request, _serving(request))
        lists = [
            live.recommend(ListRequest(user_id=user, placement=name, explain=True, language=lang)).to_dict()
            for name in names
        ]
        profile = live.profile(user) if live.knows(user) else None
        fresh: set[str] = set()
        with suppress(NotFoundError):
            then = live.receipt(since)
            before = {item["item_id"] for item in then["items"]}
            mine = [item for one in lists if one["placement"] == then["placement"] for item in one["items"]]
            fresh = {item["item_id"] for item in mine} - before
        return {"lists": lists, "fresh": fresh, "profile": profile, "trending": live.trending(5)}

    return _shown(request, "window", empty, find)


@page_router.get("/why")
def why(request: Request, user: Short = "", item: Short = "") -> Response:
    """Show why an item is, or is not, in a user's list, and what may be changed about it."""
    live = _serving(request).live
    empty: dict[str, Any] = {
        "user": user,
        "item": item,
        "found": None,
        "bars": [],
        "paths": [],
        "drawing": "",
        "profile": None,
    }

    def find() -> Mapping[str, Any]:
        choices: list[Any] = []
        if user:
            choices = list(live.recommend(ListRequest(user_id=user)).items)
        if not (user and item):
            return {"choices": choices}
        from kgrec.explain.why import picture

        found = live.explain(user, item, language=_language(request, _serving(request)))
        drawing = Markup(to_svg(picture(found))) if found.paths else ""
        return {
            "choices": choices,
            "found": found,
            "bars": _bars([(cause.label, cause.value) for cause in found.contributions]),
            "paths": [path.told() for path in found.paths],
            "drawing": drawing,
            "profile": live.profile(user),
        }

    return _shown(request, "why", {**empty, "choices": []}, find)


def _bars(parts: Sequence[tuple[str, float]], most: int = 12) -> list[dict[str, Any]]:
    """Return the largest parts as bars; the others are joined in a last one, so that all of them sum."""
    sums: dict[str, float] = {}
    for label, value in parts:
        sums[label] = sums.get(label, 0.0) + value
    ordered = sorted(sums.items(), key=lambda pair: -abs(pair[1]))
    if len(ordered) > most:
        ordered = [*ordered[:most], ("…", sum(value for _, value in ordered[most:]))]
    widest = max((abs(value) for _, value in ordered), default=1.0) or 1.0
    return [{"label": label, "value": value, "width": round(100 * abs(value) / widest)} for label, value in ordered]


@page_router.get("/graph")
def graph(
    request: Request, q: Annotated[str, Query(max_length=200)] = "", node: Annotated[str, Query(max_length=600)] = ""
) -> Response:
    """Search the graph and show what lies around a node."""
    kg = _serving(request).project.graph

    def find() -> Mapping[str, Any]:
        values: dict[str, Any] = {}
        if q:
            values["found"] = kg.search(q, limit=30).to_dicts()
        if node:
            around = kg.neighbourhood(node, limit=24)
            names = {row["node"]: row for row in around.nodes.to_dicts()}
            values["center"] = around.nodes["label"][0]
            values["drawing"] = Markup(to_svg(around))
            values["around"] = [
                {
                    "relation": e["label"],
                    "label": names[e["far"]]["label"],
                    "name": f"{names[e['far']]['kind']}:{names[e['far']]['key']}",
                }
                for e in around.edges.to_dicts()
            ]
        return values

    return _shown(request, "graph", _graph_values(q=q), find)


def _graph_values(**given: Any) -> dict[str, Any]:
    empty = {
        "q": "",
        "found": [],
        "drawing": "",
        "center": "",
        "around": [],
        "query": EXAMPLE,
        "columns": [],
        "rows": [],
    }
    return {**empty, **given}


@page_router.post("/graph/query")
async def query(request: Request) -> Response:
    """Run a query and show its rows."""
    form = await _form(request)
    sparql = form.get("query", "")[:20_000]
    kg = _serving(request).project.graph

    def find() -> Mapping[str, Any]:
        found = kg.query(sparql, timeout=10.0, limit=200)
        return {"columns": found.columns, "rows": found.shortened()}

    return await run_in_threadpool(_shown, request, "graph", _graph_values(query=sparql), find)


@page_router.get("/placements")
def placements(request: Request, user: Short = "", a: Short = "", b: Short = "") -> Response:
    """Show the lists of two placements beside each other, and the experiments."""
    live = _serving(request).live
    names = list(live.placements.rules)
    chosen = [a if a in names else names[0], b if b in names else names[-1]]
    who = user or live.names.shown(next(iter(live.models.recommender.ranker.user_ids), ""))
    sides = [
        {
            "name": side,
            "placement": name,
            "rules": _rules(live.placements.rules[name].model_dump(exclude_defaults=True)),
            "items": (),
        }
        for side, name in zip("ab", chosen, strict=True)
    ]
    empty = {"user": who, "names": names, "sides": sides, "results": []}

    def find() -> Mapping[str, Any]:
        lists = [live.preview(who, name) for name in chosen]
        shown = [{**side, "items": made.items} for side, made in zip(sides, lists, strict=True)]
        return {
            "sides": shown,
            "results": [experiment_result(live.log, live.placements, name) for name in live.placements.experiments],
        }

    return _shown(request, "placements", empty, find)


def _rules(rules: Mapping[str, Any]) -> str:
    return " · ".join(f"{name} {value}" for name, value in rules.items())


@page_router.get("/live")
def now(request: Request) -> Response:
    """Show what happens: events, models, how much is kept in memory."""
    serving = _serving(request)
    live, last = serving.live, serving.live.log.newest()
    facts = [
        ("events", last),
        ("waiting", last - live.models.profiles.applied),
        ("unknown-items", live.models.profiles.unknown),
        ("cached", live.cached),
        ("users", len(live.models.recommender.ranker.user_ids)),
        ("items", len(live.models.recommender.ranker.item_ids)),
    ]
    newer = serving.project.workspace.info("models").fingerprint != live.models.version
    events = live.log.read(max(last - 20, 0)).reverse().to_dicts()
    values = {
        "facts": facts,
        "events": events,
        "served": live.models.version,
        "previous": live.previous,
        "newer": newer,
    }
    return _page(request, "live", values)


@page_router.get("/texts")
def texts(request: Request, user: Short = "", kind: Short = "", tone: Short = "") -> Response:
    """Write texts about the first items of a user's list, with the facts that they rest on."""
    project = _serving(request).project
    kinds = [each.name for each in project.texts.domain.kinds]
    empty = {"user": user, "kinds": kinds, "kind": kind, "tones": TONES, "tone": tone, "texts": []}

    def find() -> Mapping[str, Any]:
        if not user:
            return {}
        lang = _language(request, _serving(request))
        options = asdict(GenerateOptions(kind=kind or None, tone=tone or None, language=lang, model="template"))
        return {"texts": [_with_facts(text) for text in project.generate(user, n=3, **options)]}

    return _shown(request, "texts", empty, find)


def _with_facts(text: Any) -> dict[str, Any]:
    facts = [{"text": " ".join(part for part in (fact.label or fact.name, fact.value) if part)} for fact in text.facts]
    return {"text": text.text, "facts": facts}


@page_router.get("/chat")
def begin(request: Request, user: Short = "") -> Response:
    """Begin a talk about a user's list."""
    return _talk(request, user, "", Talk(), [], [])


@page_router.post("/chat")
async def talk(request: Request) -> Response:
    """Go on with a talk: something was said, or a wish was taken off."""
    form = await _form(request)
    try:
        state = _TALK.validate_json(form.get("state", "{}")[:50_000])
        lines = _LINES.validate_json(form.get("lines", "[]")[:50_000])
        shown = _LINES.validate_json(form.get("shown", "[]")[:50_000])
    except ValidationError:
        raise UserError("this talk cannot be gone on with", hint="start over") from None
    if (off := form.get("off", "")).isdigit():
        state = replace(state, wishes=tuple(w for k, w in enumerate(state.wishes) if k != int(off)), asked=None, say="")
    said = form.get("text", "")[:1_000] if not off else ""
    return await run_in_threadpool(_talk, request, form.get("user", ""), said, state, lines[-20:], shown[:100])


_TALK, _LINES = TypeAdapter(Talk), TypeAdapter(list[str])


def _talk(request: Request, user: str, said: str, state: Talk, lines: list[str], shown: list[str]) -> Response:
    serving = _serving(request)
    lang = _language(request, serving)
    empty = {"user": user, "lines": lines, "talk": state, "items": (), "state": "{}", "kept": "[]", "shown": "[]"}

    def find() -> Mapping[str, Any]:
        if not user:
            return {}
        after, made = serving.live.talks.answer(user, said, state, shown, language=lang, n=6)
        told = [*lines, *([said] if said else []), *([after.say] if after.say else [])]
        return {
            "lines": told,
            "talk": after,
            "items": made.items,
            "state": _TALK.dump_json(after).decode(),
            "kept": _LINES.dump_json(told).decode(),
            "shown": _LINES.dump_json([item.item_id for item in made.items]).decode(),
        }

    return _shown(request, "chat", empty, find)


@page_router.get("/data")
def data(request: Request, user: Short = "") -> Response:
    """Show what is known of a person."""
    live = _serving(request).live
    return _shown(
        request, "data", {"user": user, "profile": None}, lambda: {"profile": live.profile(user)} if user else {}
    )


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form; of repeated ones the last."""
    body = (await request.body()).decode("utf-8", errors="replace")
    return {key: values[-1] for key, values in parse_qs(body, keep_blank_values=True, max_num_fields=50).items()}


def _back(path: str, form: Mapping[str, str], *names: str) -> Response:
    kept = {name: form[name] for name in (*names, "lang") if name in form}
    return RedirectResponse(f"{path}?{urlencode(kept)}", 303)


@page_router.post("/page/event")
async def act(request: Request) -> Response:
    """Take what somebody did in the window."""
    form, live = await _form(request), _serving(request).live
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


@page_router.post("/page/edit")
async def edit(request: Request) -> Response:
    """Change how much something counts, or take all changes back."""
    form, live = await _form(request), _serving(request).live
    user, which = form.get("user", ""), form.get("which", "")

    def take() -> None:
        if not which:
            live.edit(user, dict.fromkeys(live.profile(user)["edits"]))
            return
        try:
            weight = min(max(float(form.get("weight", "0")), 0.0), 10.0)
        except ValueError:
            raise UserError("a weight is a number") from None
        live.edit(user, {which: weight})

    await run_in_threadpool(take)
    return _back("/why", form, "user", "item")


@page_router.post("/page/models")
async def switch(request: Request) -> Response:
    """Load new models, or go back to those before."""
    form, live = await _form(request), _serving(request).live
    await run_in_threadpool(live.roll_back if form.get("what") == "back" else live.reload)
    return _back("/live", form)


@page_router.post("/page/forget")
async def forget(request: Request) -> Response:
    """Remove what came of a user since the build."""
    form, live = await _form(request), _serving(request).live
    await run_in_threadpool(live.forget, form.get("user", ""))
    return _back("/data", form)

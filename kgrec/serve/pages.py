"""The web page: plain HTML made on the server, which works without scripts and asks nobody else for anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from kgrec.errors import KgrecError, NotFoundError, UserError
from kgrec.generate.kinds import kinds_of
from kgrec.generate.service import GenerateOptions
from kgrec.generate.template import TONES
from kgrec.graph.drawing import to_svg
from kgrec.languages import DEFAULT, languages, table
from kgrec.live.audience import audience
from kgrec.live.dialogue import Talk
from kgrec.live.lists import ListRequest
from kgrec.live.models import Models
from kgrec.live.next_event import PAST, next_events
from kgrec.live.results import experiment_result
from kgrec.live.service import LiveService
from kgrec.plugin.generation import Fact
from kgrec.report.blocks import clean
from kgrec.serve.page_actions import read_form
from kgrec.serve.serving import Serving
from kgrec.serve.serving import serving as _serving

page_router = APIRouter(include_in_schema=False)

PAGES = {
    "window": "/",
    "why": "/why",
    "graph": "/graph",
    "placements": "/placements",
    "experiments": "/experiments",
    "live": "/live",
    "models": "/models",
    "texts": "/texts",
    "chat": "/chat",
    "data": "/data",
}
"""Name of a page -> where it is."""

EXAMPLE = """SELECT ?entity (COUNT(?item) AS ?items) WHERE {
  ?item a kgrec:Item ; ?relation ?entity . ?entity a kgrec:Entity
} GROUP BY ?entity ORDER BY DESC(?items) LIMIT 20"""

TOUR = ("window", "why", "graph", "experiments", "texts", "data")
"""Pages of the tour of a minute, in order; what to look at stands in page.toml as tour-PAGE."""

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
            tour=_tour(request, serving, name, lang),
            **values,
        )
    )
    return HTMLResponse(html, status)


def _tour(request: Request, serving: Serving, name: str, lang: str) -> dict[str, Any] | None:
    """Return where the tour is and goes on, None where nobody takes it."""
    on = request.query_params.get("tour") == "yes"
    if name not in TOUR or not (on or (name == "window" and not request.query_params.get("user"))):
        return None
    place, live = TOUR.index(name), serving.live
    user = next(iter(live.models.recommender.ranker.user_ids), "")
    stop: dict[str, Any] = {"place": place + 1, "of": len(TOUR), "on": on}
    after = name if not stop["on"] else next(iter(TOUR[place + 1 :]), None)
    if after is None:
        return {**stop, "href": ""}
    asked = {"tour": "yes", "lang": lang}
    if after in ("window", "texts", "data", "why"):
        asked["user"] = user
    if after == "why":
        asked["item"] = next((item.item_id for item in live.recommend(ListRequest(user_id=user)).items), "")
    return {**stop, "href": f"{PAGES[after]}?{urlencode(asked)}"}


def _shown(request: Request, name: str, empty: Mapping[str, Any], find: Callable[[], Mapping[str, Any]]) -> Response:
    """Return a page with what ``find`` finds laid over ``empty``; an error stands on the page."""
    try:
        return _page(request, name, {**empty, **find()})
    except KgrecError as error:
        told = f"{error.message}. {error.hint or ''}".strip()
        return _page(request, name, empty, told, 404 if isinstance(error, NotFoundError) else 400)


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
        "kinds": [],
        "reached": [],
    }

    def find() -> Mapping[str, Any]:
        choices: list[Any] = []
        if user:
            choices = list(live.recommend(ListRequest(user_id=user)).items)
        if item and not user:
            return {"reached": audience(live.now, item, 10)[0]}
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
            "kinds": _kinds(live, item),
        }

    return _shown(request, "why", {**empty, "choices": []}, find)


def _kinds(live: LiveService, item: str, most: int = 12) -> list[dict[str, str]]:
    """Return conditions that an item meets, by which there can be less or more of its kind."""
    kinds = []
    for name, value in live.now.catalogue.shown(item)["attributes"].items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str):
                continue
            where = f"{name}={one}"
            with suppress(KgrecError):  # what no condition can name
                live.now.catalogue.allowed((where,))
                kinds.append({"where": where, "label": f"{name.replace('_', ' ')}: {one}"})
    return kinds[:most]


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
    form = await read_form(request)
    sparql = form.get("query", "")[:20_000]
    kg = _serving(request).project.graph

    def find() -> Mapping[str, Any]:
        found = kg.query(sparql, timeout=10.0, limit=200)
        return {"columns": found.columns, "rows": found.shortened()}

    return await run_in_threadpool(_shown, request, "graph", _graph_values(query=sparql), find)


@page_router.get("/placements")
def placements(request: Request, user: Short = "", a: Short = "", b: Short = "") -> Response:
    """Show the lists of two placements beside each other."""
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
    empty = {"user": who, "names": names, "sides": sides}

    def find() -> Mapping[str, Any]:
        lists = [live.preview(who, name) for name in chosen]
        return {"sides": [{**side, "items": made.items} for side, made in zip(sides, lists, strict=True)]}

    return _shown(request, "placements", empty, find)


def _rules(rules: Mapping[str, Any]) -> str:
    return " · ".join(f"{name} {value}" for name, value in rules.items())


@page_router.get("/experiments")
def experiments(request: Request) -> Response:
    """Show what runs, and what is known of it by now."""
    live = _serving(request).live

    def find() -> Mapping[str, Any]:
        running = live.placements.experiments
        return {"results": [(running[name], experiment_result(live.log, live.placements, name)) for name in running]}

    return _shown(request, "experiments", {"results": []}, find)


@page_router.get("/models")
def models(request: Request) -> Response:
    """Show what is served, what it consists of, what was different before, and bulk jobs."""
    serving = _serving(request)
    live = serving.live
    values = {
        "served": _parts(live.models),
        "previous": None if live.previous is None else _parts(live.previous),
        "newer": serving.project.workspace.info("models").fingerprint != live.models.version,
        "overlap": live.overlap,
        "jobs": serving.jobs.all()[:10],
    }
    return _page(request, "models", values)


def _parts(models: Models) -> dict[str, Any]:
    """Return of a training its version, and weight and figure of each scorer, the heaviest first."""
    ranker, told = models.recommender.ranker, models.recommender.ranker.summary.get("scorers", {})
    ordered = sorted(ranker.weights.items(), key=lambda pair: -pair[1])
    rows = [
        {"name": name, "weight": weight, "width": round(100 * weight), "ndcg": told.get(name, {}).get("ndcg")}
        for name, weight in ordered
    ]
    sizes = {"users": len(ranker.user_ids), "items": len(ranker.item_ids)}
    return {"version": models.version, "scorers": rows, **sizes, "weights": dict(ranker.weights)}


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
    events = live.log.read(max(last - 20, 0)).reverse().to_dicts()
    return _page(request, "live", {"facts": facts, "events": events})


@page_router.get("/texts")
def texts(request: Request, user: Short = "", kind: Short = "", tone: Short = "", decided: Short = "") -> Response:
    """Write texts about the first items of a user's list, with the facts that they rest on and what guards said."""
    project = _serving(request).project
    kinds = list(kinds_of(project.texts.domain))
    empty: dict[str, Any] = {
        "user": user,
        "kinds": kinds,
        "kind": kind,
        "tones": TONES,
        "tone": tone,
        "texts": [],
        "guards": [],
    }
    empty |= {"recorded": project.config.generate.record, "decided": decided if decided in DECISIONS else ""}

    def find() -> Mapping[str, Any]:
        if not user:
            return {}
        lang = _language(request, _serving(request))
        options = asdict(GenerateOptions(kind=kind or None, tone=tone or None, language=lang, model="template"))
        written = [(text, marked(text.text, text.facts)) for text in project.generate(user, n=3, **options)]
        return {"texts": written, "guards": project.texts.parts.guard_names()}

    return _shown(request, "texts", empty, find)


DECISIONS = ("accepted", "edited", "rejected")


def marked(text: str, facts: Sequence[Fact]) -> Markup:
    """Return a text in which the words of facts are marked, with what they rest on."""
    named = {name.lower(): fact for fact in facts[::-1] for name in (fact.value, *fact.aliases) if name.strip()}
    if not named:
        return escape(text)
    names = "|".join(re.escape(name) for name in sorted(named, key=len, reverse=True))
    parts, at = [], 0
    for found in re.finditer(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])", text, re.IGNORECASE):
        if (fact := named.get(found.group().lower())) is None:
            continue
        parts.append(escape(text[at : found.start()]))
        told = " · ".join(part for part in (fact.label or fact.name, fact.source) if part)
        parts.append(Markup('<mark tabindex="0" title="{}">{}</mark>').format(told, found.group()))
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])


@page_router.get("/chat")
def begin(request: Request, user: Short = "") -> Response:
    """Begin a talk about a user's list."""
    return _talk(request, user, "", Talk(), [], [])


@page_router.post("/chat")
async def talk(request: Request) -> Response:
    """Go on with a talk: something was said, or a wish was taken off."""
    form = await read_form(request)
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
    """Show what is known of a person, and expected of her."""
    live = _serving(request).live
    empty: dict[str, Any] = {"user": user, "profile": None, "next": []}

    def find() -> Mapping[str, Any]:
        if not user:
            return {}
        expected: list[dict[str, Any]] = []
        with suppress(KgrecError):  # training found nothing to go by
            found = next_events(live.models, live.user(user), live.past(user, PAST), 5)
            titles = live.now.catalogue.titles([one.item_id for one in found])
            expected = [
                {"title": title, "action": one.action, "odds": one.probability}
                for title, one in zip(titles, found, strict=True)
            ]
        return {"profile": live.profile(user), "next": expected}

    return _shown(request, "data", empty, find)

"""``kgrec serve``: lists over HTTP, and the web page; ``kgrec keys``: who may ask for them."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import clean
from kgrec.cli.run import CommandLineRun
from kgrec.errors import MissingExtraError, UserError
from kgrec.plugin import workspace_command

if TYPE_CHECKING:
    from kgrec.project import Project

LOOPBACK = "127.0.0.1"

CONNECTIONS = 2_000
"""Connections at once; what comes beyond is told to come back."""

SWITCH_S = 0.0005
"""Seconds after which a thread that makes a list lets the one that answers go on."""

THINNING = 5.0
"""Seconds between looks for receipts that are too old."""


@workspace_command
def serve(
    run: CommandLineRun,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = LOOPBACK,
    port: Annotated[int, typer.Option("--port", min=1, max=65_535, help="Port to listen on.")] = 8080,
    names: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A name under which it may be asked.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Serve new trainings as they are made.")] = False,
    log: Annotated[
        bool, typer.Option("--log", help="Write a line of JSON to standard error for each request, without ids.")
    ] = False,
    export: Annotated[
        bool, typer.Option("--export", help="Only write the events since the last export for build-graph, and stop.")
    ] = False,
) -> None:
    """Answer over HTTP from what was trained, count events as they come, and show it on a web page.

    Beyond this machine it listens only if there are keys: see `kgrec keys`.
    """
    project = run.project
    if export:
        _export(run, project)
        return
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn
    except ModuleNotFoundError:
        raise MissingExtraError.of("kgrec serve", "serve") from None
    from kgrec.serve.app import LOOPBACK as NAMES
    from kgrec.serve.app import create_app
    from kgrec.serve.keys import Keys
    from kgrec.serve.serving import Metrics, Serving
    from kgrec.serve.watching import log as log_line
    from kgrec.serve.watching import log_config, tracing

    keys = Keys.load()
    watches = [*([log_line] if log else []), *([trace] if (trace := tracing()) is not None else [])]
    if host not in NAMES and not keys.keys:
        raise UserError(
            f"{host} can be reached by others, and there are no keys", hint="kgrec keys add NAME --scope read"
        )
    with run.progress() as progress, progress.task("loading the models"):
        live = project.live
    serving = Serving(live, project, keys, Metrics(), tuple(watches))
    app = create_app(serving, hosts=(*NAMES, host, *(names or [])))
    stop = threading.Event()
    tail = threading.Thread(target=_follow, args=(project, stop, watch, run), daemon=True)
    tail.start()
    sys.setswitchinterval(SWITCH_S)
    shown = "localhost" if host == LOOPBACK else host
    run.say(f"serving {project.workspace.root} at http://{shown}:{port} · Ctrl-C stops it")
    try:
        told: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False}
        told |= {"log_config": log_config()} if log else {}
        uvicorn.run(app, host=host, port=port, limit_concurrency=CONNECTIONS, **told)
    finally:
        stop.set()
        tail.join(timeout=5)
        serving.jobs.close()
        live.log.close()


def _follow(project: Project, stop: threading.Event, watch: bool, run: CommandLineRun) -> None:
    """Count events of other processes within 50 ms, and serve new trainings where that is asked for."""
    from kgrec.live.event_log import FORGETS

    live, refused, thinned = project.live, "", 0.0
    forgets = live.log.state(FORGETS)
    while not stop.wait(0.05):
        try:
            live.catch_up()
            if time.monotonic() - thinned > THINNING:  # in small steps, so that nobody waits for them
                thinned = time.monotonic()
                live.bandits.learn()
                live.log.thin(time.time() - 86_400 * project.config.serve.receipt_days)
            if (now := live.log.state(FORGETS)) != forgets:  # another process forgot somebody
                forgets = now
                live.reload()
            fresh = project.workspace.info("models").fingerprint
            if watch and fresh not in (live.models.version, refused):
                refused = fresh  # a damaged training is tried once; what is served stays
                version, overlap = live.reload()
                run.say(f"serving the training {version[:8]}; its lists share {overlap:.0%} with those before")
        except Exception as error:  # what is served goes on whatever a new training or the disk is like
            run.say(f"warning: {error}")


@workspace_command
def chat(
    run: CommandLineRun,
    user: options.User,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="Length of the lists.")] = 5,
    language: Annotated[str | None, typer.Option("--lang", metavar="CODE", help="Of the talk.")] = None,
) -> None:
    """Talk about a user's list: what you want more or less of, until an empty line.

    Names of the graph, "not by …", "more like the second", "from the nineties", "newer" are understood; what was
    understood is said, and nothing is sent anywhere.
    """
    from kgrec.live.dialogue import Talk

    live, talk, shown, text = run.project.live, Talk(), list[str](), ""
    try:
        while True:
            talk, made = live.talks.answer(user, text, talk, shown, language=language, n=n)
            shown = [item.item_id for item in made.items]
            for place, item in enumerate(made.items, 1):
                print(f"{place:>3}  {clean(item.title)}")
            if talk.say:
                print(clean(talk.say))
            try:
                text = input("> ").strip()
            except (EOFError, OSError):  # nobody is there to speak
                text = ""
            if not text:
                return
    finally:
        live.log.close()


def _export(run: CommandLineRun, project: Project) -> None:
    from kgrec.live.event_log import EXPORTS, EventLog
    from kgrec.live.exports import export_items

    log = EventLog(project.workspace.root)
    folder = project.workspace.root / EXPORTS
    try:
        written = [file for file in (log.export(folder), export_items(log, project.config, folder)) if file]
    finally:
        log.close()
    files = " ".join(map(str, written))
    run.say(f"written: kgrec build-graph --append {files}" if files else "nothing came since the last export")
    for file in written:
        print(file)


@workspace_command
def keys(run: CommandLineRun) -> None:
    """Show who may ask a server beyond this machine, and for what. Keys are yours and lie in no workspace."""
    from kgrec.serve.keys import Keys

    found = Keys.load()
    records = [
        {"name": key.name, "scopes": ", ".join(sorted(key.scopes)), "requests a second": key.rate}
        for key in found.keys.values()
    ]

    def show() -> None:
        if not records:
            print(f"there are no keys yet ({found.file})")
        for record in records:
            print(f"{record['name']}: {record['scopes']}, {record['requests a second']:g} requests a second")

    run.data(records, show)


@workspace_command
def add_key(
    run: CommandLineRun,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of its holder.")],
    scope: Annotated[list[str], typer.Option("--scope", help="read, write, admin or erase; may be repeated.")],
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=1e6, help="Requests a second.")] = 1_000.0,
) -> None:
    """Hand out a key; it is shown once."""
    from kgrec.serve.keys import Keys

    text = Keys.load().add(name, scope, rate)
    run.say(f"the key of {name}; only its hash is kept, so note it now:")
    print(text)


@workspace_command
def remove_key(
    run: CommandLineRun, name: Annotated[str, typer.Argument(metavar="NAME", help="Of its holder.")]
) -> None:
    """Withdraw a key."""
    from kgrec.serve.keys import Keys

    Keys.load().remove(name)
    run.say(f"the key of {name} is withdrawn")

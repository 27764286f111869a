"""``kgrec plugins``: what is installed, what it offers, what is broken and why."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from kgrec.cli.console import console, table
from kgrec.cli.console import warn as say_warning
from kgrec.cli.run import CommandLineRun
from kgrec.errors import NotFoundError, PluginError
from kgrec.plugin import workspace_command
from kgrec.plugin.manager import BUILTIN, OFFERS, PluginInfo, PluginManager
from kgrec.plugin.scaffolding import KINDS
from kgrec.plugin.spec import Spec

Offers = dict[tuple[str, str], list[tuple[str, str]]]
"""Name and summary of what is on offer, by owner and kind."""


@workspace_command
def plugins(
    run: CommandLineRun,
    check: Annotated[
        bool, typer.Option("--check", help="Import everything on offer and say what is wrong; exit 3 if anything is.")
    ] = False,
) -> None:
    """List the plugins, what they offer, what is broken."""
    if check:
        _check(run)
        return
    offers = _offers(run.manager)
    records = [_record(info, offers) for info in run.manager.plugins]
    run.data(records, lambda: _show(records))
    for info in run.manager.broken():
        say_warning(f"plugin {info.name!r} is not in use: {info.error}")
    for problem in run.manager.problems:
        say_warning(f"{problem.message}; {problem.hint}" if problem.hint else problem.message)


def _check(run: CommandLineRun) -> None:
    from kgrec.generate.template import unreadable
    from kgrec.plugin.checking import check_plugins

    found = check_plugins(run.manager.afresh(), unreadable)
    records = [asdict(each) for each in found]

    def show() -> None:
        for each in found:
            console().print(f"{each.plugin}: {each.what}", style="yellow" if each.fault else "dim", markup=False)

    run.data(records, show)
    faults = [each for each in found if each.fault]
    if faults:
        raise PluginError(f"{len(faults)} fault{'s' if len(faults) > 1 else ''} found")


@workspace_command
def show(
    run: CommandLineRun,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A plugin, or a thing that one offers.")],
) -> None:
    """Show what a plugin offers with its options, or one thing on offer."""
    from kgrec.plugin.checking import described

    records = described(run.manager, name)
    if not records:
        known = [info.name for info in run.manager.plugins]
        raise NotFoundError.of("plugin or part", name, known)

    def write() -> None:
        for record in records:
            print(f"{record['kind']} {record['name']} ({record['plugin']}): {record['summary']}")
            print(f"  {record['target']}")
            for option, told in record["options"].items():
                print(f"  {option} = {told}")

    run.data(records, write)


@workspace_command
def new(
    run: CommandLineRun,
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the plugin: hidden-gems.")],
    also: Annotated[list[str] | None, typer.Option("--with", metavar="KIND", help="A further kind of part.")] = None,
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help="Where its folder goes.")] = Path(),
    local: Annotated[bool, typer.Option("--local", help="Write kgrec_plugins.py of the workspace instead.")] = False,
) -> None:
    """Start a plugin: a package with its tests, or the workspace's own."""
    if local:
        from kgrec.local_plugins import start
        from kgrec.workspace import Workspace

        Workspace(run.workspace).check()
        print(start(run.workspace, [kind, *(also or [])], name))
        run.say("it runs wherever this workspace is opened; after a change you are asked again, or: kgrec trust code")
        return
    from kgrec.plugin.scaffolding import new_plugin

    written = new_plugin([kind, *(also or [])], name, folder)
    for path in written:
        print(path)
    run.say(f"pip install -e {written[0].parent}, then `kgrec plugins show {name}`; `pytest` there checks the contract")


@workspace_command
def trace(
    run: CommandLineRun,
    words: Annotated[list[str], typer.Argument(metavar="COMMAND…", help="A command with its options, after --.")],
) -> None:
    """Run a command and tell every call of a hook or a part, with its owner and its time, on stderr."""
    import os
    import subprocess
    import sys

    command = [sys.executable, "-P", "-m", "kgrec", *(["-w", str(run.where)] if run.where else []), *words]
    raise typer.Exit(subprocess.run(command, env={**os.environ, "KGREC_TRACE": "1"}, check=False).returncode)


def _offers(manager: PluginManager) -> Offers:
    """Return what is on offer."""
    offers: Offers = {}
    for kind in OFFERS:
        registry = manager.registry(kind)
        for name, item in registry.items():
            unasked = not isinstance(item, Spec) or item.default
            summary = item.summary if unasked else f"{item.summary}; only where named"
            offers.setdefault((registry.owner(name), kind), []).append((name, summary))
    return offers


def _record(info: PluginInfo, offers: Offers) -> dict[str, Any]:
    return {
        "name": info.name,
        "version": info.version or (version("kgrec") if info.name == BUILTIN else ""),
        "distribution": info.distribution or ("kgrec" if info.name == BUILTIN else ""),
        "state": "ok" if not info.error else "disabled" if info.error.startswith("disabled") else "broken",
        "error": info.error or None,
        "offers": {kind: dict(offers[info.name, kind]) for kind in OFFERS if (info.name, kind) in offers},
        "hooks": list(info.hooks),
    }


def _show(records: list[dict[str, Any]]) -> None:
    out = console()
    for number, record in enumerate(records):
        if number:
            out.print()
        state = {"ok": "", "broken": "  not in use", "disabled": "  disabled"}[record["state"]]
        out.print(f"{record['name']} {record['version']}{state}", style="bold" if not state else "bold yellow")
        if record["error"]:
            out.print(f"  {record['error']}", style="yellow")
        if record["offers"]:
            shown = table(
                {
                    "kind": {"style": "dim", "min_width": 13},  # of equal width for all plugins
                    "name": {"no_wrap": True, "style": "cyan", "min_width": 12},
                    "summary": {},
                }
            )
            shown.show_header = False
            for kind, offered in record["offers"].items():
                for position, (name, summary) in enumerate(offered.items()):
                    shown.add_row("" if position else kind, name, summary)
            out.print(shown)

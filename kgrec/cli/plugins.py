"""``kgrec plugins``: what is installed, what it offers, what is broken and why."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from kgrec.cli.console import console, table
from kgrec.cli.console import warn as say_warning
from kgrec.cli.run import CommandLineRun
from kgrec.errors import KgrecError
from kgrec.plugin import workspace_command
from kgrec.plugin.manager import BUILTIN, OFFERS, PluginInfo, PluginManager
from kgrec.plugin.spec import Spec

Offers = dict[tuple[str, str], list[tuple[str, str]]]
"""Name and summary of what is on offer, by owner and kind."""


@workspace_command
def plugins(run: CommandLineRun) -> None:
    """List the plugins, what they offer, what is broken."""
    offers, problems = _offers(run.manager)
    records = [_record(info, offers) for info in run.manager.plugins]
    run.data(records, lambda: _show(records))
    for info in run.manager.broken():
        say_warning(f"plugin {info.name!r} is not in use: {info.error}")
    for problem in [*problems, *run.manager.problems]:
        say_warning(f"{problem.message}; {problem.hint}" if problem.hint else problem.message)


def _offers(manager: PluginManager) -> tuple[Offers, list[KgrecError]]:
    """Return what is on offer, and what keeps a kind of thing from being offered, such as a clash of names."""
    offers: Offers = {}
    problems: list[KgrecError] = []
    for kind in OFFERS:
        try:
            registry = manager.registry(kind)
        except KgrecError as error:
            problems.append(error)
            continue
        for name, item in registry.items():
            unasked = not isinstance(item, Spec) or item.default
            summary = item.summary if unasked else f"{item.summary}; only where named"
            offers.setdefault((registry.owner(name), kind), []).append((name, summary))
    return offers, problems


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

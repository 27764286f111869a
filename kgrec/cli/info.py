"""``kgrec info``: what the workspace holds, what is known of a user, where each setting came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from kgrec.cli import options
from kgrec.cli.console import cell, clean, console, duration, show_facts, show_records, table
from kgrec.cli.output import write_frame
from kgrec.cli.run import CommandLineRun
from kgrec.errors import UsageError
from kgrec.plugin import workspace_command

SHOWN_REJECTS = 20
"""Rejected rows that are shown to people; the other formats have all."""


@workspace_command
def info(
    run: CommandLineRun,
    user: Annotated[
        str | None,
        typer.Argument(metavar="USER", help="Show what is known of this user.", autocompletion=options.users),
    ] = None,
    config: Annotated[bool, typer.Option("--config", help="Show every setting and where its value came from.")] = False,
    rejects: Annotated[bool, typer.Option("--rejects", help="Show the rows that cleaning left out, and why.")] = False,
) -> None:
    """Show what the workspace holds, a user, or the settings."""
    if (user is not None) + config + rejects > 1:
        raise UsageError("USER, --config and --rejects exclude each other", hint="run kgrec info once for each")
    if config:
        _config(run)
    elif rejects:
        _rejects(run)
    elif user is not None:
        known = run.project.user_info(user)
        # For people a line is enough for terms with their weights; the other formats keep the structure.
        lines = {k: cell(v) if isinstance(v, Mapping) else v for k, v in known.items() if v}
        run.data([known], lambda: show_facts(lines))
    else:
        facts = run.project.info()
        run.data([facts], lambda: _show_workspace(facts))


def _config(run: CommandLineRun) -> None:
    rows = [{"key": k, "value": v, "from": origin} for k, v, origin in run.project.settings.rows()]

    def show() -> None:
        shown = table({"key": {"overflow": "fold"}, "value": {"overflow": "fold"}, "from": {"no_wrap": True}})
        for row in rows:
            shown.add_row(
                row["key"], _setting(row["value"]), row["from"], style="dim" if row["from"] == "default" else None
            )
        console().print(shown)

    run.data(rows, show)


def _setting(value: Any) -> str:
    """Write a setting as one text; of the files only the names, kgrec.toml has the rest."""
    if isinstance(value, list) and value and all(isinstance(v, Mapping) and "path" in v for v in value):
        return cell([v["path"] for v in value])
    return "" if value is None else clean(str(value))


def _rejects(run: CommandLineRun) -> None:
    frame = run.project.dataset.rejects
    if run.for_people:
        show_records(frame.head(SHOWN_REJECTS).to_dicts(), empty="no row was left out")
        if frame.height > SHOWN_REJECTS:
            run.say(f"{SHOWN_REJECTS} of {cell(frame.height)} rows; --format csv has all of them")
    elif run.form:
        write_frame(frame, run.form)


def _show_workspace(facts: Mapping[str, Any]) -> None:
    out = console()
    simple = {k: v for k, v in facts.items() if not isinstance(v, Mapping)}
    show_facts({k: v for k, v in simple.items() if k != "next"})
    stages = facts.get("stages") or {}
    if stages:
        shown = table({"stage": {"no_wrap": True}, "made": {"no_wrap": True}, "took": {"no_wrap": True}, "holds": {}})
        for name, stage in stages.items():
            changed = stage.get("changed_since")
            state = f"stale, since {cell(changed)} changed · " if changed else ""
            style = "yellow" if changed else None
            took = duration(stage.get("seconds", 0.0))
            shown.add_row(name, str(stage.get("made", "")), took, state + _holds(stage), style=style)
        out.print()
        out.print(shown)
    scorers = [{"scorer": name, **_filled(scorer)} for name, scorer in (facts.get("scorers") or {}).items()]
    if scorers:
        out.print()
        show_records(scorers, empty="")
    if facts.get("next"):
        out.print(f"\nnext: {facts['next']}", style="bold")


def _filled(scorer: Mapping[str, Any]) -> dict[str, Any]:
    """Write the options, which differ from scorer to scorer, as one text."""
    return {**scorer, "options": cell(scorer.get("options") or {})}


def _holds(stage: Mapping[str, Any]) -> str:
    about = ("made", "age_hours", "seconds", "seed", "changed_since")
    return cell({k: v for k, v in stage.items() if k not in about and isinstance(v, int | float | str)})

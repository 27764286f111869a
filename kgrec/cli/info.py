"""``kgrec info``: what the workspace holds, what is known of a user, where each setting came from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kgrec.cli import complete
from kgrec.cli.run import Run
from kgrec.cli.screen import clean, console, show_facts, table
from kgrec.errors import UsageError


def info(
    run: Run,
    user: Annotated[
        str | None,
        typer.Argument(metavar="USER", help="Show what is known of this user.", autocompletion=complete.users),
    ] = None,
    config: Annotated[bool, typer.Option("--config", help="Show every setting and where its value came from.")] = False,
) -> None:
    """Show what the workspace holds and how fresh it is, what is known of a user, or the settings."""
    if config and user is not None:
        raise UsageError("USER and --config exclude each other", hint="run kgrec info twice")
    if config:
        rows = [{"key": k, "value": v, "from": origin} for k, v, origin in run.project.settings.rows()]
        run.data(rows, lambda: _show_config(rows))
        return
    facts = run.project.info() if user is None else run.project.user_info(user)
    run.data([facts], lambda: show_facts(facts, title=str(run.workspace) if user is None else f"user {clean(user)}"))


def _show_config(rows: list[dict[str, Any]]) -> None:
    shown = table({"key": {"overflow": "fold"}, "value": {"overflow": "fold"}, "from": {"no_wrap": True}})
    for row in rows:
        value = "" if row["value"] is None else clean(str(row["value"]))
        shown.add_row(row["key"], value, row["from"], style="dim" if row["from"] == "default" else None)
    console().print(shown)

"""``kgrec trust``: what workspaces may reach beyond themselves, decided outside of every workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kgrec.cli.console import console, table
from kgrec.cli.run import CommandLineRun
from kgrec.consent import Consent, origin
from kgrec.errors import UserError
from kgrec.plugin import workspace_command


@workspace_command
def trust(run: CommandLineRun) -> None:
    """Show what workspaces may reach: hosts, secrets, files outside of them.

    A kgrec.toml may come from somebody else. kgrec sends texts only to hosts, and reads files outside of the workspace
    only from places, that are listed here; the list is yours and lies in no workspace.
    """
    found = Consent.load()
    records = [{"what": "host", "where": address, "for": variable or None} for address, variable in sorted(found.hosts)]
    records += [{"what": "path", "where": path, "for": workspace} for workspace, path in sorted(found.paths)]
    records += [{"what": "code", "where": workspace, "for": digest} for workspace, digest in sorted(found.codes)]

    def show() -> None:
        if not records:
            console().print(f"nothing is allowed yet ({found.file})")
            return
        shown = table({"": {"no_wrap": True}, "where": {"overflow": "fold"}, "for": {"overflow": "fold"}})
        for record in records:
            what = f"the value of ${record['for']}" if record["what"] == "host" and record["for"] else record["for"]
            shown.add_row(str(record["what"]), str(record["where"]), str(what or "texts only"))
        console().print(shown)

    run.data(records, show)


@workspace_command
def host(
    run: CommandLineRun,
    url: Annotated[str, typer.Argument(metavar="URL", help="Its address, such as https://host/v1.")],
    variable: Annotated[str, typer.Argument(metavar="[VARIABLE]", help="Whose value it gets; none: texts only.")] = "",
) -> None:
    """Allow a host to get texts, and the value of a variable.

    The variable is one of the environment, such as the key of an endpoint.
    """
    Consent.load().allow(hosts=[(origin(url), variable)])
    run.say(f"{origin(url)} may get texts" + (f" and the value of ${variable}" if variable else ""))


@workspace_command
def path(
    run: CommandLineRun,
    place: Annotated[Path, typer.Argument(metavar="PATH", help="A file, or a folder with all that is in it.")],
) -> None:
    """Allow the workspace to read a file or folder outside of it."""
    target = place.expanduser().resolve()
    if not target.exists():
        raise UserError(f"{target} does not exist")
    home = run.workspace.resolve()
    Consent.load().allow(paths=[(str(home), str(target))])
    run.say(f"{home} may read {target}")


@workspace_command
def code(run: CommandLineRun) -> None:
    """Allow the workspace's own plugin, kgrec_plugins.py, to run as it stands now.

    Its code can do all that you can: read it first. Where the file is changed, or the workspace is moved or handed
    over, it is asked about again.
    """
    from kgrec.local_plugins import FILE, allow

    digest = allow(run.workspace)
    run.say(f"{FILE} of {run.workspace.resolve()} may run ({digest[:12]})")


@workspace_command
def remove(
    run: CommandLineRun,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="An address, a variable, a path or a workspace.")],
) -> None:
    """Withdraw what was allowed."""
    names = {what, origin(what) if "://" in what else str(Path(what).expanduser().resolve())}
    found, gone = Consent.load(), 0
    for name in names:
        found, count = found.withdraw(name)
        gone += count
    if not gone:
        raise UserError(f"nothing is allowed for {what!r}", hint="kgrec trust")
    run.say(f"{gone} removed")

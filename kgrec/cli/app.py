"""The application and its only error boundary: every error becomes ``error:``, ``hint:`` and an exit code here.

Exit codes: 0 fine, 1 unexpected, 2 usage, 3 a name that is not there, 4 a package is missing, 5 data, 6 refused by a
guard, 130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from kgrec.cli import build_graph, doctor, graph, info, init, plugins, recommend, train
from kgrec.cli.failure import explain_usage, interrupted, report, unexpected
from kgrec.cli.greedy import GreedyCommand
from kgrec.cli.run import Run, command
from kgrec.errors import KgrecError, PluginError
from kgrec.plugin.manager import PluginManager, load_plugins

BROKEN_PIPE = 141
INTERRUPTED = 130


class _Group(TyperGroup):
    """The group at the top: notices when nobody reads stdout any more."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and see that all its output got out."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is still buffered must not fail again when Python shuts down.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None
        return result


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"kgrec {version('kgrec')}")
        raise typer.Exit


def _top(
    run: Run,
    context: typer.Context,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Knowledge-graph hybrid recommender: from raw logs to recommendations with a reason for each.

    Start with: kgrec init DIR --from FILES, then build-graph, train and recommend in that folder.
    """
    if context.invoked_subcommand is None:
        print(context.get_help(), end="")
    elif context.invoked_subcommand not in ("plugins", "doctor"):
        plugins.warn(run.manager)


def build_app(manager: PluginManager) -> typer.Typer:
    """Make the application with the commands of ``manager``'s plugins.

    Raises:
        PluginError: a plugin's command has the name of one that exists.
    """
    app = typer.Typer(
        name="kgrec",
        cls=_Group,
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(command(_top))
    for name, function in (
        ("init", init.init),
        ("build-graph", build_graph.build_graph),
        ("train", train.train),
        ("recommend", recommend.recommend),
        ("info", info.info),
    ):
        app.command(name, cls=GreedyCommand)(command(function))
    app.add_typer(graph.app(), name="graph")
    app.command("plugins")(command(plugins.plugins))
    app.command("doctor")(command(doctor.doctor))
    taken = _names(app)
    manager.add_commands(app, after=lambda owner: _no_clash(app, taken, owner))
    return app


def _names(app: typer.Typer) -> list[str]:
    commands = [c.name or getattr(c.callback, "__name__", "").replace("_", "-") for c in app.registered_commands]
    return [*commands, *(str(g.name) for g in app.registered_groups)]


def _no_clash(app: typer.Typer, taken: list[str], owner: str) -> None:
    names = _names(app)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PluginError(
            f"command {twice[0]!r} of plugin {owner!r} exists already",
            hint=f"rename it, or set KGREC_DISABLE={owner}",
        )
    taken[:] = names


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: the words after ``kgrec``; by default those of the process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if args is None else args)
    options = words[: words.index("--")] if "--" in words else words
    debug = "--debug" in options
    _accept_any_text()
    try:
        manager = load_plugins()
        cli = get_command(build_app(manager))
        answer = cli.main(args=words, prog_name="kgrec", standalone_mode=False, obj=Run(manager))
        if answer == INTERRUPTED:
            interrupted()
        return answer if isinstance(answer, int) else 0
    except KgrecError as error:
        if debug:
            raise
        report(error.message, error.hint)
        return error.exit_code
    except typer.TyperException as error:
        report(*explain_usage(error, options))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        interrupted()
        return INTERRUPTED
    except Exception as error:  # the boundary: what nobody foresaw is still one line, not a page
        if debug:
            raise
        failure = unexpected(error)
        report(failure.message, failure.hint)
        return failure.exit_code


def _accept_any_text() -> None:
    """Write what the terminal's encoding lacks as an escape, rather than fail in the middle of a table."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())

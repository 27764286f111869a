"""The Typer application: kgrec's commands and those of plugins. Its errors are dealt with in app.py."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from kgrec.cli import (
    build_graph,
    compare,
    doctor,
    evaluate,
    explain,
    generate,
    generate_enrich,
    generate_evaluate,
    generate_feedback,
    generate_tune,
    graph,
    info,
    init,
    plugins,
    recommend,
    runs,
    simulate,
    train,
)
from kgrec.cli.multi_value import GreedyCommand
from kgrec.cli.run import Run, command
from kgrec.errors import PluginError
from kgrec.plugin.manager import PluginManager, load_plugins

BROKEN_PIPE = 141
"""Exit code when nobody reads stdout any more; what a shell reports of a program that SIGPIPE ended."""


class _Group(TyperGroup):
    """The group at the top: knows commands of two words, and notices when nobody reads stdout any more."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Take ``generate evaluate`` for the command of that name, not for ``generate`` with a user of that name.

        That user is reached by ``generate -- evaluate``.
        """
        two = " ".join(args[:2])
        return super().resolve_command(ctx, [two, *args[2:]] if two in self.commands else args)

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
        ("evaluate", evaluate.evaluate),
        ("simulate", simulate.simulate),
        ("compare", compare.compare),
        ("recommend", recommend.recommend),
        ("explain", explain.explain),
        ("generate", generate.generate),
        ("generate enrich", generate_enrich.enrich),
        ("generate evaluate", generate_evaluate.evaluate),
        ("generate feedback", generate_feedback.feedback),
        ("generate tune", generate_tune.tune),
        ("profile", generate.profile),
        ("info", info.info),
    ):
        app.command(name, cls=GreedyCommand)(command(function))
    app.add_typer(graph.app(), name="graph")
    app.add_typer(runs.app(), name="runs")
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


def run(words: list[str]) -> int:
    """Run the command that ``words`` name and return its exit code; every error passes through."""
    manager = load_plugins()
    cli = get_command(build_app(manager))
    # 130 is what Typer makes of Ctrl-C; a command that wants another code than 0 raises typer.Exit.
    answer = cli.main(args=words, prog_name="kgrec", standalone_mode=False, obj=Run(manager))
    return answer if isinstance(answer, int) else 0

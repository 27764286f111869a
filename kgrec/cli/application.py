"""The command line: every plugin's commands, imported when they are chosen. Its errors are dealt with in app.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from kgrec.cli.run import CommandLineRun, with_common_options
from kgrec.errors import KgrecError, PluginError
from kgrec.plugin.manager import BUILTIN, PluginManager, load_plugins
from kgrec.plugin.spec import Spec, WorkspaceCommand

BROKEN_PIPE = 141
"""Exit code when nobody reads stdout any more; what a shell reports of a program that SIGPIPE ended."""

SETTINGS = {"help_option_names": ["--help", "-h"]}


class CommandLine(TyperGroup):
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

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the common options under a heading of their own."""
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


class _Command(TyperCommand):
    """A command whose options of several values, ``FILES...``, take them in a row, as shells expand ``*.csv``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option's name before each of its values."""
        given = [p for p in self.params if isinstance(p, TyperOption) and p.multiple]
        several = [p for p in given if (p.metavar or "").endswith("...")]
        return super().parse_args(ctx, expand(args, [name for p in several for name in p.opts]))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the common options under a heading of their own."""
        _write_options(self, ctx, formatter)


class _Offered(TyperCommand):
    """A command as it is listed; what it does is imported when it is chosen."""

    def __init__(self, spec: Spec, owner: str, manager: PluginManager) -> None:
        super().__init__(spec.name, help=spec.summary, rich_markup_mode=None)
        self._spec = spec
        self._plugin = None if owner == BUILTIN else manager.named(owner)
        self._hint = f"--debug shows where; KGREC_DISABLE={owner} runs kgrec without the plugin"

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Make the context of the command itself."""
        return self._imported().make_context(info_name, args, parent, **extra)

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002  # a long line is wrapped
        """Return the summary."""
        return self._spec.summary

    def _imported(self) -> Any:
        """Import the command.

        Raises:
            PluginError: a plugin's command cannot be imported or is none.
        """
        try:
            return offered_command(self._spec, self._guarded)
        except Exception as error:
            if self._plugin is None:
                raise
            raise self._fault("cannot be used", error) from error

    def _guarded(self, function: Callable[..., None]) -> Callable[..., None]:
        """Say of an error that a plugin's command did not mean to raise whose it is."""
        if self._plugin is None:
            return function
        import functools

        @functools.wraps(function)
        def guarded(*args: Any, **values: Any) -> None:
            try:
                function(*args, **values)
            except (KgrecError, typer.Exit, typer.Abort, typer.TyperException, OSError, MemoryError):
                raise
            except Exception as error:
                raise self._fault("failed", error) from error

        return guarded

    def _fault(self, what: str, error: Exception) -> PluginError:
        told = error.message if isinstance(error, KgrecError) else f"{type(error).__name__}: {error}"
        return PluginError(f"command {self.name!r} of plugin {self._plugin} {what}: {told}", hint=self._hint)


def offered_command(spec: Spec, wrapped: Callable[[Any], Any] = lambda function: function) -> TyperCommand:
    """Import a command and make it one of the command line's.

    Args:
        spec: names the function.
        wrapped: is given the function and returns what is called.
    """
    function = spec.imported()
    if isinstance(function, WorkspaceCommand):
        function = with_common_options(function.function)
    if not callable(function):
        raise PluginError(f"{spec.target!r} is no function")
    one = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=SETTINGS)
    one.command(spec.name, cls=_Command)(wrapped(function))
    made = get_command(one)
    assert isinstance(made, TyperCommand)
    return made


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(ctx):
        row = parameter.get_help_record(ctx)
        if row is not None:
            argument = parameter.param_type_name == "argument"
            section = "Arguments" if argument else parameter.rich_help_panel or "Options"
            sections.setdefault(section, []).append(row)
    for section, rows in sections.items():
        if rows:
            with formatter.section(section):
                formatter.write_dl(rows)


def expand(args: Sequence[str], options: Sequence[str]) -> list[str]:
    """Repeat each of ``options`` before each of its values: ``--from a b`` means ``--from a --from b``."""
    expanded: list[str] = []
    current = ""  # the option that the next value belongs to
    for position, arg in enumerate(args):
        if arg == "--":
            return [*expanded, *args[position:]]
        if arg.startswith("-") and arg != "-":
            current = arg if arg in options else ""
            expanded.append(arg)
            if current and _is_option(args[position + 1 :]):
                return expanded  # it lacks its value, and the parser must not take the next option for it
        elif current:
            first = args[position - 1] == current
            expanded += [arg] if first else [current, arg]
        else:
            expanded.append(arg)
    return expanded


def _is_option(rest: Sequence[str]) -> bool:
    return bool(rest) and rest[0].startswith("-") and rest[0] != "-"


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"kgrec {version('kgrec')}")
        raise typer.Exit


def _top(
    run: CommandLineRun,
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
        from kgrec.cli.console import warn

        def tell(problem: str) -> None:
            warn(f"{problem}; `kgrec plugins` tells more")

        for info in run.manager.broken():
            tell(f"plugin {info.name!r} is broken and not in use")
        for problem in run.manager.problems:
            tell(problem.message)
        run.manager.tell = lambda problem: tell(problem.message)


def _first_word(run: CommandLineRun, context: typer.Context) -> None:  # noqa: ARG001
    """Show the commands that begin with a word."""
    if context.invoked_subcommand is None:
        print(context.get_help(), end="")


def build_cli(manager: PluginManager) -> CommandLine:
    """Make the command line of the commands that plugins offer, kgrec's own among them."""
    registry = manager.registry("command")
    offered = {name: _Offered(spec, registry.owner(name), manager) for name, spec in registry.items()}
    groups: dict[str, dict[str, TyperCommand]] = {}
    for name, command in offered.items():
        word, _, rest = name.partition(" ")
        if rest and word not in offered:
            groups.setdefault(word, {})[rest] = command
    within = {word: _group(word, _first_word, commands, hidden=True) for word, commands in groups.items()}
    return _group("kgrec", _top, {**offered, **within}, add_completion=True)


def _group(
    name: str,
    function: Callable[..., None],
    commands: Mapping[str, TyperCommand | TyperGroup],
    *,
    hidden: bool = False,
    add_completion: bool = False,
) -> CommandLine:
    app = typer.Typer(
        name=name,
        cls=CommandLine,
        hidden=hidden,
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        add_completion=add_completion,
        context_settings=SETTINGS,
    )
    app.callback()(with_common_options(function))
    made = get_command(app)
    assert isinstance(made, CommandLine)
    made.commands = dict(commands)
    if hidden:
        made.help = f"The commands of `kgrec {name}`."
    return made


def run(words: list[str]) -> int:
    """Run the command that ``words`` name and return its exit code; every error passes through."""
    manager = load_plugins()
    manager.tell = lambda _: None  # until it is known which command runs
    # 130 is what Typer makes of Ctrl-C; a command that wants another code than 0 raises typer.Exit.
    answer = build_cli(manager).main(args=words, prog_name="kgrec", standalone_mode=False, obj=CommandLineRun(manager))
    return answer if isinstance(answer, int) else 0

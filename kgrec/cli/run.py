"""What every command shares: the common options, before or after the command's name, and what follows from them."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from typer.models import ParameterInfo

from kgrec.artifacts import WRITTEN
from kgrec.cli.console import duration, show_as
from kgrec.cli.output import Format, Records, format_of, write_records
from kgrec.errors import CorruptArtifactError, KgrecError
from kgrec.shown import visible

if TYPE_CHECKING:
    from kgrec.data.pseudonyms import Pseudonyms
    from kgrec.plugin.manager import PluginManager
    from kgrec.progress import Progress
    from kgrec.project import Project
    from kgrec.workers import Workers

UNUSED = tuple(f"numpy.{name}" for name in ("ctypeslib", "f2py", "ma", "polynomial", "testing"))
"""Modules that nothing here uses; scipy asks numpy for each of its modules, which is a tenth of the start."""

WORKSPACE_VARIABLE = "KGREC_WORKSPACE"
_PANEL = "Common options"


def common_options(
    *,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            metavar="DIR",
            help=f"The workspace; by default ${WORKSPACE_VARIABLE} or the current folder.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set a value of kgrec.toml for this run.", rich_help_panel=_PANEL
        ),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="How to print; by default a table for people.", rich_help_panel=_PANEL),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no timings.", rich_help_panel=_PANEL)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=_PANEL)
    ] = False,
) -> dict[str, Any]:
    """Collect the common options; the signature is what commands inherit."""
    return {"workspace": workspace, "overrides": overrides, "form": form, "quiet": quiet, "debug": debug}


@dataclass
class CommandLineRun:
    """One run of a command: where, how to print, and the open project.

    Attributes:
        manager: the plugins.
        where: the workspace named on the command line, or None.
        overrides: values of ``--set``.
        form: the format asked for, or None for the command's own default.
        quiet: whether progress and timings are off.
    """

    manager: PluginManager
    where: Path | None = None
    overrides: tuple[str, ...] = ()
    form: Format | None = None
    quiet: bool = False

    def given(self, options: Mapping[str, Any]) -> CommandLineRun:
        """Return this run with further common options laid over it."""
        return replace(
            self,
            where=options["workspace"] or self.where,
            overrides=(*self.overrides, *(options["overrides"] or ())),
            form=options.get("form") or self.form,
            quiet=options["quiet"] or self.quiet,
        )

    @property
    def workspace(self) -> Path:
        """The workspace's folder."""
        return self.where or Path(os.environ.get(WORKSPACE_VARIABLE) or ".")

    @property
    def workspace_option(self) -> str:
        """What to add to a command so that it works on the same workspace; starts with a blank when not empty."""
        import shlex

        return f" -w {shlex.quote(str(self.where))}" if self.where else ""

    @cached_property
    def project(self) -> Project:
        """The open workspace."""
        _import_later(UNUSED)
        from kgrec.project import open_project

        return open_project(self.workspace, overrides=self.overrides, manager=self.manager)

    @cached_property
    def names(self) -> Pseudonyms:
        """What the workspace calls users."""
        from kgrec.data.pseudonyms import Pseudonyms

        return Pseudonyms.of(self.workspace)

    def shown(self, records: Records) -> Records:
        """Return records with users' ids instead of pseudonyms, where the key is at hand."""
        return records if self.names.key is None else [self.names.told(record) for record in records]

    @property
    def for_people(self) -> bool:
        """Whether a table is wanted."""
        return self.form in (None, Format.table)

    def progress(self) -> AbstractContextManager[Progress]:
        """Open what shows progress on stderr."""
        from kgrec.cli.console import reporting

        return reporting(quiet=self.quiet)

    @contextmanager
    def workers(self, cluster: str | None) -> Iterator[Workers]:
        """Have those who work: of ``--cluster``, or as kgrec.toml says."""
        from kgrec.workers import HERE

        config = self.project.config.cluster
        where = cluster or config.address
        if where is None:
            yield HERE
            return
        from kgrec.cluster.connection import LOCAL, connect
        from kgrec.consent import Consent, ask_on_terminal

        if cluster is None and where != LOCAL:  # a stranger's kgrec.toml may name any host
            Consent.load(ask_on_terminal).host(f"ray://{where}")
        with connect(where, config) as workers:
            self.say(f"cluster {where}: {workers.count} workers")
            self.project.workers = workers
            try:
                yield workers
            finally:
                self.project.workers = HERE

    def say(self, message: str) -> None:
        """Write a line for people on stderr, unless ``--quiet``."""
        if not self.quiet:
            print(visible(message, lines=True), file=sys.stderr)

    def timings(self, seconds: Mapping[str, float]) -> None:
        """Write how long each step took on stderr."""
        if seconds:
            steps = " · ".join(f"{name} {duration(s)}" for name, s in seconds.items())
            self.say(f"time: {steps} · together {duration(sum(seconds.values()))}")

    def data(self, records: Records, show: Callable[[], None], out: Path | None = None) -> None:
        """Print ``records`` in the format asked for, or call ``show`` when people are to read them."""
        records = self.shown(records)
        if out is not None:
            form = self.form if self.form not in (None, Format.table) else format_of(out)
            write_records(records, form or Format.json, out)
            self.say(f"{len(records)} rows written to {out}")
        elif self.for_people:
            show()
        else:
            write_records(records, self.form or Format.json)


def _is_user(part: object) -> bool:
    """Say whether a part of an annotation makes a parameter the id of a user."""
    return isinstance(part, ParameterInfo) and part.metavar == "USER"


def _note_outputs(root: Path, named: Sequence[Path]) -> None:
    """Remember the files that a command was asked to write and wrote: who is forgotten is taken out of them, too."""
    places = [path.absolute() for path in named]
    if written := [file for file in sorted(WRITTEN) if any(file.is_relative_to(place) for place in places)]:
        from kgrec.workspace import Workspace

        Workspace(root).note_outputs(written)


def _damaged(root: Path, error: Exception) -> KgrecError | None:
    """Say whether an error that nobody foresaw comes from artifacts that are not what was published."""
    from kgrec.workspace import COMMANDS, Workspace

    with suppress(Exception):
        stage = Workspace(root).damaged()
        if stage is not None:
            told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            return CorruptArtifactError(
                f"the {stage} of {root} is damaged ({told})", hint=f"run `kgrec {COMMANDS[stage]}` to make it again"
            )
    return None


def _import_later(names: Sequence[str]) -> None:
    """Have modules imported when something of them is used."""
    import importlib.util

    for name in names:
        package, _, attribute = name.rpartition(".")
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            setattr(sys.modules[package], attribute, module)


def run_of(context: typer.Context) -> CommandLineRun:
    """Return the run that ``context`` belongs to; a context made without kgrec's main gets a new one."""
    if isinstance(context.obj, CommandLineRun):
        return context.obj
    from kgrec.plugin.manager import load_plugins

    return CommandLineRun(load_plugins())


def with_common_options(function: Callable[..., None]) -> Callable[..., None]:
    """Make ``function(run, ...)`` a Typer callback that also takes the common options.

    A parameter of ``function`` named like a common one takes its place.
    """
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    wants_context = any(p.name == "context" for p in own)
    common = inspect.signature(common_options, eval_str=True).parameters
    shared = {name: p for name, p in common.items() if name not in [o.name for o in own]}
    users = [p.name for p in own if any(_is_user(part) for part in get_args(p.annotation))]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    @functools.wraps(function)
    def callback(*, context: typer.Context, **values: Any) -> None:
        context.obj = run_of(context).given({name: values.pop(name) for name in shared})
        show_as(lambda text: context.obj.names.told(text))
        named = [path for value in values.values() for path in (value if isinstance(value, list) else [value])]
        for name in users:
            if isinstance(values.get(name), str):
                values[name] = context.obj.names.stored(values[name])
        if wants_context:
            values["context"] = context
        WRITTEN.clear()
        try:
            function(context.obj, **values)
        except (KgrecError, typer.Exit, typer.Abort, typer.TyperException, OSError, MemoryError):
            raise
        except Exception as error:
            if (told := _damaged(context.obj.workspace, error)) is None:
                raise
            raise told from error
        finally:
            _note_outputs(context.obj.workspace, [path for path in named if isinstance(path, Path)])

    options = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own if p.name != "context"]
    parameters = [context, *options, *shared.values()]
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    callback.__annotations__ = {p.name: p.annotation for p in parameters}
    return callback

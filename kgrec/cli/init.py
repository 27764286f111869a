"""``kgrec init``: look at files and propose a kgrec.toml."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrec.artifacts import MARKER, scratch_folder
from kgrec.cli import options
from kgrec.cli.console import console
from kgrec.cli.run import CommandLineRun
from kgrec.errors import DataError, PluginError, UsageError, UserError
from kgrec.plugin import workspace_command
from kgrec.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager

SAMPLE_SEED = 42
"""Seed of the bundled samples; they are the same everywhere."""


@workspace_command
def init(
    run: CommandLineRun,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new workspace; made when missing.")],
    domain: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Field of the data; `kgrec plugins` lists them.", autocompletion=options.domains
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILES...", help="Files to read: csv, tsv, jsonl, parquet, RecBole, RDF."),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Write the domain's bundled sample and use it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a kgrec.toml that is there.")] = False,
) -> None:
    """Look at files and write a kgrec.toml that fits them.

    It says which column means what; look it over before the build. Without
    --from, the domain's bundled sample is written to DIR and used.
    """
    target = Workspace(folder).config_file
    if target.exists() and not force:
        raise UserError(f"{target} exists", hint="give --force to overwrite it, or edit it")
    if sample and files:
        raise UsageError("--sample and --from exclude each other", hint="leave one out")
    if not files and domain is None:
        raise UsageError(
            "which files?", hint=f"give --from FILES, or --domain {_with_sample(run.manager)} for a sample"
        )
    if files:
        _propose(run, files, domain, target)
    else:
        _sample(run.manager, str(domain), target)
    _show(target.read_text(encoding="utf-8"))
    run.say(f"\n{target} written; look it over, then: kgrec build-graph -w {shlex.quote(str(folder))}")


def _make(folder: Path) -> None:
    with storage_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UserError(f"{folder} is a file, not a folder", hint="name another folder") from None


def _with_sample(manager: PluginManager) -> str:
    return "|".join(name for name, d in manager.registry("domain").items() if d.sample) or "NAME"


def _sample(manager: PluginManager, name: str, settings: Path) -> None:
    """Let the domain's plugin write its sample, kgrec.toml included; the files appear when all are options."""
    import importlib

    folder, target = settings.parent, manager.domain(name).sample
    if target is None:
        raise UsageError(
            f"domain {name!r} has no bundled sample", hint=f"give --from FILES, or --domain {_with_sample(manager)}"
        )
    module, _, function = target.partition(":")
    try:
        write = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"domain {name!r} names the sample {target!r}, which cannot be imported: {error}") from error
    _make(folder)
    with storage_errors(folder), scratch_folder(folder, "sample") as aside:
        write(aside, SAMPLE_SEED)
        if not (aside / settings.name).is_file():
            raise PluginError(f"the sample of domain {name!r} has no {settings.name}", hint=f"{target} must write one")
        made = (path for path in aside.iterdir() if path.name != MARKER)
        for path in sorted(made, key=lambda p: p.name == settings.name):  # the settings last
            path.replace(folder / path.name)


def _propose(run: CommandLineRun, files: list[Path], domain: str | None, target: Path) -> None:
    from kgrec.cli.output import atomic
    from kgrec.consent import allow_paths
    from kgrec.data.propose import propose
    from kgrec.places import address, is_pattern, split_part

    for file in files:
        if not address(file) and not is_pattern(file) and not split_part(file)[0].exists():
            raise UserError(f"{file} does not exist", hint="check the path")
    text = propose(files, domain, run.manager, folder=target.parent)
    if not tomllib.loads(text).get("data"):
        why = next(
            (line.removeprefix("# not used: ") for line in text.splitlines() if line.startswith("# not used")), ""
        )
        raise DataError(f"none of the files can be used: {why}", hint="see docs/configuration.md for what files hold")
    _make(target.parent)
    with atomic(target) as stream:
        stream.write(text.encode())
    allow_paths(target.parent, files)


def _show(text: str) -> None:
    """Print the proposal, its comments faded."""
    out = console()
    for line in text.splitlines():
        out.print(line, style="dim" if line.lstrip().startswith("#") else None, soft_wrap=True)

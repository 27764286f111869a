"""``kgrec init``: look at files and propose a kgrec.toml."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrec.artifacts import MARKER, scratch_folder
from kgrec.cli import options
from kgrec.cli.console import clean, console
from kgrec.cli.proposal import show_proposal
from kgrec.cli.run import CommandLineRun
from kgrec.errors import DataError, PluginError, UsageError, UserError
from kgrec.plugin import workspace_command
from kgrec.workspace import Workspace, storage_errors

if TYPE_CHECKING:
    from kgrec.data.inspection import Inspected
    from kgrec.data.propose import Proposal
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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take what is likeliest.")] = False,
) -> None:
    """Look at files and write a kgrec.toml that fits them.

    It says which file and column means what, and why; look it over before the
    build. What is unsure is asked on a terminal. Where a person must say, a ?
    stands in kgrec.toml. Exits with 5 if no file tells who did what. Without
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
    proposal = None
    if files:
        proposal = _propose(run, files, domain, target, ask=not yes and sys.stdin.isatty() and sys.stdout.isatty())
        show_proposal(proposal)
    else:
        _sample(run.manager, str(domain), target)
        _show(target.read_text(encoding="utf-8"))
    if proposal is not None and not proposal.has_interactions:
        raise DataError(
            f"no file tells who did what, so nothing can be learned from; {target} holds what could be told",
            hint=f"fill in the ? in {target}, or name a log of interactions: kgrec init {shlex.quote(str(folder))} "
            "--force --from LOG ...",
        )
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
    from kgrec.plugin.sample_files import write_sample

    folder, target = settings.parent, manager.domain(name).sample
    if target is None:
        raise UsageError(
            f"domain {name!r} has no bundled sample", hint=f"give --from FILES, or --domain {_with_sample(manager)}"
        )
    _make(folder)
    with storage_errors(folder), scratch_folder(folder, "sample") as aside:
        write_sample(target, aside, SAMPLE_SEED)
        if not (aside / settings.name).is_file():
            raise PluginError(f"the sample of domain {name!r} has no {settings.name}", hint=f"{target} must write one")
        made = (path for path in aside.iterdir() if path.name != MARKER)
        for path in sorted(made, key=lambda p: p.name == settings.name):  # the settings last
            path.replace(folder / path.name)


def _propose(run: CommandLineRun, files: list[Path], domain: str | None, target: Path, *, ask: bool) -> Proposal:
    from kgrec.cli.output import atomic
    from kgrec.consent import allow_paths
    from kgrec.data.propose import look, write
    from kgrec.places import address, is_pattern, split_part

    for file in files:
        if not address(file) and not is_pattern(file) and not split_part(file)[0].exists():
            raise UserError(f"{file} does not exist", hint="check the path")
    proposal = look(files, domain, run.manager)
    if ask:
        proposal = replace(proposal, files=tuple(map(_asked, proposal.files)))
    _make(target.parent)
    with atomic(target) as stream:
        stream.write(write(proposal, run.manager, folder=target.parent).encode())
    allow_paths(target.parent, files)
    return proposal


def _asked(file: Inspected) -> Inspected:
    """Ask about what is unsure of a file; an empty answer takes the guess."""
    columns = dict(file.columns)
    for field, others in file.doubts.items():
        if field not in columns or file.problem:
            continue
        choices = [columns[field], *others]
        shown = ", ".join(f"{k} {clean(name)}" for k, name in enumerate(choices, start=1))
        said = typer.prompt(f"{file.path.name}: which column is the {field}? {shown}", default="1", type=str)
        if said.isdigit() and 1 <= int(said) <= len(choices):
            columns[field] = choices[int(said) - 1]
    layout = file.layout
    if layout.user is not None and not file.problem:
        layout = replace(
            layout, user=typer.prompt(f"{file.path.name}: no column names a user; whose is it?", default=layout.user)
        )
    return replace(file, columns=columns, layout=layout)


def _show(text: str) -> None:
    """Print the proposal, its comments faded."""
    out = console()
    for line in text.splitlines():
        out.print(line, style="dim" if line.lstrip().startswith("#") else None, soft_wrap=True)

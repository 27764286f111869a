"""``kgrec init``: look at files and propose a kgrec.toml."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kgrec.cli import complete
from kgrec.cli.run import Run
from kgrec.cli.screen import console
from kgrec.errors import PluginError, UsageError, UserError

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager

SAMPLE_SEED = 42
"""Seed of the bundled samples; they are the same everywhere."""


def init(
    run: Run,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new workspace; made when missing.")],
    domain: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Field of the data; `kgrec plugins` lists them.", autocompletion=complete.domains
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILES...", help="Files to read: csv, tsv, jsonl, parquet, RecBole, RDF."),
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Write the domain's bundled sample and use it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a kgrec.toml that is there.")] = False,
) -> None:
    """Look at the columns of your files and write a kgrec.toml that says how they are to be read.

    Without --from, the domain's bundled sample is written to DIR/data and used.
    """
    target = folder / "kgrec.toml"
    if target.exists() and not force:
        raise UserError(f"{target} exists", hint="give --force to overwrite it, or edit it")
    if sample and files:
        raise UsageError("--sample and --from exclude each other", hint="leave one out")
    if not files and domain is None:
        raise UsageError(
            "which files?", hint=f"give --from FILES, or --domain {_with_sample(run.manager)} for a sample"
        )
    _make(folder)
    chosen = list(files or []) or _write_sample(run.manager, str(domain), folder / "data")
    _propose(run, chosen, domain, target)


def _make(folder: Path) -> None:
    from kgrec.workspace import storage_errors

    with storage_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UserError(f"{folder} is a file, not a folder", hint="name another folder") from None


def _with_sample(manager: PluginManager) -> str:
    return "|".join(name for name, d in manager.registry("domain").items() if d.sample) or "NAME"


def _write_sample(manager: PluginManager, name: str, folder: Path) -> list[Path]:
    """Let the domain's plugin write its sample; return the files."""
    import importlib

    target = manager.domain(name).sample
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
    write(folder, SAMPLE_SEED)
    return sorted(path for path in folder.iterdir() if path.is_file())


def _propose(run: Run, files: list[Path], domain: str | None, target: Path) -> None:
    from kgrec.cli.output import atomic
    from kgrec.data.propose import propose

    text = propose(files, domain, run.manager)
    with atomic(target) as stream:
        stream.write(text.encode())
    _show(text)
    run.say(f"\n{target} written; look it over, then: kgrec build-graph -w {shlex.quote(str(target.parent))}")


def _show(text: str) -> None:
    """Print the proposal, its comments faded."""
    out = console()
    for line in text.splitlines():
        out.print(line, style="dim" if line.lstrip().startswith("#") else None, soft_wrap=True)

"""Options that several commands share: what they are, what the shell offers for them on Tab, how they are checked.

Checks come before the work, not after it. A completion never fails and never prints: without an answer it offers
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from kgrec.cli.output import Format, format_of
from kgrec.errors import KgrecError, UsageError

LIMIT = 50
"""Users or items that are offered on Tab."""


def domains(incomplete: str) -> list[str]:
    """Offer the names of domains."""
    return _offers("domain", incomplete)


def scorers(incomplete: str) -> list[str]:
    """Offer the names of scorers, after the last comma."""
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in _offers("scorer", last)]


def rerankers(incomplete: str) -> list[str]:
    """Offer the names of re-rankers."""
    return _offers("re-ranker", incomplete)


def users(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the workspace's users."""
    return _ids(context, "users", "user_id", incomplete)


def items(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the workspace's items."""
    return _ids(context, "items", "item_id", incomplete)


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the kept runs, the latest first."""
    from kgrec.evaluate.runs import LATEST, Runs
    from kgrec.workspace import Workspace

    return _starting([LATEST, *reversed(Runs.of(Workspace(_workspace(context))).names())], incomplete)


def _offers(kind: str, incomplete: str) -> list[str]:
    from kgrec.plugin.manager import load_plugins

    try:
        return _starting(load_plugins().registry(kind), incomplete)
    except KgrecError:
        return []


def _ids(context: typer.Context, table: str, column: str, incomplete: str) -> list[str]:
    import polars as pl

    from kgrec.workspace import Workspace

    try:
        file = Workspace(_workspace(context)).folder("dataset") / f"{table}.parquet"
        wanted = pl.scan_parquet(file).select(column).filter(pl.col(column).str.starts_with(incomplete))
        return _starting(wanted.head(LIMIT).collect()[column].to_list(), incomplete)
    except (KgrecError, OSError, pl.exceptions.PolarsError):
        return []


def _workspace(context: typer.Context) -> Path:
    from kgrec.cli.run import run_of

    named: Path | None = context.params.get("workspace")
    return named or run_of(context).workspace


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


User = Annotated[str, typer.Argument(metavar="USER", help="Id of a user.", autocompletion=users)]
AnyUser = Annotated[str | None, typer.Argument(metavar="USER", help="Id of a user.", autocompletion=users)]
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Its name or enough of it, latest, latest~1, ..., or the file of a record.",
        autocompletion=runs,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="SCORER,...", help="Use only these scorers.", autocompletion=scorers),
]
Seeds = Annotated[
    str | None,
    typer.Option("--seeds", metavar="SEED,...", help="Do everything once for each; by default kgrec.toml's seed."),
]
Kind = Annotated[
    str | None,
    typer.Option("--kind", "-k", metavar="KIND", help="blurb, summary, ...; by default the domain's usual one."),
]
Language = Annotated[
    str | None, typer.Option("--language", "--lang", metavar="CODE", help="Language of the texts: en, zh, de...")
]
Tone = Annotated[str | None, typer.Option("--tone", metavar="TONE", help="neutral, warm, playful or formal.")]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster", metavar="local|HOST:PORT", help="Work on several cores or machines by Ray; see docs/scale.md."
    ),
]
JsonFile = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also write all figures to FILE, as JSON.")
]
TableFile = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Write to FILE: .tsv, .csv, .jsonl, .json or .parquet."),
]
PageFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with tables and charts to FILE.")
]


def numbers(option: str, text: str, *, low: int) -> list[int]:
    """Return the whole numbers of an option's list."""
    try:
        found = [int(word) for word in text.split(",") if word.strip()]
    except ValueError:
        found = []
    if not found or min(found) < low:
        raise UsageError(
            f"{option} {text!r} is no list of whole numbers from {low}", hint=f"for example {option} 10,20"
        )
    return found


def scorer_names(only: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of ``--only``, given once or several times, or None where it is not given."""
    names = tuple(name.strip() for name in ",".join(only).split(",") if name.strip()) if only else None
    if names == ():
        raise UsageError("--only names no scorer", hint="for example --only ease,als")
    return names


def check_files(out: Path | None, html: Path | None) -> None:
    """Complain of an ``--out`` that is no ``.json`` file, and of an ``--html`` that is no page.

    Raises:
        UsageError: a name ends otherwise, or there is no such folder.
    """
    if out is not None and format_of(out) is not Format.json:
        raise UsageError(f"{out.name} is not a .json file", hint="name it FILE.json")
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{html.name} is not an .html file", hint="name it FILE.html")
    if html is not None and not html.parent.is_dir():
        raise UsageError(f"the folder {html.parent} does not exist", hint=f"mkdir -p {html.parent}")

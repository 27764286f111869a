"""What the shell offers on Tab. A completion never fails and never prints: without an answer it offers nothing."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from kgrec.errors import KgrecError

LIMIT = 50


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
    from kgrec.cli.run import run_of
    from kgrec.evaluate.runs import LATEST, Runs
    from kgrec.workspace import Workspace

    where = context.params.get("workspace") or run_of(context).workspace
    return _starting([LATEST, *reversed(Runs.of(Workspace(where)).names())], incomplete)


def _offers(kind: str, incomplete: str) -> list[str]:
    from kgrec.plugin.manager import load_plugins

    try:
        return _starting(load_plugins().registry(kind), incomplete)
    except KgrecError:
        return []


def _ids(context: typer.Context, table: str, column: str, incomplete: str) -> list[str]:
    import polars as pl

    from kgrec.cli.run import run_of
    from kgrec.workspace import Workspace

    run = run_of(context)
    where = context.params.get("workspace") or run.workspace
    try:
        file = Workspace(where).folder("dataset") / f"{table}.parquet"
        wanted = pl.scan_parquet(file).select(column).filter(pl.col(column).str.starts_with(incomplete))
        return _starting(wanted.head(LIMIT).collect()[column].to_list(), incomplete)
    except (KgrecError, OSError, pl.exceptions.PolarsError):
        return []


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]

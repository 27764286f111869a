"""Readers of files, one format a module, and the choice among them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kgrec.errors import DataError, NotFoundError

if TYPE_CHECKING:
    import polars as pl

    from kgrec.plugin.manager import PluginManager
    from kgrec.plugin.protocols import DataSource


def find_source(path: Path, format_name: str | None, manager: PluginManager) -> DataSource | None:
    """Return the source named ``format_name``, or the first by rank that claims ``path``; None if no one does.

    Raises:
        NotFoundError: no plugin offers a source of that name.
    """
    registry = manager.registry("data source")
    if format_name is not None:
        named: DataSource = registry[format_name].build()
        return named
    for _, spec in sorted(registry.items(), key=lambda entry: entry[1].rank):
        source: DataSource = spec.build()
        if source.claims(path):
            return source
    return None


def read_source(path: Path, format_name: str | None, manager: PluginManager) -> pl.DataFrame:
    """Read a file with the source that fits it; adds ``__line__`` (u32), the 1-based line or row in the file.

    Args:
        path: the file.
        format_name: name of the data source, or None to tell it from the file's name.
        manager: the plugins in use.

    Raises:
        NotFoundError: the file or the format does not exist.
        DataError: no source reads such a file, or it is damaged.
    """
    check_file(path)
    source = find_source(path, format_name, manager)
    if source is None:
        known = ", ".join(manager.registry("data source"))
        raise DataError(
            f"{path}: no data source reads files of this name",
            hint=f'set format = "..." for this file in kgrec.toml; there are {known}',
        )
    return source.read(path)


def check_file(path: Path) -> None:
    """Make sure that ``path`` is a file.

    Raises:
        NotFoundError: it does not exist; the hint names files beside it with a similar name.
        DataError: it is a folder.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file", hint="name the files in it one by one")
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else []
        if not beside:
            raise NotFoundError(f"there is no file {path}", hint=f"the folder {path.parent} has no files")
        raise NotFoundError.of("file", path.name, beside, where=str(path.parent))

"""Opens a workspace, or makes one of data frames that are in memory."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.errors import UserError
from kgrec.plugin.manager import PluginManager, load_plugins
from kgrec.project import Project, open_project
from kgrec.types import as_frame

if TYPE_CHECKING:
    import polars as pl


def open(  # noqa: A001  # what kgrec.open is, by its own name
    path: str | Path | None = None,
    *,
    interactions: Any = None,
    items: Any = None,
    users: Any = None,
    domain: str | None = None,
    overrides: Sequence[str] = (),
    manager: PluginManager | None = None,
    plugins: Sequence[object] = (),
) -> Project:
    """Open a workspace; with data frames, make one of them first.

    Frames may be of Polars, pandas or Arrow. They are written to the workspace as parquet; what their columns mean is
    told as ``kgrec init`` tells it of files, and a kgrec.toml that is there already says it instead.

    >>> import kgrec, polars as pl
    >>> log = pl.DataFrame({"user_id": ["ann", "ann", "bo"], "item_id": ["tea", "jam", "tea"]})
    >>> project = kgrec.open(interactions=log)
    >>> project.build_graph().graph["edges"]
    3

    Args:
        path: the folder of kgrec.toml, by default the current one. With frames, by default a folder that is removed
            when the project is.
        interactions: who did what, a row an interaction.
        items: the catalogue, a row an item.
        users: a row a user.
        domain: of the frames; by default the one that knows most of their columns.
        overrides: settings ``a.b=c`` laid over kgrec.toml.
        manager: the plugins; by default those that are installed.
        plugins: modules, classes or objects with hooks to use beside them.

    Raises:
        ConfigError: kgrec.toml or an override holds something that cannot be used, or a frame is none.
        WorkspaceError: the folder has no kgrec.toml, and there are no frames.
    """
    frames = {"interactions": interactions, "items": items, "users": users}
    given = {role: as_frame(role, frame) for role, frame in frames.items() if frame is not None}
    known = manager or load_plugins(also=plugins)
    if not given:
        return open_project("." if path is None else path, overrides=overrides, manager=known)
    aside = tempfile.TemporaryDirectory(prefix="kgrec-") if path is None else None
    folder = Path(aside.name if aside else str(path))
    _write(folder, given, domain, known)
    project = open_project(folder, overrides=overrides, manager=known)
    if aside is not None:
        weakref.finalize(project, aside.cleanup)
    return project


def _write(folder: Path, frames: dict[str, pl.DataFrame], domain: str | None, plugins: PluginManager) -> None:
    import tomlkit

    from kgrec.artifacts import storage_errors
    from kgrec.data.inspection import best_domain, read_tables
    from kgrec.workspace import Workspace

    with storage_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise UserError(f"{folder} is a file, not a folder", hint="name another folder") from None
        files = {role: folder / f"{role}.parquet" for role in frames}
        for role, frame in frames.items():
            frame.write_parquet(files[role])
        settings = Workspace(folder).config_file
        if not settings.exists():
            name = domain or best_domain(read_tables(list(files.values()), plugins), plugins)
            document = {"domain": name, "data": {role: [{"path": file.name}] for role, file in files.items()}}
            settings.write_text(tomlkit.dumps(document), encoding="utf-8")

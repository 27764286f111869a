"""Jobs for all users by blocks, here or by workers elsewhere, who open the workspace themselves."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from kgrec.artifacts import read_json, replacing, storage_errors, sweep_asides, write_json
from kgrec.errors import UserError, WorkspaceError
from kgrec.progress import SILENT, Progress
from kgrec.ranking.lists import BUFFER
from kgrec.settings import Settings
from kgrec.types import as_texts, canonical_id
from kgrec.workers import HERE, Workers, told
from kgrec.workspace import Workspace

if TYPE_CHECKING:
    from kgrec.generate.service import GenerateOptions, TextService
    from kgrec.project import Project
    from kgrec.ranking.requests import Moment

BLOCKS_A_PART = 8
"""Blocks of users that are scored at once make a part: enough that its start hardly counts."""
PLAN = "plan.json"
"""File of a folder of parts that says what they are of."""


@dataclass(frozen=True, slots=True)
class WorkspaceOpening:
    """Opens a workspace at a worker, as the asking process has it open.

    Attributes:
        root: its folder, the same on all machines.
        settings: those in force.
        made: fingerprints of what is built and trained.
    """

    root: Path
    settings: Settings
    made: dict[str, str]

    @classmethod
    def of(cls, project: Project) -> WorkspaceOpening:
        """Say how to open a project again."""
        return cls(project.workspace.root.resolve(), project.settings, _made(project.workspace))

    def __call__(self) -> Project:
        """Open it.

        Raises:
            WorkspaceError: what lies there is not what the asking process sees.
        """
        from kgrec.local_plugins import with_own_plugin
        from kgrec.plugin.manager import load_plugins
        from kgrec.project import Project

        workspace = Workspace(self.root)
        if not workspace.config_file.is_file() or _made(workspace) != self.made:
            raise WorkspaceError(
                f"{self.root} on {socket.gethostname()} is not the workspace that this process has open",
                hint="workers open the workspace themselves: let it lie in a folder that all machines share",
            )
        return Project(workspace, self.settings, with_own_plugin(load_plugins(), self.root))

    def texts(self) -> TextService:
        """Open it, for texts."""
        return self().texts


def _made(workspace: Workspace) -> dict[str, str]:
    return {stage: info.fingerprint for stage, info in workspace.manifest().items()}


@dataclass(frozen=True, slots=True)
class ListOrder:
    """What is asked of the lists of many users; see :meth:`kgrec.project.Project.recommend`."""

    n: int | None = None
    include_seen: bool | None = None
    where: Sequence[str] = ()
    rerank: Sequence[str] | None = None
    at: Moment | None = None
    explain: bool = False

    def lists(self, project: Project, users: Sequence[str] | None, progress: Progress = SILENT) -> pl.DataFrame:
        """Return the lists of some users, see :meth:`kgrec.project.Project.recommend_many`."""
        asked: dict[str, Any] = {"n": self.n, "include_seen": self.include_seen, "at": self.at, "explain": self.explain}
        return project.recommend_many(users, where=self.where, rerank=self.rerank, progress=progress, **asked)


def _lists(project: Project, asked: tuple[ListOrder, Sequence[str]]) -> pl.DataFrame:
    order, users = asked
    return order.lists(project, users)


def recommend_all(
    project: Project,
    order: ListOrder,
    users: Sequence[str] | None = None,
    *,
    workers: Workers = HERE,
    progress: Progress = SILENT,
) -> pl.DataFrame:
    """Recommend items to many users; the frame of :meth:`kgrec.project.Project.recommend_many`, the same whoever works.

    Args:
        project: trained.
        order: what is asked for.
        users: their ids; None for all.
        workers: who works.
        progress: told where it is.
    """
    parts = _parts(project, users) if workers.count > 1 else []
    if len(parts) < 2:
        return order.lists(project, users, progress)
    return pl.concat(list(_worked(project, order, parts, workers, progress)))


def recommend_parts(  # noqa: D417
    project: Project,
    order: ListOrder,
    folder: Path,
    users: Sequence[str] | None = None,
    *,
    shown: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame,
    workers: Workers = HERE,
    progress: Progress = SILENT,
) -> int:
    """Write the lists of many users as parquet files, one a part of the users; a run that ended early goes on.

    Each user stands in one part, and a part is written whole or not at all, so each has one list however often the run
    is begun again. Of a part no more is in memory than its own lists.

    Args:
        project, order, users, workers, progress: as of :func:`recommend_all`.
        folder: takes ``part-00000.parquet``... and ``plan.json``; an empty one, or one that such a run left.
        shown: changes a frame before it is written.

    Returns:
        How many users' lists were written now.

    Raises:
        UserError: the folder holds something else, or lists of other models or options.
    """
    parts = _parts(project, users)
    document = [
        asdict(order),
        _made(project.workspace),
        parts,
        project.config.model_dump(mode="json", exclude={"cluster", "serve"}),
    ]
    key = hashlib.blake2b(json.dumps(document, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()
    plan = {"lists": key, "parts": len(parts), "users": sum(map(len, parts))}
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep_asides(folder)
        there = {file.name for file in folder.iterdir()}
    if PLAN in there:
        if read_json(folder / PLAN) != plan:
            problem = f"{folder} holds lists of other models, users or options"
            raise UserError(problem, hint="name another folder, or remove it")
    elif there:
        raise UserError(f"{folder} holds something else", hint="name an empty or a new folder")
    else:
        write_json(folder / PLAN, plan)
    files = [folder / f"part-{number:05}.parquet" for number in range(len(parts))]
    missing = [number for number, file in enumerate(files) if file.name not in there]
    found = _worked(project, order, [parts[number] for number in missing], workers, progress)
    for number, frame in zip(missing, found, strict=True):
        with replacing(files[number]) as aside:
            shown(frame).write_parquet(aside)
    return sum(len(parts[number]) for number in missing)


def _parts(project: Project, users: Sequence[str] | None) -> list[list[str]]:
    """Cut users into parts; blocks that are scored at once are the same as without parts."""
    config, n_items = project.config.recommend, len(project.ranker.item_ids)
    size = BLOCKS_A_PART * max(1, min(config.block_size, BUFFER // max(n_items, 1)))
    everybody = project.dataset.users["user_id"].drop_nulls().sort().to_list()
    wanted = everybody if users is None else list(dict.fromkeys(map(canonical_id, as_texts(users, "users"))))
    project.dataset.user_positions(wanted)  # an unknown id is an error before the work begins
    return [wanted[start : start + size] for start in range(0, len(wanted), size)]


def _worked(
    project: Project, order: ListOrder, parts: Sequence[Sequence[str]], workers: Workers, progress: Progress
) -> Iterator[pl.DataFrame]:
    blocks = ((order, part) for part in parts)
    with progress.task(told("recommending", workers), total=sum(map(len, parts))) as task:
        for part, frame in zip(
            parts, workers.map(_lists, project, blocks, reopen=WorkspaceOpening.of(project)), strict=True
        ):
            task.advance(len(part))
            yield frame


def generate_all(
    project: Project,
    out: Path,
    options: GenerateOptions,
    *,
    n: int = 1,
    workers: Workers = HERE,
    progress: Progress = SILENT,
) -> int:
    """Write texts for all users, or about all items; see :meth:`kgrec.generate.service.TextService.generate_all`."""
    where = WorkspaceOpening.of(project)
    return project.texts.generate_all(out, options, n=n, progress=progress, workers=workers, reopen=where.texts)

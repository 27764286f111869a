"""Texts for everybody, batch by batch into a file that can be taken up again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.data.values import canonical_id
from kgrec.errors import UsageError, UserError
from kgrec.generate.generate import with_note
from kgrec.generate.kinds import kind_of
from kgrec.generate.options import GenerateOptions
from kgrec.generate.record import to_record
from kgrec.generate.service import TextService
from kgrec.plugin.generation import TextRequest
from kgrec.progress import Progress
from kgrec.workspace import storage_errors

if TYPE_CHECKING:
    import polars as pl

    from kgrec.generate.pipeline import Writer
    from kgrec.plugin.domain import TextKind
    from kgrec.project import Project

_Job = tuple[str, tuple[str, ...]]
"""For whom (empty: nobody in particular) and about which items."""


def generate_all(
    project: Project, out: Path, n: int, users: Sequence[str] | None, wish: GenerateOptions, progress: Progress
) -> int:
    """Write texts for everybody; see :meth:`kgrec.project.Project.generate_all`.

    Raises:
        UsageError: the file is not named ``.jsonl``.
        UserError: its folder does not exist.
    """
    if out.suffix != ".jsonl":
        raise UsageError(f"{out.name!r}: texts are written as JSON lines", hint="--out FILE.jsonl")
    if not out.parent.is_dir():
        raise UserError(f"the folder {out.parent} does not exist", hint=f"mkdir -p {out.parent}")
    text_service = project.texts
    kind = kind_of(project.domain, wish.kind)
    language = text_service.language(wish)
    done = _done(out, kind.name, language)
    jobs = [job for job in _jobs(project, kind, n, users, progress) if job not in done]
    writer, seed = text_service.writer(wish), text_service.seed(wish)
    size = project.config.generate.batch_size
    with progress.task(f"writing {kind.name}", total=len(jobs)) as task, storage_errors(out), out.open("ab") as stream:
        for start in range(0, len(jobs), size):
            batch = jobs[start : start + size]
            for line in _batch(text_service, writer, kind, batch, wish, seed):
                stream.write(line)
            stream.flush()
            task.advance(len(batch))
    return len(jobs)


def _batch(
    text_service: TextService, writer: Writer, kind: TextKind, jobs: Sequence[_Job], wish: GenerateOptions, seed: int
) -> Iterator[bytes]:
    about = [item for _, items in jobs for item in items]
    # All facts of the batch at once: the graph is then looked through once.
    text_service.book(text_service.language(wish)).items(
        [int(p) for p in text_service.project.dataset.item_positions(about)]
    )
    requests = [request for job in _grouped(jobs) for request in _requests(text_service, kind, job, wish)]
    people = [user for user, _ in (row for job in _grouped(jobs) for row in job)]
    texts = writer.write(requests, seed=seed, user_ids=people, allow_fallback=wish.allow_fallback)
    noted = with_note(texts, text_service.notes.get(text_service.named(wish), ""))
    text_service.record(requests, noted, wish)  # before the file: what the file lacks is written, and recorded, again
    for text in noted:
        yield (json.dumps(to_record(text), ensure_ascii=False) + "\n").encode()


def _grouped(jobs: Sequence[_Job]) -> Iterator[list[_Job]]:
    """Put the jobs of a user together: what is known of them is then collected once."""
    start = 0
    for k in range(1, len(jobs) + 1):
        if k == len(jobs) or jobs[k][0] != jobs[start][0]:
            yield list(jobs[start:k])
            start = k


def _requests(
    text_service: TextService, kind: TextKind, jobs: Sequence[_Job], wish: GenerateOptions
) -> Iterator[TextRequest]:
    project = text_service.project
    user = jobs[0][0]
    ids = [item for _, items in jobs for item in items]
    positions = [int(p) for p in project.dataset.item_positions(ids)]
    reasons = text_service.reasons(text_service.listed(user, ids), text_service.language(wish)) if user else ()
    at = 0
    for _, items in jobs:
        part = slice(at, at + len(items))
        yield text_service.request(kind, positions[part], wish, user_id=user, reasons=reasons[part])
        at += len(items)


def _jobs(project: Project, kind: TextKind, n: int, users: Sequence[str] | None, progress: Progress) -> Iterator[_Job]:
    if not kind.personal:
        # Of an item that the catalogue does not know, and only logs name, there is nothing to say.
        named = project.dataset.items.filter(project.dataset.items["title"].is_not_null())
        for item in named["item_id"].sort().to_list():
            yield "", (item,)
        return
    wanted = None if users is None else [canonical_id(user) for user in users]
    lists: pl.DataFrame = project.recommend_many(wanted, n=n * kind.max_items, progress=progress)
    for (user,), rows in lists.group_by(["user_id"], maintain_order=True):
        ids = rows["item_id"].to_list()
        for start in range(0, len(ids), kind.max_items):
            yield str(user), tuple(ids[start : start + kind.max_items])


def _done(out: Path, kind: str, language: str) -> set[_Job]:
    """Return what the file holds already; half a line at its end, left by an interruption, is cut off."""
    if not out.is_file():
        return set()
    found: set[_Job] = set()
    whole = 0
    with out.open("rb") as stream:
        for line in stream:
            row = _parsed(line)
            if row is None:
                break
            whole += len(line)
            if (row.get("kind"), row.get("lang")) == (kind, language):
                found.add((str(row.get("user_id") or ""), tuple(map(str, row.get("item_ids") or ()))))
        rest = stream.read(1)
    if rest:
        raise UserError(f"{out} holds something else than texts", hint="name another file")
    if whole < out.stat().st_size:
        with out.open("rb+") as stream:
            stream.truncate(whole)
    return found


def _parsed(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "text" in row else None

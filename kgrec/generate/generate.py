"""Texts about items, for a user or for nobody in particular."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kgrec.data.values import canonical_id
from kgrec.errors import UsageError
from kgrec.generate.kinds import kind_of
from kgrec.generate.options import GenerateOptions
from kgrec.generate.pipeline import Watch
from kgrec.generate.service import TextService
from kgrec.plugin.generation import GeneratedText

if TYPE_CHECKING:
    from kgrec.plugin.domain import TextKind
    from kgrec.project import Project
    from kgrec.types import Reason


def with_note(texts: Iterable[GeneratedText], note: str) -> list[GeneratedText]:
    """Say in each text's record why a model did not write it."""
    from dataclasses import replace

    return [replace(text, note=note, fallback=True) if note and not text.note else text for text in texts]


def generate(
    project: Project, user: str | None, items: Sequence[str], n: int, options: GenerateOptions, watch: Watch | None
) -> list[GeneratedText]:
    """Write texts; see :meth:`kgrec.project.Project.generate`."""
    text_service = project.texts
    kind = kind_of(project.domain, options.kind)
    if kind.personal and user is None:
        raise UsageError(f"a text of the kind {kind.name!r} is written for a user", hint="give a USER")
    user_id = canonical_id(user) if user is not None and kind.personal else ""
    positions, reasons = _what(text_service, user, items, n, kind, options)
    if kind.max_items > 1:
        groups = [
            list(range(k, min(k + kind.max_items, len(positions)))) for k in range(0, len(positions), kind.max_items)
        ]
    else:
        groups = [[k] for k in range(len(positions))]
    requests = [
        text_service.request(
            kind,
            [positions[k] for k in group],
            options,
            user_id=user_id,
            reasons=[reasons[k] for k in group] if reasons else (),
        )
        for group in groups
    ]
    writer = text_service.writer(options)
    texts = writer.write(
        requests,
        seed=text_service.seed(options),
        user_ids=[user_id] * len(requests),
        watch=watch,
        allow_fallback=options.allow_fallback,
    )
    found = with_note(texts, text_service.notes.get(text_service.named(options), ""))
    text_service.record(requests, found, options)
    return found


def _what(
    text_service: TextService, user: str | None, items: Sequence[str], n: int, kind: TextKind, options: GenerateOptions
) -> tuple[list[int], tuple[Reason, ...]]:
    """Return the positions of the items that are written about, and why each was recommended."""
    project = text_service.project
    if not items:
        if user is None:
            raise UsageError("about which item?", hint="give --item ITEM, or a USER")
        wanted = n if kind.max_items == 1 else max(n * kind.max_items, kind.max_items)
        found = project.recommend(user, wanted)
    else:
        ids = [canonical_id(item) for item in items]
        project.dataset.item_positions(ids)  # an unknown id is an error here, with the nearest names
        if user is None:
            return [int(p) for p in project.dataset.item_positions(ids)], ()
        found = text_service.listed(user, ids)
    reasons = text_service.reasons(found, text_service.language(options)) if kind.personal and len(found) else ()
    return [int(p) for p in project.dataset.item_positions(list(found.item_ids))], reasons

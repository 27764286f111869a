"""Lists for users: those of the data, those that came after training, and those who are not in the data at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.data.values import canonical_id
from kgrec.errors import NotFoundError, UserError
from kgrec.models.threads import choose_threads
from kgrec.progress import Progress
from kgrec.ranking.blocks import rank_blocks
from kgrec.ranking.histories import newcomers, seen_by, seen_by_all, training_positions
from kgrec.ranking.rerank_inputs import histories, pipeline, pool
from kgrec.types import ItemList, Mask, Profile, Request, UserIndices

if TYPE_CHECKING:
    from kgrec.project import Project


def recommend(project: Project, request: Request, *, explain: bool) -> ItemList:
    """Answer one request; see :meth:`kgrec.project.Project.recommend`."""
    ranker = project.ranker
    if request.user_id is not None:
        request = replace(request, user_id=canonical_id(request.user_id))
    users, profile, seen = _who(project, request)
    parts = ranker.parts(users) if users is not None else ranker.parts_new(profile)
    scores = ranker.fused(parts, users)
    allowed = allowed_items(project, request.where)
    steps = pipeline(project, request.rerank)
    options: dict[str, Any] = {"seen": seen, "allowed": allowed, "include_seen": request.include_seen}
    reserved = None if steps is None else steps.reserved
    best, values = ranker.rank(scores, pool(steps, request.n), **options, reserved=reserved)
    if steps is not None:
        best, values = steps.apply(best, values, *histories(project, [request.user_id], [profile]), request.n)
    items = best[0][best[0] >= 0]
    found = ItemList(
        user_id=request.user_id or "",
        item_ids=tuple(ranker.item_ids[item] for item in items),
        items=items,
        scores=values[0][: len(items)],
        parts={name: part[0, items] for name, part in parts.items()},
    )
    if not explain:
        return found
    return replace(found, reasons=project.explainer.reasons(found, user=users, profile=profile))


def recommend_many(
    project: Project,
    users: Sequence[str] | None,
    order: Request,
    progress: Progress,
) -> pl.DataFrame:
    """Answer for many users what ``order`` asks for each; see :meth:`kgrec.project.Project.recommend_many`."""
    ranker, n = project.ranker, order.n
    asked = project.dataset.users["user_id"].sort() if users is None else map(canonical_id, users)
    wanted = list(dict.fromkeys(asked))
    places = np.array([ranker.user_positions.get(user, -1) for user in wanted], dtype=np.int64)
    early, late = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
    later = [wanted[place] for place in late]
    project.dataset.user_positions(later)  # an unknown id is an error before the work begins, not after it
    best = np.full((len(wanted), n), -1, dtype=np.int64)
    values = np.zeros((len(wanted), n), dtype=np.float32)
    steps = pipeline(project, order.rerank)
    options: dict[str, Any] = {
        "n": pool(steps, n),
        "allowed": allowed_items(project, order.where),
        "include_seen": order.include_seen,
        "reserved": None if steps is None else steps.reserved,
        "block_size": project.config.recommend.block_size,
        "threads": choose_threads(project.config.train.threads).count,
    }
    seen = seen_by_all(project)
    with progress.task("recommending", total=len(wanted)) as task:

        def take(whom: NDArray[np.int64], found: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
            if steps is not None:
                of_block = histories(project, [wanted[place] for place in whom])
                found, scores = steps.apply(found, scores, *of_block, n)
            best[whom], values[whom] = found, scores
            task.advance(len(whom))

        known = places[early]
        for block, found, scores in rank_blocks(ranker, known, seen=seen[known], **options):
            take(early[block], found, scores)
        if later:
            profiles, known_items = newcomers(project, later)
            for block, found, scores in rank_blocks(ranker, profiles, seen=known_items, **options):
                take(late[block], found, scores)
    rows, ranks = np.nonzero(best >= 0)
    return pl.DataFrame(
        {
            "user_id": pl.Series(wanted, dtype=pl.String).gather(rows),
            "item_id": pl.Series(ranker.item_ids, dtype=pl.String).gather(best[rows, ranks]),
            "rank": (ranks + 1).astype(np.uint32),
            "score": values[rows, ranks],
        }
    )


def profile(project: Project, text: str, like: list[str]) -> Profile:
    """Describe somebody who is not in the data; see :meth:`kgrec.project.Project.profile`."""
    positions = project.ranker.item_positions
    wanted = list(dict.fromkeys(map(canonical_id, like)))
    for key in wanted:
        if key not in positions:
            raise NotFoundError.of("item", key, positions)
    items = np.array([positions[key] for key in wanted], dtype=np.int64)
    vector = None
    if text.strip():
        from kgrec.ranking.text_inputs import encode_words

        vector = encode_words(project, text)
    return Profile(items, np.ones(len(items), dtype=np.float32), text, vector)


def _who(project: Project, request: Request) -> tuple[UserIndices | None, Profile, csr_array]:
    """Return the user's position at training, or None and the profile that stands in for it; and what is seen."""
    if request.profile is not None:
        return None, request.profile, project.ranker.seen_new([request.profile])
    if request.user_id is None:
        raise UserError("a request needs a user or a profile", hint="give a user id, --like ITEM or --profile TEXT")
    position = project.ranker.user_positions.get(request.user_id)
    if position is not None:
        return np.array([position], dtype=np.int64), Profile(), seen_by(project, request.user_id)
    profiles, seen = newcomers(project, [request.user_id])
    return None, profiles[0], seen


def allowed_items(project: Project, where: Sequence[tuple[str, str]]) -> Mask | None:
    """Return which items, numbered as at training, still exist and meet all conditions; None where all do.

    Raises:
        NotFoundError: there is no such attribute.
        UserError: no item meets a condition.
    """
    if not where and not project.workspace.stale("models"):
        return None
    dataset = project.dataset
    mask = np.ones(dataset.n_items, dtype=np.bool_)
    for attribute, value in where:
        mask &= _matches(project, attribute, value)
    if where and not mask.any():
        conditions = " and ".join(f"{a}={v}" for a, v in where)
        raise UserError(f"no item meets {conditions}", hint="drop one of the conditions")
    positions = training_positions(project)
    allowed = np.zeros(len(project.ranker.item_ids), dtype=np.bool_)
    allowed[positions[mask & (positions >= 0)]] = True
    return allowed


def _matches(project: Project, attribute: str, value: str) -> Mask:
    dataset = project.dataset
    known = [name for name in dataset.items.columns if name in dataset.item_attributes]
    if attribute not in known:
        raise NotFoundError.of("attribute", attribute, known, where="the catalogue")
    cells = dataset.items[attribute]
    wanted = value.strip().casefold()
    if cells.dtype == pl.List:
        hit = cells.list.eval(pl.element().str.to_lowercase() == wanted).list.any()
    else:
        hit = cells.cast(pl.String).str.to_lowercase() == wanted
    mask: Mask = hit.fill_null(False).to_numpy().astype(np.bool_)
    if not mask.any():
        values = (cells.explode() if cells.dtype == pl.List else cells).drop_nulls().cast(pl.String).unique().sort()
        raise NotFoundError.of("value", value, values.to_list(), where=f"attribute {attribute!r}")
    return mask

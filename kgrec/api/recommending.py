"""Lists for users: those of the data, those that came after training, and those who are not in the data at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.data.values import canonical_id
from kgrec.errors import NotFoundError, UserError
from kgrec.progress import Progress
from kgrec.types import ItemIndices, ItemList, Mask, Profile, Request, UserIndices

if TYPE_CHECKING:
    from kgrec.api.project import Project


def recommend(project: Project, request: Request, *, explain: bool) -> ItemList:
    """Answer one request; see :meth:`kgrec.api.Project.recommend`."""
    ranker = project.ranker
    if request.user_id is not None:
        request = replace(request, user_id=canonical_id(request.user_id))
    users, profile = _who(project, request)
    parts = ranker.parts(users) if users is not None else ranker.parts_new(profile)
    scores = ranker.fused(parts, users)
    seen = _seen_row(project, request.user_id, profile)
    allowed = allowed_items(project, request.where)
    best, values = ranker.rank(scores, request.n, seen=seen, allowed=allowed, include_seen=request.include_seen)
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
    n: int,
    include_seen: bool,
    where: Sequence[tuple[str, str]],
    progress: Progress,
) -> pl.DataFrame:
    """Answer for many users; see :meth:`kgrec.api.Project.recommend_many`."""
    ranker = project.ranker
    asked = project.dataset.users["user_id"].sort() if users is None else map(canonical_id, users)
    wanted = list(dict.fromkeys(asked))
    known = [user for user in wanted if user in ranker.user_positions]
    later = [user for user in wanted if user not in ranker.user_positions]
    project.dataset.user_positions(later)  # an unknown id is an error before the work begins, not after it
    positions = np.fromiter((ranker.user_positions[user] for user in known), dtype=np.int64, count=len(known))
    allowed = allowed_items(project, where)
    tables = []
    with progress.task("recommending", total=len(wanted)) as task:
        blocks = ranker.recommend_blocks(
            positions,
            n,
            seen=_seen_matrix(project),
            allowed=allowed,
            include_seen=include_seen,
            block_size=project.config.recommend.block_size,
        )
        for block, best, values in blocks:
            tables.append(_table([ranker.user_ids[user] for user in block], best, values, ranker.item_ids))
            task.advance(len(block))
        for user in later:  # users that came after training are few: each is scored by the history it has by now
            answer = recommend(project, Request(user, n, include_seen, tuple(where)), explain=False)
            tables.append(_table([user], answer.items[None, :], answer.scores[None, :], ranker.item_ids))
            task.advance()
    schema = {"user_id": pl.String, "item_id": pl.String, "rank": pl.UInt32, "score": pl.Float32}
    if not tables:
        return pl.DataFrame(schema=schema)
    order = pl.DataFrame({"user_id": wanted}).unique(maintain_order=True).with_row_index("__order__")
    joined = pl.concat(tables).join(order, on="user_id", how="left").sort("__order__", "rank")
    return joined.select(list(schema))


def _table(
    user_ids: Sequence[str], best: NDArray[np.int64], values: NDArray[np.float32], item_ids: Sequence[str]
) -> pl.DataFrame:
    rows, ranks = np.nonzero(best >= 0)
    names = pl.Series(item_ids, dtype=pl.String).gather(best[rows, ranks])
    return pl.DataFrame(
        {
            "user_id": pl.Series(user_ids, dtype=pl.String).gather(rows),
            "item_id": names,
            "rank": (ranks + 1).astype(np.uint32),
            "score": values[rows, ranks],
        }
    )


def profile(project: Project, text: str, like: list[str]) -> Profile:
    """Describe somebody who is not in the data; see :meth:`kgrec.api.Project.profile`."""
    positions = project.ranker.item_positions
    wanted = list(dict.fromkeys(map(canonical_id, like)))
    for key in wanted:
        if key not in positions:
            raise NotFoundError.of("item", key, positions)
    items = np.array([positions[key] for key in wanted], dtype=np.int64)
    vector = None
    if text.strip():
        from kgrec.api.texts import encode_words

        vector = encode_words(project, text)
    return Profile(items, np.ones(len(items), dtype=np.float32), text, vector)


def _who(project: Project, request: Request) -> tuple[UserIndices | None, Profile]:
    """Return the user's position at training, or None and the profile that stands in for it."""
    if request.profile is not None:
        return None, request.profile
    if request.user_id is None:
        raise UserError("a request needs a user or a profile", hint="give a user id, --like ITEM or --profile TEXT")
    position = project.ranker.user_positions.get(request.user_id)
    if position is not None:
        return np.array([position], dtype=np.int64), Profile()
    return None, _newcomer(project, request.user_id)


def _newcomer(project: Project, user_id: str) -> Profile:
    """Return what somebody who came after training likes by now, weighed as training would: a low rating is no like."""
    from kgrec.data.split import interaction_matrix, like_threshold, like_weights, to_events

    dataset, feedback = project.dataset, project.config.feedback
    position = int(dataset.user_positions([user_id])[0])
    own = replace(dataset, interactions=dataset.interactions.filter(pl.col("user") == position))
    # The scale of ratings is everybody's.
    scaled = feedback.model_copy(update={"like_threshold": like_threshold(dataset, feedback)})
    weights = like_weights(own, scaled, project.domain)
    events = to_events(own, np.ones(own.interactions.height, dtype=np.bool_), weights)
    row = interaction_matrix(events, dataset.n_users, dataset.n_items)[[position]]
    items = _training_positions(project)[row.indices]
    return Profile(items[items >= 0], row.data[items >= 0])


def _history(project: Project, user_id: str) -> ItemIndices:
    """Return the positions, as at training, of all items the user interacted with by now."""
    dataset = project.dataset
    position = int(dataset.user_positions([user_id])[0])
    rows = dataset.interactions.filter((pl.col("user") == position) & pl.col("item").is_not_null())
    positions = _training_positions(project)[rows["item"].unique().to_numpy()]
    return np.sort(positions[positions >= 0])


def _training_positions(project: Project) -> NDArray[np.int64]:
    """Position in the dataset -> position at training, -1 for an item that came later; shape ``(n_items,)``."""
    known = project.ranker.item_positions
    ids = project.dataset.items["item_id"].to_list()
    return np.fromiter((known.get(key, -1) for key in ids), dtype=np.int64, count=len(ids))


def _seen_row(project: Project, user_id: str | None, profile: Profile) -> csr_array:
    items = _history(project, user_id) if user_id is not None else profile.items
    n_items = len(project.ranker.item_ids)
    return csr_array(
        (np.ones(len(items), dtype=np.bool_), np.sort(items), np.array([0, len(items)])), shape=(1, n_items)
    )


def _seen_matrix(project: Project) -> csr_array:
    """Return what every user of the training interacted with by now, CSR of shape ``(n_users, n_items)``."""
    ranker = project.ranker
    if not project.workspace.stale("models"):
        return ranker.seen
    from kgrec.data.split import seen_matrix

    grown = seen_matrix(project.dataset)
    users = project.dataset.users["user_id"].to_list()
    rows = np.fromiter((ranker.user_positions.get(u, -1) for u in users), dtype=np.int64, count=len(users))
    columns = _training_positions(project)
    entries = grown.tocoo()
    row, column = rows[entries.coords[0]], columns[entries.coords[1]]
    keep = (row >= 0) & (column >= 0)
    shape = (len(ranker.user_ids), len(ranker.item_ids))
    return csr_array((np.ones(int(keep.sum()), dtype=np.bool_), (row[keep], column[keep])), shape=shape)


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
    positions = _training_positions(project)
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

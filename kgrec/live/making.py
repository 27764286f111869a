"""How a list is made while serving: scores, what the placement and the user add, a draw, pins, reasons."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import NotFoundError, UserError
from kgrec.live.bandits import explore_by
from kgrec.live.edits import Edits
from kgrec.live.lists import Boost, ListRequest, ServedItem, ServedList, insert, pick, pin
from kgrec.live.models import Snapshot
from kgrec.live.placements import POOL, Chosen, draw
from kgrec.ranking.recommend import UserScores
from kgrec.types import Profile, Reason, Request

if TYPE_CHECKING:
    from kgrec.explain.reasons import Explainer
    from kgrec.ranking.users import UserRef
    from kgrec.types import ItemList

Learned = Callable[[Sequence[str], NDArray[np.floating]], NDArray[np.float64]]

EXPLAINING = threading.Lock()
"""The explainer keeps what it looked up last."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom a list is for.

    Attributes:
        user: as the models see her.
        others: ids of items that no model knows, which she touched.
        edits: what she changed by hand.
    """

    user: UserRef
    others: frozenset[str] = frozenset()
    edits: Edits = field(default_factory=Edits)


def make_list(
    now: Snapshot,
    request: ListRequest,
    chosen: Chosen,
    listener: Listener,
    seed: int,
    seq: int,
    learned: Learned | None = None,
) -> ServedList:
    """Make a list.

    Args:
        now: what it is made with.
        request: what is asked for.
        chosen: the placement.
        listener: whom it is for.
        seed: of what is drawn.
        seq: of the last event that was counted.
        learned: ids and scores of candidates -> what is known of them, for policies that learn.
    """
    placement, recommender, user = chosen.rules, now.models.recommender, listener.user
    n = request.n or placement.n
    pool = n if placement.explore <= 0 else POOL * n
    allowed = now.catalogue.allowed((*placement.where, *request.where))
    added = _added(now, [*_boosts(chosen), *request.boosts], listener.edits)
    first = len(recommender.ranker.item_ids)
    known = None if allowed is None else allowed[:first]
    seen = recommender.config.recommend.include_seen if placement.include_seen is None else placement.include_seen
    rerank = None if placement.rerank is None else tuple(placement.rerank)
    order = Request(user.user_id or None, pool, seen, rerank=rerank)
    lifted = None if added is None else added[:first]
    fused = recommender.fused_for(order, user, known, lifted)
    fresh = _fresh(now, listener, fused, allowed, added) if now.new is not None else None
    found = recommender.best(order, UserScores(user, known, {}, fused), lifted)
    if request.explain:
        found = replace(found, parts=recommender.parts_of(user, found.items))
    if fresh is not None:
        items, values = fresh
        ids = [now.catalogue.new_ids[item - first] for item in items]
        found = insert(found, ids, items, values)
        found = pick(found, np.arange(min(pool, len(found.items))))
    known_of: tuple[tuple[float, float], ...] = ()
    rng = np.random.default_rng(seed)
    if placement.policy == "scores" or placement.explore <= 0 or learned is None:
        drawn = draw(found.scores, n, placement.explore, rng)
    else:
        arms = learned(found.item_ids, found.scores)
        known_of = tuple((float(a), float(b)) for a, b in arms)
        drawn = explore_by(placement.policy, found.scores, arms, n, placement.explore, rng)
    pool_scores = tuple(map(float, found.scores)) if placement.explore > 0 else ()
    found = pick(found, drawn.order)
    found, places, odds = pin(found, drawn, placement.pin, now.catalogue.positions, n)
    reasons = _reasons(now, found, user, request.language) if request.explain else ()
    titles = now.catalogue.titles(found.item_ids)
    served = tuple(
        ServedItem(key, title, float(score), float(odd), int(place), reason.sentence if reason else "")
        for key, title, score, odd, place, reason in zip(
            found.item_ids, titles, found.scores, odds, places, reasons or (None,) * len(titles), strict=True
        )
    )
    made = (secrets.token_hex(12), user.user_id, served, now.models.version, seq, now.rev)
    what = (chosen.name, chosen.shown, chosen.experiment, chosen.variant)
    return ServedList(*made, *what, seed, time.time(), pool_scores, known_of)


def expected(now: Snapshot, chosen: Chosen, request: ListRequest) -> dict[str, Any]:
    """Say what a request would get, without making its list, JSON values.

    Raises:
        NotFoundError: there is no such attribute or item.
        UserError: no item meets the conditions.
    """
    allowed = now.catalogue.allowed((*chosen.rules.where, *request.where))
    for boost in request.boosts:
        now.catalogue.allowed(boost.where)
    for key in request.likes:
        if key not in now.catalogue.positions:
            raise NotFoundError.of("item", key, now.catalogue.positions)
    count = len(now.catalogue.positions) if allowed is None else int(allowed.sum())
    return {"placement": chosen.name, "shown": chosen.shown, "variant": chosen.variant, "items": count}


def new_scores(now: Snapshot, fused: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scores of all items, those that the models do not know last; shape ``(n_items + m,)``."""
    return fused if now.new is None else np.concatenate([fused, now.new.scores(fused, now.cold)])


def stand_in(now: Snapshot, item_ids: Sequence[str]) -> tuple[list[str], Profile]:
    """Return which of some liked items the models know, and a profile of those that stand for the others."""
    first = len(now.models.recommender.ranker.item_ids)
    known, items = [], []
    for key in item_ids:
        place = now.catalogue.positions.get(key, -1)
        if place < first:
            known.append(key)
        elif now.new is not None:
            near = now.new.nearest[place - first]
            items.append(near[near >= 0])
    alike = np.concatenate([np.zeros(0, dtype=np.int64), *items])
    weights = [np.full(len(each), 1 / max(len(each), 1), dtype=np.float32) for each in items]
    return known, Profile(alike, np.concatenate([np.zeros(0, dtype=np.float32), *weights]))


def _fresh(
    now: Snapshot,
    listener: Listener,
    fused: NDArray[np.float32],
    allowed: NDArray[np.bool_] | None,
    added: NDArray[np.float32] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return positions and scores of the items that the models do not know and that may be listed."""
    assert now.new is not None
    first = len(fused)
    scores = now.new.scores(fused, now.cold)
    if added is not None:
        scores = scores + added[first:] * fused.std()
    may = np.ones(len(scores), dtype=np.bool_) if allowed is None else allowed[first:].copy()
    for key in listener.others:
        if (place := now.catalogue.positions.get(key, -1)) >= first:
            may[place - first] = False
    for key, weight in listener.edits.weights.items():
        if weight == 0 and (place := now.catalogue.positions.get(key, -1)) >= first:
            may[place - first] = False
    chosen = np.flatnonzero(may)
    return chosen + first, scores[chosen]


def _boosts(chosen: Chosen) -> list[Boost]:
    return [Boost(where=tuple(boost.where), by=boost.by) for boost in chosen.rules.boost]


def _added(now: Snapshot, boosts: Sequence[Boost], edits: Edits) -> NDArray[np.float32] | None:
    """Return what is put on top of the scores, in deviations of the user's, of all items; None: nothing."""
    if not boosts and not edits.leanings:
        return None
    size = len(now.models.recommender.ranker.item_ids) + len(now.catalogue.new_rows)
    added = np.zeros(size, dtype=np.float32)
    for boost in [*boosts, *edits.boosts()]:
        try:
            meets = now.catalogue.allowed(boost.where)
        except UserError:
            if boost in boosts:
                raise
            continue  # what the user has more or less of is no longer in the catalogue
        if meets is not None:
            added[meets] += boost.by
    return added


def _reasons(now: Snapshot, found: ItemList, user: UserRef, language: str | None) -> tuple[Reason, ...]:
    first = len(now.models.recommender.ranker.item_ids)
    known = np.flatnonzero(found.items < first)
    with EXPLAINING:
        explainer = now.models.explainer().speaking(language)
        told = dict(zip(known.tolist(), explainer.reasons(pick(found, known), user), strict=True))
        return tuple(
            told[place] if place in told else _reason_of_new(now, explainer, int(item) - first, user)
            for place, item in enumerate(found.items)
        )


def _reason_of_new(now: Snapshot, explainer: Explainer, place: int, user: UserRef) -> Reason:
    """Word that a new item is like the one of the history that is most like it, or that it is new."""
    assert now.new is not None
    liked = set(user.seen.indices.tolist())
    near = [item for item in now.new.nearest[place].tolist() if item in liked]
    row = int(explainer.to_dataset[near[0]]) if near else -1
    if row < 0:
        return explainer.wording.new()
    return explainer.wording.similar(row, explainer.actions(user).get(row), shared=False)

"""Lists as they are asked for and served, and the small things that are done to them on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from kgrec.live.events import EARLIEST, LATEST, Id, Name, Strict
from kgrec.live.placements import DEFAULT, Drawn
from kgrec.ranking.users import UserRef
from kgrec.types import ItemList, Profile


class Boost(Strict):
    """What is lifted or lowered, as in ``[placements]``: conditions, and standard deviations of the user's scores."""

    where: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)]
    by: Annotated[float, Field(ge=-10, le=10)]


class ListRequest(Strict):
    """Who wants a list, and which.

    Attributes:
        user_id: the user; somebody nobody knows yet gets what most people like.
        likes: ids of items that somebody likes who is not in the data; of a user, items that count besides, this once.
        text: what such a person says of her interests.
        placement: see ``[placements]`` of kgrec.toml.
        n: length; None: the placement's.
        where: conditions as :mod:`kgrec.ranking.where` reads them, on top of the placement's.
        boosts: what is lifted or lowered, on top of the placement's.
        at: unix seconds of an earlier moment that the list is made for; None: now.
        explain: add a reason to each item.
        language: of the reasons; None: the workspace's.
        kind: what it is made for; only ``list`` takes part in experiments.
        min_seq: wait until the event of this number is counted, as :meth:`LiveService.append` told it.
    """

    user_id: Id | None = None
    likes: tuple[Id, ...] = ()
    text: str = ""
    placement: Name = DEFAULT
    n: int | None = None
    where: tuple[str, ...] = ()
    boosts: Annotated[tuple[Boost, ...], Field(max_length=20)] = ()
    at: Annotated[int, Field(ge=EARLIEST, le=LATEST)] | None = None
    explain: bool = False
    language: Name | None = None
    kind: Literal["list", "similar", "chat"] = "list"
    min_seq: int = 0

    @property
    def participant(self) -> str:
        """Who takes part in experiments: nobody where a list answers a talk, or is of an earlier moment."""
        return (self.user_id or "") if self.kind == "list" and self.at is None and not self.likes else ""

    def model_post_init(self, _context: Any, /) -> None:
        """Check what belongs together, and bounds."""
        if self.user_id is None and not self.likes and not self.text.strip():
            raise ValueError("one of user_id, likes and text is needed")
        if self.user_id is not None and self.text:
            raise ValueError("a user_id goes without a text")
        if self.at is not None and (self.user_id is None or self.likes):
            raise ValueError("at goes with a user_id, without likes")
        if self.n is not None and not 1 <= self.n <= 1_000:
            raise ValueError("n must be between 1 and 1000")
        if (
            any(len(text) > 10_000 for text in self.where)
            or len(self.likes) > 1_000
            or len(self.text) > 4_000
            or len(self.where) > 20
        ):
            raise ValueError("at most 1000 likes, 4000 characters of text and 20 conditions")


@dataclass(frozen=True, slots=True)
class ServedItem:
    """A place of a list.

    Attributes:
        item_id, title: the item.
        score: fused, boosts included.
        propensity: probability of this place given the ones before it; 1 where nothing was drawn.
        drawn: place of the item among the candidates that were drawn from; -1 of a pinned item.
        reason: a sentence, where it was asked for.
    """

    item_id: str
    title: str
    score: float
    propensity: float = 1.0
    drawn: int = -1
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; several times as fast as dataclasses' own."""
        return {
            "item_id": self.item_id,
            "title": self.title,
            "score": self.score,
            "propensity": self.propensity,
            "drawn": self.drawn,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class ServedList:
    """A list as it was served, with what is needed to make it again.

    Attributes:
        rec_id: names it in events and receipts.
        user_id: for whom; empty for somebody not in the data.
        items: best first.
        model: fingerprint of the models.
        seq: of the last event that was counted.
        rev: number of the last change of what was put that was.
        chosen: placement, experiment and variant.
        seed: of what was drawn.
        time: unix seconds.
        pool: scores of the candidates that were drawn from, best first; empty where nothing was drawn.
        known: what was known of each of them, where a policy drew that learns; see :mod:`kgrec.live.bandits`.
    """

    rec_id: str
    user_id: str
    items: tuple[ServedItem, ...]
    model: str
    seq: int
    rev: int
    placement: str
    shown: str
    experiment: str
    variant: str
    seed: int
    time: float
    pool: tuple[float, ...] = ()
    known: tuple[tuple[float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        names = [field.name for field in fields(self)]
        values = dict(zip(names, map(self.__getattribute__, names), strict=True))
        return {
            **values,
            "items": [item.to_dict() for item in self.items],
            "pool": list(self.pool),
            "known": list(self.known),
        }


def edited(
    user: UserRef, edits: Mapping[str, float], positions: Mapping[str, int], named: Sequence[str] = ()
) -> UserRef:
    """Return a user with weights of items set by hand, by id; 0 takes an item out of the likes, and of the lists.

    Items that are ``named`` count twice as much as the strongest, so that one is heard among many, and are in no list.
    """
    if not edits and not named:
        return user
    strong = 2 * float(user.profile.weights.max(initial=0.5))
    edits = {**edits, **dict.fromkeys(named, strong)}
    weights = dict(zip(user.profile.items.tolist(), user.profile.weights.tolist(), strict=True))
    weights |= {positions[key]: weight for key, weight in edits.items() if key in positions}
    kept = sorted((item, weight) for item, weight in weights.items() if weight > 0)
    items = np.array([item for item, _ in kept], dtype=np.int64)
    profile = Profile(items, np.array([weight for _, weight in kept], dtype=np.float32))
    hidden = [positions[key] for key, weight in edits.items() if (weight == 0 or key in named) and key in positions]
    seen = np.union1d(user.seen.indices, np.array(hidden, dtype=np.int64))
    entries = (np.ones(len(seen), dtype=np.bool_), seen, np.array([0, len(seen)]))
    return replace(user, position=None, profile=profile, seen=csr_array(entries, shape=user.seen.shape))


def insert(found: ItemList, ids: Sequence[str], items: NDArray[np.int64], scores: NDArray[np.float32]) -> ItemList:
    """Put further items where their scores belong; the order of the list itself is kept.

    Args:
        found: a list, best first.
        ids: of the further items.
        items: their positions, same order.
        scores: theirs.
    """
    if not len(items):
        return found
    order = np.argsort(-scores, kind="stable")
    places = (found.scores[None, :] >= scores[order][:, None]).sum(axis=1)
    nothing = np.zeros(len(items), dtype=np.float32)
    return replace(
        found,
        item_ids=tuple(np.insert(np.array(found.item_ids, dtype=object), places, [ids[k] for k in order])),
        items=np.insert(found.items, places, items[order]),
        scores=np.insert(found.scores, places, scores[order]),
        parts={name: np.insert(part, places, nothing) for name, part in found.parts.items()},
    )


def pick(found: ItemList, order: NDArray[np.int64]) -> ItemList:
    """Return a list with some of its places, in a new order."""
    return replace(
        found,
        item_ids=tuple(found.item_ids[place] for place in order),
        items=found.items[order],
        scores=found.scores[order],
        parts={name: part[order] for name, part in found.parts.items()},
    )


def pin(
    found: ItemList, drawn: Drawn, pinned: Sequence[str], positions: Mapping[str, int], n: int
) -> tuple[ItemList, NDArray[np.int64], NDArray[np.float64]]:
    """Put pinned items first; what models do not know is left out, and nothing stands twice.

    Returns:
        The list; for each item its place among the candidates, -1 of a pinned one, and its propensity.
    """
    first = [key for key in dict.fromkeys(pinned) if key in positions][:n]
    if not first:
        return found, drawn.order, drawn.propensities
    rest = np.array([k for k, key in enumerate(found.item_ids) if key not in first], dtype=np.int64)[: n - len(first)]
    picked = pick(found, rest)
    places = np.array([positions[key] for key in first], dtype=np.int64)
    scores = np.full(len(first), found.scores.max(initial=0.0), dtype=np.float32)
    nothing = np.zeros(len(first), dtype=np.float32)
    joined = replace(
        picked,
        item_ids=(*first, *picked.item_ids),
        items=np.concatenate([places, picked.items]),
        scores=np.concatenate([scores, picked.scores]),
        parts={name: np.concatenate([nothing, part]) for name, part in picked.parts.items()},
    )
    order = np.concatenate([np.full(len(first), -1, dtype=np.int64), drawn.order[rest]])
    return joined, order, np.concatenate([np.ones(len(first)), drawn.propensities[rest]])

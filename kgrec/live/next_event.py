"""What a user will likely do next: an action and an item, with a probability.

``P(action, item) = P(action) * P(new or again | action) * P(item)``: how often the user and everybody do something, how
often that is with an item touched before, and at which place of a list the next like stood where the truth was held out
at training (:mod:`kgrec.ranking.places`), so that a probability means what it says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kgrec.data.impressions import IMPRESSION
from kgrec.errors import UserError
from kgrec.live.models import Models
from kgrec.ranking.places import place_odds
from kgrec.ranking.recommend import UserScores
from kgrec.ranking.users import UserRef
from kgrec.types import Request

PRIOR = 20.0
"""What everybody does counts as so many of the user's own events."""
PAST = 1_000
"""Latest events of a user that tell what she does."""
BACK = 50
"""So many of the latest items may be returned to; the k-th latest counts 1/k."""


@dataclass(frozen=True, slots=True)
class NextEvent:
    """Something that a user may do next."""

    action: str
    item_id: str
    probability: float


def next_events(models: Models, user: UserRef, history: list[tuple[int, str, float]], n: int) -> list[NextEvent]:
    """Return the likeliest next events of a user.

    Args:
        models: what lists are made with.
        user: as the models see her.
        history: her latest events, newest first: position of the item, action, time.
        n: how many.

    Raises:
        UserError: the models were trained without held-out likes, so nothing tells how sure a list may be.
    """
    ranker, habits = models.recommender.ranker, models.habits
    shares = ranker.summary.get("places") or []
    if not shares or not habits.shares:
        raise UserError("nothing tells how sure a list may be of itself", hint="run `kgrec train` with held-out likes")
    fused = models.recommender.fused(user)
    unseen = models.recommender.best(Request(user.user_id or None, max(4 * n, 50)), UserScores(user, None, {}, fused))
    odds = place_odds(shares, len(ranker.item_ids), len(unseen.items))
    own = dict.fromkeys(habits.shares, 0)
    for _, action, _ in history:
        if action in own:
            own[action] += 1
    total = sum(own.values()) + PRIOR
    back = list(dict.fromkeys(item for item, action, _ in history if action != IMPRESSION))[:BACK]
    likely = np.array([1 / (k + 1) for k in range(len(back))])
    likely = likely / likely.sum() if len(back) else likely
    found = []
    for action, share in habits.shares.items():
        chance = (own[action] + PRIOR * share) / total
        again = habits.again[action] if back else 0.0
        found += [
            NextEvent(action, key, chance * (1 - again) * float(odd))
            for key, odd in zip(unseen.item_ids, odds, strict=True)
        ]
        found += [
            NextEvent(action, ranker.item_ids[item], chance * again * float(odd))
            for item, odd in zip(back, likely, strict=True)
        ]
    return sorted(found, key=lambda one: (-one.probability, one.item_id))[:n]

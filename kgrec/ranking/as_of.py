"""Lists as of an earlier moment: only what was known then counts.

Users are known by what they had done by then, items that nobody had met yet are left out, and the scorers that say what
is popular and what follows what are fitted again on what had happened (``Traits.dated``). What the other models
learned of items stays: an evaluation (``kgrec evaluate --split time``) trains them again, a list does not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kgrec.data.item_features import first_seen
from kgrec.data.split import interaction_matrix, like_weights, to_events
from kgrec.errors import UserError
from kgrec.plugin.protocols import MomentScorer, traits_of
from kgrec.types import TrainingData, Vectors

if TYPE_CHECKING:
    from kgrec.data.dataset import Dataset
    from kgrec.plugin.manager import Registry
    from kgrec.ranking.ranker import Ranker
    from kgrec.ranking.users import UserLookup


def users_as_of(users: UserLookup, at: int, registry: Registry, item_text: Vectors | None) -> UserLookup:
    """Return the users as they were known at a moment, with the ranker of that moment.

    Args:
        users: as they are known now.
        at: unix seconds.
        registry: the scorers on offer.
        item_text: text vectors of the items, numbered as at training, or None.

    Raises:
        UserError: nothing is known of that time.
    """
    if "privacy" in users.ranker.summary:
        raise UserError("models trained privately make lists for now only", hint="leave --at out")
    whole = users.dataset()
    known = replace(whole, interactions=whole.interactions.filter(pl.col("time") <= at))
    if not known.interactions.height:
        raise UserError(
            "nothing in the data is known to have happened by then", hint="give a later --at, or none for now"
        )
    appeared, _ = first_seen(whole.interactions, whole.n_items)
    there = np.isnan(appeared) | (appeared <= at)  # an item that nobody ever met may have been there
    earlier = replace(users, dataset=lambda: known, at=at, there=there)
    return replace(earlier, ranker=_ranker_as_of(earlier, known, registry, item_text))


def _ranker_as_of(users: UserLookup, known: Dataset, registry: Registry, item_text: Vectors | None) -> Ranker:
    """Return the ranker with its dated scorers fitted on what was known."""
    ranker, config = users.ranker, users.config
    rows = np.ones(known.interactions.height, dtype=np.bool_)
    events = to_events(known, rows, like_weights(known, config.feedback, users.domain))
    items = users.item_positions()[events.items]
    kept = items >= 0
    events = replace(
        events,
        users=events.users[kept],
        items=items[kept],
        actions=events.actions[kept],
        values=events.values[kept],
        weights=events.weights[kept],
        times=None if events.times is None else events.times[kept],
    )
    data = TrainingData(interaction_matrix(events, known.n_users, len(ranker.item_ids)), events, item_text=item_text)
    scorers = dict(ranker.scorers)
    options = ranker.summary.get("scorers", {})
    for name, scorer in scorers.items():
        if traits_of(scorer).dated and len(events):
            fitted = registry[name].build(options.get(name, {}).get("options")).fit(data, seed=config.seed)
            scorers[name] = fitted.at_end() if isinstance(fitted, MomentScorer) else fitted
    return replace(ranker, scorers=scorers)

"""What lists are made with while they are served: loaded together, swapped together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.values import number
from kgrec.live.catalogue import LiveCatalogue
from kgrec.live.dialogue import Dialogue
from kgrec.live.habits import Habits
from kgrec.live.new_items import ItemComparison, NewItems
from kgrec.live.profiles import LiveProfiles
from kgrec.live.records import Records
from kgrec.ranking.recommend import UserScores
from kgrec.types import Request, Vectors

if TYPE_CHECKING:
    from kgrec.explain.reasons import Explainer
    from kgrec.plugin.protocols import TextEncoder
    from kgrec.ranking.recommend import Recommender


MOSTLY = 0.8
"""Share of an attribute's values that must be numbers for it to be compared by."""

STATES = 4
"""States of the catalogue that are kept, for lists that are made again."""


@dataclass(frozen=True)
class Snapshot:
    """What a list is made with at a moment; nothing of it changes.

    Attributes:
        models: the training.
        catalogue: the items by then.
        new: what those that the models do not know are made of, or None where there are none.
        rev: number of the last change of what was put.
    """

    models: Models
    catalogue: LiveCatalogue
    new: NewItems | None
    rev: int

    @cached_property
    def cold(self) -> NDArray[np.int64]:
        """Positions of the items without likes at training."""
        cold = self.models.recommender.ranker.cold
        return np.zeros(0, dtype=np.int64) if cold is None else cold.items


@dataclass(frozen=True)
class Models:
    """What lists are made with, loaded together.

    Attributes:
        recommender: makes lists.
        explainer: words reasons.
        encoder: makes vectors of texts, as the models were trained with.
    """

    recommender: Recommender
    explainer: Callable[[], Explainer]
    encoder: Callable[[], TextEncoder]
    version: str = field(init=False)
    """Fingerprint of the training."""
    profiles: LiveProfiles = field(init=False)
    _states: dict[int, Snapshot] = field(default_factory=dict, init=False)
    _last: Snapshot | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", self.recommender.users.workspace.info("models").fingerprint)
        object.__setattr__(self, "profiles", LiveProfiles(self.recommender.users))

    @cached_property
    def _encoder(self) -> TextEncoder:
        return self.encoder()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, shape ``(t, dim)``."""
        return np.asarray(self._encoder.encode(list(texts)), dtype=np.float32)

    @cached_property
    def _comparison(self) -> ItemComparison:
        return ItemComparison(self.recommender, self.explainer().graph, self.encode)

    def state(self, records: Records, rev: int | None = None) -> Snapshot:
        """Return what lists are made with after so many changes of the catalogue; None: by now."""
        wanted = records.rev if rev is None else rev
        if (found := self._last) is not None and found.rev == wanted:
            return found
        number = records.item_rev(wanted)
        with self._lock:
            if (made := self._states.get(number)) is None:
                catalogue = LiveCatalogue(self.recommender, lambda: self.explainer().graph, records.items(number))
                made = Snapshot(
                    self, catalogue, self._comparison.of(catalogue) if self._grown(catalogue) else None, number
                )
                while len(self._states) >= STATES:
                    self._states.pop(next(iter(self._states)))
                self._states[number] = made
        made = replace(made, rev=wanted)
        if rev is None:
            object.__setattr__(self, "_last", made)
        return made

    def _grown(self, catalogue: LiveCatalogue) -> bool:
        """Say whether there may be items that the models do not know; without changes the tables are not read."""
        return (self.recommender.users.changed or catalogue.touched) and len(catalogue.new_rows) > 0

    @cached_property
    def habits(self) -> Habits:
        """What everybody does."""
        return Habits.of(self.recommender.users.dataset().interactions)

    def overlap(self, fresh: Models, lock: AbstractContextManager[Any], *, sample: int = 20, n: int = 10) -> float:
        """Return how much the lists of a sample of users share with those of other models; ``lock`` guards profiles."""
        ids, shared = self.recommender.ranker.user_ids, []
        for user_id in ids[:: max(len(ids) // sample, 1)][:sample]:
            if not self.profiles.known(user_id):
                continue
            lists = []
            for models in (self, fresh):
                with lock:
                    user = models.profiles.find(user_id)
                known = UserScores(user, None, {}, models.recommender.fused(user))
                lists.append(set(models.recommender.best(Request(user_id, n), known).item_ids))
            shared.append(len(lists[0] & lists[1]) / max(len(lists[0]), 1))
        return float(np.mean(shared)) if shared else 1.0

    def dialogue(self, language: str) -> Dialogue:
        """Return what understands people in a language."""
        dataset = self.recommender.users.dataset()
        literal = [name for name, info in dataset.item_attributes.items() if info.relation is None and not info.multi]
        read = {name: dataset.items.select(number(pl.col(name).cast(pl.String))).to_series() for name in literal}
        told = {
            name: column for name, column in read.items() if column.count() >= MOSTLY * dataset.items[name].count() > 0
        }
        return Dialogue(self.explainer().graph, told, language)

"""What lists are made with while they are served: loaded together, swapped together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.values import number
from kgrec.live.dialogue import Dialogue
from kgrec.live.profiles import LiveProfiles

if TYPE_CHECKING:
    from kgrec.explain.reasons import Explainer
    from kgrec.ranking.recommend import Recommender


MOSTLY = 0.8
"""Share of an attribute's values that must be numbers for it to be compared by."""


@dataclass(frozen=True)
class Models:
    """What lists are made with, loaded together.

    Attributes:
        recommender: makes lists.
        explainer: words reasons.
        encode: words -> vector, for people who say what they like.
    """

    recommender: Recommender
    explainer: Callable[[], Explainer]
    encode: Callable[[str], NDArray[np.float32]]
    version: str = field(init=False)
    """Fingerprint of the training."""
    profiles: LiveProfiles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", self.recommender.users.workspace.info("models").fingerprint)
        object.__setattr__(self, "profiles", LiveProfiles(self.recommender.users))

    def dialogue(self, language: str) -> Dialogue:
        """Return what understands people in a language."""
        dataset = self.recommender.users.dataset()
        literal = [name for name, info in dataset.item_attributes.items() if info.relation is None and not info.multi]
        read = {name: dataset.items.select(number(pl.col(name).cast(pl.String))).to_series() for name in literal}
        told = {
            name: column for name, column in read.items() if column.count() >= MOSTLY * dataset.items[name].count() > 0
        }
        return Dialogue(self.explainer().graph, told, language)

    @cached_property
    def _titles(self) -> dict[str, str]:
        """Item id -> title, of the items that have one."""
        items = self.recommender.users.dataset().items.select("item_id", "title").drop_nulls()
        return dict(items.iter_rows())

    def titles(self, item_ids: Sequence[str]) -> list[str]:
        """Return what to show for items: the title, or the id where there is none."""
        return [self._titles.get(key) or key for key in item_ids]

"""What everybody does: how often each action comes, and how often it is with something that was touched before.

Kept with the models, and read by :mod:`kgrec.live.next_event`, which needs the models: so neither can hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from kgrec.data.impressions import IMPRESSION


@dataclass(frozen=True, slots=True)
class Habits:
    """What everybody does.

    Attributes:
        shares: action -> share of the events.
        again: action -> share of its events that are with an item the same user had touched before.
    """

    shares: Mapping[str, float]
    again: Mapping[str, float]

    @classmethod
    def of(cls, interactions: pl.DataFrame) -> Habits:
        """Count the events of the tables, in the order of time."""
        rows = interactions.filter((pl.col("action") != IMPRESSION) & pl.col("item").is_not_null())
        rows = rows.sort("time", maintain_order=True).with_columns(again=~pl.struct("user", "item").is_first_distinct())
        counted = rows.group_by("action").agg(pl.len().alias("events"), pl.col("again").mean())
        total = max(int(counted["events"].sum()), 1)
        return cls(
            {row["action"]: row["events"] / total for row in counted.to_dicts()},
            {row["action"]: row["again"] for row in counted.to_dicts()},
        )

"""What was learned from lists that were shown: of experiments, and of policies that were not tried."""

from __future__ import annotations

import numpy as np
import polars as pl

from kgrec.errors import NotFoundError, UserError
from kgrec.live.event_log import EventLog
from kgrec.live.experiments import ExperimentResult, compare
from kgrec.live.off_policy import Estimate, off_policy
from kgrec.live.placements import Placements, propensities, temper


def experiment_result(log: EventLog, placements: Placements, name: str) -> ExperimentResult:
    """Return what is known of an experiment by now; it may be looked at at any time.

    Raises:
        NotFoundError: there is no such experiment.
    """
    if name not in placements.experiments:
        raise NotFoundError.of("experiment", name, placements.experiments)
    experiment = placements.experiments[name]
    shown = log.shown(name, experiment.metric)
    outcomes = {}
    for variant in experiment.variants:
        own = shown.filter(pl.col("variant") == variant)
        outcomes[variant] = ((own["hits"] / own["lists"]).to_numpy(), own["lists"].to_numpy())
    return compare(name, experiment.metric, outcomes)


def estimate(log: EventLog, placement: str, explore: float, *, action: str = "click") -> dict[str, Estimate]:
    """Estimate from drawn lists of a placement what another temperature would have earned a list.

    Args:
        log: of events and receipts.
        placement: lists of it were drawn, its ``explore`` is above 0.
        explore: the other temperature, above 0.
        action: what counts as the reward, 1 a place.

    Raises:
        UserError: no list of the placement was drawn.
    """
    clicks = log.of_lists().filter(pl.col("action") == action).select("rec_id", "item_id")
    hits = set(clicks.iter_rows())
    rows = [record for record in log.list_records() if record["shown"] == placement and record["pool"]]
    if not rows:
        raise UserError(f"no list of placement {placement!r} was drawn", hint="set its `explore` above 0 for a while")
    width = max(len(record["items"]) for record in rows)
    rewards = np.full((len(rows), width), np.nan)
    logged, target = np.ones((len(rows), width)), np.ones((len(rows), width))
    for place, record in enumerate(rows):
        drawn = [item for item in record["items"] if item["drawn"] >= 0]
        order = np.array([item["drawn"] for item in drawn], dtype=np.int64)
        logits = temper(np.array(record["pool"]), explore)
        rewards[place, : len(drawn)] = [(record["rec_id"], item["item_id"]) in hits for item in drawn]
        logged[place, : len(drawn)] = [item["propensity"] for item in drawn]
        if logits is not None:
            target[place, : len(drawn)] = propensities(logits, order)
    return off_policy(rewards, logged, target)

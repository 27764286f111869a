"""Exploration that learns from what was shown: which items are taken more often than what else stands at their places.

What is learned of an item in a placement is the number of times it was taken, ``c``, against the number to expect of
its places, ``e``; so standing high is no merit. From it, and from the score ``z`` of the candidate for the user in
standard deviations of the candidates, each slot is filled:

- ``thompson``: ``l ~ Gamma(KAPPA + c, KAPPA + e)`` is drawn for every candidate and slot, the largest
  ``z + explore * SCALE * log l`` takes the slot (Thompson, Biometrika 1933; Chapelle and Li, NIPS 2011). The chance of
  that has no closed form and is found by drawing :data:`DRAWS` times.
- ``linucb``: ridge regression of being taken on ``(1, z)`` for each item, its mean plus ``ALPHA`` widths of its
  confidence (Li et al., *A contextual-bandit approach to personalized news article recommendation*, WWW 2010), from
  which slots are drawn by Plackett–Luce at the temperature ``explore``, so that every place has a chance to be logged.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.live.event_log import EventLog
from kgrec.live.placements import Drawn, Placements, propensities, temper

KAPPA = 5.0
"""What is thought of an item before it was shown counts as so many expected takes."""
SCALE = 3.0
"""Deviations of scores that ``explore = 1`` lets a factor of e count."""
ALPHA = 1.0
DRAWS = 400
TAKEN = ("click", "like", "purchase", "cart")
PLACES = 50
"""Places that are told apart; what stands below counts as the last of them."""


@dataclass
class _Arm:
    """What is known of an item in a placement."""

    shown: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PLACES))
    taken: float = 0.0
    gram: NDArray[np.float64] = field(default_factory=lambda: np.eye(2))
    rewards: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))


@dataclass
class _Bandit:
    arms: dict[str, _Arm] = field(default_factory=dict)
    shown: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PLACES))
    taken: NDArray[np.float64] = field(default_factory=lambda: np.zeros(PLACES))


class Bandits:
    """What was learned in the placements that explore by a policy; safe for many threads.

    Args:
        log: of events and receipts.
        placements: those of the workspace.
    """

    def __init__(self, log: EventLog, placements: Placements) -> None:
        self._log, self._lock = log, threading.Lock()
        self._bandits = {name: _Bandit() for name, rules in placements.rules.items() if rules.policy != "scores"}
        self._since, self._lists, self._seq = 0.0, set[str](), 0

    def learn(self) -> None:
        """Read what was shown and taken since the last time."""
        if not self._bandits:
            return
        with self._lock:
            for record in self._log.list_records(self._since):
                if record["rec_id"] in self._lists or (bandit := self._bandits.get(record["shown"])) is None:
                    continue
                if record["time"] > self._since:
                    self._since, self._lists = record["time"], set()
                self._lists.add(record["rec_id"])
                z = standard(np.array([item["score"] for item in record["items"]]))
                for place, (item, level) in enumerate(zip(record["items"], z, strict=True)):
                    arm = bandit.arms.setdefault(item["item_id"], _Arm())
                    at, x = min(place, PLACES - 1), np.array([1.0, level])
                    arm.shown[at] += 1
                    bandit.shown[at] += 1
                    arm.gram += np.outer(x, x)
            taken = self._log.of_lists(self._seq)
            if taken.height:
                self._seq = int(taken["seq"][-1])
            for rec_id, item_id in taken.filter(pl.col("action").is_in(TAKEN)).select("rec_id", "item_id").iter_rows():
                self._take(rec_id, item_id)

    def _take(self, rec_id: str, item_id: str) -> None:
        record = self._log.list_record(rec_id)
        if record is None or (bandit := self._bandits.get(record["shown"])) is None:
            return
        ids = [item["item_id"] for item in record["items"]]
        if item_id in ids and (arm := bandit.arms.get(item_id)) is not None:
            place = ids.index(item_id)
            z = standard(np.array([item["score"] for item in record["items"]]))
            bandit.taken[min(place, PLACES - 1)] += 1
            arm.taken += 1
            arm.rewards += np.array([1.0, z[place]])

    def known(self, placement: str, policy: str, item_ids: Sequence[str], scores: NDArray[np.floating]) -> Known:
        """Return what is known of candidates, two numbers each, shape ``(c, 2)``.

        Of ``thompson`` how often each was taken, and how often its places let expect; of ``linucb`` mean and width.
        """
        found = np.zeros((len(item_ids), 2))
        with self._lock:
            bandit = self._bandits.get(placement) or _Bandit()
            rates = bandit.taken / np.maximum(bandit.shown, 1)
            z = standard(np.asarray(scores, dtype=np.float64))
            empty = _Arm()
            for k, key in enumerate(item_ids):
                arm = bandit.arms.get(key, empty)
                if policy == "thompson":
                    found[k] = arm.taken, arm.shown @ rates
                else:
                    x, inverse = np.array([1.0, z[k]]), np.linalg.inv(arm.gram)
                    found[k] = x @ inverse @ arm.rewards, np.sqrt(x @ inverse @ x)
        return found


Known = NDArray[np.float64]


def explore_by(
    policy: str, scores: NDArray[np.floating], known: Known, n: int, explore: float, rng: np.random.Generator
) -> Drawn:
    """Fill ``n`` slots by a policy.

    Args:
        policy: ``thompson`` or ``linucb``.
        scores: of the candidates, best first, shape ``(c,)``.
        known: of :meth:`Bandits.known`.
        n: slots.
        explore: how much what was learned counts, or the temperature.
        rng: draws.
    """
    n, z = min(n, len(scores)), standard(np.asarray(scores, dtype=np.float64))
    if policy == "linucb":
        upper = known[:, 0] + ALPHA * known[:, 1]
        logits = temper(standard(upper) + z, max(explore, 1e-6))
        assert logits is not None or len(z) < 2
        if logits is None:
            return Drawn(np.arange(n), np.ones(n))
        order = np.argsort(-(logits + rng.gumbel(size=len(logits))), kind="stable")[:n]
        return Drawn(order, propensities(logits, order))
    left = np.ones(len(z), dtype=np.bool_)
    order, odds = np.zeros(n, dtype=np.int64), np.ones(n)
    shape, rate = KAPPA + known[:, 0], KAPPA + known[:, 1]
    for slot in range(n):
        drawn = np.log(rng.gamma(shape, 1 / rate, size=(DRAWS + 1, len(z))) + 1e-12)
        keys = np.where(left, z + explore * SCALE * drawn, -np.inf)
        best = keys.argmax(axis=1)
        order[slot] = best[0]
        odds[slot] = (1 + (best[1:] == best[0]).sum()) / (DRAWS + 1)  # what was drawn is one of them
        left[order[slot]] = False
    return Drawn(order, odds)


def standard(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores less their mean, in their deviations; zeros where all are the same."""
    spread = float(scores.std()) if len(scores) else 0.0
    if spread <= 1e-9 * max(float(np.abs(scores).max(initial=0.0)), 1e-9):
        return np.zeros(len(scores))
    return np.asarray((scores - scores.mean()) / spread)

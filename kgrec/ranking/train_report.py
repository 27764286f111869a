"""What a training found out about its scorers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kgrec.ranking.second_stage_training import StageResult
from kgrec.ranking.together import Together
from kgrec.ranking.tuned import Tuned


@dataclass(frozen=True, slots=True)
class ScorerResult:
    """What training found out about a scorer.

    Attributes:
        name: the scorer's.
        weight: in the fused score; 0 when it does not help.
        recall, ndcg: alone, on the held-out likes.
        seconds: of all its fits.
        options: it is fitted with in the end.
        chosen: what was found for it, on the held-out likes; the next training starts from it.
        tried: how many settings were.
        skipped: why it was left out, or the empty string.
        curve: epochs and the held-out figure after each, of a scorer that trains by epochs.
    """

    name: str
    weight: float = 0.0
    recall: float = float("nan")
    ndcg: float = float("nan")
    seconds: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    tried: int = 1
    skipped: str = ""
    curve: tuple[tuple[int, float], ...] = ()

    def summary(self) -> dict[str, Any]:
        """Return what is kept beside the models, JSON values."""
        return {
            "options": dict(self.options),
            "chosen": dict(self.chosen),
            "weight": self.weight,
            "recall": json_number(self.recall),
            "ndcg": json_number(self.ndcg),
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What training did.

    Attributes:
        scorers: one a scorer, best weight first.
        together: what the fusion is worth beside its best member; None where its weights were not learned.
        k: recall and NDCG are taken at this length.
        seconds: by step.
        facts: device, threads, counts.
        tuned: what tuning found in this training, empty where none was asked for.
        second_stage: what was found out about it, or None where it was not asked for.
    """

    scorers: tuple[ScorerResult, ...]
    together: Together | None
    k: int
    seconds: Mapping[str, float]
    facts: Mapping[str, Any] = field(default_factory=dict)
    tuned: tuple[Tuned, ...] = ()
    second_stage: StageResult | None = None


def json_number(value: float) -> float | None:
    """Return a figure as JSON knows it: None where it was not measured."""
    return None if np.isnan(value) else round(float(value), 5)

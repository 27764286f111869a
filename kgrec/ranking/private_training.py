"""Train what can be trained with differential privacy: popularity and item-item models; the rest is left out.

Nothing is chosen on held-out likes, for such a choice tells of them: options are those of kgrec.toml or the defaults,
weights are given or equal, and no figure is measured. See :mod:`kgrec.models.private` for what is promised.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kgrec.config import PrivacyConfig
from kgrec.errors import ConfigError
from kgrec.models.private import MOST_ITEMS, Guarantee, release
from kgrec.plugin.manager import Registry
from kgrec.plugin.protocols import Scorer, traits_of
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.fusion import FALLBACK
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.train_report import ScorerResult, TrainReport
from kgrec.ranking.training_inputs import TrainingInputs
from kgrec.types import TrainingData

DELTA_PEOPLE = 10
"""By default delta is one over so many times the number of users."""


def guarantee_of(settings: PrivacyConfig, n_users: int) -> Guarantee:
    """Return what is promised for so many users."""
    assert settings.epsilon is not None
    delta = settings.delta or 1.0 / (DELTA_PEOPLE * max(n_users, 1))
    return Guarantee.of(settings.epsilon, delta, settings.clip)


def privately(data: TrainingData, settings: PrivacyConfig, rng: np.random.Generator | None = None) -> TrainingData:
    """Return training data whose likes count once each, with what was released of them; as it is without an epsilon.

    Args:
        data: likes of all users.
        settings: epsilon, delta and clip.
        rng: of the noise; None: from the system's own randomness, for a seed that is known would undo the noise.
    """
    if settings.epsilon is None:
        return data
    guarantee = guarantee_of(settings, data.n_users)
    matrix = data.matrix.copy()
    matrix.data = np.ones_like(matrix.data)
    found = release(matrix, guarantee, rng or np.random.default_rng())
    return replace(data, matrix=matrix, validation=None, item_weights=None, rejected=None, private=found)


def train_privately(
    inputs: TrainingInputs, registry: Registry, names: Sequence[str], fitter: Fitter
) -> tuple[Ranker, TrainReport]:
    """Fit the scorers that look at nothing of other users but what was released.

    Args:
        inputs: the data.
        registry: the scorers on offer.
        names: wanted scorers.
        fitter: fits them; of its settings ``train.privacy``, ``fusion.weights`` and ``scorers`` are read.

    Raises:
        ConfigError: an option is given as a list to choose from.
    """
    started = time.perf_counter()
    config, whole = fitter.config, inputs.fit if inputs.everything is None else inputs.everything
    data = privately(whole, config.train.privacy)
    assert data.private is not None
    scorers: dict[str, Scorer] = {}
    results = []
    for name in dict.fromkeys([*names, FALLBACK]):
        options = dict(config.scorers.get(name, {}))
        if any(isinstance(value, list) for value in options.values()):
            raise ConfigError(f"[scorers.{name}]: private training chooses nothing", hint="give one value each")
        if not traits_of(registry[name].load()).private:
            results.append(ScorerResult(name, skipped="learns from other users without noise"))
        elif name != FALLBACK and data.private.gram is None:
            results.append(ScorerResult(name, skipped=f"the catalogue has more than {MOST_ITEMS:,} items"))
        else:
            scorers[name], seconds = fitter.fit(registry[name], options, data, "private")
            results.append(ScorerResult(name, seconds=round(seconds, 2), options=options))
    given = {name: weight for name, weight in config.fusion.weights.items() if name in scorers and weight > 0}
    members = given or dict.fromkeys(scorers, 1.0)  # popularity too: counts bear the noise best
    weights = {name: weight / sum(members.values()) for name, weight in members.items()}
    results = [replace(found, weight=weights.get(found.name, 0.0)) for found in results]
    results.sort(key=lambda found: (bool(found.skipped), -found.weight))
    k = config.fusion.metric_k
    summary = {
        "k": k,
        "together": None,
        "seen_last": False,
        "privacy": guarantee_of(config.train.privacy, data.n_users).state(),
        "scorers": {found.name: found.summary() for found in results if not found.skipped},
    }
    ranker = Ranker(inputs.user_ids, inputs.item_ids, inputs.seen, scorers, weights, summary)
    return ranker, TrainReport(tuple(results), None, k, {"fit": round(time.perf_counter() - started, 2)})

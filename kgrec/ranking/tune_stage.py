"""Options that were searched for: the search before a training, and what earlier searches left."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kgrec.config import Config
from kgrec.ranking import tuned
from kgrec.ranking.tuned import Tuned, laid_under

if TYPE_CHECKING:
    from kgrec.plugin.manager import Registry
    from kgrec.progress import Progress
    from kgrec.ranking.training_inputs import TrainingInputs, TrainOptions
    from kgrec.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Found:
    """What to train with.

    Attributes:
        config: settings, with tuned options.
        used: scorers with tuned options.
        tuned: what this search found; empty where there was none.
        seconds: of the search.
    """

    config: Config
    used: tuple[str, ...]
    tuned: tuple[Tuned, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


def search(
    inputs: TrainingInputs,
    registry: Registry,
    config: Config,
    order: TrainOptions,
    *,
    folder: Path,
    made_from: str,
    progress: Progress,
) -> Found:
    """Search as long as asked and return the settings with everything that was ever found.

    Args:
        inputs: the data.
        registry: the scorers on offer.
        config: settings.
        order: what is asked of the training: how long to search, for which scorers.
        folder: keeps what is found, see :func:`folder_of`.
        made_from: hash of data and settings.
        progress: told where it is.

    Raises:
        MissingExtraError: a search is asked for and Optuna is not installed.
    """
    if order.reset_tuning:
        shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    results: tuple[Tuned, ...] = ()
    seconds: dict[str, float] = {}
    if order.tune is not None:
        from kgrec.ranking.tuning import tune

        results = tuple(
            tune(
                inputs,
                registry,
                config,
                names=order.only or config.train.scorers or list(registry),
                minutes=order.tune,
                folder=folder,
                made_from=made_from,
                progress=progress,
            )
        )
        seconds = {"tuning": round(time.perf_counter() - started, 2)}
    found, listed = tuned.load(folder), order.only or config.train.scorers
    if listed is not None:
        found = {name: one for name, one in found.items() if name in listed}
    if any(one.made_from != made_from for one in found.values()):
        progress.log("options were tuned on other data or settings: --tune MINUTES again, or --reset-tuning")
    return Found(laid_under(config, found, registry, progress), tuple(sorted(found)), results, seconds)


def tuned_config(config: Config, workspace: Workspace, registry: Registry, progress: Progress) -> Config:
    """Return the settings with what tuning found."""
    return laid_under(config, tuned.load(folder_of(workspace)), registry, progress)


def folder_of(workspace: Workspace) -> Path:
    """Return where a workspace keeps what tuning found."""
    return workspace.artifacts / "tuning"


def check() -> None:
    """Raise before anything is done if a search is not possible.

    Raises:
        MissingExtraError: Optuna is not installed.
    """
    from kgrec.ranking.trials import quiet_optuna

    with quiet_optuna():
        pass

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
from kgrec.ranking.training import TrainingInputs
from kgrec.ranking.tuned import Tuned, laid_under

if TYPE_CHECKING:
    from kgrec.progress import Progress
    from kgrec.project import Project
    from kgrec.ranking.train_stage import TrainOptions


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


def apply(
    project: Project,
    config: Config,
    material: TrainingInputs,
    order: TrainOptions,
    *,
    made_from: str,
    progress: Progress,
) -> Found:
    """Search as long as ``order`` says and return the settings with everything that was ever found.

    Raises:
        MissingExtraError: a search is asked for and Optuna is not installed.
    """
    registry, folder = project.manager.registry("scorer"), _folder(project)
    if order.reset_tuning:
        shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    results: tuple[Tuned, ...] = ()
    seconds: dict[str, float] = {}
    if order.tune is not None:
        from kgrec.ranking.tuning import tune

        names = order.only or config.train.scorers or list(registry)
        results = tuple(
            tune(
                material,
                registry,
                config,
                names=names,
                minutes=order.tune,
                folder=folder,
                made_from=made_from,
                progress=progress,
            )
        )
        seconds = {"tuning": round(time.perf_counter() - started, 2)}
    found = _wanted(project, order)
    if any(one.made_from != made_from for one in found.values()):
        progress.log("options were tuned on other data or settings: --tune MINUTES again, or --reset-tuning")
    return Found(laid_under(config, found, registry, progress), tuple(sorted(found)), results, seconds)


def tuned_config(project: Project, progress: Progress) -> Config:
    """Return the settings with what tuning found."""
    return laid_under(project.config, tuned.load(_folder(project)), project.manager.registry("scorer"), progress)


def check() -> None:
    """Raise before anything is done if a search is not possible.

    Raises:
        MissingExtraError: Optuna is not installed.
    """
    from kgrec.ranking.trials import quiet_optuna

    with quiet_optuna():
        pass


def _wanted(project: Project, order: TrainOptions) -> dict[str, Tuned]:
    """Return what was found for the scorers that this training is about."""
    found = tuned.load(_folder(project))
    listed = order.only or project.config.train.scorers
    return found if listed is None else {name: one for name, one in found.items() if name in listed}


def _folder(project: Project) -> Path:
    return project.workspace.artifacts / "tuning"

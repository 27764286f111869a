"""The part of a project that measures: how good lists and ratings are, and what becomes of lists that people click."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kgrec.progress import SILENT, Progress

if TYPE_CHECKING:
    from kgrec.api.evaluating import EvaluationRun, RatingsRun
    from kgrec.api.project import Project
    from kgrec.evaluate.ratings import RatingsPlan
    from kgrec.evaluate.replay import Drift
    from kgrec.evaluate.simulate import ReplayPlan


@dataclass(frozen=True, slots=True)
class Simulation:
    """A finished simulation.

    Attributes:
        plan: what was asked for.
        drift: the figures.
        record: file under the workspace that keeps them.
        seconds: how long it took.
    """

    plan: ReplayPlan
    drift: Drift
    record: Path
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plan and figures as JSON values."""
        return _document(self.plan, self.drift)


def _document(plan: ReplayPlan, found: Drift) -> dict[str, Any]:
    from kgrec.evaluate.report import plain

    document: dict[str, Any] = plain({"plan": asdict(plan), "replay": asdict(found)})
    return document


class Measuring:
    """Methods of :class:`kgrec.api.Project`."""

    def evaluate(
        self,
        split: str = "ratio",
        *,
        k: Sequence[int] = (10, 20),
        seeds: Sequence[int] = (42,),
        fraction: float = 0.2,
        only: Sequence[str] | None = None,
        ablate: bool = False,
        rerank: Sequence[str] | None = None,
        sweep: Sequence[str] = (),
        examples: int = 5,
        folds: int = 5,
        device: str | None = None,
        progress: Progress = SILENT,
    ) -> EvaluationRun:
        """Hold out part of the data, train on the rest with the settings in force, and measure; models are not kept.

        Args:
            split: ``ratio``, ``leave-last``, ``time``, ``given``, ``cold-item``, ``cold-user`` or ``k-fold``.
            k: lengths of the lists that are judged.
            seeds: everything is done once for each of them.
            fraction: share of the data that is held out.
            only: names of the scorers to use; None: as in kgrec.toml.
            ablate: also judge the hybrid without each ingredient, and each scorer alone.
            rerank: re-rankers in their order, judged beside the lists as ranked; None: as in kgrec.toml.
            sweep: options of re-rankers that vary, ``["mmr.strength=0:1:0.1"]``; the lists are judged at each value.
            examples: users, drawn at random, whose lists are kept with the reason for each item.
            folds: parts of ``k-fold``.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``; None: as in kgrec.toml.
            progress: told where it is.
        """
        from kgrec.api.evaluating import evaluate
        from kgrec.evaluate.run import Plan
        from kgrec.evaluate.sweep import parse_sweep

        project = cast("Project", self)
        scorers = None if only is None else tuple(only)
        steps = tuple(project.config.recommend.rerank if rerank is None else rerank)
        sweeps = tuple(parse_sweep(text, project.manager.registry("re-ranker")) for text in sweep)
        lengths, unlike = tuple(sorted(set(k))), tuple(dict.fromkeys(seeds))
        plan = Plan(split, fraction, lengths, unlike, scorers, ablate, steps, sweeps, examples, folds)
        return evaluate(project, plan, device or project.config.train.device, progress)

    def evaluate_ratings(self, plan: RatingsPlan | None = None, *, progress: Progress = SILENT) -> RatingsRun:
        """Foretell held-out ratings by each predictor of :mod:`kgrec.models.ratings`, and measure RMSE and MAE."""
        from kgrec.api.evaluating import evaluate_ratings
        from kgrec.evaluate.ratings import RatingsPlan

        return evaluate_ratings(cast("Project", self), plan or RatingsPlan(), progress)

    def simulate(
        self,
        rounds: int = 20,
        *,
        n: int = 20,
        seeds: Sequence[int] = (42,),
        fraction: float = 0.2,
        only: Sequence[str] | None = None,
        rerank: Sequence[str] | None = None,
        progress: Progress = SILENT,
    ) -> Simulation:
        """Let simulated users click on lists, learn from the clicks, and look how the lists drift; models are not kept.

        Args:
            rounds: how often everybody gets a list.
            n: length of the lists.
            seeds: everything is done once for each of them.
            fraction: share of each user's likes that the recommender does not start with.
            only: names of the scorers to use; None: as in kgrec.toml.
            rerank: re-rankers in their order, with and without which the loop is run; None: as in kgrec.toml.
            progress: told where it is.
        """
        from kgrec.api.evaluating import inputs_of, reproduce
        from kgrec.evaluate.records import REPLAY, keep, runs_folder
        from kgrec.evaluate.simulate import ReplayPlan, simulate
        from kgrec.models.threads import choose_threads, limited_threads

        project = cast("Project", self)
        started = time.perf_counter()
        steps = tuple(project.config.recommend.rerank if rerank is None else rerank)
        scorers = None if only is None else tuple(only)
        plan = ReplayPlan(rounds, n, tuple(dict.fromkeys(seeds)), fraction, scorers, steps)
        threads = choose_threads(project.config.train.threads).count
        with limited_threads(threads):
            found = simulate(inputs_of(project, project.config, progress), plan, progress)
        seconds = round(time.perf_counter() - started, 2)
        document = {**_document(plan, found), "reproduce": reproduce(project, project.config, "cpu", threads)}
        record = keep(runs_folder(project.workspace), REPLAY, document, seconds)
        return Simulation(plan, found, record, seconds)

"""The latent generator of a workspace, made ready to steer texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import UserError

if TYPE_CHECKING:
    from kgrec.generate.profile import Profiler
    from kgrec.generate.topics import Foresight, Steering
    from kgrec.models.neural.latent import Latent
    from kgrec.project import Project
    from kgrec.types import ItemIndices

SCORER = "latent"


def make_steering(project: Project, profiler: Profiler) -> Steering:
    """Return what steers the texts of a workspace.

    Raises:
        UserError: it was trained without the latent generator.
    """
    from kgrec.generate.topics import Steering
    from kgrec.text.item_text import item_texts
    from kgrec.text.terms import TermIndex

    scorer = project.ranker.scorers.get(SCORER)
    if scorer is None or not getattr(scorer, "samples", False):
        raise UserError(
            "the workspace has no latent generator",
            hint="`kgrec train --set generate.steer=latent`; it needs items with texts",
        )
    texts = item_texts(project.dataset, None, project.config.text.item_template, project.domain)
    terms = TermIndex.build(texts, min_items=2)
    return Steering(_foresight(project, scorer), profiler, terms)  # type: ignore[arg-type]


def _foresight(project: Project, scorer: Latent) -> Foresight:
    """Return the function that names the items that samples of a user lie near."""
    from kgrec.generate.topics import NEAREST, SAMPLES, decode
    from kgrec.models.features import unit_rows
    from kgrec.ranking.histories import newcomers, training_positions

    ranker, seed = project.ranker, project.config.seed
    places = training_positions(project)
    rows = np.full(len(ranker.item_ids), -1, dtype=np.int64)
    rows[places[places >= 0]] = np.flatnonzero(places >= 0)
    gone = np.flatnonzero(rows < 0)

    def foresee(user_id: str) -> tuple[ItemIndices, NDArray[np.float64]]:
        position = ranker.user_positions.get(user_id)
        if position is None:
            (profile,), seen = newcomers(project, [user_id])
            samples, known = scorer.sample_new(profile, SAMPLES, seed=seed), seen.indices
        else:
            samples = scorer.sample(np.array([position]), SAMPLES, seed=seed)[0]
            known = ranker.seen[[position]].indices
        without = np.concatenate([known, gone])
        items, cosines = decode(
            unit_rows(samples), lambda s: scorer.nearest(s, NEAREST, without=without), scorer.item_vectors
        )
        return rows[items], cosines

    return foresee

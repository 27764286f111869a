"""``kgrec generate evaluate``: draw readers and items, write by each variant, measure, keep the record."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kgrec.evaluate.records import keep, runs_folder
from kgrec.evaluate.text_quality.figures import Judge, TextQuality
from kgrec.evaluate.text_quality.plan import TextPlan, jobs_of
from kgrec.evaluate.text_quality.writing import model_of, options_of, write
from kgrec.generate.kinds import kind_of
from kgrec.generate.lora.base import PACKAGED, opened
from kgrec.generate.titles import display
from kgrec.plugin.protocols import ScoringModel

if TYPE_CHECKING:
    from kgrec.plugin.protocols import LanguageModel
    from kgrec.progress import Progress
    from kgrec.project import Project


@dataclass(frozen=True, slots=True)
class TextQualityRun:
    """A finished evaluation of texts, the file under the workspace that keeps it, and how long it took."""

    quality: TextQuality
    record: Path
    seconds: float


def evaluate_texts(project: Project, plan: TextPlan, fluency: str | None, progress: Progress) -> TextQualityRun:
    """Write and judge; see :meth:`kgrec.project.Project.evaluate_texts`."""
    started = time.perf_counter()
    text_service = project.texts
    kind = kind_of(project.domain, plan.kind)
    language = text_service.resolved(options_of(plan)).language
    jobs = jobs_of(project, kind, plan, progress)
    asks_model = any(name != "template" for name in plan.variants)
    model = (
        model_of(text_service, plan) if asks_model else None
    )  # what is missing is told before the work, not after it
    judge_of_fluency = _scoring(project, plan, fluency, model)
    material = write(project, plan, jobs, progress)
    judge = Judge(project, plan, material, judge_of_fluency)
    verdicts, figures = {}, []
    with progress.task("measuring", total=len(plan.variants)) as task:
        for variant in plan.variants:
            verdicts[variant] = judge.verdicts(variant)
            writer = "template" if variant == "template" or model is None else model.name
            figures.append(judge.figures(variant, verdicts[variant], writer))
            task.advance()
    titles = project.dataset.items["title"].fill_null("").to_list()
    places = [project.dataset.item_positions(list(job.item_ids)) for job in jobs]
    quality = TextQuality(
        plan=plan,
        kind=kind.name,
        language=language,
        readers=len(jobs),
        groups=len({job.group for job in jobs}),
        variants=tuple(figures),
        verdicts=verdicts,
        texts=material.texts,
        titles=["; ".join(display(titles[int(p)]) for p in found) for found in places],
        peak_memory=_peak_memory(),
        seconds_of_facts=material.seconds_of_facts / max(len(jobs), 1),
        notes=tuple(judge.notes),
    )
    seconds = round(time.perf_counter() - started, 2)
    return TextQualityRun(quality, keep(runs_folder(project.workspace), "texts", quality.to_dict(), seconds), seconds)


def _scoring(
    project: Project, plan: TextPlan, fluency: str | None, model: LanguageModel | None
) -> LanguageModel | None:
    """Return the model that tells how likely texts are: the one named, or the writing one where it can.

    llama.cpp tells no likelihoods; the weights of ``smollm2`` are then read by transformers.
    """
    if fluency is None:
        return model if isinstance(model, ScoringModel) else None
    name, _, file = fluency.partition(":")
    if name == PACKAGED:
        return opened(file or PACKAGED)
    named = TextPlan(plan.kind, plan.language, plan.tone, model=fluency)
    return model_of(project.texts, named)


def _peak_memory() -> float:
    """Return the most memory that this process has held so far, MiB."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (1 << 20 if sys.platform == "darwin" else 1 << 10)

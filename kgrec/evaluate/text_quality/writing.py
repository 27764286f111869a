"""Writes the texts that are judged, and keeps each at once: an interrupted evaluation goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kgrec.artifacts import resumed_lines, storage_errors
from kgrec.errors import MissingExtraError
from kgrec.generate.kinds import kind_of
from kgrec.generate.prompts import PromptGenerator, version_of, without_examples
from kgrec.generate.service import GenerateOptions, TextService
from kgrec.generate.template import TemplateGenerator
from kgrec.plugin.generation import MAIN, CountingModel, TextRequest, default_prompt
from kgrec.plugin.protocols import LanguageModel

if TYPE_CHECKING:
    from kgrec.evaluate.text_quality.plan import Job, TextPlan
    from kgrec.progress import Progress
    from kgrec.project import Project

BATCH = 8
"""Texts that a model is asked for at once: an endpoint answers several at a time, and what is written is kept."""

_LABELS = "recorded"  # any name of a model makes requests carry prompts and the names that guards know


@dataclass(frozen=True, slots=True)
class Written:
    """A text as a variant wrote it.

    Attributes:
        variant: who wrote it.
        user_id, item_ids: for whom and about what.
        text: empty where the model wrote nothing.
        seconds: how long it took, facts not counted.
        tokens: that the model made for it, drafts and repairs included; None where it does not say.
        repaired, fallback: what became of the drafts.
        refused: what guards had against drafts, first ones first.
        note: why a model did not write it, or empty.
    """

    variant: str
    user_id: str
    item_ids: tuple[str, ...]
    text: str
    seconds: float
    tokens: int | None = None
    repaired: bool = False
    fallback: bool = False
    refused: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class WritingInputs:
    """All that is judged: jobs, their requests, and for each variant a text a job."""

    jobs: Sequence[Job]
    requests: Sequence[TextRequest]
    texts: Mapping[str, Sequence[Written]]
    seconds_of_facts: float


def options_of(plan: TextPlan) -> GenerateOptions:
    """Return what a plan asks for; its requests can be given to any variant."""
    found = GenerateOptions(plan.kind, plan.language, plan.tone, plan.model, plan.candidates, plan.seed)
    return replace(found, variant=MAIN)  # the figures are of one prompt, whatever feedback made of the others


def write(project: Project, plan: TextPlan, jobs: Sequence[Job], progress: Progress) -> WritingInputs:
    """Write what is not written yet.

    Raises:
        MissingExtraError: the model's package or file is missing.
    """
    text_service = project.texts
    started = time.perf_counter()
    requests = list(_requests(text_service, plan, jobs, progress))
    spent = time.perf_counter() - started
    texts: dict[str, Sequence[Written]] = {}
    for variant in plan.variants:
        if variant == "template":
            texts[variant] = _by_template(plan, jobs, requests)
        else:
            texts[variant] = _by_model(variant, text_service, plan, jobs, requests, progress)
    return WritingInputs(jobs, requests, texts, spent)


def _by_template(plan: TextPlan, jobs: Sequence[Job], requests: Sequence[TextRequest]) -> list[Written]:
    started = time.perf_counter()
    texts = TemplateGenerator().write(requests, seed=plan.seed)
    spent = (time.perf_counter() - started) / max(len(jobs), 1)
    return [Written("template", j.user_id, j.item_ids, text, spent) for j, text in zip(jobs, texts, strict=True)]


def _by_model(
    variant: str,
    text_service: TextService,
    plan: TextPlan,
    jobs: Sequence[Job],
    requests: Sequence[TextRequest],
    progress: Progress,
) -> list[Written]:
    """Write what the file of the variant lacks, batch by batch."""
    model = model_of(text_service, plan)
    file = _file(text_service, plan, variant, model)
    with storage_errors(file):
        known = _read(file)
        missing = [k for k, job in enumerate(jobs) if (job.user_id, job.item_ids) not in known]
        file.parent.mkdir(parents=True, exist_ok=True)
        with progress.task(f"writing, {variant}", total=len(jobs)) as task, file.open("a", encoding="utf-8") as stream:
            task.advance(len(jobs) - len(missing))
            for start in range(0, len(missing), BATCH):
                batch = missing[start : start + BATCH]
                for row in _drafted(variant, text_service, plan, model, [(jobs[k], requests[k]) for k in batch]):
                    stream.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
                    known[row.user_id, row.item_ids] = row
                stream.flush()
                task.advance(len(batch))
    return [known[job.user_id, job.item_ids] for job in jobs]


def _requests(
    text_service: TextService, plan: TextPlan, jobs: Sequence[Job], progress: Progress
) -> Iterator[TextRequest]:
    kind = kind_of(text_service.domain, plan.kind)
    asked = text_service.resolved(replace(options_of(plan), model=_LABELS))
    language = asked.language
    positions = [text_service.dataset.item_positions(list(job.item_ids)) for job in jobs]
    # All facts at once: the graph is then looked through once.
    text_service.book(language).items([int(p) for found in positions for p in found])
    with progress.task("collecting facts", total=len(jobs)) as task:
        for job, found in zip(jobs, positions, strict=True):
            reasons = (
                text_service.reasons(text_service.scored(job.user_id, job.item_ids), language) if job.user_id else ()
            )
            yield text_service.request(kind, [int(p) for p in found], asked, user_id=job.user_id, reasons=reasons)
            task.advance()


def _drafted(
    variant: str,
    text_service: TextService,
    plan: TextPlan,
    model: LanguageModel,
    asked: Sequence[tuple[Job, TextRequest]],
) -> Iterator[Written]:
    requests = [request for _, request in asked]
    if variant == "guarded":
        # One at a time where tokens are counted: a repair belongs to its text.
        parts = [[pair] for pair in asked] if isinstance(model, CountingModel) else [list(asked)]
        for part in parts:
            yield from _guarded(text_service, plan, model, part)
        return
    if variant == "zero-shot":
        requests = [_without_examples(request) for request in requests]
    before, started = _counted(model), time.perf_counter()
    texts = PromptGenerator().write(requests, model=model, seed=plan.seed)
    spent, made = (time.perf_counter() - started) / len(asked), _since(model, before)
    for k, ((job, _), text) in enumerate(zip(asked, texts, strict=True)):
        share = None if made is None else made // len(asked) + (k < made % len(asked))
        yield Written(variant, job.user_id, job.item_ids, text, spent, share)


def _guarded(
    text_service: TextService, plan: TextPlan, model: LanguageModel, asked: Sequence[tuple[Job, TextRequest]]
) -> Iterator[Written]:
    before, started = _counted(model), time.perf_counter()
    writer = text_service.writer(text_service.resolved(options_of(plan)))
    found = writer.write([request for _, request in asked], seed=plan.seed)
    spent, made = (time.perf_counter() - started) / len(asked), _since(model, before)
    for (job, _), text in zip(asked, found, strict=True):
        refused = tuple(f"{v.guard}: {v.message}" for v in text.violations)
        yield Written(
            "guarded",
            job.user_id,
            job.item_ids,
            text.text,
            spent,
            made if len(asked) == 1 else None,
            text.repaired,
            text.fallback,
            refused,
            text.note,
        )


def model_of(text_service: TextService, plan: TextPlan) -> LanguageModel:
    """Return the plan's language model.

    Raises:
        MissingExtraError: there is none, with what is missing.
    """
    named = text_service.resolved(options_of(plan)).model
    model = text_service.model(named)
    if model is None:
        told = text_service.notes.get(named) or f"{named!r} is no language model"
        raise MissingExtraError(told, hint="name another by --model, or judge --variants template")
    return model


def _without_examples(request: TextRequest) -> TextRequest:
    prompt = request.prompt or default_prompt(f"{request.kind.name}.{request.language}")
    return replace(request, prompt=without_examples(prompt)) if prompt else request


def _counted(model: LanguageModel) -> int | None:
    return model.written_tokens if isinstance(model, CountingModel) else None


def _since(model: LanguageModel, before: int | None) -> int | None:
    now = _counted(model)
    return None if now is None or before is None else now - before


def _file(text_service: TextService, plan: TextPlan, variant: str, model: LanguageModel) -> Path:
    """Return where a variant's texts are kept; the same settings on the same models find them again."""
    asked = text_service.resolved(options_of(plan))
    kind, language = kind_of(text_service.domain, plan.kind), asked.language
    prompt = text_service.prompt(f"{kind.name}.{language}") or default_prompt(f"{kind.name}.{language}")
    manifest = text_service.workspace.manifest()
    said = {
        "stages": {name: manifest[name].fingerprint for name in ("graph", "models") if name in manifest},
        "kind": kind.name,
        "language": language,
        "tone": asked.tone,
        "seed": plan.seed,
        "model": model.name,
        "options": text_service.config.language_models.get(asked.model.partition(":")[0], {}),
        "prompt": version_of(prompt) if prompt else "",
        "candidates": plan.candidates if variant == "guarded" else 1,
    }
    key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
    return text_service.workspace.artifacts / "judged-texts" / f"{variant}-{key}.jsonl"


def _read(file: Path) -> dict[tuple[str, tuple[str, ...]], Written]:
    """Read what is written already."""
    found: dict[tuple[str, tuple[str, ...]], Written] = {}
    for row in resumed_lines(file, "text"):
        row |= {"item_ids": tuple(row["item_ids"]), "refused": tuple(row["refused"])}
        found[row["user_id"], row["item_ids"]] = Written(**row)
    return found

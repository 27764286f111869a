"""How good generated texts are: readers and items are drawn, each variant writes, and what is written is measured.

What a variant writes is kept at once, so an interrupted evaluation resumes where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kgrec.artifacts import resumed_lines, storage_errors
from kgrec.data.dataset import Dataset
from kgrec.errors import MissingExtraError, UserError
from kgrec.evaluate.plan import TextPlan
from kgrec.evaluate.records import JudgedText, TextsRecord, Written
from kgrec.evaluate.text_metrics import Job, TextJudge, WrittenTexts
from kgrec.generate.kinds import kind_of
from kgrec.generate.models.tuned import PACKAGED, opened
from kgrec.generate.prompts import PromptGenerator, version_of, without_examples
from kgrec.generate.service import GenerateOptions, TextService
from kgrec.generate.template import TemplateGenerator
from kgrec.graph.titles import display
from kgrec.plugin.domain import SMALL, TextKind, default_prompt
from kgrec.plugin.generation import MAIN, CountingModel, TextRequest
from kgrec.plugin.protocols import LanguageModel, ScoringModel
from kgrec.progress import Progress
from kgrec.types import Vectors

GROUP = 10
"""Readers of one item: a reader's text is to be picked out among those of the others."""

POOL = 3000
"""Users whose lists are looked at for items that several of them get."""

DEPTHS = (10, 20, 50, 100)
"""Lengths of the lists in which an item must stand; a longer one where too few items are shared by ten."""

BATCH = 8
"""Texts that a model is asked for at once: an endpoint answers several at a time, and what is written is kept."""

Recommend = Callable[[Sequence[str], int], pl.DataFrame]
"""Makes lists of users, given by their ids, of a length: a table of ``user_id``, ``item_id``, ``rank``."""

_LABELS = "recorded"  # any name of a model makes requests carry prompts and the names that guards know


def evaluate_texts(
    texts: TextService,
    recommend: Recommend,
    encode: Callable[[list[str]], Vectors],
    plan: TextPlan,
    fluency: str | None,
    progress: Progress,
) -> TextsRecord:
    """Write and judge.

    Args:
        texts: writes.
        recommend: makes lists.
        encode: makes vectors of texts, shape ``(t, dim)``.
        plan: what is written.
        fluency: language model that tells how likely texts are; None: the one that writes, where it can.
        progress: told where it is.

    Raises:
        MissingExtraError: a language model is missing.
        UserError: no item is recommended to two users.
    """
    started = time.perf_counter()
    kind = kind_of(texts.domain, plan.kind)
    jobs = jobs_of(texts.dataset, recommend, kind, plan)
    # What is missing is told before the work, not after it.
    model = model_of(texts, plan) if any(name != "template" for name in plan.variants) else None
    scoring = scoring_model(texts, plan, fluency, model)
    written = write(texts, plan, jobs, progress)
    judge = TextJudge(texts, encode, written, scoring, plan)
    figures, judged = [], {}
    with progress.task("measuring", total=len(plan.variants)) as task:
        for variant in plan.variants:
            verdicts = judge.verdicts(variant)
            writer = "template" if variant == "template" or model is None else model.name
            figures.append(judge.figures(variant, verdicts, writer))
            pairs = zip(written.texts[variant], verdicts, strict=True)
            judged[variant] = tuple(JudgedText(**dict(row), verdict=verdict) for row, verdict in pairs)
            task.advance()
    titles = texts.dataset.items["title"].fill_null("").to_list()
    places = [texts.dataset.item_positions(list(job.item_ids)) for job in jobs]
    return TextsRecord(
        plan=plan,
        text_kind=kind.name,
        language=texts.resolved(options_of(plan)).language,
        readers=len(jobs),
        groups=len({job.group for job in jobs}),
        variants=tuple(figures),
        texts=judged,
        titles=tuple("; ".join(display(titles[int(p)]) for p in found) for found in places),
        peak_memory=_peak_memory(),
        seconds_of_facts=written.seconds_of_facts / max(len(jobs), 1),
        notes=tuple(judge.notes),
        seconds=round(time.perf_counter() - started, 2),
    )


def jobs_of(dataset: Dataset, recommend: Recommend, kind: TextKind, plan: TextPlan) -> list[Job]:
    """Draw readers and items.

    Personal kinds about one item: groups of ten readers who all have the item in their recommendations, drawn from a
    sample of the users. Readers who get the same item are more alike than any ten, so picking them out is harder.
    Digests: each reader's first items. Kinds for nobody in particular: items.

    Raises:
        UserError: no item is recommended to two readers.
    """
    rng = np.random.default_rng(plan.seed)
    if not kind.personal:
        items = dataset.items["item_id"].to_numpy()
        return [Job("", (str(item),), 0) for item in rng.permutation(items)[: plan.users]]
    pool = rng.permutation(dataset.users["user_id"].to_numpy())[: max(POOL, plan.users)].tolist()
    if kind.max_items > 1:
        lists = recommend(pool[: plan.users], kind.max_items)
        rows = lists.group_by("user_id", maintain_order=True).agg("item_id").iter_rows()
        return [Job(user, tuple(items), 0) for user, items in rows]
    lists = recommend(pool, DEPTHS[-1])
    for depth in DEPTHS:
        jobs = _groups(lists.filter(pl.col("rank") <= depth), plan.users, rng)
        if len(jobs) >= plan.users:
            break
    if not jobs:
        raise UserError("no item is recommended to two readers", hint="there is too little to compare texts on")
    return jobs


def _groups(lists: pl.DataFrame, wanted: int, rng: np.random.Generator) -> list[Job]:
    """Take items in random order, and of each as many readers who have no text yet as make a group."""
    readers = lists.group_by("item_id").agg("user_id").sort("item_id")
    most = max(readers["user_id"].list.len().to_list(), default=0)
    size = min(GROUP, wanted, max(most, 2))
    taken: set[str] = set()
    jobs: list[Job] = []
    for row in rng.permutation(readers.height):
        item, users = readers.row(int(row))
        free = sorted(set(users) - taken)
        if len(free) < size:
            continue
        chosen = [free[k] for k in rng.permutation(len(free))[: min(size, wanted - len(jobs))]]
        if len(chosen) < 2:
            break
        group = jobs[-1].group + 1 if jobs else 0
        jobs += [Job(user, (item,), group) for user in chosen]
        taken.update(chosen)
        if len(jobs) >= wanted:
            break
    return jobs


def options_of(plan: TextPlan) -> GenerateOptions:
    """Return the options behind a plan; its requests can be given to any variant."""
    found = GenerateOptions(plan.kind, plan.language, plan.tone, plan.model, plan.candidates, plan.seed)
    return replace(found, variant=MAIN)  # the figures are of one prompt, whatever feedback made of the others


def model_of(texts: TextService, plan: TextPlan) -> LanguageModel:
    """Return the plan's language model.

    Raises:
        MissingExtraError: there is none, with what is missing.
    """
    named = texts.resolved(options_of(plan)).model
    model = texts.parts.model(named) if named != "template" else None
    if model is None:
        told = texts.parts.notes.get(named) or f"{named!r} is no language model"
        raise MissingExtraError(told, hint="name another by --model, or judge --variants template")
    return model


def scoring_model(
    texts: TextService, plan: TextPlan, fluency: str | None, model: LanguageModel | None
) -> LanguageModel | None:
    """Return the model that tells how likely texts are: the one named, or the writing one where it can.

    llama.cpp tells no likelihoods; the weights of ``smollm2`` are then read by transformers.
    """
    if fluency is None:
        return model if isinstance(model, ScoringModel) else None
    name, _, file = fluency.partition(":")
    if name == PACKAGED:
        return opened(file or PACKAGED)
    return model_of(texts, TextPlan(plan.kind, plan.language, plan.tone, model=fluency))


def write(texts: TextService, plan: TextPlan, jobs: Sequence[Job], progress: Progress) -> WrittenTexts:
    """Write what is not written yet.

    Raises:
        MissingExtraError: the model's package or file is missing.
    """
    started = time.perf_counter()
    requests = list(_requests(texts, plan, jobs, progress))
    spent = time.perf_counter() - started
    written = {
        variant: _by_template(plan, jobs, requests)
        if variant == "template"
        else _Variant(variant, texts, plan).write(jobs, requests, progress)
        for variant in plan.variants
    }
    return WrittenTexts(jobs, requests, written, spent)


def _requests(texts: TextService, plan: TextPlan, jobs: Sequence[Job], progress: Progress) -> Iterator[TextRequest]:
    kind = kind_of(texts.domain, plan.kind)
    asked = texts.resolved(replace(options_of(plan), model=_LABELS))
    positions = [texts.dataset.item_positions(list(job.item_ids)) for job in jobs]
    # All facts at once: the graph is then looked through once.
    texts.book(asked.language).items([int(p) for found in positions for p in found])
    with progress.task("collecting facts", total=len(jobs)) as task:
        for job, found in zip(jobs, positions, strict=True):
            reasons = texts.reasons(texts.scored(job.user_id, job.item_ids), asked.language) if job.user_id else ()
            yield texts.request(kind, [int(p) for p in found], asked, user_id=job.user_id, reasons=reasons)
            task.advance()


def _by_template(plan: TextPlan, jobs: Sequence[Job], requests: Sequence[TextRequest]) -> list[Written]:
    started = time.perf_counter()
    texts = TemplateGenerator().write(requests, seed=plan.seed)
    spent = (time.perf_counter() - started) / max(len(jobs), 1)
    return [
        Written(variant="template", user_id=j.user_id, item_ids=j.item_ids, text=text, seconds=spent)
        for j, text in zip(jobs, texts, strict=True)
    ]


class _Variant:
    """A way in which the plan's language model writes."""

    def __init__(self, name: str, texts: TextService, plan: TextPlan) -> None:
        self.name = name
        self.texts = texts
        self.plan = plan
        self.model = model_of(texts, plan)

    def write(self, jobs: Sequence[Job], requests: Sequence[TextRequest], progress: Progress) -> list[Written]:
        """Write what the file of the variant lacks, batch by batch."""
        file = self._file()
        with storage_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
        with resumed_lines(file, tuple(Written.model_fields)[:4]) as (rows, stream):
            found = [Written.model_validate(row) for row in rows]
            known = {(row.user_id, row.item_ids): row for row in found}
            missing = [k for k, job in enumerate(jobs) if (job.user_id, job.item_ids) not in known]
            with progress.task(f"writing, {self.name}", total=len(jobs)) as task:
                task.advance(len(jobs) - len(missing))
                for start in range(0, len(missing), BATCH):
                    batch = missing[start : start + BATCH]
                    for row in self._drafted([(jobs[k], requests[k]) for k in batch]):
                        stream.write((json.dumps(row.to_dict(), ensure_ascii=False) + "\n").encode())
                        known[row.user_id, row.item_ids] = row
                    stream.flush()
                    task.advance(len(batch))
        return [known[job.user_id, job.item_ids] for job in jobs]

    def _drafted(self, asked: Sequence[tuple[Job, TextRequest]]) -> Iterator[Written]:
        if self.name == "guarded":
            # One at a time where tokens are counted: a repair belongs to its text.
            parts = [[pair] for pair in asked] if isinstance(self.model, CountingModel) else [list(asked)]
            for part in parts:
                yield from self._guarded(part)
            return
        requests = [self._with_examples(request) for _, request in asked]
        if self.name == "zero-shot":
            requests = [_without_examples(request) for request in requests]
        before, started = self._counted(), time.perf_counter()
        texts = PromptGenerator().write(requests, model=self.model, seed=self.plan.seed)
        spent, made = (time.perf_counter() - started) / len(asked), self._since(before)
        for k, ((job, _), text) in enumerate(zip(asked, texts, strict=True)):
            share = None if made is None else made // len(asked) + (k < made % len(asked))
            yield self._written(job, text, spent, tokens=share)

    def _with_examples(self, request: TextRequest) -> TextRequest:
        """Return a request with the prompt that shows examples, where there is one."""
        prompt = self.texts.parts.prompt(f"{request.kind.name}.{request.language}@{SMALL}")
        return replace(request, prompt=prompt) if prompt else request

    def _guarded(self, asked: Sequence[tuple[Job, TextRequest]]) -> Iterator[Written]:
        before, started = self._counted(), time.perf_counter()
        writer = self.texts.writer(self.texts.resolved(options_of(self.plan)))
        found = writer.write([request for _, request in asked], seed=self.plan.seed)
        spent, made = (time.perf_counter() - started) / len(asked), self._since(before)
        for (job, _), text in zip(asked, found, strict=True):
            became = {"repaired": text.repaired, "fallback": text.fallback, "note": text.note}
            refused = tuple(f"{v.guard}: {v.message}" for v in text.violations)
            tokens = made if len(asked) == 1 else None
            yield self._written(job, text.text, spent, tokens=tokens, refused=refused, **became)

    def _written(self, job: Job, text: str, seconds: float, **more: Any) -> Written:
        ids = job.item_ids
        return Written(variant=self.name, user_id=job.user_id, item_ids=ids, text=text, seconds=seconds, **more)

    def _counted(self) -> int | None:
        return self.model.written_tokens if isinstance(self.model, CountingModel) else None

    def _since(self, before: int | None) -> int | None:
        now = self._counted()
        return None if now is None or before is None else now - before

    def _file(self) -> Path:
        """Return where the texts are kept; the same settings on the same models find them again."""
        texts, plan, asked = self.texts, self.plan, self.texts.resolved(options_of(self.plan))
        task = f"{kind_of(texts.domain, plan.kind).name}.{asked.language}"
        prompt = texts.parts.prompt(task if self.name == "guarded" else f"{task}@{SMALL}") or default_prompt(task)
        manifest = texts.workspace.manifest()
        said: Mapping[str, object] = {
            "stages": {name: manifest[name].fingerprint for name in ("graph", "models") if name in manifest},
            "task": task,
            "tone": asked.tone,
            "seed": plan.seed,
            "model": self.model.name,
            "options": texts.config.language_models.get(asked.model.partition(":")[0], {}),
            "prompt": version_of(prompt) if prompt else "",
            "candidates": plan.candidates if self.name == "guarded" else 1,
        }
        key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
        return texts.workspace.artifacts / "judged-texts" / f"{self.name}-{key}.jsonl"


def _without_examples(request: TextRequest) -> TextRequest:
    prompt = request.prompt or default_prompt(f"{request.kind.name}.{request.language}")
    return replace(request, prompt=without_examples(prompt)) if prompt else request


def _peak_memory() -> float:
    """Return the most memory that this process has held so far, MiB."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (1 << 20 if sys.platform == "darwin" else 1 << 10)

"""Tuning a language model on a workspace: which texts there are, and how the figures come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import DataError, UsageError, WorkspaceError
from kgrec.generate.guards.form import Languages
from kgrec.generate.kinds import kind_of, kinds_of
from kgrec.generate.lora.base import PACKAGED, check_packages
from kgrec.generate.lora.pairs import PARTS, Part, TextPair, part_of, shortened, split_items, without_leaks
from kgrec.generate.lora.settings import LoraSettings
from kgrec.generate.lora.train import Tuning, tune
from kgrec.generate.prompts import render
from kgrec.generate.service import TUNED, GenerateOptions, ResolvedOptions, TextService
from kgrec.generate.template import TemplateGenerator
from kgrec.plugin.domain import default_prompt
from kgrec.plugin.generation import MAIN
from kgrec.progress import Progress
from kgrec.significance import Interval, Paired, bootstrap, compare
from kgrec.types import canonical_id

if TYPE_CHECKING:
    from kgrec.plugin.domain import TextKind
    from kgrec.plugin.generation import TextRequest
    from kgrec.project import Project
    from kgrec.types import Reason

Source = Literal["template", "description", "accepted"]
SOURCES: tuple[Source, ...] = ("template", "description", "accepted")
_ASKED = "prompt"
"""Stands for any language model: requests then carry the prompt of their kind."""


@dataclass(frozen=True, slots=True)
class FineTuneOptions:
    """What a model is tuned on.

    Attributes:
        base: ``smollm2``, or a folder or name of a transformers model.
        out: folder of the adapters; None: the workspace's own, which ``--model tuned`` takes.
        kinds: of text; none: all of the domain.
        language: ``en`` or ``zh``; None: as in kgrec.toml.
        sources: of texts.
        items: items whose texts are learned from, at most.
        restart: begin anew.
    """

    base: str = PACKAGED
    out: Path | None = None
    kinds: tuple[str, ...] = ()
    language: str | None = None
    sources: tuple[Source, ...] = SOURCES
    items: int = 500
    restart: bool = False


@dataclass(frozen=True)
class FineTuneResult:
    """A tuned model, and how much likelier held-out texts became.

    Attributes:
        tuning: the tuning.
        before, after: mean loss of a token in nats over held-out items, with their intervals.
        change: ``after - before`` by item.
        sources: the same change for each source of texts.
    """

    tuning: Tuning
    before: Interval
    after: Interval
    change: Paired
    sources: dict[str, Paired]


def adapter_folder(project: Project) -> Path:
    """Return where the workspace's own tuned model lies."""
    return project.workspace.artifacts / TUNED


def finetune(project: Project, order: FineTuneOptions, settings: LoraSettings, progress: Progress) -> FineTuneResult:
    """Collect texts and tune; see :meth:`kgrec.project.Project.tune_writer`."""
    check_packages()
    if order.items < 1:
        raise UsageError("items must be at least 1")
    pairs = texts_of(project, order, settings.seed, settings.judged, progress)
    folder = order.out or adapter_folder(project)
    done = tune(order.base, pairs, folder, settings, restart=order.restart, progress=progress)
    return _judged(done, np.random.default_rng(settings.seed))


def texts_of(
    project: Project, order: FineTuneOptions, seed: int, judged: int, progress: Progress
) -> dict[Part, list[TextPair]]:
    """Return the texts of each part; parts share no item and no text.

    Args:
        project: the workspace.
        order: what texts.
        seed: draws items, readers and wordings.
        judged: items of the parts that are judged, at most.
        progress: told where it is.

    Raises:
        NotFoundError: the domain has no such kind.
        UsageError: a source or language is unknown.
        DataError: there are no texts, or none for some part.
    """
    unknown = [source for source in order.sources if source not in SOURCES]
    if unknown or not order.sources:
        raise UsageError(f"unknown source {unknown[0] if unknown else ''!r}", hint=", ".join(SOURCES))
    text_service = project.texts
    asked = text_service.resolved(GenerateOptions(language=order.language, model=_ASKED, seed=seed, variant=MAIN))
    wanted = [kind_of(project.domain, name) for name in order.kinds] or list(kinds_of(project.domain).values())
    ids: list[str] = project.dataset.items["item_id"].to_list()
    parts = split_items(ids, seed)
    found: dict[Part, list[TextPair]] = {part: [] for part in PARTS}
    with progress.task("collecting texts", total=len(PARTS)) as task:
        for part in PARTS:
            rng = np.random.default_rng([seed, PARTS.index(part)])
            mine = rng.permutation([k for k, name in enumerate(ids) if parts[name] == part])
            chosen = [int(k) for k in mine[: order.items if part == "train" else judged]]
            if "template" in order.sources:
                found[part] += _templates(text_service, wanted, chosen, asked, rng)
            if "description" in order.sources:
                found[part] += _descriptions(text_service, wanted, chosen, asked)
            rng.shuffle(found[part])
            task.advance()
    if "accepted" in order.sources:
        names = {kind.name for kind in wanted}
        for pair in _accepted(project, asked.language):
            if pair.kind in names:
                found[part_of(pair.items, parts)].insert(0, pair)
    if not any(found.values()):
        raise DataError(
            "there are no texts to learn from", hint="items need titles; other kinds or sources may have some"
        )
    return without_leaks(found)


def _templates(
    text_service: TextService,
    kinds: Sequence[TextKind],
    items: Sequence[int],
    asked: ResolvedOptions,
    rng: np.random.Generator,
) -> Iterator[TextPair]:
    """Yield what the template generator writes, each item in one kind after the other, for a reader who knows it."""
    template = TemplateGenerator()
    readers = _readers(text_service, items, rng)
    for kind in kinds:
        for group in [items[k : k + kind.max_items] for k in range(0, len(items), kind.max_items)]:
            user = readers.get(group[0], "") if kind.personal else ""
            if kind.personal and not user:
                continue
            reasons = _reasons(text_service, user, group, asked) if user else ()
            request = text_service.request(kind, group, asked, user_id=user, reasons=reasons)
            text = template.write([request], seed=int(rng.integers(2**31)))[0]
            if text:
                yield _pair(request, text, "template")


def _descriptions(
    text_service: TextService, kinds: Sequence[TextKind], items: Sequence[int], asked: ResolvedOptions
) -> Iterator[TextPair]:
    """Yield the first sentences of descriptions; their prompts do not hold the description, lest copying is learned."""
    kind = next((kind for kind in kinds if not kind.personal and kind.max_items == 1), None)
    if kind is None:
        return
    language, judge = asked.language, Languages()
    limit = kind.max_length.get(language, 60)
    for item in items:
        request = text_service.request(kind, [item], asked)
        described = next((fact.value for fact in request.facts if fact.type == "text"), "")
        text = shortened(described, language, limit)
        bare = replace(request, facts=tuple(fact for fact in request.facts if fact.type != "text"))
        if text and bare.facts and not judge.check(request, (), text):
            yield _pair(bare, text, "description")


def _accepted(project: Project, language: str) -> list[TextPair]:
    """Return the generated texts that readers or editors accepted, where the workspace keeps a record of them."""
    return [
        TextPair(one.prompt, one.text, one.item_ids, one.kind, "accepted")
        for one in project.feedback.accepted()
        if one.language == language
    ]


def _pair(request: TextRequest, text: str, source: Source) -> TextPair:
    prompt = request.prompt or default_prompt(f"{request.kind.name}.{request.language}")
    if prompt is None:
        raise DataError(f"there is no prompt for {request.kind.name}.{request.language}")
    return TextPair(render(prompt, request), text, request.item_ids, request.kind.name, source)


def _readers(text_service: TextService, items: Sequence[int], rng: np.random.Generator) -> dict[int, str]:
    """Return a user for each item that somebody touched before the test part begins."""
    import polars as pl

    dataset = text_service.dataset
    rows = dataset.interactions.filter((pl.col("split") != "test") & pl.col("item").is_in(list(items)))
    rows = rows.select("user", "item").unique(maintain_order=True)
    mixed = rows[rng.permutation(len(rows))].unique("item", keep="first", maintain_order=True)
    names = dataset.users["user_id"]
    return {int(item): str(names[int(user)]) for user, item in mixed.iter_rows()}


def _reasons(text_service: TextService, user: str, items: Sequence[int], asked: ResolvedOptions) -> tuple[Reason, ...]:
    """Return why the items would be recommended, or nothing before the first training."""
    ids = text_service.dataset.items["item_id"]
    try:
        listed = text_service.scored(user, [canonical_id(str(ids[item])) for item in items])
    except WorkspaceError:
        return ()
    return text_service.reasons(listed, asked.language)


def _judged(done: Tuning, rng: np.random.Generator) -> FineTuneResult:
    """Average the texts of an item, then over items: texts about one item are alike."""
    names = [",".join(pair.items) for pair in done.held_out]
    before, after = np.array(done.before), np.array(done.after)
    rows, own = np.unique(names, return_inverse=True)
    before_by, after_by = (_by(values, own, len(rows)) for values in (before, after))
    sources: dict[str, Paired] = {}
    for source in sorted({pair.source for pair in done.held_out}):
        at = np.array([pair.source == source for pair in done.held_out])
        n = len(rows)
        sources[source] = compare(_by(after[at], own[at], n), _by(before[at], own[at], n), rng)
    change = compare(after_by, before_by, rng)
    return FineTuneResult(done, bootstrap(before_by, rng), bootstrap(after_by, rng), change, sources)


def _by(values: NDArray[np.float64], own: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Return the mean of each group, NaN where it is empty; shapes ``(t,)``, ``(t,)`` -> ``(n,)``."""
    counts = np.bincount(own, minlength=n)
    sums = np.bincount(own, weights=values, minlength=n)
    means: NDArray[np.float64] = np.divide(sums, counts, out=np.full(n, np.nan), where=counts > 0)
    return means

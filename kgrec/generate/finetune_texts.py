"""What a language model is fine-tuned on: texts of the catalogue with the prompts that they answer, in three parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from kgrec.errors import DataError, UsageError, WorkspaceError
from kgrec.generate.guards.form import Languages
from kgrec.generate.kinds import kind_of, kinds_of
from kgrec.generate.parts import PROMPT
from kgrec.generate.prompts import render
from kgrec.generate.service import GenerateOptions, ResolvedOptions, TextService
from kgrec.generate.template import TemplateGenerator
from kgrec.languages.language import get_language
from kgrec.plugin.domain import default_prompt
from kgrec.plugin.generation import MAIN
from kgrec.plugin.options import Options
from kgrec.progress import Progress
from kgrec.text.tokens import sentences
from kgrec.types import canonical_id

if TYPE_CHECKING:
    from kgrec.generate.feedback.feedback import AcceptedText
    from kgrec.plugin.domain import TextKind
    from kgrec.plugin.generation import TextRequest
    from kgrec.types import Reason

Part = Literal["train", "validation", "held-out"]
PARTS: tuple[Part, ...] = ("train", "validation", "held-out")
Source = Literal["template", "description", "accepted"]
SOURCES: tuple[Source, ...] = ("template", "description", "accepted")


class FineTuneOptions(Options):
    """What a language model is fine-tuned on, and how (Hu et al., *LoRA*, ICLR 2022).

    Raises:
        UsageError: an option is unknown or out of range.
    """

    base: str = Field(description="a folder or name of a transformers model, or smollm2")
    out: Path | None = Field(None, description="folder of the adapters; None: the workspace's, for --model tuned")
    kinds: tuple[str, ...] = Field((), description="kinds of text; none: all of the domain")
    language: str | None = Field(None, description="its code; None: as in kgrec.toml")
    sources: tuple[Source, ...] = Field(SOURCES, min_length=1, description="of texts")
    items: int = Field(500, ge=1, description="items whose texts are learned from, at most")
    judged: int = Field(64, ge=1, description="texts of the validation and of the held-out part, at most")
    restart: bool = Field(False, description="start over instead of resuming")
    steps: int = Field(200, ge=1, description="of the optimiser, at most")
    patience: int = Field(4, ge=0, description="checks without a better validation loss that end it; 0: never")
    check_every: int = Field(20, ge=1, description="steps between checks, each of which can be resumed from")
    batch_size: int = Field(4, ge=1, description="texts a step")
    learning_rate: float = Field(
        5e-4, gt=0, lt=1, description="of AdamW, constant after the warm-up, so that a tuning can be lengthened"
    )
    warmup: int = Field(10, ge=0, description="steps until the learning rate is reached")
    rank: int = Field(8, ge=1, description="of the adapters, which sit on every linear layer but the last")
    alpha: int | None = Field(None, ge=1, description="adapters are scaled by alpha / rank; None: twice the rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="in front of the adapters")
    max_tokens: int = Field(1024, ge=8, description="pairs that are longer are left out")
    seed: int = Field(0, ge=0, description="of items, wordings, adapters, order and dropout")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where it computes; bfloat16 on a GPU")

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValueError as error:
            raise UsageError(str(error)) from None


@dataclass(frozen=True, slots=True)
class TextPair:
    """A prompt and the text that should follow it.

    Attributes:
        prompt: as a language model is asked at generation.
        text: what it should answer.
        items: ids of the items that the text is about.
        kind: of text.
        source: where the text is from.
    """

    prompt: str
    text: str
    items: tuple[str, ...]
    kind: str
    source: Source


def split_items(ids: Sequence[str], seed: int, *, share: float = 0.1) -> dict[str, Part]:
    """Put every item into one part: all texts about an item are then learned from, or none.

    Args:
        ids: of all items of the catalogue.
        seed: draws the items.
        share: of the items that are held out, and as many for validation; at least one each.

    Raises:
        DataError: there are fewer than three items.
    """
    if len(ids) < len(PARTS):
        raise DataError(
            f"a catalogue of {len(ids)} items cannot be split into train, validation and held-out",
            hint="at least three items are needed, and some hundred to learn anything",
        )
    names = sorted(ids)
    order = np.random.default_rng([seed, 0x10BA]).permutation(len(names))
    aside = min(max(1, round(share * len(names))), (len(names) - 1) // 2)
    parts: dict[str, Part] = dict.fromkeys(names, "train")
    parts |= {names[k]: "held-out" for k in order[:aside]}
    parts |= {names[k]: "validation" for k in order[aside : 2 * aside]}
    return parts


def part_of(items: Iterable[str], parts: Mapping[str, Part]) -> Part:
    """Return the part of a text about several items: what touches a held-out one is held out, whatever else it holds.

    Items that the catalogue no longer has are never held out.
    """
    found = {parts.get(item, "train") for item in items}
    return "held-out" if "held-out" in found else "validation" if "validation" in found else "train"


def without_leaks(pairs: Mapping[Part, Sequence[TextPair]]) -> dict[Part, list[TextPair]]:
    """Take out of each part every text that stands word for word in a part that is judged; items may be twins.

    Raises:
        DataError: a part has no texts left.
    """
    seen: set[str] = set()
    clean: dict[Part, list[TextPair]] = {}
    for part in reversed(PARTS):
        mine = [pair for pair in pairs.get(part, ()) if pair.text.strip() and _folded(pair.text) not in seen]
        seen |= {_folded(pair.text) for pair in mine}
        clean[part] = list({(pair.prompt, pair.text): pair for pair in mine}.values())
    for part in PARTS:
        if not clean[part]:
            raise DataError(
                f"there are no texts for the part {part!r}", hint="a larger catalogue, or more kinds or sources"
            )
    return {part: clean[part] for part in PARTS}


def shortened(text: str, code: str, limit: int) -> str:
    """Return the first sentences of a text that fit into ``limit`` words or characters, or nothing.

    >>> shortened("A quiet film. It is long. And so on and on.", "en", 6)
    'A quiet film. It is long.'
    >>> shortened("很安静的电影。片子很长。", "zh", 8)
    '很安静的电影。'
    """
    pack = get_language(code)
    kept: list[str] = []
    for sentence in sentences(text):
        if pack.size(pack.joined([*kept, sentence])) > limit:
            break
        kept.append(sentence)
    return pack.joined(kept)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def texts_of(
    service: TextService,
    accepted: Callable[[], Iterable[AcceptedText]],
    options: FineTuneOptions,
    progress: Progress,
) -> dict[Part, list[TextPair]]:
    """Return the texts of each part; parts share no item and no text.

    Args:
        service: writes requests and the template's texts.
        accepted: returns the generated texts that readers or editors accepted.
        options: what texts.
        progress: told where it is.

    Raises:
        NotFoundError: the domain has no such kind.
        DataError: there are no texts, or none for some part.
    """
    seed = options.seed
    asked = service.resolved(GenerateOptions(language=options.language, model=PROMPT, seed=seed, variant=MAIN))
    wanted = [kind_of(service.domain, name) for name in options.kinds or kinds_of(service.domain)]
    wanted = [kind for kind in wanted if not kind.approved]  # these quote; no model words them
    ids: list[str] = service.dataset.items["item_id"].to_list()
    parts = split_items(ids, seed)
    found: dict[Part, list[TextPair]] = {part: [] for part in PARTS}
    with progress.task("collecting texts", total=len(PARTS)) as task:
        for part in PARTS:
            rng = np.random.default_rng([seed, PARTS.index(part)])
            mine = rng.permutation([k for k, name in enumerate(ids) if parts[name] == part])
            chosen = [int(k) for k in mine[: options.items if part == "train" else options.judged]]
            if "template" in options.sources:
                found[part] += _templates(service, wanted, chosen, asked, rng)
            if "description" in options.sources:
                found[part] += _descriptions(service, wanted, chosen, asked)
            rng.shuffle(found[part])
            task.advance()
    if "accepted" in options.sources:
        names = {kind.name for kind in wanted}
        for one in accepted():
            if one.kind in names and one.language == asked.language:
                pair = TextPair(one.prompt, one.text, one.item_ids, one.kind, "accepted")
                found[part_of(pair.items, parts)].insert(0, pair)
    if not any(found.values()):
        raise DataError(
            "there are no texts to learn from", hint="items need titles; other kinds or sources may have some"
        )
    return without_leaks(found)


def _templates(
    service: TextService,
    kinds: Sequence[TextKind],
    items: Sequence[int],
    asked: ResolvedOptions,
    rng: np.random.Generator,
) -> Iterator[TextPair]:
    """Yield what the template generator writes, each item in one kind after the other, for a reader who knows it."""
    template = TemplateGenerator()
    readers = _readers(service, items, rng)
    for kind in kinds:
        for group in [items[k : k + kind.max_items] for k in range(0, len(items), kind.max_items)]:
            user = readers.get(group[0], "") if kind.personal else ""
            if kind.personal and not user:
                continue
            reasons = _reasons(service, user, group, asked) if user else ()
            request = service.request(kind, group, asked, user_id=user, reasons=reasons)
            text = template.write([request], seed=int(rng.integers(2**31)))[0]
            if text:
                yield _pair(request, text, "template")


def _descriptions(
    service: TextService, kinds: Sequence[TextKind], items: Sequence[int], asked: ResolvedOptions
) -> Iterator[TextPair]:
    """Yield the first sentences of descriptions; their prompts leave them out, so that copying is not learned."""
    kind = next((kind for kind in kinds if not kind.personal and kind.max_items == 1), None)
    if kind is None:
        return
    language, judge = asked.language, Languages()
    limit = kind.max_length.get(language, 60)
    for item in items:
        request = service.request(kind, [item], asked)
        described = next((fact.value for fact in request.facts if fact.type == "text"), "")
        text = shortened(described, language, limit)
        bare = replace(request, facts=tuple(fact for fact in request.facts if fact.type != "text"))
        if text and bare.facts and not judge.check(request, (), text):
            yield _pair(bare, text, "description")


def _pair(request: TextRequest, text: str, source: Source) -> TextPair:
    prompt = request.prompt or default_prompt(f"{request.kind.name}.{request.language}")
    if prompt is None:
        raise DataError(f"there is no prompt for {request.kind.name}.{request.language}")
    return TextPair(render(prompt, request), text, request.item_ids, request.kind.name, source)


def _readers(service: TextService, items: Sequence[int], rng: np.random.Generator) -> dict[int, str]:
    """Return a user for each item that somebody touched before the test part begins."""
    import polars as pl

    dataset = service.dataset
    rows = dataset.interactions.filter((pl.col("split") != "test") & pl.col("item").is_in(list(items)))
    rows = rows.select("user", "item").unique(maintain_order=True)
    mixed = rows[rng.permutation(len(rows))].unique("item", keep="first", maintain_order=True)
    names = dataset.users["user_id"]
    return {int(item): str(names[int(user)]) for user, item in mixed.iter_rows()}


def _reasons(service: TextService, user: str, items: Sequence[int], asked: ResolvedOptions) -> tuple[Reason, ...]:
    """Return why the items would be recommended, or nothing before the first training."""
    ids = service.dataset.items["item_id"]
    try:
        listed = service.scored(user, [canonical_id(str(ids[item])) for item in items])
    except WorkspaceError:
        return ()
    return service.reasons(listed, asked.language)

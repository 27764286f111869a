"""From requests to texts: drafts, guards, the best of several, one repair, and the template where all else fails."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from kgrec.errors import DataError, GuardRefusedError, KgrecError, ModelError, PartError, PluginError
from kgrec.generate.drafts import for_reader, has_room, scores, settled, shortened, speaks_to_reader, with_sentence
from kgrec.generate.names import masked, spans_of
from kgrec.generate.prompts import PromptGenerator, first_line, is_small, unquoted, version_of
from kgrec.generate.template import TemplateGenerator
from kgrec.plugin.domain import PromptTemplate, default_prompt
from kgrec.plugin.generation import GeneratedText, TextCandidate, TextChange, TextRequest, Violation
from kgrec.plugin.protocols import Generator, Guard, LanguageModel, ScoringModel, StreamingModel
from kgrec.text.sanitize import forbidden

_DEAD = (ModelError, DataError, PartError)
"""What a model raises that cannot be used: no answer, a missing package, a missing or damaged file."""

Watch = Callable[[str], None]
"""Told the pieces of a draft as they are made."""


LONGEST_DRAFT = 20_000
"""Characters of an answer that guards look at; a longer one is refused unseen."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What was written for a request.

    Attributes:
        text: the draft.
        problems: what guards have against it.
        changes: what it lost.
    """

    text: str
    problems: tuple[Violation, ...] = ()
    changes: tuple[TextChange, ...] = ()


_Drafts = list[Draft]


@dataclass(frozen=True)
class Writer:
    """Writes texts that guards let pass: by a generator, and by the template where that fails.

    A dead model is noticed once: what remains is then written by the template.

    Attributes:
        guards: asked in turn; a text is shown only if none of them objects.
        model: the language model, or None.
        generator: writes the drafts; None: the prompt generator where there is a model, else nobody: templates only.
        name: who writes the drafts, for the record; empty: the model's name.
        template: steps in where the drafts fail.
        repair_prompts: language -> prompt of the second attempt; a language without one is not repaired.
        personal_prompts: language -> prompt of a sentence for the reader, for texts that have none.
        candidates: drafts a text at most; none is asked for after one that is good enough.
        repair: try once more with the faults named.
        judge: asked last, about drafts that no guard objects to.
        keep: draw all candidates and hand them back; without a generator the template draws them.
    """

    guards: Sequence[Guard]
    model: LanguageModel | None = None
    generator: Generator | None = None
    name: str = ""
    template: Generator = field(default_factory=TemplateGenerator)
    repair_prompts: Mapping[str, PromptTemplate] = field(default_factory=dict)
    personal_prompts: Mapping[str, PromptTemplate] = field(default_factory=dict)
    candidates: int = 1
    repair: bool = True
    judge: Guard | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        """Put the prompt generator in front of a model that has no other."""
        if self.generator is None and self.model is not None:
            object.__setattr__(self, "generator", PromptGenerator())

    def write(
        self,
        requests: Sequence[TextRequest],
        *,
        seed: int,
        user_ids: Sequence[str] = (),
        watch: Watch | None = None,
        allow_fallback: bool = True,
    ) -> list[GeneratedText]:
        """Write a text for each request.

        Args:
            requests: what is wanted.
            seed: another seed gives other texts.
            user_ids: the readers, one a request; for the record only.
            watch: told the pieces of the first draft, where the model can be watched and there is one request.
            allow_fallback: let the template step in; otherwise a text that does not pass is an error.

        Raises:
            GuardRefusedError: nothing passed, and no fallback was allowed.
        """
        users = list(user_ids) or [""] * len(requests)
        started = time.perf_counter()
        drafts, note = self._drafts(requests, seed, watch)
        if note and not allow_fallback:
            raise GuardRefusedError(note, hint="see `kgrec doctor`, or let the template step in")
        spent = (time.perf_counter() - started) / max(len(requests), 1)
        return [
            self._finish(request, made, user, seed, note, spent, allow_fallback)
            for request, made, user in zip(requests, drafts, users, strict=True)
        ]

    def check(self, request: TextRequest, text: str) -> list[Violation]:
        """Return what the guards have against a text."""
        if len(text) > LONGEST_DRAFT:
            return [Violation("length", f"{len(text)} characters are no text", text[:40])]
        found = gate(request, text)
        return found or [each for guard in self.guards for each in _asked(guard, request, text)]

    def judged(self, request: TextRequest, text: str) -> list[Violation]:
        """Return what the guards have against a text; where they have nothing, what the judge has."""
        found = self.check(request, text)
        return found if found or self.judge is None else self.judge.check(request, request.facts, text)

    def _drafts(self, requests: Sequence[TextRequest], seed: int, watch: Watch | None) -> tuple[list[_Drafts], str]:
        """Return drafts of each request, and why there are none where the model failed."""
        drafts: list[_Drafts] = [[] for _ in requests]
        note = ""
        if not requests or (self.generator is None and not self.keep):
            return drafts, note
        for number in range(self.candidates):
            open_ = [
                k
                for k, made in enumerate(drafts)
                if not _unknown(requests[k])
                and (self.keep or not any(settled(requests[k], draft.text) for draft in _passed(made)))
            ]
            if not open_:
                break
            try:
                texts = self._asked([requests[k] for k in open_], seed + number, watch if number == 0 else None)
            except _DEAD as error:
                note = error.message
                break
            for k, text in zip(open_, texts, strict=True):
                found = self.judged(requests[k], text) if text else []
                drafts[k].append(Draft(text[:LONGEST_DRAFT], tuple(found)))
                if found and len(text) <= LONGEST_DRAFT:
                    shorter, cut = shortened(text, requests[k], partial(self.check, requests[k]))
                    drafts[k] += [Draft(shorter, tuple(self.judged(requests[k], shorter)), cut)] if shorter else []
        return drafts, "" if any(drafts) else note

    def _asked(self, requests: Sequence[TextRequest], seed: int, watch: Watch | None) -> list[str]:
        generator, model = self.generator or self.template, self.model
        if watch is not None and len(requests) == 1 and isinstance(model, StreamingModel):
            model = _Watched(model, watch)
        name = self.name or "prompt"
        try:
            texts = generator.write(requests, model=model, seed=seed)
        except KgrecError:
            raise
        except Exception as error:
            raise PluginError(f"the generator {name!r} failed in write: {type(error).__name__}: {error}") from error
        if len(texts) != len(requests) or not all(isinstance(text, str) for text in texts):
            raise PluginError(f"the generator {name!r} did not return one text for each of {len(requests)} requests")
        return texts

    def _finish(
        self, request: TextRequest, made: _Drafts, user: str, seed: int, note: str, spent: float, allow_fallback: bool
    ) -> GeneratedText:
        started = time.perf_counter()
        judged = self._judged(request, made if self.keep else _passed(made))
        best = max(_passed(made), key=lambda draft: judged.get(draft.text, {}).get("total", 0.0), default=Draft(""))
        text, changes = best.text, best.changes
        faults = [found for draft in made for found in draft.problems if not text or changes]
        first = next((draft.text for draft in made if draft.text), "")
        why = faults[0].message if faults else ""
        repaired = False
        if not text and made and self.repair:
            text, further = self._repaired(request, made, seed)
            faults += further
            repaired = bool(text)
            changes = (TextChange("repaired", first, why),) if repaired else ()
        if text:
            text, added = self._to_reader(request, text, seed)
            changes += (TextChange("added", added),) if added else ()
        if not text and not allow_fallback and self.generator is not None:
            told = "; ".join(dict.fromkeys(fault.message for fault in faults)) or "nothing was written"
            raise GuardRefusedError(f"no text passed: {told}", hint="try --candidates 4, or another model")
        by_template = not text or self.generator is None
        author = "template" if by_template else self.name or (self.model.name if self.model else "")
        if not text:
            text = self._by_template(request, seed)
            changes = (TextChange("replaced", first, why),) if first else ()
        return GeneratedText(
            text=text,
            kind=request.kind.name,
            language=request.language,
            model=author,
            user_id=user,
            item_ids=request.item_ids,
            facts=request.facts,
            violations=tuple(dict.fromkeys(faults)),
            changes=changes,
            repaired=repaired,
            fallback=by_template and self.generator is not None,
            seconds=round(spent + time.perf_counter() - started, 4),
            prompt="" if by_template else self._prompt_of(request),
            note=note,
            text_id=text_id(user, request, text, author),
            scores=judged.get(best.text, {}),
            variant=request.variant,
            topics=request.topics,
            candidates=tuple(
                TextCandidate(draft.text, draft.problems, draft.changes, judged.get(draft.text, {}))
                for draft in {draft.text: draft for draft in reversed(made if self.keep else []) if draft.text}.values()
            )[::-1],
        )

    def _by_template(self, request: TextRequest, seed: int) -> str:
        """Return the template's text, if anything is known; facts that no text may hold are left out of it."""
        if _unknown(request):
            return ""
        text = self.template.write([request], model=None, seed=seed)[0]
        while found := gate(request, text):
            held = tuple(fact for fact in request.facts if fact.value in text and gate(request, fact.value))
            held = held or tuple(fact for fact in request.facts if fact.type not in ("title", "text"))[-1:]
            if not held:
                raise GuardRefusedError(f"the template's text: {found[0].message}", hint="see the item's facts")
            request = replace(request, facts=tuple(fact for fact in request.facts if fact not in held))
            text = self.template.write([request], model=None, seed=seed)[0]
        return text

    def _judged(self, request: TextRequest, drafts: Sequence[Draft]) -> dict[str, dict[str, float]]:
        """Return what the reranker makes of each draft, by its text; of a single one nothing, unless all are kept."""
        if len(drafts) < 2 and not self.keep:
            return {}
        texts = list(dict.fromkeys(draft.text for draft in drafts if draft.text))
        likelihoods = [math.nan] * len(texts)
        if isinstance(self.model, ScoringModel):
            try:
                likelihoods = self.model.log_likelihood([""] * len(texts), texts)
            except _DEAD:
                likelihoods = [math.nan] * len(texts)  # fluency then decides nothing
        return dict(zip(texts, scores(request, texts, likelihoods), strict=True))

    def _repaired(self, request: TextRequest, made: _Drafts, seed: int) -> tuple[str, list[Violation]]:
        template = self.repair_prompts.get(request.language)
        tried = min((one for one in made if one.text), key=lambda one: len(one.problems), default=Draft(""))
        draft, problems = tried.text, tried.problems
        if template is None or not draft or self.model is None or not isinstance(self.generator, PromptGenerator):
            return "", []
        try:
            text = self.generator.repair(
                request, draft, problems, template=template, model=self.model, seed=seed + self.candidates
            )
        except _DEAD:
            return "", []
        found = self.judged(request, text) if text else []
        return ("" if found else text), found

    def _to_reader(self, request: TextRequest, text: str, seed: int) -> tuple[str, str]:
        """Return a text that speaks to its reader, and the sentence put behind it, if it had none and one passes."""
        asked, template = for_reader(request), self.personal_prompts.get(request.language)
        if asked is None or template is None or self.model is None or not isinstance(self.generator, PromptGenerator):
            return text, ""
        if speaks_to_reader(request, text) or not has_room(request, text):
            return text, ""
        seeds = range(seed, seed + max(self.candidates, 1))
        try:
            for sentence in self.generator.sentence(asked, template=template, model=self.model, seeds=seeds):
                whole = with_sentence(text, sentence, request.language)
                if sentence and speaks_to_reader(request, sentence) and not self.judged(request, whole):
                    return whole, sentence
        except _DEAD:
            return text, ""  # it is true, and for everybody
        return text, ""

    def _prompt_of(self, request: TextRequest) -> str:
        if not isinstance(self.generator, PromptGenerator):
            return ""
        template = request.prompt or default_prompt(f"{request.kind.name}.{request.language}")
        return version_of(template) if template else ""


def _asked(guard: Guard, request: TextRequest, text: str) -> list[Violation]:
    """Return what a guard has against a text; one that fails refuses it."""
    try:
        return guard.check(request, request.facts, text)
    except PartError as error:
        return [Violation("broken", error.message)]


def _unknown(request: TextRequest) -> bool:
    """Say whether nothing is known of the items, and there is no reader to whom they are suggested all the same."""
    return not (request.facts or request.kind.personal)


def _passed(made: _Drafts) -> list[Draft]:
    """Return the drafts that guards let pass, each text once; those that lost nothing first."""
    passed = {draft.text: draft for draft in reversed(made) if draft.text and not draft.problems}
    return sorted(passed.values(), key=lambda draft: len(draft.changes))


def gate(request: TextRequest, text: str) -> list[Violation]:
    """Return what no text may hold, whoever wrote it; what the domain allows may stand where a fact has it."""
    found = forbidden(text)
    if found and request.allowed:
        covered = masked(text, spans_of(text, request.facts))
        found = [
            (what, said) for what, said in found if what not in request.allowed or what in dict(forbidden(covered))
        ]
    return [
        Violation("gate", f"no text may hold this ({what}): {said.strip()[:40]!r}", said[:40]) for what, said in found
    ]


class _Watched:
    """A streaming model that tells somebody else what it says."""

    def __init__(self, model: StreamingModel, watch: Watch) -> None:
        self._model, self._watch = model, watch

    @property
    def name(self) -> str:
        return self._model.name

    def complete(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        seed: int,
        schema: Mapping[str, object] | None = None,  # noqa: ARG002
    ) -> list[str]:
        answers = []
        for prompt in prompts:
            text = ""
            for piece in self._model.stream(prompt, max_new_tokens=max_new_tokens, seed=seed):
                text += piece
                self._watch(piece)
            answers.append(first_line(text) if is_small(self._model) else unquoted(text))
        return answers


def text_id(user: str, request: TextRequest, text: str, author: str) -> str:
    """Return an id that is the same for the same user, items, kind, language, text, author and variant of the prompt.

    The author and the variant belong to it, because feedback on the text is feedback on them.
    """
    written = (request.kind.name, request.language, author, request.variant, request.version, text)
    parts = "\x1f".join((user, *request.item_ids, *written))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]

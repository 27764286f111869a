"""What writing texts needs from an open workspace: facts, profiles, names, prompts, models, guards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kgrec.data.values import canonical_id
from kgrec.errors import KgrecError, UsageError
from kgrec.generate.facts import FactBook, numbered
from kgrec.generate.kinds import cues_of
from kgrec.generate.names import NameIndex
from kgrec.generate.options import GenerateOptions
from kgrec.generate.pipeline import Writer
from kgrec.generate.profile import InterestProfile, Profiler
from kgrec.generate.prompts import check_prompt
from kgrec.generate.topics import Steering, merged, stressed
from kgrec.generate.variants import TEMPLATE, Variants
from kgrec.plugin.generation import Fact, GeneratedText, PromptTemplate, TextRequest

if TYPE_CHECKING:
    from kgrec.plugin.domain import TextKind
    from kgrec.plugin.protocols import Guard, LanguageModel
    from kgrec.project import Project
    from kgrec.types import ItemList, Reason

TUNED = "tuned-writer"
"""Folder of the artifacts where `kgrec generate tune` puts the workspace's own model."""
VERBS: Mapping[str, str] = {
    "put in your cart": "picked out",
    "put into your cart": "picked out",
    "put on your list": "saved",
    "put on your wish list": "saved",
    "评过分": "评价过",
}
"""Verbs that cannot stand between a person and a title, and what is said instead."""


@dataclass
class TextService:
    """Everything that writing needs from an open workspace, made when it is first used and kept."""

    project: Project
    _books: dict[str, FactBook] = field(default_factory=dict)
    _explainers: dict[str, Any] = field(default_factory=dict)
    _models: dict[str, LanguageModel | None] = field(default_factory=dict)
    _parts: tuple[int, dict[str, Any]] | None = None
    notes: dict[str, str] = field(default_factory=dict)

    def language(self, options: GenerateOptions) -> str:
        """Return the language of a options."""
        config = self.project.config
        language = options.language or config.generate.language or config.recommend.language
        if language not in ("en", "zh"):
            raise UsageError(f"there are no texts in {language!r}", hint="en or zh")
        return str(language)

    def tone(self, options: GenerateOptions) -> str:
        """Return the tone of a options."""
        from kgrec.generate.phrases import TONES

        tone = options.tone or self.project.config.generate.tone
        if tone not in TONES:
            raise UsageError(f"unknown tone {tone!r}", hint=f"one of {', '.join(TONES)}")
        return tone

    @cached_property
    def variants(self) -> Variants:
        """The prompts and phrases there are of each kind."""
        return Variants(self.project)

    @cached_property
    def profiler(self) -> Profiler:
        """Describes users."""
        project = self.project
        weights: dict[str, float] = dict(project.domain.action_weights)
        weights.update({str(action): w for action, w in project.config.feedback.action_weights.items()})
        rows = project.dataset.interactions["split"] != "test"
        return Profiler(project.dataset, project.graph, action_weights=weights, rows=rows)

    @cached_property
    def names(self) -> NameIndex:
        """All names of the workspace."""
        import polars as pl

        nodes = self.project.graph.nodes.filter(pl.col("kind") != "user")
        named = nodes.filter((pl.col("label") != pl.col("key")) | (pl.col("kind") == "item"))
        aliases = named["aliases"].explode().drop_nulls()
        return NameIndex([*named["label"].to_list(), *aliases.to_list()])

    def book(self, language: str) -> FactBook:
        """Return the facts of the workspace, labelled in ``language``."""
        if language not in self._books:
            project = self.project
            self._books[language] = FactBook(
                project.dataset, project.graph, project.domain, language, self.verbs(language)
            )
        return self._books[language]

    def verbs(self, language: str) -> dict[str, str]:
        """Return how past actions are named in front of a title."""
        from kgrec.explain.wording import VERBS as COMMON

        worded = {**COMMON, **self.project.domain.user_verb}
        verbs = {action: by.get(language, by.get("en", "")) for action, by in worded.items()}
        return {action: VERBS.get(verb, verb) for action, verb in verbs.items()}

    def profile(self, user_id: str) -> InterestProfile:
        """Return the interests of a user."""
        position = int(self.project.dataset.user_positions([canonical_id(user_id)])[0])
        return self.profiler.profile(position, evidence=False)

    @cached_property
    def _steering(self) -> Steering:
        from kgrec.generate.latent_topics import make_steering

        return make_steering(self.project, self.profiler)

    def steered(self, profile: InterestProfile, options: GenerateOptions) -> tuple[InterestProfile, bool]:
        """Return a profile with what the latent generator foresees, and whether that was asked for and possible.

        Raises:
            UsageError: there is no such way to steer.
            UserError: the workspace has no latent generator.
        """
        by = options.steer or self.project.config.generate.steer
        if by not in ("profile", "latent"):
            raise UsageError(f"texts cannot be steered by {by!r}", hint="profile or latent")
        if by == "profile" or not profile.user_id:
            return profile, False
        foreseen = self._steering.interests(profile.user_id)
        return (replace(profile, interests=merged(profile.interests, foreseen)), True) if foreseen else (profile, False)

    def prompt(self, task: str) -> PromptTemplate | None:
        """Return the prompt of a task, checked."""
        found = self.project.manager.prompt_template(self.project.domain.name, task)
        return check_prompt(found) if found else None

    def request(
        self,
        kind: TextKind,
        items: Sequence[int],
        options: GenerateOptions,
        *,
        user_id: str = "",
        reasons: Sequence[Reason] = (),
    ) -> TextRequest:
        """Collect what may be said about ``items`` (positions) to a user.

        Args:
            kind: of text.
            items: positions in the vocabulary.
            options: language, tone, model.
            user_id: for whom; empty for nobody in particular.
            reasons: why each item was recommended, or empty.
        """
        language = self.language(options)
        book = self.book(language)
        profile, foreseen = self.steered(self.profile(user_id) if user_id else InterestProfile(""), options)
        facts: list[Fact] = []
        for k, item in enumerate(items):
            facts += book.items([item])[0]
            if user_id:
                facts += book.personal(item, profile, reasons[k] if k < len(reasons) else None)
        domain, model = self.project.domain, self.named(options)
        facts, topics = stressed(facts, profile.interests) if foreseen else (facts, ())
        ids = self.project.dataset.items["item_id"]
        item_ids = tuple(str(ids[item]) for item in items)
        chosen = self.variants.choose(kind, language, model, options.variant, self.seed(options), (user_id, *item_ids))
        return TextRequest(
            kind=kind,
            facts=numbered(facts),
            topics=topics,
            language=language,
            tone=self.tone(options),
            interests=profile.interests,
            noun=domain.item_noun.get(language, "item" if language == "en" else "物品"),
            item_ids=item_ids,
            key=_key(user_id),
            prompt=chosen.prompt,
            variant=chosen.name,
            version=chosen.version,
            known=self.names if model != TEMPLATE else None,
            cues=cues_of(domain, language),
            private=tuple(filter(None, (user_id, *profile.own_words))),
        )

    def seed(self, options: GenerateOptions) -> int:
        """Return the seed of a options."""
        return self.project.config.seed if options.seed is None else options.seed

    def named(self, options: GenerateOptions) -> str:
        """Return the name of the model of a options."""
        return options.model or self.project.config.generate.model

    def writer(self, options: GenerateOptions) -> Writer:
        """Return the writer of a options; a model that cannot be made leaves a note in :attr:`notes`."""
        model = self.model(self.named(options))
        generate = self.project.config.generate
        repair, personal = (
            {language: found for language in ("en", "zh") if (found := self.prompt(f"{task}.{language}"))}
            for task in ("repair", "personal")
        )
        return Writer(
            self.guards() if model is not None else (),
            model,
            repair_prompts=repair,
            personal_prompts=personal,
            candidates=options.candidates or generate.candidates,
            repair=generate.repair,
        )

    def guards(self) -> list[Guard]:
        """Return the guards in force, by rank."""
        config = self.project.config
        registry = self.project.manager.registry("guard")
        names = config.generate.guards if config.generate.guards is not None else list(registry)
        specs = sorted((registry[name] for name in names), key=lambda spec: spec.rank)
        return [spec.build(config.guards.get(spec.name), table=f"guards.{spec.name}") for spec in specs]

    def record(self, requests: Sequence[TextRequest], texts: Sequence[GeneratedText], options: GenerateOptions) -> None:
        """Keep texts on record where ``generate.record`` says so, for feedback on them."""
        if self.project.config.generate.record:
            from kgrec.generate.reader_feedback import record

            record(self, requests, texts, options)

    def model(self, named: str) -> LanguageModel | None:
        """Build a language model; one that lacks a package or a file is told in :attr:`notes`, and is None.

        Raises:
            NotFoundError: there is no model of that name.
            ConfigError: an option is unknown or unusable.
        """
        if named == TEMPLATE:
            return None
        if named not in self._models:
            from kgrec.errors import ConfigError

            name, colon, which = named.partition(":")
            spec = self.project.manager.registry("language model")[name]
            options = dict(self.project.config.language_models.get(name, {}))
            if colon:
                options[{"smollm2": "path", "recorded": "file", "tuned": "folder"}.get(name, "model")] = which
            elif name == "tuned":
                options.setdefault("folder", str(self.project.workspace.artifacts / TUNED))
            try:
                self._models[named] = spec.build(options, table=f"language_models.{name}")
            except ConfigError:
                raise
            except KgrecError as error:
                self.notes[named] = f"{error.message}; {error.hint}" if error.hint else error.message
                self._models[named] = None
        return self._models[named]

    def listed(self, user_id: str, ids: Sequence[str]) -> ItemList:
        """Return items as a list for a user, with what each scorer contributes, so that it can be explained.

        Raises:
            NotFoundError: the user is unknown.
        """
        from kgrec.types import ItemList

        project, user = self.project, canonical_id(user_id)
        project.dataset.user_positions([user])
        ranker = project.ranker
        position = ranker.user_positions.get(user)
        if position is None or any(item not in ranker.item_positions for item in ids):
            return ItemList(user, tuple(ids), np.arange(0), np.zeros(len(ids), dtype=np.float32))
        at = np.array([ranker.item_positions[item] for item in ids], dtype=np.int64)
        users = np.array([position], dtype=np.int64)
        if self._parts is None or self._parts[0] != position:
            self._parts = (position, ranker.parts(users))
        parts = dict(self._parts[1])
        scores = ranker.fused(parts, users)[0, at]
        return ItemList(user, tuple(ids), at, scores, {name: part[0, at] for name, part in parts.items()})

    def reasons(self, found: ItemList, language: str) -> tuple[Reason, ...]:
        """Return why each item of a list was recommended, worded in ``language``."""
        from kgrec.explain.reasons import Explainer
        from kgrec.types import Profile

        project = self.project
        if language not in self._explainers:
            self._explainers[language] = Explainer(
                project.dataset, project.graph, project.domain, project.ranker, language=language
            )
        position = project.ranker.user_positions.get(found.user_id)
        user = None if position is None else np.array([position], dtype=np.int64)
        if user is None or len(found.items) != len(found):  # came after training
            return ()
        reasons: tuple[Reason, ...] = self._explainers[language].reasons(found, user=user, profile=Profile())
        return reasons


def _key(user_id: str) -> str:
    import hashlib

    return hashlib.sha256(user_id.encode()).hexdigest()[:12] if user_id else ""

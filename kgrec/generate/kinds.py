"""The kinds of text of a domain, the variants of prompts and phrases of each, and the choice among these."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kgrec.errors import NotFoundError, PluginError
from kgrec.generate.feedback.bandit import Arm, arms_of, choose, draw_key
from kgrec.generate.feedback.exposures import exposures
from kgrec.generate.prompts import check_prompt, short_hash
from kgrec.generate.template import COMMON, kind_text
from kgrec.languages import DEFAULT, languages
from kgrec.languages.language import get_language
from kgrec.plugin.domain import SMALL, Domain, PromptTemplate, TextKind
from kgrec.plugin.files import read_kinds
from kgrec.plugin.generation import MAIN

if TYPE_CHECKING:
    import polars as pl

    from kgrec.config import GenerateConfig
    from kgrec.generate.feedback.store import FeedbackStore
    from kgrec.plugin.manager import PluginManager


def _phrases(name: str) -> dict[str, str]:  # noqa: ARG001  # the same for every kind
    return {code: COMMON.format(code) for code in languages()}


GENERIC = read_kinds("kgrec.languages", "kinds.toml", _phrases)
"""The kinds of text that items of any field can have."""

BLURB = GENERIC[0]


def kinds_of(domain: Domain) -> dict[str, TextKind]:
    """Return the kinds of ``domain`` by name, the usual one first, then those that items of any field can have."""
    own = {kind.name: kind for kind in domain.kinds}
    phrases = next((kind.phrases for kind in domain.kinds if kind.plan), {})
    common = {kind.name: replace(kind, phrases={**kind.phrases, **_main(phrases)}) for kind in GENERIC}
    return {**own, **{name: kind for name, kind in common.items() if name not in own}}


def _main(phrases: Mapping[str, str]) -> dict[str, str]:
    """Return the phrases without those of variants."""
    return {code: target for code, target in phrases.items() if "@" not in code}


def kind_of(domain: Domain, name: str | None) -> TextKind:
    """Return the kind ``name``, or the domain's usual one for None.

    Raises:
        NotFoundError: the domain has no such kind.
    """
    kinds = kinds_of(domain)
    if name is None:
        return next(iter(kinds.values()))
    if name not in kinds:
        raise NotFoundError.of("kind of text", name, kinds, where=f"domain {domain.name!r}")
    return kinds[name]


def cues_of(domain: Domain, code: str) -> dict[str, tuple[str, ...]]:
    """Return the words that state each relation of ``domain`` in a language: its label, and what the domain adds."""
    found, spaced = {}, get_language(code).spaced
    for relation in domain.relation_types:
        label = relation.labels.get(code, relation.label if code == DEFAULT else "")
        # A single word ("in", "about", "rated") stands in too many sentences to state one relation.
        telling = " " in label if spaced else bool(label)
        labels = (f"{label} {{}}" if spaced else f"{label}{{}}",) if telling else ()
        found[relation.name] = (*labels, *domain.cues.get(code, {}).get(relation.name, ()))
    return found


TEMPLATE = "template"
FRESH = 60.0
"""Seconds for which exposures are taken as they were: time alone makes some of them old enough to be judged."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to ask for a kind of text.

    Attributes:
        name: ``main``, or as the plugin calls it.
        version: of the prompt, or of the phrases where the template writes.
        prompt: for a language model, or None.
    """

    name: str
    version: str
    prompt: PromptTemplate | None = None


class Variants:
    """The variants of a domain's kinds of text; what feedback tells of them is read when it is needed.

    Args:
        manager: the plugins, which give the prompts.
        domain: whose kinds.
        settings: how a variant is chosen, and by what reward.
        store: the feedback on record.
        small: says of a model's name whether it calls itself small: it then has the prompt ``small`` for its main one.
    """

    def __init__(
        self,
        manager: PluginManager,
        domain: Domain,
        settings: GenerateConfig,
        store: FeedbackStore,
        small: Callable[[str], bool],
    ) -> None:
        self._small = small
        self._manager, self._domain, self._settings, self._store = manager, domain, settings, store
        self._known: dict[tuple[str, str, bool, bool], dict[str, Variant]] = {}
        self._arms: dict[tuple[str, str, str], list[Arm]] = {}
        self._exposed: tuple[object, float, pl.DataFrame] | None = None

    def of(self, kind: TextKind, language: str, model: str) -> dict[str, Variant]:
        """Return the variants of a kind in a language by name, the main one first.

        Raises:
            PluginError: a plugin names a prompt that it does not give.
        """
        by_template = model == TEMPLATE
        small = not by_template and self._small(model)
        key = (kind.name, language, by_template, small)
        if key not in self._known:
            found = self._phrases(kind, language) if by_template else self._prompts(kind, language, small)
            self._known[key] = {variant.name: variant for variant in found}
        return self._known[key]

    def choose(
        self, kind: TextKind, language: str, model: str, named: str | None, seed: int, about: tuple[str, ...]
    ) -> Variant:
        """Return the variant that writes a text.

        Args:
            kind: of the text.
            language: of the text.
            model: that is asked.
            named: name of the variant somebody wants, or None.
            seed: of the draw.
            about: the user and the items: another text is another draw.

        Raises:
            NotFoundError: there is no variant of that name.
        """
        variants = self.of(kind, language, model)
        if named is not None:
            if named not in variants:
                where = f"kind {kind.name!r} in {language!r}"
                raise NotFoundError.of("variant", named, variants, where=where)
            return variants[named]
        if self._settings.variants == "first" or len(variants) == 1:
            return variants[MAIN]
        arms = self.arms(kind, language, model)
        return variants[choose(arms, draw_key(seed, kind.name, language, model, *about)).name]

    def arms(self, kind: TextKind, language: str, model: str) -> list[Arm]:
        """Return the variants of a kind in a language, asked of a model, with what feedback tells of them."""
        table = self._exposures()
        key = (kind.name, language, model)
        if key not in self._arms:
            versions = {v.name: v.version for v in self.of(kind, language, model).values()}
            asked = {"kind": kind.name, "language": language, "asked": model}
            self._arms[key] = arms_of(table, versions, **asked, reward=self._settings.reward)
        return self._arms[key]

    def _exposures(self) -> pl.DataFrame:
        now = time.time()
        current = self._store.stamp()  # texts alone, which grow batch by batch, tell nothing of what readers like
        if self._exposed is None or self._exposed[0] != current or now - self._exposed[1] > FRESH:
            table = exposures(self._store, window_hours=self._settings.window_hours, now=now).table
            self._exposed = (current, now, table)
            self._arms.clear()
        return self._exposed[2]

    def _prompts(self, kind: TextKind, language: str, small: bool) -> list[Variant]:
        domain, task = self._domain.name, f"{kind.name}.{language}"
        names = [name for name in self._manager.prompt_variants(domain, task) if name not in (MAIN, SMALL)]
        found = []
        for name in (MAIN, *names):
            asked = task if name == MAIN else f"{task}@{name}"
            prompt = self._manager.prompt_template(domain, f"{task}@{SMALL}") if small and name == MAIN else None
            prompt = prompt or self._manager.prompt_template(domain, asked)
            if prompt is None and name != MAIN:
                raise PluginError(f"a plugin names the prompt {asked!r} and does not give it", hint="add the file")
            version = short_hash(prompt.text) if prompt else ""
            found.append(Variant(name, version, check_prompt(prompt) if prompt else None))
        return found

    @staticmethod
    def _phrases(kind: TextKind, language: str) -> list[Variant]:
        start = f"{language}@"
        named = {name[len(start) :]: target for name, target in kind.phrases.items() if name.startswith(start)}
        main = kind.phrases.get(language)
        files = [*([MAIN] if main else []), *named]
        found = [Variant(name, short_hash(kind_text(kind, language, name))) for name in files]
        return found if main else [Variant(MAIN, ""), *found]

"""The parts that write and check texts: generators, language models, guards, prompts, built from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kgrec.errors import ConfigError, ConsentError, KgrecError, NotFoundError, PluginError, UsageError
from kgrec.generate.kinds import TEMPLATE
from kgrec.generate.prompts import check_prompt, is_small
from kgrec.generate.writer import Writer
from kgrec.languages import languages
from kgrec.plugin.options import option_defaults

if TYPE_CHECKING:
    from pathlib import Path

    from kgrec.config import Config
    from kgrec.plugin.domain import PromptTemplate
    from kgrec.plugin.manager import PluginManager
    from kgrec.plugin.protocols import Generator, Guard, LanguageModel
    from kgrec.plugin.spec import Spec

PROMPT = "prompt"
"""The generator that asks a language model by the prompt of the kind."""

TUNED = "tuned-writer"
"""Folder of the artifacts where `kgrec generate tune` puts the workspace's own model."""


class WritingParts:
    """Builds what writes texts; a model is loaded once and kept.

    Args:
        config: ``generate``, ``generators``, ``language_models``, ``guards`` and ``seed`` are read.
        manager: the plugins.
        artifacts: the folder that holds a tuned model.
    """

    def __init__(self, config: Config, manager: PluginManager, artifacts: Path) -> None:
        self.config, self.manager, self._artifacts = config, manager, artifacts
        self.notes: dict[str, str] = {}
        """Name of a generator or model -> why it cannot be used."""
        self._drafters: dict[str, tuple[Generator | None, LanguageModel | None]] = {}
        self._models: dict[str, LanguageModel | None] = {}

    def prompt(self, task: str) -> PromptTemplate | None:
        """Return the prompt of a task, checked."""
        return check_prompt(found) if (found := self.manager.prompt_template(self.config.domain, task)) else None

    def writer(self, named: str, candidates: int, *, keep: bool = False) -> Writer:
        """Return a writer; a part that cannot be made leaves a note in :attr:`notes`.

        Args:
            named: who drafts, see :meth:`drafter`.
            candidates: drafts a text, of which the best is shown.
            keep: hand all drafts back with what was found in each; the template's are then drawn and judged, too.
        """
        generator, model = self.drafter(named)
        name = named.partition(":")[0]
        called = "" if name in self.manager.registry("language model") or name == PROMPT else name
        repair, personal = (
            {language: found for language in languages() if (found := self.prompt(f"{task}.{language}"))}
            for task in ("repair", "personal")
        )
        return Writer(
            self.guards() if generator is not None or keep else (),
            model,
            generator,
            judge=self.judge() if generator is not None else None,
            name=f"{called}:{model.name}" if called and model is not None else called,
            repair_prompts=repair,
            personal_prompts=personal,
            candidates=candidates,
            keep=keep,
            repair=self.config.generate.repair,
        )

    def strict(self, named: str) -> bool:
        """Say whether texts by ``named`` may hold no word that states nothing known."""
        check = self.config.generate.check
        if check != "auto" or named in (TEMPLATE, PROMPT):  # no model is asked, as for the texts of a tuning
            return check == "strict"
        return self.asks_small(named)

    def asks_small(self, named: str) -> bool:
        """Say whether the language model of ``named`` says that it is small."""
        if named in (TEMPLATE, PROMPT):
            return False
        model = self.drafter(named)[1]
        return model is not None and is_small(model)

    def drafter(self, named: str) -> tuple[Generator | None, LanguageModel | None]:
        """Return the generator that writes drafts and the language model it asks; None and None for templates alone.

        Args:
            named: a generator, alone or with ``:`` and the language model that it asks; or a language model, which the
                prompt generator asks. A part that lacks a package or a file is told in :attr:`notes`: the template
                then writes.

        Raises:
            NotFoundError: there is neither a generator nor a language model of that name.
            UsageError: the prompt generator is named without a language model.
            ConfigError: an option is unknown or unusable.
        """
        if named not in self._drafters:
            self._drafters[named] = self._drafter(named)
        return self._drafters[named]

    def _drafter(self, named: str) -> tuple[Generator | None, LanguageModel | None]:
        name, _, rest = named.partition(":")
        generators, models = self.manager.registry("generator"), self.manager.registry("language model")
        if name == TEMPLATE:
            return None, None
        if name in models and name in generators:
            owners = f"{generators.owner(name)!r} and the language model of {models.owner(name)!r}"
            raise PluginError(f"{name!r} names the generator of {owners}", hint="set KGREC_DISABLE to one of them")
        if name in models:
            name, rest = PROMPT, named
        elif name not in generators:
            raise NotFoundError.of("generator or language model", name, [*generators, *models])
        if name == PROMPT and not rest:
            raise UsageError("the prompt generator asks a language model", hint=f"name it: {', '.join(models)}")
        model = self.model(rest) if rest else None
        if rest and model is None:
            self.notes[named] = self.notes[rest]
            return None, None
        return self._made(generators[name], self.config.generators.get(name, {}), "generators", named), model

    def guards(self) -> list[Guard]:
        """Return the guards in force, by rank."""
        config, registry = self.config, self.manager.registry("guard")
        specs = [registry[name] for name in self.guard_names()]
        return [spec.build(config.guards.get(spec.name), table=f"guards.{spec.name}") for spec in specs]

    def guard_names(self) -> list[str]:
        """Return the names of the guards in force, by rank."""
        config, registry = self.config, self.manager.registry("guard")
        names = config.generate.guards
        if names is None:
            names = self.manager.joining("guard", config.domain, config.guards)
        return sorted(names, key=lambda name: registry[name].rank)

    def judge(self) -> Guard | None:
        """Return the guard that asks ``generate.judge``, or None.

        Raises:
            NotFoundError: there is no model of that name.
            ConfigError: it cannot be used; a text is never shown unjudged because a judge is missing.
        """
        from kgrec.generate.guards.judge import Judge

        named = self.config.generate.judge
        if named is None:
            return None
        model = self.model(named)
        if model is None:
            raise ConfigError(f"generate.judge: {self.notes[named]}", hint="see `kgrec doctor`, or leave judge out")
        return Judge(model, seed=self.config.seed)

    def model(self, named: str) -> LanguageModel | None:
        """Build a language model; one that lacks a package or a file is told in :attr:`notes`, and is None.

        Raises:
            NotFoundError: there is no model of that name.
            ConfigError: an option is unknown or unusable.
        """
        if named not in self._models:
            name, colon, which = named.partition(":")
            spec = self.manager.registry("language model")[name]
            options = dict(self.config.language_models.get(name, {}))
            if name == "tuned" and not colon:
                options.setdefault("model", str(self._artifacts / TUNED))
            self._models[named] = self._made(spec, options, "language_models", named, which)
        return self._models[named]

    def _made(self, spec: Spec, options: dict[str, Any], tables: str, named: str, first: str = "") -> Any:
        """Build a part, its first option ``first`` where it is given, or say in :attr:`notes` what it lacks."""
        try:
            named_first = {next(iter(option_defaults(spec.load())), "model"): first} if first else {}
            return spec.build({**options, **named_first}, table=f"{tables}.{spec.name}")
        except KgrecError as error:
            if isinstance(error, ConfigError | ConsentError):
                raise
            self.notes[named] = f"{error.message}; {error.hint}" if error.hint else error.message
            return None

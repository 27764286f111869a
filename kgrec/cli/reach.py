"""What a workspace wants to reach beyond itself, and whether the user has allowed it: for ``kgrec doctor``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kgrec.consent import NO_SECRET, Consent, addresses_of, outside, paths_of
from kgrec.errors import ConfigError, ConsentError, KgrecError
from kgrec.places import address
from kgrec.plugin.manager import PluginManager
from kgrec.plugin.options import option_defaults
from kgrec.plugin.spec import Spec
from kgrec.settings import Settings
from kgrec.shown import without_secrets


@dataclass(frozen=True, slots=True)
class WorkspaceReach:
    """Something beyond the workspace.

    Attributes:
        what: the wish in words.
        refused: why it is not granted; empty where it is.
        advice: what to do about that.
    """

    what: str
    refused: str = ""
    advice: str = ""


def reaches(settings: Settings, root: Path, manager: PluginManager) -> Iterator[WorkspaceReach]:
    """Iterate over the hosts with the secrets they get, the paths outside, and the models by path; nobody is asked."""
    try:
        consent = Consent.load()
    except KgrecError as error:
        yield WorkspaceReach("what is allowed cannot be told", error.message, error.hint or "")
        consent = Consent()
    config = settings.config
    for url in dict.fromkeys(addresses_of(config)):
        yield _asked(f"data from {without_secrets(url)}", partial(consent.source, url))
    models = manager.registry("language model")
    for name in {*config.language_models, config.generate.model.partition(":")[0]} & {*models}:
        yield from _model(name, config.language_models.get(name, {}), models[name], consent)
    for path in {(root / path.expanduser()).resolve(): path for path in paths_of(config, root)}.values():
        far = outside(root, path)
        if far is not None:
            yield _asked(f"{far}, which is outside", partial(consent.path, root, path))
        if (root / path / "config.json").is_file():
            yield WorkspaceReach(f"a model by path: {path}; of it safetensors are read, and no code is run")


def _model(name: str, given: Mapping[str, Any], spec: Spec, consent: Consent) -> Iterator[WorkspaceReach]:
    """Tell where a language model sends texts: options that are addresses, and variables that options name."""
    with suppress(KgrecError):  # what cannot be imported reaches nothing
        usual = option_defaults(spec.load())
        options = {**usual, **given}
        variables = [str(value) for key, value in options.items() if key.endswith("_env") and value]
        secret = next((variable for variable in variables if os.environ.get(variable)), NO_SECRET)
        told = f"for the model {name}, with " + (f"${secret}" if secret else "no secret")
        urls = [str(value) for value in options.values() if isinstance(value, str) and address(value)]
        for url in urls:
            yield _asked(f"texts to {without_secrets(url)}, {told}", partial(consent.host, url, secret))
        if variables and not urls:
            own = secret in (NO_SECRET, *usual.values())
            yield WorkspaceReach(f"texts to its usual address, {told}", "" if own else "asked about when it is used")


def _asked(what: str, ask: Callable[[], object]) -> WorkspaceReach:
    try:
        ask()
    except ConsentError as error:
        return WorkspaceReach(what, "not allowed", error.hint or "")
    except ConfigError as error:
        return WorkspaceReach(what, error.message, error.hint or "")
    return WorkspaceReach(what)

"""Options that were searched for: kept in the workspace, taken by later trainings as if they stood in kgrec.toml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.config import Config
from kgrec.errors import ConfigError, CorruptArtifactError
from kgrec.workspace import read_json, storage_errors, write_json

if TYPE_CHECKING:
    from kgrec.plugin.manager import Registry
    from kgrec.progress import Progress
    from kgrec.workspace import Workspace

FILE = "tuned.json"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning found for a scorer.

    Attributes:
        name: the scorer's.
        options: the best found.
        ndcg: with them, on the held-out likes. The best of many is partly the luckiest: expect less on other data.
        own_ndcg: with the best of its own settings.
        trials: settings tried to their end.
        cut: settings given up before their end.
        made_from: hash of the data and settings that it was tuned on.
    """

    name: str
    options: dict[str, Any]
    ndcg: float
    own_ndcg: float
    trials: int
    cut: int
    made_from: str


@dataclass(frozen=True, slots=True)
class TunedConfig:
    """What to train with.

    Attributes:
        config: settings, with tuned options.
        used: scorers with tuned options.
        tuned: what this search found; empty where there was none.
        seconds: of the search.
    """

    config: Config
    used: tuple[str, ...]
    tuned: tuple[Tuned, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


def tuned_config(config: Config, workspace: Workspace, registry: Registry, progress: Progress) -> Config:
    """Return the settings with what tuning found."""
    return laid_under(config, load(folder_of(workspace)), registry, progress)


def folder_of(workspace: Workspace) -> Path:
    """Return where a workspace keeps what tuning found."""
    return workspace.artifacts / "tuning"


def load(folder: Path) -> dict[str, Tuned]:
    """Return what was found, by the scorer's name; nothing where nothing was tuned.

    Raises:
        CorruptArtifactError: the file is damaged.
    """
    file = folder / FILE
    if not file.exists():
        return {}
    try:
        return {name: Tuned(**entry) for name, entry in read_json(file)["scorers"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptArtifactError(f"{file} is damaged: {error}", hint="`kgrec train --reset-tuning`") from None


def save(folder: Path, found: Iterable[Tuned]) -> None:
    """Write what was found, replacing what stands there."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FILE, {"format": 1, "scorers": {one.name: asdict(one) for one in found}})


def laid_under(config: Config, found: Mapping[str, Tuned], registry: Registry, progress: Progress) -> Config:
    """Return ``config`` with what tuning found; what kgrec.toml itself says goes before it.

    What no longer fits (the plugin is gone, an option was renamed) is left out, with a word about it.
    """
    scorers = dict(config.scorers)
    for name, one in found.items():
        if name not in registry:
            progress.log(f"scorer {name!r} was tuned but is no longer on offer")
            continue
        try:
            registry[name].build(dict(one.options))
        except ConfigError as error:
            progress.log(f"what was tuned for {name!r} no longer fits ({error.message})")
            continue
        scorers[name] = {**one.options, **config.scorers.get(name, {})}
    return config.model_copy(update={"scorers": scorers})


def earlier(workspace: Workspace, registry: Registry) -> dict[str, dict[str, Any]]:
    """Return the options that the last training found for each scorer, as far as they still fit; else nothing."""
    if "models" not in workspace.manifest():
        return {}
    found: dict[str, dict[str, Any]] = {}
    try:
        known = read_json(workspace.folder("models") / "ranker.json")["summary"]["scorers"]
        for name, one in known.items():
            if name in registry and "chosen" in one:
                registry[name].build(dict(one["chosen"]))
                found[name] = dict(one["chosen"])
    except (CorruptArtifactError, ConfigError, KeyError, TypeError, AttributeError):
        return {}  # it only costs the search a better start
    return found

"""Specs: what a plugin offers, by name, without importing it."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kgrec.errors import ConfigError, MissingExtraError, NotFoundError, PluginError, did_you_mean


@dataclass(frozen=True, slots=True)
class Spec:
    """Something a plugin offers, imported only when it is used.

    Attributes:
        name: what stands in kgrec.toml and on the command line: ``als``.
        target: where the class is: ``kgrec.models.als:ALS``.
        summary: one line for ``kgrec plugins``.
        extra: extra of kgrec that brings what the class imports, or None.
        rank: lower is tried first where the first that fits is taken (data sources); otherwise order of listing.
        default: a scorer is trained without being asked for; False where it costs much and only some data want it: then
            ``train.scorers``, ``--only``, a table ``[scorers.NAME]`` or a weight in ``fusion.weights`` names it.
    """

    name: str
    target: str
    summary: str
    extra: str | None = None
    rank: int = 100
    default: bool = True

    def load(self) -> type[Any]:
        """Import the class.

        Raises:
            MissingExtraError: a package of ``extra`` is missing.
            PluginError: module or class do not exist.
        """
        module_name, _, attribute = self.target.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            # A missing module of the plugin itself is a bug, a missing third-party one an extra to install.
            if self.extra and error.name and not module_name.startswith(error.name):
                raise MissingExtraError.of(f"{self.name!r}", self.extra) from error
            raise PluginError(f"{self.name!r} names {self.target!r}, which cannot be imported: {error}") from error
        try:
            loaded = getattr(module, attribute)
        except AttributeError:
            hint = did_you_mean(attribute, [n for n in vars(module) if not n.startswith("_")])
            raise PluginError(f"{module_name!r} has no {attribute!r}", hint=hint) from None
        if not isinstance(loaded, type):
            raise PluginError(f"{self.target!r} is no class")
        return loaded

    def build(self, options: dict[str, Any] | None = None, *, table: str = "") -> Any:
        """Import the class and build it from the options of its table in kgrec.toml.

        Raises:
            ConfigError: an option is unknown or unusable.
        """
        cls = self.load()
        try:
            return cls(**(options or {}))
        except (TypeError, ValueError) as error:
            where = f"[{table}]" if table else repr(self.name)
            raise ConfigError(f"{where}: {error}", hint=_options_hint(cls)) from error


def _options_hint(cls: type[Any]) -> str:
    import inspect

    names = [name for name in inspect.signature(cls).parameters if not name.startswith("_")]
    return "known options: " + ", ".join(names) if names else "it takes no options"


@dataclass(frozen=True, slots=True)
class Owned:
    """A thing on offer and the plugin that offers it."""

    item: Any
    owner: str


class Registry:
    """Things on offer of one kind, by name; a clash of names is an error that names both owners."""

    def __init__(self, kind: str, offers: Iterable[Owned]) -> None:
        self.kind = kind
        self._offers: dict[str, Owned] = {}
        for offer in offers:
            name = offer.item.name
            if name in self._offers:
                first = self._offers[name].owner
                raise PluginError(
                    f"{kind} {name!r} is offered by both {first!r} and {offer.owner!r}",
                    hint=f"uninstall one of them or set KGREC_DISABLE={offer.owner}",
                )
            self._offers[name] = offer

    def __getitem__(self, name: str) -> Any:
        try:
            return self._offers[name].item
        except KeyError:
            raise NotFoundError.of(self.kind, name, self._offers) from None

    def __contains__(self, name: object) -> bool:
        return name in self._offers

    def __iter__(self) -> Iterator[str]:
        return iter(self._offers)

    def __len__(self) -> int:
        return len(self._offers)

    def owner(self, name: str) -> str:
        """Return the name of the plugin that offers ``name``."""
        return self._offers[name].owner

    def defaults(self, also: Collection[str] = ()) -> list[str]:
        """Return the names of the Specs used where nobody lists any: those with ``default`` and those in ``also``."""
        return [name for name, spec in self.items() if spec.default or name in also]

    def items(self) -> Iterator[tuple[str, Any]]:
        """Iterate over names and things, in the order they were offered."""
        return ((name, offer.item) for name, offer in self._offers.items())

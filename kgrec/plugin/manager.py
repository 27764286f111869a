"""Finds plugins and asks them what they offer, by name and without importing it: Specs in registries.

With spec.py the only file that knows pluggy.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from kgrec.errors import ConfigError, KgrecError, MissingExtraError, NotFoundError, PluginError, did_you_mean
from kgrec.plugin import spec as hooks
from kgrec.plugin.domain import Domain, Mapping, RelationType
from kgrec.plugin.generation import PromptTemplate
from kgrec.plugin.protocols import WithOptions

if TYPE_CHECKING:
    import typer

ENTRY_POINT_GROUP = "kgrec"
BUILTIN = "kgrec"

OFFERS = {
    "domain": "kgrec_domains",
    "data source": "kgrec_data_sources",
    "entity linker": "kgrec_entity_linkers",
    "text encoder": "kgrec_text_encoders",
    "scorer": "kgrec_scorers",
    "re-ranker": "kgrec_rerankers",
    "language model": "kgrec_language_models",
    "generator": "kgrec_generators",
    "guard": "kgrec_guards",
}
"""Kind of thing on offer -> the hook that offers it."""


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

    known = cls.Options.model_fields if isinstance(cls, WithOptions) else inspect.signature(cls).parameters
    names = [name for name in known if not name.startswith("_")]
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


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin as ``kgrec plugins`` shows it; ``error`` tells why it is not in use."""

    name: str
    distribution: str = ""
    version: str = ""
    error: str = ""
    hooks: tuple[str, ...] = ()


@dataclass(slots=True)
class PluginManager:
    """The plugins in use and what they offer. Build it with :func:`load_plugins`."""

    _pluggy: pluggy.PluginManager
    plugins: list[PluginInfo] = field(default_factory=list)
    _registries: dict[str, Registry] = field(default_factory=dict)

    def registry(self, kind: str) -> Registry:
        """Return all that is on offer of ``kind`` (a key of :data:`OFFERS`)."""
        if kind not in self._registries:
            offers = [
                Owned(item, impl.plugin_name)
                for impl in self._implementations(OFFERS[kind])
                for item in self._offers(impl, kind)
            ]
            self._registries[kind] = Registry(kind, offers)
        return self._registries[kind]

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self._pluggy.hook, hook)
        return caller.get_hookimpls()

    def _offers(self, impl: pluggy.HookImpl, kind: str) -> list[Any]:
        expected: type[Any] = Domain if kind == "domain" else Spec
        return _checked(impl, OFFERS[kind], _ask(impl, OFFERS[kind]), expected)

    def domain(self, name: str) -> Domain:
        """Return the domain ``name`` with the relation types that other plugins add to it."""
        domain: Domain = self.registry("domain")[name]
        known = {r.name: (r, self.registry("domain").owner(name)) for r in domain.relation_types}
        for impl in self._implementations("kgrec_relation_types"):
            answer = _ask(impl, "kgrec_relation_types", domain=name)
            for relation in _checked(impl, "kgrec_relation_types", answer, RelationType):
                _add_relation(known, relation, impl.plugin_name, name)
        return replace(domain, relation_types=tuple(r for r, _ in known.values()))

    def domain_defaults(self, name: str) -> dict[str, Any]:
        """Return what a domain states about settings, as the tables of kgrec.toml."""
        domain: Domain = self.registry("domain")[name]
        feedback: dict[str, Any] = {"action_weights": dict(domain.action_weights)}
        if domain.half_life_days is not None:
            feedback["half_life_days"] = domain.half_life_days
        return {"feedback": feedback, "text": {"item_template": domain.item_template}}

    def schema_mapping(self, domain: str, source: str, columns: Sequence[str]) -> Mapping | None:
        """Ask the plugins how a file is to be read; the first that knows is believed, the latest loaded asked first."""
        for impl in reversed(self._implementations("kgrec_schema_mapping")):
            answer = _ask(impl, "kgrec_schema_mapping", domain=domain, source=source, columns=list(columns))
            if answer is not None:
                mapping: Mapping = _checked(impl, "kgrec_schema_mapping", [answer], Mapping)[0]
                return mapping
        return None

    def prompt_template(self, domain: str, task: str) -> PromptTemplate | None:
        """Ask the plugins for a prompt; the latest loaded first, kgrec's own last."""
        for impl in reversed(self._implementations("kgrec_prompt_template")):
            answer = _ask(impl, "kgrec_prompt_template", domain=domain, task=task)
            if answer is not None:
                prompt: PromptTemplate = _checked(impl, "kgrec_prompt_template", [answer], PromptTemplate)[0]
                return prompt
        return None

    def prompt_variants(self, domain: str, task: str) -> list[str]:
        """Ask the plugins for the names of further prompts, each once."""
        found = [
            str(name)
            for impl in self._implementations("kgrec_prompt_variants")
            for name in _checked(
                impl, "kgrec_prompt_variants", _ask(impl, "kgrec_prompt_variants", domain=domain, task=task), str
            )
        ]
        return list(dict.fromkeys(found))

    def add_commands(self, app: typer.Typer, *, after: Callable[[str], None] = lambda _: None) -> None:
        """Let the plugins add commands to ``app``; ``after`` is called with the name of each plugin that did.

        It runs at every start, so a plugin that fails in it is marked as broken; the others still add theirs.
        """
        for impl in self._implementations("kgrec_commands"):
            try:
                _ask(impl, "kgrec_commands", app=app)
            except PluginError as error:
                self.plugins = [
                    replace(info, error=error.message) if info.name == impl.plugin_name else info
                    for info in self.plugins
                ]
            else:
                after(impl.plugin_name)


def _ask(impl: pluggy.HookImpl, hook: str, **arguments: Any) -> Any:
    """Call an implementation with the arguments it takes; what it raises is the plugin's fault and said to be."""
    try:
        answer = impl.function(*(arguments[name] for name in impl.argnames))
    except KgrecError:
        raise
    except Exception as error:
        raise PluginError(
            f"plugin {impl.plugin_name!r} failed in {hook}: {type(error).__name__}: {error}",
            hint=f"KGREC_DISABLE={impl.plugin_name} runs kgrec without it",
        ) from error
    if _tracing():
        shown = ", ".join(f"{name}={arguments[name]!r}" for name in impl.argnames)
        print(f"{impl.plugin_name}: {hook}({shown}) -> {_short(answer)}", file=sys.stderr)
    return answer


def _checked(impl: pluggy.HookImpl, hook: str, answer: Any, expected: type[Any]) -> list[Any]:
    """Return what a hook offers, or say what is wrong with it."""
    if answer is None:
        return []
    wrong = (
        answer if not isinstance(answer, list | tuple) else next((a for a in answer if type(a) is not expected), None)
    )
    if wrong is not None:
        raise PluginError(
            f"plugin {impl.plugin_name!r} returned {type(wrong).__name__} from {hook}",
            hint=f"the hook returns a list of {expected.__name__}; KGREC_DISABLE={impl.plugin_name} runs without it",
        )
    return list(answer)


def _tracing() -> bool:
    return os.environ.get("KGREC_TRACE") == "1"


def _short(answer: Any) -> str:
    if isinstance(answer, list):
        return "[" + ", ".join(getattr(item, "name", type(item).__name__) for item in answer) + "]"
    return type(answer).__name__


def _add_relation(known: dict[str, tuple[RelationType, str]], relation: RelationType, owner: str, domain: str) -> None:
    if relation.name in known and known[relation.name][0] != relation:
        first = known[relation.name][1]
        raise PluginError(
            f"relation type {relation.name!r} of domain {domain!r} is stated differently by {first!r} and {owner!r}",
            hint=f"rename one of them or set KGREC_DISABLE={owner}",
        )
    known.setdefault(relation.name, (relation, owner))


def load_plugins(entries: Sequence[EntryPoint] | None = None) -> PluginManager:
    """Load kgrec's own plugin and all installed ones.

    A plugin that cannot be imported, or that implements a hook which does not exist, is left out; its
    :class:`PluginInfo` says why. ``KGREC_DISABLE=name,...`` leaves plugins out; ``KGREC_TRACE=1`` prints every call
    of a hook on stderr.

    Args:
        entries: entry points to load instead of the installed ones; for tests.
    """
    manager = pluggy.PluginManager(hooks.PROJECT_NAME)
    manager.add_hookspecs(hooks)
    from kgrec.plugin import builtin

    manager.register(builtin, name=BUILTIN)
    result = PluginManager(manager, [_describe(manager, builtin, BUILTIN, None)])
    found = entry_points(group=ENTRY_POINT_GROUP) if entries is None else entries
    disabled = _disabled([entry.name for entry in found])
    for entry in sorted(found, key=lambda e: e.name):
        result.plugins.append(_load(manager, entry, disabled))
    return result


def _disabled(names: Sequence[str]) -> set[str]:
    disabled = {name.strip() for name in os.environ.get("KGREC_DISABLE", "").split(",") if name.strip()}
    for name in sorted(disabled - set(names)):
        raise NotFoundError.of("plugin", name, names, where="KGREC_DISABLE")
    return disabled


def _load(manager: pluggy.PluginManager, entry: EntryPoint, disabled: set[str]) -> PluginInfo:
    if entry.name in disabled:
        return _describe(manager, None, entry.name, entry, error="disabled by KGREC_DISABLE")
    try:
        plugin = entry.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's import raises must not take kgrec down
        return _describe(manager, None, entry.name, entry, error=f"{type(error).__name__}: {error}")
    if manager.has_plugin(entry.name):
        return _describe(manager, None, entry.name, entry, error="another plugin has this name")
    unknown = misspelt_hooks(plugin)
    if unknown:
        return _describe(manager, None, entry.name, entry, error="; ".join(unknown))
    try:
        manager.register(plugin, name=entry.name)
    except (pluggy.PluginValidationError, ValueError) as error:
        if manager.get_plugin(entry.name) is plugin:
            manager.unregister(plugin)
        return _describe(manager, None, entry.name, entry, error=" ".join(str(error).split()))
    return _describe(manager, plugin, entry.name, entry)


def misspelt_hooks(plugin: object) -> list[str]:
    """Return a complaint for each function of ``plugin`` that is named like a hook and is none, or lacks the marker."""
    known = [name for name in vars(hooks) if name.startswith("kgrec_")]
    complaints = []
    for name in dir(plugin):
        function = getattr(plugin, name)
        if not callable(function) or getattr(function, "__module__", None) == hooks.__name__:
            continue
        marked = hasattr(function, f"{hooks.PROJECT_NAME}_impl")
        if (marked or name.startswith("kgrec_")) and name not in known:
            complaints.append(f"there is no hook {name!r}: {did_you_mean(name, known, limit=1)}")
        elif name in known and not marked:
            complaints.append(f"{name!r} lacks the @hookimpl marker (from kgrec.plugin import hookimpl)")
    return complaints


def _describe(
    manager: pluggy.PluginManager, plugin: Any, name: str, entry: EntryPoint | None, *, error: str = ""
) -> PluginInfo:
    dist = entry.dist if entry else None
    implemented = tuple(sorted(c.name for c in manager.get_hookcallers(plugin) or [])) if plugin is not None else ()
    return PluginInfo(name, dist.name if dist else "", dist.version if dist else "", error, implemented)

"""Finds plugins and asks them what they offer, by name and without importing it: Specs in registries.

With spec.py the only file that knows pluggy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from kgrec.errors import KgrecError, NotFoundError, PluginError, did_you_mean
from kgrec.plugin import spec as hooks
from kgrec.plugin.contained import Owner, tracing
from kgrec.plugin.domain import Domain, Mapping, PromptTemplate, RelationType
from kgrec.plugin.spec import Spec

T = TypeVar("T")

ENTRY_POINT_GROUP = "kgrec"
BUILTIN = "kgrec"

LOCAL = "kgrec_plugins"
"""Name of a workspace's own plugin, see :mod:`kgrec.local_plugins`."""

CONTRACT = 1
"""Version of the contract between kgrec and plugins; a plugin states the one it is written for as ``contract = 1``."""

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
    "command": "kgrec_commands",
}
"""Kind of thing on offer -> the hook that offers it."""


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


class PluginManager:
    """The plugins in use and what they offer. Build it with :func:`load_plugins`.

    Attributes:
        plugins: those in use, and those that are not with the reason.
        problems: what is wrong with commands; each costs the command that it names.
    """

    def __init__(
        self,
        hooked: pluggy.PluginManager,
        plugins: Sequence[PluginInfo],
        entries: Sequence[EntryPoint] | None = None,
        also: Sequence[object] = (),
    ) -> None:
        self._pluggy, self._entries, self._also = hooked, entries, also
        self.plugins = list(plugins)
        self.problems: list[KgrecError] = []
        self._registries: dict[str, Registry] = {}

    def registry(self, kind: str) -> Registry:
        """Return all that is on offer of ``kind`` (a key of :data:`OFFERS`).

        Raises:
            PluginError: a plugin fails or offers a name that another has; of commands only that command is left out.
        """
        if kind not in self._registries:
            if kind == "command":
                offers = self._commands()
            else:
                expected = Domain if kind == "domain" else Spec
                answers = self._answers(OFFERS[kind], expected)
                offers = [Owned(self._owned(item, kind, owner), owner) for owner, items in answers for item in items]
            self._registries[kind] = Registry(kind, offers)
        return self._registries[kind]

    def _owned(self, item: Any, kind: str, plugin: str) -> Any:
        """Return a Spec that knows whose it is, so that errors can say so; kgrec's own are left as they are."""
        if not isinstance(item, Spec) or (plugin == BUILTIN and not tracing()):
            return item
        info = next((info for info in self.plugins if info.name == plugin), PluginInfo(plugin))
        return replace(item, owner=Owner(kind, plugin, info.version, info.distribution))

    def _commands(self) -> list[Owned]:
        """Return the commands that can be offered; :attr:`problems` says what became of the others.

        Each plugin has the first words of its commands to itself: a second ``train``, or ``train something``, is left
        out where another plugin has ``train``.
        """
        kept: dict[str, Owned] = {}
        owners: dict[str, str] = {}  # of first words
        for impl in self._hook(OFFERS["command"]).get_hookimpls():
            owner = impl.plugin_name
            try:
                offered = self._asked(impl, OFFERS["command"], Spec)
            except KgrecError as error:
                self.problems.append(error)
                continue
            for spec in offered:
                first = owners.setdefault(spec.name.partition(" ")[0], owner)
                if first == owner and spec.name not in kept:
                    kept[spec.name] = Owned(spec, owner)
                    continue
                problem = f"command {spec.name!r} of plugin {self.named(owner)} is left out: {first!r} has one"
                self.problems.append(PluginError(problem, hint=f"rename it, or set KGREC_DISABLE={owner}"))
        return list(kept.values())

    def with_plugin(self, plugin: object) -> PluginManager:
        """Return the same plugins and one more, a module or an object with hooks."""
        return load_plugins(self._entries, also=[*self._also, plugin])

    def broken(self) -> list[PluginInfo]:
        """Return the plugins that are not in use although nobody disabled them."""
        return [info for info in self.plugins if info.error and not info.error.startswith("disabled")]

    def module(self, plugin: str) -> object | None:
        """Return what a plugin's entry point names, or None where it is not in use."""
        found: object | None = self._pluggy.get_plugin(plugin)
        return found

    def named(self, plugin: str) -> str:
        """Return name and version of a plugin, as errors say it."""
        version = next((info.version for info in self.plugins if info.name == plugin), "")
        return f"{plugin!r} {version}".rstrip()

    def domain(self, name: str) -> Domain:
        """Return the domain ``name`` with the relation types that other plugins add to it."""
        domain: Domain = self.registry("domain")[name]
        known = {r.name: (r, self.registry("domain").owner(name)) for r in domain.relation_types}
        for owner, relations in self._answers("kgrec_relation_types", RelationType, domain=domain):
            for relation in relations:
                _add_relation(known, relation, owner, name)
        return replace(domain, relation_types=tuple(r for r, _ in known.values()))

    def domain_defaults(self, name: str) -> dict[str, Any]:
        """Return what a domain states about settings, as the tables of kgrec.toml."""
        domain: Domain = self.registry("domain")[name]
        feedback = {"action_weights": dict(domain.action_weights)}
        return {"feedback": feedback, "text": {"item_template": domain.item_template}}

    def schema_mapping(self, domain: str, source: str, columns: Sequence[str]) -> Mapping | None:
        """Ask the plugins how a file is to be read; the first that knows is believed, the latest loaded asked first."""
        arguments = {"domain": self.registry("domain")[domain], "source": source, "columns": list(columns)}
        answers = self._answers("kgrec_schema_mapping", Mapping, latest_first=True, **arguments)
        return next((mapping for _, found in answers for mapping in found), None)

    def prompt_template(self, domain: str, task: str) -> PromptTemplate | None:
        """Ask the plugins for a prompt; the latest loaded first, kgrec's own last."""
        arguments = {"domain": self.registry("domain")[domain], "task": task}
        answers = self._answers("kgrec_prompt_template", PromptTemplate, latest_first=True, **arguments)
        return next((prompt for _, found in answers for prompt in found), None)

    def prompt_variants(self, domain: str, task: str) -> list[str]:
        """Ask the plugins for the names of further prompts, each once."""
        arguments = {"domain": self.registry("domain")[domain], "task": task}
        answers = self._answers("kgrec_prompt_variants", str, **arguments)
        return list(dict.fromkeys(name for _, names in answers for name in names))

    def _hook(self, name: str) -> pluggy.HookCaller:
        caller: pluggy.HookCaller = getattr(self._pluggy.hook, name)
        return caller

    def _answers(
        self, hook: str, expected: type[T], *, latest_first: bool = False, **arguments: Any
    ) -> Iterator[tuple[str, list[T]]]:
        """Ask every plugin that implements a hook; yield its name and what it answers."""
        found = self._hook(hook).get_hookimpls()
        for impl in reversed(found) if latest_first else found:
            yield impl.plugin_name, self._asked(impl, hook, expected, **arguments)

    def _asked(self, impl: pluggy.HookImpl, hook: str, expected: type[T], **arguments: Any) -> list[T]:
        """Call an implementation with the arguments it takes; what it raises is the plugin's fault and said to be.

        Raises:
            PluginError: it fails, or answers with something else than ``expected``.
        """
        plugin = self.named(impl.plugin_name)
        hint = f"KGREC_DISABLE={impl.plugin_name} runs kgrec without it"
        try:
            answer = impl.function(*(arguments[name] for name in impl.argnames))
        except KgrecError:
            raise
        except Exception as error:
            message = f"plugin {plugin} failed in {hook}: {type(error).__name__}: {error}"
            raise PluginError(message, hint=hint) from error
        if tracing():
            shown = ", ".join(f"{name}={_short(arguments[name])}" for name in impl.argnames)
            print(f"{impl.plugin_name}: {hook}({shown}) -> {_short(answer)}", file=sys.stderr)
        if answer is None:
            return []
        spec = self._hook(hook).spec
        items: Any = [answer] if spec is not None and spec.opts["firstresult"] else answer
        listed = isinstance(items, list | tuple)
        wrong = next((item for item in items if type(item) is not expected), None) if listed else items
        if wrong is not None:
            message = f"plugin {plugin} returned {type(wrong).__name__} from {hook}"
            raise PluginError(message, hint=f"the hook returns a list of {expected.__name__}; {hint}")
        return [*items]


def _short(answer: Any) -> str:
    named = (Spec, Domain, RelationType)
    if not isinstance(answer, list):
        return (
            answer.name
            if isinstance(answer, named)
            else repr(answer)
            if isinstance(answer, str)
            else type(answer).__name__
        )
    return f"[{', '.join(item.name if isinstance(item, named) else str(item) for item in answer)}]"


def _add_relation(known: dict[str, tuple[RelationType, str]], relation: RelationType, owner: str, domain: str) -> None:
    if relation.name in known and known[relation.name][0] != relation:
        first = known[relation.name][1]
        raise PluginError(
            f"relation type {relation.name!r} of domain {domain!r} is stated differently by {first!r} and {owner!r}",
            hint=f"rename one of them or set KGREC_DISABLE={owner}",
        )
    known.setdefault(relation.name, (relation, owner))


def load_plugins(entries: Sequence[EntryPoint] | None = None, *, also: Sequence[object] = ()) -> PluginManager:
    """Load kgrec's own plugin and all installed ones.

    A plugin that cannot be imported, or that implements a hook which does not exist, is left out; its
    :class:`PluginInfo` says why. ``KGREC_DISABLE=name,...`` leaves plugins out; ``KGREC_TRACE=1`` prints every call
    of a hook on stderr.

    Args:
        entries: entry points to load instead of the installed ones; for tests.
        also: modules or objects with hooks that are no installed plugins, such as those of a notebook.

    Raises:
        PluginError: one of ``also`` cannot be used; what is installed and cannot is left out instead.
    """
    manager = pluggy.PluginManager(hooks.PROJECT_NAME)
    manager.add_hookspecs(hooks)
    from kgrec.plugin import builtin

    manager.register(builtin, name=BUILTIN)
    found = entry_points(group=ENTRY_POINT_GROUP) if entries is None else entries
    disabled = _disabled([entry.name for entry in found])
    loaded = [_load(manager, entry, disabled) for entry in sorted(found, key=lambda e: e.name)]
    for plugin in also:
        name = str(vars(plugin).get("__name__", type(plugin).__name__))
        info = _register(manager, plugin, LOCAL if name.startswith(f"{LOCAL}_") else name, None)
        if info.error:
            raise PluginError(f"plugin {info.name!r} cannot be used: {info.error}")
        loaded.append(info)
    return PluginManager(manager, [_describe(manager, builtin, BUILTIN, None), *loaded], entries, also)


def _disabled(names: Sequence[str]) -> set[str]:
    disabled = {name.strip() for name in os.environ.get("KGREC_DISABLE", "").split(",") if name.strip()}
    for name in sorted(disabled - {*names, LOCAL}):
        raise NotFoundError.of("plugin", name, names, where="KGREC_DISABLE")
    return disabled


def _load(manager: pluggy.PluginManager, entry: EntryPoint, disabled: set[str]) -> PluginInfo:
    if entry.name in disabled:
        return _describe(manager, None, entry.name, entry, error="disabled by KGREC_DISABLE")
    try:
        plugin = entry.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's import raises must not take kgrec down
        return _describe(manager, None, entry.name, entry, error=f"{type(error).__name__}: {error}")
    return _register(manager, plugin, entry.name, entry)


def _register(manager: pluggy.PluginManager, plugin: Any, name: str, entry: EntryPoint | None) -> PluginInfo:
    if manager.has_plugin(name):
        return _describe(manager, None, name, entry, error="another plugin has this name")
    contract = vars(plugin).get("contract", CONTRACT)
    if contract != CONTRACT:
        told = f"it is written for contract {contract!r}, this kgrec has {CONTRACT}: install versions that fit"
        return _describe(manager, None, name, entry, error=told)
    unknown = misspelt_hooks(plugin)
    if unknown:
        return _describe(manager, None, name, entry, error="; ".join(unknown))
    try:
        manager.register(plugin, name=name)
    except (pluggy.PluginValidationError, ValueError) as error:
        if manager.get_plugin(name) is plugin:
            manager.unregister(plugin)
        return _describe(manager, None, name, entry, error=" ".join(str(error).split()))
    return _describe(manager, plugin, name, entry)


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

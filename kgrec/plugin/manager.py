"""Finds plugins and asks them what they offer, by name and without importing it: Specs in registries.

A plugin is imported when something is asked that nothing is remembered of (remembered.py). With spec.py the only file
that knows pluggy.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from kgrec.errors import KgrecError, NotFoundError, PluginError, did_you_mean
from kgrec.plugin import spec as hooks
from kgrec.plugin.contained import Owner, tracing
from kgrec.plugin.domain import Domain, Mapping, PromptTemplate, RelationType
from kgrec.plugin.remembered import Memory, is_kept
from kgrec.plugin.spec import Spec

T = TypeVar("T")

ENTRY_POINT_GROUP = "kgrec"
BUILTIN = "kgrec"

LOCAL = "kgrec_plugins"
"""Name of a workspace's own plugin, see :mod:`kgrec.local_plugins`."""

CONTRACT = 1
"""Version of the contract between kgrec and plugins; a plugin states the one it is written for as ``contract = 1``."""

SLOW = 1.0
"""Seconds that the import of an installed plugin may take without a word about it."""

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


@dataclass(frozen=True, slots=True)
class _Unread:
    """A domain whose files are read when somebody wants it."""

    name: str
    read: Callable[[], Domain]


class Registry:
    """Things on offer of one kind, by name; names are unique."""

    def __init__(self, kind: str, offers: Iterable[Owned]) -> None:
        self.kind = kind
        self._offers = {offer.item.name: offer for offer in offers}

    def __getitem__(self, name: str) -> Any:
        try:
            item = self._offers[name].item
        except KeyError:
            raise NotFoundError.of(self.kind, name, self._offers) from None
        return item.read() if isinstance(item, _Unread) else item

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
        return ((name, self[name]) for name in self._offers)


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
        problems: what is wrong with offers and answers; each costs what it names and nothing else.
        tell: is called with each problem, once.
    """

    def __init__(
        self,
        hooked: pluggy.PluginManager,
        plugins: Sequence[PluginInfo],
        installed: Sequence[EntryPoint] = (),
        also: Sequence[object] = (),
        memory: Memory | None = None,
    ) -> None:
        self._pluggy, self._installed, self._also = hooked, installed, also
        self._memory = memory or Memory()
        self.plugins = list(plugins)
        self.problems: list[KgrecError] = []
        self.tell: Callable[[KgrecError], None] = _warn
        self._registries: dict[str, Registry] = {}

    def registry(self, kind: str) -> Registry:
        """Return all that is on offer of ``kind`` (a key of :data:`OFFERS`).

        What a plugin offers under the name of another's is left out, and so are its offers of this kind where it fails.
        Each plugin has the first words of its commands to itself: a second ``train``, or ``train something``, is left
        out where another plugin has ``train``. :attr:`problems` says what became of them.
        """
        if kind not in self._registries:
            kept: dict[str, Owned] = {}
            owners: dict[str, str] = {}  # of first words
            for offer in self._offered(kind):
                name = offer.item.name
                first = owners.setdefault(name.partition(" ")[0] if kind == "command" else name, offer.owner)
                if first == offer.owner and name not in kept:
                    kept[name] = offer
                    continue
                problem = f"{kind} {name!r} of plugin {self.named(offer.owner)} is left out: {first!r} has one"
                self._problem(PluginError(problem, hint=f"rename it, or set KGREC_DISABLE={offer.owner}"))
            self._registries[kind] = Registry(kind, kept.values())
        return self._registries[kind]

    def _offered(self, kind: str) -> Iterator[Owned]:
        """Yield what the plugins say that they offer of a kind, or said when they were asked last."""
        hook, learned = OFFERS[kind], False
        for name in [info.name for info in self.plugins if hook in info.hooks]:
            offers = self._memory.offers(name, hook)
            if offers is None:
                try:
                    items: list[Any] = self._ask(name, hook, Domain if kind == "domain" else Spec)
                except KgrecError as error:
                    self._problem(error)
                    continue
                told = [{"name": item.name} if kind == "domain" else asdict(item) for item in items]
                learned |= self._memory.answered(name, hook, told)
            elif kind == "domain":
                items = [_Unread(offer["name"], partial(self._domain_of, name, offer["name"])) for offer in offers]
            else:
                items = [Spec(**offer) for offer in offers]
            yield from (Owned(self._owned(item, kind, name), name) for item in items)
        if learned:
            self._memory.save()

    def _domain_of(self, plugin: str, name: str) -> Domain:
        found = (domain for domain in self._ask(plugin, OFFERS["domain"], Domain) if domain.name == name)
        if (domain := next(found, None)) is None:
            raise PluginError(f"plugin {self.named(plugin)} no longer has the domain {name!r}", hint="install it again")
        return domain

    def _owned(self, item: Any, kind: str, plugin: str) -> Any:
        """Return a Spec that knows whose it is, so that errors can say so; kgrec's own are left as they are."""
        if not isinstance(item, Spec) or kind == "command" or (plugin == BUILTIN and not tracing()):
            return item  # the command line says it of commands
        info = next((info for info in self.plugins if info.name == plugin), PluginInfo(plugin))
        return replace(item, owner=Owner(kind, plugin, info.version, info.distribution))

    def _problem(self, error: KgrecError) -> None:
        """Keep and tell what is wrong with an offer or an answer that is left out."""
        if error.message not in [known.message for known in self.problems]:
            self.problems.append(error)
            self.tell(error)

    def _import(self, name: str) -> None:
        """Import a plugin of which all was remembered so far; where that fails it is out of use, and told about."""
        entry = next((entry for entry in self._installed if entry.name == name), None)
        in_use = any(info.name == name and not info.error for info in self.plugins)
        if self._pluggy.has_plugin(name) or entry is None or not in_use:
            return
        info = _load(self._pluggy, entry, set())
        self.plugins = [info if known.name == name and not known.error else known for known in self.plugins]
        if info.error:
            self._problem(PluginError(f"plugin {name!r} is broken and not in use: {info.error}"))

    def with_plugin(self, plugin: object) -> PluginManager:
        """Return the same plugins and one more, a module or an object with hooks."""
        made = load_plugins(self._installed, also=[*self._also, plugin], memory=self._memory)
        made.tell = self.tell
        return made

    def afresh(self) -> PluginManager:
        """Return the same plugins, imported and asked anew."""
        made = load_plugins(self._installed, also=self._also, memory=Memory())
        made.tell = self.tell
        return made

    def broken(self) -> list[PluginInfo]:
        """Return the plugins that are not in use although nobody disabled them."""
        return [info for info in self.plugins if info.error and not info.error.startswith("disabled")]

    def module(self, plugin: str) -> object | None:
        """Return what a plugin's entry point names, or None where it is not in use."""
        self._import(plugin)
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
                stated, first = known.setdefault(relation.name, (relation, owner))
                if stated != relation:
                    told = f"relation type {relation.name!r} of plugin {self.named(owner)} is left out: domain {name!r}"
                    hint = f"rename one of them or set KGREC_DISABLE={owner}"
                    self._problem(PluginError(f"{told} has another one, of {first!r}", hint=hint))
        return replace(domain, relation_types=tuple(r for r, _ in known.values()))

    def joining(self, kind: str, domain: str, named: Collection[str]) -> list[str]:
        """Return what joins in without being listed.

        That is what kgrec itself offers, what the plugin of the domain in force offers, what is handed over in Python
        or by the workspace's own plugin, and what ``named`` names: plugins for other fields keep out.
        """
        registry = self.registry(kind)
        asked = {info.name for info in self.plugins if not info.distribution}
        asked.add(self.registry("domain").owner(domain))
        return [name for name in registry if name in named or registry.owner(name) in asked]

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
        """Ask every plugin that implements a hook; yield its name and what it answers. Who fails is passed over."""
        names = [info.name for info in self.plugins if hook in info.hooks]
        for name in reversed(names) if latest_first else names:
            try:
                yield name, self._ask(name, hook, expected, **arguments)
            except KgrecError as error:
                self._problem(error)

    def _ask(self, name: str, hook: str, expected: type[T], **arguments: Any) -> list[T]:
        """Call a plugin's hook with the arguments it takes; what it raises is the plugin's fault and said to be.

        Raises:
            PluginError: it fails, or answers with something else than ``expected``.
        """
        self._import(name)
        impl = next((impl for impl in self._hook(hook).get_hookimpls() if impl.plugin_name == name), None)
        if impl is None:
            return []
        plugin, hint = self.named(name), f"KGREC_DISABLE={name} runs kgrec without it"
        try:
            answer = impl.function(*(arguments[argument] for argument in impl.argnames))
        except KgrecError:
            raise
        except Exception as error:
            message = f"plugin {plugin} failed in {hook}: {type(error).__name__}: {error}"
            raise PluginError(message, hint=hint) from error
        if tracing():
            shown = ", ".join(f"{argument}={_short(arguments[argument])}" for argument in impl.argnames)
            print(f"{name}: {hook}({shown}) -> {_short(answer)}", file=sys.stderr)
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


def _warn(problem: KgrecError) -> None:
    warnings.warn(f"{problem.message}; {problem.hint}" if problem.hint else problem.message, stacklevel=2)


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


def load_plugins(
    entries: Sequence[EntryPoint] | None = None, *, also: Sequence[object] = (), memory: Memory | None = None
) -> PluginManager:
    """Find kgrec's own plugin and all installed ones; import those of which nothing is remembered.

    A plugin that cannot be imported, or that implements a hook which does not exist, is left out; its
    :class:`PluginInfo` says why. ``KGREC_DISABLE=name,...`` leaves plugins out; ``KGREC_TRACE=1`` prints every call
    of a hook on stderr.

    Args:
        entries: entry points to load instead of the installed ones; for tests.
        also: modules or objects with hooks that are no installed plugins, such as those of a notebook.
        memory: what is known of the plugins; by default what is kept of the installed ones.

    Raises:
        PluginError: one of ``also`` cannot be used; what is installed and cannot is left out instead.
    """
    manager = pluggy.PluginManager(hooks.PROJECT_NAME)
    manager.add_hookspecs(hooks)
    from kgrec.plugin import builtin

    manager.register(builtin, name=BUILTIN)
    found = sorted(entry_points(group=ENTRY_POINT_GROUP) if entries is None else entries, key=lambda entry: entry.name)
    if memory is None:
        memory = Memory.of(found) if entries is None and not tracing() else Memory()
    disabled = _disabled([entry.name for entry in found])
    infos, slow = [_describe(manager, builtin, BUILTIN, None)], list[str]()
    for entry in found:
        known = memory.hooks(entry.name)
        if any(info.name == entry.name for info in infos):
            infos.append(_info(entry, "another plugin has this name"))
        elif known is not None and entry.name not in disabled:
            infos.append(_info(entry, hooks=known))
        else:
            begun = time.perf_counter()
            infos.append(_load(manager, entry, disabled))
            spent = time.perf_counter() - begun
            if not infos[-1].error and is_kept(entry) and memory.learn(entry.name, infos[-1].hooks) and spent > SLOW:
                slow.append(f"plugin {entry.name!r} takes {spent:.1f} s to import: what uses it waits for that")
    for plugin in also:
        name = str(vars(plugin).get("__name__", type(plugin).__name__))
        info = _register(manager, plugin, LOCAL if name.startswith(f"{LOCAL}_") else name, None)
        if info.error:
            raise PluginError(f"plugin {info.name!r} cannot be used: {info.error}")
        infos.append(info)
    made = PluginManager(manager, infos, found, also, memory)
    made.problems = [PluginError(told) for told in slow]
    return made


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
    implemented = tuple(sorted(c.name for c in manager.get_hookcallers(plugin) or [])) if plugin is not None else ()
    return PluginInfo(name, error=error, hooks=implemented) if entry is None else _info(entry, error, implemented)


def _info(entry: EntryPoint, error: str = "", hooks: tuple[str, ...] = ()) -> PluginInfo:
    name, version = (entry.dist.name, entry.dist.version) if entry.dist else ("", "")
    return PluginInfo(entry.name, name, version, error, hooks)

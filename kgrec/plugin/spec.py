"""Every hook of kgrec, and what hooks return: Specs, which name things without importing them.

Offer hooks take no argument and return lists, so a plugin is tested by calling a function.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pluggy

from kgrec.errors import ConfigError, KgrecError, MissingExtraError, PluginError, did_you_mean
from kgrec.plugin.contained import Owner, contained

if TYPE_CHECKING:
    from kgrec.plugin.domain import Domain, Mapping, PromptTemplate, RelationType

PROJECT_NAME = "kgrec"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


@dataclass(frozen=True, slots=True)
class Spec:
    """Something a plugin offers, imported only when it is used.

    Attributes:
        name: what stands in kgrec.toml and on the command line: ``als``.
        target: where the class (of a command: the function) is: ``kgrec.models.als:ALS``.
        summary: one line for ``kgrec plugins``.
        extra: extra of kgrec that brings what the class imports, or None.
        rank: lower is tried first where the first that fits is taken (data sources); otherwise order of listing.
        default: a scorer is trained without being asked for; False where it costs much and only some data want it: then
            ``train.scorers``, ``--only``, a table ``[scorers.NAME]`` or a weight in ``fusion.weights`` names it.
        owner: whose it is, put in when it is registered; None: kgrec's own, whose calls are not watched.
        family: what a scorer goes by, for people: ``people`` (who liked the same), ``content``, ``graph``, ``popular``,
            ``next`` (what people turn to next), ``shown`` (what they choose of what they are shown) or ``other``.
    """

    name: str
    target: str
    summary: str
    extra: str | None = None
    rank: int = 100
    default: bool = True
    owner: Owner | None = field(default=None, repr=False, compare=False)
    family: str = "other"

    def load(self) -> type[Any]:
        """Import the class.

        Raises:
            MissingExtraError: a package of ``extra`` is missing.
            PluginError: module or class do not exist.
        """
        loaded = self.imported()
        if not isinstance(loaded, type):
            raise PluginError(f"{self.target!r} is no class")
        return loaded if self.owner is None else contained(loaded, self.name, self.owner)

    def imported(self) -> Any:
        """Import what ``target`` names.

        Raises:
            MissingExtraError: a package of ``extra`` is missing.
            PluginError: it does not exist.
        """
        module_name, _, attribute = self.target.partition(":")
        try:
            module = importlib.import_module(module_name)
        except KgrecError:
            raise
        except (Exception, SystemExit) as error:
            # A missing module of the plugin itself is a bug, a missing third-party one an extra to install.
            if isinstance(error, ImportError) and self.extra and error.name and not module_name.startswith(error.name):
                raise MissingExtraError.of(f"{self.name!r}", self.extra) from error
            if self.owner is not None:
                raise self.owner.fault(self.name, f"the import of {module_name}", error) from error
            raise PluginError(f"{self.name!r} names {self.target!r}, which cannot be imported: {error}") from error
        try:
            return getattr(module, attribute)
        except AttributeError:
            hint = did_you_mean(attribute, [n for n in vars(module) if not n.startswith("_")])
            raise PluginError(f"{module_name!r} has no {attribute!r}", hint=hint) from None

    def build(self, options: dict[str, Any] | None = None, *, table: str = "") -> Any:
        """Import the class and build it from the options of its table in kgrec.toml.

        Raises:
            ConfigError: an option is unknown or unusable.
            MissingExtraError: a package of ``extra`` is missing.
        """
        cls = self.load()
        try:
            return cls(**(options or {}))
        except ModuleNotFoundError as error:
            if self.extra is None:
                raise
            raise MissingExtraError.of(f"{self.name!r}", self.extra) from error
        except (TypeError, ValueError) as error:
            where = f"[{table}]" if table else repr(self.name)
            raise ConfigError(f"{where}: {error}", hint=_options_hint(cls)) from error
        except Exception as error:
            if self.owner is None or isinstance(error, KgrecError):
                raise
            raise self.owner.fault(self.name, "its constructor", error) from error


def _options_hint(cls: type[Any]) -> str:
    from kgrec.plugin.options import option_defaults

    names = list(option_defaults(cls))
    return "known options: " + ", ".join(names) if names else "it takes no options"


class WorkspaceCommand:
    """A command that takes a run of the command line first; made by :func:`workspace_command`."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **options: Any) -> None:
        """Call the function itself, as a test does."""
        self.function(*args, **options)


def workspace_command(function: Callable[..., None]) -> WorkspaceCommand:
    """Make ``function(run, ...)`` a command that works on a workspace.

    The command gets the common options (``--workspace``, ``--set``, ``--format``, ``--quiet``, ``--debug``) and a
    :class:`kgrec.plugin.protocols.CommandRun`, of which ``run.project`` is the open workspace. The other parameters are
    Typer's. A parameter named like a common option takes its place.

    >>> @workspace_command
    ... def count(run):
    ...     '''Count the items.'''
    ...     n = run.project.dataset.n_items
    ...     run.data([{"items": n}], lambda: print(n))
    """
    return WorkspaceCommand(function)


@hookspec
def kgrec_domains() -> list[Domain]:
    """Offer domains.

    :return: the plugin's domains; a name that another plugin offers as well is left out
    """


@hookspec
def kgrec_relation_types(domain: Domain) -> list[RelationType]:
    """Extend a domain by relation types.

    :param domain: the domain as its plugin offers it; ``domain.name`` tells which
    :return: further relation types; one that contradicts an existing one of the same name is left out
    """


@hookspec(firstresult=True)
def kgrec_schema_mapping(domain: Domain, source: str, columns: Sequence[str]) -> Mapping | None:
    """Say how a file's columns are to be read, when neither column names nor the domain's recipes tell.

    :param domain: the domain in use
    :param source: name of the file, without folders
    :param columns: the file's column names
    :return: the mapping, or None to leave the file to others
    """


@hookspec
def kgrec_data_sources() -> list[Spec]:
    """Offer readers of files (:class:`kgrec.plugin.protocols.DataSource`).

    :return: one Spec a format
    """


@hookspec
def kgrec_entity_linkers() -> list[Spec]:
    """Offer entity linkers (:class:`kgrec.plugin.protocols.EntityLinker`).

    :return: one Spec a linker
    """


@hookspec
def kgrec_text_encoders() -> list[Spec]:
    """Offer text encoders (:class:`kgrec.plugin.protocols.TextEncoder`).

    :return: one Spec an encoder
    """


@hookspec
def kgrec_scorers() -> list[Spec]:
    """Offer scorers (:class:`kgrec.plugin.protocols.Scorer`).

    :return: one Spec a scorer
    """


@hookspec
def kgrec_rerankers() -> list[Spec]:
    """Offer re-rankers (:class:`kgrec.plugin.protocols.Reranker`); those that somebody names are used, in that order.

    :return: one Spec a re-ranker
    """


@hookspec
def kgrec_language_models() -> list[Spec]:
    """Offer language models (:class:`kgrec.plugin.protocols.LanguageModel`).

    :return: one Spec a model or a way to reach models
    """


@hookspec
def kgrec_generators() -> list[Spec]:
    """Offer generators of texts (:class:`kgrec.plugin.protocols.Generator`).

    :return: one Spec a generator
    """


@hookspec
def kgrec_guards() -> list[Spec]:
    """Offer guards, which reject texts (:class:`kgrec.plugin.protocols.Guard`); they are asked by rank.

    They join where the same plugin offers the domain in force, or where kgrec.toml has a table ``[guards.NAME]``.

    :return: one Spec a guard
    """


@hookspec(firstresult=True)
def kgrec_prompt_template(domain: Domain, task: str) -> PromptTemplate | None:
    """Give the prompt for a language model.

    :param domain: the domain in use
    :param task: kind of text and language: ``blurb.en``, or ``repair.en`` for the second attempt
    :return: the prompt, or None to leave it to others; the domain's file and kgrec's own prompt come last
    """


@hookspec
def kgrec_prompt_variants(domain: Domain, task: str) -> list[str]:
    """Name further prompts for a kind of text, to be tried against each other.

    :param domain: the domain in use
    :param task: kind of text and language: ``blurb.en``
    :return: names; for each of them ``kgrec_prompt_template`` is asked for ``blurb.en@NAME``
    """


@hookspec
def kgrec_commands() -> list[Spec]:
    """Offer commands of the command line, each a function with Typer's annotations.

    :return: one Spec a command, whose name has one word or two (``graph stats``); see :func:`workspace_command`
    """

"""Every hook of kgrec. Offer hooks take no argument and return lists, so a plugin is tested by calling a function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from kgrec.plugin.domain import Domain, Mapping, RelationType
    from kgrec.plugin.generation import PromptTemplate
    from kgrec.plugin.manager import Spec

PROJECT_NAME = "kgrec"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


@hookspec
def kgrec_domains() -> list[Domain]:
    """Offer domains.

    :return: the plugin's domains; a name that another plugin offers as well is an error naming both
    """


@hookspec
def kgrec_relation_types(domain: str) -> list[RelationType]:
    """Extend a domain by relation types.

    :param domain: name of the domain that the workspace uses
    :return: further relation types; one that contradicts an existing one of the same name is an error
    """


@hookspec(firstresult=True)
def kgrec_schema_mapping(domain: str, source: str, columns: Sequence[str]) -> Mapping | None:
    """Say how a file's columns are to be read, when the domain's own column names do not tell.

    :param domain: name of the domain
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
    """Offer guards, which reject texts (:class:`kgrec.plugin.protocols.Guard`); all of them are asked, by rank.

    :return: one Spec a guard
    """


@hookspec(firstresult=True)
def kgrec_prompt_template(domain: str, task: str) -> PromptTemplate | None:
    """Give the prompt for a language model.

    :param domain: name of the domain
    :param task: kind of text and language: ``blurb.en``, or ``repair.en`` for the second attempt
    :return: the prompt, or None to leave it to others; kgrec's own comes last
    """


@hookspec
def kgrec_prompt_variants(domain: str, task: str) -> list[str]:
    """Name further prompts for a kind of text, to be tried against each other.

    :param domain: name of the domain
    :param task: kind of text and language: ``blurb.en``
    :return: names; for each of them ``kgrec_prompt_template`` is asked for ``blurb.en@NAME``
    """


@hookspec
def kgrec_commands(app: typer.Typer) -> None:
    """Add commands to the command line.

    :param app: kgrec's Typer application; register commands or sub-applications on it
    """

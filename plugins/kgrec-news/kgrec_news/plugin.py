"""The hooks of the news domain."""

from __future__ import annotations

from collections.abc import Sequence

from kgrec.plugin import (
    Attribute,
    Domain,
    Mapping,
    PromptTemplate,
    RelationType,
    hookimpl,
    prompt_variants,
    read_prompt,
)
from kgrec_news.domain import NEWS


@hookimpl
def kgrec_domains() -> list[Domain]:
    """Offer news."""
    return [NEWS]


@hookimpl
def kgrec_relation_types(domain: str) -> list[RelationType]:
    """Let films and products be tied to the people, companies and places that the news write of.

    Where a shop or a film site also publishes articles, ``mentioned_in`` joins its items to them.
    """
    if domain not in ("video", "ecommerce"):
        return []
    return [
        RelationType(
            "mentioned_in",
            "mentioned in",
            "mentions_item",
            "mentions",
            tail="article",
            labels={"zh": "见于报道"},
            inverse_labels={"zh": "报道提及"},
            aliases=("https://schema.org/subjectOf", "http://schema.org/subjectOf", "schema:subjectOf"),
            reason="in the same article, {entity}",
            reasons={"zh": "同见于报道《{entity}》"},
        )
    ]


@hookimpl
def kgrec_prompt_template(domain: str, task: str) -> PromptTemplate | None:
    """Give the prompts of the domain's kinds of text."""
    if domain != "news":
        return None
    return read_prompt("kgrec_news", f"prompts/{task}.txt", f"news/{task}")


@hookimpl
def kgrec_prompt_variants(domain: str, task: str) -> list[str]:
    """Name the further prompts of the domain's kinds of text."""
    return list(prompt_variants("kgrec_news", "prompts", task)) if domain == "news" else []


@hookimpl
def kgrec_schema_mapping(domain: str, source: str, columns: Sequence[str]) -> Mapping | None:  # noqa: ARG001
    """Read the layouts of DKN's public sample, where ``clicked`` is a value and entities are ids by space."""
    names = set(columns)
    if domain != "news":
        return None
    if {"user_id", "news_id", "clicked"} <= names:
        columns_of = {"user": "user_id", "item": "news_id", "value": "clicked"}
        return Mapping(role="interactions", columns=columns_of, action="click")
    if {"news_id", "title", "entity_ids"} <= names:
        entities = Attribute("entity_ids", " ", "mentions")
        return Mapping(role="items", columns={"id": "news_id", "title": "title"}, attributes={"entities": entities})
    return None

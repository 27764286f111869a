"""The hooks of the news domain."""

from __future__ import annotations

from collections.abc import Sequence

from kgrec.plugin import SCHEMA_ORG, Attribute, Domain, Mapping, RelationType, hookimpl, in_graphs
from kgrec_news.domain import FILES, NEWS

contract = 1


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
        FILES.relation(
            "mentioned_in",
            "mentioned in",
            "mentions_item",
            "mentions",
            tail="article",
            aliases=in_graphs(SCHEMA_ORG, "subjectOf"),
            reason="in the same article, {entity}",
        )
    ]


kgrec_prompt_template, kgrec_prompt_variants = FILES.prompt_hooks()


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

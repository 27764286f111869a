"""The hooks of the news domain."""

from __future__ import annotations

from kgrec.plugin import SCHEMA_ORG, Domain, RelationType, hookimpl, in_graphs
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
kgrec_schema_mapping = FILES.recipe_hook()

"""News: what columns, actions and relations mean stands in domain.toml."""

from __future__ import annotations

from kgrec.plugin import Domain, RelationType, domain_hook, hookimpl, read_relation

contract = 1
kgrec_domains = domain_hook(__package__)


@hookimpl
def kgrec_relation_types(domain: Domain) -> list[RelationType]:
    """Let films and products be tied to the people, companies and places that the news write of.

    Where a shop or a film site also publishes articles, ``mentioned_in`` joins its items to them.
    """
    if domain.name not in ("video", "ecommerce"):
        return []
    told = {"inverse": "mentions_item", "inverse_label": "mentions", "tail": "article", "aliases": ["schema:subjectOf"]}
    return [read_relation(__package__, "mentioned_in", told)]

"""The hooks of the e-commerce domain."""

from __future__ import annotations

from collections.abc import Sequence

from kgrec.plugin import Domain, Mapping, hookimpl
from kgrec_ecommerce.domain import ECOMMERCE, FILES

contract = 1


@hookimpl
def kgrec_domains() -> list[Domain]:
    """Offer online shops."""
    return [ECOMMERCE]


kgrec_prompt_template, kgrec_prompt_variants = FILES.prompt_hooks()


@hookimpl
def kgrec_schema_mapping(domain: str, source: str, columns: Sequence[str]) -> Mapping | None:  # noqa: ARG001
    """Read the public shop data whose column names mislead.

    Amazon's reviews of 2023 hold two product ids, of which ``parent_asin`` is the one that the catalogue has;
    Retailrocket's property file is a graph, one fact a row.
    """
    names = set(columns)
    if domain != "ecommerce":
        return None
    if {"parent_asin", "user_id", "rating"} <= names:
        fields = {"user": "user_id", "item": "parent_asin", "value": "rating", "time": "timestamp", "text": "text"}
        return Mapping(role="interactions", columns=_present(fields, names), action="rate")
    if {"reviewerID", "asin"} <= names:
        fields = {
            "user": "reviewerID",
            "item": "asin",
            "value": "overall",
            "time": "unixReviewTime",
            "text": "reviewText",
        }
        return Mapping(role="interactions", columns=_present(fields, names), action="rate")
    if {"itemid", "property", "value"} <= names:
        return Mapping(role="triples", columns={"head": "itemid", "relation": "property", "tail": "value"})
    return None


def _present(fields: dict[str, str], names: set[str]) -> dict[str, str]:
    return {field: column for field, column in fields.items() if column in names}

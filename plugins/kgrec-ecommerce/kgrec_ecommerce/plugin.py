"""The hooks of the e-commerce domain."""

from __future__ import annotations

from kgrec.plugin import Domain, hookimpl
from kgrec_ecommerce.domain import ECOMMERCE, FILES

contract = 1


@hookimpl
def kgrec_domains() -> list[Domain]:
    """Offer online shops."""
    return [ECOMMERCE]


kgrec_prompt_template, kgrec_prompt_variants = FILES.prompt_hooks()
kgrec_schema_mapping = FILES.recipe_hook()

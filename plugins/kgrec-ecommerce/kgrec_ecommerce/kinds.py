"""The texts that are written about products, and the words that state a relation in them."""

from __future__ import annotations

from collections.abc import Mapping

from kgrec.plugin import TextKind


def _phrases(name: str) -> dict[str, str]:
    return {language: f"kgrec_ecommerce:phrases/{name}.{language}.txt" for language in ("en", "zh")}


KINDS = (
    TextKind("copy", "product copy: what it is, and why for this customer", _phrases("copy")),
    TextKind(
        "ad-line",
        "one short line that names the product",
        _phrases("ad-line"),
        max_length={"en": 18, "zh": 45},
        min_length={"en": 2, "zh": 4},
    ),
    TextKind(
        "promotion",
        "a message that draws attention and promises nothing",
        _phrases("promotion"),
        max_length={"en": 45, "zh": 90},
    ),
    TextKind(
        "why-buy",
        "one sentence why this customer may want the product",
        _phrases("why-buy"),
        max_length={"en": 45, "zh": 90},
    ),
    TextKind(
        "summary",
        "what the product is, for nobody in particular",
        _phrases("summary"),
        personal=False,
        max_length={"en": 50, "zh": 110},
    ),
)

CUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "has_brand": {"en": ("the brand {}", "{} brand", "branded {}"), "zh": ("{}出品", "{}品牌", "品牌是{}")},
    "made_of": {
        "en": ("made from {}", "crafted from {}", "woven from {}"),
        "zh": ("采用{}", "{}制成", "{}材质", "选用{}"),
    },
    "made_by": {"en": ("manufactured by {}", "manufacturer {}"), "zh": ("由{}制造", "{}制造")},
    "comes_from": {"en": ("made in {}", "imported from {}", "origin: {}"), "zh": ("产自{}", "来自{}", "原产于{}")},
    "suited_for": {
        "en": ("perfect for {}", "ideal for {}", "great for {}", "made for {}"),
        "zh": ("适合{}", "适用于{}"),
    },
    "sold_by": {"en": ("available from {}",), "zh": ("{}有售", "店铺{}")},
    "in_category": {"en": ("the category {}",), "zh": ("{}类目", "属于{}")},
}

"""The texts that are written about articles, and the words that state a relation in them."""

from __future__ import annotations

from collections.abc import Mapping

from kgrec.plugin import TextKind


def _phrases(name: str) -> dict[str, str]:
    return {language: f"kgrec_news:phrases/{name}.{language}.txt" for language in ("en", "zh")}


KINDS = (
    TextKind(
        "headline",
        "the article's title, turned to this reader",
        _phrases("headline"),
        max_length={"en": 22, "zh": 45},
        min_length={"en": 1, "zh": 1},
    ),
    TextKind(
        "summary",
        "what the article is, for nobody in particular",
        _phrases("summary"),
        personal=False,
        max_length={"en": 60, "zh": 120},
    ),
    TextKind(
        "push",
        "one line on a locked screen",
        _phrases("push"),
        max_length={"en": 26, "zh": 50},
        min_length={"en": 2, "zh": 4},
    ),
    TextKind(
        "digest",
        "several articles in one text",
        _phrases("digest"),
        max_items=5,
        max_length={"en": 120, "zh": 240},
    ),
)

CUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "written_by": {
        "en": ("article by {}", "reported by {}", "{} writes", "{} reports", "author {}", "journalist {}"),
        "zh": ("{}撰写", "由{}撰写", "记者{}", "作者是{}", "{}报道"),
    },
    "in_category": {"en": ("in the {} section", "section {}"), "zh": ("{}栏目", "栏目：{}")},
    "reported_from": {"en": ("from our desk in {}",), "zh": ("发自{}",)},
    "published_by": {"en": ("source: {}",), "zh": ("来源：{}",)},
}

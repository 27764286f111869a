"""The texts that are written about films, and the words that state a relation in them."""

from __future__ import annotations

from collections.abc import Mapping

from kgrec.plugin import TextKind


def _phrases(name: str) -> dict[str, str]:
    return {language: f"kgrec_video:phrases/{name}.{language}.txt" for language in ("en", "zh")}


_SHORT = {f"{language}@short": f"kgrec_video:phrases/blurb.{language}@short.txt" for language in ("en", "zh")}

KINDS = (
    TextKind(
        "blurb", "two to four sentences: what the film is, and why for this viewer", {**_phrases("blurb"), **_SHORT}
    ),
    TextKind(
        "tag-line",
        "one short line that names the film",
        _phrases("tag-line"),
        max_length={"en": 16, "zh": 40},
        min_length={"en": 2, "zh": 4},
    ),
    TextKind(
        "why-watch",
        "one or two sentences why this viewer may like the film",
        _phrases("why-watch"),
        max_length={"en": 45, "zh": 90},
    ),
    TextKind(
        "summary",
        "what the film is, for nobody in particular",
        _phrases("summary"),
        personal=False,
        max_length={"en": 50, "zh": 110},
    ),
)

UNITS: Mapping[str, Mapping[str, str]] = {"minutes": {"en": "minutes", "zh": "分钟"}}

CUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "directed_by": {
        "en": (
            "{} directs",
            "{} directed",
            "director {}",
            "film by {}",
            "helmed by {}",
            "{}'s film",
            "direction of {}",
        ),
        "zh": ("由{}执导", "{}执导", "{}导演", "导演是{}"),
    },
    "starring": {
        "en": (
            "starring {}",
            "with {}",
            "stars {}",
            "{} stars",
            "{} plays",
            "{} acts",
            "actor {}",
            "actress {}",
            "featuring {}",
        ),
        "zh": ("由{}主演", "{}主演", "主演是{}", "{}出演", "{}饰演"),
    },
    "written_by": {
        "en": ("screenplay by {}", "script by {}", "{} wrote", "penned by {}", "writer {}"),
        "zh": ("由{}编剧", "{}编剧", "编剧是{}"),
    },
    "produced_by": {"en": ("producer {}", "{} produced"), "zh": ("由{}监制", "制片人{}")},
    "made_in": {"en": ("produced in {}", "filmed in {}", "shot in {}"), "zh": ("{}出品", "{}制作")},
    "has_subject": {"en": ("film about {}", "story about {}", "story of {}", "tale of {}"), "zh": ("讲述{}的故事",)},
    "has_genre": {"en": ("genre {}", "genre of {}"), "zh": ("类型是{}",)},
}

"""The template generator: grammatical, varied text from facts alone. It can say nothing that is not among them."""

from __future__ import annotations

import functools
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from kgrec.generate.language import beside, length, plural
from kgrec.generate.phrases import Line, Phrases, PhraseSection, load_phrases
from kgrec.plugin.generation import Fact, TextRequest
from kgrec.plugin.protocols import LanguageModel

_Values = Mapping[str, Sequence[str]]
PERSONAL = frozenset({"history", "because", "interest", "verb", "count", "examples"})
"""Slots that make a line one for this reader; preferred where they can be filled."""


class TemplateGenerator:
    """Fills the phrases of a kind with facts; which of several lines is used follows from request and seed."""

    @property
    def name(self) -> str:
        """Always ``template``."""
        return "template"

    def write(
        self,
        requests: Sequence[TextRequest],
        *,
        model: LanguageModel | None = None,  # noqa: ARG002
        seed: int,
    ) -> list[str]:
        """Return a text for each request; see :class:`kgrec.plugin.protocols.Generator`."""
        return [self._write(request, seed) for request in requests]

    def _write(self, request: TextRequest, seed: int) -> str:
        phrases = phrases_of(request)
        if phrases is None:
            return ""
        draw = random.Random(f"{seed}|{request.key}|{','.join(request.item_ids)}|{request.kind.name}")
        everything = slot_values(request, request.facts)
        parts: list[tuple[str, int]] = []  # text, how soon it may be left out: 0 never, 1 late, 2 first
        for section in phrases.sections:
            if section.mark == "*":
                parts += [(text, 2 * (k > 0)) for k, text in enumerate(_each(section, request, draw))]
            else:
                line = _choose(section, everything, request, draw)
                if line is not None:
                    soon = (1 if line.needs & PERSONAL else 2) if section.mark == "?" else 0
                    parts.append((line.fill(everything, request.language), soon))
        return _joined(_shortened(parts, request), request.language)


def phrases_of(request: TextRequest) -> Phrases | None:
    """Return the phrases of the request's kind in its language, or None where the kind has none.

    A model's prompt may have a variant that there are no phrases of: the template then writes by the main ones.
    """
    phrases = request.kind.phrases
    target = phrases.get(f"{request.language}@{request.variant}") or phrases.get(request.language)
    return load_phrases(target) if target else None


def slot_values(request: TextRequest, facts: Sequence[Fact]) -> dict[str, list[str]]:
    """Return what each slot can be filled with: the values of the facts of that name, in their order."""
    values: defaultdict[str, list[str]] = defaultdict(list)
    for fact in facts:
        if fact.type == "text":
            continue  # a description is never copied
        values[fact.name].append(f"{fact.value} {fact.unit}".strip() if fact.unit else fact.value)
        if fact.name == "history":
            values["verb"].append(fact.label)
        elif fact.type == "interest" and fact.number is not None:
            values["count"].append(f"{fact.number:g}")
    for name in ("history", "verb", "interest", "count", "because"):  # these belong together: the first of each
        if name in values:
            values[name] = values[name][:1]
    values["noun"] = [request.noun]
    values["nouns"] = [plural(request.noun) if request.language == "en" else request.noun]
    return values


def _each(section: PhraseSection, request: TextRequest, draw: random.Random) -> list[str]:
    texts = []
    for item in request.item_ids[: request.kind.max_items]:
        values = slot_values(request, [fact for fact in request.facts if fact.subject in (item, "")])
        line = _choose(section, values, request, draw)
        if line is not None:
            texts.append(line.fill(values, request.language))
    return list(dict.fromkeys(texts))  # two articles of one title are told of once


def _choose(section: PhraseSection, values: _Values, request: TextRequest, draw: random.Random) -> Line | None:
    """Draw one of the lines that can be filled.

    Those for this tone and this reader go first, then those that say most, of which those that name a topic.
    """
    tone = request.tone
    fitting = [
        (tone in line.tones, bool(needs & PERSONAL), len(needs), line)
        for line, needs in zip(section.lines, section.needs, strict=True)
        if needs <= values.keys() and (not line.tones or tone in line.tones)
    ]
    if not fitting:
        return None
    toned, personal = max(row[0] for row in fitting), max(row[1] for row in fitting)
    if personal:
        fitting = [row for row in fitting if row[1]]
    elif toned:
        fitting = [row for row in fitting if row[0]] if draw.random() < 0.5 else fitting
    most = max(row[2] for row in fitting)
    lines = [row[3] for row in fitting if row[2] >= most - 1]
    stressed = {fact.name for fact in request.facts if fact.value in request.topics} - {"interest"}
    return draw.choice([line for line in lines if line.needs & stressed] or lines)


def _shortened(parts: list[tuple[str, int]], request: TextRequest) -> list[str]:
    """Leave out what may be left out until the text is short enough: first what is for everybody, the last first."""
    kept = list(parts)
    limit = request.kind.max_length.get(request.language, 10**6)
    for soon in (2, 1):
        for k in reversed(range(len(kept))):
            if sum(length(text, request.language) for text, _ in kept) <= limit:
                break
            if kept[k][1] == soon:
                del kept[k]
    return [text for text, _ in kept]


def _joined(parts: Sequence[str], language: str) -> str:
    return functools.reduce(beside, parts) if parts and language == "zh" else " ".join(parts)

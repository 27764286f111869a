"""The generator that asks a language model, by the prompt of the kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kgrec.generate.language import with_articles
from kgrec.generate.prompts import opening, render
from kgrec.plugin.generation import PromptTemplate, SmallModel, TextRequest, Violation, default_prompt
from kgrec.plugin.protocols import LanguageModel

TOKENS_A_WORD = {"en": 1.6, "zh": 1.4}
"""Tokens that a word (en) or character (zh) takes, generously."""

SENTENCE = 60
"""Tokens of a sentence for the reader at most."""


class PromptGenerator:
    """Writes by a language model; without one it writes nothing."""

    @property
    def name(self) -> str:
        """Always ``prompt``."""
        return "prompt"

    def write(self, requests: Sequence[TextRequest], *, model: LanguageModel | None, seed: int) -> list[str]:
        """Return a draft for each request; see :class:`kgrec.plugin.protocols.Generator`.

        Raises:
            ModelError: the model answered none of the prompts.
        """
        if model is None or not requests:
            return [""] * len(requests)
        small = is_small(model)
        starts = [opening(request) if small else "" for request in requests]
        prompts = [
            f"{render(_prompt(request), request, small=small).rstrip()} {start}".rstrip()
            if start
            else render(_prompt(request), request, small=small)
            for request, start in zip(requests, starts, strict=True)
        ]
        texts = model.complete(prompts, max_new_tokens=max(map(token_limit, requests)), seed=seed)
        return [
            polished(_after(start, text), request) for start, text, request in zip(starts, texts, requests, strict=True)
        ]

    def repair(
        self,
        request: TextRequest,
        draft: str,
        problems: Sequence[Violation],
        *,
        template: PromptTemplate,
        model: LanguageModel,
        seed: int,
    ) -> str:
        """Return a second draft that is told what was wrong with the first."""
        prompt = render(template, request, draft=draft, problems=problems, small=is_small(model))
        return polished(model.complete([prompt], max_new_tokens=token_limit(request), seed=seed)[0], request)

    def sentence(
        self, request: TextRequest, *, template: PromptTemplate, model: LanguageModel, seeds: Sequence[int]
    ) -> Iterator[str]:
        """Yield sentences for the reader, each drawn when it is asked for."""
        prompt = render(template, request, small=is_small(model))
        for seed in seeds:
            yield polished(model.complete([prompt], max_new_tokens=SENTENCE, seed=seed)[0], request)


def _after(start: str, text: str) -> str:
    """Return an answer behind the words that it was to begin with."""
    if not start or not text:
        return text
    return start + text if text[0] in ",;:.'’)" else f"{start} {text}"


def polished(text: str, request: TextRequest) -> str:
    """Return an English text with the right articles: "a action film" is all that small models get wrong so often."""
    return with_articles(text) if request.language == "en" else text


def is_small(model: LanguageModel) -> bool:
    """Say whether a model needs short prompts."""
    return isinstance(model, SmallModel) and model.small


def token_limit(request: TextRequest) -> int:
    """Return how many tokens the longest allowed text may take."""
    longest = request.kind.max_length.get(request.language, 60)
    return int(longest * TOKENS_A_WORD.get(request.language, 2.0)) + 16


def _prompt(request: TextRequest) -> PromptTemplate:
    template = request.prompt or default_prompt(f"{request.kind.name}.{request.language}")
    return template or PromptTemplate("bare", "{facts}\n")

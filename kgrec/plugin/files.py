"""What a domain says of itself in files beside its plugin: words by language, phrases, prompts."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from kgrec.plugin.domain import PromptTemplate, RelationType, TextKind, prompt_variants, read_prompt
from kgrec.plugin.spec import hookimpl

SCHEMA_ORG = ("schema:", "http://schema.org/", "https://schema.org/")
DBPEDIA = ("dbo:", "http://dbpedia.org/ontology/")
WIKIDATA = ("http://www.wikidata.org/prop/direct/",)


def in_graphs(starts: tuple[str, ...], *names: str) -> tuple[str, ...]:
    """Return every way in which graphs write properties of a vocabulary: ``schema:director``, and as an IRI.

    >>> in_graphs(DBPEDIA, "director")
    ('dbo:director', 'http://dbpedia.org/ontology/director')
    """
    return tuple(f"{start}{name}" for name in names for start in starts)


@dataclass(frozen=True)
class DomainFiles:
    """The files of a domain in its plugin's package.

    ``languages/LANG.toml`` holds words: ``noun``, tables ``verbs``, ``verbs_before_names``, ``units``, ``cues``, of
    each kind of text ``lengths.KIND`` (``longest``, ``shortest``), of each relation in languages but the main one
    ``relations.NAME`` (``label``, ``inverse``, ``reason``). ``phrases/KIND.LANG.txt`` and ``prompts/KIND.LANG.txt`` are
    those of a kind of text; further ones that are tried against them end in ``@NAME.txt``.

    Attributes:
        package: ``kgrec_video``.
        domain: ``video``.
    """

    package: str
    domain: str

    def words(self, *path: str) -> Mapping[str, Any]:
        """Return what stands under a path in each language that has it; files are read when they are asked for."""
        return _Words(self.package, path)

    def relation(self, name: str, label: str, inverse: str, inverse_label: str, **more: Any) -> RelationType:
        """Return a relation type with the words that other languages have for it."""
        labels, inverse_labels, reasons = (
            self.words("relations", name, word) for word in ("label", "inverse", "reason")
        )
        return RelationType(
            name, label, inverse, inverse_label, labels=labels, inverse_labels=inverse_labels, reasons=reasons, **more
        )

    def kind(self, name: str, summary: str, *, personal: bool = True, max_items: int = 1) -> TextKind:
        """Return a kind of text with its phrases and lengths in every language that has them."""
        longest, shortest = (self.words("lengths", name, bound) for bound in ("longest", "shortest"))
        phrases = _phrases(self.package, name)
        return TextKind(name, summary, phrases, personal, max_items, max_length=longest, min_length=shortest)

    def prompt_hooks(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the hooks ``kgrec_prompt_template`` and ``kgrec_prompt_variants`` that give the domain's prompts."""

        def kgrec_prompt_template(domain: str, task: str) -> PromptTemplate | None:
            if domain != self.domain:
                return None
            return read_prompt(self.package, f"prompts/{task}.txt", f"{domain}/{task}")

        def kgrec_prompt_variants(domain: str, task: str) -> list[str]:
            return list(prompt_variants(self.package, "prompts", task)) if domain == self.domain else []

        return hookimpl(kgrec_prompt_template), hookimpl(kgrec_prompt_variants)


@dataclass(frozen=True)
class _Words(Mapping[str, Any]):
    package: str
    path: tuple[str, ...]

    def __getitem__(self, code: str) -> Any:
        found = _table(self.package, code)
        for part in self.path:
            found = found[part]
        return found

    def __iter__(self) -> Iterator[str]:
        return (code for code in _codes(self.package) if code in self)

    def __contains__(self, code: object) -> bool:
        try:
            self[str(code)]
        except KeyError:
            return False
        return True

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def _codes(package: str) -> tuple[str, ...]:
    names = [file.name for file in files(package).joinpath("languages").iterdir()]
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def _table(package: str, code: str) -> dict[str, Any]:
    file = files(package).joinpath("languages", f"{code}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


@cache
def _phrases(package: str, kind: str) -> dict[str, str]:
    """Return language, with ``@NAME`` for a variant -> where the phrases of a kind of text are."""
    names = sorted(file.name for file in files(package).joinpath("phrases").iterdir())
    found = (name.removesuffix(".txt").split(".", 1) for name in names if name.endswith(".txt"))
    return {rest: f"{package}:phrases/{of}.{rest}.txt" for of, rest in found if of == kind}

"""What a domain says of itself in files beside its plugin: words by language, phrases, prompts."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from kgrec.errors import PluginError
from kgrec.plugin.domain import Mapping as FileMapping
from kgrec.plugin.domain import PromptTemplate, RelationType, TextKind, prompt_variants, read_prompt
from kgrec.plugin.recipes import recipes_of
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
    each relation ``relations.NAME`` (``reason``, ``habit``; ``label`` and ``inverse`` in languages but the main one).
    ``kinds.toml`` holds the kinds of text, see :func:`read_kinds`; ``phrases/LANG.txt`` what they are made of,
    ``phrases/KIND.LANG@NAME.txt`` other phrases for a kind, to be tried against these. ``prompts/KIND.LANG.txt`` and
    ``prompts/KIND.LANG@NAME.txt`` are what a language model is asked. ``recipes/NAME.toml`` say how files of a
    well-known export are read.

    Attributes:
        package: ``kgrec_video``.
        domain: ``video``.
    """

    package: str
    domain: str

    def words(self, *path: str) -> Mapping[str, Any]:
        """Return what stands under a path in each language that has it; files are read when they are asked for."""
        return _Words(self.package, path)

    def lines(self, path: str) -> tuple[str, ...]:
        """Return the lines of a file of the package; one that begins with # is a comment."""
        from importlib.resources import files

        text = files(self.package).joinpath(*path.split("/")).read_text(encoding="utf-8")
        return tuple(line for line in text.splitlines() if line.strip() and not line.startswith("#"))

    def relation(self, name: str, label: str, inverse: str, inverse_label: str, **more: Any) -> RelationType:
        """Return a relation type with the words that other languages have for it."""
        labels, inverse_labels, reasons, habits = (
            self.words("relations", name, word) for word in ("label", "inverse", "reason", "habit")
        )
        words: dict[str, Any] = {
            "labels": labels,
            "inverse_labels": inverse_labels,
            "reasons": reasons,
            "habits": habits,
        }
        return RelationType(name, label, inverse, inverse_label, **words, **more)

    def kinds(self) -> tuple[TextKind, ...]:
        """Return the kinds of text that ``kinds.toml`` names, the usual one first, with their phrases."""
        library = {code: f"{self.package}:phrases/{code}.txt" for code in _codes(self.package)}
        return read_kinds(self.package, "kinds.toml", lambda kind: {**library, **_variants(self.package, kind)})

    def prompt_hooks(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Return the hooks ``kgrec_prompt_template`` and ``kgrec_prompt_variants`` that give the domain's prompts."""

        def kgrec_prompt_template(domain: str, task: str) -> PromptTemplate | None:
            if domain != self.domain:
                return None
            return read_prompt(self.package, f"prompts/{task}.txt", f"{domain}/{task}")

        def kgrec_prompt_variants(domain: str, task: str) -> list[str]:
            return list(prompt_variants(self.package, "prompts", task)) if domain == self.domain else []

        return hookimpl(kgrec_prompt_template), hookimpl(kgrec_prompt_variants)

    def recipe_hook(self) -> Callable[..., Any]:
        """Return the hook ``kgrec_schema_mapping`` that reads files by the domain's recipes; see :class:`Recipe`."""

        def kgrec_schema_mapping(domain: str, source: str, columns: Sequence[str]) -> FileMapping | None:
            return self.by_recipe(source, columns) if domain == self.domain else None

        return hookimpl(kgrec_schema_mapping)

    def by_recipe(self, source: str, columns: Sequence[str]) -> FileMapping | None:
        """Return how a file is read by the first recipe that fits, or None."""
        told = (recipe.reads(source, columns) for recipe in recipes_of(self.package))
        return next((mapping for mapping in told if mapping is not None), None)


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
def _variants(package: str, kind: str) -> dict[str, str]:
    """Return language and name, ``en@short`` -> where other phrases for a kind of text are."""
    names = sorted(file.name for file in files(package).joinpath("phrases").iterdir())
    found = (name.removesuffix(".txt").split(".", 1) for name in names if "@" in name and name.endswith(".txt"))
    return {rest: f"{package}:phrases/{of}.{rest}.txt" for of, rest in found if of == kind}


def read_kinds(package: str, path: str, phrases: Callable[[str], Mapping[str, str]]) -> tuple[TextKind, ...]:
    """Return the kinds of text that a file names, one a table, in its order.

    A table holds ``summary``, and what else of :class:`kgrec.plugin.domain.TextKind` differs from its defaults; lengths
    are ``longest`` and ``shortest``, a table by language each.

    Args:
        package: the file's, ``kgrec_video``.
        path: inside it.
        phrases: name of a kind -> language -> where its phrases are.

    Raises:
        PluginError: the file names what a kind does not have.
    """
    tables = tomllib.loads(files(package).joinpath(path).read_text(encoding="utf-8"))
    found = []
    for name, table in tables.items():
        told = {"max_length": table.pop("longest", {}), "min_length": table.pop("shortest", {}), **table}
        lists: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in told.items()}
        try:
            found.append(TextKind(name, phrases=phrases(name), **lists))
        except TypeError as error:
            raise PluginError(f"{package}: {path}: {name}: {error}", hint="see kgrec.plugin.domain.TextKind") from None
    return tuple(found)

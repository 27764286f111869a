"""A domain as files of its plugin's package: ``domain.toml``, and words, phrases, prompts, recipes beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from kgrec.errors import PluginError, did_you_mean
from kgrec.plugin.domain import Attribute, Domain, RelationType, TextKind, TextPattern
from kgrec.plugin.spec import hookimpl

T = TypeVar("T")

VOCABULARIES = {
    "schema:": ("schema:", "http://schema.org/", "https://schema.org/"),
    "dbo:": ("dbo:", "dbp:", "http://dbpedia.org/ontology/", "http://dbpedia.org/property/"),
    "wdt:": ("wdt:", "", "http://www.wikidata.org/prop/direct/"),
    "skos:": ("skos:", "http://www.w3.org/2004/02/skos/core#"),
}
"""Prefix of a vocabulary -> every way in which graphs begin the names of its properties."""

LANGUAGES = "kgrec.languages"
_COMMON = "domain.toml"
"""In a language's pack: what domains share in that language."""

_TABLES = ("columns", "actions", "relations", "attributes", "patterns", "languages")


def domain_hook(package: str) -> Callable[[], list[Domain]]:
    """Return the hook ``kgrec_domains`` that offers the domain of a package; its files are read when it is asked.

    >>> kgrec_domains = domain_hook("kgrec_news")
    >>> [domain.name for domain in kgrec_domains()]
    ['news']

    Args:
        package: ``__name__`` of the package in which ``domain.toml`` lies.
    """

    def kgrec_domains() -> list[Domain]:
        return [read_domain(package)]

    return hookimpl(kgrec_domains)


@cache
def read_domain(package: str) -> Domain:
    """Return the domain that the files of a package describe.

    ``domain.toml`` holds the fields of :class:`kgrec.plugin.domain.Domain` that are texts and lists, and the tables
    ``[columns.ROLE]``, ``[actions]`` (their weights), ``[action_words]``, ``[relations.NAME]`` for each relation type
    (one that kgrec knows may be empty), ``[attributes]`` and ``[[patterns]]``, where ``<name>`` stands for a name.
    Beside it ``languages/LANG.toml`` (or a table ``[languages.LANG]``) holds words: ``noun``, ``title``, the tables
    ``verbs``, ``verbs_before_names``, ``units``, ``attributes``, ``cues``, and ``relations.NAME`` with ``reason``,
    ``habit``, ``label``, ``inverse``; ``kinds.toml`` the kinds of text, ``phrases/`` and ``prompts/`` what these are
    made of, ``recipes/`` how files of well-known exports are read, ``synonyms.txt`` words of one meaning,
    ``sample.toml`` the sample.

    Args:
        package: ``kgrec_video``.

    Raises:
        PluginError: a file cannot be read, or says what a domain does not have; names file and key.
    """
    try:
        return _domain(package)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        hint = "texts stand in quotes, lists in brackets; see the domain.toml of kgrec's own domains"
        raise PluginError(f"{package}: domain.toml: a value of another form: {error}", hint=hint) from None


def _domain(package: str) -> Domain:
    told = _toml(package, "domain.toml")
    tables = {name: told.pop(name, {}) for name in _TABLES}
    where, relations = f"{package}: domain.toml", tables["relations"]
    stated = frozenset(alias for table in relations.values() for alias in _aliases(table))
    library = {
        code: f"{package}:phrases/{code}.txt"
        if _has(package, f"phrases/{code}.txt")
        else f"{LANGUAGES}:{code}/phrases.txt"
        for code in _codes(package)
    }
    kinds = "kinds.toml"
    sample = {"sample": f"{package}:sample.toml"} if _has(package, "sample.toml") else {}
    return _made(
        Domain,
        where,
        {**sample, **told, "may_say": frozenset(told.get("may_say", ())), "action_weights": tables["actions"]},
        package=package,
        relation_types=tuple(read_relation(package, name, table, stated) for name, table in relations.items()),
        attributes={name: _attribute(where, name, table) for name, table in tables["attributes"].items()},
        columns={
            role: {field: _listed(names) for field, names in table.items()} for role, table in tables["columns"].items()
        },
        patterns=tuple(_pattern(where, table) for table in tables["patterns"]),
        kinds=read_kinds(package, kinds, lambda kind: {**library, **_variants(package, kind)})
        if _has(package, kinds)
        else (),
        synonyms=_lines(package, "synonyms.txt"),
        item_noun=_Words(package, ("noun",)),
        title_marks=_Words(package, ("title",)),
        attribute_labels=_Words(package, ("attributes",)),
        **{name: _Words(package, (name,)) for name in ("verbs", "verbs_before_names", "units", "cues")},
    )


def in_graphs(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of relations with every way in which graphs write those of known vocabularies.

    >>> in_graphs(["director", "skos:broader"])
    ('director', 'skos:broader', 'http://www.w3.org/2004/02/skos/core#broader')
    """
    found = []
    for name in names:
        prefix = f"{name.partition(':')[0]}:"
        found += (
            [start + name.removeprefix(prefix) for start in VOCABULARIES[prefix]] if prefix in VOCABULARIES else [name]
        )
    return tuple(dict.fromkeys(found))


def _made(cls: type[T], where: str, table: Mapping[str, Any], **more: Any) -> T:
    """Build a record of a domain; what a file says beside its fields is an error that names the right one."""
    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise PluginError(f"{where}: there is no {key!r}", hint=did_you_mean(key, known))
    try:
        lists = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
        return cls(**{**lists, **more})
    except TypeError as error:
        raise PluginError(f"{where}: {error}", hint=f"see kgrec.plugin.{cls.__name__}") from None


def _listed(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]


def _aliases(table: Mapping[str, Any]) -> list[str]:
    return [one for key in ("aliases", "inverse_aliases") for one in in_graphs(_listed(table.get(key, ())))]


def read_relation(package: str, name: str, table: Mapping[str, Any], stated: Collection[str] = ()) -> RelationType:
    """Return a relation type with the words that the languages of a package have for it.

    Args:
        package: ``kgrec_video``.
        name: of the relation; what kgrec knows of one of that name is taken where the table does not say.
        table: fields of :class:`kgrec.plugin.domain.RelationType`, as ``[relations.NAME]`` of ``domain.toml`` has them.
        stated: names in foreign graphs that the domain states of some relation; they are its own alone.
    """
    common = _toml("kgrec.plugin", "common.toml").get(name, {})
    told = {**common, **table}
    for key in ("aliases", "inverse_aliases"):
        known = [alias for alias in in_graphs(common.get(key, ())) if alias not in stated]
        told[key] = tuple(dict.fromkeys((*in_graphs(_listed(table.get(key, ()))), *known)))
    words = {word: _Words(package, ("relations", name, word)) for word in ("label", "inverse", "reason", "habit")}
    return _made(
        RelationType,
        f"{package}: domain.toml: relations.{name}",
        {"name": name, **told},
        labels=words["label"],
        inverse_labels=words["inverse"],
        reasons=words["reason"],
        habits=words["habit"],
    )


def _attribute(where: str, name: str, table: Any) -> Attribute:
    told = table if isinstance(table, dict) else {"aliases": table}
    told = {"column": name, **told, "aliases": _listed(told.get("aliases", ()))}
    return _made(Attribute, f"{where}: attributes.{name}", told)


def _pattern(where: str, table: dict[str, Any]) -> TextPattern:
    name = _toml(LANGUAGES, f"{table.get('language', 'en')}/{_COMMON}").get("name", r"\w+")
    return _made(
        TextPattern,
        f"{where}: patterns",
        {**table, "pattern": str(table.get("pattern", "")).replace("<name>", f"(?P<entity>{name})")},
    )


@dataclass(frozen=True)
class _Words(Mapping[str, Any]):
    """What stands under a path in each language: in the domain's own file, else what domains share."""

    package: str
    path: tuple[str, ...]

    def __getitem__(self, code: str) -> Any:
        for table in (_table(self.package, code), _toml(LANGUAGES, f"{code}/{_COMMON}")):
            found: Any = table
            for part in self.path:
                found = found.get(part) if isinstance(found, dict) else None
            if found is not None:
                return found
        raise KeyError(code)

    def __iter__(self) -> Iterator[str]:
        from kgrec.languages import languages

        return (code for code in sorted({*_codes(self.package), *languages()}) if code in self)

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
    folder = files(package).joinpath("languages")
    names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    inline = _toml(package, "domain.toml").get("languages", {})
    return tuple(sorted({*inline, *(name.removesuffix(".toml") for name in names if name.endswith(".toml"))}))


@cache
def _table(package: str, code: str) -> dict[str, Any]:
    inline: dict[str, Any] = _toml(package, "domain.toml").get("languages", {}).get(code, {})
    return {**inline, **_toml(package, f"languages/{code}.toml")}


def _has(package: str, path: str) -> bool:
    return files(package).joinpath(*path.split("/")).is_file()


@cache
def _parsed(package: str, path: str) -> dict[str, Any]:
    file = files(package).joinpath(*path.split("/"))
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"{package}: {path} cannot be read: {error}") from None


def _toml(package: str, path: str) -> dict[str, Any]:
    """Return a file of a package as tables; empty where there is none."""
    return dict(_parsed(package, path))


def _lines(package: str, path: str) -> tuple[str, ...]:
    """Return the lines of a file of a package; one that begins with # is a comment."""
    if not _has(package, path):
        return ()
    text = files(package).joinpath(path).read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line.strip() and not line.startswith("#"))


@cache
def _variants(package: str, kind: str) -> dict[str, str]:
    """Return language and name, ``en@short`` -> where other phrases for a kind of text are."""
    folder = files(package).joinpath("phrases")
    names = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
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
    found = []
    for name, table in _toml(package, path).items():
        lengths = {"max_length": table.get("longest", {}), "min_length": table.get("shortest", {})}
        rest = {key: value for key, value in table.items() if key not in ("longest", "shortest")}
        found.append(
            _made(TextKind, f"{package}: {path}: {name}", {"name": name, **lengths, **rest}, phrases=phrases(name))
        )
    return tuple(found)

"""What a file is for, told from its name, columns and values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from kgrec.data.columns import FIELDS, HISTORIES, SEARCHES, fold, guess_attributes, guess_fields
from kgrec.data.sources.contents import expand
from kgrec.data.sources.files import LINE, read_source
from kgrec.errors import DataError
from kgrec.places import suffix
from kgrec.plugin.domain import Attribute, Domain

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager

Kind = Literal["interactions", "items", "users", "triples", "link", "names", "unknown"]

RDF_ENDINGS = (".nt", ".nq", ".ttl", ".n3", ".rdf", ".owl", ".xml", ".jsonld", ".trig", ".trix")

_MISSING = {"items": "users could be told", "users": "items could be told"}
_VALIDATION = re.compile(r"(?:^|[^a-z])(?:valid|validation|val|dev)(?:[^a-z]|$)|验证")
_TEST = re.compile(r"(?:^|[^a-z])(?:test|heldout|holdout)(?:[^a-z]|$)|测试")
_USERS = re.compile(r"user|member|customer|用户|会员|顾客")


@dataclass(frozen=True)
class Inspected:
    """A file that was looked at.

    Attributes:
        path: the file.
        kind: what it is for.
        columns: kgrec's field -> the file's column.
        attributes: attribute name -> how it is read.
        action: the action of every row, where a plugin says so.
        split: ``validation`` for interactions in a file of such a name.
        unused: columns that nothing is made of.
        problem: why the file is not used, in words; empty if it is.
        table: the file as read, or None (RDF, or no source reads it).
    """

    path: Path
    kind: Kind
    columns: dict[str, str]
    attributes: dict[str, Attribute]
    action: str | None = None
    split: str = "train"
    unused: tuple[str, ...] = ()
    problem: str = ""
    table: pl.DataFrame | None = None


def read_tables(files: Sequence[Path], manager: PluginManager) -> dict[Path, pl.DataFrame | DataError | None]:
    """Read each file, and each part of a container; None for RDF, the error for a file that cannot be read.

    Raises:
        NotFoundError: a file does not exist.
    """
    tables: dict[Path, pl.DataFrame | DataError | None] = {}
    for path in (part for file in files for part in expand(file)):
        try:
            tables[path] = None if suffix(path) in RDF_ENDINGS else read_source(path, None, manager)
        except DataError as error:
            tables[path] = error
    return tables


def inspect(path: Path, table: pl.DataFrame | DataError | None, domain: Domain, manager: PluginManager) -> Inspected:
    """Say what a file is for and how it is read."""
    if table is None:
        return Inspected(path, "triples", {}, {})
    if isinstance(table, DataError):
        why = f"{table.message.removeprefix(f'{path}: ')}; {table.hint}"
        return Inspected(path, "unknown", {}, {}, problem=why)
    columns = [name for name in table.columns if name != LINE]
    asked = manager.schema_mapping(domain.name, path.name, columns)
    if asked is not None:
        kind: Kind = asked.role
        fields, attributes, action = dict(asked.columns), dict(asked.attributes), asked.action
    else:
        kind = _kind(path, columns, domain)
        fields = guess_fields(kind, columns, domain) if kind != "unknown" else {}
        attributes = guess_attributes(table, kind, set(fields.values()), domain)
        action = None
    used = {*fields.values(), *(a.column for a in attributes.values())}
    unused = tuple(name for name in columns if name not in used)
    split, problem = _part_of_split(path, kind)
    if asked is None and kind in ("items", "users") and _ids_recur(table[fields["id"]]):
        kind, problem = (
            "unknown",
            f"ids in {fields['id']} recur, so it is no catalogue, but no column of {_MISSING[kind]}",
        )
    elif kind == "unknown":
        problem = _why_unknown(columns, domain)
    return Inspected(path, kind, fields, attributes, action, split, unused, problem, table)


def best_domain(tables: Mapping[Path, pl.DataFrame | DataError | None], manager: PluginManager) -> str:
    """Return the domain that knows most of the columns by names that no other knows; ``generic`` if there is none.

    Tables of users do not tell: age and city are the same in every field.
    """
    generic = manager.domain("generic")
    names: dict[str, set[str]] = {}
    for name in manager.registry("domain"):
        domain = manager.domain(name)
        own = {fold(n) for fields in domain.columns.values() for found in fields.values() for n in found}
        for key, attribute in domain.attributes.items():
            own |= {fold(n) for n in (key, attribute.column, *attribute.aliases)}
        names[name] = own
    owners = Counter(word for words in names.values() for word in words)
    files = {
        path: [c for c in table.columns if c != LINE]
        for path, table in tables.items()
        if isinstance(table, pl.DataFrame)
    }
    seen = {fold(c) for path, columns in files.items() if _kind(path, columns, generic) != "users" for c in columns}
    most = max(2, len([words for words in names.values() if words]))
    # A name that all domains know says nothing, one that a single domain knows says most.
    scores = {
        name: sum((most - owners[word]) / (most - 1) / owners[word] for word in sorted(words & seen))
        for name, words in names.items()
    }
    best = max(scores, key=lambda name: scores[name], default="generic")
    return best if scores.get(best, 0) > 0.6 else "generic"


def _kind(path: Path, columns: Sequence[str], domain: Domain) -> Kind:
    found = {role: guess_fields(role, columns, domain) for role in FIELDS}
    log = found["interactions"]
    if len(found["triples"]) == 3 and "user" not in log:
        return "triples"
    if "user" in log and ("item" in log or fold(log.get("text", "")) in SEARCHES):
        return "interactions"
    if "user" in log:
        return "unknown" if _sequence_column(columns) else "users"
    if "item" in log:
        return "link" if len(found["link"]) == 2 and len(columns) == 2 else "items"
    if {"entity", "name"} <= set(found["names"]):
        return "names"
    if "id" in found["items"] and len(columns) > 1:
        return "users" if _USERS.search(path.name.lower()) else "items"
    return "unknown"


def _sequence_column(columns: Sequence[str]) -> str | None:
    return next((column for column in columns if fold(column) in HISTORIES), None)


def _why_unknown(columns: Sequence[str], domain: Domain) -> str:
    sequence = _sequence_column(columns)
    if sequence and "user" in guess_fields("interactions", columns, domain):
        return f"a row holds a whole history ({sequence}); kgrec reads one interaction a row, so split it up first"
    return f"its columns do not tell what it is for: {', '.join(columns)}"


def _ids_recur(ids: pl.Series) -> bool:
    filled = ids.drop_nulls()
    return filled.len() >= 10 and filled.n_unique() < 0.4 * filled.len()


def _part_of_split(path: Path, kind: Kind) -> tuple[str, str]:
    name = path.name.lower()
    if kind != "interactions":
        return "train", ""
    if _TEST.search(name):
        return "train", "left out because of its name: what is held out for testing must not be learned from"
    return ("validation" if _VALIDATION.search(name) else "train"), ""

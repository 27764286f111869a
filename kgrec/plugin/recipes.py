"""Recipes: how files of a well-known export are read, as data in a domain plugin; a page of twenty lines each.

A recipe is a file ``recipes/NAME.toml`` in the plugin's package, with a table ``[[file]]`` for each file of the export.
In place of a column may stand a list, of which the first that the file has is taken.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from typing import Any, get_args

from kgrec.errors import PluginError
from kgrec.plugin.domain import Attribute, Mapping, Role
from kgrec.plugin.spec import hookimpl


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one file of an export is told and read.

    Attributes:
        names: patterns of the file's name, of which one must match: ``behaviors*.tsv*``; empty: any name.
        has: columns that the file must have.
        width: number of columns that it must have, or None; for files without a header.
        mapping: how it is read; columns that the file lacks are left out.
        instead: column of the mapping -> columns of which the first that the file has is taken in its place.
    """

    names: tuple[str, ...]
    has: frozenset[str]
    width: int | None
    mapping: Mapping
    instead: AbstractMapping[str, tuple[str, ...]] = field(default_factory=dict)

    def reads(self, source: str, columns: Sequence[str]) -> Mapping | None:
        """Return how a file is read, or None where it is another."""
        name = source.rpartition("#")[2].rpartition("/")[2].casefold()
        if self.names and not any(fnmatch(name, pattern.casefold()) for pattern in self.names):
            return None
        if not self.has <= set(columns) or self.width not in (None, len(columns)):
            return None
        told = self.mapping
        named = {kept: self._taken(kept, columns) for kept in told.columns.values()}
        named |= {one.column: self._taken(one.column, columns) for one in told.attributes.values()}
        return replace(
            told,
            columns={kept: named[column] for kept, column in told.columns.items() if named[column] in columns},
            attributes={
                name: replace(one, column=named[one.column])
                for name, one in told.attributes.items()
                if named[one.column] in columns
            },
        )

    def _taken(self, column: str, columns: Sequence[str]) -> str:
        return next((one for one in self.instead.get(column, ()) if one in columns), column)


def by_recipe(package: str, source: str, columns: Sequence[str]) -> Mapping | None:
    """Return how a file is read by the first recipe of a package that fits, or None."""
    told = (recipe.reads(source, columns) for recipe in recipes_of(package))
    return next((mapping for mapping in told if mapping is not None), None)


def recipe_hook(package: str) -> Callable[..., Any]:
    """Return the hook ``kgrec_schema_mapping`` that reads files by a package's recipes, whatever domain is in use.

    Args:
        package: ``__name__`` of the package in which the folder ``recipes`` lies.
    """

    def kgrec_schema_mapping(source: str, columns: Sequence[str]) -> Mapping | None:
        return by_recipe(package, source, columns)

    return hookimpl(kgrec_schema_mapping)


@cache
def recipes_of(package: str) -> tuple[Recipe, ...]:
    """Return the recipes in the folder ``recipes`` of a package, by the names of their files.

    Raises:
        PluginError: one is no recipe; names the file.
    """
    folder = files(package).joinpath("recipes")
    if not folder.is_dir():
        return ()
    found: list[Recipe] = []
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml"):
            try:
                tables = tomllib.loads(file.read_text(encoding="utf-8"))["file"]
                found += [_recipe(table) for table in tables]
            except (AttributeError, KeyError, TypeError, ValueError) as error:  # of its shape
                raise PluginError(f"{package}: recipes/{file.name} is no recipe: {error!r}") from None
    return tuple(found)


def _recipe(table: dict[str, Any]) -> Recipe:
    role = table.pop("role")
    if role not in get_args(Role):
        raise ValueError(f"there is no role {role!r}")
    instead: dict[str, tuple[str, ...]] = {}

    def first(told: str | list[str]) -> str:
        names = [told] if isinstance(told, str) else told
        instead[names[0]] = tuple(names)
        return names[0]

    attributes = {
        name: Attribute(first(one["column"]), one.get("separator"), one.get("relation"))
        for name, one in table.pop("attributes", {}).items()
    }
    mapping = Mapping(
        role,
        {name: first(told) for name, told in table.pop("columns").items()},
        attributes,
        table.pop("action", None),
        table.pop("actions", {}),
        table.pop("separator", None),
        table.pop("pattern", None),
    )
    told = tuple(table.pop("name", ())), frozenset(table.pop("has", ())), table.pop("width", None)
    if table:
        raise ValueError(f"unknown keys: {', '.join(table)}")
    return Recipe(*told, mapping, {name: names for name, names in instead.items() if len(names) > 1})

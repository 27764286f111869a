"""Which column of a file is which field, as kgrec.toml or a plugin says, or by names and values."""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from kgrec.config import CatalogueConfig, FileConfig, InteractionsConfig
from kgrec.data.columns import FIELDS, REQUIRED, guess_attributes
from kgrec.data.dataset import RESERVED
from kgrec.data.layouts import EACH
from kgrec.data.profile import profile
from kgrec.data.roles import fields_of
from kgrec.errors import ConfigError, did_you_mean
from kgrec.plugin.domain import Attribute, Domain, Mapping, Role

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager


def resolve_mapping(
    entry: FileConfig, role: Role, table: pl.DataFrame, domain: Domain, manager: PluginManager
) -> Mapping:
    """Say how the columns of a file are read.

    What kgrec.toml states is taken as it stands; where ``columns`` is empty, plugins are asked
    (``kgrec_schema_mapping``), then the domain's column names and the usual ones are looked for.

    Args:
        entry: the file in kgrec.toml.
        role: what the file is for.
        table: the file as read.
        domain: the domain in force.
        manager: the plugins in use.

    Raises:
        ConfigError: a column or field does not exist, or a needed field cannot be found.
    """
    columns = [name for name in table.columns if not name.startswith("__")]
    action = entry.action if isinstance(entry, InteractionsConfig) else None
    attributes = _attributes(entry) if isinstance(entry, CatalogueConfig) else {}
    if entry.columns:
        found = Mapping(role, entry.columns, attributes, action, domain.action_words)
    else:
        asked = manager.schema_mapping(domain.name, Path(entry.path).name, columns)
        if asked is None or asked.role != role:
            looked = profile(table)
            fields = fields_of(role, looked, domain)
            guessed = guess_attributes(looked, role, set(fields.values()), domain)
            asked = Mapping(role, fields, guessed if role in ("items", "users") else {})
        words = {**domain.action_words, **asked.actions}
        found = Mapping(role, asked.columns, attributes or asked.attributes, action or asked.action, words)
    _check(entry.path, found, columns, constant_user=isinstance(entry, InteractionsConfig) and entry.user is not None)
    return found


def _attributes(entry: CatalogueConfig) -> dict[str, Attribute]:
    return {name: Attribute(a.column, a.separator, a.relation) for name, a in entry.attributes.items()}


def _check(path: str, mapping: Mapping, columns: Sequence[str], *, constant_user: bool) -> None:
    for field, column in mapping.columns.items():
        if column == EACH and field in ("user", "item") and mapping.role == "interactions":
            continue
        if field not in FIELDS[mapping.role]:
            raise ConfigError(
                f"{path}: {mapping.role} have no field {field!r}", hint=did_you_mean(field, FIELDS[mapping.role])
            )
        _check_column(path, f"field {field!r}", column, columns)
    for name, attribute in mapping.attributes.items():
        if name in (*RESERVED, "id"):
            raise ConfigError(f"{path}: an attribute cannot be called {name!r}", hint="give it another name")
        _check_column(path, f"attribute {name!r}", attribute.column, columns)
    check_required(path, mapping.role, mapping.columns, columns, constant_user=constant_user)
    user = mapping.columns.get("user")
    if user is not None and user == mapping.columns.get("item"):
        raise ConfigError(f"{path}: user and item are the same column {user!r}", hint="each has a column of its own")


def _check_column(path: str, what: str, column: str, columns: Sequence[str]) -> None:
    if column not in columns:
        raise ConfigError(
            f"{path} has no column {column!r} ({what}); it has {', '.join(columns)}", hint=did_you_mean(column, columns)
        )


def check_columns(path: str, what: str, names: Sequence[str], columns: Sequence[str]) -> Sequence[str]:
    """Return names of columns that a file must have.

    Raises:
        ConfigError: it lacks one.
    """
    for name in names:
        _check_column(path, what, name, columns)
    return names


def check_required(
    path: str, role: str, fields: AbstractMapping[str, str], columns: Sequence[str], *, constant_user: bool = False
) -> None:
    """Make sure that the fields a role cannot do without have a column.

    Raises:
        ConfigError: one has none; names the file's columns.
    """
    for field in REQUIRED[role]:
        if field not in fields:
            raise ConfigError(
                f"{path}: no column for {field!r} among {', '.join(columns)}",
                hint=f'name it in kgrec.toml: columns = {{ {field} = "..." }}',
            )
    if role == "interactions" and "user" not in fields and not constant_user:
        raise ConfigError(
            f"{path}: no column for 'user' among {', '.join(columns)}",
            hint='name it in kgrec.toml: columns = { user = "..." }; if all rows are of one person: user = "me"',
        )
    if role == "interactions" and not {"item", "text"} & set(fields):
        raise ConfigError(
            f"{path}: no column for 'item' among {', '.join(columns)}",
            hint='name it in kgrec.toml: columns = { item = "..." } (only searches, with a text, need none)',
        )

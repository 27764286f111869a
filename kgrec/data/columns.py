"""Which column of a file is which field: as kgrec.toml or a plugin says, or by the column's name and values.

The names that columns go by stand in ``words.toml``.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from kgrec.config import CatalogueConfig, FileConfig, InteractionsConfig
from kgrec.data.dataset import RESERVED
from kgrec.data.sources.files import LINE, PROBLEM
from kgrec.data.times import looks_like_times
from kgrec.errors import ConfigError, did_you_mean
from kgrec.plugin.domain import Attribute, Domain, Mapping, Role

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager

_WORDS = tomllib.loads(files("kgrec.data").joinpath("words.toml").read_text(encoding="utf-8"))


def _names(written: list[str]) -> tuple[str, ...]:
    return tuple(n for name in written for n in (_WORDS["shared"][name[1:]] if name.startswith("@") else [name]))


FIELDS: AbstractMapping[str, AbstractMapping[str, tuple[str, ...]]] = {
    role: {field: _names(names) for field, names in fields.items()} for role, fields in _WORDS["columns"].items()
}
"""Field -> column names it goes by, the likeliest first, by role."""

REQUIRED: AbstractMapping[str, tuple[str, ...]] = {
    "interactions": ("user",),
    "items": ("id",),
    "users": ("id",),
    "triples": ("head", "relation", "tail"),
    "link": ("item", "entity"),
    "names": ("entity", "name"),
}
"""Fields that a file of a role cannot do without."""

ACTION_WORDS: AbstractMapping[str, tuple[str, ...]] = {
    action: tuple(words) for action, words in _WORDS["actions"].items()
}
"""Words of data for each action, as :func:`fold` leaves them."""

SHARED_VALUES, SEARCHES, HISTORIES = (
    frozenset(_WORDS["hints"][key]) for key in ("shared_values", "searches", "histories")
)
"""Folded names of columns: of values that many rows share, of what users search for, of whole histories in one cell."""

_SAME_IDS = (
    (("items", "id"), ("interactions", "item"), ("link", "item")),
    (("users", "id"), ("interactions", "user")),
)
"""Fields (role, field) whose columns go by the same names."""


def fold(name: str) -> str:
    """Reduce a column name or word to what counts: ``Movie_ID`` -> ``movieid``, ``用户 ID`` -> ``用户id``."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name)).casefold()


def synonyms(role: str, field: str, domain: Domain) -> list[str]:
    """Return the folded names of a field, the domain's first."""
    of_domain: dict[str, AbstractMapping[str, tuple[str, ...]]] = {
        str(r): fields for r, fields in domain.columns.items()
    }
    alike = next((group for group in _SAME_IDS if (role, field) in group), ())
    places = [(role, field), *(place for place in alike if place != (role, field))]
    own = [name for r, f in places for name in of_domain.get(r, {}).get(f, ())]
    return list(dict.fromkeys(map(fold, (*own, *FIELDS[role][field]))))


SEPARATORS = ("|", " / ", "; ", ";", "、", "，", ", ", ",")
"""Candidates for cells of several values; of equally frequent ones the first is taken."""

SAMPLE = 5_000
_SHORT = 40


def guess_fields(role: str, columns: Sequence[str], domain: Domain) -> dict[str, str]:
    """Return field -> column for the fields of ``role`` that can be told by name; no column serves twice."""
    folded = {fold(column): column for column in reversed(columns)}
    found: dict[str, str] = {}
    for field in FIELDS[role]:
        for name in synonyms(role, field, domain):
            if name in folded and folded[name] not in found.values():
                found[field] = folded[name]
                break
    return found


def guess_attributes(table: pl.DataFrame, role: str, used: set[str], domain: Domain) -> dict[str, Attribute]:
    """Return the columns that make attributes: shared values become relations, numbers and dates literals.

    Columns with an almost different value in each row (ids, addresses, long texts) are left out. In the domain's
    own columns its separator and relation are taken where the values do not contradict.
    """
    if role not in ("items", "users"):
        return {}
    known = _known(domain)
    attributes: dict[str, Attribute] = {}
    for column in table.columns:
        if column in used or column in (LINE, PROBLEM):
            continue
        found = _guess_attribute(table[column], column, known.get(fold(column)))
        if found is not None:
            name, attribute = found
            attributes.setdefault(f"{name}_" if name in RESERVED else name, attribute)
    return attributes


def _known(domain: Domain) -> dict[str, tuple[str, Attribute]]:
    return {
        fold(alias): (name, attribute)
        for name, attribute in reversed(list(domain.attributes.items()))
        for alias in (name, *attribute.aliases, attribute.column)
    }


def _guess_attribute(column: pl.Series, name: str, known: tuple[str, Attribute] | None) -> tuple[str, Attribute] | None:
    sample = column.drop_nulls().head(SAMPLE)
    if known is not None:
        own, stated = known
        separator = None if column.dtype == pl.List else guess_separator(sample, lenient=True) or stated.separator
        return own, Attribute(name, separator if stated.relation else None, stated.relation)
    own = attribute_name(name)
    if not sample.len() or not own:
        return None
    if isinstance(column.dtype, pl.List):
        return own, Attribute(name, None, own)
    text = sample.cast(pl.String, strict=False).str.strip_chars()
    if _is_identifier(name, text):
        return None
    if column.dtype.is_numeric() or column.dtype.is_temporal() or _is_literal(text):
        return own, Attribute(name)
    named = fold(name) in SHARED_VALUES
    separator = guess_separator(text, lenient=named)
    if separator or named or _is_shared(text):
        return own, Attribute(name, separator, own)
    return None


def guess_separator(sample: pl.Series, *, lenient: bool) -> str | None:
    """Return what separates the values in a column of strings, or None for one value a cell.

    A separator must occur in at least 2 % of the cells, leave short values, and the values must recur among the
    cells; ``lenient`` leaves that last condition out.
    """
    text = sample.cast(pl.String, strict=False).drop_nulls()
    if not text.len():
        return None
    best, most = None, 0.02 * text.len()
    for separator in SEPARATORS:
        cells = int(text.str.contains(separator, literal=True).sum())
        if cells <= (most if best is None else 1.2 * most):
            continue
        values = text.str.split(separator).explode().str.strip_chars()
        values = values.filter(values != "")
        if not values.len():
            continue
        short = float(values.str.len_chars().quantile(0.95) or 0) <= _SHORT
        if short and (lenient or values.n_unique() <= 0.9 * values.len()):
            best, most = separator, cells
    return best or _space_between_ids(text)


def _space_between_ids(text: pl.Series) -> str | None:
    """A space separates only where every word holds a digit: ``m.0dyb1 m.09w353``."""
    ids = text.str.contains(r"^\S*\d\S*( \S*\d\S*)*$").sum() >= 0.9 * text.len()
    return " " if ids and text.str.contains(" ", literal=True).sum() >= 0.02 * text.len() else None


def _is_identifier(name: str, text: pl.Series) -> bool:
    named = fold(name).endswith(("id", "asin", "isbn", "uri", "url", "编号"))
    return named and text.n_unique() > 0.9 * text.len()


def _is_literal(text: pl.Series) -> bool:
    filled = text.filter(text != "")
    return bool(filled.len()) and (
        filled.cast(pl.Float64, strict=False).count() >= 0.9 * filled.len() or looks_like_times(filled)
    )


def _is_shared(text: pl.Series) -> bool:
    filled = text.filter(text != "")
    mean = filled.str.len_chars().mean()
    return filled.len() >= 20 and filled.n_unique() <= 0.5 * filled.len() and isinstance(mean, float) and mean <= _SHORT


def attribute_name(column: str) -> str:
    """Turn a column's name into an attribute's: ``Main Genres`` -> ``main_genres``; other scripts stay."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.strip())
    name = re.sub(r"[\W_]+", "_", spaced).strip("_").casefold()
    return f"{name}_" if name in ("user_id", "item_id", "title", "description") else name


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
    columns = [name for name in table.columns if name not in (LINE, PROBLEM)]
    action = entry.action if isinstance(entry, InteractionsConfig) else None
    attributes = _attributes(entry) if isinstance(entry, CatalogueConfig) else {}
    if entry.columns:
        found = Mapping(role, entry.columns, attributes, action)
    else:
        asked = manager.schema_mapping(domain.name, Path(entry.path).name, columns)
        if asked is None or asked.role != role:
            fields = guess_fields(role, columns, domain)
            guessed = guess_attributes(table, role, set(fields.values()), domain)
            asked = Mapping(role, fields, guessed if role in ("items", "users") else {})
        found = Mapping(role, asked.columns, attributes or asked.attributes, action or asked.action)
    _check(entry.path, found, columns)
    return found


def _attributes(entry: CatalogueConfig) -> dict[str, Attribute]:
    return {name: Attribute(a.column, a.separator, a.relation) for name, a in entry.attributes.items()}


def _check(path: str, mapping: Mapping, columns: Sequence[str]) -> None:
    for field, column in mapping.columns.items():
        if field not in FIELDS[mapping.role]:
            raise ConfigError(
                f"{path}: {mapping.role} have no field {field!r}", hint=did_you_mean(field, FIELDS[mapping.role])
            )
        _check_column(path, f"field {field!r}", column, columns)
    for name, attribute in mapping.attributes.items():
        if name in (*RESERVED, "id"):
            raise ConfigError(f"{path}: an attribute cannot be called {name!r}", hint="give it another name")
        _check_column(path, f"attribute {name!r}", attribute.column, columns)
    check_required(path, mapping.role, mapping.columns, columns)
    user = mapping.columns.get("user")
    if user is not None and user == mapping.columns.get("item"):
        raise ConfigError(f"{path}: user and item are the same column {user!r}", hint="each has a column of its own")


def _check_column(path: str, what: str, column: str, columns: Sequence[str]) -> None:
    if column not in columns:
        raise ConfigError(
            f"{path} has no column {column!r} ({what}); it has {', '.join(columns)}", hint=did_you_mean(column, columns)
        )


def check_required(path: str, role: str, fields: AbstractMapping[str, str], columns: Sequence[str]) -> None:
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
    if role == "interactions" and not {"item", "text"} & set(fields):
        raise ConfigError(
            f"{path}: no column for 'item' among {', '.join(columns)}",
            hint='name it in kgrec.toml: columns = { item = "..." } (only searches, with a text, need none)',
        )

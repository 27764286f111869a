"""Fields of each role, and which columns of a catalogue make attributes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from collections.abc import Mapping as AbstractMapping
from dataclasses import replace

import polars as pl

from kgrec.config import NotationConfig
from kgrec.data.attributes import from_brackets
from kgrec.data.dataset import RESERVED
from kgrec.data.naming import WORDS, fold, read_name
from kgrec.data.numbers import read_numbers
from kgrec.data.profile import SHORT, ColumnProfile, TableProfile, guess_separator
from kgrec.plugin.domain import Attribute, Domain

FIELDS: AbstractMapping[str, AbstractMapping[str, tuple[str, ...]]] = {
    "interactions": dict.fromkeys(("user", "visitor", "item", "action", "value", "time", "clock", "zone", "text"), ()),
    "items": dict.fromkeys(("id", "title", "description"), ()),
    "users": dict.fromkeys(("id", "description"), ()),
    **{role: {field: tuple(names) for field, names in fields.items()} for role, fields in WORDS["columns"].items()},
}
"""Field -> column names it goes by in graphs, by role; columns of other files are told by words and values."""

REQUIRED: AbstractMapping[str, tuple[str, ...]] = {
    "interactions": (),
    "items": ("id",),
    "users": ("id",),
    "triples": ("head", "relation", "tail"),
    "link": ("item", "entity"),
    "names": ("entity", "name"),
}
"""Fields that a file of a role cannot do without."""

SHARED_VALUES = frozenset(WORDS["hints"]["shared_values"])
"""Folded names of columns of values that many rows share."""


def synonyms(role: str, field: str, domain: Domain) -> list[str]:
    """Return the folded names of a field of a graph's file, the domain's first."""
    stated: dict[str, AbstractMapping[str, tuple[str, ...]]] = {str(r): fields for r, fields in domain.columns.items()}
    alike = (("link", "item"), ("items", "id"), ("interactions", "item"))
    places = alike if (role, field) in alike else ((role, field),)
    own = [name for r, f in places for name in stated.get(r, {}).get(f, ())]
    return list(dict.fromkeys(map(fold, (*own, *FIELDS[role][field]))))


def guess_fields(role: str, columns: Sequence[str], domain: Domain) -> dict[str, str]:
    """Return field -> column for the fields of a graph's file that can be told by name; no column serves twice."""
    folded = {fold(column): column for column in reversed(columns)}
    found: dict[str, str] = {}
    for field in FIELDS[role]:
        names = [folded[name] for name in synonyms(role, field, domain) if name in folded]
        if (role, field) == ("link", "item"):
            names += [c for c in columns if read_name(c).is_a("item") and c not in names]
        column = next((name for name in names if name not in found.values()), None)
        if column is not None:
            found[field] = column
    return found


FEW = 6
"""Filled cells from which on it tells something that values recur among them."""


def guess_attributes(
    table: TableProfile, role: str, used: Collection[str], domain: Domain, *, key: str | None = None
) -> dict[str, Attribute]:
    """Return the columns that make attributes: shared values become relations, numbers and dates literals.

    Columns with an almost different value in each row (ids, addresses, long texts) are left out. In the domain's
    own columns its separator and relation are taken where the values do not contradict.

    Args:
        table: the file's columns.
        role: what the file is for; only items and users have attributes.
        used: columns that are something else already.
        domain: the domain in force.
        key: where the rows are events: take only columns that have one value for each value of this one.
    """
    if role not in ("items", "users"):
        return {}
    known = _known(domain) if role == "items" else {}
    private = {fold(name) for name in domain.sensitive if role == "users"}
    attributes: dict[str, Attribute] = {}
    for column in table.columns.values():
        if column.name in used or not column.distinct:
            continue
        if key is not None and (table.determines(key, column.name) < 0.98 or column.constant):
            continue
        found = _guess_attribute(column, known.get(fold(column.name)), domain.currencies)
        if found is not None:
            name, attribute = found
            attribute = replace(attribute, private=not private.isdisjoint((fold(column.name), fold(name))))
            attributes.setdefault(f"{name}_" if name in RESERVED else name, attribute)
    return attributes


def _known(domain: Domain) -> dict[str, tuple[str, Attribute]]:
    return {
        fold(alias): (name, attribute)
        for name, attribute in reversed(list(domain.attributes.items()))
        for alias in (name, *attribute.aliases, attribute.column)
    }


def _guess_attribute(
    column: ColumnProfile, known: tuple[str, Attribute] | None, currencies: Sequence[str] = ()
) -> tuple[str, Attribute] | None:
    name, words = column.name, column.words
    literal = column.numeric >= 0.5 or column.dates >= 0.5
    if known is not None and currencies and not literal:
        prices = read_numbers(column.cells, NotationConfig(currencies=list(currencies)), name=name)
        literal = prices.values.count() >= 0.5 * len(column.cells)
    if known is not None and (known[1].relation is not None or literal):
        own, stated = known
        separator = None if column.is_list else guess_separator(column.cells, lenient=True) or stated.separator
        return own, Attribute(name, separator if stated.relation else None, stated.relation)
    own = attribute_name(name)
    if not own:
        return None
    if column.is_list:
        return own, Attribute(name, None, own)
    ident = "id" in words.prop or max(column.looks("url"), column.looks("uuid"), column.looks("email")) > 0.5
    if column.looks("json") > 0.5:
        return (own, Attribute(name, None, own)) if _lists_names(column) else None
    if column.looks("image") > 0.5 or (ident and column.uniqueness > 0.9):
        return None
    price = "price" in words.prop and column.shape(r"\d") > 0.9
    if not (ident and not column.decimal) and (
        column.numeric > 0.9 or column.dates > 0.9 or price or column.kind == pl.Boolean
    ):
        return own, Attribute(name)
    named = fold(name) in SHARED_VALUES or (words.is_a("shared") and not words.prop - {"action", "id", "text", "time"})
    separator = guess_separator(column.cells, lenient=named)
    recur = column.cells.len() >= FEW and column.uniqueness <= 0.5 and column.length <= SHORT
    if separator or (named and column.length <= 3 * SHORT) or recur:
        return own, Attribute(name, separator, own)
    return None


def _lists_names(column: ColumnProfile) -> bool:
    """Say whether cells are lists as programs write them, ``['Drama', 'Crime']``, of short values that recur."""
    cells = from_brackets(column.cells.head(500))
    values = None if cells is None else cells.explode().drop_nulls()
    if values is None or not values.len() or values.str.contains(r"^-?\d*\.\d+$").mean() > 0.3:  # type: ignore[operator]
        return False
    short = float(values.str.len_chars().quantile(0.95) or 0) <= SHORT
    return short and (fold(column.name) in SHARED_VALUES or values.n_unique() <= 0.9 * values.len())


def attribute_name(column: str) -> str:
    """Turn a column's name into an attribute's: ``Main Genres`` -> ``main_genres``; other scripts stay."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.strip())
    name = re.sub(r"[\W_]+", "_", spaced).strip("_").casefold()
    return f"{name}_" if name in ("user_id", "item_id", "title", "description") else name

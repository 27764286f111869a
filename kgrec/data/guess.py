"""Guesses what columns are, from their names and values."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from kgrec.data.dataset import RESERVED
from kgrec.data.sources.files import LINE
from kgrec.data.synonyms import FIELDS, fold, synonyms
from kgrec.data.times import looks_like_times
from kgrec.plugin.domain import Attribute, Domain

SEPARATORS = ("|", " / ", "; ", ";", "、", "，", ", ", ",")
"""Candidates for cells of several values; of equally frequent ones the first is taken."""

CATEGORICAL = (
    *("genre", "genres", "category", "categories", "tag", "tags", "keyword", "keywords", "topic", "topics", "brand"),
    *(
        "author",
        "authors",
        "artist",
        "artists",
        "director",
        "directors",
        "actor",
        "actors",
        "cast",
        "writer",
        "writers",
    ),
    *("publisher", "country", "countries", "language", "languages", "type", "color", "colour", "studio", "channel"),
    *("subcategory", "occupation", "gender", "city", "entities", "entityids", "series", "store", "features"),
    *("类型", "类别", "分类", "标签", "品牌", "作者", "导演", "演员", "主演", "编剧", "出版社", "国家", "地区", "语言"),
    *("关键词", "主题", "频道", "职业", "性别", "城市", "颜色"),
)
"""Folded names of columns whose values are shared by many rows, even where a file is too small to show it."""

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
        if column in used or column == LINE:
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
    named = fold(name) in CATEGORICAL
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

"""Cells of catalogues to attributes: lists in any notation, hierarchies, prices, missing values; texts without HTML."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections import Counter
from functools import cache
from html import unescape
from html.entities import html5
from importlib.resources import files
from typing import Any

import polars as pl

from kgrec.config import NotationConfig
from kgrec.data.dataset import AttributeInfo
from kgrec.data.numbers import read_numbers
from kgrec.data.values import as_text, clean, clean_list
from kgrec.plugin.domain import Attribute

LEVELS = (" > ", ">", " » ", "»", " › ", "›", " → ", " / ", "/", "::", " - ", "\\", "|", ".")
"""What separates broader from narrower values; taken where the values make a tree."""

_SAMPLE = 2_000
_TREE = 0.9
"""Share of the narrower values that must have one broader value."""
_TITLED = 0.6
"""Share of the titles that must end with a year for it to be one."""


def read_attribute(
    raw: pl.DataFrame, attribute: Attribute, notation: NotationConfig | None = None
) -> tuple[pl.Series, AttributeInfo]:
    """Return the values of an attribute, shape ``(n,)``, and what they are.

    A literal that is a number as people write it becomes a plain number. Of a hierarchy, each level is a value.

    Args:
        raw: the file as read.
        attribute: its column and how that is read.
        notation: what is known of the file's numbers.
    """
    name, kind = attribute.column, raw.schema[attribute.column]
    if isinstance(kind, pl.List | pl.Array):
        return _some(raw.select(clean_list(name, kind, None))[name]), AttributeInfo(attribute.relation, True)
    text = without_html(raw.select(clean(as_text(name, kind)))[name])
    if kind != pl.String:
        multi = bool(attribute.separator)
        cells = _split(text, attribute.separator) if multi else text
        return cells, AttributeInfo(attribute.relation, multi)
    bracketed = from_brackets(text)
    if bracketed is not None:
        return _some(bracketed), AttributeInfo(attribute.relation, True)
    text = _present(text)
    if attribute.relation is None and not attribute.separator:
        values, unit = _plain_number(text, notation, name)
        return values, AttributeInfo(None, False, unit=unit)
    levels = levels_of(text, attribute.separator)
    if levels is not None:
        cells, broader = hierarchy(text, *levels)
        return cells, AttributeInfo(attribute.relation, True, broader=broader)
    multi = bool(attribute.separator)
    return (_split(text, attribute.separator) if multi else text), AttributeInfo(attribute.relation, multi)


def year_of_titles(titles: pl.Series) -> pl.Series | None:
    """Return the years that titles like ``Toy Story (1995)`` end with; None where too few have one."""
    years = titles.str.extract(r"[(（](1[89]\d\d|20\d\d)(?:[-–]\d{0,4})?[)）]\s*$")
    return years if titles.count() and years.count() >= _TITLED * titles.count() else None


def without_html(text: pl.Series) -> pl.Series:
    """Return texts without tags and with the signs that entities stand for."""
    marked = text.str.contains(r"</?[a-zA-Z][^<>]*>|&#?\w{1,31};").fill_null(False)
    if not marked.any():
        return text
    plain = (
        text.str.replace_all(r"(?is)<(?:script|style)\b.*?</(?:script|style)\s*>", " ")
        .str.replace_all(r"(?s)<!--.*?-->", " ")
        .str.replace_all(r"(?i)<(?:br|/p|/div|/li|/h\d|/tr|hr)\b[^<>]*>", "\n")
        .str.replace_all(r"</?[a-zA-Z][^<>]*>", "")
    )
    if plain.str.contains("&", literal=True).any():
        names = {f"&{name}": sign for name, sign in html5.items() if name.endswith(";")}
        plain = plain.str.replace_many(list(names), list(names.values()))
        numeric = plain.str.contains(r"&#\w+;").fill_null(False)
        if numeric.any():
            given = plain.filter(numeric).unique()
            told = pl.Series([unescape(value) for value in given], dtype=pl.String)
            plain = plain.replace(given, told)
    plain = plain.str.replace_all(r"[ \t\u00a0]+", " ").str.replace_all(r"\s*\n\s*", "\n").str.strip_chars()
    return plain.set(plain == "", None)


@cache
def _missing() -> tuple[frozenset[str], str]:
    words = tomllib.loads(files("kgrec.data").joinpath("notations.toml").read_text(encoding="utf-8"))["missing"]
    return frozenset(words["words"]), "(?i)^(?:" + "|".join(words["patterns"]) + ")$"


def _present(text: pl.Series) -> pl.Series:
    """Set cells to null that say that there is nothing: ``(no genres listed)``, ``N/A``, 暂无."""
    words, patterns = _missing()
    nothing = text.str.to_lowercase().is_in(list(words)) | text.str.contains(patterns)
    return text.set(nothing.fill_null(False), None)


def _some(cells: pl.Series) -> pl.Series:
    """Take values out of lists that say that there is nothing, and lists of none."""
    words, patterns = _missing()
    element = pl.element()
    nothing = element.str.to_lowercase().is_in(list(words)) | element.str.contains(patterns)
    kept = cells.list.eval(element.filter(~nothing))
    return kept.set(kept.list.len() == 0, None)


def _split(text: pl.Series, separator: str | None) -> pl.Series:
    cells = text.to_frame("t").select(clean_list("t", pl.String(), separator))["t"]
    return _some(cells)


def _plain_number(text: pl.Series, notation: NotationConfig | None, name: str) -> tuple[pl.Series, str]:
    """Return numbers with currency, thousands or a decimal comma as plain ones; other texts stay."""
    filled = text.count()
    if not filled or text.cast(pl.Float64, strict=False).count() == filled:
        return text, ""
    sample = text.drop_nulls().head(_SAMPLE)
    kind = read_numbers(sample, notation).kind
    if kind not in ("number", "price", "share"):
        return text, ""
    found = read_numbers(text, (notation or NotationConfig()).model_copy(update={"lower_is_better": False}), name=name)
    if found.values.count() < 0.9 * filled:
        return text, ""
    numbers = found.values.to_frame("n").select(as_text("n", pl.Float64()))["n"]
    return numbers.zip_with(numbers.is_not_null(), text), found.unit


def from_brackets(text: pl.Series) -> pl.Series | None:
    """Return the values of cells like ``["A", "B"]``, ``['A', 'B']``, ``{A,B}`` or ``[{"name": "A"}]`` as lists.

    Of objects, the value of the key that names them is taken. None where the column holds something else.
    """
    filled = text.drop_nulls()
    if not filled.len() or filled.str.contains(r"(?s)^[\[{].*[\]}]$").sum() < 0.8 * filled.len():
        return None
    parsed = [value for cell in filled.head(300) if (value := _loaded(cell)) is not None]
    objects = [
        one
        for value in parsed
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, dict) and one
    ]
    quoted = r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'"
    if objects:
        key = _naming_key(objects)
        if key is None:
            return None
        pattern = rf"[\"']{re.escape(key)}[\"']\s*:\s*(?:{quoted}|([^\"',\[\]{{}}]+))"
    elif filled.str.contains("[\"']").sum() >= 0.5 * filled.filter(filled.str.len_chars() > 2).len():
        pattern = quoted
    else:
        pattern = r"([^\[\]{},]+)"
    cells = text.str.extract_all(pattern)
    inner = pl.coalesce(*(pl.element().str.extract(pattern, k) for k in range(1, re.compile(pattern).groups + 1)))
    escaped = inner.str.replace_all(r"\\([\"'/\\])", "${1}").str.strip_chars()
    values = cells.list.eval(escaped).list.eval(pl.element().filter(pl.element() != ""))
    if text.str.contains(r"\\u[0-9a-fA-F]{4}").any():
        given = values.explode().drop_nulls().unique()
        given = given.filter(given.str.contains(r"\\u"))
        told = [json.loads(f'"{value}"') if re.search(r"\\u", value) and '"' not in value else value for value in given]
        values = values.list.eval(pl.element().replace(given, pl.Series(told, dtype=pl.String)))
    return values.list.unique(maintain_order=True)


def _loaded(cell: str) -> Any:
    if len(cell) > 100_000:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _naming_key(objects: list[dict[str, Any]]) -> str | None:
    """Return the key whose values name things: one that is called so, else that of the most varied short texts."""
    named = ("name", "title", "label", "value", "text", "term", "名称", "bezeichnung")
    texts: dict[str, list[str]] = {}
    for one in objects:
        for key, value in one.items():
            if isinstance(value, str):
                texts.setdefault(str(key), []).append(value)
    common = {key: found for key, found in texts.items() if len(found) >= 0.5 * len(objects)}
    best = [key for word in named for key in common if key.casefold() == word]
    best += [key for word in named for key in common if word in key.casefold()]
    varied = sorted(common, key=lambda key: -len(Counter(v for v in common[key] if not v.isdecimal())))
    return next(iter((*best, *varied)), None)


def levels_of(text: pl.Series, separator: str | None) -> tuple[str, str | None] | None:
    """Return what separates the levels of a hierarchy, and what separates several of them in a cell; None: no tree.

    Args:
        text: the cells.
        separator: what separates values as far as is known; it may turn out to separate levels.
    """
    sample = text.drop_nulls().unique(maintain_order=True).head(_SAMPLE)
    for sign in LEVELS if separator is None else tuple(dict.fromkeys((*LEVELS[:7], separator))):
        between = separator if separator and separator.strip() != sign.strip() else None
        paths = (sample.str.split(between).explode() if between else sample).str.split(sign)
        deep = paths.filter(paths.list.len() > 1)
        if deep.len() >= max(3, 0.3 * paths.len()) and _is_tree(deep, strict=sign not in LEVELS[:7]):
            return sign, between
    return None


def _is_tree(paths: pl.Series, *, strict: bool) -> bool:
    """Say whether narrower values have one broader value each, and broader ones several narrower ones."""
    pairs = _pairs(paths)
    parents = pairs.group_by("narrower").agg(pl.col("broader").n_unique())
    alone = float((parents["broader"] == 1).mean() or 0.0)  # type: ignore[arg-type]
    tops = paths.list.first().n_unique()
    if alone < _TREE or tops >= paths.n_unique():
        return False
    if not strict:
        return True
    # A slash may stand between any two values: a tree has cells of one broad value and different narrower ones,
    # and what is broad in one cell is not narrow in another.
    broad, narrow = set(pairs["broader"].to_list()), set(pairs["narrower"].to_list())
    first, last = set(paths.list.first().to_list()), set(paths.list.last().to_list())
    return tops <= 0.5 * paths.n_unique() and not first & narrow and len(broad & last) <= 0.1 * len(last)


def _pairs(paths: pl.Series) -> pl.DataFrame:
    """Return the distinct pairs ``narrower broader`` of levels that follow each other."""
    rows = paths.to_frame("path").with_row_index("row").explode("path")
    rows = rows.with_columns(narrower=pl.col("path").str.strip_chars()).filter(pl.col("narrower") != "")
    rows = rows.with_columns(broader=pl.col("narrower").shift(1).over("row"))
    return (
        rows.drop_nulls("broader")
        .filter(pl.col("broader") != pl.col("narrower"))
        .select("narrower", "broader")
        .unique(maintain_order=True)
    )


def hierarchy(text: pl.Series, sign: str, between: str | None) -> tuple[pl.Series, dict[str, str]]:
    """Return the levels of each cell, broad ones first, and narrower value -> broader value.

    A narrower value of several broader ones carries its broader value's name: ``Cameras > Accessories``.
    """
    cells = text.to_frame("cell").with_row_index("row").drop_nulls("cell")
    cells = cells.with_columns(pl.col("cell").str.split(between) if between else pl.concat_list("cell"))
    levels = (
        cells.explode("cell")
        .with_row_index("path")
        .with_columns(pl.col("cell").str.split(sign))
        .explode("cell")
        .with_columns(pl.col("cell").str.strip_chars())
        .filter(pl.col("cell").is_not_null() & (pl.col("cell") != ""))
        .with_columns(above=pl.col("cell").shift(1).over("path"))
    )
    several = levels.drop_nulls("above").group_by("cell").agg(pl.col("above").n_unique()).filter(pl.col("above") > 1)
    ambiguous = pl.col("cell").is_in(several["cell"].implode()) & pl.col("above").is_not_null()
    levels = levels.with_columns(
        value=pl.when(ambiguous).then(pl.format("{} > {}", "above", "cell")).otherwise("cell")
    ).with_columns(broader=pl.col("value").shift(1).over("path"))
    pairs = (
        levels.drop_nulls("broader").filter(pl.col("broader") != pl.col("value")).unique("value", maintain_order=True)
    )
    values = levels.group_by("row", maintain_order=True).agg(pl.col("value").unique(maintain_order=True))
    rows = pl.DataFrame({"row": pl.int_range(len(text), dtype=pl.UInt32, eager=True)})
    found = rows.join(values, on="row", how="left", maintain_order="left")["value"]
    return found.alias(text.name), dict(pairs.select("value", "broader").iter_rows())

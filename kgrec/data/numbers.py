"""Numbers as people write them: prices, percentages, stars, marks, durations; what they mean is told by the column.

>>> read_numbers(pl.Series(["€1.299,00", "€4,50"])).values.to_list()
[1299.0, 4.5]
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

from kgrec.config import NotationConfig

_SAMPLE = 5_000
_ENOUGH = 0.9
"""Share of the different values that a notation must read to be taken for the column's."""


@dataclass(frozen=True)
class ParsedNumbers:
    """A column that was read.

    Attributes:
        values: the numbers (f64), null where there is nothing or nothing that can be read.
        kind: ``number``, ``price``, ``share``, ``fraction``, ``stars``, ``duration``, the name of a scale; empty where
            no notation fits.
        unit: what stands beside the numbers: ``€``, ``%``, ``min``; empty for nothing or several.
        comma: fractions stand behind a comma.
    """

    values: pl.Series
    kind: str = "number"
    unit: str = ""
    comma: bool = False


def read_numbers(column: pl.Series, notation: NotationConfig | None = None, *, name: str = "") -> ParsedNumbers:
    """Read a column of texts as numbers.

    Args:
        column: texts or numbers, shape ``(n,)``.
        notation: what is known of it.
        name: of the column; some names say that small values are the better ones.
    """
    notation = notation or NotationConfig()
    if column.dtype.is_numeric():
        return ParsedNumbers(_turned(_finite(column.cast(pl.Float64)), notation, name))
    text = column.cast(pl.String).str.strip_chars()
    text = text.set(text == "", None)
    plain = text.cast(pl.Float64, strict=False)
    if notation.scale:
        ranks = {word.strip().lower(): float(rank) for rank, word in enumerate(notation.scale, 1)}
        return ParsedNumbers(
            text.str.to_lowercase().replace_strict(ranks, default=None, return_dtype=pl.Float64), "scale"
        )
    if notation.decimal != "," and _finite(plain).count() == len(text) - text.null_count():
        return ParsedNumbers(_turned(_finite(plain), notation, name))
    distinct = text.drop_nulls().unique(maintain_order=True).head(_SAMPLE)
    if not distinct.len():
        return ParsedNumbers(_finite(plain), "")
    best = ParsedNumbers(_finite(plain), "")
    most = 0.0
    for kind, read in _NOTATIONS.items():
        sample = read(distinct, notation)
        share = sample.values.count() / distinct.len()
        if share > most + 0.01:
            best, most, chosen = sample, share, kind
    if not most:
        return ParsedNumbers(_finite(plain), "")
    found = best if distinct.len() == len(text) and not text.null_count() else _NOTATIONS[chosen](text, notation)
    if most < _ENOUGH and chosen != "number":
        return ParsedNumbers(_finite(plain), "") if plain.count() else found
    return ParsedNumbers(_turned(_finite(found.values), notation, name), found.kind, best.unit, best.comma)


def _finite(values: pl.Series) -> pl.Series:
    return values.set(~(values.is_finite() & (values.abs() < 3e38)).fill_null(True), None)


def _turned(values: pl.Series, notation: NotationConfig, name: str) -> pl.Series:
    """Turn marks of which small ones are the better ones, so that large ones are."""
    known = _words()["directions"]["lower_is_better"]
    folded = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name)).casefold()
    low, high = values.min(), values.max()
    if not isinstance(low, float) or not isinstance(high, float):
        return values
    fractions = set(((values.drop_nulls() * 10).round(0) % 10).unique().to_list())
    scale = next(
        (
            s
            for s in known
            if s["best"] <= low
            and high <= s["worst"]
            and (folded in s["columns"] or (folded in s["may_be"] and {0.0} < fractions | {0.0} <= set(s["tenths"])))
        ),
        None,
    )
    lower = notation.lower_is_better if notation.lower_is_better is not None else scale is not None
    if not lower:
        return values
    ends = (float(scale["best"]), float(scale["worst"])) if scale else (low, high)
    return ends[0] + ends[1] - values


@cache
def _words() -> Mapping[str, Any]:
    return tomllib.loads(files("kgrec.data").joinpath("notations.toml").read_text(encoding="utf-8"))


def _either(words: list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _plain(text: pl.Series, notation: NotationConfig) -> ParsedNumbers:
    """Numbers with a decimal point or comma and thousands, a currency or unit before or behind."""
    currencies = _either([*_words()["numbers"]["currencies"], *notation.currencies])
    frame = text.str.normalize("NFKC").str.replace_all(r"[\u00a0\u202f\u2009']", " ").to_frame("text")
    groups = pl.col("text").str.extract_groups(
        rf"(?i)^\(?\s?(?P<before>{currencies})?\s?(?P<sign>[-+−]?)\s?(?:{currencies})?\s?"
        rf"(?P<digits>\d[\d .,]*|[.,]\d+)\s?(?P<behind>{currencies}|[\p{{L}}%°/²³.]{{1,12}})?\)?\s?[-–,.]*$"
    )
    parts = frame.select(g=groups).unnest("g")
    digits = parts["digits"].str.replace_all(" ", "")
    decimal = notation.decimal or _decimal(digits.drop_nulls())
    number = pl.DataFrame({"d": digits}).select(_as_number(decimal))["d"]
    negative = parts["sign"].is_in(["-", "−"]) | text.str.starts_with("(")
    values = number.zip_with(~negative.fill_null(False), -number)
    beside = pl.concat([parts["before"], parts["behind"]]).drop_nulls()
    units = beside.filter(beside != "").unique()
    price = bool(parts["before"].drop_nulls().len()) or bool(
        units.len() and units.str.contains(rf"(?i)^(?:{currencies})$").all()
    )
    kind = "price" if price else "share" if units.to_list() == ["%"] else "number"
    if units.len() > 1 and not price:
        values = values.set(parts["behind"].is_not_null() & (parts["behind"] != ""), None)
    comma = decimal == "," and bool(digits.str.contains(",", literal=True).any())
    return ParsedNumbers(values, kind, units[0] if units.len() == 1 else "", comma)


def _decimal(digits: pl.Series) -> str:
    """Tell from the column what stands before fractions: the sign that is no mark of thousands anywhere."""
    votes = dict.fromkeys(".,", 0)
    for sign, other in ((".", ","), (",", ".")):
        quoted, quoted_other = re.escape(sign), re.escape(other)
        last = digits.str.contains(rf"{quoted_other}\d*.*{quoted}\d*$")  # 1.299,00
        alone = digits.str.contains(rf"^\d*{quoted}(?:\d{{1,2}}|\d{{4,}})$")
        leading = digits.str.contains(rf"^0?{quoted}\d+$")
        other_groups = digits.str.contains(rf"^\d{{1,3}}(?:{quoted_other}\d{{3}}){{2,}}$")
        votes[sign] = int((last | alone | leading | other_groups).sum())
    if votes[","] != votes["."]:
        return "," if votes[","] > votes["."] else "."
    return "."  # 1.299 alone is a fraction as programs write it, 1,299 alone are thousands


def _as_number(decimal: str) -> pl.Expr:
    """Return the expression that reads digits with marks; the column's decimal sign counts where a cell tells none."""
    text = pl.col("d")
    other = "," if decimal == "." else "."
    group = rf"^\d{{1,3}}(?:{re.escape(other)}\d{{3}})*(?:{re.escape(decimal)}\d*)?$"
    reverse = rf"^\d{{1,3}}(?:{re.escape(decimal)}\d{{3}})+(?:{re.escape(other)}\d*)?$"
    cents = rf"^\d*{re.escape(other)}(?:\d{{1,2}}|\d{{4,}})$"  # too few or many digits for thousands

    def read(point: str, mark: str) -> pl.Expr:
        bare = text.str.replace_all(mark, "", literal=True).str.replace(point, ".", literal=True)
        return bare.cast(pl.Float64, strict=False)

    plain = text.str.contains(rf"^\d*(?:{re.escape(decimal)}\d*)?$") | text.str.contains(group)
    return (
        pl.when(plain)
        .then(read(decimal, other))
        .when(text.str.contains(cents) | text.str.contains(reverse))
        .then(read(other, decimal))
    )


def _fractions(text: pl.Series, _: NotationConfig) -> ParsedNumbers:
    """``4/5``, ``8 out of 10``: of the largest whole, if there are several."""
    between = _either(_words()["numbers"]["of"])
    number = r"\d+(?:[.,]\d+)?"
    pattern = rf"(?i)^(?P<n>{number})\s?(?:{between})\s?(?P<of>{number})(?:\s?\p{{L}}+)?$"
    parts = text.to_frame("t").select(g=pl.col("t").str.extract_groups(pattern)).unnest("g")
    cells = parts.select(pl.col("n", "of").str.replace(",", ".").cast(pl.Float64, strict=False))
    whole = cells["of"].max()
    values = cells["n"] / cells["of"] * whole if isinstance(whole, float) and whole > 0 else cells["n"]
    return ParsedNumbers(values.round(6), "fraction")


def _stars(text: pl.Series, _: NotationConfig) -> ParsedNumbers:
    """``★★★★☆``, ``***``, ``⭐⭐½``: how many are filled."""
    signs = _words()["numbers"]
    full, empty, half = (_either(signs[name]) for name in ("star", "no_star", "half_star"))
    bare = text.str.replace_all("\ufe0f", "")
    valid = bare.str.contains(rf"^(?:(?:{full}|{empty}|{half})\s?)+$")
    count = bare.str.count_matches(full).cast(pl.Float64) + 0.5 * bare.str.count_matches(half)
    return ParsedNumbers(count.set(~valid.fill_null(False), None), "stars")


def _durations(text: pl.Series, _: NotationConfig) -> ParsedNumbers:
    """``1:23:45``, ``1h 23m``, ``PT1H2M3S``: seconds."""
    units = {float(seconds): names for seconds, names in _words()["numbers"]["units"].items()}
    low = text.str.to_lowercase().str.replace(r"^p(?:(\d+)d)?t?", "${1}d ").str.replace(r"^d ", "")
    low = low.str.replace_all(r"(\p{L})(\d)", "${1} ${2}")
    clock = (
        low.to_frame("t")
        .select(g=pl.col("t").str.extract_groups(r"^(?:(\d+):)?(\d{1,2}):(\d{2})(?:\.\d+)?$"))
        .unnest("g")
    )
    parts = [clock[name].cast(pl.Float64) for name in clock.columns]
    by_clock = parts[0].fill_null(0) * 3600 + parts[1] * 60 + parts[2]
    total, rest = pl.Series([0.0]).new_from_index(0, len(text)), low
    found = pl.Series([False]).new_from_index(0, len(text))
    for seconds, names in sorted(units.items(), reverse=True):
        pattern = rf"(\d+(?:[.,]\d+)?)\s?(?:{_either(names)})(?:$|[^\p{{L}}])"
        number = rest.str.extract(pattern).str.replace(",", ".").cast(pl.Float64, strict=False)
        total = total + number.fill_null(0) * seconds
        found = found | number.is_not_null()
        rest = rest.str.replace(pattern, " ")
    empty = rest.str.strip_chars(" ,und").fill_null("x") == ""
    spelled = total.set(~(found & empty), None)
    return ParsedNumbers(by_clock.fill_null(spelled), "duration", "s")


def _scale(name: str) -> Callable[[pl.Series, NotationConfig], ParsedNumbers]:
    steps = {word: float(rank) for rank, words in enumerate(_words()["scales"][name], 1) for word in words}
    if len(_words()["scales"][name]) == 2:
        steps = {word: rank - 1 for word, rank in steps.items()}

    def read(text: pl.Series, _: NotationConfig) -> ParsedNumbers:
        low = text.str.to_lowercase().str.replace_all(r"[_\ufe0f]", " ").str.strip_chars().str.replace_all(r"\s+", " ")
        return ParsedNumbers(low.replace_strict(steps, default=None, return_dtype=pl.Float64), name)

    return read


_NOTATIONS: dict[str, Callable[[pl.Series, NotationConfig], ParsedNumbers]] = {
    "number": _plain,
    "fraction": _fractions,
    "stars": _stars,
    "duration": _durations,
    **{name: _scale(name) for name in _words()["scales"]},
}
"""Notations in the order in which they are tried; of those that read equally much the first is taken."""

"""Cells to values: ids, texts, lists and numbers as Polars expressions; times of any usual notation."""

from __future__ import annotations

import polars as pl


def as_text(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column of any type as strings; a whole number stored as float loses its ``.0``."""
    column = pl.col(name)
    if kind.is_float():
        whole = column.is_finite() & (column == column.round(0)) & (column.abs() < 2.0**53)
        return (
            pl.when(whole).then(column.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(column.cast(pl.String))
        )
    if isinstance(kind, pl.List | pl.Array):
        return column.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    if isinstance(kind, pl.Struct):
        return pl.when(column.is_not_null()).then(column.struct.json_encode())
    return column.cast(pl.String, strict=False)


def clean(text: pl.Expr) -> pl.Expr:
    """Trim and NFC-normalise; what is then empty is null."""
    # A whole column at once, because a column of ASCII, which most ids are, is NFC already and need not be copied.
    return text.map_batches(_clean_column, return_dtype=pl.String)


def _clean_column(text: pl.Series) -> pl.Series:
    if (text.str.len_bytes() != text.str.len_chars()).any():
        text = text.str.normalize("NFC")
    trimmed = text.str.strip_chars()
    return trimmed.set(trimmed == "", None)


def clean_list(name: str, kind: pl.DataType, separator: str | None) -> pl.Expr:
    """Return the distinct values of a multi-valued cell in their order, each trimmed and NFC; null where none."""
    if isinstance(kind, pl.List | pl.Array):
        cells = pl.col(name).cast(pl.List(pl.String))
    else:
        cells = as_text(name, kind).str.split(separator or "\0")
    element = pl.element().str.normalize("NFC").str.strip_chars()
    values = cells.list.eval(element.filter(element.is_not_null() & (element != ""))).list.unique(maintain_order=True)
    return pl.when(values.list.len() > 0).then(values)


def number(text: pl.Expr) -> pl.Expr:
    """Return a string as a finite f32, null where it is none."""
    value = text.str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(value.is_finite() & (value.abs() < 3e38)).then(value).cast(pl.Float32)


_DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000))
"""Below the limit, the number is so many units a second: seconds reach the year 5138, milliseconds start in 1973."""

_CLOCKS = (" %H:%M:%S%.f%z", " %H:%M:%S%.f", " %H:%M", "")
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%b-%Y", "%Y年%m月%d日", "%Y.%m.%d")
_FORMATS = (
    *(date + clock for date in _DATES for clock in _CLOCKS),
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%Y年%m月%d日 %H时%M分%S秒",
    "%m %d, %Y",
    "%b %d, %Y",
    "%d %b %Y",
    "%d-%m-%Y",
    "%d-%m-%Y %H:%M:%S%.f",
    "%a %b %d %H:%M:%S %z %Y",
    "%a, %d %b %Y %H:%M:%S %z",
)
_SAMPLE = 2_000


def to_seconds(column: pl.Series) -> pl.Series:
    """Return unix seconds (i64), null where there is nothing or nothing that can be read.

    Numbers are seconds, milliseconds, microseconds, nanoseconds or digits of a date, whichever the median says.
    Texts may mix notations; a day and month that could be swapped are read the way that reads most of the column,
    month first when both do. Times without a zone are taken as UTC.

    Args:
        column: numbers, texts, dates or datetimes, shape ``(n,)``.
    """
    if column.dtype in (pl.Date, pl.Datetime):
        return _epoch(column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column)
    text = column.cast(pl.String).str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite().fill_null(False), None)
    filled = text.drop_nulls()
    if numbers.count() * 2 >= max(filled.filter(filled != "").len(), 1):
        return _from_numbers(numbers)
    return _from_texts(text)


def looks_like_times(column: pl.Series) -> bool:
    """Say whether the texts of a column are dates (numbers do not tell)."""
    text = column.drop_nulls().cast(pl.String).str.strip_chars().head(_SAMPLE)
    if not text.len() or text.cast(pl.Float64, strict=False).count():
        return False
    return _from_texts(text).count() >= 0.9 * text.len()


def _from_numbers(numbers: pl.Series) -> pl.Series:
    middle = numbers.abs().median()
    if not isinstance(middle, float):
        return numbers.cast(pl.Int64)
    whole = numbers.cast(pl.Int64, strict=False)
    digits = len(str(int(middle)))
    if digits in _DIGITS and str(int(middle))[:2] in ("19", "20"):
        dates = _parse(whole.cast(pl.String), _DIGITS[digits])
        if dates.count() == whole.count():
            return dates
    scale = next((per_second for limit, per_second in _UNITS if middle < limit), 1_000_000_000)
    return whole // scale


def _from_texts(text: pl.Series) -> pl.Series:
    # ISO 8601 writes T and Z where the formats have a space and an offset.
    text = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt]", "${1} ").str.replace(r"(\d)\s?(?:Z|UTC|GMT)$", "${1}+00:00")
    text = text.str.replace(r"([+-]\d{2})$", "${1}:00") if _has_short_offset(text) else text
    sample = text.drop_nulls()
    sample = sample.filter(sample != "").gather_every(max(1, sample.len() // _SAMPLE))
    candidates = [(form, _parse(sample, form).count()) for form in _FORMATS]
    found = [form for form, count in candidates if count]
    parsed = [_parse(text, form) for form in found]
    parsed.sort(key=pl.Series.count, reverse=True)  # stable: ties keep the order of _FORMATS
    seconds = pl.Series(text.name, [None], dtype=pl.Int64).extend_constant(None, text.len()).head(text.len())
    for series in parsed:
        seconds = seconds.fill_null(series)
    return seconds


def _has_short_offset(text: pl.Series) -> bool:
    return bool(text.str.contains(r":\d{2}(?:\.\d+)?[+-]\d{2}$").any())


def _parse(text: pl.Series, form: str) -> pl.Series:
    if "%H" in form or "%I" in form:
        return _epoch(text.str.to_datetime(form, time_unit="us", strict=False))
    return _epoch(text.str.to_date(form, strict=False).cast(pl.Datetime("us")))


def _epoch(times: pl.Series) -> pl.Series:
    return times.dt.epoch("s").cast(pl.Int64)

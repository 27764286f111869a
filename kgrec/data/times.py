"""Times of any usual notation to unix seconds, told from a column as a whole."""

from __future__ import annotations

import polars as pl

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

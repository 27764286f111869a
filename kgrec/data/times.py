"""Times in any usual notation to unix seconds: each cell by itself, what is ambiguous by the whole column."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from kgrec.config import NotationConfig

Order = Literal["day-first", "month-first"]

_FAST = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
)
_SAMPLE = 2_000
_DIGITS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000))
"""Below the limit, a number is so many units a second: seconds reach the year 5138, milliseconds start in 1973."""
_EXCEL = (20_000.0, 80_000.0)
"""Days since the end of 1899 that fall into 1954 to 2119; as seconds they would lie in the first day of 1970."""
_DAY = 86_400
_EXCEL_EPOCH = -25_569 * _DAY
_NUMBER = r"^[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?$"


class ContradictionError(ValueError):
    """Two cells of a column cannot both be read.

    Attributes:
        first, second: their positions.
    """

    def __init__(self, first: int, second: int) -> None:
        super().__init__(first, second)
        self.first, self.second = first, second


@dataclass(frozen=True)
class Times:
    """A column that was read.

    Attributes:
        seconds: unix seconds (i64), null where there is nothing or nothing that can be read.
        order: how dates like 05/07/2024 were read; None: there are none.
        ambiguous: nothing in the column tells the order.
    """

    seconds: pl.Series
    order: Order | None = None
    ambiguous: bool = False


def read_times(
    column: pl.Series,
    notation: NotationConfig | None = None,
    *,
    zones: pl.Series | None = None,
    strict: bool = True,
    usual: Order = "month-first",
) -> Times:
    """Read a column of times.

    Numbers are seconds, milliseconds, microseconds, nanoseconds, days as Excel counts them, or the digits of a date.
    Times without an offset are in the zone of their row, else in that of the notation, else UTC.

    Args:
        column: numbers, texts, dates or datetimes, shape ``(n,)``.
        notation: what is known of the column.
        zones: zone of each row: ``Europe/Berlin``, ``+02:00``, ``CET``; shape ``(n,)``.
        strict: refuse a column in which some dates are day-first and others month-first.
        usual: how dates like 05/07/2024 are read where nothing in the column tells.

    Raises:
        ContradictionError: there are such dates.
    """
    notation = notation or NotationConfig()
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        naive = not isinstance(column.dtype, pl.Datetime) or column.dtype.time_zone is None
        seconds = _epoch(column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column)
        return Times(_zoned(seconds, pl.Series([naive]).new_from_index(0, len(seconds)), notation, zones))
    if column.dtype.is_numeric():
        return Times(_from_numbers(column.cast(pl.Float64), column.cast(pl.Int64, strict=False)))
    text = column.cast(pl.String).str.strip_chars()
    numeric = text.str.contains(_NUMBER).fill_null(False)
    seconds = pl.Series(column.name, [None], dtype=pl.Int64).new_from_index(0, len(text))
    if numeric.any():
        digits = text.set(~numeric, None)
        seconds = _from_numbers(digits.cast(pl.Float64, strict=False), digits.cast(pl.Int64, strict=False))
    if numeric.sum() == len(text) - text.null_count():
        return Times(seconds)
    found = _from_texts(text.set(numeric, None), notation, zones, strict=strict, usual=usual)
    return Times(seconds.zip_with(numeric, found.seconds), found.order, found.ambiguous)


def to_seconds(column: pl.Series) -> pl.Series:
    """Return unix seconds (i64) of a column of times, the likeliest reading of each; null where there is none."""
    return read_times(column, strict=False).seconds


def looks_like_times(column: pl.Series) -> bool:
    """Say whether the texts of a column are dates (numbers do not tell)."""
    text = column.drop_nulls().cast(pl.String).str.strip_chars()
    text = text.filter(text != "").head(_SAMPLE)
    if not text.len() or text.str.contains(_NUMBER).any():
        return False
    return to_seconds(text).count() >= 0.9 * text.len()


def _from_numbers(numbers: pl.Series, whole: pl.Series) -> pl.Series:
    numbers = numbers.set(~numbers.is_finite().fill_null(False), None)
    middle = numbers.abs().median()
    if not isinstance(middle, float):
        return numbers.cast(pl.Int64)
    digits = len(str(int(middle)))
    if digits in _DIGITS and str(int(middle))[:2] in ("19", "20"):
        text = whole.cast(pl.String)
        if digits < 8:  # a year or month is its first day
            text, digits = text + ("0101" if digits == 4 else "01"), 8
        dates = _parse(text, _DIGITS[digits])
        if dates.count() >= 0.9 * whole.count():
            return dates
    exact = whole.fill_null(numbers.floor().cast(pl.Int64, strict=False))
    size = numbers.abs()
    seconds = exact // 1_000_000_000
    for limit, per_second in reversed(_UNITS):
        seconds = (exact // per_second).zip_with(size < limit, seconds)
    days = (numbers * _DAY).round(0).cast(pl.Int64, strict=False) + _EXCEL_EPOCH
    return days.zip_with((numbers >= _EXCEL[0]) & (numbers <= _EXCEL[1]), seconds)


def _from_texts(
    text: pl.Series, notation: NotationConfig, zones: pl.Series | None, *, strict: bool, usual: Order
) -> Times:
    text = text.set(text == "", None)
    plain = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt]", "${1} ").str.replace(r"(\d)\s?(?:Z|UTC|GMT)$", "${1}+00:00")
    fast = _fast(plain)
    if fast is not None:
        seconds, naive = fast
        return Times(_zoned(seconds, pl.Series([naive]).new_from_index(0, len(seconds)), notation, zones))
    plain = plain.str.replace(
        r"^\[?(\d{1,2}/\p{L}{3}/\d{4}):(\d\d:\d\d:\d\d ?[-+]\d{4})\]?$", "${1} ${2}"
    )  # web servers
    parts = _taken_apart(plain.to_frame("text"))
    order, ambiguous = _order(parts, notation, strict=strict, usual=usual)
    day_first = order == "day-first"
    swapped = parts["first"].is_not_null()
    year = parts["year"].cast(pl.Int64, strict=False)
    parts = parts.with_columns(
        year=pl.when(year >= 100).then(year).when(year < 70).then(year + 2000).otherwise(year + 1900),
        month=pl.when(swapped).then(pl.col("second" if day_first else "first")).otherwise("month"),
        day=pl.when(swapped).then(pl.col("first" if day_first else "second")).otherwise("day"),
    )
    return Times(_zoned(*_put_together(parts), notation, zones), order, ambiguous)


def _fast(text: pl.Series) -> tuple[pl.Series, bool] | None:
    """Parse a column that is all in one usual notation; also say whether its times have no offset."""
    sample = text.drop_nulls()
    sample = sample.gather_every(max(1, sample.len() // _SAMPLE))
    if not sample.len() or not sample.str.contains(r"^\d{4}").all():
        return None  # %Y would read 05 as the year 5
    for form in _FAST:
        if sample.len() and _parse(sample, form).count() == sample.len():
            seconds = _parse(text, form)
            if seconds.null_count() == text.null_count():
                return seconds, not form.endswith("%z")
    return None


@cache
def _words() -> Mapping[str, Any]:
    return tomllib.loads(files("kgrec.data").joinpath("notations.toml").read_text(encoding="utf-8"))["times"]  # type: ignore[no-any-return]


def _either(words: list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _named(text: pl.Expr) -> pl.Expr:
    """Write names of months as ``@03@``, clocks of other writing as ``12:30``, and drop words that add nothing."""
    text = text.str.normalize("NFKC").str.to_lowercase()
    for number in range(12, 0, -1):  # the eleventh and twelfth month hold the names of the first and second in Chinese
        names = _words()["months"][number - 1]
        latin = _either([name for name in names if name.isascii() or (name[0].isalpha() and ord(name[0]) < 0x2E80)])
        other = _either([name for name in names if ord(name[0]) >= 0x2E80])
        text = text.str.replace(other, f"{number}月").str.replace(
            rf"(^|[^\p{{L}}])(?:{latin})\b\.?", f"${{1}}@{number:02}@"
        )
    fillers = _either([word for word in _words()["fillers"] if word not in ("am",)])
    return (
        text.str.replace(r"(\d{1,2})\s?[时時点點]\s?(\d{1,2})\s?分?\s?(?:(\d{1,2})\s?秒)?", " ${1}:${2}:0${3}")
        .str.replace(r"(\d{1,2})\s?[时時点點]", " ${1}:00")
        .str.replace(r"(\d{1,2})[.:h](\d{2})\s?(?:uhr|h)\b", "${1}:${2}")
        .str.replace(r"(\d)h(\d{2})\b", "${1}:${2}")
        .str.replace(r"^(\d{4})(\d{2})(\d{2})t(\d{2})(\d{2})(\d{2})?", "${1}-${2}-${3} ${4}:${5}:0${6}")
        .str.replace_all(rf"(^|[^\p{{L}}])(?:{fillers})(?:$|[^\p{{L}}:])", "${1} ")
    )


def _taken_apart(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers in texts by what they stand for, and in ``rest`` what is left of each."""
    morning, evening = (_either([w.lower() for w in _words()[name]]) for name in ("morning", "evening"))
    zones = {name.lower(): hours for name, hours in _words()["zones"].items()}
    text = frame.select(_named(pl.col("text")).alias("text"))["text"]
    forms = {
        "iso": r"(?:^|[^\d])(?P<y>\d{4})\s?[-/.年]\s?(?P<m>\d{1,2})(?:\s?[-/.月](?:\s?(?P<d>\d{1,2})\s?[日号]?)?)?",
        "ymd": r"(?P<y>\d{4})[-/\s.,]*@(?P<m>\d\d)@[-/\s.]*(?P<d>\d{1,2})",
        "dmy": r"(?:^|[^\d:])(?P<d>\d{1,2})(?:st|nd|rd|th|\.)?[\s\-/,]*@(?P<m>\d\d)@[\s\-/.,']*(?P<y>\d{4}|\d{2})"
        r"(?:$|[^\d:])",
        "mdy": r"@(?P<m>\d\d)@[\s\-/.]*(?P<d>\d{1,2})(?:st|nd|rd|th)?[\s,\-/]+(?P<y>\d{4}|\d{2})(?:$|[^\d:])",
        "ctime": r"@(?P<m>\d\d)@\s+(?P<d>\d{1,2})\s.*\s(?P<y>\d{4})$",
        "comma": r"^(?P<m>\d{1,2}) (?P<d>\d{1,2}), (?P<y>\d{4})",
        "my": r"^@(?P<m>\d\d)@[\s\-/.,]*(?P<y>\d{4})$",
    }
    two = (
        r"(?:^|[^\d:.])(?P<first>\d{1,2})\s?(?P<sign>[-/.])\s?(?P<second>\d{1,2})\s?[-/.]\s?"
        r"(?P<y>\d{4}|\d{2})(?:$|[^\d])"
    )
    clock = r"(?:^|[^\d:])(?P<h>\d{1,2}):(?P<mi>\d{2})(?::(?P<s>\d{1,3})(?:[.,]\d+)?)?"
    short = rf"(?:^|\s)(?P<h>\d{{1,2}})\s?(?:{morning}|{evening})"
    half = rf"(?P<am>{morning})|(?P<pm>{evening})"
    some_zone = rf"z|{_either(list(zones))}"
    ahead = rf":\d{{2}}(?:[.,]\d+)?\s*(?:{evening}|{morning})?\s*(?:utc|gmt)?\s*"
    offset = rf"{ahead}(?P<o>[-+]\d{{2}}:?(?:\d{{2}})?|{some_zone})"
    parts = pl.DataFrame({"text": text}).with_columns(
        **{name: pl.col("text").str.extract_groups(form) for name, form in forms.items()},
        two=pl.col("text").str.extract_groups(two),
        clock=pl.col("text").str.extract_groups(clock),
        short=pl.col("text").str.extract_groups(short),
        half=pl.col("text").str.extract_groups(half),
        offset=pl.col("text").str.extract_groups(offset).struct.field("o"),
    )

    def first_of(key: str) -> pl.Expr:
        found = [pl.col(name).struct.field(key) for name, form in forms.items() if f"?P<{key}>" in form]
        return pl.coalesce(found)

    has = first_of("y").is_not_null()
    free = pl.col("text")
    for form in (short, rf"{morning}|{evening}", *forms.values(), two, clock):
        free = free.str.replace(form, " ")
    nothing = rf"[-+]\d{{2}}:?\d{{2}}|[-+]\d{{2}}\b|\b(?:{some_zone})\b|\[[a-z_/]+\]"
    free = free.str.replace_all(nothing, " ")
    parts = parts.with_columns(
        year=pl.when(has).then(first_of("y")).otherwise(pl.col("two").struct.field("y")),
        month=first_of("m"),
        day=pl.when(has).then(first_of("d").fill_null("1")),
        first=pl.when(~has).then(pl.col("two").struct.field("first")),
        second=pl.when(~has).then(pl.col("two").struct.field("second")),
        dotted=~has & (pl.col("two").struct.field("sign") == "."),
        hour=pl.coalesce(pl.col("clock").struct.field("h"), pl.col("short").struct.field("h")),
        minute=pl.col("clock").struct.field("mi"),
        clock_second=pl.col("clock").struct.field("s"),
        morning=pl.col("half").struct.field("am").is_not_null(),
        evening=pl.col("half").struct.field("pm").is_not_null(),
        offset=pl.col("offset").replace({name: f"{hours:+03}:00" for name, hours in zones.items()} | {"z": "+00:00"}),
        rest=free,
    )
    names = ("year", "month", "day", "first", "second", "hour", "minute", "clock_second")
    return parts.select(
        *(pl.col(name).cast(pl.Int64, strict=False) for name in names),
        *("morning", "evening", "offset", "rest", "dotted"),
    )


def _order(parts: pl.DataFrame, notation: NotationConfig, *, strict: bool, usual: Order) -> tuple[Order | None, bool]:
    """Return how numeric dates are to be read, and whether nothing tells."""
    first, second = parts["first"], parts["second"]
    if not first.count():
        return None, False
    if notation.dates is not None:
        return notation.dates, False
    day_first, month_first = (first > 12) & (first <= 31), (second > 12) & (second <= 31)
    n_day, n_month = int(day_first.sum()), int(month_first.sum())
    if n_day and n_month and strict:
        one, other = day_first.fill_null(False).arg_max(), month_first.fill_null(False).arg_max()
        raise ContradictionError(*sorted((one or 0, other or 0)))
    if n_day != n_month:
        return ("day-first" if n_day > n_month else "month-first"), False
    if parts["dotted"].sum() == first.count():
        return "day-first", False
    back = []  # how often a row is earlier than the one above, read either way
    for day, month in ((first, second), (second, first)):
        days = (parts["year"] * 12 + month) * 31 + day
        back.append(int((days.drop_nulls().diff().drop_nulls() < 0).sum()))
    if max(back) > 3 * min(back) + 3:  # rows stand in the order of time, if they are read the right way
        return ("day-first" if back[0] < back[1] else "month-first"), False
    return usual, True


def _put_together(parts: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return unix seconds, as if in UTC where there is no offset, and where there is none."""
    hour = pl.col("hour").fill_null(0)
    of_day = pl.when(pl.col("evening") & (hour < 12)).then(hour + 12).when(pl.col("morning") & (hour == 12)).then(0)
    pieces = [pl.col(name).cast(pl.String).str.zfill(n) for name, n in (("year", 4), ("month", 2), ("day", 2))]
    found = parts.with_columns(
        date=pl.concat_str(pieces, separator="-").str.to_date("%Y-%m-%d", strict=False),
        hour=of_day.otherwise(hour),
        shift=pl.col("offset").str.slice(1, 2).cast(pl.Int64, strict=False) * 3600
        + pl.col("offset").str.slice(3).str.replace(":", "").cast(pl.Int64, strict=False).fill_null(0) * 60,
    )
    sign = pl.when(pl.col("offset").str.starts_with("-")).then(-1).otherwise(1)
    clock = pl.col("hour") * 3600 + pl.col("minute").fill_null(0) * 60 + pl.col("clock_second").fill_null(0)
    sound = (
        (pl.col("hour") < 25)
        & (pl.col("minute").fill_null(0) < 60)
        & (pl.col("clock_second").fill_null(0) < 61)
        & ~pl.col("rest").str.contains(r"[\p{L}\d]")
    )
    whole = pl.col("date").cast(pl.Datetime("us")).dt.epoch("s") + clock - sign * pl.col("shift").fill_null(0)
    table = found.select(seconds=pl.when(sound).then(whole), naive=pl.col("offset").is_null())
    return table["seconds"], table["naive"]


def _zoned(seconds: pl.Series, naive: pl.Series, notation: NotationConfig, zones: pl.Series | None) -> pl.Series:
    """Take times without an offset as local ones of their zone."""
    if notation.time_zone is None and zones is None:
        return seconds
    default = pl.lit(notation.time_zone, dtype=pl.String)
    zone = default if zones is None else pl.coalesce(pl.lit(zones.cast(pl.String).str.strip_chars()), default)
    frame = pl.DataFrame({"seconds": seconds, "naive": naive}).with_columns(zone=zone)
    shifted = frame["seconds"]
    for name in frame.filter("naive")["zone"].unique().drop_nulls():
        mask = frame["naive"] & (frame["zone"] == name).fill_null(False)
        shifted = _shifted(shifted, name).zip_with(mask, shifted)
    return shifted


def _shifted(seconds: pl.Series, zone: str) -> pl.Series:
    hours = {name.lower(): float(value) for name, value in _words()["zones"].items()}.get(zone.lower())
    stated = re.fullmatch(r"(?:UTC|GMT)?\s*([-+])(\d{1,2}):?(\d{2})?", zone, re.IGNORECASE)
    if stated:
        hours = (int(stated[2]) + int(stated[3] or 0) / 60) * (-1 if stated[1] == "-" else 1)
    if hours is not None:
        return seconds - int(hours * 3600)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return seconds
    local = pl.from_epoch(seconds).cast(pl.Datetime("us"))
    return _epoch(local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")).fill_null(seconds)


def _parse(text: pl.Series, form: str) -> pl.Series:
    if "%H" in form or "%I" in form:
        return _epoch(text.str.to_datetime(form, time_unit="us", strict=False))
    return _epoch(text.str.to_date(form, strict=False).cast(pl.Datetime("us")))


def _epoch(times: pl.Series) -> pl.Series:
    return times.dt.epoch("s").cast(pl.Int64)

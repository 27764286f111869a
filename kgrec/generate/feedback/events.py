"""Files of feedback events to rows: columns found by their usual names, bad rows counted and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from kgrec.data.dataset import empty_rejects
from kgrec.data.naming import fold
from kgrec.data.sources.files import LINE
from kgrec.data.times import to_seconds
from kgrec.data.values import as_text, clean
from kgrec.errors import ConfigError, did_you_mean
from kgrec.generate.feedback.store import EVENT_SCHEMA, EVENTS

DAY = 86_400
EARLIEST = 631_152_000
"""1990: earlier times are impossible."""

LONGEST_DWELL = float(DAY)
"""Seconds; who is said to have read for longer left the page open."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "text_id": ("text_id", "text id", "generated_text", "文本id", "文本编号"),
    "event": ("event", "event_type", "action", "type", "事件", "行为"),
    "value": ("value", "seconds", "dwell", "rating", "amount", "revenue", "值", "时长", "评分", "金额"),
    "text": ("text", "new_text", "edited_text", "edit", "文本", "新文本"),
    "user_id": ("user_id", "user", "reader", "用户id", "用户"),
    "time": ("time", "timestamp", "datetime", "date", "ts", "event_time", "时间"),
    "event_id": ("event_id", "eventid", "uuid", "事件id"),
}
"""Field -> what files call it, the likeliest first."""

WORDS: Mapping[str, tuple[str, ...]] = {
    "shown": ("shown", "show", "impression", "view", "viewed", "display", "displayed", "exposure", "展示", "曝光"),
    "clicked": ("clicked", "click", "open", "opened", "tap", "点击", "打开"),
    "dwelt": ("dwelt", "dwell", "read", "reading", "停留", "阅读"),
    "converted": ("converted", "convert", "conversion", "purchase", "purchased", "buy", "bought", "转化", "购买"),
    "rated": ("rated", "rate", "rating", "评分"),
    "edited": ("edited", "edit", "修改", "编辑"),
    "accepted": ("accepted", "accept", "approved", "approve", "批准", "通过"),
    "rejected": ("rejected", "reject", "declined", "驳回", "拒绝"),
}
"""Event -> words for it."""

REQUIRED = ("text_id", "event")


@dataclass(frozen=True)
class FeedbackReport:
    """What became of rows of feedback.

    Attributes:
        rows: read.
        stored: new events, now on record.
        duplicates: rows of events that stand twice or were on record already.
        rejected: rows that cannot be used, by reason.
        unknown: ids of texts that are not on record, the first ones; their rows are among ``rejected``.
        rejects: the rejected rows: ``source``, ``line``, ``reason``, ``row``.
        faulty_edits: edited texts that guards object to; they are kept all the same.
    """

    rows: int
    stored: int
    duplicates: int
    rejected: Mapping[str, int]
    unknown: tuple[str, ...] = ()
    rejects: pl.DataFrame = field(default_factory=empty_rejects)
    faulty_edits: int = 0

    def to_dict(self, examples: int = 20) -> dict[str, Any]:
        """Return the report as JSON values, with the first rejected rows."""
        return {
            "rows": self.rows,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "rejected": dict(self.rejected),
            "unknown_text_ids": list(self.unknown),
            "faulty_edits": self.faulty_edits,
            "examples": self.rejects.head(examples).to_dicts(),
        }


def columns_of(names: list[str], stated: Mapping[str, str], where: str) -> dict[str, str]:
    """Return field -> column: as stated, else by the usual names.

    Raises:
        ConfigError: a stated field or column does not exist, or text id or event cannot be found.
    """
    for name, column in stated.items():
        if name not in NAMES:
            raise ConfigError(f"feedback has no field {name!r}", hint=did_you_mean(name, NAMES))
        if column not in names:
            raise ConfigError(f"{where} has no column {column!r}", hint=did_you_mean(column, names))
    folded = {fold(name): name for name in reversed(names)}
    found = dict(stated)
    for name, usual in NAMES.items():
        free = [folded[fold(u)] for u in usual if fold(u) in folded and folded[fold(u)] not in found.values()]
        if name not in found and free:
            found[name] = free[0]
    for name in REQUIRED:
        if name not in found:
            raise ConfigError(
                f"{where}: no column for {name!r} among {', '.join(names)}",
                hint=f"say which it is: --column {name}=NAME",
            )
    return found


def parse_events(
    raw: pl.DataFrame, where: str, now: float, stated: Mapping[str, str] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read rows of feedback.

    Args:
        raw: as a data source returns it, with ``__line__``.
        where: name of the file, for the rejected rows.
        now: unix seconds; times more than a day later are impossible.
        stated: field -> column, where the usual names do not tell.

    Returns:
        Events of :data:`EVENT_SCHEMA` with ``__line__``, and the rejected rows: ``source``, ``line``, ``reason``,
        ``row``.
    """
    names = [name for name in raw.columns if name != LINE]
    table = _fields(raw, columns_of(names, stated or {}, where))
    table = table.with_columns(reason=pl.coalesce(pl.when(test).then(pl.lit(text)) for text, test in _reasons(now)))
    dropped = table["reason"].is_not_null()
    kept = table.filter(~dropped).with_columns(pl.lit(None, dtype=pl.List(pl.String)).alias("violations"))
    return kept.select(*EVENT_SCHEMA, LINE), rejected_rows(raw.filter(dropped), table["reason"].filter(dropped), where)


def rejected_rows(raw: pl.DataFrame, reason: pl.Series, where: str) -> pl.DataFrame:
    """Return rows of a file as a table of rejects."""
    if not raw.height:
        return empty_rejects()
    cells = [as_text(name, kind).alias(name) for name, kind in raw.schema.items() if name != LINE]
    return raw.select(
        pl.lit(where).alias("source"),
        pl.col(LINE).cast(pl.UInt32).alias("line"),
        pl.lit(reason).alias("reason"),
        pl.struct(cells).struct.json_encode().alias("row"),
    )


def _fields(raw: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    def cell(name: str) -> pl.Expr:
        column = columns.get(name)
        return clean(as_text(column, raw.schema[column])) if column else pl.lit(None, dtype=pl.String)

    words = {fold(word): event for event in EVENTS for word in WORDS[event]}
    table = raw.select(
        *(cell(name).alias(name) for name in ("text_id", "user_id", "text", "event_id")),
        cell("event").alias("word"),
        cell("value").alias("value_text"),
        LINE,
    )
    value = pl.col("value_text").cast(pl.Float64, strict=False)
    times = columns.get("time")
    given = raw[times] if times else pl.Series([None] * raw.height, dtype=pl.String)
    return table.with_columns(
        pl.col("word")
        .str.normalize("NFKC")
        .str.replace_all(r"[\W_]+", "")
        .str.to_lowercase()
        .replace_strict(words, default=None, return_dtype=pl.String)
        .alias("event"),
        pl.when(value.is_finite()).then(value).alias("value"),
        to_seconds(given).alias("time"),
        clean(pl.lit(given.cast(pl.String))).is_not_null().alias("time_given"),
    )


def _reasons(now: float) -> list[tuple[str, pl.Expr]]:
    event, value, time = pl.col("event"), pl.col("value"), pl.col("time")
    return [
        ("no text id", pl.col("text_id").is_null()),
        ("no event", pl.col("word").is_null()),
        ("unknown event", event.is_null()),
        ("value is not a number", value.is_null() & pl.col("value_text").is_not_null()),
        ("no seconds", (event == "dwelt") & value.is_null()),
        ("impossible seconds", (event == "dwelt") & ((value < 0) | (value > LONGEST_DWELL))),
        ("no rating", (event == "rated") & value.is_null()),
        ("rating not from 1 to 5", (event == "rated") & ((value < 1) | (value > 5))),
        ("no new text", (event == "edited") & pl.col("text").is_null()),
        ("unreadable time", time.is_null() & pl.col("time_given")),
        ("impossible time", (time < EARLIEST) | (time > int(now) + DAY)),
    ]

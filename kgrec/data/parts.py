"""Files parsed and cleaned row by row: the parts of a dataset, kept so that an append can reuse them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl

from kgrec.config import CleaningConfig, FileConfig, InteractionsConfig, NotationConfig
from kgrec.data.actions import IGNORE, actions_of
from kgrec.data.attributes import read_attribute, without_html, year_of_titles
from kgrec.data.dataset import INTERACTIONS, AttributeInfo, empty_rejects
from kgrec.data.naming import fold
from kgrec.data.numbers import ParsedNumbers, read_numbers
from kgrec.data.sources.files import LINE, PROBLEM
from kgrec.data.times import ContradictionError, Order, Times, read_times, to_seconds
from kgrec.data.values import as_text, clean
from kgrec.errors import ConfigError, DataError
from kgrec.plugin import domain as plugin_domain

PartRole = Literal["interactions", "items", "users"]
DAY = 86_400
YEAR = "year"
"""Attribute of the years that stand in titles."""
EVENTS: Mapping[str, pl.DataType] = {
    "user": pl.Categorical(),
    "item": pl.Categorical(),
    **{name: INTERACTIONS[name] for name in ("action", "value", "time", "text", "split", "line")},
}
"""Columns of a part of interactions. Words that recur are kept as numbers: a quarter of the memory, and faster."""


@dataclass(frozen=True)
class Part:
    """One file after everything that can be decided row by row.

    Attributes:
        role: what the file is for.
        source: its path as in kgrec.toml.
        key: hash of the settings under which it was parsed; equal keys may be reused.
        digest: hash of the file's bytes.
        table: interactions: :data:`EVENTS`; catalogues: ``id title description line``
            and the attributes.
        rejects: as in :class:`kgrec.data.dataset.Dataset`.
        counts: ``rows``, ``kept``, ``rejected`` and ``filled`` by reason, and what else is worth reporting.
        attributes: what the attribute columns are.
    """

    role: PartRole
    source: str
    key: str
    digest: str
    table: pl.DataFrame
    rejects: pl.DataFrame
    counts: dict[str, Any]
    attributes: Mapping[str, AttributeInfo]

    def without_user(self, user_id: str) -> Part:
        """Return the part less the rows of a user; rejected rows that hold the id anywhere go, too."""
        named = {"interactions": "user", "users": "id"}.get(self.role)
        table = self.table.filter(pl.col(named) != user_id) if named else self.table
        spelt = rf'"\s*{re.escape(json.dumps(user_id, ensure_ascii=False)[1:-1])}\s*"'
        return replace(self, table=table, rejects=self.rejects.filter(~pl.col("row").str.contains(spelt)))


def parse_interactions(
    raw: pl.DataFrame, mapping: plugin_domain.Mapping, entry: InteractionsConfig, cleaning: CleaningConfig, now: float
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Parse and clean interactions row by row.

    Args:
        raw: the file as read.
        mapping: its columns.
        entry: the file in kgrec.toml.
        cleaning: rules for rows that cannot be taken as they are.
        now: unix seconds; times more than a day later are impossible unless ``cleaning.max_time`` says otherwise.

    Returns:
        Kept rows, rejected rows and counts.
    """
    table, notes = _read_fields(raw, mapping, entry)
    ignored = (table["action"] == IGNORE).fill_null(False)
    left_out = dict(table.filter(ignored)["word"].value_counts(sort=True).head(10).iter_rows())
    raw, table = raw.filter(~ignored), table.filter(~ignored)
    reasons = _interaction_reasons(cleaning, now)
    tests = [pl.when(test).then(pl.lit(text)) for text, test in reasons]
    table = table.with_columns(reason=pl.coalesce(_problem(raw), *tests))
    kept = table.filter(pl.col("reason").is_null())
    unvalued = kept.filter((pl.col("action") == "rate") & pl.col("value").is_null())
    filled = {
        "no rating": unvalued.filter(~pl.col("value_given")).height,
        "value is not a number": kept.filter(pl.col("value").is_null() & pl.col("value_given")).height,
        "no time": kept.filter(~pl.col("time_given")).height if "time" in mapping.columns else 0,
    }
    counts = _counts(raw, table)
    counts["missing"] = {reason: n for reason, n in filled.items() if n}
    if left_out:
        counts["ignored"] = left_out
    unknown = table.filter(pl.col("reason") == "unknown action")["word"].value_counts(sort=True).head(10)
    if unknown.height:
        counts["unknown_actions"] = dict(unknown.iter_rows())
    counts |= notes
    rejects = _rejects(raw, table, entry.path)
    return kept.select(pl.col(name).cast(kind) for name, kind in EVENTS.items()), rejects, counts


def parse_catalogue(
    raw: pl.DataFrame, mapping: plugin_domain.Mapping, entry: FileConfig
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any], dict[str, AttributeInfo]]:
    """Parse and clean items or users row by row; returns kept rows, rejected rows, counts and attributes."""
    texts = raw.select(LINE, *(_text(raw, mapping, field).alias(field) for field in ("id", "title", "description")))
    fields = [texts["id"], without_html(texts["title"]), without_html(texts["description"])]
    attributes: dict[str, AttributeInfo] = {}
    columns = []
    for name, attribute in mapping.attributes.items():
        cells, attributes[name] = read_attribute(raw, attribute, entry.notation)
        columns.append(cells.alias(name))
    years = year_of_titles(fields[1]) if mapping.role == "items" and YEAR not in attributes else None
    if years is not None:
        attributes[YEAR] = AttributeInfo(None, False)
        columns.append(years.alias(YEAR))
    reason = pl.when(pl.col("id").is_null()).then(pl.lit(f"no {mapping.role[:-1]} id"))
    table = raw.select(*fields, *columns, pl.col(LINE).alias("line"))
    table = table.with_columns(pl.coalesce(_problem(raw), reason).alias("reason"))
    kept = table.filter(pl.col("reason").is_null()).drop("reason")
    return kept, _rejects(raw, table, entry.path), _counts(raw, table), attributes


def _read_fields(
    raw: pl.DataFrame, mapping: plugin_domain.Mapping, entry: InteractionsConfig
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the fields, and what the notations of times and values were taken for."""
    default = mapping.action or _default_action(mapping)
    named = {"user": "user", "item": "item", "action": "word", "value": "value_text", "text": "text"}
    kinds = {name: EVENTS.get(name, pl.String()) for name in named.values()}
    texts = [_text(raw, mapping, field).cast(kinds[name]).alias(name) for field, name in named.items()]
    table = raw.select(*texts, pl.lit(entry.split).alias("split"), pl.col(LINE).alias("line"))
    times = mapping.columns.get("time")
    given = raw[times] if times else pl.Series([None], dtype=pl.String).extend_constant(None, raw.height)[: raw.height]
    action = (
        _actions({**mapping.actions, **entry.actions}, table["word"])
        if "action" in mapping.columns
        else pl.lit(default)
    )
    numbers = _rated(table["value_text"], entry.notation, name=mapping.columns.get("value", ""))
    # Where fractions stand behind a comma, days stand before months.
    usual: Order = "day-first" if numbers.comma or entry.notation.decimal == "," else "month-first"
    moments = _moments(raw, given, mapping.columns.get("zone"), entry, usual)
    notes: dict[str, Any] = {}
    if moments.order:
        notes["dates"] = {"order": moments.order, "ambiguous": moments.ambiguous}
    if "value" in mapping.columns:
        notes["values"] = {"kind": numbers.kind, "unit": numbers.unit}
    read = table.with_columns(
        action.alias("action"),
        numbers.values.cast(pl.Float32).alias("value"),
        pl.col("value_text").is_not_null().alias("value_given"),
        moments.seconds.alias("time"),
        _given(given).alias("time_given"),
    )
    if "action" in mapping.columns and "value" in mapping.columns:  # a film that is watched and rated is rated
        done = ("view", "click", "like", "purchase", "collect", "comment")
        rated = pl.col("action").is_in(done) & pl.col("value").is_not_null()
        read = read.with_columns(pl.when(rated).then(pl.lit("rate")).otherwise("action").alias("action"))
    return read.drop("value_text"), notes


def _given(cells: pl.Series) -> pl.Series:
    """Mark cells in which something stands."""
    return (cells.to_frame().select(clean(pl.first())).to_series() if cells.dtype == pl.String else cells).is_not_null()


def _rated(text: pl.Series, notation: NotationConfig, *, name: str) -> ParsedNumbers:
    """Read values; -1 among marks of which all others are above zero says that there is none."""
    found = read_numbers(text, notation, name=name)
    others = found.values.filter(found.values != -1).drop_nulls()
    lowest = others.min()
    if (
        len(others) < len(found.values.drop_nulls())
        and isinstance(lowest, float)
        and lowest >= 0
        and others.n_unique() > 2
    ):
        return replace(found, values=found.values.set(found.values == -1, None))
    return found


def _moments(raw: pl.DataFrame, given: pl.Series, zone: str | None, entry: InteractionsConfig, usual: Order) -> Times:
    """Read the times of a file.

    Raises:
        DataError: some of its dates are day-first and others month-first.
    """
    zones = raw.select(as_text(zone, raw.schema[zone])).to_series() if zone else None
    try:
        return read_times(given, entry.notation, zones=zones, usual=usual)
    except ContradictionError as error:
        told = " and ".join(f"line {raw[LINE][k]} ({given[k]})" for k in (error.first, error.second))
        raise DataError(
            f"{entry.path}: {told} cannot both be read: in one the day stands first, in the other the month",
            hint='say which is right in kgrec.toml, notation = { dates = "day-first" } or "month-first"; '
            "the other rows are then rejected",
        ) from None


def _text(raw: pl.DataFrame, mapping: plugin_domain.Mapping, field: str) -> pl.Expr:
    """Return the column of a field as cleaned text; null where there is none."""
    column = mapping.columns.get(field)
    return clean(as_text(column, raw.schema[column])) if column else pl.lit(None, dtype=pl.String)


def _default_action(mapping: plugin_domain.Mapping) -> str:
    if "value" in mapping.columns:
        return "rate"
    return "view" if "item" in mapping.columns else "search"


def _actions(own: Mapping[str, str], words: pl.Series) -> pl.Expr:
    found = actions_of(words.drop_nulls().unique().to_list(), {fold(w): a for w, a in own.items()})
    return pl.col("word").replace_strict(found, default=None, return_dtype=pl.String)


def _interaction_reasons(cleaning: CleaningConfig, now: float) -> list[tuple[str, pl.Expr]]:
    action, value, time = pl.col("action"), pl.col("value"), pl.col("time")
    earliest = _limit("min_time", cleaning.min_time)
    latest = int(now) + DAY if cleaning.max_time is None else _limit("max_time", cleaning.max_time)
    reasons = [
        ("no user id", pl.col("user").is_null()),
        ("unknown action", action.is_null() & pl.col("word").is_not_null()),
        ("no action", action.is_null()),
        ("no item id", pl.col("item").is_null() & (action != "search")),
        ("unreadable time", time.is_null() & pl.col("time_given")),
        ("impossible time", (time < earliest) | (time > latest)),
    ]
    if cleaning.missing_time == "drop":
        reasons.append(("no time", time.is_null()))
    if cleaning.missing_value == "drop":
        unvalued = (action == "rate") & value.is_null()
        reasons.append(("value is not a number", unvalued & pl.col("value_given")))
        reasons.append(("no rating", unvalued))
    return reasons


def _problem(raw: pl.DataFrame) -> pl.Expr:
    """Return what the source says of each row that is none of the table's."""
    return pl.lit(raw[PROBLEM]) if PROBLEM in raw.columns else pl.lit(None, dtype=pl.String)


def _limit(name: str, text: str) -> int:
    seconds = to_seconds(pl.Series([text]))[0]
    if seconds is None:
        raise ConfigError(f"data.cleaning.{name}: {text!r} is no time", hint='write it like "1990-01-01"')
    return int(seconds)


def _counts(raw: pl.DataFrame, table: pl.DataFrame) -> dict[str, Any]:
    reasons = table["reason"].drop_nulls().value_counts(sort=True)
    rejected = dict(reasons.iter_rows())
    return {"rows": raw.height, "kept": raw.height - sum(rejected.values()), "rejected": rejected}


def _rejects(raw: pl.DataFrame, table: pl.DataFrame, source: str) -> pl.DataFrame:
    dropped = table["reason"].is_not_null()
    if not dropped.any():
        return empty_rejects()
    rows = raw.filter(dropped)
    cells = [as_text(n, kind).alias(n) for n, kind in raw.schema.items() if not n.startswith("__")]
    return rows.select(
        pl.lit(source).alias("source"),
        pl.col(LINE).alias("line"),
        pl.lit(table["reason"].filter(dropped)).alias("reason"),
        pl.struct(cells).struct.json_encode().alias("row"),
    )

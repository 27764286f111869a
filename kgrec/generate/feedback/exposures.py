"""From texts and events to exposures: which text was put before which reader, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from kgrec.generate.feedback.store import TEXT_SCHEMA, FeedbackStore

OUTCOMES = ("unit", "shown", "clicked", "converted", "value", "dwell", "rating", "edited", "faulty")
HOUR = 3600
NOBODY = "\0"
"""Stands for a reader who is not known."""

KNOWN = pl.col("reader") != NOBODY
EPISODE = ("text_id", "reader", "episode")


@dataclass(frozen=True)
class Exposures:
    """What was shown and what came of it.

    An exposure is a text before a reader. Shown to them again before the time to react is over, it is the same one;
    shown again later, it is another. Readers who are not known (a text for nobody in particular, an event without a
    user) are taken for different ones each time: each ``shown`` event is an exposure, and the clicks on the text are
    put to as many of them.

    Attributes:
        table: a row an exposure that is old enough to be judged: the text's fields, ``unit`` (the reader), ``shown``
            (1), ``clicked`` and ``converted`` (0 or 1), ``value`` (of conversions), ``dwell`` (seconds, null where none
            was told), ``rating`` (the last one), ``edited``, ``faulty`` (edits that guards object to).
        pending: exposures that are too young to be judged.
        unshown: events of texts that, by the record, their reader was never shown; they count nowhere.
        late: clicks and conversions after the window; they count as none.
    """

    table: pl.DataFrame
    pending: int
    unshown: int
    late: int


def exposures(store: FeedbackStore, *, window_hours: float, now: float) -> Exposures:
    """Put the record together.

    An exposure is judged only when ``window_hours`` have gone by since the text was last shown; a click counts if it
    comes within that time. So one that will still be clicked is never taken for one that was not, and early clicks do
    not count before late non-clicks. Events without a time are old enough and in time.

    Args:
        store: the record.
        window_hours: how long a reader has to react; 0: judged at once, and no reaction is too late.
        now: unix seconds.
    """
    texts = store.texts().rename({"user_id": "owner"})
    events = store.events().drop("text", "event_id").join(texts.select("text_id", "owner"), on="text_id")
    events = events.with_columns(reader=pl.coalesce("user_id", "owner", pl.lit(NOBODY))).drop("user_id", "owner")
    window = int(window_hours * HOUR)
    shown = _shown(events.filter(pl.col("event") == "shown"), window, now)
    other = _placed(events.filter(pl.col("event") != "shown"), shown)
    unshown = other["until"].len() - other["n"].count()
    in_time = (pl.col("time") <= pl.col("until") + window).fill_null(True) | ~KNOWN | (window == 0)
    other = other.filter(pl.col("n").is_not_null()).with_columns(in_time=in_time)
    late = other.filter(pl.col("event").is_in(["clicked", "converted"]) & ~pl.col("in_time")).height
    table = shown.join(_counts(other), on=EPISODE, how="left")
    pending = int((shown["n"].cast(pl.Int64) - shown["n_old"].cast(pl.Int64)).sum())
    judged = _spread(table.filter(pl.col("n_old") > 0)).join(texts, on="text_id", maintain_order="left")
    names = [name for name in TEXT_SCHEMA if name != "user_id"]
    return Exposures(judged.select(*names, *OUTCOMES), pending, unshown, late)


def _shown(events: pl.DataFrame, window: int, now: float) -> pl.DataFrame:
    """Return the exposures: ``at`` the first showing, ``until`` the last, ``n`` of them, ``n_old`` old enough."""
    time = pl.col("time")
    again = (time.diff() > window).fill_null(False).cum_sum().over("text_id", "reader")
    episode = pl.when(KNOWN & (window > 0)).then(again).otherwise(0).cast(pl.Int64)
    ordered = events.sort("time", nulls_last=False, maintain_order=True).with_columns(episode=episode)
    old = time.is_null() | (time + window <= int(now))
    counted = ordered.group_by(EPISODE, maintain_order=True).agg(
        time.min().alias("at"), time.max().alias("until"), pl.len().alias("n"), old.sum().alias("n_old")
    )
    # All showings of an exposure to somebody known are one, and old enough when the last of them is.
    return counted.with_columns(
        n=pl.when(KNOWN).then(1).otherwise("n"),
        n_old=pl.when(KNOWN).then((pl.col("n") == pl.col("n_old")).cast(pl.UInt32)).otherwise("n_old"),
    )


def _placed(events: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Put each event to the exposure that began last before it, or to the first one; ``n`` is null where none is."""
    begun = shown.select(*EPISODE, pl.col("at").fill_null(0).alias("_at")).sort("_at")
    timed = events.with_columns(pl.col("time").fill_null(-1).alias("_at")).sort("_at", maintain_order=True)
    keys = ["text_id", "reader"]
    placed = timed.join_asof(begun, on="_at", by=keys, strategy="backward", check_sortedness=False)
    placed = placed.with_columns(pl.col("episode").fill_null(0))
    return placed.join(shown.select(*EPISODE, "until", "n"), on=EPISODE, how="left", maintain_order="left")


def _spread(table: pl.DataFrame) -> pl.DataFrame:
    """Turn a row of ``n_old`` exposures into as many rows; what came of them goes to the first ones."""
    place = pl.col("place")
    anonymous = pl.concat_str(pl.lit(NOBODY), "text_id", pl.lit(NOBODY), place.cast(pl.String))
    return (
        table.with_columns(place=pl.int_ranges(0, pl.col("n_old").cast(pl.Int64)))
        .explode("place")
        .select(
            "text_id",
            pl.when(KNOWN).then("reader").otherwise(anonymous).alias("unit"),
            pl.lit(1, dtype=pl.Int64).alias("shown"),
            *((pl.col(name).fill_null(0) > place).cast(pl.Int64).alias(name) for name in ("clicked", "converted")),
            *(
                pl.when(place == 0).then(pl.col(name).fill_null(0)).otherwise(0).alias(name)
                for name in ("value", "edited", "faulty")
            ),
            *(pl.col(name).list.get(place, null_on_oob=True).alias(name) for name in ("dwell", "rating")),
        )
    )


def _counts(events: pl.DataFrame) -> pl.DataFrame:
    """Count what came of each exposure."""

    def of(event: str) -> pl.Expr:
        return pl.col("event") == event

    value, timely, known = pl.col("value"), pl.col("in_time"), KNOWN.first()
    dwells, ratings = value.filter(of("dwelt")), value.filter(of("rated"))
    return events.group_by(EPISODE, maintain_order=True).agg(
        (of("clicked") & timely).sum().cast(pl.Int64).alias("clicked"),
        (of("converted") & timely).sum().cast(pl.Int64).alias("converted"),
        value.filter(of("converted") & timely).sum().alias("value"),
        pl.when(known & of("dwelt").any()).then(dwells.sum().implode()).otherwise(dwells.implode()).alias("dwell"),
        pl.when(known & of("rated").any()).then(ratings.last().implode()).otherwise(ratings.implode()).alias("rating"),
        of("edited").sum().cast(pl.Int64).alias("edited"),
        (of("edited") & (pl.col("violations").list.len() > 0)).sum().cast(pl.Int64).alias("faulty"),
    )

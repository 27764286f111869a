"""What looks suspicious in the tables: things that are no error and still may not be what is meant."""

from __future__ import annotations

import time
from collections.abc import Iterator

import polars as pl

from kgrec.data.dataset import Dataset
from kgrec.plugin.domain import AGAINST

_MUCH, _MOST = 0.5, 0.9
_SHOWN = 3
_FEW = 20
"""Fewer rows tell nothing."""
_DAY = 86_400
_NOBODY = ("null", "none", "nan", "n/a", "undefined", "unknown", "anonymous", "guest", "0", "-1", "\\n", "(not set)")


def suspicions(dataset: Dataset) -> list[str]:
    """Return what a person should look at, a sentence each."""
    return [*_events(dataset), *_times(dataset.interactions), *_ids(dataset), *_catalogue(dataset)]


def _events(dataset: Dataset) -> Iterator[str]:
    rows = dataset.interactions
    if rows.height < _FEW:
        yield f"there are only {rows.height:,} interactions"
        return
    actions = rows["action"].unique().to_list()
    if len(actions) == 1 and actions[0] not in ("rate", "purchase"):
        yield f"every interaction is a {actions[0]}: if the file tells kinds apart, name its column of actions"
    against = rows["action"].is_in(list(AGAINST)).mean()
    if isinstance(against, float) and against > _MUCH:
        yield f"{against:.0%} of the interactions speak against an item: is that what the words of actions mean?"
    for what, ids in (("user", dataset.users["user_id"]), ("item", dataset.items["item_id"])):
        counted = rows[what].drop_nulls().value_counts(sort=True)
        if counted.height and counted["count"][0] > max(_MUCH * rows.height, _FEW):
            share = counted["count"][0] / rows.height
            yield f"{share:.0%} of the interactions are of one {what}, {ids[counted[what][0]]}"
    once = rows["user"].value_counts()["count"]
    alone = float((once == 1).mean() or 0.0)  # type: ignore[arg-type]
    if alone > _MOST:
        yield f"{alone:.0%} of the users have one interaction only: do their ids change from visit to visit?"
    values = rows["value"].drop_nulls()
    if values.len() > _FEW and values.n_unique() == 1:
        yield f"every value is {values[0]:g}: it says nothing"
    if values.len() > _FEW and values.n_unique() > 50:
        yield f"there are {values.n_unique():,} different values: are they ratings, or amounts?"


def _times(rows: pl.DataFrame) -> Iterator[str]:
    moments = rows["time"].drop_nulls()
    if rows.height >= _FEW and moments.len() < _MUCH * rows.height:
        yield f"{1 - moments.len() / rows.height:.0%} of the interactions have no time: what is recent cannot be told"
    if moments.len() < _FEW:
        return
    ahead = int((moments > time.time()).sum())
    if ahead:
        yield f"{ahead:,} interactions are in the future"
    if moments.n_unique() == 1:
        yield "all interactions have the same time"
    elif moments.n_unique() <= 0.01 * moments.len() and not (moments % _DAY == 0).all():
        yield f"there are only {moments.n_unique():,} different times: are they those of an export?"
    if (moments % _DAY == 0).all():
        yield "times are days: what happened within one has no order"


def _ids(dataset: Dataset) -> Iterator[str]:
    counts = dict(dataset.interactions["user"].value_counts().iter_rows())
    for k, name in enumerate(dataset.users["user_id"].to_list()):
        if name.casefold() in _NOBODY and counts.get(k, 0) >= 5:
            yield f"the user {name!r} has {counts[k]:,} interactions: it may stand for everybody without an id"
    for what, ids in (("users", dataset.users["user_id"]), ("items", dataset.items["item_id"])):
        folded = pl.DataFrame({"id": ids, "key": ids.str.to_lowercase().str.replace(r"^0+(\d)", "${1}")})
        alike = folded.filter(pl.col("key").is_duplicated()).sort("key", "id")
        if alike.height:
            shown = ", ".join(alike["id"].head(2 * _SHOWN).to_list())
            yield f"ids of {what} differ only in leading zeros or in upper and lower case: {shown}"


def _catalogue(dataset: Dataset) -> Iterator[str]:
    items = dataset.items
    known = items["source"].is_not_null()
    if known.any():
        asked = dataset.interactions["item"].drop_nulls()
        missing = int((~known.gather(asked)).sum()) / max(asked.len(), 1)
        if missing > 0.02:
            example = items.filter(~known)["item_id"].sort().head(_SHOWN).to_list()
            told = ", ".join(example)
            yield f"{missing:.0%} of the interactions are with items that the catalogue does not have: {told}"
        unseen = items.height - dataset.interactions["item"].drop_nulls().n_unique()
        if unseen > _MOST * items.height:
            yield f"{unseen:,} of {items.height:,} items have no interaction: do the files use the same ids?"
    titles = items["title"].drop_nulls()
    again = titles.filter(titles.is_duplicated())
    if again.len() > 0.05 * max(titles.len(), 1) and again.len() >= 4:
        told = ", ".join(again.unique().sort().head(_SHOWN).to_list())
        yield f"{again.len():,} items share their title with another: {told}"
    for name, info in dataset.item_attributes.items():
        column = items[name].drop_nulls()
        if column.len() < _FEW or info.multi:
            continue
        text = column.cast(pl.String, strict=False)
        if text.n_unique() == 1:
            yield f"the attribute {name} is always {text[0]!r}"
        elif bool((items[name].cast(pl.String) == items["item_id"]).drop_nulls().all()):
            yield f"the attribute {name} equals the id"
        elif info.relation is not None and text.n_unique() == text.len():
            yield f"every item has a {name} of its own: as a relation it connects nothing"

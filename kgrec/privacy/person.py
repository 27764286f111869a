"""Everything that a workspace knows of one person, for the person to read and for whoever looks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from kgrec.data.dataset import Dataset
from kgrec.errors import NotFoundError

if TYPE_CHECKING:
    from kgrec.generate.feedback.store import FeedbackStore

SHOWN = 200
"""Rows of a table of the summary; the JSON has all of them."""


@dataclass(frozen=True, slots=True)
class PersonPlace:
    """A file that holds something of a person.

    Attributes:
        kind: one of :data:`kgrec.privacy.inventory.THEN`.
        path: relative to the workspace, absolute outside of it.
        holds: what, in words.
        count: how many occurrences, rows or numbers.
        then: what forgetting does with it.
    """

    kind: str
    path: str
    holds: str
    count: int
    then: str


@dataclass(frozen=True)
class PersonalData:
    """What is known of a person.

    Attributes:
        user_id: the id in the data.
        attributes: description and attributes.
        interactions: every event: item, title, action, value, time, text, and the file and line it came from.
        rejected: rows of the person that were read and not used, and why.
        texts: texts written for the person that are on record.
        events: what the person did with texts.
        interests: what is concluded: names and weights.
        recommended: the list as it is now.
        places: where all of this is.
        words: what the person wrote and nobody else did, each once.
        known_as: ids in files: the id, or where the workspace keeps pseudonyms, both; empty: only the id.
    """

    user_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    interactions: Sequence[Mapping[str, Any]] = ()
    rejected: Sequence[Mapping[str, Any]] = ()
    texts: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    interests: Sequence[Mapping[str, Any]] = ()
    recommended: Sequence[Mapping[str, Any]] = ()
    places: Sequence[PersonPlace] = ()
    words: tuple[str, ...] = ()
    known_as: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids under which files know the person."""
        return self.known_as or (self.user_id,)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {name: value for name, value in asdict(self).items() if name not in ("words", "known_as")}

    def summary(self) -> str:
        """Return the same as Markdown for people; long tables are cut, which is said."""
        parts = [f"# What is known of {_cell(self.user_id)}"]
        if self.attributes:
            parts.append("## Attributes\n\n" + _table([{"what": k, "value": v} for k, v in self.attributes.items()]))
        for heading, rows, columns in (
            ("What you did", self.interactions, ("when", "action", "item", "title", "value", "text")),
            ("Rows that were read and not used", self.rejected, ("source", "line", "reason", "row")),
            ("What is concluded of your interests", self.interests, ()),
            ("What is recommended to you now", self.recommended, ()),
            ("Texts written for you", self.texts, ()),
            ("What you did with texts", self.events, ()),
        ):
            if rows:
                parts.append(f"## {heading} ({len(rows):,})\n\n" + _table(rows, columns))
        if self.places:
            told = [
                {"what": p.kind, "where": str(p.path), "holds": p.holds, "when you are forgotten": p.then}
                for p in self.places
            ]
            parts.append(f"## Where it is ({len(told)})\n\n" + _table(told))
        return "\n\n".join(parts) + "\n"


def personal_data(user_id: str, dataset: Dataset, store: FeedbackStore) -> PersonalData:
    """Collect what tables and feedback know of a person.

    Args:
        user_id: canonical id.
        dataset: all tables, rows marked ``test`` among them.
        store: texts and events on record.

    Raises:
        NotFoundError: nothing knows the id.
    """
    users = dataset.users.filter(pl.col("user_id") == user_id)
    events = store.events()
    texts = store.texts()
    own = texts.filter(pl.col("user_id") == user_id)["text_id"].to_list()
    theirs = events.filter((pl.col("user_id") == user_id) | pl.col("text_id").is_in(own))
    rejected = dataset.rejects.filter(pl.col("row").str.contains(f'"{user_id}"', literal=True))
    if not users.height and not own and not theirs.height and not rejected.height:
        raise NotFoundError.of("user", user_id, dataset.users["user_id"].to_list())
    attributes: dict[str, Any] = {}
    interactions: list[dict[str, Any]] = []
    if users.height:
        row = users.row(0, named=True)
        attributes = {name: value for name, value in row.items() if name != "user_id" and value not in (None, [])}
        position = dataset.user_positions([user_id])[0]
        items = dataset.items.select(item_id="item_id", title="title").with_row_index("item")
        rows = dataset.interactions.filter(pl.col("user") == position)
        shown = rows.join(items, on="item", how="left", maintain_order="left").select(
            pl.from_epoch("time").dt.strftime("%Y-%m-%d %H:%M:%S").alias("when"),
            "action",
            pl.col("item_id").alias("item"),
            "title",
            "value",
            "text",
            "split",
            "source",
            "line",
        )
        interactions = shown.to_dicts()
    return PersonalData(
        user_id,
        attributes,
        interactions,
        rejected.to_dicts(),
        [
            {"text_id": r.text.text_id, "text": r.text.text, "items": list(r.text.item_ids), "time": r.time}
            for r in store.records(own)
        ],
        theirs.to_dicts(),
        words=_own_words(dataset, user_id, [event["text"] for event in theirs.iter_rows(named=True)]),
    )


def _own_words(dataset: Dataset, user_id: str, edits: Sequence[str | None]) -> tuple[str, ...]:
    """Return the description, comments and searches that only one user wrote, and texts as edited."""
    numbered = dataset.users.select("user_id", text="description").with_row_index("user")
    said = dataset.interactions.select("user", "text").join(numbered.select("user", "user_id"), on="user")
    both = pl.concat([said.select("user_id", "text"), numbered.select("user_id", "text")])
    whose = both.drop_nulls("text").group_by("text").agg(pl.col("user_id").unique())
    own = whose.filter((pl.col("user_id").list.len() == 1) & (pl.col("user_id").list.first() == user_id))["text"]
    return tuple(dict.fromkeys([*own.sort().to_list(), *filter(None, edits)]))


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    names = [name for name in (columns or rows[0]) if any(row.get(name) is not None for row in rows)]
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"\n{len(rows) - SHOWN:,} more rows are in the JSON file.")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    """Return a value as a cell of Markdown in which nothing works as markup."""
    shown = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    escaped = "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~" else c for c in " ".join(shown.split()))
    return "".join(c for c in escaped if c.isprintable())

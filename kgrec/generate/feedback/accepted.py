"""Texts that readers or editors accepted, with the prompt they answer: what a model can learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from kgrec.generate.feedback.store import FeedbackStore

GOOD = 4.0
"""Ratings from this on accept a text; a lower one refuses it, clicked or not."""


@dataclass(frozen=True, slots=True)
class AcceptedText:
    """A pair to learn from.

    Attributes:
        prompt: with the facts, as a language model would be asked now.
        text: what was accepted; the editor's where it was edited.
        kind: of the text.
        language: of the text.
        text_id: of the text as it was written.
        why: ``edited``, ``rated`` or ``clicked``.
        model: who wrote it before it was edited.
        item_ids: what it is about.
    """

    prompt: str
    text: str
    kind: str
    language: str
    text_id: str
    why: Literal["edited", "rated", "clicked"]
    model: str
    item_ids: tuple[str, ...] = ()


def accepted_rows(store: FeedbackStore, *, faulty_edits: bool = False) -> pl.DataFrame:
    """Return the records of accepted texts; ``text`` is the editor's where there is one, ``why`` says why.

    Args:
        store: the record.
        faulty_edits: also take edits that guards object to; a model would learn to say what no fact bears out.
    """
    value, event = pl.col("value"), pl.col("event")
    events = store.events.read().sort("time", nulls_last=False, maintain_order=True)
    edited = event == "edited"
    faulty = pl.col("violations").list.len().fill_null(0) > 0
    verdicts = events.group_by("text_id", maintain_order=True).agg(
        pl.col("text").filter(edited).last().alias("edit"),
        faulty.filter(edited).last().fill_null(False).alias("faulty"),
        value.filter(event == "rated").last().alias("rating"),
        (event == "clicked").any().alias("clicked"),
    )
    why = (
        pl.when(pl.col("edit").is_not_null())
        .then(pl.lit("edited"))
        .when(pl.col("rating") >= GOOD)
        .then(pl.lit("rated"))
        .when(pl.col("rating").is_null() & pl.col("clicked"))
        .then(pl.lit("clicked"))
    )
    chosen = verdicts.with_columns(why=why).filter(pl.col("why").is_not_null())
    if not faulty_edits:
        chosen = chosen.filter(~((pl.col("why") == "edited") & pl.col("faulty")))
    texts = store.texts.read(where=pl.col("text_id").is_in(chosen["text_id"].implode()))
    texts = texts.join(chosen.select("text_id", "edit", "why"), on="text_id", maintain_order="left")
    return texts.with_columns(pl.coalesce("edit", "text").alias("text")).drop("edit")


def accepted_texts(
    store: FeedbackStore, prompt_of: Callable[[dict[str, Any]], str | None], *, faulty_edits: bool = False
) -> list[AcceptedText]:
    """Return the accepted texts as pairs to learn from, in the order in which they were written.

    Args:
        store: the record.
        prompt_of: a text's record -> the prompt that it answers, or None where there is none any more.
        faulty_edits: see :func:`accepted_rows`.
    """
    found = []
    for row in accepted_rows(store, faulty_edits=faulty_edits).iter_rows(named=True):
        prompt = prompt_of(row)
        if prompt is not None:
            told = (row["text"], row["kind"], row["lang"], row["text_id"], row["why"], row["model"])
            found.append(AcceptedText(prompt, *told, tuple(row["item_ids"] or ())))
    return found

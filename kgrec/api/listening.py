"""The part of a project that listens: what readers did with the texts that were written for them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kgrec.api.feedback import FeedbackEvaluation
    from kgrec.api.project import Project
    from kgrec.generate.feedback.accepted import AcceptedText
    from kgrec.generate.feedback.events import FeedbackReport
    from kgrec.generate.feedback.store import FeedbackStore


class Listening:
    """Methods of :class:`kgrec.api.Project`; what they need is imported when they are called."""

    @cached_property
    def feedback_store(self) -> FeedbackStore:
        """The texts and events on record, in the folder ``feedback`` beside kgrec.toml."""
        from kgrec.generate.feedback.store import FeedbackStore

        return FeedbackStore(cast("Project", self).workspace.root)

    def feedback(
        self,
        text_id: str,
        event: str,
        *,
        value: float | None = None,
        text: str | None = None,
        user: str | None = None,
        time: float | None = None,
        event_id: str | None = None,
    ) -> FeedbackReport:
        """Record what a reader did with a text that is on record (``generate.record``).

        Args:
            text_id: as ``generate`` tells it.
            event: ``shown``, ``clicked``, ``dwelt``, ``converted``, ``rated`` or ``edited``.
            value: seconds of ``dwelt``, 1 to 5 of ``rated``, worth of ``converted`` if it has any.
            text: the new text of ``edited``; guards look at it, and what they object to is recorded, not refused.
            user: who it was; None: for whom the text was written.
            time: unix seconds; None: now.
            event_id: an id of your own: the same id is the same event, whatever else it says.

        Raises:
            NotFoundError: no such text is on record.
            DataError: the event is none, or lacks what it needs.
        """
        from kgrec.api.feedback import one_event

        row = {"value": value, "text": text, "user_id": user, "time": time, "event_id": event_id}
        return one_event(cast("Project", self), text_id, event, row)

    def feedback_from(self, file: str | Path, *, columns: Mapping[str, str] | None = None) -> FeedbackReport:
        """Record the events of a file; those that are on record already are left, so it may be read twice.

        Args:
            file: csv, tsv, jsonl, parquet or what a plugin reads, with the columns text_id, event, and where there are
                such: value, text, user_id, time, event_id.
            columns: field -> column, where the names are others.

        Raises:
            NotFoundError: there is no such file.
            DataError: it cannot be read, or none of its rows can be used.
            ConfigError: a column is missing.
        """
        from kgrec.api.feedback import events_of_file

        return events_of_file(cast("Project", self), Path(file), columns or {})

    def forget_feedback(self, user: str) -> tuple[int, int]:
        """Remove the texts on record that were written for a user, the events on them, and the user's other events.

        Returns:
            How many texts and events were removed.
        """
        from kgrec.data.values import canonical_id

        return self.feedback_store.forget(canonical_id(user))

    def evaluate_feedback(self) -> FeedbackEvaluation:
        """Measure what readers did, by kind, language, model and variant, with intervals over readers."""
        from kgrec.api.feedback import evaluate_feedback

        return evaluate_feedback(cast("Project", self))

    def accepted_texts(self, *, faulty_edits: bool = False) -> list[AcceptedText]:
        """Return the texts that were clicked, rated 4 or better, or edited, with the prompts that they answer.

        Args:
            faulty_edits: also take edits that guards object to.
        """
        from kgrec.api.feedback import accepted

        return accepted(cast("Project", self), faulty_edits)

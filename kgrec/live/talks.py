"""Talks about lists: what understands people in each language, and the lists that answer them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kgrec.errors import UsageError, UserError
from kgrec.languages import DEFAULT
from kgrec.live.dialogue import CANDIDATES, Dialogue, Talk
from kgrec.live.lists import ListRequest, ServedList
from kgrec.live.models import Snapshot

if TYPE_CHECKING:
    from kgrec.config import Config


class Talks:
    """Answers people who talk about their lists; keeps no state of a talk.

    Args:
        config: settings; ``recommend.language`` is read.
        recommend: makes a list.
        now: what lists are made with by now.
    """

    def __init__(
        self, config: Config, recommend: Callable[[ListRequest], ServedList], now: Callable[[], Snapshot]
    ) -> None:
        self._config, self._recommend, self._now = config, recommend, now
        self._dialogues: dict[tuple[str, str], Dialogue] = {}

    def answer(
        self,
        user_id: str,
        text: str,
        talk: Talk,
        shown: Sequence[str] = (),
        *,
        language: str | None = None,
        n: int = 10,
    ) -> tuple[Talk, ServedList]:
        """Answer somebody: what was understood, perhaps a question, and the next list.

        Args:
            user_id: the user.
            text: what was said; empty begins a talk.
            talk: where it stands.
            shown: ids of the items of the last list.
            language: of the talk; None: the workspace's.
            n: length of the list.
        """
        now = self._now()
        code = language or self._config.recommend.language or now.models.recommender.users.dataset().language or DEFAULT
        if (dialogue := self._dialogues.get((code, now.models.version))) is None:
            dialogue = now.models.dialogue(code)
            self._dialogues = {**self._dialogues, (code, now.models.version): dialogue}
        if text.strip():
            talk = dialogue.understand(text, talk, list(zip(shown, now.catalogue.titles(shown), strict=True)))
        try:
            made = self._list_of(user_id, talk, code, max(n, CANDIDATES))
        except (UserError, UsageError):
            talk = dialogue.without_last(talk)
            made = self._list_of(user_id, talk, code, max(n, CANDIDATES))
        talk = dialogue.ask(talk, [item.item_id for item in made.items])
        return talk, replace(made, items=made.items[:n])

    def _list_of(self, user_id: str, talk: Talk, language: str, n: int) -> ServedList:
        where = tuple(wish.where for wish in talk.wishes if wish.where)
        likes = tuple(wish.like for wish in talk.wishes if wish.like)
        request = ListRequest(user_id=user_id, likes=likes, where=where, n=n, language=language, kind="chat")
        return self._recommend(request)

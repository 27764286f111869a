"""Safety: banned words, traces of prompts and markup, personal data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from pydantic import Field

from kgrec.generate.names import masked, spans_of
from kgrec.languages.language import every_language
from kgrec.plugin.generation import Fact, TextRequest, Violation
from kgrec.plugin.options import Configured, Options
from kgrec.text.sanitize import forbidden
from kgrec.text.tokens import han, name_key, tokenize
from kgrec.text.triggers import Triggers

_LONG_NUMBER = re.compile(r"(?<!\d)(?:\d[ \-]?){9,19}(?!\d)")
_CODE = re.compile(r"(?<!\w)(?=\w{0,40}\d)(?=\w{0,40}[a-z])(?=\w{0,40}[A-Z])\w{16,}", re.A)
QUOTED = 5
"""So many of the user's own words in a row count as quoted."""


class BannedOptions(Options):
    """Options of the guard ``banned``, ``[guards.banned]``."""

    words: list[str] = Field([], description="further words or phrases that no text may contain")


class Banned(Configured):
    """Rejects abuse, scams, markup, addresses, and what language models say of themselves or of their prompt."""

    Options = BannedOptions
    options: BannedOptions

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        return [
            Violation("banned", f"{said!r} must not be in the text", said) for said in self._said(request, facts, text)
        ]

    def _said(self, request: TextRequest, facts: Sequence[Fact], text: str) -> Iterator[str]:
        yield from (said.strip()[:40] for _, said in forbidden(text, request.allowed))
        covered = masked(text, spans_of(text, tuple(facts)))
        yield from (match[0] for match in _CODE.finditer(covered))
        yield from (match[0] for match in _banned((*self.options.words, *request.voice.avoid)).finditer(covered))


@cache
def _banned(more: tuple[str, ...]) -> Triggers:
    phrases = {*more, *(phrase for one in every_language() for phrase in one.phrases("banned"))}
    return Triggers(re.escape(p) if han(p) else rf"\b{re.escape(p)}(?!\w)" for p in phrases)


class Privacy:
    """Rejects personal data: numbers of telephones and cards, the user's id, their own words quoted."""

    def check(self, request: TextRequest, facts: Sequence[Fact], text: str) -> list[Violation]:
        """See :class:`kgrec.plugin.protocols.Guard`."""
        covered = masked(text, spans_of(text, tuple(facts)))
        found = [Violation("privacy", "personal data must not be told", m[0]) for m in _LONG_NUMBER.finditer(covered)]
        said = name_key(covered)
        if any(_told(private, said) for private in request.private):
            found.append(Violation("privacy", "the reader's own data must not be repeated"))
        return found


def _told(private: str, said: str) -> bool:
    tokens = tokenize(private).folded
    if len(tokens) <= 2:  # an id: figures alone are left to the guard of numbers
        return len(private) >= 3 and not private.isdigit() and bool(name_key(private)) and name_key(private) in said
    runs = (tokens[k : k + QUOTED] for k in range(max(len(tokens) - QUOTED + 1, 1)))
    return any(len(run) == QUOTED and "".join(f" {token} " for token in run) in said for run in runs)

"""What lists, reasons and texts give away of people: membership, names of others, values of private attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.errors import KgrecError
from kgrec.privacy.attacks import AttackFigures, AuditData, attack_lists
from kgrec.privacy.scan import Needles
from kgrec.progress import SILENT, Progress
from kgrec.ranking.ranker import Ranker

if TYPE_CHECKING:
    from kgrec.generate.feedback.store import FeedbackStore
    from kgrec.types import ItemList

SHORTEST_VALUE = 3
"""Values of private attributes of fewer characters are looked for in no text."""
EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Leak:
    """A sentence that names what it must not.

    Attributes:
        where: ``reason`` or ``text``.
        reader: who reads it.
        names: ``another user`` or the name of a private attribute.
        sentence: as it stands.
    """

    where: str
    reader: str
    names: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PrivacyAudit:
    """What was found.

    Attributes:
        attacks: on membership.
        reasons, texts: how many were read.
        leaks: how many of them name another user or a value of a private attribute.
        examples: first ones.
        private: attributes marked private in kgrec.toml.
    """

    attacks: tuple[AttackFigures, ...]
    reasons: int
    texts: int
    leaks: int
    examples: tuple[Leak, ...]
    private: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def private_attributes(config: Config) -> tuple[str, ...]:
    """Return the attributes of users that kgrec.toml marks private."""
    marked = (name for file in config.data.users for name, attribute in file.attributes.items() if attribute.private)
    return tuple(dict.fromkeys(marked))


def leaks(
    dataset: Dataset, config: Config, sentences: Iterable[tuple[str, str, str]]
) -> tuple[dict[str, int], list[Leak]]:
    """Look in what people read for others' ids and for values of private attributes, the reader's own among them.

    Args:
        dataset: the tables.
        config: marks attributes private.
        sentences: ``reason`` or ``text``, id of the reader, what stands there.

    Returns:
        How many were read of each, and the sentences that name something.
    """
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for user_id in dataset.users["user_id"].drop_nulls().to_list():
        if Needles((user_id,)).telling:
            automaton.add_word(user_id.casefold(), ("", user_id))
    for name in private_attributes(config):
        if name in dataset.users.columns:
            values = dataset.users[name]
            cells = values.explode() if values.dtype == pl.List else values
            for value in cells.drop_nulls().cast(pl.String).unique().to_list():
                if len(value) >= SHORTEST_VALUE:
                    automaton.add_word(value.casefold(), (name, value))
    read = {"reason": 0, "text": 0}
    found = []
    if len(automaton):
        automaton.make_automaton()
    for where, reader, sentence in sentences:
        read[where] += 1
        named = dict.fromkeys(_named(automaton, reader, sentence) if len(automaton) else ())
        found += [Leak(where, reader, names, sentence) for names in named]
    return read, found


def _named(automaton: Any, reader: str, sentence: str) -> Iterator[str]:
    text = sentence.casefold()
    for end, (attribute, word) in automaton.iter(text):
        start = end - len(word.casefold()) + 1
        inside = text[max(start - 1, 0) : start].isalnum() or text[end + 1 : end + 2].isalnum()
        if not inside and (attribute or word != reader):
            yield attribute or "another user"


def told(
    users: Sequence[str], explained: Callable[[str], ItemList], store: FeedbackStore
) -> Iterator[tuple[str, str, str]]:
    """Yield reasons for some users' lists, the names of the nodes they rest on, and all texts on record.

    Args:
        users: ids.
        explained: makes a list with reasons.
        store: the texts.
    """
    for user in users:
        try:
            reasons = explained(user).reasons
        except KgrecError:
            continue  # nothing is recommended to this one
        for reason in reasons:
            yield "reason", user, " · ".join([reason.sentence, *reason.nodes])
    for record in store.records(store.texts()["text_id"].to_list()):
        yield "text", record.text.user_id, record.text.text


def drawn(dataset: Dataset, n: int, seed: int) -> list[str]:
    """Return ids of users drawn at random."""
    rng = np.random.default_rng([seed, 19])
    rows = rng.permutation(dataset.n_users)[:n]
    return dataset.users["user_id"][np.sort(rows)].drop_nulls().to_list()


def audit_privacy(
    standing: Ranker,
    data: AuditData,
    store: FeedbackStore,
    explained: Callable[[str], ItemList],
    *,
    users: int = 200,
    seed: int = 0,
    epochs: bool = True,
    progress: Progress = SILENT,
) -> PrivacyAudit:
    """Attack lists, and read reasons and texts.

    Args:
        standing: the trained models.
        data: what models are trained on for the attacks.
        store: texts on record.
        explained: makes a user's list with reasons.
        users: so many users' reasons are read.
        seed: draws users and pools.
        epochs: also train scorers that train by epochs.
        progress: told where it is.

    Raises:
        DataError: there are too few users to attack.
    """
    attacks = attack_lists(standing, data, seed=seed, epochs=epochs, progress=progress)
    with progress.task("reading reasons and texts"):
        readers = drawn(data.dataset, users, seed)
        read, found = leaks(data.dataset, data.config, told(readers, explained, store))
    examples, private = tuple(found[:EXAMPLES]), private_attributes(data.config)
    return PrivacyAudit(tuple(attacks), read["reason"], read["text"], len(found), examples, private)

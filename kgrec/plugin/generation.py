"""What generators and guards work on: facts, interests, kinds of text, prompts, violations. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from kgrec.languages import DEFAULT
from kgrec.plugin.domain import PromptTemplate, TextKind

__all__ = [
    "MAIN",
    "CountingModel",
    "Evidence",
    "Fact",
    "FactType",
    "GeneratedText",
    "Interest",
    "KnownNames",
    "NameMention",
    "SmallModel",
    "TextCandidate",
    "TextChange",
    "TextKind",
    "TextRequest",
    "Violation",
    "Voice",
]

MAIN = "main"
"""Name of the prompt, or file of phrases, that a kind of text has in any case."""

FactType = Literal["title", "entity", "number", "date", "attribute", "text", "history", "interest", "reason"]
"""``title``: the item's name · ``entity``: something the graph joins it with · ``number``, ``date``, ``attribute``: a
literal of the catalogue · ``text``: its description · ``history``: an item the user touched · ``interest``: what many
touched items share with this one · ``reason``: why it was recommended, as a clause."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that may be said.

    Attributes:
        id: short, unique within a request: ``f3``.
        type: see :data:`FactType`.
        name: the relation or attribute: ``directed_by``, ``year``, ``title``; ``history``, ``interest``, ``because``.
        value: as a reader sees it.
        label: how the relation reads in the request's language: ``directed by``; of a history, the verb: ``watched``.
        unit: of a number, in the request's language: ``minutes``.
        number: the value of a number; of an interest, how many touched items share it.
        aliases: other names under which ``value`` may appear; of a date, as it stands in the data: ``2026-07-05``.
        source: where it stands: ``films.csv:2``, ``graph.ttl``, ``interactions``.
        subject: id of the item it is about.
        shares: of a history, the values that the item it is told for has in common with it: ``Ada Orbit``, ``Drama``.
    """

    id: str
    type: FactType
    name: str
    value: str
    label: str = ""
    unit: str = ""
    number: float | None = None
    aliases: tuple[str, ...] = ()
    source: str = ""
    subject: str = ""
    shares: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, str]:
        """Return what a reader may know of the fact, as JSON values."""
        value = f"{self.value} {self.unit}".strip()
        return {"id": self.id, "type": self.type, "name": self.name, "value": value, "source": self.source}


@dataclass(frozen=True, slots=True)
class Evidence:
    """An event that an interest rests on.

    Attributes:
        what: title of the item, or the words that were searched for.
        action: what the user did.
        weight: how strongly it counts.
        time: unix seconds, or None.
    """

    what: str
    action: str
    weight: float
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Interest:
    """Something a user is interested in.

    Attributes:
        kind: ``entity`` (of the graph), ``category`` (an entity that many items share), ``term`` (a word of texts) or
            ``words`` (the user's own).
        name: as a reader sees it.
        relation: how items are joined with it, empty for a term.
        weight: share of the user's interest, in [0, 1].
        count: how many touched items share it.
        evidence: the strongest events behind it.
        key: the entity's key in the graph, empty for a term.
    """

    kind: Literal["entity", "category", "term", "words"]
    name: str
    relation: str
    weight: float
    count: int
    evidence: tuple[Evidence, ...] = ()
    key: str = ""


@dataclass(frozen=True, slots=True)
class NameMention:
    """A known name in a text: ``text[start:end]``; ``name`` is how the workspace writes it."""

    start: int
    end: int
    name: str


class KnownNames(Protocol):
    """All names that the workspace knows: entities and items."""

    def mentions(self, text: str) -> Sequence[NameMention]:
        """Return the names in ``text``, longest first where they overlap, in order."""
        ...


@runtime_checkable
class CountingModel(Protocol):
    """A language model that tells how much it wrote."""

    @property
    def written_tokens(self) -> int:
        """Tokens of all answers so far."""
        ...


@runtime_checkable
class SmallModel(Protocol):
    """A language model that says whether it needs prompts cut to the few facts that a short text can name."""

    @property
    def small(self) -> bool:
        """True: it takes whatever stands in a prompt for something to be said."""
        ...


@dataclass(frozen=True, slots=True)
class Voice:
    """How a brand speaks.

    Attributes:
        samples: texts in its voice.
        prefer: words it likes to use.
        avoid: words it never uses.
    """

    samples: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What is to be written. A generator sees ``kind``, ``facts`` and ``interests`` and how to say it, nothing else.

    Attributes:
        kind: what kind of text.
        facts: all that may be said.
        language: its code.
        tone: ``neutral``, ``warm``, ``playful``, ``formal``.
        interests: of the user, strongest first; empty for a text without a user.
        noun: what an item is called in ``language``.
        item_ids: what the text is about.
        key: differs from reader to reader, so that texts vary; names nobody.
        shown: texts that the user was shown last.
        prompt: for a language model, or None.
        variant: which of several prompts (or of several files of phrases, for the template generator).
        version: of that prompt or file; another text is another version.
        known: all names of the workspace, for guards; None: only ``facts`` are known.
        cues: words that state a relation, with ``{}`` where the name stands, by relation, in ``language``, for guards.
        private: what must not be told, for guards: the user's id and own words.
        place: of the text among those of its reader, so that neighbours differ.
        title_mark: how titles are set off in sentences, with ``{}``; empty: as the language does.
        topics: values of ``facts`` that the text should dwell on, the strongest first; empty: no preference.
        synonyms: words of one meaning in the domain, a group a line, see ``kgrec/languages/synonyms.txt``.
        strict: words that state nothing known are refused, too: for models that make things up.
        allowed: what facts of the domain may say although no other text may, see
            :attr:`kgrec.plugin.domain.Domain.may_say`.
        voice: how the text is to sound.
    """

    kind: TextKind
    facts: tuple[Fact, ...]
    language: str = DEFAULT
    tone: str = "neutral"
    interests: tuple[Interest, ...] = ()
    noun: str = "item"
    item_ids: tuple[str, ...] = ()
    key: str = ""
    shown: tuple[str, ...] = ()
    prompt: PromptTemplate | None = None
    variant: str = MAIN
    version: str = ""
    known: KnownNames | None = None
    cues: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    private: tuple[str, ...] = ()
    title_mark: str = ""
    place: int = 0
    topics: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    strict: bool = False
    allowed: frozenset[str] = frozenset()
    voice: Voice = Voice()


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a guard rejects a text.

    Attributes:
        guard: its name.
        message: what is wrong, in a sentence that a language model can act on.
        text: the words it is about, or empty.
    """

    guard: str
    message: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class TextChange:
    """What was done to what a model wrote.

    Attributes:
        action: ``cut`` (sentences), ``added`` (a sentence), ``repaired``, ``replaced`` (by the template).
        text: the words that went, or that were added.
        why: what a guard had against them, or empty.
    """

    action: Literal["cut", "added", "repaired", "replaced"]
    text: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class TextCandidate:
    """A draft and what was made of it.

    Attributes:
        text: the draft.
        violations: what guards have against it.
        changes: what it lost to be let pass.
        scores: of the reranker, by criterion, and ``total``.
    """

    text: str
    violations: tuple[Violation, ...] = ()
    changes: tuple[TextChange, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the draft as JSON values."""
        return {
            "text": self.text,
            "violations": [asdict(violation) for violation in self.violations],
            "changes": [asdict(change) for change in self.changes],
            "scores": {name: round(value, 4) for name, value in self.scores.items()},
        }


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """A text and how it came to be.

    Attributes:
        text: what the reader sees.
        kind: name of the kind.
        language: of the text.
        model: who wrote it: ``template``, ``smollm2``.
        user_id: for whom, or empty.
        item_ids: about what.
        facts: what could be said.
        violations: what guards had against drafts; of the text itself there are none.
        changes: what was done to the draft; empty where it arrives as it was written.
        repaired: whether it is a second draft.
        fallback: whether the template generator had to step in.
        seconds: how long it took.
        prompt: name and version of the prompt, or empty.
        note: why a model did not write it, or empty.
        text_id: stable for user, items, kind, text, and who wrote it by which prompt.
        scores: what the reranker made of it, by criterion; empty where there was nothing to choose from.
        variant: which of several prompts, or of several files of phrases, was asked for.
        topics: what it was to dwell on, as in the request.
        candidates: all drafts, where they were asked for.
        prompt_text: what a language model is asked, where that was asked for.
    """

    text: str
    kind: str
    language: str
    model: str
    user_id: str
    item_ids: tuple[str, ...]
    facts: tuple[Fact, ...]
    violations: tuple[Violation, ...] = ()
    changes: tuple[TextChange, ...] = ()
    repaired: bool = False
    fallback: bool = False
    seconds: float = 0.0
    prompt: str = ""
    note: str = ""
    text_id: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    variant: str = MAIN
    topics: tuple[str, ...] = ()
    candidates: tuple[TextCandidate, ...] = ()
    prompt_text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the text and how it came to be, as JSON values."""
        return {
            "text": self.text,
            "kind": self.kind,
            "lang": self.language,
            "model": self.model,
            "user_id": self.user_id or None,
            "item_ids": list(self.item_ids),
            "facts": [fact.to_dict() for fact in self.facts],
            "topics": list(self.topics),
            "violations": [asdict(violation) | {"text": violation.text or None} for violation in self.violations],
            "changes": [asdict(change) | {"why": change.why or None} for change in self.changes],
            "repaired": self.repaired,
            "fallback": self.fallback,
            "seconds": self.seconds,
            "prompt": self.prompt or None,
            "variant": self.variant,
            "note": self.note or None,
            "text_id": self.text_id,
            **({"candidates": [one.to_dict() for one in self.candidates]} if self.candidates else {}),
            **({"prompt_text": self.prompt_text} if self.prompt_text else {}),
        }

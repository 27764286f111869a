"""What a domain plugin states about its field: plain data, and prompts that lie in files."""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from kgrec.languages import DEFAULT

if TYPE_CHECKING:
    from kgrec.languages.language import Language


ACTIONS = (
    "view", "click", "like", "cart", "purchase", "rate", "comment", "share", "collect", "search", "impression",
    "dislike", "skip",
)  # fmt: skip
"""Every action that kgrec knows; a source's own words are mapped onto these."""

AGAINST = ("dislike", "skip")
"""Actions that speak against an item: it is not wanted (any more), or was passed over."""

LOVE = "love"
"""How the action of a very good rating is told; no action, but verbs have a word for it."""

Role = Literal["interactions", "items", "users", "triples", "link"]
"""What a file is for."""


UNKNOWN = 0.4
"""How telling a relation is that the domain does not name."""

Worded = str | Sequence[str]
"""One way to say something, or several."""


@dataclass(frozen=True, slots=True)
class RelationType:
    """A kind of edge.

    Attributes:
        name: snake case, unique in a domain: ``directed_by``.
        inverse: name of the opposite direction: ``director_of``.
        label: how an edge reads from head to tail: ``directed by``; the name in words by default.
        inverse_label: ``director of``; the same.
        head, tail: types of the nodes; ``item`` and ``user`` are the reserved ones.
        labels: label in other languages, by language code: ``{"zh": "导演"}``.
        inverse_labels: the same for the opposite direction.
        aliases: names of the relation in foreign graphs (``film.director.film``, a property IRI); these may be
            stated in either direction with ``inverse_aliases`` for the other one.
        inverse_aliases: foreign names of the opposite direction.
        reason: a clause that says of an item that it shares this with another one, with ``{entity}`` for the shared
            node: ``{entity} directed this one too``; several ways to say it are told in turn.
        reasons: the same by language.
        habits: by language, what somebody has who touched many items with this entity: ``{count} films by {entity}``.
        salience: how telling it is to people that two items share this, in ``[0, 1]``: a director more than a country.
        billed: the entities of an item stand in order, the first is the most telling: a cast.
        common: the entities are common nouns of the catalogue's language (genres, materials), no names: texts in
            another language leave them out.
        local: the entities are called otherwise in other languages (countries, cities): left out there, too.
    """

    name: str
    _: KW_ONLY
    inverse: str
    label: str = ""
    inverse_label: str = ""
    head: str = "item"
    tail: str = "entity"
    labels: AbstractMapping[str, str] = field(default_factory=dict)
    inverse_labels: AbstractMapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    inverse_aliases: tuple[str, ...] = ()
    reason: Worded = ""
    reasons: AbstractMapping[str, Worded] = field(default_factory=dict)
    habits: AbstractMapping[str, str] = field(default_factory=dict)
    salience: float = 0.5
    billed: bool = False
    common: bool = False
    local: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name.replace("_", " "))
        object.__setattr__(self, "inverse_label", self.inverse_label or self.inverse.replace("_", " "))

    def label_in(self, code: str) -> str:
        """Return the label in a language; the main one where it has none."""
        return self.labels.get(code, self.label)

    def inverse_label_in(self, code: str) -> str:
        """Return the label of the opposite direction in a language; the main one where it has none."""
        return self.inverse_labels.get(code, self.inverse_label)

    def reason_in(self, code: str, turn: int = 0) -> str:
        """Return how a reason words the relation in a language, the ``turn``-th way to say it; or nothing."""
        worded = self.reasons.get(code, self.reason if code == DEFAULT else "")
        ways = (worded,) if isinstance(worded, str) else tuple(worded)
        return ways[turn % len(ways)] if ways else ""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A catalogue column that becomes edges or a literal.

    Attributes:
        column: the column's name in the file.
        separator: splits a multi-valued cell; None for a single value (list columns need none).
        relation: name of the RelationType; None keeps the value as a literal (a number, a date, a long text).
        aliases: other column names by which the attribute is known, for guessing a mapping.
        private: of users: nobody else may be told; ``kgrec audit privacy`` looks for it.
    """

    column: str
    separator: str | None = None
    relation: str | None = None
    aliases: tuple[str, ...] = ()
    private: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """How the columns of one file are read.

    Attributes:
        role: what the file is for.
        columns: kgrec's field -> the file's column. Fields by role: interactions ``user item action value time
            text``; items ``id title description``; users ``id description``; triples ``head relation tail``;
            link ``item entity``.
        attributes: attribute name -> how to read it (items and users only).
        action: the action of every row when the file has no action column.
        actions: the file's words for actions -> action, or ``ignore``.
        separator: separates the items in a cell.
        pattern: regular expression whose group is an item of a cell.
    """

    role: Role
    columns: AbstractMapping[str, str]
    attributes: AbstractMapping[str, Attribute] = field(default_factory=dict)
    action: str | None = None
    actions: AbstractMapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class TextPattern:
    """Extracts a relation from an item's text.

    Attributes:
        relation: name of the RelationType the match states about the item.
        pattern: a regular expression with one group named ``entity``.
        language: of the text, or None for any.
    """

    relation: str
    pattern: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class TextKind:
    """A kind of text that a domain's items can have.

    Attributes:
        name: what stands on the command line: ``why-watch``.
        summary: one line for ``kgrec plugins`` and prompts.
        phrases: language -> where the template generator's phrases are: ``kgrec_video:phrases/en.txt``; further
            ones, to be tried against each other, under ``en@short``.
        personal: written for a user; otherwise about the item alone.
        max_items: how many items it joins: 1, or more for a digest.
        max_length: by language, words at most (characters where words are not spaced); that of the language by default.
        min_length: the same, at least.
        requires: names of facts of which one value each must be mentioned, where it is known.
        plan: sections of the phrases in the order in which they are said, with their marks: ``("what", "why?")``; a
            section that the domain's file lacks is that of the language. Empty: all sections of the file, as marked.
        characters: a text at most, whatever its language: what a channel can show. 0: no such limit.
        channel: where it is shown: ``push``, ``e-mail``; for prompts.
        tone: how it speaks where nobody asks for a tone; empty: as kgrec.toml says.
        gist: sentences of a description that it may tell.
        paragraphs: what its sections say stands in lines of its own.
        summaries: the summary in other languages, for their prompts.
        approved: quotes texts of sources that kgrec.toml approves of (``generate.approved``), and nothing else.
    """

    name: str
    summary: str
    phrases: AbstractMapping[str, str]
    personal: bool = True
    max_items: int = 1
    max_length: AbstractMapping[str, int] = field(default_factory=dict)
    min_length: AbstractMapping[str, int] = field(default_factory=dict)
    requires: tuple[str, ...] = ("title",)
    plan: tuple[str, ...] = ()
    characters: int = 0
    channel: str = ""
    tone: str = ""
    gist: int = 1
    paragraphs: bool = False
    summaries: AbstractMapping[str, str] = field(default_factory=dict)
    approved: bool = False

    def longest(self, code: str) -> int:
        """Return how long a text in a language may be."""
        return self.max_length.get(code, _pack(code).length.longest)

    def scaled(self, factor: float, code: str) -> TextKind:
        """Return the kind with texts in a language that may be ``factor`` times as long, on its channel at most."""
        if factor == 1:
            return self
        longest = max(int(self.longest(code) * factor), 2 * self.shortest(code))
        told = max(1, round(self.gist * factor))
        return replace(self, max_length={**self.max_length, code: longest}, gist=told)

    def shortest(self, code: str) -> int:
        """Return how long a text in a language must be."""
        return self.min_length.get(code, _pack(code).length.shortest)


@dataclass(frozen=True, slots=True)
class Domain:
    """A field of application.

    Attributes:
        name: what stands in kgrec.toml: ``video``.
        summary: one line for ``kgrec plugins``.
        item_noun: what an item is called in sentences, by language: ``{"en": "film"}``; the
            language's own word by default.
        verbs: how a reason names a past interaction, by language and action: ``{"en": {"view": "watched"}}``.
        verbs_before_names: the same where a verb of these cannot stand before the name of an item: "put on your list".
        action_weights: how strongly each action counts; unnamed actions keep the built-in weight.
        action_words: words of the field's data for actions: ``{"enrolled": "purchase"}``; the usual ones are known.
        relation_types: the edges of the domain.
        attributes: catalogue attributes by name, with the columns they are usually found in.
        columns: kgrec's field -> column names it is usually found in, by role.
        item_template: text of an item for the encoder; ``{title}``, ``{description}``, ``{entities}`` and any
            attribute name in braces.
        patterns: relations stated in texts.
        sample: ``package:sample.toml`` (see docs/plugins.md), or import path of a function ``(folder: Path, seed: int)
            -> None`` that writes the bundled sample into an empty folder, with the kgrec.toml that reads it.
        kinds: texts that can be written about items, the usual one first; a domain without any has the generic ones.
        attribute_labels: what attributes are called, by language and attribute: ``{"de": {"year": "Jahr"}}``.
        units: unit of a numeric attribute, by language and attribute: ``{"en": {"runtime": "minutes"}}``.
        cues: words that state a relation in running text besides its label, by language and relation:
            ``{"en": {"designed_by": ("{} designs", "designer {}")}}``.
        title_marks: how the title of an item is set off in sentences, by language: ``{"en": "“{}”"}``; as the language
            does by default.
        short_title: import path of a function ``(title: str) -> str`` that gives an item's short name, where titles are
            too long for sentences; texts may call the item either way. None: titles are what items are called.
        synonyms: words of one meaning in the domain, in any language, a group a line; ``!`` in front: to say it of an
            item is a claim that a fact must bear out, see ``kgrec/languages/synonyms.txt``.
        may_say: what texts may say where a fact says exactly that, although it is refused otherwise: ``address``,
            ``health``, ``age``... see docs/generate.md.
        sensitive: columns of tables of users that nobody else may be told: ``("diagnosis", "belief")``; ``kgrec init``
            marks them ``private``.
        currencies: marks of prices in the field's data besides the usual ones: ``("Rp", "gems")``.
        package: whose folders ``prompts`` and ``recipes`` are the domain's; empty: it has none.
    """

    name: str
    summary: str
    item_noun: AbstractMapping[str, str] = field(default_factory=dict)
    verbs: AbstractMapping[str, AbstractMapping[str, str]] = field(default_factory=dict)
    verbs_before_names: AbstractMapping[str, AbstractMapping[str, str]] = field(default_factory=dict)
    action_weights: AbstractMapping[str, float] = field(default_factory=dict)
    action_words: AbstractMapping[str, str] = field(default_factory=dict)
    relation_types: tuple[RelationType, ...] = ()
    attributes: AbstractMapping[str, Attribute] = field(default_factory=dict)
    columns: AbstractMapping[Role, AbstractMapping[str, tuple[str, ...]]] = field(default_factory=dict)
    item_template: str = "{title}. {description} {entities}"
    patterns: tuple[TextPattern, ...] = ()
    sample: str | None = None
    kinds: tuple[TextKind, ...] = ()
    attribute_labels: AbstractMapping[str, AbstractMapping[str, str]] = field(default_factory=dict)
    units: AbstractMapping[str, AbstractMapping[str, str]] = field(default_factory=dict)
    cues: AbstractMapping[str, AbstractMapping[str, Sequence[str]]] = field(default_factory=dict)
    title_marks: AbstractMapping[str, str] = field(default_factory=dict)
    short_title: str | None = None
    synonyms: tuple[str, ...] = ()
    may_say: frozenset[str] = frozenset()
    sensitive: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    package: str = ""

    def title_mark(self, code: str) -> str:
        """Return how the title of an item is set off in sentences of a language, with ``{}``."""
        return self.title_marks.get(code) or _pack(code).punctuation.title

    def noun(self, code: str) -> str:
        """Return what an item is called in a language."""
        return self.item_noun.get(code) or _pack(code).noun

    def verbs_in(self, code: str, *, before_names: bool = False) -> dict[str, str]:
        """Return what a user did, by action, in a language; before the name of an item, or anywhere."""
        language = _pack(code)
        common = {**language.verbs, **(language.verbs_before_names if before_names else {})}
        own = self.verbs_before_names.get(code, {}) if before_names else {}
        return {**common, **self.verbs.get(code, {}), **own}


DEFAULT_ACTION_WEIGHTS: AbstractMapping[str, float] = {
    "view": 0.2,
    "click": 0.3,
    "search": 0.1,
    "like": 1.0,
    "rate": 1.0,
    "collect": 1.0,
    "share": 1.0,
    "comment": 0.7,
    "cart": 0.7,
    "purchase": 1.5,
    "impression": 0.0,
    "dislike": 0.0,
    "skip": 0.0,
}
"""Weights of the actions where a domain does not say otherwise; only their ratios matter."""


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A prompt with placeholders in braces.

    Attributes:
        name: ``video/blurb.en``; stands in the record of what was written.
        text: with ``{facts}`` or ``{evidence}`` (facts one by one with their ids, a description sentence by sentence),
            and of ``{task}`` (the kind's summary), ``{wishes}`` (what must be named, channel, voice), ``{profile}``,
            ``{noun}``, ``{tone}``, ``{length}``, ``{problems}`` and ``{draft}`` those that it needs.
    """

    name: str
    text: str


SMALL = "small"
"""Variant of a prompt that models get that say they are small."""


@cache
def read_prompt(package: str, path: str, name: str) -> PromptTemplate | None:
    """Return the prompt in a file of ``package``, or None where there is no such file.

    Lines that begin with ``#!`` are remarks for authors. Placeholders are checked when the prompt is used.

    Args:
        package: ``kgrec_video``.
        path: inside it: ``prompts/blurb.en.txt``.
        name: stands in the record of what was written: ``video/blurb.en``.
    """
    from importlib.resources import files

    file = files(package).joinpath(*path.split("/"))
    if not file.is_file():
        return None
    lines = file.read_text(encoding="utf-8").splitlines()
    return PromptTemplate(name, "\n".join(line for line in lines if not line.startswith("#!")))


@cache
def prompt_variants(package: str, folder: str, task: str) -> tuple[str, ...]:
    """Return the names of the files ``blurb.en@NAME.txt`` that come with a package, for the task ``blurb.en``.

    Args:
        package: ``kgrec_video``.
        folder: inside it: ``prompts``.
        task: kind of text and language.
    """
    from importlib.resources import files

    place = files(package).joinpath(*folder.split("/"))
    if not place.is_dir():
        return ()
    names = [file.name for file in place.iterdir()]
    start = f"{task}@"
    return tuple(sorted(n[len(start) : -len(".txt")] for n in names if n.startswith(start) and n.endswith(".txt")))


def default_prompt(task: str) -> PromptTemplate | None:
    """Return kgrec's own prompt for ``blurb.en``, ``repair.zh``..., or None for a language that it has none for."""
    kind, _, rest = task.rpartition(".")
    language, _, variant = rest.partition("@")
    if variant not in ("", SMALL):
        return None
    name = SMALL if variant else kind if kind in ("repair", "personal") else "default"
    return read_prompt("kgrec.languages", f"{language}/prompts/{name}.txt", f"{name}.{language}")


def _pack(code: str) -> Language:
    from kgrec.languages.language import get_language  # here, so that the help of the command line needs no pydantic

    return get_language(code)

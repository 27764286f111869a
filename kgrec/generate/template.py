"""The template generator: grammatical, varied text from facts alone, by phrases with slots that facts fill.

    == what
    In {title}, {story}.
    {title} is {has_genre|one,lower,a} {noun} directed by {directed_by}.
    == why?
    You {verb} {history}, and {because}.
    [warm,playful] Because you {verb} {history}: {because}!
    == each*
    {title}: {in_category}.

A line is one way to say something; it can be used when every slot has a fact. Of each section one line is used; a
section marked ``?`` may be left out, one marked ``*`` is said of each item in turn. ``[warm,playful]`` keeps a line to
these tones. A slot is the name of a fact, and may have filters: ``one`` or ``two`` (that many values), ``lower``
(a common noun), ``a`` (with its article), ``cap`` (a capital first), ``bare`` (a title without marks). Always filled:
``title``, ``noun``, ``nouns``.

From the description come ``gist``, a sentence of its own without its full stop, and ``story``, the same as it stands
after "in which"; ``quote`` is the sentence as it is. ``titles`` are those of all items. What is for this reader: in
``because`` a clause says what the item shares with ``{history}``, which they ``{verb}``; ``habit`` is what they know
many of, ``examples`` some of these.

What to say is planned before it is worded: lines for this reader are chosen first, then what else is said, and no fact
is told twice. Texts of one reader begin in different ways, in turn.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files

from kgrec.errors import PluginError
from kgrec.generate.gist import gist, inside
from kgrec.graph.titles import short
from kgrec.languages.language import LISTED, Language, beside, get_language
from kgrec.plugin.domain import Domain, TextKind
from kgrec.plugin.generation import MAIN, Fact, TextRequest
from kgrec.plugin.protocols import LanguageModel
from kgrec.text.tokens import han, tokenize, words

FILTERS = ("one", "two", "lower", "a", "cap", "bare")
TONES = ("neutral", "warm", "playful", "formal")
_SECTION = re.compile(r"== *([a-z][a-z0-9-]*)([?*]?)")
_TONES = re.compile(r"\[([a-z, ]+)\] +")
_SLOT = re.compile(r"\{([^{}]*)\}")
_SLOT_NAME = re.compile(r"[^\W\d]\w*")
_STOPS = ".!?…。！？"

COMMON = "kgrec.languages:{}/phrases.txt"
"""The phrases of a language for items of any field."""

NAME_LENGTH = 80
"""Characters of a name in a text; a longer one is shortened."""

OWN = ("history", "reason", "interest")
"""Types of facts about the reader."""

NAMED = ("title", "history", "entity", "interest")
"""Types of facts whose values are names."""

_Values = Mapping[str, Sequence[str]]
_Row = tuple["Line", frozenset[str]]
PERSONAL = frozenset({"history", "because", "interest", "habit", "verb", "count", "examples"})
"""Slots that make a line one for this reader; preferred where they can be filled."""

WHY = frozenset({"because", "habit"})
"""Slots of these that say why, not only what the reader knows."""

TOLD = frozenset({"gist", "story", "quote"})
"""Slots that tell what the description says; preferred where they can be filled."""

TITLES = frozenset({"title", "titles", "history", "examples"})
"""Slots of titles, which are set off from the words around them."""

FREE = frozenset({"title", "titles", "noun", "nouns", "verb", "count"})
"""Slots whose values may be said again."""

NEAR = 0.1
"""Lines are as close to the voice of samples as the closest one if so much less of them stands in these."""

EACH = 2
"""Items of which the next one is told by another line, if it can be."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a fact: its name, how many values at most, and how they are written."""

    name: str
    limit: int = LISTED
    lower: bool = False
    article: bool = False
    capital: bool = False
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One way to say something: literal texts with a slot between each two, and the tones it suits (empty: all)."""

    literals: tuple[str, ...]
    slots: tuple[Slot, ...]
    tones: frozenset[str]

    @property
    def head(self) -> str:
        """How the line begins: its first two words, or the slot that stands first."""
        return " ".join(self.literals[0].split()[:2]) or (self.slots[0].name if self.slots else "")

    @property
    def needs(self) -> frozenset[str]:
        """Names of the facts without which the line cannot be used."""
        return frozenset(slot.name for slot in self.slots)

    def fill(self, values: Mapping[str, Sequence[str]], code: str, mark: str = "") -> str:
        """Put ``values`` in, in the language ``code``; a full stop after a value that ends in one is left out.

        Args:
            values: of each slot.
            code: of the language.
            mark: how titles are set off, with ``{}``; empty: as the language does.
        """
        pack = get_language(code)
        text = self.literals[0]
        for slot, literal in zip(self.slots, self.literals[1:], strict=True):
            value = _written(values[slot.name], slot, pack, mark or pack.punctuation.title)
            after = literal[1:] if value[-1:] in _STOPS and literal[:1] == pack.punctuation.full_stop else literal
            text = beside(text, value) + after
        return text


@dataclass(frozen=True, slots=True)
class PhraseSection:
    """Lines of which one is used; ``mark`` is ``?`` (may be left out), ``*`` (for each item) or empty."""

    name: str
    mark: str
    lines: tuple[Line, ...]
    needs: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Phrases:
    """A file of phrases."""

    sections: tuple[PhraseSection, ...]

    def planned(self, plan: Sequence[str], common: Phrases | None = None) -> Phrases:
        """Return the sections that a plan names, in its order and with its marks; those that lack are of ``common``.

        A section that may be left out, and that neither has, is left out.

        Raises:
            PluginError: there is no such section.
        """
        known = {one.name: one for part in (common, self) if part is not None for one in part.sections}
        found = []
        for step in plan:
            name = step.rstrip("?*")
            if name not in known and step.endswith("?"):
                continue  # neither the domain nor the language has more to say
            if name not in known:
                raise PluginError(f"the plan names a section {name!r} that no phrases have", hint=", ".join(known))
            found.append(replace(known[name], mark=step[len(name) :]))
        return Phrases(tuple(found))

    @property
    def slots(self) -> frozenset[str]:
        """Names of all facts that some line names."""
        return frozenset(name for section in self.sections for needs in section.needs for name in needs)

    @property
    def vocabulary(self) -> frozenset[str]:
        """All words of the lines themselves, in lower case: words that state nothing but what the slots do."""
        literals = (text for s in self.sections for line in s.lines for text in line.literals)
        return frozenset(word.lower() for text in literals for word in words(text))

    @property
    def wording(self) -> str:
        """The lines' own words, without what stands in slots."""
        return "\n".join(" ".join(line.literals) for section in self.sections for line in section.lines)


def _written(values: Sequence[str], slot: Slot, pack: Language, mark: str) -> str:
    chosen = [pack.common(value) for value in values] if slot.lower else values
    if slot.name in TITLES and not slot.bare:
        chosen = [mark.format(value) for value in chosen]
    text = pack.listed(chosen, slot.limit)
    if slot.article:
        text = pack.with_article(text)
    return text[:1].upper() + text[1:] if slot.capital else text


def parse_phrases(text: str, where: str) -> Phrases:
    """Read the text of a file of phrases.

    Raises:
        PluginError: a line stands before the first section, or a slot, filter or tone is none; names file and line.
    """
    sections: list[tuple[str, str, list[Line]]] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        heading = _SECTION.fullmatch(line)
        if heading:
            sections.append((heading[1], heading[2], []))
        elif not sections:
            raise PluginError(f"{where}:{number}: a phrase before the first section", hint="begin with == NAME")
        else:
            sections[-1][2].append(_line(line, f"{where}:{number}"))
    empty = [name for name, _, lines in sections if not lines]
    if empty or not sections:
        raise PluginError(f"{where}: section {empty[0]!r} is empty" if empty else f"{where}: no section")
    return Phrases(
        tuple(PhraseSection(name, mark, tuple(ls), tuple(line.needs for line in ls)) for name, mark, ls in sections)
    )


def _line(line: str, where: str) -> Line:
    tones: frozenset[str] = frozenset()
    if marked := _TONES.match(line):
        tones = frozenset(tone.strip() for tone in marked[1].split(","))
        if not tones <= set(TONES):
            raise PluginError(f"{where}: unknown tone {sorted(tones - set(TONES))[0]!r}", hint=", ".join(TONES))
        line = line[marked.end() :]
    literals, slots, at = [], [], 0
    for match in _SLOT.finditer(line):
        literals.append(line[at : match.start()])
        slots.append(_slot(match[1], where))
        at = match.end()
    literals.append(line[at:])
    if any("{" in text or "}" in text for text in literals):
        raise PluginError(f"{where}: a brace without its other half", hint="slots are written {name}")
    return Line(tuple(literals), tuple(slots), tones)


def _slot(text: str, where: str) -> Slot:
    name, _, rest = text.partition("|")
    filters = [part.strip() for part in rest.split(",")] if rest else []
    unknown = [part for part in filters if part not in FILTERS]
    if unknown or not _SLOT_NAME.fullmatch(name.strip()):
        raise PluginError(f"{where}: {{{text}}} is no slot", hint=f"a fact's name, then |{', |'.join(FILTERS)}")
    limit = 1 if "one" in filters else 2 if "two" in filters else LISTED
    return Slot(name.strip(), limit, *(one in filters for one in ("lower", "a", "cap", "bare")))


@cache
def load_phrases(target: str) -> Phrases:
    """Read phrases that come with a package: ``kgrec_video:phrases/blurb.en.txt``.

    Raises:
        PluginError: there is no such file, or it is no file of phrases.
    """
    return parse_phrases(phrases_text(target), target)


@cache
def phrases_text(target: str) -> str:
    """Return the text of a file of phrases that comes with a package.

    Raises:
        PluginError: there is no such file.
    """
    package, _, path = target.partition(":")
    try:
        return files(package).joinpath(*path.split("/")).read_text(encoding="utf-8")
    except (OSError, ModuleNotFoundError, UnicodeDecodeError, TypeError) as error:
        raise PluginError(f"phrases {target!r} cannot be read: {error}", hint="package:path/to/file.txt") from None


class TemplateGenerator:
    """Fills the phrases of a kind with facts; which of several lines is used follows from request and seed."""

    @property
    def name(self) -> str:
        """Always ``template``."""
        return "template"

    def write(
        self,
        requests: Sequence[TextRequest],
        *,
        model: LanguageModel | None = None,  # noqa: ARG002
        seed: int,
    ) -> list[str]:
        """Return a text for each request; see :class:`kgrec.plugin.protocols.Generator`."""
        return [_Writing(request, seed).text() for request in requests]


class _Writing:
    """One text: what is chosen, and what has been told."""

    def __init__(self, request: TextRequest, seed: int) -> None:
        self.request = request
        self.draw = random.Random(f"{seed}|{request.key}|{','.join(request.item_ids)}|{request.kind.name}")
        self.pack = get_language(request.language)
        self.told: list[str] = []
        # Of a reader's texts each begins in a way of its own, in turn.
        turns = random.Random(f"{seed}|{request.key}|{request.kind.name}")
        self.turn = (turns if request.key else self.draw).randrange(1000) + request.place

    def text(self) -> str:
        phrases = phrases_of(self.request)
        if phrases is None:
            return ""
        whole = self._written(phrases, 1.0)
        # What is still too long is said again from less, and by shorter names at last: no text is empty.
        for share in (0.6, 0.35, 0.2):
            if self._fits(whole):
                break
            self.told = []
            whole = self._written(phrases, share)
        return whole

    def _written(self, phrases: Phrases, share: float) -> str:
        request = self.request
        values = slot_values(request, request.facts, share)
        parts: list[tuple[str, int]] = [("", 2)] * len(phrases.sections)  # text, how soon it may be left out: 0 never
        lines: list[Line | None] = [None] * len(phrases.sections)
        personal = [any(needs & PERSONAL for needs in section.needs) for section in phrases.sections]
        # What carried the recommendation is chosen first, then what the item is.
        for k in sorted(range(len(lines)), key=lambda k: (not personal[k], k)):
            section = phrases.sections[k]
            if section.mark == "*":
                parts[k] = (self._joined(self._each(section, share)), 0)
                continue
            line = self._choose(section, values, first=k == 0)
            if line is not None:
                self._tell(line, values)
                soon = (1 if line.needs & PERSONAL else 2) if section.mark == "?" else 0
                parts[k], lines[k] = (line.fill(values, request.language, request.title_mark), soon), line
        return self._joined(self._shortened([part for part in parts if part[0]]))

    def _joined(self, parts: Iterable[str]) -> str:
        return "\n".join(parts) if self.request.kind.paragraphs else self.pack.joined(parts)

    def _each(self, section: PhraseSection, share: float) -> list[str]:
        texts: list[str] = []
        used: list[Line] = []
        for item in self.request.item_ids[: self.request.kind.max_items]:
            own = [fact for fact in self.request.facts if fact.subject in (item, "")]
            values = slot_values(self.request, own, share)
            line = self._choose(section, values, used=used)
            if line is not None:
                used = [*used[1 - EACH :], line]
                self._tell(line, values)
                texts.append(line.fill(values, self.request.language, self.request.title_mark))
        return list(dict.fromkeys(texts))  # two articles of one title are told of once

    def _tell(self, line: Line, values: _Values) -> None:
        told = (values[slot.name][: slot.limit] for slot in line.slots if slot.name not in FREE)
        self.told += [value for some in told for value in some]

    def _again(self, line: Line, values: _Values) -> bool:
        """Say whether a line tells what has been told."""
        own = [value for slot in line.slots if slot.name not in FREE for value in values[slot.name][: slot.limit]]
        return any(value in said or said in value for value in own for said in self.told)

    def _choose(
        self, section: PhraseSection, values: _Values, *, first: bool = False, used: Sequence[Line] = ()
    ) -> Line | None:
        """Draw one of the lines that can be filled.

        Those for this reader go first, then those for this tone, those that tell of the description, those that say
        most, of which those that name a topic. The first section of a reader's texts begins in each way in turn.
        """
        tone, request = self.request.tone, self.request
        usable = [
            (line, needs)
            for line, needs in zip(section.lines, section.needs, strict=True)
            if needs <= values.keys() and (not line.tones or tone in line.tones) and not _twice(line, values)
        ]
        usable = [row for row in usable if not self._avoided(row[0], values)] or usable
        fresh = [row for row in usable if not self._again(row[0], values)]
        if not fresh and section.mark == "?":
            return None
        rows = fresh or usable
        if request.kind.characters:  # names are not cut where another line has room for them
            mark = request.title_mark
            rows = _best(rows, lambda row: self._fits(row[0].fill(values, request.language, mark)))
        rows = _best(rows, lambda row: bool(row[1] & PERSONAL))
        rows = _best(rows, lambda row: tone != "neutral" and tone in row[0].tones)
        rows = _best(rows, lambda row: bool(row[1] & WHY))
        rows = _best(rows, lambda row: bool(row[1] & TOLD))
        rows = _best(rows, lambda row: bool(row[1] - FREE))  # a line that says nothing is the last resort
        rows = _best(rows, lambda row: row[0] not in used)
        if first and rows:
            heads = list(dict.fromkeys(row[0].head for row in rows))
            rows = [row for row in rows if row[0].head == heads[self.turn % len(heads)]]
        told = [len(needs - FREE) for _, needs in rows]
        least = max(max(told, default=0) - 1, min(max(told, default=0), 1))
        lines = [line for (line, _), count in zip(rows, told, strict=True) if count >= least]
        stressed = {fact.name for fact in request.facts if fact.value in request.topics} - {"interest"}
        lines = [line for line in lines if line.needs & stressed] or lines
        lines = self._in_voice(lines)
        return self.draw.choice(lines) if lines else None

    def _avoided(self, line: Line, values: _Values) -> bool:
        """Say whether a line, or what the description says in it, holds a word that the brand's voice avoids."""
        avoid = self.request.voice.avoid
        if not avoid:
            return False
        told = (value for slot in line.slots if slot.name in TOLD for value in values[slot.name])
        return any(phrase_pattern(avoid).search(text) for text in (*line.literals, *told))

    def _in_voice(self, lines: list[Line]) -> list[Line]:
        """Keep the lines that use the words that the brand's voice prefers, then those that share most with it."""
        voice = self.request.voice
        if voice.prefer:
            pattern = phrase_pattern(voice.prefer)
            lines = [line for line in lines if pattern.search(" ".join(line.literals))] or lines
        if voice.samples and lines:
            said = _signs(" ".join(voice.samples))
            near = [len(signs & said) / max(len(signs), 1) for signs in (_signs(" ".join(o.literals)) for o in lines)]
            lines = [line for line, share in zip(lines, near, strict=True) if share >= max(near) - NEAR]
        return lines

    def _fits(self, text: str) -> bool:
        kind = self.request.kind
        if kind.characters and len(text) > kind.characters:
            return False
        return self.pack.size(text) <= kind.longest(self.request.language)

    def _shortened(self, parts: list[tuple[str, int]]) -> list[str]:
        """Leave out what may be left out until the text is short enough: what is for everybody, the last first."""
        kept = list(parts)
        for soon in (2, 1):
            for k in reversed(range(len(kept))):
                if self._fits(self._joined(text for text, _ in kept)):
                    break
                if kept[k][1] == soon:
                    del kept[k]
        return [text for text, _ in kept]


@cache
def phrase_pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds words or phrases, whole ones where words are spaced."""
    parts = (re.escape(p) if han(p) else rf"\b{re.escape(p)}(?!\w)" for p in phrases)
    return re.compile("|".join(parts), re.IGNORECASE)


@cache
def _signs(text: str) -> frozenset[str]:
    """Return the words of a text in lower case, and the marks that make its tone."""
    return frozenset((*tokenize(text).folded, *re.findall("[!?！？:：—;]", text)))


def _twice(line: Line, values: _Values) -> bool:
    """Say whether a line says a value in two of its slots."""
    own = [value for slot in line.slots if slot.name not in FREE for value in values[slot.name][: slot.limit]]
    return len(own) != len(set(own))


def _best(rows: list[_Row], wanted: Callable[[_Row], bool]) -> list[_Row]:
    return [row for row in rows if wanted(row)] or rows


def phrases_of(request: TextRequest) -> Phrases | None:
    """Return the phrases of the request's kind in its language, or None where the kind has none.

    A model's prompt may have a variant that there are no phrases of: the template then writes by the main ones.
    """
    return kind_phrases(request.kind, request.language, request.variant)


def kind_phrases(kind: TextKind, code: str, variant: str = MAIN) -> Phrases | None:
    """Return the phrases of a kind in a language as they are planned, or None where it has none."""
    if other := kind.phrases.get(f"{code}@{variant}"):
        return load_phrases(other)
    target = kind.phrases.get(code)
    if target is None:
        return None
    return _planned(target, kind.plan, code) if kind.plan else load_phrases(target)


def unreadable(domain: Domain) -> list[str]:
    """Return what is wrong with the phrases of a domain: files that cannot be read, sections that there are none of."""
    found = []
    for kind, code in ((one, code) for one in domain.kinds for code in one.phrases):
        language, _, variant = code.partition("@")
        try:
            kind_phrases(kind, language, variant or MAIN)
        except PluginError as error:
            found.append(f"kind {kind.name!r}: {error.message} ({error.hint})" if error.hint else error.message)
    return list(dict.fromkeys(found))


def kind_text(kind: TextKind, code: str, variant: str = MAIN) -> str:
    """Return all that the phrases of a kind say, for telling one version of them from another."""
    phrases = kind_phrases(kind, code, variant)
    return "" if phrases is None else json.dumps(asdict(phrases), default=sorted)  # a set's own order is by chance


@cache
def _planned(target: str, plan: tuple[str, ...], code: str) -> Phrases:
    return load_phrases(target).planned(plan, load_phrases(COMMON.format(code)))


def slot_values(request: TextRequest, facts: Sequence[Fact], share: float = 1.0) -> dict[str, list[str]]:
    """Return what each slot can be filled with: the values of the facts of that name, in their order.

    Args:
        request: what is to be written.
        facts: of the request, or of one of its items.
        share: of the usual length that names and sentences of descriptions may have.
    """
    pack = get_language(request.language)
    several = len({fact.subject for fact in facts if fact.type == "title"}) > 1
    if several:  # what is shared with one of several items says nothing of the others
        facts = [fact for fact in facts if fact.type not in OWN or not fact.subject]
    values: defaultdict[str, list[str]] = defaultdict(list)
    longest = request.kind.characters * share or NAME_LENGTH * share
    for fact in facts:
        if fact.type == "text":
            _describe(values, request, fact, share)
            continue
        value = pack.joined((fact.value, fact.unit)) if fact.unit else fact.value
        values[fact.name].append(short(value, int(longest), fact.aliases) if fact.type in NAMED else value)
        if fact.name == "history":
            values["verb"].append(fact.label)
        elif fact.type == "interest" and fact.number is not None:
            values["count"].append(pack.amount(int(fact.number)))
    # These belong together: the first of each.
    for name in ("history", "verb", "interest", "count", "because", "habit"):
        if name in values and not (several and name == "history"):
            values[name] = values[name][:1]
    values["noun"] = [request.noun]
    values["nouns"] = [pack.plural(request.noun)]
    values["titles"] = list(dict.fromkeys(values["title"])) or [pack.nameless.format(noun=request.noun)]
    values["title"] = values["titles"][:1]
    return values


def _describe(values: dict[str, list[str]], request: TextRequest, fact: Fact, share: float) -> None:
    """Add what a description says, where it is in the language of the text and short enough."""
    code = request.language
    wanted = tuple((interest.name, interest.weight) for interest in request.interests)
    longest = max(int(request.kind.longest(code) * 0.6 * share), 1)
    known = [one.value for one in request.facts if one.type == "entity" and one.subject == fact.subject]
    said = gist(fact.value, code, wanted=wanted, known=known, n=request.kind.gist, longest=longest)
    said = [one for one in said if not request.kind.characters or len(one) <= 0.8 * request.kind.characters]
    if not said:
        return
    pack = get_language(code)
    stop = pack.punctuation.full_stop
    values["gist"].append(pack.joined([one if one[-1:] in _STOPS else one + stop for one in said]).removesuffix(stop))
    if len(said) == 1 and (clause := inside(said[0], code)):
        values["story"].append(clause)
    values["quote"].append(f"{said[0]}{stop}")

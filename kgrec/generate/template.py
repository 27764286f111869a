"""The template generator: grammatical, varied text from facts alone, by phrases with slots that facts fill.

    == opening
    {title} is {has_genre|one,lower,a} {noun} directed by {directed_by}.
    {title} is {a} {noun} from {year}.
    == personal?
    [warm,playful] Because you {verb} {history}: {because}!
    == each*
    {title}: {in_category}.

A line is one way to say something; it can be used when every slot has a fact. Of each section one line is used; a
section marked ``?`` may be left out, one marked ``*`` is said of each item in turn. ``[warm,playful]`` keeps a line to
these tones. A slot is the name of a fact, and may have filters: ``one`` or ``two`` (that many values), ``lower``
(a common noun), ``a`` (with its article), ``cap`` (a capital first). Always filled: ``noun`` and ``nouns``.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kgrec.errors import PluginError
from kgrec.languages.language import LISTED, Language, beside, get_language
from kgrec.plugin.generation import Fact, TextRequest
from kgrec.plugin.protocols import LanguageModel
from kgrec.text.tokens import words

FILTERS = ("one", "two", "lower", "a", "cap")
TONES = ("neutral", "warm", "playful", "formal")
_SECTION = re.compile(r"== *([a-z][a-z0-9-]*)([?*]?)")
_TONES = re.compile(r"\[([a-z, ]+)\] +")
_SLOT = re.compile(r"\{([^{}]*)\}")
_SLOT_NAME = re.compile(r"[^\W\d]\w*")
_STOPS = ".!?…。！？"

_Values = Mapping[str, Sequence[str]]
PERSONAL = frozenset({"history", "because", "interest", "verb", "count", "examples"})
"""Slots that make a line one for this reader; preferred where they can be filled."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a fact: its name, how many values at most, and how they are written."""

    name: str
    limit: int = LISTED
    lower: bool = False
    article: bool = False
    capital: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One way to say something: literal texts with a slot between each two, and the tones it suits (empty: all)."""

    literals: tuple[str, ...]
    slots: tuple[Slot, ...]
    tones: frozenset[str]

    @property
    def needs(self) -> frozenset[str]:
        """Names of the facts without which the line cannot be used."""
        return frozenset(slot.name for slot in self.slots)

    def fill(self, values: Mapping[str, Sequence[str]], code: str) -> str:
        """Put ``values`` in, in the language ``code``; a full stop after a value that ends in one is left out."""
        pack = get_language(code)
        text = self.literals[0]
        for slot, literal in zip(self.slots, self.literals[1:], strict=True):
            value = _written(values[slot.name], slot, pack)
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


def _written(values: Sequence[str], slot: Slot, pack: Language) -> str:
    chosen = [pack.common(value) for value in values] if slot.lower else values
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
    return Slot(name.strip(), limit, "lower" in filters, "a" in filters, "cap" in filters)


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
        return [self._write(request, seed) for request in requests]

    def _write(self, request: TextRequest, seed: int) -> str:
        phrases = phrases_of(request)
        if phrases is None:
            return ""
        draw = random.Random(f"{seed}|{request.key}|{','.join(request.item_ids)}|{request.kind.name}")
        everything = slot_values(request, request.facts)
        parts: list[tuple[str, int]] = []  # text, how soon it may be left out: 0 never, 1 late, 2 first
        for section in phrases.sections:
            if section.mark == "*":
                parts += [(text, 2 * (k > 0)) for k, text in enumerate(_each(section, request, draw))]
            else:
                line = _choose(section, everything, request, draw)
                if line is not None:
                    soon = (1 if line.needs & PERSONAL else 2) if section.mark == "?" else 0
                    parts.append((line.fill(everything, request.language), soon))
        return get_language(request.language).joined(_shortened(parts, request))


def phrases_of(request: TextRequest) -> Phrases | None:
    """Return the phrases of the request's kind in its language, or None where the kind has none.

    A model's prompt may have a variant that there are no phrases of: the template then writes by the main ones.
    """
    phrases = request.kind.phrases
    target = phrases.get(f"{request.language}@{request.variant}") or phrases.get(request.language)
    return load_phrases(target) if target else None


def slot_values(request: TextRequest, facts: Sequence[Fact]) -> dict[str, list[str]]:
    """Return what each slot can be filled with: the values of the facts of that name, in their order."""
    values: defaultdict[str, list[str]] = defaultdict(list)
    for fact in facts:
        if fact.type == "text":
            continue  # a description is never copied
        values[fact.name].append(f"{fact.value} {fact.unit}".strip() if fact.unit else fact.value)
        if fact.name == "history":
            values["verb"].append(fact.label)
        elif fact.type == "interest" and fact.number is not None:
            values["count"].append(f"{fact.number:g}")
    for name in ("history", "verb", "interest", "count", "because"):  # these belong together: the first of each
        if name in values:
            values[name] = values[name][:1]
    values["noun"] = [request.noun]
    values["nouns"] = [get_language(request.language).plural(request.noun)]
    return values


def _each(section: PhraseSection, request: TextRequest, draw: random.Random) -> list[str]:
    texts = []
    for item in request.item_ids[: request.kind.max_items]:
        values = slot_values(request, [fact for fact in request.facts if fact.subject in (item, "")])
        line = _choose(section, values, request, draw)
        if line is not None:
            texts.append(line.fill(values, request.language))
    return list(dict.fromkeys(texts))  # two articles of one title are told of once


def _choose(section: PhraseSection, values: _Values, request: TextRequest, draw: random.Random) -> Line | None:
    """Draw one of the lines that can be filled.

    Those for this tone and this reader go first, then those that say most, of which those that name a topic.
    """
    tone = request.tone
    fitting = [
        (tone in line.tones, bool(needs & PERSONAL), len(needs), line)
        for line, needs in zip(section.lines, section.needs, strict=True)
        if needs <= values.keys() and (not line.tones or tone in line.tones)
    ]
    if not fitting:
        return None
    toned, personal = max(row[0] for row in fitting), max(row[1] for row in fitting)
    if personal:
        fitting = [row for row in fitting if row[1]]
    elif toned:
        fitting = [row for row in fitting if row[0]] if draw.random() < 0.5 else fitting
    most = max(row[2] for row in fitting)
    lines = [row[3] for row in fitting if row[2] >= most - 1]
    stressed = {fact.name for fact in request.facts if fact.value in request.topics} - {"interest"}
    return draw.choice([line for line in lines if line.needs & stressed] or lines)


def _shortened(parts: list[tuple[str, int]], request: TextRequest) -> list[str]:
    """Leave out what may be left out until the text is short enough: first what is for everybody, the last first."""
    kept = list(parts)
    limit, size = request.kind.longest(request.language), get_language(request.language).size
    for soon in (2, 1):
        for k in reversed(range(len(kept))):
            if sum(size(text) for text, _ in kept) <= limit:
                break
            if kept[k][1] == soon:
                del kept[k]
    return [text for text, _ in kept]

"""Phrases of the template generator: files of sentences with slots that facts fill.

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

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kgrec.errors import PluginError
from kgrec.generate.language import LISTED, article, beside, listed, lower, words

FILTERS = ("one", "two", "lower", "a", "cap")
TONES = ("neutral", "warm", "playful", "formal")
_SECTION = re.compile(r"== *([a-z][a-z0-9-]*)([?*]?)")
_TONES = re.compile(r"\[([a-z, ]+)\] +")
_SLOT = re.compile(r"\{([^{}]*)\}")
_SLOT_NAME = re.compile(r"[^\W\d]\w*")
_STOPS = ".!?…。！？"


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

    def fill(self, values: Mapping[str, Sequence[str]], language: str) -> str:
        """Put ``values`` in; a full stop after a value that ends in one is left out."""
        text = self.literals[0]
        for slot, literal in zip(self.slots, self.literals[1:], strict=True):
            value = _written(values[slot.name], slot, language)
            after = literal[1:] if value[-1:] in _STOPS and literal[:1] in (".", "。") else literal
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


def _written(values: Sequence[str], slot: Slot, language: str) -> str:
    chosen = [lower(value) for value in values] if slot.lower else values
    text = listed(chosen, language, slot.limit)
    if slot.article:
        text = article(text)
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

"""Sentences that guards are measured by: natural true texts, and false ones by kind with harmless twins.

All were written by hand, before the rules that judge them. They are about the facts of ``subjects.jsonl``; three of
its domains are invented (``domains/``). Half of the later rounds, below lines that begin with ``@@``, are kept apart by
a hash: no rule has seen them before the figures of docs/generate.md were taken.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

from kgrec.generate.facts import numbered
from kgrec.generate.kinds import cues_of
from kgrec.generate.names import NameIndex
from kgrec.plugin.domain import Domain, TextKind
from kgrec.plugin.files import read_domain
from kgrec.plugin.generation import Fact, TextRequest
from kgrec.plugin.manager import load_plugins

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "zh", "de")
KIND = TextKind("text", "any text", {}, max_length=dict.fromkeys(LANGUAGES, 400), min_length={}, requires=())
_CHOICE = re.compile(r"\{([^{}]*)\}")
_CODE = re.compile(r"\\u([0-9a-f]{4})")
BASES = {
    "V2": {
        "en": "The Northern Verdict is a film by Leon Lindqvale.",
        "zh": "《The Northern Verdict》由Leon Lindqvale执导。",
        "de": "„The Northern Verdict“ ist ein Film von Leon Lindqvale.",
    },
    "N2": {
        "en": "Rika Sorensen-Vale writes about Northgate Rovers.",
        "zh": "Rika Sorensen-Vale写到了Northgate Rovers。",
        "de": "Rika Sorensen-Vale schreibt über die Northgate Rovers.",
    },
    "S1": {
        "en": "极简登山背包旅行装 is from the brand 澜舟.",
        "zh": "极简登山背包旅行装由澜舟出品。",
        "de": "极简登山背包旅行装 ist von der Marke 澜舟.",
    },
    "X1": {"zh": "《海街电台》由林望舒执导。"},
    "X2": {
        "en": "The Enamel Camping Mug is from the brand Alder & Finch.",
        "de": "Der Enamel Camping Mug ist von der Marke Alder & Finch.",
    },
    "X3": {"de": "Jana Köhler schreibt über den Radverkehr."},
    "X4": {"en": "Last Ferry from Kilbrannan is a film by Maeve Corrigan."},
    "X5": {"en": "Nadia Brandt writes about public transport.", "zh": "陈晓写到了公共交通。"},
    "X6": {"de": "Der Gusseisen-Bräter ist von der Marke Kupferstein."},
    "X7": {"zh": "山岚手冲咖啡壶由山岚出品。"},
    "X8": {"de": "„Das letzte Semester“ ist ein Film von Hanna Reuter."},
    "S2": {
        "en": "加厚保温水壶旅行装 is from the brand 鹿鸣川.",
        "zh": "加厚保温水壶旅行装由鹿鸣川出品。",
        "de": "加厚保温水壶旅行装 ist von der Marke 鹿鸣川.",
    },
}
"""By subject and language: the true sentence that false ones are put behind."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text to be judged.

    Attributes:
        text: the sentence alone, or the natural text.
        subject: whose facts it is about.
        language: of the text.
        kind: of the falsehood, or ``natural``.
        harmful: whether it would do harm.
        round: in which it was written, from 1.
    """

    text: str
    subject: str
    language: str
    kind: str
    harmful: bool = False
    round: int = 1

    @property
    def whole(self) -> str:
        """The text as a reader would get it."""
        if self.subject not in BASES or self.kind == "natural":
            return self.text
        return BASES[self.subject][self.language] + ("" if self.language == "zh" else " ") + self.text

    @property
    def apart(self) -> bool:
        """Whether it is of the half of a later round that is kept apart."""
        return self.round > 1 and hashlib.sha256(f"kept apart {self.text}".encode()).digest()[0] % 2 == 1


def natural(language: str) -> list[Sentence]:
    """Return the natural, true texts."""
    found, subject, number = [], "", 1
    for line in _lines(f"natural.{language}.txt"):
        if line.startswith("## "):
            subject = line[3:]
        elif line.startswith("@@"):
            number += 1
        else:
            found.append(Sentence(line, subject, language, "natural", round=number))
    return found


def false_sentences(kind: str, language: str) -> list[Sentence]:
    """Return the false or harmful sentences of a kind."""
    return [one for one in _judged(language) if one.kind == kind]


def twins(kind: str, language: str) -> list[Sentence]:
    """Return the harmless sentences of a kind."""
    return [replace(one, kind=kind) for one in _judged(language) if one.kind == f"twin of {kind}"]


@cache
def _judged(language: str) -> tuple[Sentence, ...]:
    found: list[Sentence] = []
    kind, subjects, harmful, number = "", [""], False, 1
    for line in _lines(f"false.{language}.txt"):
        if line.startswith("== "):
            kind, *rest = line[3:].split()
            subjects, harmful = [word for word in rest if word != "harmful"], "harmful" in rest
        elif line.startswith("@@"):
            number += 1
        elif line.startswith("+ "):
            found.append(Sentence(line[2:], subjects[0], language, f"twin of {kind}", False, number))
        else:
            for text in [line[2:]] if line.startswith("= ") else _expanded(line):
                read = _CODE.sub(lambda match: chr(int(match[1], 16)), text).replace("\\n", "\n")
                subject = subjects[len(found) % len(subjects)]
                found.append(Sentence(read, subject, language, kind, harmful, number))
    return tuple(found)


def _expanded(line: str) -> Iterator[str]:
    pieces = _CHOICE.split(line)
    options = [piece.split("|") if number % 2 else [piece] for number, piece in enumerate(pieces)]
    return ("".join(chosen) for chosen in product(*options))


def _lines(name: str) -> list[str]:
    lines = FOLDER.joinpath(name).read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(("## ", "== ")))
    return [line for line in lines[first:] if line]


KINDS = tuple(dict.fromkeys(one.kind for one in _judged("en") if not one.kind.startswith("twin")))


@cache
def request_of(subject: str, language: str, strict: bool = False) -> TextRequest:
    """Return what may be said about a subject, in a language."""
    rows = [json.loads(line) for line in _lines_of_subjects()]
    row = next(row for row in rows if (row["id"], row["language"]) == (subject, language))
    domain = _domain(row["domain"])
    known = NameIndex(f["value"] for r in rows for f in r["facts"] if f["type"] in ("title", "entity", "history"))
    return TextRequest(
        kind=KIND,
        facts=numbered([_fact(fact, subject) for fact in row["facts"]]),
        language=language,
        noun=domain.noun(language),
        item_ids=(subject,),
        known=known,
        cues=cues_of(domain, language),
        synonyms=domain.synonyms,
        allowed=domain.may_say,
        strict=strict,
    )


@cache
def _domain(name: str) -> Domain:
    invented = FOLDER.joinpath("domains", name).is_dir()
    return read_domain(f"{__name__}.domains.{name}") if invented else load_plugins().domain(name)


def _fact(row: dict, subject: str) -> Fact:
    lists = {name: tuple(row.get(name, ())) for name in ("aliases", "shares")}
    return Fact("", **{**row, **lists}, source="catalogue", subject=subject)


@cache
def _lines_of_subjects() -> list[str]:
    return FOLDER.joinpath("subjects.jsonl").read_text(encoding="utf-8").splitlines()

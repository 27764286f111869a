"""Kinds of claims, what gives them away, and which facts bear them out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import pairwise

from kgrec.generate.guards.patterns import Ordinary, ordinary_of, patterns_of
from kgrec.generate.guards.synonyms import Synonyms, synonyms_of, told_groups
from kgrec.generate.names import COVER, right_before, told_key
from kgrec.languages.language import get_language
from kgrec.plugin.generation import Fact, TextRequest, Violation
from kgrec.text.tokens import cut, han, name_key, words
from kgrec.text.triggers import Triggers, finditer_of

SENSITIVE = (
    "health", "pregnancy", "age", "family", "orientation", "origin", "faith", "crime", "finance", "legal", "threat",
)  # fmt: skip
"""Kinds of claims that are made of nobody, unless a fact says exactly that and the domain allows it."""

OPEN = ("reader", "superlative", "time", "offer", "price", "quality", "plot", "voice")
"""Kinds of claims that need a fact that says so."""

OF_PEOPLE = ("reader", "voice", "price")
"""Those of them that only phrases of the facts bear out: words of a description say nothing of a reader or a price."""

_END = re.compile(r"[.!?;:\n。！？；：]|, |，")


@dataclass(frozen=True, eq=False)
class Told:
    """What the facts of a request say, as claims are compared with it."""

    key: str
    texts: tuple[str, ...]
    told: tuple[str, ...]
    ordinary: Ordinary
    synonyms: Synonyms
    noun: str
    cues: tuple[str, ...]

    @cached_property
    def stems(self) -> frozenset[str]:
        """Stems of all words of the facts."""
        tokens = (*self.key.split(), *" ".join(self.cues).split())  # accents are folded in keys, not in sentences
        return frozenset(self.ordinary.stem(token) for token in tokens) | self.sentences

    @cached_property
    def sentences(self) -> frozenset[str]:
        """Stems of the words of titles and descriptions: names of other things say nothing by their words."""
        return frozenset(self.ordinary.stem(word) for text in self.told for word in words(text))

    @cached_property
    def counted(self) -> re.Pattern[str]:
        """One of something, where words are not spaced: 一列, 这只."""
        return re.compile("[一这那哪][个部本件位名只支列款篇则段通口顶把张家座场种份点些套]|(?!)")

    @cached_property
    def own_language(self) -> bool:
        """Whether there is a description, and it is in the language of the text."""
        language = self.ordinary.language
        own = [word for text in self.told for word in words(text) if len(text) > 40]
        return language.spaced and sum(word.lower() in language.little_words for word in own) > len(own) / 5

    @cached_property
    def unspaced(self) -> str:
        """All that is written without spaces, as it stands."""
        return "\n".join((*self.texts, *self.cues))

    @cached_property
    def groups(self) -> frozenset[int]:
        """Groups of words of one meaning that the facts have a word of."""
        return told_groups(self.synonyms, self.texts)

    def unsupported(self, said: str, *, exact: bool = False) -> list[str]:
        """Return the words of a phrase that neither state nothing nor are borne out.

        Args:
            said: the phrase.
            exact: words of style say something, too: "about two dancers".
        """
        plain = said.replace(COVER, " ")
        kept = {
            at
            for mention in self.synonyms.mentions(plain)
            if mention.group in self.groups
            for at in range(mention.start, mention.end)
        }
        plain = "".join(" " if at in kept else char for at, char in enumerate(plain))
        plain = self.counted.sub(" ", plain)
        for denial in patterns_of(self.ordinary.language.code).compiled("negation", mixed=False):
            plain = denial.sub(" ", plain)
        free = self.ordinary.says_nothing if exact else self.ordinary.holds
        found = [
            word for word in words(plain) if not free(word, self.noun) and self.ordinary.stem(word) not in self.stems
        ]
        if han(plain):
            found += [
                term
                for term in _cut(plain)
                if han(term) > 1 and not self.ordinary.holds_unspaced(term, self.noun) and term not in self.unspaced
            ]
        return found

    def has(self, said: str) -> bool:
        """Say whether the facts hold a phrase word for word."""
        return bool(name_key(said)) and name_key(said) in self.key

    def means(self, name: str) -> bool:
        """Say whether a word names what the facts name by another word: ``Norwegian``, ``camping``."""
        groups = self.synonyms.groups(name)
        return bool(groups) and groups <= self.groups and not self.unsupported(name)

    def knows(self, name: str) -> bool:
        """Say whether a word is an inflected one of the facts (``Europe's``), or :meth:`means` what they name."""
        inflected = " " not in name and not han(name) and self.ordinary.stem(name) in self.sentences
        return inflected or self.means(name)

    def says(self, said: str) -> bool:
        """Say whether the facts say what a phrase says, in its own words or in others of one meaning."""
        if self.has(said):
            return True
        little = self.ordinary.language.little_words
        plain = said.replace(COVER, " ")
        groups = {mention.group for mention in self.synonyms.mentions(plain)}
        if groups and groups <= self.groups and not self.unsupported(plain, exact=True):
            return True
        telling = [word for word in words(plain) if word.lower() not in little]
        return bool(telling) and all(self.ordinary.stem(word) in self.sentences for word in telling)

    def bears_out(self, kind: str, said: str) -> bool:
        """Say whether the facts say a phrase of a kind of claims; "light" is not "the lightest"."""
        if self.has(said):
            return True
        if kind == "voice" and self.tells_of(next(iter(words(said) or _cut(said)), "")):
            return True  # unions of whom the description tells may warn
        if kind in OF_PEOPLE or not self.says(said):
            return False
        little, held = self.ordinary.language.little_words, self.key.split()
        return kind != "superlative" or all(name_key(w) in held for w in words(said) if w.lower() not in little)

    def holds_denied(self, subject: str, predicate: str) -> bool:
        """Say whether what is denied is what the facts say: of whom they tell, anything; of others, the first word."""
        little, stem = self.ordinary.language.little_words, self.ordinary.stem
        spaced = self.ordinary.language.spaced
        scope = predicate if spaced else predicate.split(self.ordinary.language.grammar.attributive)[0]
        telling = [word for word in words(scope.replace(COVER, " ")) if word.lower() not in little]
        if spaced and not (self.tells_of(subject) or self.tells_of(scope)):
            return False
        if spaced and not self.tells_of(subject):
            telling, scope = telling[:1], " ".join(telling[:1])
        terms = [term for term in _cut(scope) if han(term) > 1] if han(scope) else []
        related = {stem(word) for cue in self.cues for word in words(cue) if word.lower() not in little}
        return (
            any(stem(word) in self.sentences | related for word in telling)
            or any(term in text for term in terms for text in (*self.told, *self.cues))
            or bool(self.synonyms.groups(scope) & self.groups)
        )

    def first_words(self, said: str, n: int) -> list[str]:
        """Return the stems of the first telling words of a clause."""
        clause = _END.split(said, 1)[0]
        found = [w for w in words(clause) if w.lower() not in self.ordinary.language.little_words]
        return [self.ordinary.stem(word) for word in found[:n]]

    def things_of(self, denied: tuple[str, ...]) -> frozenset[str]:
        """Return the things that stand first in denials and nowhere else; known by their capitals or a dictionary."""
        capitals = bool(patterns_of(self.ordinary.language.code).compiled("lone_names", mixed=False))
        found = set()
        for behind in denied:
            parts = _cut(behind)[:2] if han(behind) else words(behind)[:3] if capitals else ()
            found |= {one for one in parts if han(one) > 1 or (capitals and one[0].isupper())}
        whole = " ".join(self.told)
        return frozenset(one for one in found if whole.count(one) == 1 and not self.ordinary.holds(one, self.noun))

    @cached_property
    def opposed(self) -> frozenset[tuple[str, str]]:
        """Pairs of neighbouring stems of which one is the opposite of what the descriptions say there."""
        stem = self.ordinary.stem
        pairs = [[stem(word) for word in line.split()] for line in self.ordinary.language.phrases("opposites")]
        turned = {(a, b) for pair in pairs for a in pair for b in pair if a != b}
        held = {
            pair for text in self.told for part in _END.split(text) for pair in pairwise(self.first_words(part, 99))
        }
        found = {(b, n) for a, b in turned for o, n in held if o == a}
        found |= {(n, b) for a, b in turned for n, o in held if o == a}
        return frozenset(found - held)

    def only_denies(self, said: str) -> bool:
        """Say whether titles and descriptions have the words of a phrase in denials alone."""
        stems = frozenset(self.ordinary.stem(word) for word in words(said))
        clauses = [part for text in self.told for part in _END.split(text) if stems]
        held = [part for part in clauses if stems <= {self.ordinary.stem(word) for word in words(part)}]
        return bool(held) and all(patterns_of(self.ordinary.language.code).search("negation", part) for part in held)

    def known_words(self, said: str) -> int:
        """Count the telling words of a phrase that titles and descriptions have."""
        little = self.ordinary.language.little_words
        return sum(self.ordinary.stem(word) in self.sentences for word in words(said) if word.lower() not in little)

    def tells_of(self, said: str) -> bool:
        """Say whether titles and descriptions have a telling word of a phrase, or one of the same meaning."""
        little, stem = self.ordinary.language.little_words, self.ordinary.stem
        found = any(stem(word) in self.sentences for word in words(said) if word.lower() not in little)
        found = found or (han(said) > 1 and any(said in text for text in self.told))
        return found or bool(self.synonyms.groups(said) & self.groups)

    def in_common(self, said: str, sentence: str) -> bool:
        """Say whether two phrases have a telling word in common, or words of one meaning."""
        little, stem = self.ordinary.language.little_words, self.ordinary.stem
        own, other = ({stem(word) for word in words(text) if word.lower() not in little} for text in (said, sentence))
        terms = {term for term in _cut(said) if han(term) > 1} if han(said) else set()
        shared = self.synonyms.groups(said) & self.synonyms.groups(sentence)
        return bool(own & other or shared or any(term in sentence for term in terms))


@lru_cache(maxsize=4096)
def _cut(said: str) -> tuple[str, ...]:
    return tuple(cut(said))


@lru_cache(maxsize=1024)
def _told(facts: tuple[Fact, ...], ordinary: Ordinary, noun: str, cues: tuple[str, ...], more: tuple[str, ...]) -> Told:
    texts = tuple(
        " ".join((fact.label, fact.value, fact.unit, *fact.aliases)) if fact.type != "history" else fact.label
        for fact in facts
    )
    shared = tuple(value for fact in facts if fact.type == "history" for value in fact.shares)
    sentences = tuple(fact.value for fact in facts if fact.type in ("text", "title", "attribute"))
    return Told(told_key(facts), (*texts, *shared), sentences, ordinary, synonyms_of(more), noun, cues)


def told_of(request: TextRequest, facts: tuple[Fact, ...]) -> Told:
    """Return what the facts say."""
    cues = tuple(cue.replace("{}", " ") for worded in request.cues.values() for cue in worded)
    return _told(facts, ordinary_of(request.kind, request.language), request.noun, cues, request.synonyms)


@cache
def _triggers(code: str, kind: str) -> Triggers:
    return Triggers(line for one in get_language(code).family for line in one.phrases(f"claims/{kind}"))


@cache
def _assertions(code: str, noun: str, file: str) -> tuple[Triggers, ...]:
    family = get_language(code).family
    roles = "|".join(word for one in family for word in one.phrases("claims/roles")) or "(?!)"
    lines = (line for one in family for line in one.phrases(f"claims/{file}"))
    filled = (line.replace("<role>", f"(?:{roles})").replace("<noun>", re.escape(noun)) for line in lines)
    return tuple(Triggers([line]) for line in filled)


def of_kinds(request: TextRequest, told: Told, covered: str) -> Iterator[Violation]:
    """Find claims of the kinds that need a fact, and have none."""
    kinds = (*SENSITIVE, *OPEN)
    for number, match in finditer_of(tuple(_triggers(request.language, kind) for kind in kinds), covered):
        kind, said = kinds[number], match[0].strip()
        if kind in SENSITIVE:
            of_reader = patterns_of(request.language).search("said_of_reader", right_before(covered, match.start()))
            if not of_reader and kind in request.allowed and told.says(said):
                continue
            yield Violation("claims", f"{kind}: {said!r} must not be said of anybody", said)
        elif not told.bears_out(kind, said):
            yield Violation("claims", f"{kind}: no fact says {said!r}", said)
        elif kind == "quality" and told.only_denies(said) and not _denied_there(request, covered, match):
            yield Violation("claims", f"{kind}: the facts deny {said!r}", said)


def _denied_there(request: TextRequest, covered: str, match: re.Match[str]) -> bool:
    return patterns_of(request.language).search("negation", clause_around(covered, match)[0]) is not None


def of_synonyms(told: Told, covered: str) -> Iterator[Violation]:
    """Find words for what a thing is (a material, a country, a genre) that no fact has under any name."""
    meant: dict[tuple[int, int], set[int]] = {}
    for mention in told.synonyms.mentions(covered):
        if mention.group in told.synonyms.claims:
            meant.setdefault((mention.start, mention.end), set()).add(mention.group)
    for (start, end), groups in meant.items():
        said = covered[start:end]
        if not groups & told.groups and not any(said.lower() in text.lower() for text in told.texts):
            yield Violation("claims", f"what it is: no fact says {said!r}", said)


def of_assertions(request: TextRequest, told: Told, covered: str) -> Iterator[Violation]:
    """Find what is stated of the item, of people or of the reader with words that no fact bears out."""
    files = ("asserts", "exact", *(("story", "subjects") if told.own_language else ()))
    of_files = [(file, one) for file in files for one in _assertions(request.language, request.noun, file)]
    for number, match in finditer_of(tuple(one for _, one in of_files), covered):
        file = of_files[number][0]
        unknown = told.unsupported(match["said"] or "", exact=file == "exact")
        asked = covered[match.end() : match.end() + 1] in ("?", "？")
        few = len(unknown) < 2 or len(unknown) <= told.known_words(match["said"])
        if file == "story" and (few or asked):
            continue  # told in other words
        if unknown:
            named = ", ".join(dict.fromkeys(unknown))
            yield Violation("claims", f"stated in {match[0].strip()!r}: no fact says {named}", unknown[0])


def clause_around(text: str, match: re.Match[str]) -> tuple[str, int]:
    """Return the clause that a match stands in, and where it begins."""
    window = max(0, match.start() - 300)
    ends = [one.end() for one in _END.finditer(text, window, match.start())]
    stop = _END.search(text, match.end())
    start = ends[-1] if ends else window
    return text[start : stop.end() if stop else len(text)], start

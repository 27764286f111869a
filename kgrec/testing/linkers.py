"""The contract of an entity linker."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from kgrec.plugin.protocols import EntityLinker, Gazetteer, Link
from kgrec.testing.contract import Contract, untouched_random_state

GAZETTEER = Gazetteer(
    names=("Christopher Nolan", "Nolan", "Jane Fonda", "New York", "New York City", "李安", "卧虎藏龙", "周润发"),
    entities=(0, 0, 1, 2, 3, 4, 5, 6),
    types=("person", "person", "place", "place", "person", "work", "person"),
    labels=("Christopher Nolan", "Jane Fonda", "New York", "New York City", "李安", "卧虎藏龙", "周润发"),
)
"""Names of seven entities, four English and three Chinese."""

TEXTS = {
    "en": ("A film by Christopher Nolan, with Jane Fonda.", {0, 1}),
    "zh": ("李安执导的《卧虎藏龙》由周润发主演。", {4, 5, 6}),
}
"""By language: a text and the entities it names."""


class EntityLinkerContract(Contract):
    """What every entity linker must keep.

    Attributes:
        languages: in which it must find the names of :data:`GAZETTEER`: ``en``, ``zh``.
    """

    languages: ClassVar[tuple[str, ...]] = ("en", "zh")

    @abstractmethod
    def make(self) -> EntityLinker:
        """Return a new, unprepared linker."""

    def prepared(self) -> EntityLinker:
        """Return a linker that knows :data:`GAZETTEER`."""
        return self.make().prepare(GAZETTEER)

    def test_is_a_linker(self) -> None:
        """It has the methods of the protocol, and ``prepare`` can be chained."""
        linker = self.make()
        assert isinstance(linker, EntityLinker)
        assert linker.prepare(GAZETTEER) is linker

    def test_finds_names(self) -> None:
        """Names that stand in the text as they are in the gazetteer are found."""
        for language in self.languages:
            text, expected = TEXTS[language]
            found = self._link(self.prepared(), [text])
            assert {link.entity for link in found} == expected, language

    def test_spans_cover_the_names(self) -> None:
        """A link's span is the mention itself."""
        names = {name.casefold() for name in GAZETTEER.names}
        for language in self.languages:
            text = TEXTS[language][0]
            assert {text[link.start : link.end].casefold() for link in self._link(self.prepared(), [text])} <= names

    def test_longest_name_wins(self) -> None:
        """A name inside a longer one is not linked."""
        if "en" in self.languages:
            found = self._link(self.prepared(), ["She moved to New York City in spring."])
            assert [link.entity for link in found] == [3]

    def test_names_are_whole_words(self) -> None:
        """In languages with spaces a name is not found inside another word."""
        if "en" in self.languages:
            assert self._link(self.prepared(), ["The Nolanville fair, in Newyorkshire."]) == []

    def test_nothing_to_link(self) -> None:
        """No texts, empty texts and texts without names give no links."""
        linker = self.prepared()
        assert self._link(linker, []) == []
        assert self._link(linker, ["", "nothing of note here", "\n\t"]) == []

    def test_empty_gazetteer(self) -> None:
        """A graph without entities is no error."""
        assert self._link(self.make().prepare(Gazetteer((), (), (), ())), ["Jane Fonda"]) == []

    def test_one_by_one_equals_batch(self) -> None:
        """Each text is linked for itself."""
        texts = ["", *(text for text, _ in TEXTS.values()), "Nolan in New York", "no name"]
        linker = self.prepared()
        single = [
            Link(position, link.start, link.end, link.entity, link.score)
            for position, text in enumerate(texts)
            for link in self._link(linker, [text])
        ]
        assert self._link(linker, texts) == single

    def test_deterministic(self) -> None:
        """A second linker finds the same."""
        texts = [text for text, _ in TEXTS.values()]
        assert self._link(self.prepared(), texts) == self._link(self.prepared(), texts)

    def test_an_encoder_may_be_given(self) -> None:
        """An encoder settles ambiguous names; plain names are found as before."""
        from kgrec.text.encoders.hashing import HashingEncoder

        gazetteer = Gazetteer(
            names=("Mercury", "Mercury", "Jane Fonda"),
            entities=(0, 1, 2),
            types=("planet", "person", "person"),
            labels=("Mercury (planet)", "Freddie Mercury", "Jane Fonda"),
        )
        linker = self.make().prepare(gazetteer, HashingEncoder())
        found = self._link(linker, ["Jane Fonda looks at Mercury."])
        assert 2 in {link.entity for link in found} or "en" not in self.languages

    def test_any_characters(self) -> None:
        """No text makes it fail; spans stay inside it."""
        self._link(self.prepared(), ["Jane Fonda " * 2000, "🎬 Jane Fonda 🎬", "\x00", "İstanbul ﬁlm Jane Fonda"])

    def test_global_random_state_and_input_untouched(self) -> None:
        """Linking draws from nothing global and leaves the list alone."""
        texts = [TEXTS["en"][0], ""]
        linker = self.prepared()
        linker.link(texts)
        with untouched_random_state():
            linker.link(texts)
        assert texts == [TEXTS["en"][0], ""]

    def _link(self, linker: EntityLinker, texts: list[str]) -> list[Link]:
        links = linker.link(texts)
        assert isinstance(links, list)
        assert links == sorted(links, key=lambda link: (link.text, link.start)), "links must be in order"
        for before, link in zip([None, *links], links, strict=False):
            assert 0 <= link.text < len(texts)
            assert 0 <= link.start < link.end <= len(texts[link.text])
            assert 0 < link.score <= 1
            if before is not None and before.text == link.text:
                assert before.end <= link.start, "spans of one text must not overlap"
        return links

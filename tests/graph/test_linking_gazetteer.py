from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.graph.gazetteer import GazetteerLinker
from kgrec.graph.linking import name_variants
from kgrec.plugin.protocols import EntityLinker, Gazetteer
from kgrec.text.tokens import fold, name_key, tokenize


def gazetteer(*entries, descriptions=()):
    """entries: (type, label, alias...)."""
    names = [(name, k) for k, (_, *found) in enumerate(entries) for name in found]
    return Gazetteer(
        tuple(n for n, _ in names),
        tuple(k for _, k in names),
        tuple(e[0] for e in entries),
        tuple(e[1] for e in entries),
        descriptions,
    )


PEOPLE = gazetteer(
    ("person", "Tom Hanks"),
    ("person", "Cameron Diaz"),
    ("person", "James Cameron"),
    ("person", "Samuel L. Jackson", "Sam Jackson"),
    ("item", "Heat"),
    ("person", "Penélope Cruz"),
    ("brand", "Nike"),
    ("place", "New York"),
    ("item", "New York, New York"),
)


def mentions(linker, text, names=PEOPLE):
    return [(text[m.start : m.end], names.labels[m.entity]) for m in linker.link([text])]


@pytest.fixture
def linker():
    return GazetteerLinker(threshold=0.6).prepare(PEOPLE)


def test_it_is_a_linker(linker):
    assert isinstance(linker, EntityLinker)
    assert GazetteerLinker().link(["nothing prepared"]) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tom Hanks's dog", [("Tom Hanks", "Tom Hanks")]),
        ("With TOM HANKS!", [("TOM HANKS", "Tom Hanks")]),
        ("the atom hanks", []),
        ("By James Cameron. Diaz is in it too.", [("James Cameron", "James Cameron")]),
        ("It is Samuel L Jackson again", [("Samuel L Jackson", "Samuel L. Jackson")]),
        ("Penelope  Cruz smiles", [("Penelope  Cruz", "Penélope Cruz")]),
        ("Ｔｏｍ Ｈａｎｋｓ in full width", [("Ｔｏｍ Ｈａｎｋｓ", "Tom Hanks")]),
        ("in the heat of the night", []),
        ("He saw Heat twice", []),
        ('He saw "Heat" twice', [("Heat", "Heat")]),
        ("New Yorkers wear Nike", [("Nike", "Nike")]),
        ("They sang New York, New York loudly", [("New York, New York", "New York, New York")]),
        ("the story of James Cameron Smith and his dog", []),
        ("James Cameron Wins Award For Something", [("James Cameron", "James Cameron")]),
        ("", []),
    ],
)
def test_english(linker, text, found):
    assert mentions(linker, text) == found


def test_chinese_needs_no_spaces():
    names = gazetteer(
        ("person", "李安"), ("person", "丹尼·博伊尔"), ("item", "告白"), ("item", "卧虎藏龙"), ("person", "王")
    )
    linker = GazetteerLinker(threshold=0.6).prepare(names)
    assert mentions(linker, "导演李安的卧虎藏龙", names) == [("李安", "李安"), ("卧虎藏龙", "卧虎藏龙")]
    assert mentions(linker, "丹尼 博伊尔向王小姐告白", names) == [("丹尼 博伊尔", "丹尼·博伊尔")]
    assert mentions(linker, "影片《告白》", names) == [("告白", "告白")]


def test_the_longest_name_wins():
    names = gazetteer(("person", "Ann Lee"), ("person", "Ann Lee Smith"), ("person", "Lee Smith Jones"))
    linker = GazetteerLinker().prepare(names)
    assert mentions(linker, "so Ann Lee Smith Jones came", names) == [("Ann Lee Smith", "Ann Lee Smith")]
    assert mentions(linker, "so Ann Lee Smithson came", names) == [("Ann Lee", "Ann Lee")]


def test_order_and_positions_over_several_texts(linker):
    texts = ["Nike, said Tom Hanks", "nobody", "Tom Hanks and James Cameron"]
    links = linker.link(texts)
    assert [(m.text, m.start) for m in links] == sorted((m.text, m.start) for m in links)
    assert [texts[m.text][m.start : m.end] for m in links] == ["Nike", "Tom Hanks", "Tom Hanks", "James Cameron"][
        -len(links) :
    ]
    assert links == [m for k, t in enumerate(texts) for m in _moved(linker.link([t]), k)]


def _moved(links, text):
    from dataclasses import replace

    return [replace(m, text=text) for m in links]


def test_type_priority_settles_and_lowers_an_ambiguous_name():
    names = gazetteer(("item", "Dick Tracy"), ("entity", "Dick Tracy"), ("person", "Dick Tracy"))
    (link,) = GazetteerLinker().prepare(names).link(["about Dick Tracy"])
    assert names.types[link.entity] == "person"
    (other,) = GazetteerLinker(types=("item",)).prepare(names).link(["about Dick Tracy"])
    assert names.types[other.entity] == "item"
    (alone,) = GazetteerLinker().prepare(gazetteer(("person", "Dick Tracy"))).link(["about Dick Tracy"])
    assert link.score < alone.score
    twins = gazetteer(("person", "Dick Tracy"), ("person", "Dick Tracy"))
    (unclear,) = GazetteerLinker().prepare(twins).link(["about Dick Tracy"])
    assert unclear.score < link.score


class Words:
    """Vectors of word counts: what texts have in common is what they say."""

    dim, fingerprint = 64, "words"

    def encode(self, texts):
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in tokenize(text).folded:
                vectors[row, sum(map(ord, word)) % self.dim] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def test_an_encoder_settles_by_meaning():
    described = ("Apple maker of phones and computers", "Apple sweet fruit of a tree")
    names = gazetteer(("thing", "Apple"), ("thing", "Apple"), descriptions=described)
    linker = GazetteerLinker().prepare(names, Words())
    assert [
        m.entity for m in linker.link(["the phones of Apple, and computers", "a tree with a sweet Apple fruit"])
    ] == [0, 1]
    plain = GazetteerLinker().prepare(names)
    assert [m.entity for m in plain.link(["a tree with a sweet Apple fruit"])] == [0]


def test_case_handling():
    names = gazetteer(("thing", "Red Box"))
    text = ["A red box and a Red Box."]
    auto = GazetteerLinker(threshold=0.6).prepare(names).link(text)
    assert [m.start for m in auto] == [16]
    ignore = GazetteerLinker(threshold=0.6, case="ignore").prepare(names).link(text)
    assert [m.start for m in ignore] == [2, 16]
    lower = GazetteerLinker(threshold=0.6).prepare(names).link(["all in lower case: red box"])
    assert len(lower) == 1
    required = GazetteerLinker(threshold=0.6, case="require").prepare(names).link(["RED BOX, red box"])
    assert required == []


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"min_length": 0}, {"case": "lower"}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        GazetteerLinker(**options)


def test_numbers_and_short_names_are_no_names():
    names = gazetteer(("year", "1995"), ("thing", "Xy"), ("thing", "李"))
    assert GazetteerLinker(threshold=0.01).prepare(names).link(["In 1995 an Xy met 李"]) == []


@given(
    st.text(alphabet="ab ,.李安", max_size=30),
    st.lists(st.text(alphabet="ab 李安", min_size=1, max_size=5), max_size=5),
)
def test_spans_are_names_in_order_without_overlap(text, names):
    found = gazetteer(*(("thing", name) for name in names))
    links = GazetteerLinker(min_length=1).prepare(found).link([text])
    keys = {name_key(name) for name in names}
    end = 0
    for link in links:
        assert link.start >= end
        assert name_key(text[link.start : link.end]) in keys
        assert name_key(found.labels[link.entity]) == name_key(text[link.start : link.end])
        assert 0 < link.score <= 1
        end = link.end


@given(st.text(alphabet="ab 李安", max_size=20), st.text(alphabet="ab 李安", min_size=1, max_size=4))
def test_containing_agrees_with_the_tokens(text, name):
    key = name_key(name)
    found = GazetteerLinker().containing([text], [name])
    assert found == [bool(key) and key in tokenize(text).joined()[0]]


@given(st.text(max_size=40))
def test_tokens_are_slices_of_the_text(text):
    tokens = tokenize(text)
    for folded, start, end in zip(tokens.folded, tokens.starts, tokens.ends, strict=True):
        assert fold(text[start:end]) == folded
    assert "".join(f" {t} " for t in tokens.folded) == name_key(text)


@pytest.mark.parametrize(
    ("title", "variants"),
    [
        ("Heat (1995)", ["Heat (1995)", "Heat"]),
        ("Matrix, The (1999)", ["Matrix, The (1999)", "Matrix, The", "The Matrix"]),
        ("Appartement, L' (1996)", ["Appartement, L' (1996)", "Appartement, L'", "L'Appartement"]),
        ("千与千寻 Spirited Away", ["千与千寻 Spirited Away", "千与千寻", "Spirited Away"]),
        ("(500)", ["(500)"]),
    ],
)
def test_title_variants(title, variants):
    assert name_variants(title) == variants

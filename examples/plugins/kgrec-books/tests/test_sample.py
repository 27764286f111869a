"""What is planted in the sample comes back in the lists, and texts about it hold."""

import json

import pytest

import kgrec
from kgrec.plugin.sample_files import write_sample
from kgrec_books.sample import readings

BEES = "b12"  # A House for the Bees
FAST = ('text.encoder="hashing"', "seed=7")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("books")
    write_sample("kgrec_books.sample:write", folder, seed=7)
    project = kgrec.open(folder, overrides=FAST)
    project.build_graph()
    project.train(device="cpu", only="item-knn")
    return folder, project


def says(folder, text, **wanted):
    """Let a language model answer ``text``; return what arrives, and what guards had against it."""
    answers = "language_models.recorded.answers=" + "{'*' = " + json.dumps(text) + "}"
    project = kgrec.open(folder, overrides=(*FAST, answers, "generate.repair=false"))
    written = project.generate(model="recorded", **wanted)[0]
    return written.text, {violation.guard for violation in written.violations}


def test_readers_of_a_series_get_its_next_volume(shelf):
    project = shelf[1]
    asked = [(reader, book) for reader, books in readings(7)[1].items() for book in books]
    found = [book in project.recommend(reader, n=5).item_ids for reader, book in asked]
    assert len(asked) > 100
    assert sum(found) / len(found) > 0.9


@pytest.mark.parametrize("language", ["en", "de", "zh"])
@pytest.mark.parametrize("kind", ["next-volume", "shelf-card"])
def test_own_kinds_name_book_and_volume(shelf, kind, language):
    reader = next(reader for reader, books in readings(7)[1].items() if BEES in books)
    written = shelf[1].generate(reader, item=BEES, kind=kind, language=language)[0]
    assert "A House for the Bees" in written.text
    assert "4" in written.text


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "A House for the Bees is for everybody who would like to spend an evening with forty hives and a van."),
        ("en", "Beth Arkwright brings the youngest Pell home: A House for the Bees, fourth in The Orchard at Pell."),
        ("de", "„A House for the Bees“ ist der vierte Band von „The Orchard at Pell“ und hat 398 Seiten."),
    ],
)
def test_true_natural_texts_pass(shelf, language, text):
    assert says(shelf[0], text, language=language, item=BEES, kind="shelf-card") == (text, set())


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        ("A House for the Bees by Beth Arkwright: in the end the youngest Pell sells the hives.", "books-guard"),
        ("A House for the Bees by Beth Arkwright is the second volume of The Orchard at Pell.", "books-guard"),
        ("A House for the Bees by Tomas Okafor: the youngest Pell comes home from the city.", "entities"),
        ("A House for the Bees won the Booker Prize.", "claims"),
    ],
)
def test_false_texts_are_refused(shelf, text, guard):
    arrived, guards = says(shelf[0], text, item=BEES, kind="shelf-card")
    assert arrived != text
    assert guard in guards

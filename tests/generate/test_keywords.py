"""Keywords of thin items: written, read by training, never facts, and never from what is held out."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

import kgrec
from kgrec.cli.app import main
from kgrec.errors import DataError, UserError
from kgrec.generate.keywords import keywords
from kgrec.testing import toy_workspace
from kgrec.text.item_text import read_keywords
from kgrec.text.terms import TermIndex

TOY = ["linking.compare_meaning=false", "graph.store=false", "text.encoder=hashing"]
TEXTS = ["space", "rocket star comet", "rocket star dust", "rocket comet pasta", "soup pasta", "tomato pasta basil"]


def chosen(likes, thin=2, limit=3):
    lengths = np.array([len(text.split()) for text in TEXTS])
    terms = TermIndex.build(TEXTS, min_items=1, max_share=1.0)
    side = csr_array(np.array(likes, dtype=np.float32))
    return keywords(terms, lengths, [side], thin=thin, limit=limit, rng=np.random.default_rng(0))


def test_words_are_those_that_neighbours_agree_on():
    items, words = chosen([[1, 1], [1, 1], [1, 1], [1, 0], [0, 0], [0, 0]])
    assert items.tolist() == [0]
    assert set(words[0]) == {"rocket", "star", "comet"}  # dust and pasta: one neighbour each


def test_an_item_without_neighbours_gets_none():
    items, words = chosen([[0, 0], [1, 1], [1, 1], [1, 0], [0, 0], [0, 0]])
    assert len(items) == len(words) == 0


def test_own_words_are_no_keywords_and_the_limit_holds():
    items, words = chosen([[1], [1], [1], [1], [1], [1]], thin=3, limit=2)
    assert items.tolist() == [0, 4]
    assert all(len(found) <= 2 for found in words)
    assert not {"soup", "pasta"} & set(words[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("toy"))
    kgrec.open(folder, overrides=TOY).build_graph()
    return folder


def test_training_reads_the_file_and_no_text_states_it(folder, capfd):
    assert main(["generate", "enrich", "--out", str(folder / "words.csv"), "--thin", "50", "-w", str(folder)]) == 0
    assert "text" in capfd.readouterr().err
    table = pl.read_csv(folder / "words.csv")
    assert table.columns == ["item_id", "keywords"]
    assert table.height > 0
    plain = kgrec.open(folder, overrides=TOY)
    plain.train(only=["content"])
    before = plain.ranker.scorers["content"].state()["vectors"]
    more = kgrec.open(folder, overrides=[*TOY, "text.keywords=words.csv"])
    more.train(only=["content"])
    after = more.ranker.scorers["content"].state()["vectors"]
    changed = plain.dataset.item_positions(table["item_id"].to_list())
    assert not np.allclose(before[changed[0]], after[changed[0]])
    item = table["item_id"][0]
    (text,) = more.generate(item=item, kind="summary")
    assert not any(fact.name == "keywords" for fact in text.facts)


def test_what_is_held_out_changes_nothing(folder, tmp_path):
    project = kgrec.open(folder, overrides=TOY)
    project.texts.write_keywords(tmp_path / "a.csv", thin=50)
    project.texts.write_keywords(tmp_path / "b.csv", thin=50)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with pytest.raises(UserError, match="does not exist"):
        project.texts.write_keywords(tmp_path / "none" / "a.csv")


def test_a_file_of_something_else(tmp_path):
    ids = pl.Series(["a", "b"])
    with pytest.raises(DataError, match="no keywords"):
        read_keywords(tmp_path / "none.csv", ids)
    (tmp_path / "k.csv").write_text("id,words\na,b\n", encoding="utf-8")
    with pytest.raises(DataError, match="no keywords"):
        read_keywords(tmp_path / "k.csv", ids)
    (tmp_path / "k.csv").write_text('item_id,keywords\nb,"x, y"\nzz,q\n', encoding="utf-8")
    assert read_keywords(tmp_path / "k.csv", ids) == ["", "x, y"]

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kgrec.errors import CorruptArtifactError
from kgrec.plugin import Domain
from kgrec.testing import toy_dataset
from kgrec.text.item_text import item_texts
from kgrec.text.profile import own_words, profile_texts, user_profile
from kgrec.text.terms import TermIndex
from kgrec.text.tokens import tokenise

DOMAIN = Domain("films", "films")


def index_of(dataset):
    return TermIndex.build(item_texts(dataset, None, None, DOMAIN))


def entities_of(dataset):
    labels = pl.concat_list("genres", "director").alias("labels")
    return dataset.items.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("item"), labels)


def test_english_terms():
    table = tokenise(["The Cat's half-hidden   CAT, a 1999 x 12!", "", "and the"])
    assert table["term"].to_list() == ["cat's", "half-hidden", "cat", "1999"]
    assert table["text"].to_list() == [0, 0, 0, 0]


def test_chinese_terms():
    table = tokenise(["我喜欢太空电影", "iPhone手机的价格"])
    assert table.filter(pl.col("text") == 0)["term"].to_list() == ["太空", "电影"]
    assert table.filter(pl.col("text") == 1)["term"].to_list() == ["iphone", "手机", "价格"]


def test_no_terms():
    assert tokenise([]).height == 0
    assert tokenise(["", "...", None]).height == 0


def test_tf_idf_by_hand():
    index = TermIndex.build(["cat cat dog", "dog bird", "dog", ""], max_share=1.0)
    assert index.terms.to_list() == ["bird", "cat", "dog"]
    idf = np.log(np.array([5 / 2, 5 / 2, 5 / 4]))
    np.testing.assert_allclose(index.idf, idf, rtol=1e-6)
    rows = np.array([[0, (1 + np.log(2)) * idf[1], idf[2]], [idf[0], 0, idf[2]], [0, 0, idf[2]], [0, 0, 0]])
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(index.matrix.toarray(), rows / np.where(norms > 0, norms, 1), rtol=1e-5)


def test_common_and_rare_terms_are_left_out():
    texts = ["cat dog", "cat bird", "cat bird", "cat"]
    assert TermIndex.build(texts).terms.to_list() == ["bird", "dog"]
    assert TermIndex.build(texts, min_items=2).terms.to_list() == ["bird"]


@pytest.mark.parametrize("texts", [[], [""], ["", "the"]])
def test_an_index_of_nothing(texts, tmp_path):
    index = TermIndex.build(texts)
    assert index.matrix.shape == (len(texts), 0)
    index.save(tmp_path)
    assert TermIndex.load(tmp_path).matrix.shape == (len(texts), 0)


def test_index_round_trip(tmp_path):
    index = index_of(toy_dataset("zh"))
    index.save(tmp_path)
    loaded = TermIndex.load(tmp_path)
    assert loaded.terms.equals(index.terms)
    np.testing.assert_array_equal(loaded.matrix.toarray(), index.matrix.toarray())
    np.testing.assert_array_equal(loaded.idf, index.idf)
    (tmp_path / "terms.safetensors").write_bytes(b"x")
    with pytest.raises(CorruptArtifactError):
        TermIndex.load(tmp_path)


@pytest.mark.parametrize(
    ("language", "taste", "other", "genre"), [("en", "planet", "bread", "Space"), ("zh", "行星", "面包", "太空")]
)
def test_profile_of_a_user(language, taste, other, genre):
    dataset = toy_dataset(language)
    profile = user_profile(dataset, 0, index_of(dataset), entities=entities_of(dataset))
    terms = dict(profile.terms)
    assert taste in list(terms)[:4]
    assert terms.get(other, 0) < terms[taste] / 4
    assert list(terms.values()) == sorted(terms.values(), reverse=True)
    assert sum(terms.values()) <= 1 + 1e-4
    labels = [label for label, _, _ in profile.entities]
    assert genre in labels[:3]
    assert {label: count for label, _, count in profile.entities}[genre] == 5
    times = [recent.time for recent in profile.recent]
    assert times == sorted(times, reverse=True)
    assert len({recent.item for recent in profile.recent}) == len(profile.recent) == 6
    assert profile.own_words.startswith(dataset.users["description"][0])
    assert profile.text.startswith(profile.own_words)
    assert taste in profile.text


def test_profile_of_somebody_unknown():
    dataset = toy_dataset()
    nobody = replace(dataset, interactions=dataset.interactions.filter(pl.col("user") != 1))
    profile = user_profile(nobody, 1, index_of(nobody), entities=entities_of(nobody))
    assert (profile.terms, profile.entities, profile.recent, profile.text) == ([], [], [], "")
    assert profile_texts(nobody, index_of(nobody))[1] == ""


def test_disliked_items_say_nothing():
    dataset = toy_dataset()
    low = dataset.interactions.with_columns(
        pl.when(pl.col("action") == "rate").then(pl.when(pl.col("item") < 8).then(5.0).otherwise(1.0)).alias("value")
    ).filter(pl.col("text").is_null())
    low = replace(dataset, interactions=low, users=dataset.users.with_columns(description=pl.lit(None, pl.String)))
    assert user_profile(low, 15, index_of(low)).terms == []


def test_newer_items_count_more():
    dataset = toy_dataset()
    only = dataset.interactions.filter(pl.col("user") == 0, pl.col("action") == "rate", pl.col("value") >= 4)
    only = only.with_columns(value=pl.lit(5.0, pl.Float32))
    newest = only.reverse()
    index = index_of(dataset)
    described = dataset.users.with_columns(description=pl.lit(None, pl.String))
    forward = user_profile(replace(dataset, interactions=only, users=described), 0, index)
    backward = user_profile(replace(dataset, interactions=newest, users=described), 0, index)
    assert forward.terms != backward.terms
    assert forward.recent[0].item == only["item"][-1]
    assert backward.recent[0].item == only["item"][0]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_users_at_once_equals_one_by_one(language, monkeypatch):
    dataset = toy_dataset(language)
    index = index_of(dataset)
    texts = profile_texts(dataset, index)
    single = [user_profile(dataset, user, index).text for user in range(dataset.n_users)]
    assert texts == single
    monkeypatch.setattr("kgrec.text.profile.USER_BLOCK", 7)
    assert profile_texts(dataset, index) == texts


def test_own_words_newest_first():
    words = own_words(toy_dataset())
    dataset = toy_dataset()
    said = dataset.interactions.filter(pl.col("user") == 0).drop_nulls("text")["text"].to_list()
    assert words[0] == " ".join(dict.fromkeys([dataset.users["description"][0], *reversed(said)]))
    assert "" in own_words(replace(dataset, interactions=dataset.interactions.clear()))


def test_rows_that_are_not_given_leak_nothing():
    dataset = toy_dataset()
    rng = np.random.default_rng(0)
    held_out = pl.Series(rng.random(dataset.interactions.height) < 0.3)
    # What is held out could be anything without a difference.
    spoilt = dataset.interactions.with_columns(
        pl.when(held_out).then(pl.lit("LEAK")).otherwise("text").alias("text"),
        pl.when(held_out).then(pl.lit(99.0)).otherwise("value").cast(pl.Float32).alias("value"),
        pl.when(held_out).then(pl.lit(0)).otherwise("item").cast(pl.UInt32).alias("item"),
    )
    index, entities = index_of(dataset), entities_of(dataset)
    changed = replace(dataset, interactions=spoilt)
    assert profile_texts(changed, index, ~held_out) == profile_texts(dataset, index, ~held_out)
    assert own_words(changed, ~held_out) == own_words(dataset, ~held_out)
    assert profile_texts(changed, index) != profile_texts(dataset, index)
    for user in (0, 7):
        profiles = [user_profile(d, user, index, entities=entities, rows=~held_out) for d in (dataset, changed)]
        assert profiles[0] == profiles[1]


def test_validation_rows_are_left_out_by_default():
    dataset = toy_dataset()
    split = pl.when(pl.col("text").is_not_null()).then(pl.lit("validation")).otherwise("split").alias("split")
    marked = replace(dataset, interactions=dataset.interactions.with_columns(split))
    described = [text or "" for text in dataset.users["description"]]
    assert own_words(marked) == described

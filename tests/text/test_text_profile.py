from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kgrec.errors import NotFoundError
from kgrec.plugin import Domain
from kgrec.testing import toy_dataset
from kgrec.text.item_text import item_texts
from kgrec.text.profile import Profiler, own_words
from kgrec.text.terms import TermIndex
from kgrec.text.tokens import term_table

DOMAIN = Domain("films", "films")


def test_english_terms():
    table = term_table(["The Cat's half-hidden   CAT, a 1999 x 12!", "", "and the"])
    assert table["term"].to_list() == ["cat's", "half-hidden", "cat", "1999"]
    assert table["text"].to_list() == [0, 0, 0, 0]


def test_chinese_terms():
    table = term_table(["我喜欢太空电影", "iPhone手机的价格"])
    assert table.filter(pl.col("text") == 0)["term"].to_list() == ["太空", "电影"]
    assert table.filter(pl.col("text") == 1)["term"].to_list() == ["iphone", "手机", "价格"]


def test_no_terms():
    assert term_table([]).height == 0
    assert term_table(["", "...", None]).height == 0


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


def test_an_index_is_kept_while_the_texts_are_the_same(tmp_path):
    texts = item_texts(toy_dataset("zh"), None, None, DOMAIN)
    file = tmp_path / "cache" / "terms.safetensors"
    built = TermIndex.cached(texts, file)
    expected = TermIndex.build(texts, min_items=2)
    at = file.stat().st_mtime_ns
    for index in (built, TermIndex.cached(texts, file)):
        assert index.terms.equals(expected.terms, check_names=False)
        np.testing.assert_array_equal(index.matrix.toarray(), expected.matrix.toarray())
        np.testing.assert_array_equal(index.idf, expected.idf)
    assert file.stat().st_mtime_ns == at
    other = TermIndex.cached([*texts, "太空"], file)
    assert other.matrix.shape[0] == len(texts) + 1
    file.write_bytes(b"x")  # damaged: built again
    assert TermIndex.cached(texts, file).terms.equals(expected.terms, check_names=False)
    assert [f.name for f in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("texts", [[], [""], ["", "the"]])
def test_an_index_of_nothing(texts, tmp_path):
    for _ in range(2):
        assert TermIndex.cached(texts, tmp_path / "t.safetensors").matrix.shape == (len(texts), 0)


def profiler_of(dataset):
    """Entities are the items' genres and director."""
    labels = pl.concat_list("genres", "director").alias("label")
    pairs = dataset.items.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("item"), labels).explode("label")
    pairs = (
        pairs.drop_nulls()
        .unique(maintain_order=True)
        .with_columns(
            node=pl.col("label").rank("dense").cast(pl.UInt32), relation=pl.lit("has"), key="entity:" + pl.col("label")
        )
    )
    texts = item_texts(dataset, None, None, DOMAIN)
    return Profiler(dataset, lambda: pairs, lambda: TermIndex.build(texts))


def of_kind(profile, *kinds):
    return {one.name: one for one in profile.interests if one.kind in kinds}


@pytest.mark.parametrize(
    ("language", "taste", "other", "genre"), [("en", "planet", "bread", "Space"), ("zh", "行星", "面包", "太空")]
)
def test_profile_of_a_user(language, taste, other, genre):
    dataset = toy_dataset(language)
    user_id = dataset.users["user_id"][0]
    profile = profiler_of(dataset).profile(user_id, limit=40)
    weights = [one.weight for one in profile.interests]
    assert weights == sorted(weights, reverse=True)
    terms = of_kind(profile, "term")
    assert taste in list(terms)[:4]
    assert other not in terms or terms[other].weight < terms[taste].weight / 4
    assert sum(one.weight for one in terms.values()) <= 1 + 1e-9
    entities = of_kind(profile, "entity", "category")
    assert genre in list(entities)[:3]
    assert (entities[genre].count, entities[genre].relation) == (5, "has")
    assert len(entities[genre].evidence) == 3
    assert list(profile.history) == [t.item for t in profile.history.values()]
    assert len(profile.history) == 5
    assert profile.own_words[0] == dataset.users["description"][0]
    assert len(profile.touched_with(entities[genre].key)) == profile.counts[entities[genre].key] == 5


def test_what_is_left_out_on_demand():
    dataset = toy_dataset()
    profiler, user_id = profiler_of(dataset), dataset.users["user_id"][0]
    everything, few = profiler.profile(user_id, limit=40), profiler.profile(user_id, limit=3)
    assert few.interests == everything.interests[:3]
    bare = profiler.profile(user_id, limit=40, terms=False, evidence=False)
    assert [one.name for one in bare.interests] == [one.name for one in everything.interests if one.kind != "term"]
    assert not any(one.evidence for one in bare.interests if one.kind != "words")


def test_profile_of_somebody_unknown():
    dataset = toy_dataset()
    nobody = replace(
        dataset,
        interactions=dataset.interactions.filter(pl.col("user") != 1),
        users=dataset.users.with_columns(description=pl.lit(None, pl.String)),
    )
    profile = profiler_of(nobody).profile(nobody.users["user_id"][1])
    assert (profile.interests, profile.history, profile.own_words) == ((), {}, ())
    with pytest.raises(NotFoundError):
        profiler_of(nobody).profile("nobody at all")


def test_disliked_items_say_nothing():
    dataset = toy_dataset()
    low = dataset.interactions.with_columns(
        pl.when(pl.col("action") == "rate").then(pl.when(pl.col("item") < 8).then(5.0).otherwise(1.0)).alias("value")
    ).filter(pl.col("text").is_null())
    low = replace(dataset, interactions=low)
    assert profiler_of(low).profile(low.users["user_id"][15]).interests == ()


def test_newer_items_count_more():
    dataset = toy_dataset()
    only = dataset.interactions.filter(pl.col("user") == 0, pl.col("action") == "rate", pl.col("value") >= 4)
    only = only.with_columns(value=pl.lit(5.0, pl.Float32))
    forward, backward = (
        profiler_of(replace(dataset, interactions=rows)).profile(dataset.users["user_id"][0])
        for rows in (only, only.reverse())
    )
    assert forward.interests != backward.interests
    assert next(iter(forward.history)) == only["item"][-1]
    assert next(iter(backward.history)) == only["item"][0]


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
    changed = replace(dataset, interactions=spoilt)
    assert own_words(changed, ~held_out) == own_words(dataset, ~held_out)
    marked = [
        replace(
            d, interactions=d.interactions.with_columns(split=pl.when(held_out).then(pl.lit("test")).otherwise("split"))
        )
        for d in (dataset, changed)
    ]
    for user_id in dataset.users["user_id"].gather([0, 7]):
        profiles = [profiler_of(d).profile(user_id) for d in marked]
        assert profiles[0] == profiles[1]
        assert profiler_of(changed).profile(user_id) != profiler_of(dataset).profile(user_id)


def test_validation_rows_are_left_out_by_default():
    dataset = toy_dataset()
    split = pl.when(pl.col("text").is_not_null()).then(pl.lit("validation")).otherwise("split").alias("split")
    marked = replace(dataset, interactions=dataset.interactions.with_columns(split))
    described = [text or "" for text in dataset.users["description"]]
    assert own_words(marked) == described

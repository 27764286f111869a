"""What comes through words of a text: the words' vectors sum to the text's, and the parts still sum to the score."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from kgrec.explain.contributions import decompose, same, through_terms
from kgrec.models.content import Content
from kgrec.models.gnn.scorer import GNN
from kgrec.plugin.protocols import LinearEncoder, TextScorer
from kgrec.ranking.ranker import Ranker
from kgrec.testing import toy_training_data
from kgrec.text.encoders.hashing import HashingEncoder

TEXTS = [f"{'space' if k % 2 else 'garden'} story number{k} of the {'robot' if k % 3 else 'rose'}" for k in range(40)]
MAKERS = {
    "content": lambda: Content(nearest=0.4, neighbours=3, own_words=0.5),
    "mean only": lambda: Content(nearest=0.0),
    "gnn": lambda: GNN(embedding_size=8, epochs=6),
}


@given(st.text(max_size=60))
@settings(max_examples=30, deadline=None)
def test_the_words_sum_to_the_text(text):
    encoder = HashingEncoder(dim=64)
    assert isinstance(encoder, LinearEncoder)
    words, vectors = encoder.terms(text)
    assert len(words) == len(set(words)) == len(vectors)
    np.testing.assert_allclose(vectors.sum(axis=0), encoder.encode([text])[0], atol=1e-5)


def test_words_are_those_of_the_text():
    words, vectors = HashingEncoder().terms("Red robot, red rose!")
    assert words == ["red", "robot", "rose"]
    assert np.linalg.norm(vectors, axis=1).argmax() == 0  # it stands there twice
    assert HashingEncoder().terms("我喜欢科幻电影")[0] == ["我", "喜欢", "科幻电影"]
    assert HashingEncoder().terms("...")[0] == []


@pytest.fixture(scope="module")
def data():
    data = toy_training_data()
    encoder = HashingEncoder(dim=data.item_text.shape[1])
    vectors = encoder.encode(TEXTS[: data.n_items])
    words = encoder.encode(["a robot in space", "", "roses"] * data.n_users)[: data.n_users]
    return replace(data, item_text=vectors, user_text=words)


@pytest.mark.parametrize("name", MAKERS)
def test_the_parts_still_sum_to_the_score(data, name):
    encoder = HashingEncoder(dim=data.item_text.shape[1])
    fitted = MAKERS[name]().fit(data, seed=1)
    scorer = MAKERS[name]().load_state(fitted.state())
    assert isinstance(scorer, TextScorer)
    names = [[f"{kind}{k}" for k in range(n)] for kind, n in zip("ui", data.matrix.shape, strict=True)]
    ranker = Ranker(*names, csr_array(data.matrix.astype(bool)), {name: scorer}, {name: 1.0})
    seen = set()
    for user in range(0, data.n_users, 3):
        parts, (total,) = ranker.split(np.array([user]))
        items = np.arange(data.n_items)
        for item, own in zip(items, decompose(ranker, user, items, parts), strict=True):
            terms = encoder.terms(TEXTS[item])
            assert same(terms[1], data.item_text[item])
            told = through_terms(ranker, user, int(item), parts, own, terms)
            assert sum(p.value for p in told) == pytest.approx(total[item], abs=1e-4)
            labels = {p.label for p in told if p.label}
            assert labels <= set(terms[0])
            seen |= labels
    assert {"space", "robot", "rose"} <= seen


def test_a_word_adds_what_its_vector_times_the_weights_is(data):
    scorer = Content(nearest=0.0, own_words=0.5).fit(data, seed=1)
    encoder = HashingEncoder(dim=data.item_text.shape[1])
    user, item = 0, 3
    words, vectors = encoder.terms(TEXTS[item])
    interest = scorer._means(scorer._history.rows(np.array([user]))) @ scorer._vectors
    interest = interest[0] + 0.5 * scorer._words[user]
    length = np.linalg.norm(data.item_text[item] - scorer._mean)
    total = sum(share.weights for share in scorer.by_text(user, item))
    np.testing.assert_allclose(vectors @ total, vectors @ interest / length, atol=1e-5)
    rest = scorer.score(np.array([user]))[0, item] - data.item_text[item] @ total
    assert rest == pytest.approx(-float(scorer._mean @ interest) / length, abs=1e-5)  # what all texts have in common
    assert len(words) == len(vectors)


def test_another_text_is_not_taken_for_the_one_of_the_training():
    encoder = HashingEncoder(dim=32)
    assert same(encoder.terms(TEXTS[0])[1], encoder.encode(TEXTS[:1])[0])
    assert not same(encoder.terms(TEXTS[0])[1], encoder.encode(TEXTS[1:2])[0])

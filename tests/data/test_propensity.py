"""Propensities and the weights that undo them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kgrec.config import Config, DebiasConfig
from kgrec.data.impressions import as_observed, inverse_propensities, popularity_propensities, times_shown
from kgrec.models.als import ALS
from kgrec.plugin.domain import Domain
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import toy_dataset

COUNTS = npst.arrays(np.int64, 6, elements=st.integers(0, 50))


@given(COUNTS, st.floats(0, 2), st.floats(0.01, 1))
def test_inverse_propensities_by_the_formula(counts, power, clip):
    found = inverse_propensities(counts, DebiasConfig(power=power, clip=clip))
    most = max(counts.max(), 1)
    for n, weight in zip(counts, found, strict=True):
        assert weight == pytest.approx(1 / max((n / most) ** power, clip))
    assert found.max() <= 1 / clip + 1e-9


def test_the_most_popular_item_has_propensity_one_and_power_0_makes_all_alike():
    counts = np.array([100, 25, 4])
    np.testing.assert_allclose(popularity_propensities(counts, 0.5), [1.0, 0.5, 0.2])
    np.testing.assert_allclose(popularity_propensities(counts, 0.0), 1.0)


def test_a_log_of_what_was_shown_goes_before_popularity():
    found = inverse_propensities(np.array([9, 9, 9]), DebiasConfig(power=0.3, clip=0.1), np.array([40, 10, 0]))
    np.testing.assert_allclose(found, [1.0, 4.0, 10.0])
    assert times_shown(toy_dataset(), np.ones(toy_dataset().interactions.height, dtype=bool)) is None


def material(**debias):
    config = Config(debias=DebiasConfig(**debias))
    domain = Domain(name="generic", summary="")
    return prepare(toy_dataset(), config, domain, triples=None, item_text=None, user_text=None, device="cpu")


def test_every_like_is_weighed_alike_in_matrix_and_events_and_the_mean_stays():
    plain, weighed = material(), material(training="ips")
    assert plain.fit.item_weights is None
    for before, after in ((plain.fit, weighed.fit), (plain.everything, weighed.everything)):
        np.testing.assert_array_equal(before.matrix.indices, after.matrix.indices)
        factors = after.matrix.data / before.matrix.data
        np.testing.assert_allclose(factors, after.item_weights[before.matrix.indices], rtol=1e-5)
        assert factors.mean() == pytest.approx(1.0, rel=1e-5)
        counts = np.bincount(before.matrix.indices, minlength=before.n_items)
        most, least = counts.argmax(), np.where(counts > 0, counts, 99).argmin()
        assert after.item_weights[least] > after.item_weights[most]
        np.testing.assert_allclose(after.events.weights, before.events.weights * after.item_weights[after.events.items])
        np.testing.assert_allclose(as_observed(after).data, before.matrix.data, rtol=1e-5)
    np.testing.assert_array_equal(plain.held_out.truth.data, weighed.held_out.truth.data)


def test_training_on_weighed_likes_recommends_less_popular_items():
    popularity = np.bincount(material().fit.matrix.indices, minlength=material().fit.n_items)

    def recommended(data):
        scores = ALS(factors=4, n_seeds=1, iterations=5).fit(data, seed=1).score(np.arange(data.n_users))
        top = np.argsort(-np.nan_to_num(scores, nan=-1e9), axis=1)[:, :8]
        return popularity[top].mean()

    assert recommended(material(training="ips", power=1.0).fit) < recommended(material().fit)

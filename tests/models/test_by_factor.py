"""Few users are scored from a second copy of the vectors, with the same result."""

import numpy as np
import pytest

from kgrec.models import factors
from kgrec.models.factors import ByFactor


@pytest.mark.parametrize("n_users", [0, 1, factors.FEW, factors.FEW + 1])
@pytest.mark.parametrize("small", [0, factors.SMALL])
def test_scores_are_the_products(monkeypatch, n_users, small):
    monkeypatch.setattr(factors, "SMALL", small)
    rng = np.random.default_rng(n_users)
    users, items = (rng.standard_normal((n, 7)).astype(np.float32) for n in (n_users, 50))
    vectors = ByFactor(items)
    for _ in range(2):
        found = vectors.scores(users)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, users.astype(np.float64) @ items.T, rtol=1e-4, atol=1e-5)
    found[:] = 0  # the caller may write to it
    np.testing.assert_allclose(vectors.scores(users), users @ items.T, rtol=1e-4, atol=1e-5)

"""Work by blocks is the work of one process, to the last bit."""

import numpy as np
import pytest
from scipy.sparse import random_array

from kgrec.models.factors import factorise
from kgrec.workers import InProcess


class Several(InProcess):
    """Counts as several workers, and works here."""

    def __init__(self, count):
        self.count = count


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("alpha", [1.0, 7.5])
def test_factors_by_blocks_are_those_of_implicit(count, alpha):
    rng = np.random.default_rng(3)
    rows = random_array((120, 45), density=0.1, rng=rng, dtype=np.float32).tocsr()
    settings = {"factors": 12, "regularization": 3.0, "alpha": alpha, "iterations": 4}
    whole = factorise(rows, **settings, rng=np.random.default_rng(8))
    parts = factorise(rows, **settings, rng=np.random.default_rng(8), workers=Several(count))
    for one, other in zip(whole, parts, strict=True):
        assert one.tobytes() == other.tobytes()
        assert one.any()

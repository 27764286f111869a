"""Accuracy metrics: against pytrec-eval where it has them, else against the definition written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.sparse import csr_array

from kgrec.evaluate.metrics import accuracy, auc
from kgrec.models.top_k import top_k

N_ITEMS = 9
SCORES = npst.arrays(np.float32, (4, N_ITEMS), elements=st.floats(0, 1, width=32), unique=True)
TRUTH = npst.arrays(np.bool_, (4, N_ITEMS))
TREC = {"ndcg": "ndcg_cut", "recall": "recall", "precision": "P", "map": "map_cut", "hit": "success"}


@given(SCORES, TRUTH, st.integers(1, N_ITEMS))
def test_accuracy_equals_trec(scores, truth, k):
    pytrec_eval = pytest.importorskip("pytrec_eval")
    top, _ = top_k(scores, k)
    found = accuracy(top, csr_array(truth), [k])
    # pytrec-eval leaves out users without a relevant item, and takes reciprocal rank over the whole run.
    relevant = {f"u{u}": {f"i{i}": int(r) for i, r in enumerate(row)} for u, row in enumerate(truth)}
    run = {f"u{u}": {f"i{i}": float(k - place) for place, i in enumerate(row)} for u, row in enumerate(top)}
    measures = {f"{name}.{k}" for name in TREC.values()} | {"recip_rank"}
    expected = pytrec_eval.RelevanceEvaluator(relevant, measures).evaluate(run)
    for user in range(4):
        if not truth[user].any():
            assert all(np.isnan(values[user]) for values in found.values())
            continue
        of_trec = expected[f"u{user}"]
        for ours, theirs in TREC.items():
            assert found[f"{ours}@{k}"][user] == pytest.approx(of_trec[f"{theirs}_{k}"], abs=1e-6), ours
        assert found[f"mrr@{k}"][user] == pytest.approx(of_trec["recip_rank"])
        p, r = of_trec[f"P_{k}"], of_trec[f"recall_{k}"]
        assert found[f"f1@{k}"][user] == pytest.approx(2 * p * r / (p + r) if p + r else 0.0)


@given(
    npst.arrays(np.float32, (3, 7), elements=st.sampled_from([0.0, 0.5, 1.0, -np.inf, np.nan])),
    npst.arrays(np.bool_, (3, 7)),
)
def test_auc_equals_counting_all_pairs(scores, truth):
    found = auc(scores, csr_array(truth))
    for user in range(3):
        ranked = scores[user] != -np.inf
        values = np.where(np.isnan(scores[user]), -1.0, scores[user])
        good, bad = values[ranked & truth[user]], values[ranked & ~truth[user]]
        if not len(good) or not len(bad):
            assert np.isnan(found[user])
        else:
            wins = (good[:, None] > bad).sum() + 0.5 * (good[:, None] == bad).sum()
            assert found[user] == pytest.approx(wins / (len(good) * len(bad)))


def test_short_lists_are_not_rewarded():
    truth = csr_array(np.array([[True, False, False]]))
    found = accuracy(np.array([[0, -1, -1]]), truth, [1, 3])
    assert found["precision@1"][0] == 1
    assert found["precision@3"][0] == pytest.approx(1 / 3)
    assert found["ndcg@3"][0] == 1

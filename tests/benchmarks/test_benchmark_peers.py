import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array


def clicks(n_users, n_items, seed=0):
    return csr_matrix(random_array((n_users, n_items), density=0.15, rng=np.random.default_rng(seed)) > 0, dtype=float)


@pytest.mark.parametrize(("n_users", "n_items"), [(50, 20), (20, 50)], ids=["by items", "by users"])
def test_ease_is_the_closed_form(load, n_users, n_items):
    matrix = clicks(n_users, n_items)
    score, _ = load("peers.models.ease").fit(matrix, {"regularization": 3.0}, 1, None)
    x = matrix.toarray()
    inverse = np.linalg.inv(x.T @ x + 3.0 * np.eye(n_items))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    np.testing.assert_allclose(score(np.arange(n_users)), x @ weights, atol=1e-4)


def test_purchases_can_be_taken_alone(load):
    inputs = load("peers.models.inputs")
    matrix = csr_matrix(np.array([[1.0, 3.0], [2.0, 0.0]]))
    assert inputs.binary(matrix, {}).toarray().tolist() == [[1, 1], [1, 0]]
    assert inputs.binary(matrix, {"least_action": 3}).toarray().tolist() == [[0, 1], [0, 0]]


class Recorded:
    """A peer whose validation figure is its setting."""

    def __init__(self):
        self.fitted = []

    def fit(self, matrix, options, seed, judge):
        self.fitted.append(options["x"])
        return lambda users: options["x"], {"chosen": -options["x"]}


class Judged:
    tune_fit = None

    def judge(self, score):
        return score(None)


def test_the_best_setting_is_taken_with_what_was_chosen_on_the_way(load):
    model = Recorded()
    best, tried = load("peers.worker").tune(model, Judged(), [{"x": 0.2}, {"x": 0.9}, {"x": 0.4}], 1, 60)
    assert best == {"x": 0.9, "chosen": -0.9}
    assert [one["ndcg"] for one in tried] == [0.2, 0.9, 0.4]


def test_tuning_stops_in_time_for_the_last_fit(load, monkeypatch):
    worker = load("peers.worker")
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(worker.time, "process_time", lambda: next(now))
    model = Recorded()
    worker.tune(model, Judged(), [{"x": k} for k in range(20)], 1, 100)
    assert 1 <= len(model.fitted) < 5


def test_every_peer_has_a_module_and_requirements(load):
    environments = load("peers.environments")
    for name, peer in load("peers.registry").PEERS.items():
        assert (environments.REQUIREMENTS / f"{peer.environment}.txt").exists()
        module = environments.REQUIREMENTS.parent / "models" / f"{name}.py"
        text = module.read_text(encoding="utf-8")
        assert "def fit(" in text
        assert "def grid(" in text or "import grid" in text

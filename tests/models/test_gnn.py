"""The GNN keeps the scorer's contract, solves its toys, carries on after a cut, and needs torch only to fit."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from kgrec.models.gnn.scorer import GNN
from kgrec.testing import ScorerContract
from kgrec.testing.toys import TOYS, toy_training_data
from kgrec.types import Profile
from kgrec.workspace import load_arrays, save_arrays

SMALL = {"embedding_size": 16, "epochs": 12}


def checkpointed(file, **options):
    scorer = GNN(**options)
    scorer.checkpoint, scorer.checkpoint_every = file, 3
    return scorer


class TestGNN(ScorerContract):
    solves = ("checkerboard", "graph", "text", "own_words")

    def make(self):
        return GNN(**SMALL)


class TestGNNThreeLayers(ScorerContract):
    def make(self):
        return GNN(**SMALL, n_layers=3, cold_dropout=0.0, id_dropout=0.0)


@pytest.mark.parametrize("data", [toy_training_data(), replace(toy_training_data(), validation=None)])
def test_a_cut_training_continues_to_the_same_result(tmp_path, data):
    users = np.arange(data.n_users)
    options = {**SMALL, "validate_every": 1, "patience": 99, "cold_dropout": 0.2}
    whole = GNN(**options).fit(data, seed=5)

    class Cut(Exception):
        pass

    class Cutting:
        done = 0

        def advance(self, amount=1):
            self.done += amount
            if self.done == 7:
                raise Cut

        def note(self, text):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def task(self, description, total=None):
            return self

        def log(self, message):
            pass

        def measured(self, step, value):
            pass

    file = tmp_path / "gnn.safetensors"
    cut = checkpointed(file, **options)
    cut.progress = Cutting()
    with pytest.raises(Cut):
        cut.fit(data, seed=5)
    assert int(load_arrays(file)["state"][0]) == 6
    continued = checkpointed(file, **options).fit(data, seed=5)
    np.testing.assert_array_equal(continued.score(users), whole.score(users))
    assert continued.best_epoch == whole.best_epoch


def test_another_seed_does_not_continue(tmp_path):
    data = toy_training_data()
    file = tmp_path / "gnn.safetensors"
    checkpointed(file, **SMALL).fit(data, seed=1)
    fresh, other = GNN(**SMALL).fit(data, seed=2), checkpointed(file, **SMALL).fit(data, seed=2)
    np.testing.assert_array_equal(fresh.score(np.arange(4)), other.score(np.arange(4)))


def test_refit_with_the_best_epoch_is_that_epoch():
    data = toy_training_data()
    scorer = GNN(**SMALL, validate_every=1, patience=99).fit(data, seed=3)
    assert 0 <= scorer.best_epoch <= SMALL["epochs"]
    refit = GNN(**{**SMALL, "epochs": scorer.best_epoch}).fit(replace(data, validation=None), seed=3)
    assert refit.best_epoch == scorer.best_epoch
    np.testing.assert_allclose(refit.score(np.arange(4)), scorer.score(np.arange(4)), rtol=1e-5, atol=1e-5)


def test_scoring_a_loaded_state_imports_no_torch(tmp_path):
    file = tmp_path / "state.safetensors"
    save_arrays(file, GNN(**SMALL).fit(toy_training_data(), seed=1).state())
    code = (
        "import sys, numpy as np, pathlib\n"
        "from kgrec.models.gnn.scorer import GNN\n"
        "from kgrec.types import Profile\n"
        "from kgrec.workspace import load_arrays\n"
        "scorer = GNN().load_state(load_arrays(pathlib.Path(sys.argv[1])))\n"
        "assert np.isfinite(scorer.score(np.arange(3))).any()\n"
        "scorer.score_new(Profile(np.array([1]), np.ones(1, np.float32)))\n"
        "scorer.contributions(0, np.array([1, 2]))\n"
        "assert not {'torch', 'torch_geometric'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=True)


def test_a_user_of_the_data_and_a_new_one_with_the_same_likes_differ_by_the_own_vector():
    data = replace(toy_training_data(), user_text=None, validation=None)
    scorer = GNN(**SMALL, id_dropout=0.5).fit(data, seed=1)
    row = data.matrix[[0]]
    new = scorer.score_new(Profile(row.indices.astype(np.int64), row.data))
    parts = scorer.contributions(0, np.arange(data.n_items))
    (from_history,) = [part.values.sum(axis=1) for part in parts if part.kind == "item"]
    known = np.isfinite(new)
    np.testing.assert_allclose(new[known], from_history[known], atol=1e-4)


def test_a_new_user_with_words_only_gets_items_of_these_words():
    toy = TOYS["own_words"]()
    scorer = GNN(**SMALL).fit(replace(toy.data, user_text=None), seed=1)
    words = toy.data.user_text[-1]  # odd taste
    scores = scorer.score_new(Profile(text="…", text_vector=words))
    assert np.nanmin(scores[1::2]) > np.nanmax(scores[0::2])


def test_scores_of_somebody_unknown_are_nan():
    data = toy_training_data()
    scorer = GNN(**SMALL).fit(data, seed=1)
    assert np.isnan(scorer.score(np.array([data.n_users - 1]))).all()
    assert np.isnan(scorer.score(np.array([0]))[0, -1])
    assert np.isnan(scorer.score_new(Profile())).all()


@pytest.mark.parametrize(
    "wrong", [{"n_layers": 0}, {"learning_rate": 0}, {"id_dropout": 1}, {"batch_size": 0}, {"epochs": -1}]
)
def test_unusable_options_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GNN(**wrong)


def test_many_nodes_get_fewer_layers_and_steps(monkeypatch):
    data = toy_training_data()
    assert GNN.grid(data) == [{}]
    monkeypatch.setattr("kgrec.models.gnn.scorer.LARGE", 10)
    assert GNN.grid(data) == [{"n_layers": 2, "epochs": 160}]


def test_threads_are_restored():
    before = torch.get_num_threads()
    GNN(**SMALL, threads=before + 1).fit(toy_training_data(), seed=1)
    assert torch.get_num_threads() == before


def test_sampled_candidates_teach_the_same(monkeypatch):
    monkeypatch.setattr("kgrec.models.gnn.training.MAX_CANDIDATES", 12)
    toy = TOYS["checkerboard"]()
    assert toy.solved_by(GNN(**SMALL).fit(toy.data, seed=1)) == 1.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_solves_the_toys():
    for name in ("checkerboard", "graph", "text"):
        toy = TOYS[name]()
        assert toy.solved_by(GNN(**SMALL).fit(replace(toy.data, device="cuda"), seed=1)) == 1.0

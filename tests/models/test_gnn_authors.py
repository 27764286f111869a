"""A network of an author's own: module, sampler and loss; everything else is the scorer's."""

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.nn import HeteroConv, HGTConv, SAGEConv

from kgrec.errors import PluginError
from kgrec.models.gnn.scorer import GraphScorer
from kgrec.testing import TOYS, ScorerContract, toy_training_data

SMALL = {"embedding_size": 16, "n_layers": 2, "epochs": 8}


class HGT(GraphScorer):
    """The example of the docs."""

    def convolution(self, size, metadata):
        return HGTConv(size, size, metadata, heads=2)


class Dropped(nn.Module):
    """A homogeneous convolution by type, with dropout and running statistics."""

    def __init__(self, size, metadata):
        super().__init__()
        convs = {kind: SAGEConv((size, size), size, bias=False) for kind in metadata[1]}
        self.conv, self.drop = HeteroConv(convs, aggr="sum"), nn.Dropout(0.2)
        self.norms = nn.ModuleDict({kind: nn.BatchNorm1d(size, affine=False) for kind in metadata[0]})

    def forward(self, x, edges):
        return {kind: self.drop(self.norms[kind](found)) for kind, found in self.conv(x, edges).items()}


class Own(GraphScorer):
    """All that an author may give."""

    def convolution(self, size, metadata):
        return Dropped(size, metadata)

    def sample(self, edges, generator):
        kept = {kind: torch.rand(pairs.shape[1], generator=generator) < 0.9 for kind, pairs in edges.items()}
        return {kind: pairs[:, kept[kind]] for kind, pairs in edges.items()}

    def loss(self, scores, asked):
        """BPR against the candidates that score highest."""
        wrong = scores.masked_fill(asked > 0, -torch.inf).amax(1, keepdim=True)
        return -(nn.functional.logsigmoid(scores.masked_fill(asked == 0, 0) - wrong) * asked).sum() / asked.sum()


class TestHGT(ScorerContract):
    solves = ("checkerboard", "graph", "text", "own_words")

    def make(self):
        return HGT(**SMALL)


class TestOwn(ScorerContract):
    solves = ("checkerboard",)

    def make(self):
        return Own(**SMALL, id_dropout=0.0)


def test_a_cut_training_of_a_module_that_draws_ends_as_an_uncut_one(tmp_path):
    class Cut(Exception):
        pass

    data = toy_training_data()
    whole = Own(**SMALL).fit(data, seed=3)
    part = Own(**{**SMALL, "epochs": 8})
    part.checkpoint, part.checkpoint_every = tmp_path / "cut.safetensors", 3
    steps = iter(range(5))
    loss = Own.loss

    class Breaking(Own):
        def loss(self, scores, asked):
            if next(steps, None) is None:
                raise Cut
            return loss(self, scores, asked)

    broken = Breaking(**SMALL)
    broken.checkpoint, broken.checkpoint_every = part.checkpoint, 1
    with pytest.raises(Cut):
        broken.fit(data, seed=3)
    assert part.checkpoint.exists()
    part.fit(data, seed=3)
    users = np.arange(data.n_users)
    np.testing.assert_array_equal(part.score(users), whole.score(users))


def test_without_the_method_it_is_said_what_is_missing():
    with pytest.raises(PluginError, match="convolution"):
        GraphScorer(**SMALL).fit(toy_training_data(), seed=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("cls", [HGT, Own])
def test_on_cuda(cls):
    from dataclasses import replace

    toy = TOYS["checkerboard"]()
    assert toy.solved_by(cls(**SMALL).fit(replace(toy.data, device="cuda"), seed=1)) > 0.9

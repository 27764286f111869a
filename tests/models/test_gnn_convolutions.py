"""Other convolutions of torch_geometric in the GNN, on toys and the bundled samples: scores, states, explanations."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kgrec.errors import ConfigError
from kgrec.models.gnn.graph import Graph, training_graph
from kgrec.models.gnn.layers import ConvStack, Start
from kgrec.models.gnn.scorer import GNN
from kgrec.models.history import History
from kgrec.plugin.manager import Spec
from kgrec.plugin.protocols import PartlySplitScorer
from kgrec.project import open_project
from kgrec.ranking.training_inputs import prepare
from kgrec.testing import ScorerContract, toy_training_data
from kgrec.types import Profile

CONVS = ("sage", "gat", "rgcn", "hgt")
SMALL = {"embedding_size": 16, "n_layers": 2, "epochs": 8}
SAMPLES = Path(__file__).parents[2] / "graphs" / "samples"


class ConvContract(ScorerContract):
    conv = ""
    solves = ("checkerboard", "graph", "text", "own_words")

    def make(self):
        return GNN(conv=self.conv, **SMALL)


class TestSAGE(ConvContract):
    conv = "sage"


class TestGAT(ConvContract):
    conv = "gat"


class TestRGCN(ConvContract):
    conv = "rgcn"


class TestHGT(ConvContract):
    conv = "hgt"


@pytest.fixture(scope="module", params=["ecommerce", "news", "video"])
def sample(request, tmp_path_factory):
    """The training data of a bundled sample, with its graph and texts."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(SAMPLES / request.param, folder, dirs_exist_ok=True)
    project = open_project(folder, overrides=["text.encoder=hashing", "graph.store=false"])
    project.build_graph()
    project.train(device="cpu", only=["popularity"])
    texts = project.text_vectors
    inputs = prepare(
        project.dataset,
        project.config,
        project.domain,
        triples=project.graph.triples(),
        item_text=texts.items,
        user_text=texts.users,
        device="cpu",
    )
    return inputs.fit


@pytest.mark.parametrize("conv", CONVS)
def test_on_a_sample(sample, conv):
    scorer = GNN(**{**SMALL, "conv": conv, "epochs": 2, "validate_every": 1}).fit(sample, seed=1)
    users = np.flatnonzero(np.diff(sample.matrix.indptr))[:20]
    scores = scorer.score(users)
    assert np.isfinite(scores).all()  # items without likes have texts and entities
    likes = np.asarray(sample.matrix[users].todense()) > 0
    assert np.mean(scores[likes]) > np.mean(scores[~likes])
    assert scorer.best_metric > 0
    loaded = GNN(**{**SMALL, "conv": conv}).load_state(scorer.state())
    np.testing.assert_array_equal(loaded.score(users), scores)
    row = sample.matrix[[int(users[0])]]
    profile = Profile(row.indices.astype(np.int64), row.data)
    new, parts = scorer.score_new(profile), scorer.contributions_new(profile, np.arange(sample.n_items))
    np.testing.assert_allclose(sum(part.values.sum(axis=1) for part in parts), new, atol=1e-3)
    (from_history,) = [part for part in parts if part.kind == "item"]
    assert set(from_history.sources.tolist()) <= set(profile.items.tolist())


@pytest.mark.parametrize("conv", ["linear", *CONVS])
def test_what_is_not_told_is_said(conv):
    data = toy_training_data()
    scorer = GNN(conv=conv, **SMALL).fit(data, seed=1)
    assert isinstance(scorer, PartlySplitScorer)
    told = bool(scorer.through_entities(0, 2)), bool(scorer.by_text(0, 2)), scorer.not_told() == ""
    assert told == (conv == "linear",) * 3
    assert conv == "linear" or conv in scorer.not_told()


@pytest.mark.parametrize("conv", CONVS)
def test_hidden_entries_carry_nothing(conv):
    data = toy_training_data()
    graph = Graph.of(training_graph(History.of(data.matrix).matrix, data.triples))
    stack = ConvStack(conv, graph, 8, n_layers=2, seed=3)
    x = torch.randn(graph.n_nodes, 8, generator=torch.Generator().manual_seed(0))
    start = Start(x, torch.ones(graph.n_users + graph.n_items, 1))
    item = graph.n_users + int(np.argmax(np.diff(data.matrix.tocsc().indptr)))
    mask = torch.ones(len(graph.indices))
    mask[(graph.indices == item) | (graph.rows == item)] = 0
    whole, hidden = stack(start).mean, stack(start, mask).mean
    assert not torch.allclose(whole[: graph.n_users], hidden[: graph.n_users])
    other = x.clone()
    other[item] += 1.0
    changed = stack(Start(other, start.kept), mask).mean
    same = torch.arange(len(changed)) != item
    torch.testing.assert_close(changed[same], hidden[same])


def test_an_unknown_convolution_is_named_with_those_there_are():
    spec = Spec("gnn", "kgrec.models.gnn.scorer:GNN", "")
    with pytest.raises(ConfigError, match="conv must be 'linear', 'sage', 'gat', 'rgcn' or 'hgt', not 'transformer'"):
        spec.build({"conv": "transformer"}, table="scorers.gnn")


def test_trained_recommended_and_explained(tmp_path):
    shutil.copytree(SAMPLES / "video", tmp_path, dirs_exist_ok=True)
    options = ["text.encoder=hashing", "graph.store=false", "scorers.gnn.conv=sage", "scorers.gnn.epochs=2"]
    project = open_project(tmp_path, overrides=options)
    project.build_graph()
    project.train(device="cpu", only=["gnn"])
    user = project.dataset.users["user_id"][0]
    item = project.recommend(user, 1).item_ids[0]
    found = project.explain(user, item)
    assert any(cause.kind == "item" for cause in found.contributions)
    assert found.notes == (f"gnn: {project.ranker.scorers['gnn'].not_told()}",)
    assert sum(cause.value for cause in found.contributions) == pytest.approx(found.score, abs=1e-3)
    code = (
        "import sys\nfrom kgrec.cli.app import main\n"
        f"assert main(['explain', {user!r}, {item!r}, '-w', sys.argv[1], '--format', 'json']) == 0\n"
        "assert not {'torch', 'torch_geometric'} & set(sys.modules)\n"
    )
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True)
    assert json.loads(said.stdout)[0]["notes"] == list(found.notes)

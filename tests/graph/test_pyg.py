"""The graph as HeteroData: nodes, edges, features, likes and what of them is held out."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import kgrec
from kgrec.data.dataset import Dataset
from kgrec.testing import toy_workspace

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("toy"))
    project = kgrec.open(folder, overrides=["graph.store=false", "text.encoder=hashing"])
    project.build_graph()
    return project


def edges(data, head, name, tail):
    """Return an edge type's pairs of keys."""
    pairs = data[head, name, tail].edge_index.T.tolist()
    return {(data[head].key[a], data[tail].key[b]) for a, b in pairs}


def test_nodes_and_edges_are_those_of_the_graph(project):
    data, graph = project.graph.to_pyg(), project.graph
    assert data.validate()
    assert data["user"].key == project.dataset.users["user_id"].to_list()
    assert data["item"].key == project.dataset.items["item_id"].to_list()
    entities = graph.nodes.filter(pl.col("kind") == "entity")
    assert data["entity"].key == entities["key"].to_list()
    assert [data["entity"].type_names[k] for k in data["entity"].type.tolist()] == entities["type"].to_list()
    named = graph.edges.join(graph.nodes.with_row_index("head").select("head", "key", "kind"), on="head")
    named = named.join(graph.nodes.with_row_index("tail").select("tail", tail_key="key", tail_kind="kind"), on="tail")
    names = graph.relations["name"]
    for (head, relation, tail), rows in named.group_by("kind", "relation", "tail_kind"):
        found = edges(data, head, names[relation], tail)
        assert found == set(rows.select("key", "tail_key").iter_rows())
        assert data[head, names[relation], tail].edge_weight.dtype == torch.float32
    n_types = named.select("kind", "relation", "tail_kind").n_unique()
    assert len(data.edge_types) == n_types + 1  # and the likes


def test_likes_are_split_as_training_splits_them(project):
    data = project.graph.to_pyg()
    likes = data["user", "likes", "item"]
    masks = torch.stack([likes.train_mask, likes.val_mask, likes.test_mask]).int()
    assert masks.sum(0).eq(1).all()
    assert likes.val_mask.any()
    held_out = set(map(tuple, likes.edge_index[:, likes.val_mask].T.tolist()))
    for head, name, tail in data.edge_types:
        if (head, tail) == ("user", "item") and name != "likes":
            store = data[head, name, tail]
            pairs = list(map(tuple, store.edge_index.T.tolist()))
            assert store.val_mask.tolist() == [pair in held_out for pair in pairs]
            assert (store.train_mask ^ store.val_mask).all()
            assert store.time.shape == (len(pairs),)


def test_rows_marked_as_test_are_likes_only(tmp_path):
    folder = toy_workspace(tmp_path)
    project = kgrec.open(folder, overrides=["graph.store=false", "text.encoder=hashing"])
    project.build_graph()
    users, items = project.dataset.users["user_id"], project.dataset.items["item_id"]
    known = set(project.dataset.interactions.select("user", "item").iter_rows())
    new = next((u, i) for u in range(len(users)) for i in range(len(items)) if (u, i) not in known)
    row = project.dataset.interactions.head(1).with_columns(
        user=pl.lit(new[0], pl.UInt32), item=pl.lit(new[1], pl.UInt32), split=pl.lit("test", pl.Categorical)
    )

    whole = Dataset.load(project.workspace.folder("dataset"))
    replace(whole, interactions=pl.concat([whole.interactions, row])).save(project.workspace.folder("dataset"))
    data = project.graph.to_pyg()
    likes = data["user", "likes", "item"]
    assert likes.edge_index[:, likes.test_mask].T.tolist() == [list(new)]
    others = [data[kind] for kind in data.edge_types if kind[0] == "user" and kind[2] == "item" and kind[1] != "likes"]
    assert all(list(new) not in store.edge_index.T.tolist() for store in others)


def test_texts_are_features_after_training(project):
    assert "x" not in project.graph.to_pyg()["item"]
    project.train(only=["popularity"])
    data = project.graph.to_pyg()
    np.testing.assert_array_equal(data["item"].x, project.text_vectors.items)
    np.testing.assert_array_equal(data["user"].x, project.text_vectors.users)


def test_torch_is_imported_only_by_the_call(project):
    code = (
        "import sys, kgrec\nproject = kgrec.open(sys.argv[1])\nproject.graph.stats()\n"
        "assert not {'torch', 'torch_geometric'} & set(sys.modules)\n"
        "project.graph.to_pyg()\nassert 'torch_geometric' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(project.workspace.root)], check=True)

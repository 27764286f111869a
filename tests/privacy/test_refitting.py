"""After a person is forgotten, models are as if the person had never been there: stated and checked per scorer."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import kgrec
from kgrec.config import Config
from kgrec.plugin.manager import load_plugins
from kgrec.ranking.fitting import Fitter
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.refitting import refit_ranker
from kgrec.ranking.training_inputs import HeldOut, TrainingInputs
from kgrec.testing import toy_training_data

REGISTRY = load_plugins().registry("scorer")
# All that a search would look for is given: what is forgotten keeps the settings that were found.
OPTIONS = {
    "popularity": {},
    "item-knn": {"shrinkage": 3.0, "neighbours": 100, "weighting": "none"},
    "ease": {"regularization": 5.0, "dropout": 0.0, "graph_weight": 0.0, "text_weight": 0.0},
    "als": {"factors": 4, "iterations": 4, "n_seeds": 1},
}


def inputs_of(likes):
    """Return what training works on for a 0/1 matrix."""
    matrix = csr_array(likes.astype(np.float32))
    users, items = matrix.nonzero()
    data = toy_training_data()
    ones = np.ones(len(users), dtype=np.float32)
    events = replace(
        data.events,
        users=users.astype(np.int64),
        items=items.astype(np.int64),
        actions=np.zeros(len(users), dtype=np.int64),
        values=ones,
        weights=ones,
        times=None,
    )
    data = replace(data, matrix=matrix, events=events, triples=None, item_text=None, user_text=None)
    ids = [[f"{kind}{k}" for k in range(n)] for kind, n in zip("ui", likes.shape, strict=True)]
    none = HeldOut(np.zeros(0, dtype=np.int64), matrix[:0], matrix[:0])
    return TrainingInputs(data, data, none, matrix.astype(np.bool_), *ids)


def trained(inputs):
    fitter = Fitter(Config())
    scorers = {n: fitter.fit(REGISTRY[n], o, inputs.everything, "all")[0] for n, o in OPTIONS.items()}
    summary = {"scorers": {name: {"options": options} for name, options in OPTIONS.items()}}
    weights = dict.fromkeys(OPTIONS, 1 / len(OPTIONS))
    return Ranker(inputs.user_ids, inputs.item_ids, inputs.seen, scorers, weights, summary)


@st.composite
def logs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    users, items = draw(st.integers(3, 12)), draw(st.integers(3, 9))
    likes = rng.random((users, items)) < draw(st.floats(0.2, 0.7))
    likes[np.arange(users), rng.integers(0, items, users)] = True
    return likes, draw(st.integers(0, users - 1))


@given(logs())
@settings(max_examples=8)
def test_models_are_those_of_a_training_without_the_person(log):
    likes, who = log
    without = np.delete(likes, who, axis=0)
    ranker, report = refit_ranker(trained(inputs_of(likes)), inputs_of(without), REGISTRY, Fitter(Config()))
    assert report.exact == tuple(OPTIONS)
    assert ranker.seen.shape == without.shape
    counts = likes.sum(axis=0) - likes[who]  # the Gram matrix, and its diagonal, less the person's rows
    x = likes[who].astype(np.float64)
    gram = likes.T.astype(np.float64) @ likes - np.outer(x, x)
    everyone = np.arange(len(without))
    np.testing.assert_allclose(ranker.scorers["popularity"].score(everyone[:1])[0], np.log1p(counts), rtol=1e-5)
    inverse = np.linalg.inv(gram + 5.0 * np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    known = counts > 0
    ease = ranker.scorers["ease"].score(everyone)
    np.testing.assert_allclose(ease[:, known], (without @ weights)[:, known], atol=2e-4)
    assert np.isnan(ease[:, ~known]).all()
    afresh = trained(inputs_of(without))
    for name in OPTIONS:
        np.testing.assert_array_equal(ranker.scorers[name].score(everyone), afresh.scorers[name].score(everyone))


@pytest.mark.parametrize("seed", [0])
def test_a_workspace_is_as_if_the_person_had_never_been_in_its_files(tmp_path, seed):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 14, 160), rng.integers(0, 9, 160)
    log = pl.DataFrame({"user_id": [f"person-{u}" for u in users], "item_id": [f"thing-{i}" for i in items]}).unique(
        maintain_order=True
    )
    only_theirs = pl.DataFrame({"user_id": ["person-3"], "item_id": ["thing-of-their-own"]})
    log = pl.concat([log, only_theirs])
    names = ["popularity", "item-knn", "ease"]  # the start of ALS is drawn in the order of the numbering
    scores, pinned = {}, {}
    for name, rows in (("with", log), ("without", log.filter(pl.col("user_id") != "person-3"))):
        folder = tmp_path / name
        folder.mkdir()
        rows.write_csv(folder / "log.csv")
        toml = '[[data.interactions]]\npath = "log.csv"\n[fusion]\nmethod = "equal"\n'
        for scorer, options in pinned.items():  # what the first training chose
            lines = (f"{k} = {json.dumps(v)}\n" for k, v in options.items() if v is not None)
            toml += f"[scorers.{scorer}]\n" + "".join(lines)
        (folder / "kgrec.toml").write_text(toml)
        project = kgrec.open(folder)
        project.build_graph()
        project.train(only=names)
        if name == "with":
            assert project.privacy().forget("person-3").complete
            project.unload()
            assert "thing-of-their-own" not in project.ranker.item_ids
            found = project.ranker.summary["scorers"]
            pinned = {n: REGISTRY[n].load().Options(**found[n]["options"]).model_dump() for n in names}
        ranker = project.ranker
        order = np.argsort(ranker.item_ids)
        who = [ranker.user_positions[user] for user in sorted(ranker.user_ids)]
        scores[name] = {n: s.score(np.array(who))[:, order] for n, s in ranker.scorers.items()}
    for scorer, found in scores["without"].items():
        np.testing.assert_allclose(scores["with"][scorer], found, atol=1e-5, err_msg=scorer)

"""The feedback loop: what people would click, what a click changes, how the figures of all rounds are put together."""

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import kgrec
from kgrec.cli.app import main
from kgrec.evaluate.plan import SimulationPlan
from kgrec.evaluate.simulate import ClickModel, World, clicked, examined, figures, over_seeds, overlap
from kgrec.testing import toy_training_data, toy_workspace


def command(*words):
    streams = [TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main([str(word) for word in words])
    return code, *(stream.buffer.getvalue().decode() for stream in streams)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = toy_workspace(tmp_path_factory.mktemp("loop") / "toy")
    overrides = ["text.encoder=hashing", "linking.enabled=false"]
    kgrec.open(folder, overrides=overrides).build_graph()
    return folder


def test_a_click_model_of_full_rank_gives_back_the_likes():
    likes = csr_array(np.random.default_rng(0).random((12, 9)) < 0.4).astype(np.float32)
    people = ClickModel.of(likes, np.random.default_rng(1), rank=9)
    items = np.tile(np.arange(9), (12, 1))
    np.testing.assert_allclose(people.chance(np.arange(12), items), likes.toarray(), atol=1e-5)
    assert people.chance(np.array([3]), np.array([[-1, 2]]))[0, 0] == 0


def test_people_look_at_the_top_more():
    assert examined(4).tolist() == [1, 1 / 2, 1 / 3, 1 / 4]
    assert examined(3, eta=0.0).tolist() == [1, 1, 1]


@given(
    st.integers(2, 6).flatmap(
        lambda u: st.lists(st.permutations(range(7)).map(lambda p: p[:3]), min_size=u, max_size=u)
    )
)
def test_overlap_is_the_mean_over_pairs(lists):
    expected = np.mean([len(set(a) & set(b)) / 3 for a, b in combinations(lists, 2)])
    assert overlap(np.array(lists), 7) == pytest.approx(expected)


def test_a_click_becomes_a_like_later_than_all_else():
    data = toy_training_data()
    free = np.argwhere(data.matrix.toarray() == 0)[:2]
    users, items = free[:, 0], free[:, 1]
    after = clicked(data, users, items)
    grown = after.matrix.toarray() - data.matrix.toarray()
    assert grown[users, items].tolist() == [1, 1]
    assert grown.sum() == pytest.approx(2)
    assert after.events.items[-2:].tolist() == items.tolist()
    if after.events.times is not None:
        assert (after.events.times[-2:] > data.events.times.max()).all()
    weighed = clicked(replace(data, item_weights=np.full(data.n_items, 2.0, np.float32)), users, items)
    assert weighed.matrix.toarray()[users, items].tolist() == [2, 2]
    assert clicked(data, users[:0], items[:0]) is data


def test_figures_of_a_round():
    start = csr_array(np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]] * 8, dtype=np.float32))
    world = World(
        ClickModel(np.zeros((24, 1), np.float32), np.zeros((4, 1), np.float32)),
        np.arange(24),
        start,
        groups={"gender": pl.Series(["f", "m"] * 12), "tiny": pl.Series(["a"] + ["b"] * 23)},
        k=2,
    )
    clicks = np.tile([0.5, 0.1], 12)
    found = figures(world, np.tile([[0, 3]], (24, 1)), clicks)
    assert found["clicks"] == pytest.approx(0.3)
    assert found["popularity"] == pytest.approx(12)  # 24 users like item 0, nobody likes item 3
    assert found["bestsellers"] == 0.5
    assert found["coverage"] == 0.5
    assert found["overlap"] == 1
    assert found["gap gender"] == pytest.approx(0.4)
    assert "gap tiny" not in found


def test_seeds_are_put_together_with_intervals():
    means, intervals = over_seeds({"plain": [{"clicks": [1.0, 2.0]}, {"clicks": [3.0, 2.0]}]})
    assert means["plain"]["clicks"] == (2.0, 2.0)
    (low, high), same = intervals["plain"]["clicks"]
    assert (low + high) / 2 == pytest.approx(2)
    assert high - 2 == pytest.approx(12.7062, rel=1e-4)  # t of one degree of freedom, times a standard error of 1
    assert same == (2.0, 2.0)
    assert over_seeds({"plain": [{"clicks": [1.0]}]})[1]["plain"]["clicks"] == (None,)


def test_the_loop_from_the_command_line(workspace, tmp_path):
    out = tmp_path / "loop.json"
    words = ["--only", "popularity,ease", "--rerank", "popularity:0.9", "--rounds", "3", "-n", "4", "--seeds", "1,2"]
    settings = ["--set", "text.encoder=hashing"]
    code, shown, err = command(
        "simulate", "-w", workspace, *words, *settings, "--out", out, "--html", tmp_path / "loop.html"
    )
    assert code == 0, err
    assert "kgrec simulate --rounds 3" in (tmp_path / "loop.html").read_text(encoding="utf-8")
    code, kept, err = command("runs", "show", "-w", workspace)
    assert code == 0, err
    assert "popularity:0.9" in kept
    assert "popularity:0.9" in shown
    (document,) = json.loads(out.read_text(encoding="utf-8"))
    assert document["rounds"] == [1, 2, 3]
    assert list(document["systems"]) == ["without re-ranking", "popularity:0.9"]
    for system, figures_ in document["systems"].items():
        for name, values in figures_.items():
            assert len(values) == 3
            for value, (low, high) in zip(values, document["intervals"][system][name], strict=True):
                assert low <= value <= high
    plain, changed = document["systems"].values()
    assert changed["popularity"][0] < plain["popularity"][0]
    plan = SimulationPlan(3, 4, (1, 2), only=("popularity", "ease"), rerank=("popularity:0.9",))
    again = kgrec.open(workspace, overrides=["text.encoder=hashing"]).simulate(plan)
    assert again.record.to_dict()["systems"] == document["systems"], "the same seeds, the same rounds"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--rounds", "0"], 2, "1"),
        (["--rerank", "rech:0.2"], 3, "reach"),
        (["--only", ","], 2, "--only"),
        (["--out", "loop.csv"], 2, "FILE.json"),
        (["--html", "loop.pdf"], 2, "FILE.html"),
        (["--seeds", "one"], 2, "--seeds"),
    ],
)
def test_mistakes_are_told(workspace, words, code, told):
    got, _, err = command("simulate", "-w", workspace, *words)
    assert got == code, err
    assert told in err

"""What a part of somebody else's plugin does wrong is said to be its fault, and costs no more than it must."""

import contextlib
import os
import subprocess
import sys
import types
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from kgrec.errors import ConfigError, ModelError, PartError
from kgrec.generate.writer import Writer
from kgrec.plugin import Spec, hookimpl
from kgrec.plugin.contained import Owner, contained, owner_of
from kgrec.plugin.manager import load_plugins
from kgrec.plugin.protocols import NewUserScorer, Scorer, StreamingModel
from kgrec.project import open_project
from kgrec.testing import toy_request, toy_training_data, toy_workspace

OWNER = Owner("scorer", "fragile", "1.0", "kgrec-fragile")


class Fragile:
    """A scorer that fails as it is told."""

    made: object = None

    def __init__(self, *, fault: str = "") -> None:
        if fault == "init":
            raise RuntimeError("no licence")
        self.fault = fault

    @property
    def broken(self):
        raise KeyError("broken")

    @classmethod
    def unusable(cls, data):
        raise ZeroDivisionError("unusable")

    def fit(self, data, *, seed):
        if self.fault == "fit":
            raise IndexError("out of range")
        self.n_items = data.n_items
        return self

    def helper(self):
        raise ValueError("caught inside")

    def score(self, users):
        with contextlib.suppress(ValueError):  # its own affair: it must see its own error
            self.helper()
        shape = (len(users), self.n_items)
        odd = {
            "rows": np.zeros((len(users) + 1, self.n_items), dtype=np.float32),
            "list": [[0.0]],
            "ints": np.zeros(shape, dtype=np.int64),
            "infinite": np.full(shape, np.inf, dtype=np.float32),
        }
        return odd.get(self.fault, np.zeros(shape, dtype=np.float32))

    def score_new(self, profile):
        return np.zeros((1, 1), dtype=np.float32)

    def state(self):
        return {}

    def load_state(self, state):
        return self

    def stream(self):
        yield "a"
        raise OSError("cut off")


def made(fault=""):
    return contained(Fragile, "fragile", OWNER)(fault=fault)


def test_a_contained_part_is_still_what_it_is():
    part = made().fit(toy_training_data(), seed=1)
    assert isinstance(part, Scorer)
    assert isinstance(part, NewUserScorer)
    assert isinstance(part, Fragile)
    assert not isinstance(part, StreamingModel)
    assert type(part).__name__ == "Fragile"
    assert owner_of(part) == OWNER
    assert owner_of(Fragile()) is None
    assert part.score(np.arange(3)).shape == (3, part.n_items)


@pytest.mark.parametrize(
    ("call", "method", "told"),
    [
        (lambda part: part.fit(toy_training_data(), seed=1), "fit", "IndexError: out of range"),
        (lambda part: part.broken, "broken", "KeyError"),
        (lambda part: type(part).unusable(None), "unusable", "ZeroDivisionError"),
        (lambda part: list(part.stream()), "stream", "OSError: cut off"),
        (lambda part: part.helper(), "helper", "ValueError"),
    ],
)
def test_an_error_names_part_plugin_version_and_method(call, method, told):
    with pytest.raises(PartError) as caught:
        call(made("fit"))
    assert caught.value.message.startswith(f"scorer 'fragile' of plugin fragile 1.0 failed in {method}: {told}")
    assert "KGREC_DISABLE=fragile" in caught.value.hint


@pytest.mark.parametrize("fault", ["rows", "list", "ints", "infinite"])
def test_scores_of_the_wrong_shape_or_type_are_told_where_they_are_made(fault):
    part = made(fault).fit(toy_training_data(), seed=1)
    with pytest.raises(PartError, match="failed in score"):
        part.score(np.arange(2))
    with pytest.raises(PartError, match="failed in score_new"):
        part.score_new(None)


def entry(monkeypatch, **hooks):
    module = types.ModuleType("fragile_plugin")
    for name, value in hooks.items():
        setattr(module, name, hookimpl(value) if callable(value) else value)
    module.Fragile = Fragile
    monkeypatch.setitem(sys.modules, "fragile_plugin", module)
    return EntryPoint("fragile", "fragile_plugin", "kgrec")


def scorers():
    return [Spec("fragile", "fragile_plugin:Fragile", "fails")]


def test_specs_of_others_are_contained_and_those_of_kgrec_are_not(monkeypatch):
    def kgrec_scorers():
        return scorers()

    manager = load_plugins([entry(monkeypatch, kgrec_scorers=kgrec_scorers)])
    registry = manager.registry("scorer")
    assert owner_of(registry["fragile"].build()).plugin == "fragile"
    assert owner_of(registry["popularity"].build()) is None
    with pytest.raises(PartError, match="its constructor: RuntimeError: no licence"):
        registry["fragile"].build({"fault": "init"})
    with pytest.raises(ConfigError):
        registry["fragile"].build({"wrong": 1})


@pytest.mark.parametrize("target", ["fragile_plugin:Fragile", "no_such_module:Fragile"])
def test_a_scorer_that_fails_is_left_out_of_a_training_and_the_others_go_on(monkeypatch, tmp_path, target):
    def kgrec_scorers():
        return [Spec("fragile", target, "fails")]

    manager = load_plugins([entry(monkeypatch, kgrec_scorers=kgrec_scorers)])
    monkeypatch.setattr(Fragile, "unusable", classmethod(lambda cls, data: ""))
    overrides = ["text.encoder=hashing", 'scorers.fragile.fault="fit"']
    project = open_project(toy_workspace(tmp_path / "toy"), overrides=overrides, manager=manager)
    project.build_graph()
    report = project.train(only=["popularity", "fragile"])
    (left,) = [each for each in report.scorers if each.skipped]
    assert "scorer 'fragile' of plugin fragile failed in" in left.skipped
    assert project.recommend("u00").item_ids


def test_a_plugin_for_another_contract_is_not_in_use(monkeypatch):
    manager = load_plugins([entry(monkeypatch, contract=2)])
    (broken,) = manager.broken()
    assert "contract 2" in broken.error
    assert not load_plugins([entry(monkeypatch, contract=1)]).broken()


def test_a_guard_that_fails_refuses_the_text_and_a_generator_that_fails_leaves_it_to_the_template():
    class Guard:
        def check(self, request, facts, text):
            raise RuntimeError("guard down")

    class Generator:
        def write(self, requests, *, model, seed):
            raise RuntimeError("generator down")

    class Template:
        def write(self, requests, *, model, seed):
            return ["A film by Ada." for _ in requests]

    guard = contained(Guard, "mine", Owner("guard", "fragile"))()
    generator = contained(Generator, "mine", Owner("generator", "fragile"))()
    request = toy_request("en")
    writer = Writer([guard], generator=generator, name="mine", template=Template())
    (text,) = writer.write([request], seed=1)
    assert text.fallback
    assert "generator 'mine' of plugin fragile failed in write" in text.note
    assert [v.guard for v in writer.check(request, "anything")] == ["broken"]
    assert issubclass(ModelError, Exception)


def test_a_trace_tells_calls_with_owner_and_time():
    code = (
        "from kgrec.plugin.manager import load_plugins; import numpy as np\n"
        "from kgrec.testing import toy_training_data\n"
        "load_plugins([]).registry('scorer')['popularity'].build().fit(toy_training_data(), seed=1).score(np.arange(2))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "KGREC_TRACE": "1"}, capture_output=True, text=True, check=True
    )
    assert "kgrec: scorer popularity: fit" in done.stderr
    assert " ms" in done.stderr

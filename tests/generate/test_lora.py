"""Tuning a tiny model: it learns, goes on where it stopped, and refuses what it cannot use."""

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrec.errors import CorruptArtifactError, DataError, MissingExtraError, ModelError, UsageError
from kgrec.generate.lora.pairs import TextPair, part_of, shortened, split_items, without_leaks
from kgrec.generate.lora.settings import LoraSettings
from kgrec.generate.models.tuned import TunedModel
from kgrec.languages.language import get_language
from kgrec.progress import _Silent
from kgrec.testing import LanguageModelContract
from kgrec.testing.generation import tiny_model

peft = pytest.importorskip("peft", reason="peft is not installed")
SETTINGS = LoraSettings(steps=12, check_every=4, batch_size=4, learning_rate=2e-2, warmup=2, patience=0, dropout=0.1)
NAMES = ("Ada", "Ben", "Cy", "Di", "Eva", "Finn", "Gus", "Hal")


def toy_pairs(language="en"):
    """Return texts that follow from their prompts by one rule."""
    made = {"train": [], "validation": [], "held-out": []}
    for k, (a, b) in enumerate((a, b) for a in NAMES for b in NAMES if a != b):
        part = "held-out" if k % 7 == 0 else "validation" if k % 7 == 1 else "train"
        prompt, text = f"title: {a}\nby: {b}\nText:", f"{a} is a film by {b}."
        if language == "zh":
            prompt, text = f"片名：{a}\n导演：{b}\n正文：", f"《{a}》是{b}执导的影片。"
        made[part].append(TextPair(prompt, text, (f"i{k}",), "summary", "template"))
    return made


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("base"), spread=0.3)


@pytest.fixture(scope="module")
def tuned(base, tmp_path_factory):
    from kgrec.generate.lora.train import tune

    return tune(base, toy_pairs(), tmp_path_factory.mktemp("tuned"), SETTINGS)


class TestTuned(LanguageModelContract):
    folder: ClassVar[str] = ""

    @pytest.fixture(autouse=True)
    def _folder(self, tuned):
        type(self).folder = str(tuned.folder)

    def make(self):
        return TunedModel(model=self.folder)


def test_held_out_texts_become_likelier(tuned):
    before, after = np.mean(tuned.before), np.mean(tuned.after)
    assert len(tuned.before) == len(tuned.after) == len(tuned.held_out) == 8
    assert after < before - 2
    assert tuned.state.best_step > 0
    assert 0 < tuned.trained < tuned.all_weights
    assert {pair.items for pair in tuned.held_out}.isdisjoint(pair.items for pair in toy_pairs()["train"])


def test_the_published_model_is_the_one_that_was_judged(tuned):
    model = TunedModel(model=str(tuned.folder))
    found = model.log_likelihood([p.prompt for p in tuned.held_out], [p.text for p in tuned.held_out])
    assert np.allclose(found, -np.array(tuned.after), atol=1e-4)
    record = json.loads((tuned.folder / "tuning.json").read_text())
    assert record["held_out_loss"]["after"] == pytest.approx(np.mean(tuned.after))
    assert model.name.partition("@")[0].endswith("+tuned")


def test_interrupted_it_ends_as_if_it_had_not_been(base, tuned, tmp_path):
    from kgrec.generate.lora.train import tune

    class Stop(_Silent):
        def measured(self, step, value):
            if step == 8:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(base, toy_pairs(), tmp_path, SETTINGS, progress=Stop())
    assert not (tmp_path / "tuning.json").exists()
    again = tune(base, toy_pairs(), tmp_path, SETTINGS)
    assert again.after == pytest.approx(tuned.after, abs=1e-6)
    assert [row[2] for row in again.state.curve] == pytest.approx([row[2] for row in tuned.state.curve], abs=1e-6)
    assert again.state.tokens == tuned.state.tokens


def test_it_can_be_lengthened(base, tuned, tmp_path):
    from kgrec.generate.lora.train import tune

    tune(base, toy_pairs(), tmp_path, replace(SETTINGS, steps=4))
    short = TunedModel(model=str(tmp_path)).name
    longer = tune(base, toy_pairs(), tmp_path, SETTINGS)
    assert TunedModel(model=str(tmp_path)).name != short  # or what another model wrote would be taken for its texts
    assert longer.after == pytest.approx(tuned.after, abs=1e-6)
    done = tune(base, toy_pairs(), tmp_path, SETTINGS)
    assert done.state.step == 12
    assert done.after == pytest.approx(tuned.after, abs=1e-6)


def test_another_tuning_in_the_same_folder(base, tuned):
    from kgrec.generate.lora.train import tune

    with pytest.raises(UsageError, match="another model") as caught:
        tune(base, toy_pairs(), tuned.folder, replace(SETTINGS, rank=4))
    assert "--restart" in caught.value.hint


def test_a_damaged_checkpoint(base, tmp_path):
    from kgrec.generate.lora.train import tune

    (tmp_path / "checkpoint.safetensors").write_bytes(b"\x08\x00\x00")
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        tune(base, toy_pairs(), tmp_path, SETTINGS)
    assert tune(base, toy_pairs(), tmp_path, replace(SETTINGS, steps=1), restart=True).state.step == 1


def test_patience_ends_it_and_the_best_is_kept(base, tmp_path):
    from kgrec.generate.lora.train import tune

    wild = replace(SETTINGS, learning_rate=0.9, steps=40, check_every=1, patience=3, warmup=0)
    found = tune(base, toy_pairs(), tmp_path, wild)
    assert found.state.step < 40
    assert found.state.best == min(row[2] for row in found.state.curve)


def test_sequence_to_sequence_and_chinese(tmp_path):
    from kgrec.generate.lora.train import tune

    (tmp_path / "base").mkdir()
    base = tiny_model(tmp_path / "base", "seq2seq")
    found = tune(base, toy_pairs("zh"), tmp_path / "out", replace(SETTINGS, steps=8))
    assert np.mean(found.after) < np.mean(found.before)


def test_texts_that_are_too_long(base, tmp_path):
    from kgrec.generate.lora.train import tune

    with pytest.raises(DataError, match="longer than 8 tokens"):
        tune(base, toy_pairs(), tmp_path, replace(SETTINGS, max_tokens=8))


def test_models_that_are_not_there(tmp_path, monkeypatch):
    from kgrec.generate.lora import base as bases
    from kgrec.generate.lora.train import tune

    with pytest.raises(ModelError, match="cannot be loaded"):
        tune(str(tmp_path), toy_pairs(), tmp_path / "out", SETTINGS)
    with pytest.raises(ModelError, match="holds no tuned model"):
        TunedModel(model=str(tmp_path))
    with pytest.raises(ValueError, match="must name"):
        TunedModel()
    monkeypatch.setattr(bases.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="not installed"):
        tune("x", toy_pairs(), tmp_path / "out", SETTINGS)
    with pytest.raises(MissingExtraError):
        bases.located("some.gguf")


def test_options_out_of_range():
    for wrong in ({"steps": 0}, {"rank": 0}, {"learning_rate": 2}, {"device": "tpu"}, {"dropout": 1.0}):
        with pytest.raises(UsageError):
            LoraSettings(**wrong)


@given(n=st.integers(3, 200), seed=st.integers(0, 9))
def test_every_item_is_in_one_part(n, seed):
    ids = [f"i{k}" for k in range(n)]
    parts = split_items(ids, seed)
    counts = {part: list(parts.values()).count(part) for part in ("train", "validation", "held-out")}
    assert set(parts) == set(ids)
    assert counts["held-out"] == counts["validation"] >= 1
    assert counts["train"] >= 1
    assert parts == split_items(ids[::-1], seed)


def test_a_text_about_a_held_out_item_is_held_out():
    parts = {"a": "train", "b": "validation", "c": "held-out"}
    assert part_of(("a", "b", "c"), parts) == "held-out"
    assert part_of(("a", "b"), parts) == "validation"
    assert part_of(("a", "gone"), parts) == "train"


def test_twins_do_not_leak_and_nothing_is_an_error():
    def pair(text, item):
        return TextPair("prompt", text, (item,), "summary", "template")

    pairs = {"train": [pair("A film.", "a"), pair("B  film.", "b")], "validation": [pair("C film.", "c")]}
    clean = without_leaks({**pairs, "held-out": [pair("a FILM.", "d")]})
    assert [p.text for p in clean["train"]] == ["B  film."]
    with pytest.raises(DataError, match="no texts for the part 'held-out'"):
        without_leaks(pairs)
    with pytest.raises(DataError, match="2 items cannot be split"):
        split_items(["a", "b"], 1)


@given(st.text(max_size=200), st.integers(1, 30), st.sampled_from(["en", "zh"]))
def test_shortened_texts_are_short(text, limit, language):
    assert get_language(language).size(shortened(text, language, limit)) <= limit

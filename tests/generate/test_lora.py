"""Tuning a tiny model: it learns, goes on where it stopped, and refuses what it cannot use."""

import json
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kgrec.artifacts import load_arrays
from kgrec.errors import CorruptArtifactError, DataError, MissingExtraError, ModelError, UsageError
from kgrec.generate.finetune import tune
from kgrec.generate.finetune_texts import FineTuneOptions, TextPair, part_of, shortened, split_items, without_leaks
from kgrec.generate.models.transformer import TransformersModel
from kgrec.generate.models.tuned import ADAPTERS, TunedModel, located
from kgrec.languages.language import get_language
from kgrec.progress import SILENT, _Silent
from kgrec.testing import LanguageModelContract
from kgrec.testing.generation import tiny_model
from kgrec.testing.plugins import untouched_random_state

peft = pytest.importorskip("peft", reason="peft is not installed")
SETTINGS = {"steps": 12, "check_every": 4, "batch_size": 4, "learning_rate": 2e-2, "warmup": 2, "patience": 0}
SETTINGS |= {"dropout": 0.1, "alpha": 16}
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


def tuning(base, folder, *, pairs=None, progress=SILENT, **options):
    return tune(pairs or toy_pairs(), folder, FineTuneOptions(base=base, **{**SETTINGS, **options}), progress)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("base"), spread=0.3)


@pytest.fixture(scope="module")
def tuned(base, tmp_path_factory):
    return tuning(base, tmp_path_factory.mktemp("tuned"))


class TestTuned(LanguageModelContract):
    folder: ClassVar[str] = ""

    @pytest.fixture(autouse=True)
    def _folder(self, tuned):
        type(self).folder = str(tuned.folder)

    def make(self):
        return TunedModel(model=self.folder)


def test_held_out_texts_become_likelier(tuned):
    before, after = tuned.losses.T
    assert len(tuned.losses) == len(tuned.held_out) == tuned.change.n == 8
    assert np.mean(after) < np.mean(before) - 2
    assert (tuned.before.mean, tuned.after.mean) == pytest.approx((np.mean(before), np.mean(after)))
    assert tuned.best_step > 0
    assert 0 < tuned.trained < tuned.all_weights
    assert {pair.items for pair in tuned.held_out}.isdisjoint(pair.items for pair in toy_pairs()["train"])


def test_the_published_model_is_the_one_that_was_judged(tuned):
    model = TunedModel(model=str(tuned.folder))
    found = model.log_likelihood([p.prompt for p in tuned.held_out], [p.text for p in tuned.held_out])
    assert np.allclose(found, -tuned.losses[:, 1], atol=1e-4)
    record = json.loads((tuned.folder / "tuning.json").read_text())
    assert record["held_out_loss"]["after"] == pytest.approx(np.mean(tuned.losses[:, 1]))
    assert model.name.partition("@")[0].endswith("+tuned")
    assert json.loads((tuned.folder / "adapter_config.json").read_text())["base_model_name_or_path"] == record["base"]


def test_validation_losses_are_those_of_the_texts(base, tuned):
    """What Trainer measures on batches is what the model says of each text, up to the token that ends it."""
    pairs = toy_pairs()["validation"]
    model = TransformersModel(model=base)
    found = -np.mean(model.log_likelihood([p.prompt for p in pairs], [f"{p.text}</s>" for p in pairs]))
    assert tuned.checks[0][:2] == (0, None)
    assert tuned.checks[0][2] == pytest.approx(found, abs=0.05)  # texts differ in length


class Stop(_Silent):
    """Ends a tuning at a check."""

    def __init__(self, step):
        self.step = step

    def measured(self, step, value):
        if step == self.step:
            raise KeyboardInterrupt


def test_interrupted_it_ends_as_if_it_had_not_been(base, tuned, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        tuning(base, tmp_path, progress=Stop(8))
    assert not (tmp_path / "tuning.json").exists()
    again = tuning(base, tmp_path)
    assert again.losses == pytest.approx(tuned.losses, abs=1e-6)
    assert [row[2] for row in again.checks] == pytest.approx([row[2] for row in tuned.checks], abs=1e-6)
    assert again.tokens == tuned.tokens


def test_a_checkpoint_that_was_cut_off_is_passed_over(base, tuned, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        tuning(base, tmp_path, progress=Stop(12))
    cut = tmp_path / "checkpoints" / "checkpoint-8"
    (cut / "trainer_state.json").unlink()  # it is written last
    (cut / "optimizer.pt").write_bytes(b"")
    assert tuning(base, tmp_path).losses == pytest.approx(tuned.losses, abs=1e-6)


def test_it_can_be_lengthened(base, tuned, tmp_path):
    tuning(base, tmp_path, steps=4)
    short = TunedModel(model=str(tmp_path)).name
    longer = tuning(base, tmp_path)
    assert TunedModel(model=str(tmp_path)).name != short  # or what another model wrote would be taken for its texts
    assert longer.losses == pytest.approx(tuned.losses, abs=1e-6)
    done = tuning(base, tmp_path)
    assert done.checks == longer.checks
    assert done.losses == pytest.approx(tuned.losses, abs=1e-6)


def test_another_tuning_in_the_same_folder(base, tuned, tmp_path):
    with pytest.raises(UsageError, match="another model") as caught:
        tuning(base, tuned.folder, rank=4)
    assert "--restart" in caught.value.hint
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine").write_text("not kgrec's")
    with pytest.raises(UsageError, match="another model"):
        tuning(base, tmp_path, restart=True)
    assert (tmp_path / "checkpoints" / "mine").exists()


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "optimizer.pt", "trainer_state.json"])
def test_a_damaged_checkpoint(base, tmp_path, name):
    tuning(base, tmp_path, steps=4)
    (tmp_path / "checkpoints" / "checkpoint-4" / name).write_bytes(b"\x08\x00\x00")
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        tuning(base, tmp_path)
    assert tuning(base, tmp_path, steps=1, restart=True).checks[-1][0] == 1


def test_a_checkpoint_runs_no_code(base, tmp_path):
    tuning(base, tmp_path, steps=4)
    marker = tmp_path / "ran"

    class Attack:
        def __reduce__(self):
            return marker.write_text, ("code",)

    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        torch.save(Attack(), tmp_path / "checkpoints" / "checkpoint-4" / name)
    with pytest.raises(CorruptArtifactError, match="cannot be read"):
        tuning(base, tmp_path)
    assert not marker.exists()


def test_patience_ends_it_and_the_best_is_kept(base, tmp_path):
    wild = {"learning_rate": 0.9, "steps": 40, "check_every": 1, "patience": 3, "warmup": 0}
    found = tuning(base, tmp_path, **wild)
    assert found.checks[-1][0] < 40
    best = min(found.checks, key=lambda row: row[2])
    assert found.best_step == best[0]
    assert tuning(base, tmp_path, **wild).checks == found.checks  # it is over


def test_where_no_step_is_better_the_adapters_change_nothing(base, tmp_path):
    found = tuning(base, tmp_path, learning_rate=1e-30, steps=2, check_every=1)
    assert [check.step for check in found.checks] == [0, 1, 2]
    assert found.best_step == 0
    np.testing.assert_array_equal(found.losses[:, 1], found.losses[:, 0])
    assert not any(weights.any() for name, weights in load_arrays(tmp_path / ADAPTERS).items() if "lora_B" in name)


def test_global_random_generators_are_left_alone(base, tmp_path):
    with untouched_random_state():
        tuning(base, tmp_path, steps=1)


def test_sequence_to_sequence_and_chinese(tmp_path):
    (tmp_path / "base").mkdir()
    base = tiny_model(tmp_path / "base", "seq2seq")
    found = tuning(base, tmp_path / "out", pairs=toy_pairs("zh"), steps=8)
    assert found.after.mean < found.before.mean


def test_texts_that_are_too_long(base, tmp_path):
    with pytest.raises(DataError, match="longer than 8 tokens"):
        tuning(base, tmp_path, max_tokens=8)


def test_models_that_are_not_there(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="cannot be loaded"):
        tuning(str(tmp_path), tmp_path / "out")
    with pytest.raises(ModelError, match="holds no tuned model"):
        TunedModel(model=str(tmp_path))
    with pytest.raises(ValueError, match="must name"):
        TunedModel()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="not installed"):
        tuning("x", tmp_path / "out")
    with pytest.raises(MissingExtraError):
        located("some.gguf")


def test_options_out_of_range():
    wrong = ({"steps": 0}, {"rank": 0}, {"learning_rate": 2.0}, {"device": "tpu"}, {"dropout": 1.0}, {"sources": ()})
    for options in wrong:
        with pytest.raises(UsageError, match=next(iter(options))):
            FineTuneOptions(**{"base": "tiny", **options})


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

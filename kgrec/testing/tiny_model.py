"""A language model of transformers with some ten thousand weights, made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal


def tiny_model(folder: Path, kind: Literal["causal", "seq2seq"] = "causal", *, spread: float = 0.02) -> str:
    """Write a model with a tokenizer of its own into ``folder`` and return the folder's name.

    Args:
        folder: exists.
        kind: a Llama or a T5.
        spread: standard deviation of a Llama's weights. With the usual one it finds all tokens alike, whatever it is
            taught by adapters; with 0.3 it can learn.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
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
    made.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    tokenizer.pad_token = "</s>"
    tokenizer.save_pretrained(folder)
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": 2, "eos_token_id": 2}
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        if kind == "causal":
            shape: dict[str, Any] = {
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
            }
            shape["initializer_range"] = spread
            model: Any = LlamaForCausalLM(LlamaConfig(**sizes, **shape, num_key_value_heads=2, bos_token_id=1))
        else:
            shape = {
                "d_model": 32,
                "d_ff": 64,
                "d_kv": 16,
                "num_layers": 2,
                "num_heads": 2,
                "decoder_start_token_id": 2,
            }
            model = T5ForConditionalGeneration(T5Config(**sizes, **shape))
    model.save_pretrained(folder)
    return str(folder)

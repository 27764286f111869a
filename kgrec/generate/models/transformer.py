"""Any causal or sequence-to-sequence model of transformers."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from kgrec.errors import MissingExtraError, ModelError
from kgrec.generate.prompts import first_line, valid_json
from kgrec.plugin.options import Configured, Options
from kgrec.text.encoders.pretrained import quiet_loading

FEATURE = "a transformers language model"


class LoadOptions(Options):
    """How a transformers model is loaded and asked."""

    model: str = Field("", description="folder, or name on the hub; of a tuned model the folder of its adapters")
    dtype: Literal["float32", "bfloat16", "int8"] = Field(
        "float32",
        description="bfloat16: half the memory, slower on CPUs without it; int8: linear layers but the last, CPU only; "
        "measure first: SmolLM2 writes worse with it, hardly faster, in no less memory",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where it runs")
    compile: bool = Field(
        False, description="let torch compile the layers; takes minutes on a CPU before the first word"
    )
    batch_size: int = Field(8, ge=1, description="prompts at once")
    temperature: float = Field(0.7, ge=0, description="0 always takes the likeliest token")
    top_p: float = Field(0.9, gt=0, le=1, description="tokens are drawn from the likeliest that make up so much")


class TransformersOptions(LoadOptions):
    """Options of ``[language_models.transformers]``."""

    gguf_file: str | None = Field(None, description="name of a GGUF file in that folder, where the weights are in one")
    adapter: str | None = Field(None, description="folder with adapters of peft, which are merged into the weights")
    chat: bool | None = Field(
        False, description="wrap prompts by the chat template; None: where there is one and the model is causal"
    )


class TransformersModel(Configured):
    """Completes by ``generate`` of transformers.

    Raises:
        MissingExtraError: a package is not installed.
        ValueError: an option is unknown or out of range, or ``model`` is missing.
    """

    Options = TransformersOptions
    options: TransformersOptions

    def __init__(self, **options: Any) -> None:
        self.options = TransformersOptions(**options)  # also of a class that takes its options in another form
        model, adapter = self.options.model, self.options.adapter
        if not model:
            raise ValueError("model must name a folder or a model of the hub, for example --model transformers:FOLDER")
        if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
            raise MissingExtraError.of(FEATURE, "models")
        if adapter is not None and importlib.util.find_spec("peft") is None:
            raise MissingExtraError.of("a language model with adapters", "lora")
        folder = Path(model).expanduser()
        self.model = str(folder) if folder.is_dir() else model

    @property
    def name(self) -> str:
        """Name of the folder or of the hub's model."""
        return Path(self.model).name

    def parts(self) -> tuple[Any, Any]:
        """Return the tokenizer and the model of transformers, loaded.

        Raises:
            ModelError: they cannot be loaded.
        """
        return self._loaded

    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int, seed: int, schema: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Return the first line of what follows each prompt; see :class:`~kgrec.plugin.protocols.LanguageModel`.

        Batches hold prompts of like length, and sampling is seeded for each prompt alone, so that a prompt's answer
        does not depend on its neighbours: sampled prompts go one by one, greedy ones together (but with int8).
        """
        # int8 scales activations by the largest of the whole batch.
        step = self.options.batch_size if self.options.temperature == 0 and self.options.dtype != "int8" else 1
        answers: list[str] = []
        for start in range(0, len(prompts), step):
            answers += self._batch(list(prompts[start : start + step]), max_new_tokens, seed, one_line=schema is None)
        return [first_line(text) if schema is None else valid_json(text, schema) for text in answers]

    def stream(self, prompt: str, *, max_new_tokens: int, seed: int) -> Iterator[str]:
        """Yield the pieces of the answer as they are made."""
        import threading

        from transformers import TextIteratorStreamer

        tokenizer, _ = self._loaded
        pieces = TextIteratorStreamer(tokenizer, skip_prompt=not self._pairs, skip_special_tokens=True)
        worker = threading.Thread(
            target=self._batch, args=([prompt], max_new_tokens, seed), kwargs={"streamer": pieces}, daemon=True
        )
        worker.start()
        yield from (piece for piece in pieces if piece)
        worker.join()

    def log_likelihood(self, prompts: Sequence[str], texts: Sequence[str]) -> list[float]:
        """Return the mean log probability of a token of each text after its prompt."""
        import torch

        tokenizer, model = self._loaded
        found = []
        for prompt, text in zip(prompts, texts, strict=True):
            before = tokenizer(self._wrapped(prompt), return_tensors="pt").input_ids
            after = tokenizer(f" {text.lstrip()}", return_tensors="pt", add_special_tokens=False).input_ids
            with torch.inference_mode():
                if self._pairs:
                    logits = model(input_ids=before.to(model.device), labels=after.to(model.device)).logits[0]
                else:
                    both = torch.cat([before, after], dim=1).to(model.device)
                    logits = model(input_ids=both).logits[0, before.shape[1] - 1 : -1]
            chosen = logits.float().log_softmax(-1).gather(1, after[0, :, None].to(logits.device))  # (t, 1)
            found.append(float(chosen.mean()))
        return found

    def _wrapped(self, prompt: str) -> str:
        tokenizer, _ = self._loaded
        chat = self.options.chat if self.options.chat is not None else bool(tokenizer.chat_template) and not self._pairs
        if not chat:
            return prompt
        message = [{"role": "user", "content": prompt}]
        return str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))

    def _batch(
        self, prompts: list[str], n: int, seed: int, streamer: Any = None, *, one_line: bool = True
    ) -> list[str]:
        import torch

        tokenizer, model = self._loaded
        batch = tokenizer([self._wrapped(p) for p in prompts], return_tensors="pt", padding=True).to(model.device)
        batch.pop("token_type_ids", None)
        sampled = {"do_sample": True, "temperature": self.options.temperature, "top_p": self.options.top_p, "top_k": 0}
        how: dict[str, Any] = sampled if self.options.temperature > 0 else {"do_sample": False}
        cuda = [model.device] if model.device.type == "cuda" else []
        start = 0 if self._pairs else batch["input_ids"].shape[1]
        if one_line:
            how["stopping_criteria"] = [_line_ended(tokenizer, start)]
        # generate() draws from torch's global generators, which are put back as they were.
        with torch.inference_mode(), torch.random.fork_rng(devices=cuda):
            torch.default_generator.manual_seed(seed)
            if cuda:
                torch.cuda.manual_seed_all(seed)
            try:
                out = model.generate(
                    **batch, max_new_tokens=n, pad_token_id=tokenizer.pad_token_id, streamer=streamer, **how
                )
            except (RuntimeError, ValueError, IndexError) as error:
                raise ModelError(f"{self.name}: {str(error).splitlines()[0][:160]}") from None
        return [str(text) for text in tokenizer.batch_decode(out[:, start:], skip_special_tokens=True)]

    @property
    def _pairs(self) -> bool:
        """Whether the model maps a sequence to another one."""
        return bool(self._loaded[1].config.is_encoder_decoder)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        import torch
        import transformers

        # A model's folder may come from a stranger: its Python is never run, and nobody is asked whether it may be.
        more: dict[str, Any] = {"trust_remote_code": False}
        weights: dict[str, Any] = {"use_safetensors": True}  # a checkpoint in pickle could run code
        if self.options.gguf_file:
            more["gguf_file"], weights = self.options.gguf_file, {}
        dtype = torch.bfloat16 if self.options.dtype == "bfloat16" else torch.float32
        try:
            with quiet_loading():
                tokenizer = transformers.AutoTokenizer.from_pretrained(self.model, **more)
                config = transformers.AutoConfig.from_pretrained(self.model, **more)
                pairs = config.is_encoder_decoder
                kind = transformers.AutoModelForSeq2SeqLM if pairs else transformers.AutoModelForCausalLM
                model: Any = kind.from_pretrained(self.model, dtype=dtype, **more, **weights)
        except (OSError, ValueError, KeyError, ImportError) as error:
            told = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
            raise ModelError(f"{self.model} cannot be loaded: {told}", hint="a folder with config.json") from None
        tokenizer.padding_side = "left"
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        if self.options.adapter is not None:
            model = _merged(model, Path(self.options.adapter).expanduser())
        model.eval()
        if self.options.dtype == "int8":
            model = _int8(model)
        elif self.options.device == "cuda" or (self.options.device == "auto" and torch.cuda.is_available()):
            model = model.to("cuda")
        if self.options.compile:
            _compile_layers(model)
        return tokenizer, model


def _line_ended(tokenizer: Any, start: int) -> Any:
    """Return what tells ``generate`` which answers have their first line; what would follow it is thrown away.

    Args:
        tokenizer: of the model.
        start: tokens in front of each answer.
    """

    def ended(tokens: Any, _scores: Any, **_: Any) -> Any:
        import torch

        texts = tokenizer.batch_decode(tokens[:, start:], skip_special_tokens=True)
        return torch.tensor(["\n" in text.lstrip() for text in texts], device=tokens.device)  # (b,)

    return ended


@contextmanager
def without_deprecations() -> Iterator[None]:
    """Keep to itself what peft still asks of transformers by old names."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def _merged(model: Any, folder: Path) -> Any:
    """Add adapters to the weights.

    Raises:
        ModelError: there are none, or they are of another model.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    if not (folder / "adapter_config.json").is_file():  # peft would ask the hub for it
        raise ModelError(f"{folder} holds no adapters", hint="run `kgrec generate tune` first")
    if not (folder / "adapter_model.safetensors").is_file():  # peft would read a pickle instead
        raise ModelError(f"{folder} holds no adapter_model.safetensors", hint="run `kgrec generate tune` again")
    try:
        with without_deprecations():
            return PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        told = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        raise ModelError(f"the adapters in {folder} do not fit the model: {told}") from None


def _compile_layers(model: Any) -> None:
    """Let torch compile the layers that a model repeats, once for all of them.

    They are compiled where they are: ``generate`` of a model that ``torch.compile`` has wrapped calls the model inside
    the wrapping, which is not compiled. Lengths are dynamic, since they grow with each token.
    """
    repeated = set(model._no_split_modules or ())
    for layer in [one for one in model.modules() if type(one).__name__ in repeated] or [model]:
        layer.compile(dynamic=True)


def _int8(model: Any) -> Any:
    """Quantise the linear layers, weights by row and activations as they come."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch points to a package of its own, which transformers does not need
        quantise: Any = torch.ao.quantization.quantize_dynamic
        # One scale for a whole matrix ruins the answers; the last layer often shares its weights with the first.
        last = model.get_output_embeddings()
        how = torch.ao.quantization.per_channel_dynamic_qconfig
        layers = model.named_modules()
        named = {name: how for name, one in layers if isinstance(one, torch.nn.Linear) and one is not last}
        return quantise(model, named, dtype=torch.qint8)

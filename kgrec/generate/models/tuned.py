"""A transformers model with the adapters that ``kgrec generate tune`` made."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from kgrec.artifacts import read_json
from kgrec.errors import CorruptArtifactError, MissingExtraError, ModelError
from kgrec.generate.models.transformer import LoadOptions, TransformersModel

RECORD = "tuning.json"
ADAPTERS = "adapter_model.safetensors"
PACKAGED = "smollm2"
"""Name of the packaged model, wherever its package lies."""


class TunedModel(TransformersModel):
    """Completes by a model that was tuned on a workspace's texts; the adapters are merged into its weights.

    ``--model tuned`` alone takes the workspace's own adapters.

    Raises:
        MissingExtraError: peft, or what the base model needs, is not installed.
        ModelError: the folder holds no tuned model.
        ValueError: an option is unknown or out of range, or ``model`` is missing.
    """

    Options = LoadOptions  # type: ignore[assignment]

    def __init__(self, **options: Any) -> None:
        given = LoadOptions(**options)
        if not given.model:
            raise ValueError("model must name what `kgrec generate tune` made, for example --model tuned:FOLDER")
        check_packages()
        folder = Path(given.model).expanduser()
        self._base, self._version = base_of(folder), version_of(folder)
        super().__init__(**located(self._base), adapter=given.model, **given.model_dump(exclude={"model"}))

    @property
    def name(self) -> str:
        """Name of the base model, with ``+tuned@`` and a hash of the adapters: tuned again, it is another model."""
        return f"{Path(self._base).name}+tuned@{self._version}"


def check_packages() -> None:
    """Check before anything is done that tuned models can be made and used.

    Raises:
        MissingExtraError: peft or accelerate is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in ("peft", "accelerate")):
        raise MissingExtraError.of("fine-tuning of language models", "lora")


def located(named: str) -> dict[str, Any]:
    """Return the options of :class:`~kgrec.generate.models.transformer.TransformersModel` for a model.

    Args:
        named: ``smollm2``, ``transformers:NAME``, or a folder, a ``.gguf`` file or a name on the hub.

    Raises:
        MissingExtraError: the packaged weights or the package that reads GGUF files are missing.
    """
    name = named.removeprefix("transformers:")
    if name != PACKAGED and not name.endswith(".gguf"):
        return {"model": name}
    if importlib.util.find_spec("gguf") is None:
        raise MissingExtraError.of("reading GGUF files by transformers", "lora")
    if name == PACKAGED:
        from kgrec.generate.models.llama import DISTRIBUTION, SHA256, packaged_file
        from kgrec.text.encoders.pretrained import check_sha256

        file = packaged_file()
        check_sha256(file, SHA256, DISTRIBUTION)
    else:
        file = Path(name).expanduser()
    return {"model": str(file.parent), "gguf_file": file.name}


def opened(named: str, **options: Any) -> TransformersModel:
    """Return the model ``named``; see :func:`located`.

    Raises:
        ModelError: it cannot be loaded, or no model is named.
    """
    try:
        return TransformersModel(**located(named), **options)
    except ValueError as error:
        raise ModelError(str(error), hint="smollm2, or a folder with a transformers model") from None


def version_of(folder: Path) -> str:
    """Return a short hash of the adapters in ``folder``, nothing where there are none."""
    file = folder / ADAPTERS
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:8]


def base_of(folder: Path) -> str:
    """Return the name of the model that the adapters in ``folder`` were made for.

    Raises:
        ModelError: the folder holds no tuned model.
        CorruptArtifactError: its record is damaged.
    """
    file = folder / RECORD
    if not file.is_file():
        raise ModelError(f"{folder} holds no tuned model", hint="run `kgrec generate tune` first")
    record = read_json(file)
    if not isinstance(record, dict) or not isinstance(record.get("base"), str):
        raise CorruptArtifactError(f"{file} names no base model", hint="run `kgrec generate tune --restart`")
    return str(record["base"])

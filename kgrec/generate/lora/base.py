"""The model that is tuned, and the folder that a tuning leaves behind."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrec.artifacts import read_json, write_json
from kgrec.errors import CorruptArtifactError, MissingExtraError, ModelError

if TYPE_CHECKING:
    from kgrec.generate.models.transformer import TransformersModel

RECORD = "tuning.json"
ADAPTERS = "adapter_model.safetensors"
FEATURE = "fine-tuning of language models"
PACKAGED = "smollm2"
"""Name of the packaged model, wherever its package lies."""


def check_packages() -> None:
    """Raise before anything is done if tuning is not possible.

    Raises:
        MissingExtraError: peft is not installed.
    """
    if importlib.util.find_spec("peft") is None:
        raise MissingExtraError.of(FEATURE, "lora")


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
    from kgrec.generate.models.transformer import TransformersModel

    try:
        return TransformersModel(**located(named), **options)
    except ValueError as error:
        raise ModelError(str(error), hint="smollm2, or a folder with a transformers model") from None


def publish(folder: Path, adapted: Any, record: dict[str, Any]) -> None:
    """Write the adapters and what is known of them; each file is replaced whole, the record last.

    Args:
        folder: of the tuning.
        adapted: a peft model.
        record: JSON values; ``base`` names the model that was tuned.
    """
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(dir=folder, prefix=".adapter-") as aside:
        # Embeddings are never tuned; to find that out for itself peft would ask the hub for the base model's config.
        adapted.save_pretrained(aside, save_embedding_layers=False)
        for name in (ADAPTERS, "adapter_config.json"):
            config = Path(aside) / name
            if name.endswith(".json"):
                # Where the base model lay on this machine is nobody's business; the record names it.
                values = json.loads(config.read_text(encoding="utf-8"))
                config.write_text(json.dumps({**values, "base_model_name_or_path": record["base"]}, indent=1))
            shutil.copyfile(config, folder / f".{name}")
            (folder / f".{name}").replace(folder / name)
    write_json(folder / RECORD, record)


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

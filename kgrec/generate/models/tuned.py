"""A transformers model with the adapters that ``kgrec generate tune`` made."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kgrec.generate.lora.base import base_of, check_packages, located, version_of
from kgrec.generate.models.transformer import TransformersModel


class TunedModel(TransformersModel):
    """Completes by a model that was tuned on a workspace's texts; the adapters are merged into its weights.

    Args:
        folder: where the tuning left its adapters. Required; ``--model tuned`` alone takes the workspace's own.
        dtype, device, compile, batch_size, temperature, top_p: see :class:`TransformersModel`.

    Raises:
        MissingExtraError: peft, or what the base model needs, is not installed.
        ModelError: the folder holds no tuned model.
    """

    def __init__(
        self,
        *,
        folder: str = "",
        dtype: Literal["float32", "bfloat16", "int8"] = "float32",
        device: Literal["auto", "cpu", "cuda"] = "auto",
        compile: bool = False,  # noqa: A002
        batch_size: int = 8,
        temperature: float = 0.7,
        top_p: float = 0.9,
    ) -> None:
        if not folder:
            raise ValueError("folder must name what `kgrec generate tune` made, for example --model tuned:FOLDER")
        check_packages()
        self._base, self._version = base_of(Path(folder).expanduser()), version_of(Path(folder).expanduser())
        super().__init__(
            **located(self._base),
            adapter=folder,
            dtype=dtype,
            device=device,
            compile=compile,
            batch_size=batch_size,
            temperature=temperature,
            top_p=top_p,
        )

    @property
    def name(self) -> str:
        """Name of the base model, with ``+tuned@`` and a hash of the adapters: tuned anew, it is another model."""
        return f"{Path(self._base).name}+tuned@{self._version}"

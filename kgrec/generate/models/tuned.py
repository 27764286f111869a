"""A transformers model with the adapters that ``kgrec generate tune`` made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kgrec.generate.lora.base import base_of, check_packages, located, version_of
from kgrec.generate.models.transformer import LoadOptions, TransformersModel


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

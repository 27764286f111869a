"""The "text" stage of a workspace: vectors of all items and of the users' own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kgrec.config import TextConfig
from kgrec.data.dataset import Dataset
from kgrec.errors import CorruptArtifactError, WorkspaceError
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager
from kgrec.plugin.protocols import TextEncoder
from kgrec.progress import SILENT, Progress
from kgrec.text.cache import encode_cached
from kgrec.text.choose import build_encoder, choose_encoder
from kgrec.text.item_text import item_texts
from kgrec.text.profile import own_words
from kgrec.types import Vectors
from kgrec.workspace import load_arrays, read_json, save_arrays, storage_errors, write_json

TEXTS_A_GROUP = 10_000
"""Texts that are read to find one of them."""


@dataclass(frozen=True)
class TextVectors:
    """Vectors of one encoder.

    Attributes:
        items: text vectors of the items, shape ``(n_items, dim)``; zero rows where an item has no text.
        users: vectors of the users' own words and descriptions, shape ``(n_users, dim)``; zero rows where none.
        encoder: name of the encoder.
        fingerprint: of the encoder.
        options: what the encoder was built from.
        texts: what was encoded of each item, column ``text``; in the order of ``items``.
    """

    items: Vectors
    users: Vectors
    encoder: str
    fingerprint: str
    options: Mapping[str, Any] = field(default_factory=dict)
    texts: pl.LazyFrame = field(default_factory=lambda: pl.LazyFrame(schema={"text": pl.String}))

    def save(self, folder: Path) -> None:
        """Write the vectors as safetensors, the texts as parquet and the rest as JSON."""
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.texts.collect().write_parquet(folder / "texts.parquet", row_group_size=TEXTS_A_GROUP)
        save_arrays(folder / "text.safetensors", {"items": self.items, "users": self.users})
        document = {"encoder": self.encoder, "fingerprint": self.fingerprint, "options": dict(self.options)}
        write_json(folder / "text.json", document)

    @classmethod
    def load(cls, folder: Path) -> TextVectors:
        """Read what :meth:`save` wrote; of the texts only those that are asked for later.

        Raises:
            CorruptArtifactError: a file is missing or damaged.
        """
        arrays, document = load_arrays(folder / "text.safetensors"), read_json(folder / "text.json")
        try:
            items, users = (arrays[name].astype(np.float32) for name in ("items", "users"))
            texts = pl.scan_parquet(folder / "texts.parquet")
            return cls(items, users, document["encoder"], document["fingerprint"], document["options"], texts)
        except (KeyError, TypeError) as error:
            raise CorruptArtifactError(
                f"{folder} holds no text vectors: {error}", hint="run `kgrec train` again"
            ) from None

    def text_of(self, item: int) -> str:
        """Return what was encoded of an item.

        Raises:
            CorruptArtifactError: the texts are missing or damaged.
        """
        try:
            return str(self.texts.slice(item, 1).collect().item())
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            raise CorruptArtifactError(
                f"the texts of the items cannot be read: {error}", hint="run `kgrec train` again"
            ) from None

    def make_encoder(self, manager: PluginManager) -> TextEncoder:
        """Build the encoder again, for texts that come later.

        Raises:
            WorkspaceError: it is no longer the same model, so its vectors cannot be compared with these.
            MissingExtraError: it needs a package that is not installed.
        """
        encoder = build_encoder(self.encoder, self.options, manager)
        if encoder.fingerprint != self.fingerprint:
            raise WorkspaceError(
                f"the text encoder {self.encoder!r} is no longer the one the workspace was trained with",
                hint="run `kgrec train` again",
            )
        return encoder


def encode_dataset(
    dataset: Dataset,
    config: TextConfig,
    manager: PluginManager,
    domain: Domain,
    *,
    entity_labels: pl.DataFrame | None = None,
    keywords: Sequence[str] = (),
    rows: pl.Series | None = None,
    cache_dir: Path | None = None,
    progress: Progress = SILENT,
) -> TextVectors:
    """Encode the texts of all items and users.

    Args:
        dataset: the tables.
        config: encoder, its options, template and batch size.
        manager: knows the encoders.
        domain: brings the item template.
        entity_labels: names of the entities linked with each item: ``item`` (position), ``labels`` (list of strings).
        keywords: more words of each item, joined to its text; empty: none.
        rows: boolean, one an interaction: those whose texts may be used for the users; default: the training rows.
        cache_dir: folder of vectors already known (``workspace.cache / "text"``), or None.
        progress: told what is done.

    Raises:
        ConfigError: the template or an option cannot be used.
        MissingExtraError: the encoder named in the settings needs a package that is not installed.
    """
    of_items = item_texts(dataset, entity_labels, config.item_template, domain)
    if keywords:
        of_items = [f"{text} {more}".strip() for text, more in zip(of_items, keywords, strict=True)]
    texts = [*of_items, *own_words(dataset, rows)]
    name, options, encoder = choose_encoder(texts, config, manager, progress)
    vectors = encode_cached(texts, encoder, cache_dir, config.batch_size, progress)
    items, users = vectors[: dataset.n_items], vectors[dataset.n_items :]
    encoded = pl.LazyFrame({"text": pl.Series(of_items, dtype=pl.String)})
    return TextVectors(items, users, name, encoder.fingerprint, options, encoded)

"""The "text" stage of a workspace: vectors of all items and of the users' own words.

The encoder is the one that the settings name, or is chosen by looking at the texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kgrec.config import Config, TextConfig
from kgrec.data.dataset import Dataset
from kgrec.errors import CorruptArtifactError, MissingExtraError, WorkspaceError
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager, load_plugins
from kgrec.plugin.protocols import TextEncoder
from kgrec.progress import SILENT, Progress
from kgrec.text.cache import CachedEncoder, EncodingEffort, encode_cached
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
    effort: EncodingEffort = EncodingEffort(),
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
        effort: who encodes, and what is known already.

    Raises:
        ConfigError: the template or an option cannot be used.
        MissingExtraError: the encoder named in the settings needs a package that is not installed.
    """
    of_items = item_texts(dataset, entity_labels, config.item_template, domain)
    if keywords:
        of_items = [f"{text} {more}".strip() for text, more in zip(of_items, keywords, strict=True)]
    texts = [*of_items, *own_words(dataset, rows)]
    name, options, encoder = choose_encoder(texts, config, manager, effort.progress)
    reopen = partial(_built, name, options)
    vectors = encode_cached(texts, encoder, effort, config.batch_size, reopen=reopen)
    items, users = vectors[: dataset.n_items], vectors[dataset.n_items :]
    encoded = pl.LazyFrame({"text": pl.Series(of_items, dtype=pl.String)})
    return TextVectors(items, users, name, encoder.fingerprint, options, encoded)


def _built(name: str, options: Mapping[str, Any]) -> TextEncoder:
    """Build an encoder at a worker."""
    return build_encoder(name, options, load_plugins())


AUTO = "auto"
FALLBACKS = {"transformers": "multilingual", "multilingual": "hashing"}
"""Which encoder takes over when the package of one is missing."""

SAMPLE = 5_000
OTHER_SCRIPT_IN_TEXT = 0.1
"""A text counts as other than Latin when this share of its letters is of other scripts."""
OTHER_SCRIPT_TEXTS = 0.05
"""The multilingual encoder is taken when this share of the texts counts as other than Latin."""


def other_script_share(texts: Sequence[str]) -> float:
    """Return the share of texts with letters of other scripts than Latin (Chinese, Cyrillic...), of those with letters.

    Args:
        texts: at most :data:`SAMPLE` of them are looked at, evenly spread.
    """
    step = max(1, len(texts) // SAMPLE)
    counts = pl.DataFrame({"text": pl.Series(texts[::step], dtype=pl.String)}).select(
        letters=pl.col("text").str.count_matches(r"\p{L}"),
        latin=pl.col("text").str.count_matches(r"\p{Latin}"),
    )
    counts = counts.filter(pl.col("letters") > 0)
    if counts.is_empty():
        return 0.0
    other = (counts["letters"] - counts["latin"]) / counts["letters"]
    return float(np.mean(other.to_numpy() >= OTHER_SCRIPT_IN_TEXT))


def preferred_encoder(texts: Sequence[str]) -> str:
    """Return the name of the encoder that fits the texts, whether or not its package is installed."""
    if not any(text.strip() for text in texts):
        return "hashing"
    return "multilingual" if other_script_share(texts) >= OTHER_SCRIPT_TEXTS else "transformers"


def choose_encoder(
    texts: Sequence[str], config: TextConfig, manager: PluginManager, progress: Progress = SILENT
) -> tuple[str, dict[str, Any], TextEncoder]:
    """Build the text encoder that the settings name, or for ``auto`` the one that fits the texts.

    Args:
        texts: all texts or a sample of them.
        config: ``encoder`` and its ``options``; with ``auto`` the options are for the encoder preferred, and a
            fallback is built without them.
        manager: knows the encoders.
        progress: told what was chosen, and when a missing package forces another choice.

    Returns:
        The encoder's name, the options it was built from, and the encoder.

    Raises:
        NotFoundError: there is no encoder of that name.
        MissingExtraError: the encoder named in the settings needs a package that is not installed.
        ConfigError: an option is unknown or unusable.
    """
    name = preferred_encoder(texts) if config.encoder == AUTO else config.encoder
    options = dict(config.options)
    while True:
        try:
            encoder = build_encoder(name, options, manager)
        except MissingExtraError as error:
            if config.encoder != AUTO or name not in FALLBACKS:
                raise
            progress.log(f"text encoder {FALLBACKS[name]!r} instead of {name!r}: {error.message} ({error.hint})")
            name, options = FALLBACKS[name], {}
        else:
            return name, options, encoder


def build_encoder(name: str, options: Mapping[str, Any], manager: PluginManager) -> TextEncoder:
    """Build the text encoder ``name``.

    Raises:
        NotFoundError: there is no encoder of that name.
        MissingExtraError: it needs a package that is not installed.
        ConfigError: an option is unknown or unusable.
    """
    encoder: TextEncoder = manager.registry("text encoder")[name].build(dict(options), table="text.options")
    return encoder


def linking_encoder(
    dataset: Dataset, config: Config, manager: PluginManager, cache_dir: Path, progress: Progress = SILENT
) -> TextEncoder | None:
    """Return the encoder that settles ambiguous names in entity linking, or None where the settings want none.

    Its model is only loaded if a name needs it.

    Args:
        dataset: the encoder is chosen by its items' texts.
        config: ``linking`` and ``text`` count here.
        manager: knows the encoders.
        cache_dir: folder of vectors already known.
        progress: told what was chosen.
    """
    if not (config.linking.enabled and config.linking.compare_meaning):
        return None
    texts = dataset.items.select(pl.concat_str("title", "description", separator=" ", ignore_nulls=True))
    _, _, encoder = choose_encoder(texts.to_series().to_list(), config.text, manager, progress)
    return CachedEncoder(encoder, cache_dir)

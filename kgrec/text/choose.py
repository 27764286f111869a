"""Chooses the text encoder by looking at the texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kgrec.config import Config, TextConfig
from kgrec.data.dataset import Dataset
from kgrec.errors import MissingExtraError
from kgrec.plugin.manager import PluginManager
from kgrec.plugin.protocols import TextEncoder
from kgrec.progress import SILENT, Progress
from kgrec.text.cache import CachedEncoder

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

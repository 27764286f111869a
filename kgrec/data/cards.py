"""What is shown of items and users, in a file from which one line is read without the tables.

A list for one user needs ten titles and a line on the user; the tables would have to be read whole for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.artifacts import load_slice, save_arrays

if TYPE_CHECKING:
    from kgrec.data.dataset import Dataset

NAME = "cards.safetensors"


class Cards:
    """Titles of items, and what the tables say of users, by their positions in the dataset.

    Raises:
        CorruptArtifactError: the file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / NAME

    def title(self, item: int) -> str:
        """Return the title of an item, empty where it has none."""
        return self._text("titles", item)

    def user(self, user: int) -> dict[str, Any]:
        """Return ``description`` and attributes of a user as far as they are known."""
        facts: dict[str, Any] = json.loads(self._text("users", user))
        return {name: value for name, value in facts.items() if value not in (None, [], "")}

    def interactions(self, user: int) -> int:
        """Return how many interactions a user has, without those marked ``test``."""
        return int(load_slice(self._file, "interactions", user, user + 1)[0])

    def _text(self, name: str, row: int) -> str:
        start, stop = load_slice(self._file, f"{name}_bounds", row, row + 2).tolist()
        return load_slice(self._file, name, start, stop).tobytes().decode() if start < stop else ""


def save_cards(dataset: Dataset, folder: Path) -> None:
    """Write the cards of a dataset."""
    import polars as pl

    named = ["description", *(name for name in dataset.users.columns if name in dataset.user_attributes)]
    facts = dataset.users.select(pl.struct(named).struct.json_encode()).to_series()
    kept = dataset.interactions.filter(pl.col("split") != "test")["user"].to_numpy()
    arrays = {"interactions": np.bincount(kept, minlength=dataset.n_users).astype(np.int64)}
    arrays |= _packed("titles", dataset.items["title"].fill_null("").to_list())
    arrays |= _packed("users", facts.to_list())
    save_arrays(folder / NAME, arrays)


def _packed(name: str, texts: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Return texts as UTF-8 bytes one after another, and the bounds between them."""
    parts = [text.encode() for text in texts]
    bounds = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return {name: np.frombuffer(b"".join(parts), dtype=np.uint8), f"{name}_bounds": bounds}

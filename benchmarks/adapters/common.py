"""What all adapters use: what a dataset is made into, and how tables are read and written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    return Path(os.environ.get("KGREC_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset ready for ``kgrec init``.

    Attributes:
        domain: of the workspace.
        files: what is handed to ``kgrec init --from``.
        config: kgrec.toml, with the published split marked.
        test: held-out interactions for scoring.
        known: interactions that must not be recommended again (train and validation), for the leak count.
        k: length of the lists the published figures use.
        include_seen: the protocol ranks items of the user's history too.
        length: of the lists asked for.
    """

    domain: str
    files: tuple[Path, ...]
    config: str
    test: Path
    known: Path
    k: int = 20
    include_seen: bool = False
    length: int = 20

    @property
    def train(self) -> Path:
        """Interactions to fit on."""
        return self.files[0]

    @property
    def valid(self) -> Path | None:
        """Interactions to choose settings on, where the published split has them."""
        return next((file for file in self.files if file.name == "valid.tsv"), None)


def table(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)


def write(frame: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path, separator="\t", quote_style="never")
    return path


def pairs(frame: pl.DataFrame, user: str = "user_id", item: str = "item_id") -> pl.DataFrame:
    return frame.select(pl.col(user).alias("user_id"), pl.col(item).alias("item_id"))


def interactions(name: str, *, split: str = "train", action: str = "like", time: str | None = None) -> str:
    columns = '{ user = "user_id", item = "item_id"' + (f', time = "{time}"' if time else "") + " }"
    return f'[[data.interactions]]\npath = "{name}"\ncolumns = {columns}\naction = "{action}"\nsplit = "{split}"\n\n'

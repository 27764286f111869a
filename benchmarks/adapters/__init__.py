"""Adapters: real datasets, kept outside the project, as files and a kgrec.toml that a user would write.

The datasets lie where ``KGREC_DATA`` says (by default ``../shared/data`` beside the project); their README files state
terms, columns and splits. What is written here goes under ``build/`` and is never committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from adapters import books, films, music, news, shops
from adapters.common import ROOT, Prepared, data_folder

__all__ = ["ADAPTERS", "ROOT", "Prepared", "data_folder", "prepare", "short_name"]

# The data lies beside the workspaces; that it may be read is kept for these runs, not for the user of this machine.
os.environ.setdefault("XDG_CONFIG_HOME", str(ROOT / "build" / "config"))

ADAPTERS: dict[str, tuple[str, Callable[[Path, Path], Prepared]]] = {
    "ml-100k": ("ml-100k", films.ml_100k),
    "lastfm": ("lastfm-lightkg", music.lastfm),
    "dbbook": ("dbbook2014-cikgrec", books.dbbook),
    "amazon-book": ("amazon-book-kgat-cf", books.amazon_book),
    "scientific": ("amazon-scientific", shops.scientific),
    "ml-1m": ("ml-1m-kg", films.ml_1m),
    "retailrocket": ("retailrocket-sslrec", shops.retailrocket),
    "douban": ("douban-movie", films.douban),
    "goodreads": ("goodreads-genre", books.goodreads),
    "bing-news": ("bing-news-dkn", news.bing_news),
}
"""Short name -> folder of the data and its adapter; the folder's own name is understood too."""


def short_name(name: str) -> str:
    """Return the short name of a dataset, given either of its names."""
    by_folder = {folder: short for short, (folder, _) in ADAPTERS.items()}
    short = by_folder.get(name, name)
    if short not in ADAPTERS:
        raise SystemExit(f"error: unknown dataset {name!r}\nhint: known are {', '.join([*ADAPTERS, *by_folder])}")
    return short


def prepare(name: str, out: Path) -> Prepared:
    """Write the input files of a dataset under ``out``."""
    folder, adapter = ADAPTERS[short_name(name)]
    source = data_folder() / folder
    if not source.is_dir():
        raise SystemExit(f"error: {source} does not exist\nhint: set KGREC_DATA to the folder of the datasets")
    return adapter(source, out)

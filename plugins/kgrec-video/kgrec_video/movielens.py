"""Reads the files of MovieLens, which have no header: ``ratings.dat``, ``movies.dat``, ``users.dat``, ``u.data``...

Layouts as in the README files of ml-100k, ml-1m and ml-10m.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from kgrec.config import ReadConfig
from kgrec.errors import DataError, NotFoundError

RATINGS = ("user_id", "item_id", "rating", "timestamp")

GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
"""The flags at the end of a row of u.item, in their order."""

LAYOUTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ratings.dat": ("::", RATINGS),
    "tags.dat": ("::", ("user_id", "item_id", "tag", "timestamp")),
    "movies.dat": ("::", ("item_id", "title", "genres")),
    "users.dat": ("::", ("user_id", "gender", "age", "occupation", "zip_code")),
    "u.data": ("\t", RATINGS),
    "u.item": ("|", ("item_id", "title", "release_date", "video_release_date", "imdb_url", *GENRES)),
    "u.user": ("|", ("user_id", "age", "gender", "occupation", "zip_code")),
}
"""File name -> separator and columns."""


class MovieLensSource:
    """Reads the files named in :data:`LAYOUTS`."""

    def claims(self, path: Path) -> bool:
        """Say whether ``path`` is named like a MovieLens file, and not cut in another way."""
        if path.name not in LAYOUTS or not path.is_file():
            return path.name in LAYOUTS
        with path.open("rb") as stream:
            line = stream.readline(4096).decode("utf-8", "replace")
        separator = LAYOUTS[path.name][0]
        return separator in line or not any(other in line for other in ",;\t|")

    def read(self, path: Path, reading: ReadConfig | None = None) -> pl.DataFrame:  # noqa: ARG002
        """Read the file; the genre flags of u.item become one column ``genres``, joined by bars.

        Raises:
            NotFoundError: there is no such file.
            DataError: the file is empty, or a row has not as many fields as the layout.
        """
        if not path.is_file():
            raise NotFoundError(f"no such file: {path}")
        separator, columns = LAYOUTS[path.name]
        lines = pl.DataFrame({"row": _text(path).replace("\r\n", "\n").split("\n")}, schema={"row": pl.String()})
        table = (
            lines.with_row_index("__line__", offset=1)
            .filter(pl.col("row").str.strip_chars() != "")
            .with_columns(pl.col("row").str.split(separator).alias("fields"))
        )
        if table.is_empty():
            raise DataError(f"{path} is empty")
        wrong = table.filter(pl.col("fields").list.len() != len(columns))
        if wrong.height:
            line, fields = wrong["__line__"][0], len(wrong["fields"][0])
            raise DataError(
                f"{path}, line {line}: {fields} fields where MovieLens has {len(columns)}",
                hint=f"the fields of {path.name} are " + ", ".join(columns[:6]),
            )
        cells = [pl.col("fields").list.get(k).alias(name) for k, name in enumerate(columns)]
        table = table.select(*cells, pl.col("__line__").cast(pl.UInt32))
        return _join_genres(table) if path.name == "u.item" else table


def _text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")  # every byte is a character there, and the old releases are written in it


def _join_genres(table: pl.DataFrame) -> pl.DataFrame:
    named = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in GENRES if genre != "unknown"]
    joined = table.with_columns(pl.concat_str(named, separator="|", ignore_nulls=True).alias("genres"))
    return joined.select(*[c for c in table.columns if c not in GENRES and c != "__line__"], "genres", "__line__")

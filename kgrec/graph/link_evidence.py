"""What is known of both sides of links, as sparse matrices that can be compared row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from kgrec.text.tokens import plain_tokens

_YEAR = r"\b(1[5-9]\d\d|20\d\d)\b"
_SCRIPTS = (
    *("Latin", "Han", "Hiragana", "Katakana", "Hangul", "Cyrillic"),
    *("Greek", "Arabic", "Hebrew", "Thai", "Devanagari"),
)


@dataclass(frozen=True)
class BothSides:
    """What is known of both sides of ``n`` links, as matrices of ``n`` rows over the same columns.

    ``measure`` returns how far row ``k`` of the first agrees with row ``k`` of the second, 0 to 1, shape ``(n,)``.
    """

    kind: str
    items: csr_array
    entities: csr_array
    measure: Callable[[csr_array, csr_array], NDArray[np.float64]]
    comparable: NDArray[np.bool_]

    def value(self, order: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return the agreement of each link, the entities in another order where one is given."""
        return self.measure(self.items, self.entities if order is None else self.entities[order])


def words_of(texts: pl.DataFrame, side: str) -> pl.DataFrame:
    """Return the words of names: ``side``, ``word`` (plain Latin letters), ``script`` (null of a number)."""
    found = plain_tokens(texts["text"])
    scripts = pl.coalesce(
        *(pl.when(pl.col("token").str.contains(rf"\p{{{name}}}")).then(pl.lit(name)) for name in _SCRIPTS)
    )
    # A number is compared only with a number: "1984" has no letters.
    script = pl.coalesce(scripts, pl.when(pl.col("token").str.contains(r"^\d+$")).then(pl.lit("number")))
    return found.select(
        pl.Series(side, texts[side]).gather(found["row"]), word="plain", script=script.fill_null("other")
    ).with_columns(
        script=pl.when((pl.col("script") == "number") & (pl.col("script") != "number").any().over(side))
        .then(None)
        .otherwise("script")
    )


def years_of(texts: pl.DataFrame, side: str) -> pl.DataFrame:
    """Return the years that stand in texts: ``side``, ``year``."""
    found = texts.select(side, year=pl.col("text").str.extract_all(_YEAR)).explode("year").drop_nulls()
    return found.with_columns(pl.col("year").cast(pl.Int32)).unique(maintain_order=True)


def near_years(years: pl.DataFrame) -> pl.DataFrame:
    """Return the years with those before and after: releases differ by country."""
    return pl.concat([years.with_columns(pl.col("year") + by) for by in (-1, 0, 1)]).unique(maintain_order=True)


def folded(texts: pl.DataFrame, side: str) -> pl.DataFrame:
    """Return texts without case and accents, once for each ``side``; those without a letter are left out."""
    text = pl.col("text").str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase().str.strip_chars()
    found = texts.select(side, text=text).filter(~pl.col("text").str.contains(r"^[\d\W]*$"))
    return found.unique(maintain_order=True)


def matrices(
    links: pl.DataFrame, mine: pl.DataFrame, theirs: pl.DataFrame, key: str, *, apart: bool = False
) -> tuple[csr_array, csr_array]:
    """Return what both sides of each link have, CSR of shape ``(n_links, n_keys)``; ``apart``: own keys each."""
    numbered = links.with_row_index("row")
    sides = [
        numbered.join(frame.select(side, key).drop_nulls(), on=side).select("row", key).unique(maintain_order=True)
        for frame, side in ((mine, "item"), (theirs, "entity"))
    ]
    keys = [side[key].unique().sort() for side in sides]
    if not apart:
        keys = [pl.concat(keys).unique().sort()] * 2
    made = []
    for side, known in zip(sides, keys, strict=True):
        codes = known.to_frame(key).with_row_index("code")
        coded = side.join(codes, on=key, maintain_order="left")
        entries = (np.ones(coded.height), (coded["row"].to_numpy(), coded["code"].to_numpy()))
        made.append(csr_array(entries, shape=(links.height, max(known.len(), 1))))
    return made[0], made[1]


def _rarity(*sides: csr_array) -> NDArray[np.float64]:
    """Return the weight of each column: how rare it is among all rows, shape ``(n_keys,)``."""
    counts = sum(np.asarray((side > 0).sum(axis=0)).ravel() for side in sides)
    rows = sum(side.shape[0] for side in sides)
    return np.asarray(np.log((rows + 1) / (counts + 0.5)))


def overlap(a: csr_array, b: csr_array) -> Callable[[csr_array, csr_array], NDArray[np.float64]]:
    """Return what measures the weight of what two rows share, as a share of the lighter row, rare columns first."""
    weights = _rarity(a, b)

    def measure(mine: csr_array, theirs: csr_array) -> NDArray[np.float64]:
        shared = mine.multiply(theirs) @ weights
        lighter = np.minimum(mine @ weights, theirs @ weights)
        share: NDArray[np.float64] = np.divide(shared, lighter, out=np.zeros(len(shared)), where=lighter > 0)
        return share

    return measure


def unit_rows(matrix: csr_array) -> csr_array:
    """Return the matrix weighed by rarity, with rows of length 1."""
    weighed = csr_array(matrix @ diags_array(_rarity(matrix)))
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
    return csr_array(diags_array(1 / np.maximum(lengths, 1e-12)) @ weighed)

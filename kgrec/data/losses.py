"""What was lost on the way from files to tables, by file and reason, and what was not used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from kgrec.config import CleaningConfig
from kgrec.data.parts import Part
from kgrec.data.sources.files import LINE, NOT_ROWS, PROBLEM
from kgrec.data.times import looks_like_times
from kgrec.errors import DataError
from kgrec.plugin.domain import Mapping

WANTED = (
    "exact duplicate",
    "repeated event",
    "k-core",
    "duplicate item id",
    "duplicate user id",
    "no rating",
    "no time",
    *NOT_ROWS,
)
"""Reasons that are no loss: the row is there already, a setting asks for it, or it was no row."""

_KEYLESS = ("no item id", "no user id")
_SETTINGS = ("item not in the catalogue", "user not in the users file")
_SAMPLE = 2_000


@dataclass(frozen=True)
class Loss:
    """Rows of a file that are missing in the tables.

    Attributes:
        source: the file.
        reason: why.
        rows: how many.
        share: of the file's rows, 0 to 1.
        lost: this was not asked for.
        counts: it counts where a file loses too much; rows of a catalogue that nothing can refer to do not.
        example: the first of them: line and cells.
    """

    source: str
    reason: str
    rows: int
    share: float
    lost: bool
    counts: bool
    example: str


def losses(rejects: pl.DataFrame, parts: Sequence[Part]) -> list[Loss]:
    """Count what was lost, the largest shares first.

    Args:
        rejects: see :class:`kgrec.data.dataset.Dataset`.
        parts: the files.
    """
    rows = {part.source: part.counts["rows"] for part in parts}
    logs = {part.source for part in parts if part.role == "interactions"}
    counted = rejects.group_by("source", "reason", maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("line", "row").first()
    )
    found = [
        Loss(
            source,
            reason,
            n,
            n / max(rows.get(source, n), 1),
            reason not in (*WANTED, *_SETTINGS),
            reason not in (*WANTED, *_SETTINGS) and (source in logs or reason not in _KEYLESS),
            f"line {line}: {str(row)[:200]}",
        )
        for source, reason, n, line, row in counted.iter_rows()
    ]
    return sorted(found, key=lambda loss: (not loss.lost, -loss.share))


def check_losses(found: Sequence[Loss], cleaning: CleaningConfig) -> None:
    """Refuse tables for which too much was lost.

    Raises:
        DataError: of a file a larger share was lost than ``data.cleaning.max_loss``; names the reasons.
    """
    by_file: dict[str, list[Loss]] = {}
    for loss in found:
        if loss.counts or (loss.lost and not cleaning.max_loss):
            by_file.setdefault(loss.source, []).append(loss)
    for source, parts in by_file.items():
        share = sum(loss.share for loss in parts)
        if share > cleaning.max_loss:
            told = ", ".join(f"{loss.rows:,} rows: {loss.reason}" for loss in parts[:4])
            what = "would be lost" if cleaning.max_loss else "would be lost, and nothing may be"
            raise DataError(
                f"{percent(share)} of {source} {what} ({told})",
                hint=f"for example {parts[0].example}; correct kgrec.toml, or allow it: data.cleaning.max_loss = 1",
            )


def percent(share: float) -> str:
    """Write a share, small ones too."""
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}" if share >= 0.001 else "< 0.1%"


def unused_columns(raw: pl.DataFrame, mapping: Mapping) -> dict[str, str]:
    """Return what the columns could be that nothing is made of; those without content are left out."""
    used = {*mapping.columns.values(), *(a.column for a in mapping.attributes.values()), LINE, PROBLEM}
    found = {name: _could_be(raw[name].drop_nulls()) for name in raw.columns if name not in used}
    return {name: what for name, what in found.items() if what}


def _could_be(column: pl.Series) -> str:
    sample = column.gather_every(max(1, len(column) // _SAMPLE)).head(_SAMPLE)
    if not len(sample):
        return ""
    if isinstance(sample.dtype, pl.List | pl.Array):
        return "lists: an attribute of several values"
    if sample.dtype.is_temporal():
        return "times"
    text = sample.cast(pl.String, strict=False).drop_nulls().str.strip_chars()
    text = text.filter(text != "")
    if not len(text):
        return ""
    distinct = text.n_unique()
    if distinct == 1:
        return f"always {text[0][:30]!r}"
    if looks_like_times(text):
        return "times"
    length = text.str.len_chars().mean()
    if text.cast(pl.Float64, strict=False).count() >= 0.95 * len(text):
        return "numbers"
    if distinct > 0.95 * len(text):
        return "texts" if isinstance(length, float) and length > 40 else "ids or names"
    return f"an attribute of {distinct:,} values"


def as_report(found: Sequence[Loss]) -> list[dict[str, Any]]:
    """Return losses as JSON values."""
    return [
        {
            "source": loss.source,
            "reason": loss.reason,
            "rows": loss.rows,
            "share": round(loss.share, 5),
            "lost": loss.lost,
            "example": loss.example,
        }
        for loss in found
    ]

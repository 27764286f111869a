"""Several items in a cell: lists by separators, with quantities, or keys and values of an order's lines."""

from __future__ import annotations

import re

from kgrec.data.naming import WORDS, ColumnName, fold, read_name

SEPARATORS = ("|", " / ", "; ", ";", "、", "，", ", ", ",")
"""Candidates for cells of several values; of equally frequent ones the first is taken."""

TAKEN = r"(\S+)[-:]1(?:\s|$)"
"""What of the things shown was taken: `N55-1 N12-0`."""

_HISTORIES = frozenset(WORDS["hints"]["histories"])
_PAIR = re.compile(r"[\"']?([^\W\d][\w .-]{0,30}?)[\"']?\s*[:=]\s*[\"']?([^,;|\"'{}\n]+)")
_COUNTED = (
    r"^\s*(.+?)\s*[:x×*=]\s*\d+(?:\.\d+)?\s*$",
    r"^\s*\d+(?:\.0)?\s*[x×*]\s*(.+?)\s*$",
    r"^\s*(.+?)\s*\(\s*[x×]?\s*\d+\s*\)\s*$",
)


def unpack(sample: list[str], words: ColumnName) -> tuple[str | None, str | None]:
    """Return separator and pattern of cells that hold several items; None, None where they hold one.

    Args:
        sample: filled cells.
        words: name of the column.
    """
    tokens = [token for cell in sample[:100] for token in cell.split()]
    ends = {token[-2:] for token in tokens}
    if tokens and ends in ({"-0", "-1"}, {":0", ":1"}) and all(len(token) > 2 for token in tokens):
        return None, TAKEN
    keyed = _keyed(sample)
    if keyed is not None:
        return None, keyed
    plural = (
        bool({"ids", "items", "products", "list", "history", "skus", "lines", "sequence"} & set(words.words))
        or fold(words.text) in _HISTORIES
    )
    separator = next(
        (s for s in (*SEPARATORS, "\n", " ") if sum(s in cell for cell in sample) >= 0.2 * len(sample)), None
    )
    if separator is None or (separator == " " and not plural and not words.is_a("item")):
        return None, None
    if separator == " " and not all(re.search(r"\d", word) for cell in sample[:50] for word in cell.split()):
        return None, None
    parts = [part.strip() for cell in sample for part in cell.split(separator) if part.strip()]
    pattern = next((p for p in _COUNTED if sum(bool(re.match(p, part)) for part in parts) >= 0.9 * len(parts)), None)
    short = sum(" " not in part for part in parts) >= 0.9 * len(parts)
    if pattern is not None and (plural or short or words.is_a("item")):
        return separator, pattern
    recur = len(set(parts)) < 0.9 * len(parts)
    return (
        (separator, None) if (plural and (short or recur)) or (short and recur and words.is_a("item")) else (None, None)
    )


def _keyed(cells: list[str]) -> str | None:
    """Return the pattern of an item in cells such as ``[{"sku": "A1", "qty": 2}]`` or ``SKU: A1, Qty: 2``."""
    seen: dict[str, int] = {}
    for cell in cells:
        for key in dict.fromkeys(key.strip() for key, _ in _PAIR.findall(cell)):
            seen[key] = seen.get(key, 0) + 1
    common = [key for key, n in seen.items() if n >= 0.9 * len(cells)]
    if len(common) < 2:
        return None

    def score(key: str) -> float:
        name = read_name(key)
        if name.prop and not name.prop & {"id", "title"}:
            return -1
        return (
            2.0 * name.is_a("item")
            + 1.5 * ("id" in name.prop)
            + 0.5 * ("title" in name.prop)
            - 3 * name.is_a("event", "shared")
        )

    best = max(common, key=score)
    if score(best) <= 0:
        return None
    return r"""["']?""" + re.escape(best) + r"""["']?\s*[:=]\s*["']?([^,;|"'{}\n]+)"""

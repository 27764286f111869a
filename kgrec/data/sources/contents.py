"""What a path stands for: the files that a pattern matches, the parts of containers."""

from __future__ import annotations

from pathlib import Path

from kgrec.data.sources.databases import tables_of
from kgrec.data.sources.files import check_file, members
from kgrec.data.sources.typed import sheets
from kgrec.places import ARCHIVES, DATABASES, SHEETS, address, is_pattern, matching, split_part, suffix


def expand(path: Path) -> list[Path]:
    """Return what a path stands for, one readable part each: matching files, members, sheets, tables; or itself.

    Raises:
        NotFoundError: nothing is there.
        DataError: a container is damaged.
    """
    if address(path):
        return [path]
    if is_pattern(path):
        return [part for file in matching(path) for part in expand(file)]
    check_file(path)
    file, part = split_part(path)
    kind = suffix(file)
    if part or kind not in (*ARCHIVES, *SHEETS, *DATABASES):
        return [path]
    parts = members(file) if kind in ARCHIVES else list(sheets(file)) if kind in SHEETS else tables_of(file)
    return [Path(f"{file}#{part}") for part in parts] if len(parts) > 1 or kind in ARCHIVES else [path]

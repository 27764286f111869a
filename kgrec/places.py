"""Where data lies: a file, a pattern or folder of files, a part of a container, an address.

``orders.csv`` is a file, ``logs/*.csv`` and ``logs`` are all files of that name or in that folder, ``shop.db#orders``,
``book.xlsx#Sheet1``, ``export.zip#ratings.csv`` and ``export.json#data.items`` are parts of a file, and
``https://host/x.csv``, ``s3://bucket/x.parquet`` and ``postgresql://host/db#orders`` are addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from glob import has_magic
from pathlib import Path

from kgrec.errors import DataError, NotFoundError

ARCHIVES = (".zip",)
SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
DATABASES = (".db", ".db3", ".sqlite", ".sqlite3")
COMPRESSIONS = (".gz", ".zst")
_RECORDS = (".json", ".jsonl", ".ndjson")

_PART = re.compile(
    rf"(.+?(?:{'|'.join(map(re.escape, (*ARCHIVES, *SHEETS, *DATABASES, *_RECORDS)))})(?:\.gz|\.zst)?)#(.+)",
    re.IGNORECASE | re.DOTALL,
)
_ADDRESS = re.compile(r"(?:.*/)?(https?|s3|gs|postgres(?:ql)?):/{1,2}([^/].*)", re.IGNORECASE | re.DOTALL)
_MOST = 100_000


def address(place: str | Path) -> str | None:
    """Return the address that a path stands for (paths have no two slashes in a row), or None where it is a file."""
    found = _ADDRESS.fullmatch(place if isinstance(place, str) else place.as_posix())
    return f"{found[1].lower()}://{found[2]}" if found else None


def split_part(path: Path) -> tuple[Path, str]:
    """Return the file and the part of it that a path names: ``shop.db#orders``; the part is empty for the whole."""
    found = None if path.exists() else _PART.fullmatch(str(path))
    return (Path(found[1]), found[2]) if found else (path, "")


def is_pattern(path: Path) -> bool:
    """Say whether a path stands for all files that it matches, or all of a folder."""
    return address(path) is None and not path.is_file() and (path.is_dir() or has_magic(str(path)))


def matching(path: Path) -> list[Path]:
    """Return the files that a pattern or folder stands for, sorted; hidden ones and those of no content are left out.

    Raises:
        NotFoundError: there is none.
    """
    if path.is_dir():
        found: Iterable[Path] = path.rglob("*")
    else:
        fixed = Path(*_before_magic(path))
        found = fixed.glob(str(path.relative_to(fixed)))
    files = []
    for file in found:
        inside = file.relative_to(path if path.is_dir() else path.anchor or ".").parts if path.is_dir() else file.parts
        if any(part.startswith((".", "_")) and part not in (".", "..") for part in inside[-1:]):
            continue  # of Spark and others: _SUCCESS, .part.crc
        if file.is_file() and file.stat().st_size:
            files.append(file)
        if len(files) > _MOST:
            raise DataError(f"{path} matches more than {_MOST:,} files", hint="name fewer of them")
    if not files:
        raise NotFoundError(f"{path} matches no file", hint="check the pattern; ** stands for folders of any depth")
    return sorted(files)


def matches(pattern: Path, file: Path) -> bool:
    """Say whether a file is among those that a pattern or folder stands for, whether it exists or not."""
    pattern, file = Path(pattern).absolute(), file.absolute()
    if not has_magic(str(pattern)):
        return pattern in file.parents
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern.as_posix())
    text = "".join(signs.get(p, p.replace("[!", "[^") if p.startswith("[") else re.escape(p)) for p in parts)
    return re.fullmatch(text, file.as_posix()) is not None


def base(path: Path) -> Path:
    """Return the file or folder on disk that holds all that a path stands for: what is read when it is read."""
    if has_magic(str(path)) and not path.exists():
        return Path(*_before_magic(path))
    return split_part(path)[0]


def _before_magic(path: Path) -> list[str]:
    fixed: list[str] = []
    for part in path.parts:
        if has_magic(part):
            break
        fixed.append(part)
    return fixed or ["."]


def suffix(path: Path) -> str:
    """Return the lower-case ending that tells the format: ``.csv`` for ``ratings.CSV.gz`` and ``x.zip#ratings.csv``."""
    file, part = split_part(path)
    where = Path(part) if part and _ending(file) in ARCHIVES else file
    return _ending(where)


def _ending(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""

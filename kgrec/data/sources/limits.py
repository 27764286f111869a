"""Bounds on what a file may become while it is read: a few bytes must not fill the memory or hold a core for minutes.

The bounds lie far above what people's data needs. Users with data beyond them raise them by the environment, not by
kgrec.toml, which may come from the same stranger as the file: ``KGREC_LIMITS="columns=20000,expansion=1000"``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kgrec.errors import ConfigError, DataError

VARIABLE = "KGREC_LIMITS"
DEFAULTS: Mapping[str, int] = {
    "expansion": 200,
    "columns": 5_000,
    "depth": 500,
    "entities": 10_000,
    "download": 8_192,
    "seconds": 30,
    "memory": 1_024,
}
"""How many times its size a compressed file may grow (beyond :data:`ALWAYS` bytes); columns of a table; how deep JSON
nests; entities that an XML file declares; MiB that are read from an address; seconds and MiB that the parser of an RDF
file may take beyond what its size accounts for."""

ALWAYS = 64 << 20
"""Bytes to which any compressed file may grow."""

# Possessive, and an unclosed string runs to the end: whatever the bytes are, they are passed over once.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_ENTITY = re.compile(rb"<!ENTITY\s+(?:%\s+)?[^\s>]+\s+(?:\"([^\"]*)\"|'([^']*)'|(SYSTEM|PUBLIC))")


def limit(name: str) -> int:
    """Return a bound: the environment's, or the default.

    Raises:
        ConfigError: the variable holds something else.
    """
    found = dict(DEFAULTS)
    for part in filter(None, os.environ.get(VARIABLE, "").split(",")):
        key, _, value = part.partition("=")
        if key.strip() not in DEFAULTS or not value.strip().isdecimal():
            raise ConfigError(f"{VARIABLE}: {part.strip()!r} is no limit", hint=f"{', '.join(DEFAULTS)}, each =NUMBER")
        found[key.strip()] = int(value)
    return found[name]


def exceeded(path: Path, what: str, name: str) -> DataError:
    """Return the error of a file that goes beyond a bound; it says how to raise it."""
    return DataError(
        f"{path}: {what}, the limit is {limit(name):,}",
        hint=f'if the file is what you expect, raise the limit: {VARIABLE}="{name}=NUMBER"',
    )


def exceeded_download(url: str) -> DataError:
    """Return the error of an address that leads to too much."""
    return DataError(
        f"{url} has more than {limit('download'):,} MiB",
        hint=f'if it is what you expect, raise the limit: {VARIABLE}="download=NUMBER"',
    )


def most_bytes(compressed: int) -> int:
    """Return how many bytes a compressed file of that size may hold."""
    return max(ALWAYS, compressed * limit("expansion"))


def check_depth(path: Path, data: bytes) -> None:
    """Make sure that a JSON document does not nest deeper than the limit.

    Raises:
        DataError: it does.
    """
    deepest, bound = 0, limit("depth")
    marks = np.frombuffer(_STRINGS.sub(b"", data), dtype=np.uint8)
    steps = np.isin(marks, np.frombuffer(b"[{", dtype=np.uint8)).astype(np.int8)
    steps -= np.isin(marks, np.frombuffer(b"]}", dtype=np.uint8)).astype(np.int8)
    if steps.size:
        deepest = int(np.cumsum(steps, dtype=np.int32).max())
    if deepest > bound:
        raise exceeded(path, f"nested {deepest:,} deep", "depth")


def check_entities(path: Path, data: bytes) -> None:
    """Make sure that an XML file declares only plain entities: no nested ones, none from elsewhere, not too many.

    Raises:
        DataError: it does.
    """
    found = 0
    for match in _ENTITY.finditer(data):
        found += 1
        value = match.group(1) or match.group(2) or b""
        if match.group(3) or re.search(rb"&(?!#)|%[^\s;]+;", value):
            line = data.count(b"\n", 0, match.start()) + 1
            raise DataError(
                f"{path}: line {line}: an entity is made from others or lies elsewhere",
                hint="write its text out; such files can grow without end",
            )
    if found > limit("entities"):
        raise exceeded(path, f"{found:,} entities", "entities")

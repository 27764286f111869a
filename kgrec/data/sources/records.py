"""JSON: lines of objects, an array of them, or a document that holds such an array somewhere.

Objects inside of records become columns with dotted names (``who.id``), a list of objects becomes lists side by side
(``lines.sku`` and ``lines.qty``), scalars become strings with the digits that stand in the file.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from kgrec.config import ReadConfig
from kgrec.data.sources.encodings import check_utf8
from kgrec.data.sources.files import LINE, PROBLEM, NamedByEnding, read_text_bytes
from kgrec.data.sources.limits import check_depth, exceeded, limit
from kgrec.data.sources.nested import flatten, parse_lines, texts
from kgrec.errors import DataError
from kgrec.places import split_part

_BLOCK = 8 << 20
"""Bytes of lines in which keys are looked for at once."""
_SEARCHED = 6
"""So many levels deep a list of records is looked for in a document."""


class JsonSource(NamedByEnding):
    """JSON lines, an array of objects, or a document with one inside: ``export.json#data.items`` names its place."""

    endings = (".json", ".jsonl", ".ndjson")

    def read(self, path: Path, reading: ReadConfig | None = None) -> pl.DataFrame:
        """Read the file.

        Raises:
            DataError: empty, not UTF-8, or no objects.
        """
        data = read_text_bytes(path, reading.encoding if reading else None)
        _check_keys(path, data)
        place = split_part(path)[1]
        start = data[:1_000].lstrip()[:1]
        if not place and (start == b"{" and _is_lines(data)):
            return flatten(path, _lines(path, data))
        if start == b"[" and not place:
            return flatten(path, _array(path, data))
        return flatten(path, _document(path, data, place))


def _is_lines(data: bytes) -> bool:
    """Say whether the first two lines are objects, or would be if the first were not broken."""
    lines = [line for line in data.lstrip().split(b"\n", 50)[:50] if line.strip()][:2]
    if len(lines) < 2 or not all(line.lstrip().startswith(b"{") for line in lines):
        return False
    for line in lines:
        try:
            return isinstance(json.loads(line), dict)
        except (ValueError, RecursionError):
            continue
    return lines[0].rstrip().endswith(b"}")


def _lines(path: Path, data: bytes) -> pl.DataFrame:
    numbers = _object_lines(data)
    broken: list[tuple[int, bytes]] = []
    try:
        table = parse_lines(data)
        fits = table.height == numbers.len()
    except pl.exceptions.PolarsError:
        fits = False
    if not fits:
        broken = _broken_lines(path, data)
        bad = {line for line, _ in broken}
        kept = [row for line, row in enumerate(data.split(b"\n"), 1) if line not in bad]
        numbers = numbers.filter(~numbers.is_in(list(bad)))
        try:
            table = parse_lines(b"\n".join(kept))
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"{path} cannot be parsed: {error}", hint="a key must hold the same kind of value in every line"
            ) from None
    table = table.select(pl.lit(numbers).alias(LINE), pl.all())
    if broken:
        first = next((name for name in table.columns if name != LINE), None)  # the sound lines may all be {}
        shown = [row.decode("utf-8", "replace")[:500] for _, row in broken]
        lines = pl.Series(LINE, [n for n, _ in broken], dtype=pl.UInt32)
        lost = pl.DataFrame({LINE: lines, PROBLEM: ["no JSON object"] * len(broken)})
        if first is not None and table.schema[first] == pl.String:
            lost = lost.with_columns(pl.Series(first, shown))
        table = pl.concat([table, lost], how="diagonal").sort(LINE)
    return table


def _array(path: Path, data: bytes) -> pl.DataFrame:
    check_depth(path, data)
    try:
        table = pl.read_json(data, infer_schema_length=None)
        table = pl.read_json(data, schema=texts(table.schema))
    except pl.exceptions.PolarsError as error:
        return _numbered(_records(path, _loaded(path, data), "", error))
    return table.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(LINE))


def _document(path: Path, data: bytes, place: str) -> pl.DataFrame:
    check_depth(path, data)
    return _numbered(_records(path, _loaded(path, data), place, None))


def _numbered(records: list[dict[str, Any]]) -> pl.DataFrame:
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in records).encode()
    return parse_lines(lines).with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(LINE))


def _loaded(path: Path, data: bytes) -> Any:
    check_utf8(path, data)
    try:  # as text: of bytes Python guesses an encoding
        return json.loads(data.decode(), parse_int=str, parse_float=lambda text: text.removesuffix(".0"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: line {error.lineno} is no JSON: {error}", hint="a file holds one array or one object a line"
        ) from None
    except RecursionError:
        raise DataError(f"{path} nests too deep", hint="flatten it") from None


def _records(path: Path, document: Any, place: str, error: Exception | None) -> list[dict[str, Any]]:
    """Return the objects at ``place``, or, where that is empty, of the longest list or map of objects."""
    if place:
        at = document
        for key in place.split("."):
            at = at.get(key) if isinstance(at, dict) else None
        found = _objects(at)
        if not found:
            raise DataError(f"{path}: there are no objects at {place!r}", hint=_hint(document))
        return found
    best = max(_lists(document, 0), key=len, default=[])
    if not best:
        why = f" ({error})" if error else ""
        raise DataError(
            f"{path} holds no list of JSON objects{why}", hint='each record must look like {"key": "value"}'
        )
    return best


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, or of a map from id to object; an object alone is one."""
    if isinstance(value, list):
        return [one for one in value if isinstance(one, dict)]
    if isinstance(value, dict):
        inner = [set(one) for one in value.values() if isinstance(one, dict)]
        if len(inner) == len(value) > 1 and all(len(keys & inner[0]) * 2 >= len(keys | inner[0]) > 0 for keys in inner):
            return [{"key": key, **one} for key, one in value.items()]
        return [value]
    return []


def _lists(value: Any, depth: int) -> list[list[dict[str, Any]]]:
    if depth > _SEARCHED:
        return []
    found = [_objects(value)]
    inner = list(value.values()) if isinstance(value, dict) else []
    return [f for f in found if f] + [one for part in inner for one in _lists(part, depth + 1)]


def _hint(document: Any) -> str:
    return "there are " + ", ".join(map(str, list(document)[:10])) if isinstance(document, dict) else "it is a list"


def _object_lines(data: bytes) -> pl.Series:
    """Return the 1-based numbers of the lines that are not blank, u32."""
    # JSON escapes control characters, so this separator occurs in no valid line.
    lines = pl.Series([data]).cast(pl.Binary)
    text = lines.cast(pl.String).str.split("\n").explode()
    blank = text.str.strip_chars() == ""
    return (~blank).arg_true().cast(pl.UInt32) + 1


def _check_keys(path: Path, data: bytes) -> None:
    """Make sure that the objects do not have too many different keys: each becomes a column of every line.

    Raises:
        DataError: they have.
    """
    bound, keys, stream = limit("columns"), set[str](), io.BytesIO(data)
    if data.count(b":") <= bound:
        return
    while block := stream.readlines(_BLOCK):
        text = pl.Series([b"".join(block).decode("utf-8", "replace")])
        keys.update(text.str.extract_all(r'"(?:[^"\\]|\\.)*"\s*:').explode().unique().drop_nulls())
        if len(keys) > bound:
            raise exceeded(path, f"more than {bound:,} different keys", "columns")


def _broken_lines(path: Path, data: bytes) -> list[tuple[int, bytes]]:
    """Return number and content of the lines that are no JSON objects. Runs only on files that were found to have one.

    Raises:
        DataError: most lines are none.
    """
    found, first, good = [], "", 0
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            is_object = isinstance(json.loads(line), dict)
            why = "is no JSON object"
        except RecursionError:
            check_depth(path, line)
            raise DataError(f"{path}: line {number} nests too deep", hint="flatten it") from None
        except ValueError as error:
            is_object, why = False, f"is no JSON: {error}"
        if is_object:
            good += 1
        else:
            first = first or f"line {number} {why}"
            found.append((number, line))
    if len(found) > good or not found:
        raise DataError(
            f"{path}: {first or 'it does not hold one object a line'}", hint='each line must look like {"key": "value"}'
        )
    return found

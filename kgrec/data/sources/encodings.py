"""Which encoding a text file is in, and its text as UTF-8."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import numpy as np

from kgrec.errors import ConfigError, DataError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 64 << 10
_EASTERN = ("gb18030", "big5", "big5hkscs", "cp932", "shift_jis", "euc_jp", "cp949", "euc_kr")
_LETTERS = ("cp1251", "koi8_r", "cp1253")
_WESTERN = "cp1252"
_MARKS_AT_WORDS = "“”‘’„‚–—…€£°«»\xa0®™"
_SHORT = 60
_SAFE = re.compile(rb"[^\n]*[\x80-\xff][^\n]*\n?")
_DAMAGE = 0.25
"""A file in which at most this share of the sequences beyond ASCII is no UTF-8 is UTF-8 with damage."""


def to_utf8(path: Path, data: bytes, encoding: str | None = None) -> bytes:
    """Return the text of a file as UTF-8 without byte order mark.

    Args:
        path: the file, for messages.
        data: its bytes.
        encoding: as kgrec.toml states it; None: told from the bytes.

    Raises:
        ConfigError: there is no such encoding.
        DataError: the bytes are not in it, or in none that can be told; the message names the line.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            data, found = data[len(mark) :], name
            return data if found == "utf-8" else _decode(path, data, found)
    name = encoding or encoding_of(data)
    if name == "utf-8":
        check_utf8(path, data)
        return data
    return _decode(path, data, name)


def encoding_of(data: bytes) -> str:
    """Return the name of the encoding that the bytes of a text are most likely in; ``utf-8`` where nothing fits."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    wide = _wide(data[:_SAMPLE])
    if wide:
        return wide
    if data.isascii() or _is_utf8(data):
        return "utf-8"
    sample = b"".join(match.group() for match, _ in zip(_SAFE.finditer(data), range(2_000), strict=False))[:_SAMPLE]
    sample = sample[: sample.rfind(b"\n") + 1] or sample
    good, bad = _sequences(sample)
    if good and bad <= _DAMAGE * (good + bad):
        return "utf-8"
    return _legacy(sample) or "utf-8"


def check_utf8(path: Path, data: bytes) -> None:
    """Name the place where ``data`` is no UTF-8.

    Raises:
        DataError: it is not.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        likely = _legacy(data.split(b"\n", line)[line - 1][:_SAMPLE]) or _WESTERN
        raise DataError(
            f"{path}: line {line} is not UTF-8 (byte 0x{data[error.start]:02x} at offset {error.start})",
            hint=f'correct the line, or, if all of it is in another encoding: reading = {{ encoding = "{likely}" }} in '
            f"kgrec.toml, or convert it: iconv -f {likely.upper()} -t UTF-8 {path.name}",
        ) from None


def _decode(path: Path, data: bytes, name: str) -> bytes:
    try:
        return data.decode(name).encode("utf-8", "surrogatepass" if name.startswith("utf") else "strict")
    except LookupError:
        raise ConfigError(
            f"{path}: there is no encoding {name!r}", hint="for example gb18030, cp1252, utf-16"
        ) from None
    except UnicodeDecodeError as error:
        start = error.start
        line = data.count(b"\n", 0, start) + 1
        raise DataError(
            f"{path}: line {line} is not {name} (byte 0x{data[start]:02x} at offset {start})",
            hint=f'name the encoding in kgrec.toml, reading = {{ encoding = "{encoding_of(data)}" }}, or mend the line',
        ) from None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wide(sample: bytes) -> str | None:
    """Tell UTF-16 without a mark by its zero bytes: text of any language has spaces, digits or line breaks."""
    zeros = np.frombuffer(sample[: len(sample) // 2 * 2], dtype=np.uint8).reshape(-1, 2) == 0
    if len(zeros) < 2 or not zeros.any():
        return None
    even, odd = zeros.mean(axis=0)
    if max(even, odd) < 0.05 or min(even, odd) > 0.01:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _sequences(sample: bytes) -> tuple[int, int]:
    """Count sequences beyond ASCII that are UTF-8, and bytes that are not."""
    text = sample.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    return sum(not c.isascii() for c in text) - bad, bad


def _legacy(sample: bytes) -> str | None:
    """Return the likeliest of the encodings from before Unicode; None where nothing fits.

    Eastern and Cyrillic text comes in runs of bytes beyond ASCII, Western has single ones among letters. A few Eastern
    characters fit several encodings alike; those that all are frequent in Chinese are taken for that.
    """
    from charset_normalizer import from_bytes

    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", sample)]
    if sum(runs) >= 1.8 * len(runs):
        pairs = re.findall(rb"[\x81-\xfe][\x40-\xfe]", sample)
        if len(pairs) < _SHORT and all(0xB0 <= lead <= 0xD7 and trail >= 0xA1 for lead, trail in pairs):
            return "gb18030"
        best = from_bytes(sample, cp_isolation=[*_EASTERN, *_LETTERS, "cp1250", _WESTERN]).best()
        if best is not None and best.encoding in (*_EASTERN, *_LETTERS):
            return str(best.encoding)
    try:
        western = sample.decode(_WESTERN)
    except UnicodeDecodeError:
        best = from_bytes(sample, cp_isolation=["cp1250", "latin_1"]).best()
        return str(best.encoding) if best is not None else "latin-1"
    inside = re.findall(r"[^\W\d_][^\x00-\x7f]|[^\x00-\x7f][^\W\d_]", western)
    if sum(
        (pair[0].isalpha() and pair[1].isalpha()) or pair[0] in _MARKS_AT_WORDS or pair[1] in _MARKS_AT_WORDS
        for pair in inside
    ) >= 0.9 * len(inside):
        return _WESTERN
    best = from_bytes(sample, cp_isolation=["cp1250", "cp1254", _WESTERN]).best()
    return str(best.encoding) if best is not None else _WESTERN

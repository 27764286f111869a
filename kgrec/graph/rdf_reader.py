"""Reads RDF in any syntax into columns, and keeps what was parsed by the content of the file.

N-Triples and N-Quads, the syntaxes of bulk data, are parsed by Polars, a block of lines at a time, and keep their line
numbers. A line that this cannot read, and every other syntax, goes to pyoxigraph's parser, which is the judge of what
is RDF; what only rdflib knows (TriX, HexTuples) goes to rdflib. Named graphs are not told apart.
"""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import polars as pl

from kgrec.artifacts import replacing
from kgrec.data.dataset import read_table
from kgrec.data.sources.encodings import check_utf8
from kgrec.data.sources.files import read_text_bytes
from kgrec.errors import CorruptArtifactError
from kgrec.graph.rdf_parsers import OXIGRAPH, RDFLIB, STATEMENTS, parse
from kgrec.places import suffix

_FORMATS = {"ntriples": ".nt", "nquads": ".nq", "turtle": ".ttl", "rdfxml": ".rdf", "xml": ".rdf", "json-ld": ".jsonld"}

_BLOCK = 1 << 24
"""Bytes of lines parsed at once."""
_IRI = r"<([A-Za-z][A-Za-z0-9+.\-]*:(?:[^\x00-\x20<>\x22{}|^`\\]|\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8})*)>"
_BLANK = r"(_:[\p{L}\p{N}_](?:[\p{L}\p{N}_\-.\u00B7]*[\p{L}\p{N}_\-\u00B7])?)"
_LITERAL = r'"((?:[^\x22\\\n\r]|\\.)*)"(?:@([A-Za-z]+(?:-[A-Za-z0-9]+)*)|\^\^' + _IRI + ")?"
_STATEMENT = (
    rf"^[ \t]*(?:{_IRI}|{_BLANK})[ \t]*{_IRI}[ \t]*(?:{_IRI}|{_BLANK}|{_LITERAL})[ \t]*"
    rf"(?:{_IRI}|{_BLANK})?[ \t]*\.[ \t]*(?:#.*)?\r?$"
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_SIGNS = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f", '"': '"', "'": "'", "\\": "\\"}


def rdf_suffix(path: Path, format_name: str | None) -> str | None:
    """Return the ending that names the RDF syntax of a file, or None when it is no RDF."""
    name = (format_name or suffix(path)).lower()
    ending = _FORMATS.get(name, name if name.startswith(".") else f".{name}")
    return ending if ending in OXIGRAPH or ending in RDFLIB else None


def read_rdf(path: Path, ending: str) -> pl.DataFrame:
    """Read an RDF file, also compressed, into :data:`STATEMENTS`, in the order of the file.

    Args:
        path: the file.
        ending: its syntax, as :func:`rdf_suffix` tells.

    Raises:
        DataError: missing, damaged, not UTF-8, or not of that syntax; the message names file and line.
    """
    if ending not in (".nt", ".nq"):
        return _name_blanks(parse(path, ending))
    data = read_text_bytes(path, "utf-8")
    check_utf8(path, data)
    table = _read_lines(data, quads=ending == ".nq")
    return _name_blanks(table if isinstance(table, pl.DataFrame) else parse(path, ending, suspect=table))


def _read_lines(data: bytes, *, quads: bool) -> pl.DataFrame | int:
    """Parse lines; the number of a line that this cannot read, where there is one."""
    frames, first = [], 1
    stream = io.BytesIO(data)
    while block := stream.readlines(_BLOCK):
        raw = pl.Series("raw", b"".join(block).decode().split("\n"))
        lines = pl.DataFrame({"raw": raw}).with_columns(
            pl.int_range(first, first + pl.len(), dtype=pl.UInt32).alias("line")
        )
        first += len(block)
        stated = lines.filter(~pl.col("raw").str.contains(r"^[ \t]*(?:#.*)?\r?$"))
        parts = stated.select("line", pl.col("raw").str.extract_groups(_STATEMENT).alias("g")).unnest("g")
        bad = pl.col("3").is_null()
        if not quads:
            bad |= pl.col("9").is_not_null() | pl.col("10").is_not_null()
        unread = parts.filter(bad)
        if unread.height:
            return int(unread["line"][0])
        frames.append(
            parts.select(
                subject=_unescape(pl.coalesce("1", "2")),
                predicate=_unescape(pl.col("3")),
                object=_unescape(pl.coalesce("4", "5", "6")),
                literal=pl.col("6").is_not_null(),
                language=pl.col("7").str.to_lowercase(),
                line="line",
            )
        )
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict(STATEMENTS))


def _unescape(column: pl.Expr) -> pl.Expr:
    # Escapes are rare: only the strings that have one leave the columnar world.
    escaped = column.str.contains("\\", literal=True)
    decoded = pl.when(escaped).then(column).map_elements(_decode, return_dtype=pl.String, skip_nulls=True)
    return pl.when(escaped).then(decoded).otherwise(column)


def _decode(text: str) -> str:
    def sign(match: re.Match[str]) -> str:
        code = match.group(1) or match.group(2)
        return chr(int(code, 16)) if code else _SIGNS.get(match.group(3), match.group(0))

    return _ESCAPE.sub(sign, text)


def _name_blanks(table: pl.DataFrame) -> pl.DataFrame:
    """Number blank nodes as they appear: parsers invent other names for them every time."""
    blank = pl.col("subject").str.starts_with("_:") | (pl.col("object").str.starts_with("_:") & ~pl.col("literal"))
    found = table.filter(blank)
    if found.is_empty():
        return table
    names = (
        found.select(pl.concat_list("subject", pl.when(~pl.col("literal")).then("object")).alias("name"))
        .explode("name")["name"]
        .drop_nulls()
    )
    names = names.filter(names.str.starts_with("_:")).unique(maintain_order=True)
    numbered = pl.Series([f"_:b{k}" for k in range(len(names))], dtype=pl.String)
    renamed_object = pl.col("object").replace(names, numbered)
    return table.with_columns(
        pl.col("subject").replace(names, numbered),
        pl.when(pl.col("literal")).then(pl.col("object")).otherwise(renamed_object).alias("object"),
    )


VERSION = 1
"""Changes when the same file would be read differently."""


class RdfCache:
    """Statements of RDF files.

    Args:
        folder: where they are kept, or None to parse every time.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._used: set[Path] = set()

    def read(self, path: Path, ending: str) -> pl.DataFrame:
        """Return what :func:`kgrec.graph.rdf_reader.read_rdf` returns, from the cache where it has it."""
        if self.folder is None:
            return read_rdf(path, ending)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:32]
        file = self.folder / f"triples-{VERSION}-{path.suffix[1:]}-{ending[1:]}-{digest}.parquet"
        self._used.add(file)
        if file.exists():
            try:
                return read_table(file)
            except CorruptArtifactError:
                file.unlink()
        table = read_rdf(path, ending)
        with replacing(file) as aside:
            table.write_parquet(aside, compression="lz4")
        return table

    def prune(self) -> None:
        """Remove what was not read since this object was made."""
        if self.folder is not None:
            for file in set(self.folder.glob("triples-*.parquet")) - self._used:
                file.unlink(missing_ok=True)

"""Parsers of RDF that are not kgrec's own: pyoxigraph's and rdflib's. They run in a process of their own.

Run as a program, this module reads ``{"path", "ending", "suspect"}`` as JSON from standard input, and writes to
standard output the statements as Arrow IPC, or a JSON object with the error; the first byte tells which.
"""

from __future__ import annotations

import io
import json
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from kgrec.data.sources.encodings import check_utf8
from kgrec.data.sources.files import read_text_bytes
from kgrec.data.sources.limits import check_depth, check_entities, exceeded, limit
from kgrec.errors import DataError, KgrecError
from kgrec.graph.worker import WorkerError, bound_memory, order, run_worker

STATEMENTS: Mapping[str, pl.DataType] = {
    "subject": pl.String(),
    "predicate": pl.String(),
    "object": pl.String(),
    "literal": pl.Boolean(),
    "language": pl.String(),
    "line": pl.UInt32(),
}
"""One statement a row: IRIs without brackets, blank nodes as ``_:name``, literals by their text; ``line`` is null where
the syntax is not one of lines."""

OXIGRAPH = {
    ".nt": "N_TRIPLES",
    ".nq": "N_QUADS",
    ".ttl": "TURTLE",
    ".turtle": "TURTLE",
    ".trig": "TRIG",
    ".n3": "N3",
    ".rdf": "RDF_XML",
    ".owl": "RDF_XML",
    ".jsonld": "JSON_LD",
}
RDFLIB = {".trix": "trix", ".hext": "hext"}

_CHUNK = 50_000
"""Statements taken from a parser at once."""
_A_BYTE, _SECONDS_A_MEGABYTE = 64, 10
"""Bytes of memory that a byte of a file may cost, and seconds that a megabyte may take: rdflib's needs."""


def parse(path: Path, ending: str, *, suspect: int | None = None) -> pl.DataFrame:
    """Parse a file, also compressed, in a process of its own: a crash of the parser costs an error, not the command.

    Args:
        path: the file.
        ending: its syntax, a key of :data:`OXIGRAPH` or :data:`RDFLIB`.
        suspect: number of a line that has been found wrong already.

    Returns:
        :data:`STATEMENTS`; blank nodes have the names that the parser gave them.

    Raises:
        DataError: missing, damaged, not UTF-8, not of that syntax, or too much for the parser.
    """
    size = path.stat().st_size / 1e6 if path.exists() else 0.0
    seconds = limit("seconds") + size * _SECONDS_A_MEGABYTE
    asked = {"path": str(path), "ending": ending, "suspect": suspect}
    try:
        with run_worker("kgrec.graph.rdf_parsers", asked, seconds=seconds) as out:
            if out.read(1) == _TABLE:
                return pl.read_ipc_stream(io.BytesIO(out.read()))
            told = json.load(out)
    except WorkerError as error:
        if error.seconds is not None:
            raise exceeded(path, "its parser does not come to an end", "seconds") from None
        raise DataError(
            f"{path}: its parser broke down ({error.told})",
            hint=f"is it {ending[1:]}? convert it to N-Triples, which needs no such parser; nothing was changed",
        ) from None
    raise DataError(told["message"], hint=told["hint"])


_TABLE, _ERROR = b"T", b"E"


def main() -> None:
    """Answer the order on standard input."""
    asked = order()
    out = sys.stdout.buffer
    try:
        table = statements(Path(asked["path"]), asked["ending"], asked["suspect"])
    except KgrecError as error:
        out.write(_ERROR + json.dumps({"message": error.message, "hint": error.hint}).encode())
        return
    out.write(_TABLE)
    table.write_ipc_stream(out)


def statements(path: Path, ending: str, suspect: int | None = None) -> pl.DataFrame:
    """Do in this process what :func:`parse` does."""
    data = read_text_bytes(path, "utf-8")
    check_utf8(path, data)
    bound_memory((limit("memory") << 20) + _A_BYTE * len(data))
    if ending in (".jsonld", ".hext"):
        check_depth(path, data)
    elif ending in (".rdf", ".owl", ".trix"):
        check_entities(path, data)
    if ending in RDFLIB:
        chunks = _rdflib_rows(path, data, ending)
    else:
        chunks = _oxigraph_rows(path, data, ending, suspect=suspect)
    try:
        frames = [pl.DataFrame(rows, schema=dict(STATEMENTS), orient="row") for rows in chunks]
    except MemoryError:
        raise exceeded(path, "its parser takes too much memory", "memory") from None
    if OXIGRAPH.get(ending) == "RDF_XML":
        _check_complete(path, data)
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict(STATEMENTS))


def _oxigraph_rows(
    path: Path, data: bytes, ending: str, *, suspect: int | None = None
) -> Iterator[list[tuple[Any, ...]]]:
    from pyoxigraph import RdfFormat
    from pyoxigraph import parse as read

    try:
        # A base lets relative IRIs of hand-written files pass; it names the file, never where it lies.
        parser = read(io.BytesIO(data), format=getattr(RdfFormat, OXIGRAPH[ending]), base_iri=_base(path, ending))
        yield from _rows(parser)
    except SyntaxError as error:
        # The parser names the line where it gave up, which lies behind one that is not finished.
        line = min(suspect or error.lineno, error.lineno) if error.lineno else suspect
        where = f" line {line}:" if line else ""
        message = re.sub(r"^Parser error at line \d+[^:]*: ", "", error.msg)
        raise DataError(f"{path}:{where} {message}", hint=f"the file is not valid {ending[1:]}") from None


def _check_complete(path: Path, data: bytes) -> None:
    """Make sure that every element of an XML file ends; the parser of RDF takes a cut-off file for a whole one."""
    from xml.parsers import expat

    try:
        expat.ParserCreate("utf-8").Parse(data, True)
    except expat.ExpatError as error:
        raise DataError(
            f"{path}: line {error.lineno}: {expat.ErrorString(error.code)}", hint="is the file complete?"
        ) from None


def _base(path: Path, ending: str) -> str | None:
    from urllib.parse import quote

    return None if ending in (".nt", ".nq") else f"file:///{quote(path.name)}"


def _rows(quads: Iterable[Any]) -> Iterator[list[tuple[Any, ...]]]:
    from pyoxigraph import BlankNode, Literal, NamedNode

    def key(term: Any) -> str:
        return f"_:{term.value}" if isinstance(term, BlankNode) else term.value

    def literal(term: Any) -> tuple[bool, str | None]:
        return (True, term.language) if isinstance(term, Literal) else (False, None)

    iterator = iter(quads)
    while chunk := list(islice(iterator, _CHUNK)):
        yield [
            (key(q.subject), q.predicate.value, key(o), *literal(o), None)
            for q in chunk
            if isinstance(o := q.object, NamedNode | BlankNode | Literal)
            and isinstance(q.subject, NamedNode | BlankNode)
        ]


def _rdflib_rows(path: Path, data: bytes, ending: str) -> Iterator[list[tuple[Any, ...]]]:
    from rdflib import BNode, Dataset, Literal

    def key(term: Any) -> str:
        return f"_:{term}" if isinstance(term, BNode) else str(term)

    def literal(term: Any) -> tuple[bool, str | None]:
        return (True, term.language) if isinstance(term, Literal) else (False, None)

    graph = Dataset(default_union=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # rdflib's parsers use what rdflib deprecates
            graph.parse(io.BytesIO(data), format=RDFLIB[ending])
            found = list(graph.triples((None, None, None)))
    except MemoryError:
        raise exceeded(path, "its parser takes too much memory", "memory") from None
    except Exception as error:  # rdflib's parsers raise whatever their libraries raise
        raise DataError(f"{path}: {error}", hint=f"the file is not valid {ending[1:]}") from None
    rows = [(key(s), str(p), key(o), *literal(o), None) for s, p, o in found]
    # rdflib's store has no order of its own.
    yield sorted(rows, key=lambda row: (row[0], row[1], row[2], row[4] or ""))


if __name__ == "__main__":
    main()

"""Databases: SQLite files (``shop.db#orders``) and PostgreSQL by address (``postgresql://host/db#orders``)."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from kgrec.config import ReadConfig
from kgrec.data.sources.files import LINE, read_bytes
from kgrec.data.sources.limits import exceeded, limit, most_bytes
from kgrec.data.sources.nested import flatten
from kgrec.errors import ConfigError, DataError, MissingExtraError, NotFoundError
from kgrec.places import DATABASES, address, split_part, suffix

_ROWS = 100_000
_HARMLESS = {"connect_timeout", "sslmode", "application_name"}
"""Parameters of a PostgreSQL address that lead nowhere else."""
_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33}
"""What a query may do; 33 is SQLITE_RECURSIVE."""


class SqlSource:
    """A table or query of a database; every cell of SQLite becomes a string with the digits that are stored.

    User and password of PostgreSQL come from the environment: PGUSER, PGPASSWORD, PGPASSFILE.
    """

    def claims(self, path: Path) -> bool:
        """Say whether the path is an SQLite file by its ending, or the address of a PostgreSQL database."""
        return suffix(path) in DATABASES or (address(path) or "").startswith("postgres")

    def read(self, path: Path, reading: ReadConfig | None = None) -> pl.DataFrame:
        """Read the table that the path names behind ``#``, or the only one, or what ``reading.query`` selects.

        Raises:
            ConfigError: an address holds a password, or names neither table nor query.
            DataError: it is no database or does not answer, the query fails, or it has several tables.
            MissingExtraError: the driver is not installed.
            NotFoundError: there is no such table.
        """
        if address(path):
            return _postgres(path, reading or ReadConfig())
        file, table = split_part(path)
        query = reading.query if reading else None
        with _Opened(file) as connection:
            names = _tables(connection)
            if query is None and table and table not in names:
                raise NotFoundError.of("table", table, names, where=file.name)
            if query is None and not table:
                if len(names) != 1:
                    example = f'name one: path = "{file.name}#{names[0]}"' if names else "export it again"
                    raise DataError(f"{path} has {len(names)} tables", hint=example)
                table = names[0]
            try:
                return _selected(connection, query or f"SELECT * FROM {_quoted(table)}", file)
            except UnicodeDecodeError as error:
                raise DataError(f"{path} is damaged: {error}", hint="export it again") from None
            except sqlite3.Error as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    raise exceeded(path, "its query takes too long", "seconds") from None
                raise DataError(f"{path}: {error}", hint="check reading.query in kgrec.toml") from None


def tables_of(file: Path) -> list[str]:
    """Return the names of the tables and views of an SQLite file.

    Raises:
        DataError: it is no database.
    """
    with _Opened(file) as connection:
        return _tables(connection)


class _Opened:
    """An SQLite file in memory, that can only be read, and reaches nothing else."""

    def __init__(self, file: Path) -> None:
        data = read_bytes(file)
        self.connection = sqlite3.connect(":memory:")
        try:
            self.connection.deserialize(data)
            self.connection.execute("PRAGMA trusted_schema = OFF")
            self.connection.execute("SELECT count(*) FROM sqlite_master")
        except (sqlite3.Error, UnicodeDecodeError) as error:  # its words may be no text
            self.connection.close()
            raise DataError(
                f"{file} is no SQLite database: {error}", hint="is it another format of this name?"
            ) from None
        self.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most_bytes(len(data)))
        self.connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        self.connection.set_authorizer(lambda what, *_: sqlite3.SQLITE_OK if what in _READS else sqlite3.SQLITE_DENY)

    def __enter__(self) -> sqlite3.Connection:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    return [name for (name,) in rows]


def _selected(connection: sqlite3.Connection, query: str, file: Path) -> pl.DataFrame:
    """Return what a query selects; a view may be a query without end."""
    size = file.stat().st_size
    ends = time.monotonic() + limit("seconds") + 10 * size / 1e6
    connection.set_progress_handler(lambda: time.monotonic() > ends, 100_000)
    names = [
        column[0] for column in connection.execute(f"SELECT * FROM ({query.strip().rstrip(';')}) LIMIT 0").description
    ]
    cells = ", ".join(f"CAST({_quoted(name)} AS TEXT)" for name in names)
    cursor = connection.execute(f"SELECT {cells} FROM ({query.strip().rstrip(';')})")
    schema = dict.fromkeys(names, pl.String)
    blocks, held = [pl.DataFrame(schema=schema)], 0.0
    while rows := cursor.fetchmany(_ROWS):
        blocks.append(pl.DataFrame(rows, schema=schema, orient="row"))
        held += blocks[-1].estimated_size()
        if held > most_bytes(size):
            raise exceeded(file, f"becomes more than {most_bytes(size):,} bytes", "expansion")
    return pl.concat(blocks).with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(LINE))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _postgres(path: Path, reading: ReadConfig) -> pl.DataFrame:
    try:
        from adbc_driver_manager import Error
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise MissingExtraError.of("reading PostgreSQL", "postgres") from None
    url, _, table = (address(path) or "").partition("#")
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
    if parts.password is not None:
        raise ConfigError(
            f"the address of {parts.hostname} holds a password", hint="set it in the environment: PGPASSWORD"
        )
    if stated := set(dict(parse_qsl(parts.query, keep_blank_values=True))) - _HARMLESS:  # host=… leads elsewhere
        raise ConfigError(
            f"{shown}: {sorted(stated)[0]!r} cannot stand in the address",
            hint=f"it may hold {', '.join(sorted(_HARMLESS))}; the rest is read from the environment (PGUSER, ...)",
        )
    query = reading.query
    if not query and not table:
        raise ConfigError(
            f"{shown}: which table?", hint=f'path = "{shown}#TABLE", or reading = {{ query = "SELECT ..." }}'
        )
    query = query or "SELECT * FROM " + ".".join(_quoted(part) for part in table.split("."))
    where = f"{url}?connect_timeout=15" if "?" not in url and "PGCONNECT_TIMEOUT" not in os.environ else url
    try:
        with dbapi.connect(where) as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(query)
            found = pl.DataFrame(cursor.fetch_arrow())
    except (Error, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{shown}: {str(error).strip()[:300]}", hint="check address, PGUSER, PGPASSWORD and query"
        ) from None
    return flatten(path, found).with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(LINE))

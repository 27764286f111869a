"""Files of a workspace: JSON and arrays, written whole or not at all, read with errors that say what to do."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kgrec.errors import CorruptArtifactError, KgrecError, StorageError, UserError

if TYPE_CHECKING:
    import sqlite3

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from kgrec.packing import Precision


_FULL = (os.strerror(errno.ENOSPC), "Invalid thrift: transport error")
"""The second is Polars' word for a parquet file whose last bytes cannot be written."""


def fingerprint_of(folder: Path) -> str:
    """Return a hash of the parquet, safetensors and JSON files directly in ``folder``."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(f for f in folder.iterdir() if f.suffix in (".parquet", ".safetensors", ".json")):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a clear error."""
    try:
        yield
    except KgrecError:
        raise
    except Exception as error:  # Polars and safetensors wrap the system's error in types of their own
        code = _errno(error)
        if code in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"no space left for {path}", hint="free some space and run the command again; nothing was lost"
            ) from error
        if code in (errno.EACCES, errno.EPERM, errno.EROFS):
            why = os.strerror(code)
            raise StorageError(f"{path} cannot be written: {why}", hint="check the permissions") from error
        raise


def _errno(error: Exception) -> int | None:
    """Return the system's number of an error; libraries that are not written in Python only tell it in their words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    told = re.search(r"\(os error (\d+)\)", str(error))
    if told:
        return int(told[1])
    return errno.ENOSPC if any(words in str(error) for words in _FULL) else None


MARKER = ".kgrec"
"""File in every folder that kgrec makes for itself. What has none is somebody else's and is never deleted."""


def make_folder(folder: Path) -> Path:
    """Make a folder that kgrec may delete again, with the marker that says so, and return it.

    Raises:
        UserError: it is a link, or a folder that kgrec did not make.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{folder} is a link or a file where kgrec keeps a folder", hint="move it away")
    if not is_made(folder):
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(
                f"{folder} exists and was not made by kgrec", hint="move it away, so that nothing of yours is deleted"
            )
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MARKER).write_text("made by kgrec, which may delete this folder\n", encoding="utf-8")
    return folder


def is_made(folder: Path) -> bool:
    """Say whether kgrec made a folder: it is no link and bears the marker."""
    marker = folder / MARKER
    return folder.is_dir() and not folder.is_symlink() and marker.is_file() and not marker.is_symlink()


def remove_folder(folder: Path) -> bool:
    """Delete a folder that kgrec made, or an empty one; anything else stays. Return whether it is gone."""
    if is_made(folder):
        for path in folder.iterdir():
            if path.name == MARKER:
                continue  # goes last: a deletion that is interrupted can be finished later
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        (folder / MARKER).unlink(missing_ok=True)
    if folder.is_dir() and not folder.is_symlink():
        with suppress(OSError):  # not empty: not ours
            folder.rmdir()
    return not folder.exists()


WRITTEN: set[Path] = set()
"""Files that this process wrote, in any folder."""


@contextmanager
def replacing(file: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """Name a file to write beside ``file``, whose place it takes when the block ends without an error.

    The content is on the disk before the name changes, and the change of the name is when the block has ended. What
    killed writers left in the folder goes: files of that pattern that nobody holds.

    Args:
        file: need not be there, nor its folder.
        mode: its permissions, less the umask.

    Raises:
        StorageError: the disk is full or read-only.
    """
    with storage_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        sweep_asides(file.parent)
        aside = file.with_name(f".{file.name}{_ASIDE}{secrets.token_hex(6)}")
        with os.fdopen(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode), "rb+") as held:
            try:
                hold(held)
                yield aside
                with aside.open("rb") as stream:
                    os.fsync(stream.fileno())
                aside.replace(file)
                sync_folder(file.parent)
                WRITTEN.add(file.absolute())
            finally:
                aside.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Make a folder in ``parent`` for as long as the block lasts; what a killed process left goes at the next call."""
    sweep_asides(parent)
    folder = make_folder(parent / f".{name}{_ASIDE}{secrets.token_hex(6)}")
    try:
        with (folder / MARKER).open("rb+") as held:
            hold(held)
            yield folder
    finally:
        remove_folder(folder)


_ASIDE = ".kgrec-"


def sweep_asides(folder: Path) -> None:
    """Delete the files of :func:`replacing` and the folders of :func:`scratch_folder` whose makers are gone.

    They bear kgrec's exact pattern, and a folder its marker; a living maker holds them.
    """
    with suppress(OSError):
        for path in folder.iterdir():
            if not re.fullmatch(rf"\..+{re.escape(_ASIDE)}[0-9a-f]{{12}}", path.name) or path.is_symlink():
                continue
            if path.is_dir() and not is_made(path):
                if time.time() - path.stat().st_mtime > 60:  # else its maker may be about to put the marker into it
                    remove_folder(path)
                continue
            with suppress(OSError), (path / MARKER if path.is_dir() else path).open("rb+") as stream:
                if not hold(stream):
                    continue
                if path.is_dir():
                    remove_folder(path)
                else:
                    path.unlink()


def hold(stream: IO[bytes]) -> bool:
    """Take an open file for this process until it is closed, however the process ends; say whether that went well."""
    try:
        import fcntl
    except ImportError:  # Windows, where a file that is open cannot be deleted or replaced anyway
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)  # else the file system knows no locks
    return True


def sync_tree(folder: Path) -> None:
    """Have all that is in a folder on the disk, however deep: what names it later must not outlive it."""
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as stream, suppress(OSError):
                os.fsync(stream.fileno())
        sync_folder(Path(place))


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can do that."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def write_json(file: Path, document: Any, *, indent: int | None = 1) -> None:
    """Replace ``file`` by ``document`` atomically; without ``indent`` it is written faster, for programs only."""
    with replacing(file) as aside, aside.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(document, ensure_ascii=False, indent=indent))


def read_json(file: Path) -> Any:
    """Read a JSON artifact.

    Raises:
        CorruptArtifactError: missing or no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptArtifactError(
            f"{file} cannot be read: {error}", hint="run the command that makes it again"
        ) from None


@contextmanager
def resumed_lines(file: Path, fields: Sequence[str]) -> Iterator[tuple[list[dict[str, Any]], IO[bytes]]]:
    """Open a file of JSON lines that an interrupted run appended to; half a line at its end is cut off.

    Only one process at a time may hold it, and what kgrec did not write is left as it is.

    Args:
        file: need not be there; its folder must.
        fields: that every record has, the one that stands first in a line first.

    Returns:
        The records so far, and the file, open at its end.

    Raises:
        UserError: the file holds something else, or another process is writing it.
    """
    with storage_errors(file), file.open("ab") as stream:
        if not hold(stream):
            hint = "wait for it to end, or name another file"
            raise UserError(f"{file} is being written by another kgrec command", hint=hint)
        found, whole = _records(file, fields)
        if whole < stream.tell():
            stream.truncate(whole)
        WRITTEN.add(file.absolute())
        try:
            yield found, stream
        finally:  # what is said to be written is on the disk
            stream.flush()
            os.fsync(stream.fileno())


def _records(file: Path, fields: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """Return the records of a file and how many bytes they take; the rest is the beginning of a record."""
    found: list[dict[str, Any]] = []
    whole, begins = 0, json.dumps({fields[0]: 0})[:-2].encode()  # {"text":
    with file.open("rb") as stream:
        for line in stream:
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict) and all(field in row for field in fields):
                whole += len(line)
                found.append(row)
                continue
            ours = line.startswith(begins) or begins.startswith(line)
            if stream.read(1) or line.endswith(b"\n") or not ours:
                raise UserError(
                    f"{file} holds something else than what kgrec wrote", hint="name another file; nothing was changed"
                )
    return found, whole


def save_arrays(file: Path, arrays: Mapping[str, NDArray[np.generic]], precision: Precision | None = None) -> None:
    """Write named arrays as safetensors, in place: into a folder that is not published yet, or :func:`replacing`.

    Args:
        file: where to.
        arrays: by name.
        precision: of large float32 arrays, see :func:`kgrec.packing.pack`; None: as they are, for :func:`load_slice`.
    """
    import numpy as np
    from safetensors.numpy import save_file

    from kgrec.packing import pack

    with storage_errors(file):
        # safetensors knows no 0-d or non-contiguous arrays from numpy views.
        if precision is not None:
            arrays = {key: part for name, array in arrays.items() for key, part in pack(name, array, precision).items()}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, str(file))


def cached_arrays(
    folder: Path, name: str, make: Callable[[], Mapping[str, NDArray[np.generic]]]
) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of ``name`` in a cache folder, made where they are missing or damaged.

    The folder keeps those of one name: what was made from older data goes.
    """
    file = folder / f"{name}.safetensors"
    if file.exists():
        try:
            return load_arrays(file)
        except CorruptArtifactError:  # it is only a cache
            file.unlink(missing_ok=True)
    found = dict(make())
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.safetensors"):
            old.unlink(missing_ok=True)
        with replacing(file) as aside:
            save_arrays(aside, found)
    return found


def load_arrays(file: Path) -> dict[str, NDArray[np.generic]]:
    """Read named arrays written by :func:`save_arrays`.

    Raises:
        CorruptArtifactError: missing or damaged.
    """
    from safetensors.numpy import load_file

    from kgrec.packing import unpack

    with _reading(file):
        return unpack(load_file(str(file)))


def as_csr(data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], shape: tuple[int, int]) -> csr_array:
    """Return the sparse matrix of arrays that came out of a file: what points beyond it is refused.

    SciPy trusts indices, and would read and write memory that is not the matrix's.

    Raises:
        CorruptArtifactError: they are no matrix of this shape.
    """
    from scipy.sparse import csr_array

    try:
        found = csr_array((data, indices, indptr), shape=shape)
        found.check_format(full_check=True)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise CorruptArtifactError(f"a sparse matrix is damaged: {error}", hint="run `kgrec train` again") from None
    return found


_SCHEMA = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"


def check_tables(db: sqlite3.Connection, file: Path, tables: str) -> None:
    """Make sure that an SQLite file holds nothing but tables and indexes made by these statements, as they make them.

    A stranger's file may hold views that have no end, and triggers.

    Raises:
        CorruptArtifactError: it holds something else.
    """
    import sqlite3
    from contextlib import closing

    db.execute("PRAGMA trusted_schema = OFF")
    with closing(sqlite3.connect(":memory:")) as own:
        own.executescript(tables)
        strange = set(db.execute(_SCHEMA)) - set(own.execute(_SCHEMA))
    if strange:
        what = ", ".join(sorted(f"{kind} {name}" for kind, name, _ in strange))[:200]
        raise CorruptArtifactError(f"{file} is not as kgrec makes it: {what}", hint="move it away to start a new one")


def load_slice(file: Path, name: str, start: int, stop: int) -> NDArray[np.generic]:
    """Read a part of one array written by :func:`save_arrays`.

    Raises:
        CorruptArtifactError: missing or damaged.
    """
    from safetensors import safe_open

    with _reading(file), safe_open(str(file), framework="np") as opened:
        found: NDArray[np.generic] = opened.get_slice(name)[start:stop]
        return found


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CorruptArtifactError(f"{file} cannot be read: {error}", hint="run `kgrec train` again") from None

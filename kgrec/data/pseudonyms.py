"""Pseudonyms of users: keyed hashes in everything kgrec keeps; the key and the ids lie outside of the workspace.

A pseudonym is the HMAC-SHA256 of an id (RFC 2104) under a key that is derived for each workspace, so that nobody can
follow a person from one workspace to another. Beside the key, in the user's own folder, lies a table from pseudonyms to
ids, from which commands show ids; the workspace alone shows pseudonyms.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b32encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kgrec.artifacts import read_json, replacing, write_json
from kgrec.consent import trust_file
from kgrec.errors import ConfigError, CorruptArtifactError
from kgrec.types import canonical_id

if TYPE_CHECKING:
    import polars as pl

FILE = "pseudonyms.json"
PATTERN = re.compile(r"p-[a-z2-7]{24}")
"""What a pseudonym looks like: 120 bits."""


def key_file() -> Path:
    """Return the file of the key, beside the user's other decisions."""
    return trust_file().with_name("pseudonyms.key")


@dataclass(frozen=True)
class Pseudonyms:
    """The pseudonyms of a workspace.

    Attributes:
        name: random name of the workspace, which its key is derived for; empty: it keeps ids as they are.
        key: of the workspace; None: not at hand.
    """

    name: str = ""
    key: bytes | None = None

    @classmethod
    def of(cls, root: Path) -> Self:
        """Return those of a workspace as it stands.

        Raises:
            CorruptArtifactError: its file is damaged.
        """
        file = root / FILE
        if not file.exists():
            return cls()
        try:
            told = read_json(file)
            name, check = str(told["name"]), str(told["check"])
            if not re.fullmatch(r"[0-9a-f]{32}", name):
                raise ValueError(f"{name!r} is no name")
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtifactError(f"{file} is damaged: {error}", hint="restore it") from None
        master = _master()
        key = _hmac(master, name) if master else None
        return cls(name, key if key and hmac.compare_digest(_check(key), check) else None)

    @classmethod
    def switched(cls, root: Path, on: bool) -> Self:
        """Return the pseudonyms for a build, which begins them or, where ``on`` is False, gives them up.

        Raises:
            ConfigError: the workspace has pseudonyms under a key that is not at hand.
        """
        file = root / FILE
        if not on:
            file.unlink(missing_ok=True)
            return cls()
        if not file.exists():
            master = _master() or _new_master()
            name = secrets.token_hex(16)
            write_json(file, {"name": name, "check": _check(_hmac(master, name))})
        found = cls.of(root)
        if found.key is None:
            raise ConfigError(
                f"the key of this workspace's pseudonyms is not in {key_file()}",
                hint=f"copy it there, or remove {file} to give everybody a new pseudonym",
            )
        return found

    def column(self, ids: pl.Series) -> pl.Series:
        """Return the pseudonyms of canonical ids; what is one already stays.

        Raises:
            ConfigError: the key is not at hand, so that an id would have to be kept as it is.
        """
        import polars as pl

        distinct = ids.cast(pl.String).drop_nulls().unique()
        distinct = distinct.filter(~distinct.str.contains(f"^{PATTERN.pattern}$"))
        if not self.name or not len(distinct):
            return ids
        if self.key is None:
            raise ConfigError(
                f"the key of this workspace's pseudonyms is not in {key_file()}", hint="name users by their pseudonyms"
            )
        made = pl.Series([self._of(one) for one in distinct.to_list()], dtype=pl.String)
        return ids.cast(pl.String).replace(distinct, made)

    def remember(self, ids: pl.Series, pseudonyms: pl.Series) -> None:
        """Keep whose pseudonyms are whose, in the user's own folder."""
        import polars as pl

        rows = pl.DataFrame({"pseudonym": pseudonyms, "user_id": ids.cast(pl.String)}).drop_nulls().unique()
        self._write(rows.filter(pl.col("pseudonym") != pl.col("user_id")))

    def stored(self, user_id: str) -> str:
        """Return what the workspace calls a user who is named by id or pseudonym."""
        user_id = canonical_id(user_id)
        if self.key is None or PATTERN.fullmatch(user_id):
            return user_id
        found = self._of(user_id)
        return found if found in self._ids or not self._ids else user_id  # nobody's: told as it was given

    def shown(self, pseudonym: str) -> str:
        """Return the id of a user, or the pseudonym where it is not known here."""
        return self._ids.get(pseudonym, pseudonym) if self.key is not None else pseudonym

    def told(self, value: Any) -> Any:
        """Return a text, or JSON values, with ids in place of the pseudonyms that stand in it."""
        if not self.name or self.key is None:
            return value
        if isinstance(value, str):
            return PATTERN.sub(lambda found: self.shown(found[0]), value)
        if isinstance(value, Mapping):
            return {key: self.told(one) for key, one in value.items()}
        return [self.told(one) for one in value] if isinstance(value, list | tuple) else value

    def shown_all(self, pseudonyms: pl.Series) -> pl.Series:
        """Return the ids of users, or their pseudonyms where they are not known here."""
        return pseudonyms.replace(self._ids) if self.key is not None and self._ids else pseudonyms

    def forget(self, pseudonym: str) -> None:
        """Drop the id of a user."""
        import polars as pl

        if self.key is not None:
            self._write(self._table().filter(pl.col("pseudonym") != pseudonym), whole=True)

    @property
    def table_file(self) -> Path:
        """The table of ids, in the user's own folder."""
        return key_file().with_name("pseudonyms") / f"{self.name}.parquet"

    @cached_property
    def _ids(self) -> dict[str, str]:
        return dict(self._table().iter_rows())

    def _table(self) -> pl.DataFrame:
        import polars as pl

        with suppress(OSError, pl.exceptions.PolarsError):
            return pl.read_parquet(self.table_file, columns=["pseudonym", "user_id"])
        return pl.DataFrame(schema={"pseudonym": pl.String, "user_id": pl.String})

    def _write(self, rows: pl.DataFrame, *, whole: bool = False) -> None:
        import polars as pl

        known = rows if whole else pl.concat([self._table(), rows]).unique("pseudonym", maintain_order=True)
        self.table_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(self.table_file, mode=0o600) as aside:
            known.write_parquet(aside)

    def _of(self, user_id: str) -> str:
        assert self.key is not None
        return f"p-{b32encode(_hmac(self.key, user_id)[:15]).decode().lower()}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), sha256).digest()


def _check(key: bytes) -> str:
    """Return what tells the right key from another, and nothing else about it."""
    return _hmac(key, "check")[:8].hex()


def _master() -> bytes | None:
    try:
        found = bytes.fromhex(key_file().read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{key_file()} cannot be read: {error}", hint="restore it from a backup") from None
    return found if len(found) == 32 else None


def _new_master() -> bytes:
    file, made = key_file(), secrets.token_bytes(32)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replacing(file, mode=0o600) as aside:
        aside.write_text(made.hex(), encoding="ascii")
    return made

"""Who was forgotten: salted hashes beside kgrec.toml, so that old rows of the input files bring nobody back.

An entry is the moment at which a person is gone: whoever reads tables or models leaves the person out from then on,
while the artifacts are still being made again. What came to be known later under the same id is a new person: rows
with a later time, and rows without a time in files that kgrec.toml did not name then.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Self

from kgrec.artifacts import read_json, write_json
from kgrec.errors import CorruptArtifactError, WorkspaceError
from kgrec.types import canonical_id

if TYPE_CHECKING:  # most commands only look whether there is anybody
    import polars as pl

FILE = "forgotten.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class ForgottenUser:
    """One person.

    Attributes:
        digest: salted hash of the id, hexadecimal.
        at: unix seconds of the forgetting.
        sources: input files at that moment, as kgrec.toml names them.
        pending: artifacts may still hold the person.
    """

    digest: str
    at: int
    sources: tuple[str, ...] = ()
    pending: bool = True


@dataclass(frozen=True)
class ForgottenUsers:
    """All of a workspace.

    Attributes:
        root: folder of kgrec.toml.
        salt: of the hashes, hexadecimal.
        people: one entry a person.
    """

    root: Path
    salt: str = field(default_factory=lambda: secrets.token_hex(16))
    people: tuple[ForgottenUser, ...] = ()

    @classmethod
    def of(cls, root: Path) -> Self:
        """Read what a workspace keeps.

        Raises:
            CorruptArtifactError: the file is damaged: nobody may be brought back by chance.
            WorkspaceError: a newer kgrec wrote it.
        """
        file = root / FILE
        if not file.exists():
            return cls(root)
        document = read_json(file)
        try:
            if document["format"] > FORMAT:
                raise WorkspaceError(f"{file} was written by a newer kgrec", hint="upgrade kgrec")
            people = (
                ForgottenUser(str(one["digest"]), int(one["at"]), tuple(one["sources"]), bool(one["pending"]))
                for one in document["people"]
            )
            bytes.fromhex(document["salt"])
            return cls(root, document["salt"], tuple(people))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtifactError(f"{file} is damaged: {error}", hint="restore it, or remove it") from None

    def save(self) -> None:
        """Replace the file; without anybody it goes."""
        file = self.root / FILE
        if self.people:
            write_json(file, {"format": FORMAT, "salt": self.salt, "people": [asdict(one) for one in self.people]})
        else:
            file.unlink(missing_ok=True)

    def digest(self, user_id: str) -> str:
        """Return the salted hash of an id."""
        return blake2b(canonical_id(user_id).encode(), key=bytes.fromhex(self.salt), digest_size=16).hexdigest()

    def find(self, user_id: str) -> ForgottenUser | None:
        """Return the entry of a person."""
        digest = self.digest(user_id) if self.people else ""
        return next((one for one in self.people if one.digest == digest), None)

    def begin(self, user_id: str, sources: Sequence[str]) -> Self:
        """Keep that a person is forgotten from now on, and return who is; an entry that is there is renewed."""
        entry = ForgottenUser(self.digest(user_id), int(time.time()), tuple(sources))
        made = replace(self, people=(*self._without(entry.digest), entry))
        made.save()
        return made

    def finish(self, user_id: str, *, keep: bool) -> Self:
        """Keep that the artifacts hold nothing more; the entry stays only where input files hold the person."""
        entry = self.find(user_id)
        if entry is None:
            return self
        left = (replace(entry, pending=False),) if keep else ()
        made = replace(self, people=(*self._without(entry.digest), *left))
        made.save()
        return made

    def hidden(self, ids: pl.Series) -> pl.Series | None:
        """Say which users of tables or models made before are being forgotten, shape ``(n,)``; None: nobody."""
        pending = [one.digest for one in self.people if one.pending]
        return self._digests(ids).is_in(pending) if pending else None

    def without(self, rows: pl.DataFrame, user: str, time: str | None, source: str) -> pl.DataFrame:
        """Return the rows of a file less those of people who were forgotten.

        Args:
            rows: any table.
            user: its column with canonical ids.
            time: its column with unix seconds, or None.
            source: the file, as kgrec.toml names it.
        """
        import polars as pl

        if not self.people or not rows.height:
            return rows
        entries = pl.DataFrame(
            {
                "__digest__": [one.digest for one in self.people],
                "__at__": [one.at for one in self.people],
                "__known__": [source in one.sources for one in self.people],
            },
            schema={"__digest__": pl.String, "__at__": pl.Int64, "__known__": pl.Boolean},
        )
        moment = pl.lit(None, dtype=pl.Int64) if time is None else pl.col(time)
        told = rows.select(self._digests(rows[user]).alias("__digest__"), moment.alias("__time__"))
        told = told.join(entries, on="__digest__", how="left", maintain_order="left")
        old = pl.coalesce(pl.col("__time__") <= pl.col("__at__"), pl.col("__known__")).fill_null(False)
        return rows.filter(~told.select(old).to_series())

    def _without(self, digest: str) -> tuple[ForgottenUser, ...]:
        return tuple(one for one in self.people if one.digest != digest)

    def _digests(self, ids: pl.Series) -> pl.Series:
        """Hash each distinct id once -> strings, shape ``(n,)``, null where there is no id."""
        import polars as pl

        distinct = ids.drop_nulls().unique()
        hashes = [self.digest(key) for key in distinct.to_list()]
        return ids.replace_strict(distinct, pl.Series(hashes, dtype=pl.String), default=None, return_dtype=pl.String)

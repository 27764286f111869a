"""Forget a person: out of the lists at once, then out of every artifact, with a certificate at the end.

The moment is one entry in :mod:`kgrec.data.forgotten`; everything after it can be interrupted and done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from kgrec.artifacts import read_json, replacing, write_json
from kgrec.config import Config
from kgrec.data.dataset import Dataset, read_table
from kgrec.data.forgotten import ForgottenUsers
from kgrec.data.ingest import IngestResult
from kgrec.data.pseudonyms import Pseudonyms
from kgrec.errors import CorruptArtifactError, DataError, NotFoundError, UserError
from kgrec.generate.feedback.store import FeedbackStore
from kgrec.graph.build_stage import GraphStage
from kgrec.privacy.inventory import USER_FIELDS, Inventory, Survey
from kgrec.privacy.person import PersonalData, PersonPlace, personal_data
from kgrec.privacy.scan import Needles
from kgrec.privacy.tables import PersonTables, pruned
from kgrec.ranking.refitting import refit_workspace
from kgrec.text.cache import keep_texts
from kgrec.workspace import Workspace

CACHES = ("training", "ratings", "best-ranks")
"""Folders of the cache that hold what was learned from all users."""

STAYS = ("input", "settings", "other", "tuned model")
"""Kinds of places that forgetting does not change by itself."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What forgetting came to.

    Attributes:
        salt, subject: salt and salted hash of the id (blake2b, 16 bytes, the salt as its key).
        at: when the person was forgotten, and when this was written, unix seconds.
        complete: nothing of the person is left in anything that kgrec made.
        scanned: files and bytes looked through in the end.
        found: places of anything that kgrec made which still hold the person; none where complete.
        left: places that are not kgrec's to change, such as inputs without ``--rewrite-inputs``.
        unread: files that could not be read.
        running_text: running text was searched too, for the id is long enough to be no chance.
        removed: what was done, by kind of place.
        scorers: what became of the models, see :class:`kgrec.ranking.refitting.RefitReport`; empty without models.
    """

    salt: str
    subject: str
    at: tuple[int, int]
    complete: bool
    scanned: Mapping[str, int]
    found: tuple[PersonPlace, ...]
    left: tuple[PersonPlace, ...]
    unread: tuple[tuple[str, str], ...]
    running_text: bool
    removed: Mapping[str, int]
    scorers: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"format": 1, **asdict(self)}


@dataclass
class PersonalDataService:
    """Finds, hands over and forgets a person of a workspace.

    Attributes:
        stage: builds tables and graph; knows workspace, settings, domain and plugins.
        store: texts and events on record.
        forget_live: takes the workspace's folder and a user, removes what came of the user while serving, counts it.
    """

    stage: GraphStage
    store: FeedbackStore
    forget_live: Callable[[Path, str], int]

    @property
    def workspace(self) -> Workspace:
        """The workspace."""
        return self.stage.workspace

    @property
    def config(self) -> Config:
        """Its settings."""
        return self.stage.config

    @property
    def tables(self) -> PersonTables:
        """Finds rows in files."""
        return PersonTables(self.workspace.root, self.config, self.stage.domain, self.stage.manager)

    @property
    def inventory(self) -> Inventory:
        """Knows where a workspace holds people."""
        return Inventory(self.workspace, self.config, self.tables)

    @property
    def names(self) -> Pseudonyms:
        """What the workspace calls users."""
        return Pseudonyms.of(self.workspace.root)

    def person(self, user_id: str) -> PersonalData:
        """Return what tables and feedback know of a person, named by id or pseudonym.

        Raises:
            NotFoundError: nothing knows the id.
        """
        if "dataset" not in self.workspace.manifest():
            return self._unknown(user_id)
        dataset = Dataset.load(self.workspace.folder("dataset"))
        found = personal_data(self.names.stored(user_id), dataset, self.store)
        return replace(found, known_as=self._unknown(user_id).known_as)

    def _unknown(self, user_id: str) -> PersonalData:
        """Return a person of whom nothing but the id is known."""
        names = self.names
        stored = names.stored(user_id)
        return PersonalData(stored, known_as=tuple(dict.fromkeys((stored, names.shown(stored)))))

    def where(self, user_id: str) -> Survey:
        """Return every place that holds something of a person.

        Raises:
            NotFoundError: there is none.
        """
        try:
            person = self.person(user_id)
        except NotFoundError:
            found = self.inventory.survey(self._unknown(user_id))
            if not found.places:
                raise
            return found
        return self.inventory.survey(person)

    def forget(self, user_id: str, *, rewrite_inputs: bool = False, epochs: bool = True) -> Certificate:
        """Forget a person; what an interrupted run left undone is done.

        Args:
            user_id: the id.
            rewrite_inputs: take the person's rows out of the input files, too.
            epochs: fit scorers that train by epochs again now; else they are in no list until the next training.

        Raises:
            NotFoundError: nothing knows the id, and nobody of that id is being forgotten.
            UserError: there is nobody else.
        """
        user_id, root = self.names.stored(user_id), self.workspace.root
        forgotten = ForgottenUsers.of(root)
        entry = forgotten.find(user_id)
        resumed = entry is not None and entry.pending
        try:
            person = self.person(user_id)
            before = self.inventory.survey(person)
        except NotFoundError:
            person = self._unknown(user_id)
            before = self.inventory.survey(person)
            ours = {p.kind for p in before.places} - ({"other", "settings"} if rewrite_inputs else set(STAYS))
            if not resumed and not ours:
                raise
        if not resumed:
            self._others(user_id)
            named = [entry.path for role, entry in self.tables.entries() if role != "items"]
            forgotten = forgotten.begin(user_id, named)  # from here on the person is in no list
        removed = {"texts and events on record": sum(self.store.forget(user_id))}
        removed["live events and lists"] = sum(self.forget_live(root, one) for one in person.ids)
        removed["rows of kept runs"] = self._runs(user_id)
        scorers = self._models(user_id, self._tables(user_id), epochs)
        self._caches()
        removed["outputs"] = self._outputs(person.ids, before)
        if rewrite_inputs:
            removed["rows of input files"] = self._inputs(person.ids)
        after = self.inventory.survey(person)
        found = tuple(place for place in after.places if place.kind not in STAYS)
        left = tuple(place for place in after.places if place.kind in STAYS)
        in_files = any(place.kind == "input" for place in left)
        known = forgotten.find(user_id)
        at = known.at if known else int(time.time())
        if not found:
            forgotten.finish(user_id, keep=in_files)
            self.names.forget(user_id)
        made = Certificate(
            salt=forgotten.salt,
            subject=forgotten.digest(user_id),
            at=(at, int(time.time())),
            complete=not found and not after.unread,
            scanned={"files": after.files, "bytes": after.bytes},
            found=found,
            left=left,
            unread=after.unread,
            running_text=not after.by_name_only,
            removed=removed,
            scorers=scorers,
        )
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{made.subject[:8]}.json"
        if self.workspace.artifacts.is_dir():
            write_json(self.workspace.artifacts / "certificates" / name, made.to_dict())
        return made

    def _others(self, user_id: str) -> None:
        if "dataset" in self.workspace.manifest():
            dataset = Dataset.load(self.workspace.folder("dataset"))
            own = dataset.users["user_id"].index_of(user_id)
            if own is not None and (dataset.interactions["user"] == own).all():
                raise UserError(
                    "without this person no interaction is left to learn from",
                    hint=f"remove {self.workspace.artifacts} and the input files",
                )

    def _tables(self, user_id: str) -> bool:
        """Build tables and graph without the person; return whether there was anything to do."""
        if "dataset" not in self.workspace.manifest():
            return False
        standing = IngestResult.load(self.workspace.folder("dataset"))
        without = standing.without_user(user_id)
        same = all(a.table.height == b.table.height for a, b in zip(standing.parts, without.parts, strict=True))
        alike = all(a.rejects.height == b.rejects.height for a, b in zip(standing.parts, without.parts, strict=True))
        if same and alike and without.dataset.n_users == standing.dataset.n_users:
            return False
        self.stage.renew(without)
        return True

    def _models(self, user_id: str, changed: bool, epochs: bool) -> dict[str, Any]:
        """Fit the models again where they hold the person, and sweep the older versions of everything."""
        workspace, told = self.workspace, {}
        if "models" in workspace.manifest():
            known = user_id in read_json(workspace.folder("models") / "ids.json")["users"]
            if known or changed:
                told = refit_workspace(
                    workspace, self.config, self.stage.manager, self.stage.progress, epochs=epochs
                ).state()
            else:  # an earlier run did it
                told = dict(read_json(workspace.folder("models") / "ranker.json")["summary"].get("renew", {}))
        if workspace.artifacts.exists():
            with workspace.locked():  # sweeps what is no longer current
                pass
        return told

    def _caches(self) -> None:
        """Delete caches of what was learned from all, of links of texts, and of vectors of the users' words."""
        cache = self.workspace.cache
        files = [file for name in CACHES for file in (cache / name).glob("*")]
        files += (self.workspace.artifacts / "judged-texts").glob("*.jsonl")  # of evaluations that may resume
        files += [cache / "graph" / f"{name}" for name in ("links.json", "links.parquet", "link-names.parquet")]
        for file in files:
            if file.is_file() and not file.is_symlink():
                file.unlink(missing_ok=True)
        if "text" in self.workspace.manifest():
            texts = read_table(self.workspace.folder("text") / "texts.parquet")["text"]
            keep_texts(cache / "text", texts.to_list())

    def _runs(self, user_id: str) -> int:
        """Take the person out of kept runs: figures by number, and texts by id."""
        removed = 0
        manifest = self.workspace.manifest()
        if "dataset" in manifest:
            ids = read_table(self.workspace.folder("dataset") / "users.parquet")["user_id"]
            position = ids.index_of(user_id)
            for record in self.inventory.runs(manifest["dataset"].fingerprint) if position is not None else ():
                file = record.with_suffix(".parquet")
                table = read_table(file)
                kept = table.filter(pl.col("user") != position)
                removed += table.height - kept.height
                if kept.height < table.height:
                    with replacing(file) as aside:
                        kept.write_parquet(aside)
        telling = Needles((user_id,)).telling
        for file in sorted((self.workspace.artifacts / "runs").glob("*.json")):
            try:
                document = read_json(file)
            except CorruptArtifactError:
                continue  # it is named among what could not be read
            without = pruned(document, user_id, tuple(USER_FIELDS), telling=telling)
            if without != document:
                removed += 1
                write_json(file, without)
        return removed

    def _outputs(self, user_ids: Sequence[str], before: Survey) -> int:
        """Take the person's rows out of what commands wrote; a file without rows is deleted if nobody changed it."""
        root, outputs, changed = self.workspace.root.resolve(), self.workspace.outputs(), 0
        needles = Needles(tuple(user_ids))
        for place in (p for p in before.places if p.kind == "output"):
            path = root / place.path
            named = needles.count([path.name.encode()]) > 0
            rows = None if named else self.tables.output(path, user_ids, telling=needles.telling)
            if rows is not None and len(rows):
                self.tables.remove(rows)
            elif path.stat().st_size == outputs.get(path.resolve()):
                path.unlink()
            else:
                continue
            changed += 1
        if changed:
            self.workspace.keep_outputs(self.workspace.outputs())
        return changed

    def _inputs(self, user_ids: Sequence[str]) -> int:
        removed = 0
        for rows in self.tables.inputs(user_ids):
            try:
                self.tables.remove(rows)
            except DataError as error:
                raise UserError(error.message, hint=error.hint) from None
            removed += len(rows)
        return removed

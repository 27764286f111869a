"""From the files of kgrec.toml to a dataset, and an append that reads only what is new."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping as AbstractMapping
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from kgrec.config import CatalogueConfig, Config, FileConfig, InteractionsConfig
from kgrec.data.cards import save_cards
from kgrec.data.cleaning import assemble
from kgrec.data.dataset import AttributeInfo, Dataset, read_table
from kgrec.data.forgotten import ForgottenUsers
from kgrec.data.joins import joined, looked_up
from kgrec.data.layouts import fill_down, unfold
from kgrec.data.losses import as_report, check_losses, losses, unused_columns
from kgrec.data.mapping import check_columns, resolve_mapping
from kgrec.data.parts import Part, PartRole, parse_catalogue, parse_interactions
from kgrec.data.pseudonyms import Pseudonyms
from kgrec.data.sources.files import read_rows
from kgrec.data.times import to_seconds
from kgrec.data.values import as_text, clean, without_cells
from kgrec.errors import ConfigError, CorruptArtifactError, DataError
from kgrec.places import address, is_pattern, matching, split_part
from kgrec.plugin.domain import Domain, Mapping
from kgrec.progress import SILENT, Progress
from kgrec.workers import HERE, Workers, told
from kgrec.workspace import read_json, storage_errors, write_json

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager

ROLES: tuple[PartRole, ...] = ("interactions", "items", "users")


@dataclass(frozen=True)
class IngestResult:
    """A dataset and the parts it was put together from.

    Attributes:
        dataset: the cleaned tables.
        parts: the files, parsed and cleaned row by row, in the order of kgrec.toml.
        fingerprint: changes whenever a table of the dataset or its numbering can have changed.
    """

    dataset: Dataset
    parts: tuple[Part, ...]
    fingerprint: str

    def save(self, folder: Path) -> None:
        """Write the dataset, its cards, and the parts under ``parts/``."""
        self.dataset.save(folder)
        save_cards(self.dataset, folder)
        place = folder / "parts"
        documents = []
        with storage_errors(place):
            place.mkdir(parents=True, exist_ok=True)
            for number, part in enumerate(self.parts):
                part.table.write_parquet(place / f"{number:04}.parquet")
                part.rejects.write_parquet(place / f"{number:04}-rejects.parquet")
                documents.append(
                    {
                        "role": part.role,
                        "source": part.source,
                        "key": part.key,
                        "digest": part.digest,
                        "counts": part.counts,
                        "attributes": {name: asdict(info) for name, info in part.attributes.items()},
                    }
                )
        write_json(place / "parts.json", {"fingerprint": self.fingerprint, "parts": documents})

    def without_user(self, user_id: str) -> IngestResult:
        """Return what an ingest may go on from without a user: the parts without the rows, the others' numbering."""
        users = self.dataset.users.filter(pl.col("user_id") != user_id)
        parts = tuple(part.without_user(user_id) for part in self.parts)
        return IngestResult(replace(self.dataset, users=users), parts, self.fingerprint)

    @classmethod
    def load(cls, folder: Path) -> IngestResult:
        """Read what :meth:`save` wrote.

        Raises:
            CorruptArtifactError: a file is missing or damaged.
        """
        place = folder / "parts"
        document = read_json(place / "parts.json")
        try:
            parts = tuple(_load_part(place, number, entry) for number, entry in enumerate(document["parts"]))
            return cls(Dataset.load(folder), parts, document["fingerprint"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptArtifactError(
                f"{place / 'parts.json'} is damaged: {error}", hint="run `kgrec build-graph` again"
            ) from None


def _load_part(place: Path, number: int, entry: AbstractMapping[str, object]) -> Part:
    fields = dict(entry)
    attributes = {name: AttributeInfo(**info) for name, info in dict(fields.pop("attributes")).items()}  # type: ignore[call-overload]
    table = read_table(place / f"{number:04}.parquet")
    rejects = read_table(place / f"{number:04}-rejects.parquet")
    return Part(**fields, table=table, rejects=rejects, attributes=attributes)  # type: ignore[arg-type]


def ingest(
    config: Config,
    domain: Domain,
    manager: PluginManager,
    root: Path,
    *,
    progress: Progress = SILENT,
    previous: IngestResult | None = None,
    workers: Workers = HERE,
    now: float | None = None,
) -> IngestResult:
    """Read, clean and number the files of ``config.data``; triples are the graph's business.

    Args:
        config: the settings; its seed draws the numbering.
        domain: the domain in force.
        manager: the plugins in use.
        root: folder that the files' paths are relative to.
        progress: told of each file.
        previous: the result that stands; its files are not read again where their settings are the same, and its users
            and items keep their positions.
        workers: who reads files, each one of them; with pseudonyms, whose key stays here, it is this process.
        now: unix seconds that count as the present; later times are impossible.

    Raises:
        ConfigError: there are no files, or a column does not exist.
        NotFoundError: a file does not exist.
        DataError: a file is damaged, or no interaction is left.
    """
    entries = [
        (role, _in_domain(file, domain))
        for role in ROLES
        for entry in getattr(config.data, role)
        for file in files_of(entry, root)
    ]
    if not entries:
        raise ConfigError(
            "kgrec.toml names no interactions, items or users", hint="run `kgrec init DIR --from FILES` to propose them"
        )
    present = time.time() if now is None else now
    names = Pseudonyms.switched(root, config.data.pseudonyms)
    standing = {part.key: part for part in previous.parts} if previous else {}
    reader = _Reader(config, domain, manager, root, present, names)
    files = [(role, entry, _key(role, entry, config, domain)) for role, entry in entries]
    workers = HERE if names.name else workers
    parts = []
    with progress.task(told("reading files", workers), total=len(files)) as task:
        new = (file for file in files if file[2] not in standing)
        read = workers.map(_Reader.part, reader, new, reopen=_ReaderElsewhere(config, root, present))
        for _, entry, key in files:
            task.note(entry.path)
            parts.append(standing.get(key) or next(read))
            task.advance()
    with progress.task("cleaning and numbering"):
        dataset = assemble(
            parts, config.data.cleaning, seed=config.seed, previous=previous.dataset if previous else None
        )
    _check_result(config, dataset)
    lost = losses(dataset.rejects, parts)
    check_losses(lost, config.data.cleaning)
    dataset = replace(dataset, report={**dataset.report, "losses": as_report(lost)})
    return IngestResult(dataset, tuple(parts), _fingerprint(parts, config, dataset))


@dataclass(frozen=True, slots=True)
class _Reader:
    """What files are read with."""

    config: Config
    domain: Domain
    manager: PluginManager
    root: Path
    now: float
    names: Pseudonyms

    def part(self, file: tuple[PartRole, FileConfig, str]) -> Part:
        """Read a file: its role, its entry in kgrec.toml, the hash of its settings."""
        return _parse(*file, self)


@dataclass(frozen=True, slots=True)
class _ReaderElsewhere:
    """Makes a :class:`_Reader` at a worker, with the plugins that are installed there."""

    config: Config
    root: Path
    now: float

    def __call__(self) -> _Reader:
        from kgrec.local_plugins import with_own_plugin
        from kgrec.plugin.manager import load_plugins

        manager = with_own_plugin(load_plugins(), self.root)
        return _Reader(self.config, manager.domain(self.config.domain), manager, self.root, self.now, Pseudonyms())


def _parse(role: PartRole, entry: FileConfig, key: str, reader: _Reader) -> Part:
    config, domain, manager, root = reader.config, reader.domain, reader.manager, reader.root
    path = root / entry.path
    raw = read_rows(path, entry.format, manager, entry.reading)
    if isinstance(entry, InteractionsConfig) and entry.join is not None:
        raw = joined(raw, entry.join, root, manager)
    if isinstance(entry, InteractionsConfig) and entry.fill_down:
        raw = fill_down(raw, check_columns(entry.path, "fill_down", entry.fill_down, raw.columns))
    if entry.missing:
        raw = without_cells(raw, entry.missing)
    mapping = resolve_mapping(entry, role, raw, domain, manager)
    told = set[str]()
    if isinstance(entry, InteractionsConfig):
        told = {*entry.flags, *mapping.columns.values()}
        raw, fields = unfold(raw, mapping.columns, entry)
        mapping = replace(mapping, columns=fields)
    raw = _people(raw, mapping, reader.names, entry.path, root)
    attributes: dict[str, AttributeInfo] = {}
    if isinstance(entry, InteractionsConfig):
        table, rejects, counts = parse_interactions(raw, mapping, entry, config.data.cleaning, reader.now)
    else:
        for a in entry.attributes.values() if isinstance(entry, CatalogueConfig) else ():
            if a.names is not None:
                raw = looked_up(raw, a.column, a.separator, a.names, root, manager)
        table, rejects, counts, attributes = parse_catalogue(raw, mapping, entry)
    if unused := {n: what for n, what in unused_columns(raw, mapping).items() if n not in told}:
        counts["unused"] = unused
    return Part(role, entry.path, key, _file_digest(path, raw), table, rejects, counts, attributes)


def _in_domain(entry: FileConfig, domain: Domain) -> FileConfig:
    """Return an entry whose notation knows the domain's marks of prices."""
    if not domain.currencies:
        return entry
    known = [*entry.notation.currencies, *domain.currencies]
    return entry.model_copy(update={"notation": entry.notation.model_copy(update={"currencies": known})})


def files_of(entry: FileConfig, root: Path) -> list[FileConfig]:
    """Return an entry a file where the path is a pattern or a folder."""
    path = root / entry.path
    if address(entry.path) or not is_pattern(path):
        return [entry]
    found = [Path(os.path.relpath(file, root)).as_posix() for file in matching(path)]
    return [entry.model_copy(update={"path": file}) for file in found]


def _file_digest(path: Path, raw: pl.DataFrame) -> str:
    if address(path):  # what lies there can change, but is not fetched twice
        return _digest([str(raw.schema), str(raw.hash_rows(seed=0).sum())])
    with split_part(path)[0].open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _people(raw: pl.DataFrame, mapping: Mapping, names: Pseudonyms, source: str, root: Path) -> pl.DataFrame:
    """Return the rows with pseudonyms, where these are kept, and without people who were forgotten."""
    column = mapping.columns.get({"interactions": "user", "users": "id"}.get(mapping.role, ""))
    forgotten = ForgottenUsers.of(root)
    if column is None or not (names.name or forgotten.people):
        return raw
    given = raw.select(clean(as_text(column, raw.schema[column])).alias("user"))
    rows = given.with_columns(names.column(given["user"])).with_row_index("row")
    if times := mapping.columns.get("time"):
        rows = rows.with_columns(to_seconds(raw[times]).alias("time"))
    rows = forgotten.without(rows, "user", "time" if times else None, source)
    if not names.name:
        return raw[rows["row"]]
    names.remember(given["user"][rows["row"]], rows["user"])
    return raw[rows["row"]].with_columns(rows["user"].alias(column))


def _key(role: str, entry: FileConfig, config: Config, domain: Domain) -> str:
    """Hash what the row-local result depends on besides the file."""
    cleaning = config.data.cleaning
    rules = [cleaning.missing_value == "drop", cleaning.missing_time, cleaning.min_time, cleaning.max_time]
    return _digest(
        [
            role,
            entry.model_dump_json(),
            domain.name,
            json.dumps(dict(domain.action_words)),
            json.dumps(rules),
            str(config.data.pseudonyms),
        ]
    )


def _fingerprint(parts: Sequence[Part], config: Config, dataset: Dataset) -> str:
    numbering = ["\n".join(dataset.users["user_id"].to_list()), "\n".join(dataset.items["item_id"].to_list())]
    files = [text for part in parts for text in (part.key, part.digest)]
    return _digest([*files, config.data.cleaning.model_dump_json(exclude={"max_loss", "warn_loss"}), *numbering])


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _check_result(config: Config, dataset: Dataset) -> None:
    if not config.data.interactions or dataset.interactions.height:
        return
    paths = ", ".join(entry.path for entry in config.data.interactions)
    reasons = dataset.rejects["reason"].value_counts(sort=True)
    if not reasons.height:
        raise DataError(f"no interaction in {paths}: the files have no rows", hint="export them again with rows")
    reason, count = reasons.row(0)
    example = dataset.rejects.filter(dataset.rejects["reason"] == reason).row(0, named=True)
    raise DataError(
        f"no interaction of {paths} is left after cleaning; {count} rows were dropped for: {reason}",
        hint=f"for example {example['source']} line {example['line']}: {str(example['row'])[:200]}",
    )

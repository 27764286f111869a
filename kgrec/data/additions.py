"""New files for a workspace that stands: what they are, and how kgrec.toml remembers them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array

from kgrec.artifacts import replacing
from kgrec.config import (
    AttributeConfig,
    CatalogueConfig,
    Config,
    FileConfig,
    InteractionsConfig,
    LinkConfig,
    NamesConfig,
    TriplesConfig,
)
from kgrec.data.inspection import Inspected, inspect, read_tables
from kgrec.data.layouts import EACH
from kgrec.errors import ConfigError, CorruptArtifactError, DataError, StorageError, UsageError, WorkspaceError
from kgrec.places import address, is_pattern, matches, matching, suffix
from kgrec.plugin.domain import Domain

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager
    from kgrec.workspace import Workspace

Addition = tuple[str, FileConfig]
"""Role (interactions, items, users, triples) and the entry for kgrec.toml."""

_MODELS: Mapping[str, type[FileConfig]] = {
    "interactions": InteractionsConfig,
    "items": CatalogueConfig,
    "users": CatalogueConfig,
    "triples": TriplesConfig,
}
ROLES = tuple(_MODELS)
PENDING = "files"
"""Name of what kgrec.toml is owed, in the manifest."""


def resolve_append(
    files: Sequence[Path], config: Config, domain: Domain, manager: PluginManager, root: Path
) -> list[Addition]:
    """Tell what new files are.

    A file that a pattern of kgrec.toml stands for needs no entry; a pattern gets one, for all its files.
    A file that has the columns which an entry of kgrec.toml reads is read like that entry's file; of several entries
    the one that reads most columns. Otherwise it is proposed as ``kgrec init`` would. Tables of links or names go to
    the triples that are added with them.

    Args:
        files: the new files.
        config: the settings in force.
        domain: the domain in force.
        manager: the plugins in use.
        root: folder of kgrec.toml; paths are relative to it.

    Raises:
        NotFoundError: a file does not exist.
        UsageError: a file is already part of the workspace, or cannot be told what it is for.
    """
    entries = [root / entry.path for role in ROLES for entry in getattr(config.data, role)]
    known = {path.resolve() for path in entries}
    patterns = [path for path in entries if address(path) is None and is_pattern(path)]
    new: dict[Path, Path] = {}  # what is looked at -> what is recorded
    for path in files:
        whole = address(path) is None and is_pattern(path)
        covered = path.absolute() in {p.absolute() for p in patterns} if whole else _covered(path, patterns)
        if not covered and path.resolve() in known:
            raise UsageError(
                f"{path} is already part of the workspace", hint="`kgrec build-graph` without --append reads it again"
            )
        if not covered:
            new[matching(path)[0] if whole else path] = path
    if not new:
        return []
    looked = read_tables(list(new), manager, strict=True)
    found = list({file.path: file for file in reversed(inspect(looked, domain, manager))}.values())[::-1]
    additions = [_resolve(file, config, root) for file in found if file.kind not in ("link", "names")]
    for file in found:
        if file.kind in ("link", "names"):
            additions = _attach(file, additions, root)
    recorded = {_relative(seen, root): _relative(path, root) for seen, path in new.items()}
    return [
        (role, entry.model_copy(update={"path": recorded.get(entry.path, entry.path)})) for role, entry in additions
    ]


def _covered(path: Path, patterns: Sequence[Path]) -> bool:
    """Say whether a pattern of kgrec.toml stands for a file: then it needs no entry of its own."""
    return any(matches(pattern.absolute(), path.resolve()) or matches(pattern, path) for pattern in patterns)


def _relative(path: Path, root: Path) -> str:
    return address(path) or Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()


def pending_files(additions: Sequence[Addition]) -> dict[str, Any]:
    """Return what kgrec.toml is owed for added files, as JSON values: see :func:`finish_append`."""
    return {PENDING: [[role, entry.model_dump(exclude_defaults=True, exclude_none=True)] for role, entry in additions]}


def finish_killed_append(workspace: Workspace) -> None:
    """Do as :func:`finish_append` unless another command is at it, or this one may only read."""
    with suppress(WorkspaceError, StorageError):
        finish_append(workspace)


def finish_append(workspace: Workspace) -> None:
    """Record in kgrec.toml the files of an append whose tables are current; what is recorded already stays as it is.

    What is published and what is recorded change together: the manifest that makes the tables current names the files,
    and stops naming them when kgrec.toml does.
    """
    if not workspace.pending().get(PENDING):
        return
    with workspace.locked():
        try:
            owed = workspace.pending().get(PENDING, [])
            entries = [(role, _MODELS[role].model_validate(entry)) for role, entry in owed]
        except (ValueError, TypeError, LookupError) as error:
            raise CorruptArtifactError(
                f"{workspace.artifacts / 'manifest.json'} is damaged: what it owes to kgrec.toml is no list of files",
                hint="remove the file and run `kgrec build-graph` again",
            ) from error
        document = tomlkit.parse(workspace.config_file.read_text(encoding="utf-8")).unwrap()
        recorded = {
            (workspace.root / str(entry.get("path"))).resolve()
            for role in ROLES
            for entry in document.get("data", {}).get(role, [])
        }
        missing = [(role, entry) for role, entry in entries if (workspace.root / entry.path).resolve() not in recorded]
        if missing:
            add_to_config(workspace.config_file, missing)
        workspace.settle()


def add_to_config(toml_path: Path, additions: Sequence[Addition]) -> None:
    """Record files in kgrec.toml; what stands there, comments included, stays as it is. The change is atomic.

    Args:
        toml_path: kgrec.toml.
        additions: role and entry of each file.

    Raises:
        ConfigError: kgrec.toml is no TOML, or its tables have another shape than kgrec's.
        StorageError: it cannot be written.
    """
    try:
        document = tomlkit.parse(toml_path.read_text(encoding="utf-8"))
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise ConfigError(f"{toml_path}: {error}", hint="correct the file by hand") from None
    for role, entry in additions:
        values = entry.model_dump(exclude_defaults=True, exclude_none=True)
        _add(document, role, values, toml_path)
    with replacing(toml_path) as aside:
        aside.write_text(tomlkit.dumps(document), encoding="utf-8")


def _add(document: tomlkit.TOMLDocument, role: str, values: Mapping[str, Any], toml_path: Path) -> None:
    data = document.setdefault("data", tomlkit.table(is_super_table=True))
    standing = data.get(role)
    if standing is None:
        data[role] = standing = tomlkit.aot()
    if isinstance(standing, AoT):
        table = tomlkit.table()
        for key, value in values.items():
            table.add(key, _attributes(value) if key == "attributes" else _inline(value))
        standing.append(table)
    elif isinstance(standing, Array):
        standing.append(_inline(values))
    else:
        raise ConfigError(f"{toml_path}: data.{role} is no list of files", hint=f"write it as [[data.{role}]]")


def _inline(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    table = tomlkit.inline_table()
    table.update({key: _inline(inner) for key, inner in value.items()})
    return table


def _attributes(value: Mapping[str, Any]) -> Any:
    table = tomlkit.table()
    for name, attribute in value.items():
        table.add(name, _inline(attribute))
    return table


def _resolve(file: Inspected, config: Config, root: Path) -> Addition:
    columns = set() if file.table is None else set(file.table.columns)
    proposal_reads = len(file.columns) + len(file.attributes)
    best: tuple[int, str, FileConfig] | None = None
    for role in ROLES:
        for entry in getattr(config.data, role):
            reads = _reads(entry)
            if file.table is None or (not reads and role != file.kind) or not reads <= columns:
                continue
            size = len(reads) if reads else proposal_reads
            held_back = isinstance(entry, InteractionsConfig) and entry.split != "train"
            if not held_back and (best is None or size > best[0]):
                best = (size, role, entry)
    path = _relative(file.path, root)
    if best is not None and (best[0] >= proposal_reads or best[1] == file.kind):
        _, role, entry = best
        same_format = suffix(Path(entry.path)) == suffix(file.path)
        changes: dict[str, Any] = {"path": path, "format": entry.format if same_format else None}
        if isinstance(entry, TriplesConfig):
            changes |= {"link": entry.link, "names": None}
        return role, entry.model_copy(update=changes)
    if file.kind == "unknown":
        raise DataError(f"{file.path}: {file.problem}", hint="describe the file in kgrec.toml and build again")
    return file.kind, _proposed(file, path)


def _reads(entry: FileConfig) -> set[str]:
    attributes = entry.attributes if isinstance(entry, CatalogueConfig) else {}
    return {*entry.columns.values(), *(a.column for a in attributes.values())} - {EACH}


def _proposed(file: Inspected, path: str) -> FileConfig:
    if file.kind == "interactions":
        layout = file.layout
        told = {
            "user": layout.user,
            "separator": layout.separator,
            "pattern": layout.pattern,
            "flags": dict(layout.flags),
            "missing": list(layout.missing),
            "beside": list(layout.beside),
            "fill_down": list(layout.fill_down),
        }
        known = {word: action for word, action in file.actions.items() if action is not None}
        settings = {
            "path": path,
            "columns": file.columns,
            "action": file.action,
            "actions": known,
            **told,
        }
        return InteractionsConfig.model_validate(settings)
    if file.kind == "triples":
        return TriplesConfig(path=path, columns=file.columns)
    attributes = {
        name: AttributeConfig(column=a.column, separator=a.separator, relation=a.relation)
        for name, a in file.attributes.items()
    }
    return CatalogueConfig(path=path, columns=file.columns, attributes=attributes)


def _attach(file: Inspected, additions: Sequence[Addition], root: Path) -> list[Addition]:
    path = Path(os.path.relpath(file.path.resolve(), root.resolve())).as_posix()
    changed = list(additions)
    for number, (role, entry) in enumerate(changed):
        if isinstance(entry, TriplesConfig):
            part = (
                {"link": LinkConfig(path=path, columns=file.columns)}
                if file.kind == "link"
                else {"names": NamesConfig(path=path, columns=file.columns)}
            )
            changed[number] = (role, entry.model_copy(update=part))
            return changed
    raise UsageError(
        f"{file.path} holds {file.kind} of a graph, but no triples are added with it",
        hint=f"set {file.kind} for the entry of [[data.triples]] in kgrec.toml, then run `kgrec build-graph`",
    )

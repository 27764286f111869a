"""Writes a first kgrec.toml for files, by looking at them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import tomlkit

from kgrec.data.columns import ACTION_WORDS, fold, guess_fields
from kgrec.data.inspection import Inspected, best_domain, inspect, read_tables
from kgrec.data.split import LIKE_FRACTION
from kgrec.data.values import as_text, number
from kgrec.errors import UsageError
from kgrec.shown import visible

if TYPE_CHECKING:
    from kgrec.plugin.domain import Domain
    from kgrec.plugin.manager import PluginManager

_END = """\
# Some settings worth knowing; docs/configuration.md has all of them.
# [data.cleaning]
# repeated = "last"             # which of several events of a user, item and action counts: keep, first, last, max
# min_user_interactions = 5     # leave out users with fewer (k-core)
# [train]
# validation_fraction = 0.1     # share of each user's likes that settings are chosen on
"""


def propose(
    files: Sequence[Path], domain_name: str | None, manager: PluginManager, *, folder: Path | None = None
) -> str:
    """Look at files and write a commented kgrec.toml that uses what can be told of them.

    Args:
        files: the files.
        domain_name: the domain, or None to take the one that knows most of the columns.
        manager: the plugins in use.
        folder: where kgrec.toml will stand; paths are written relative to it. None: absolute paths.

    Returns:
        TOML that :func:`kgrec.settings.load_settings` accepts. What is not used is named in comments.

    Raises:
        UsageError: no files.
        NotFoundError: a file or the domain does not exist.
        DataError: a file is damaged or empty.
    """
    if not files:
        raise UsageError("there are no files to look at", hint="kgrec init DIR --from FILES")
    tables = read_tables(list(dict.fromkeys(files)), manager)
    name = best_domain(tables, manager) if domain_name is None else domain_name
    domain = manager.domain(name)
    found = [inspect(path, table, domain, manager) for path, table in tables.items()]
    lines = [
        "# Proposed by looking at the files. Check what the columns were taken for, then: kgrec build-graph",
        f"domain = {_text(name)}    # there are {', '.join(manager.registry('domain'))}",
        "",
    ]
    for role in ("interactions", "items", "users"):
        for file in found:
            if file.kind == role and not file.problem:
                lines += [*_table(file, role, folder), ""]
    if not any(file.kind == "items" and not file.problem for file in found):
        for file in found:
            lines += _titles_of_events(file, domain, folder)
    attached, loose = _attach(found)
    for file, parts in attached:
        lines += [*_triples(file, parts, folder), ""]
    for file in (*(f for f in found if f.problem), *loose):
        why = file.problem or f"it looks like {_what(file)}, but there is no graph of triples that it belongs to"
        lines += [f"# not used: {_path(file.path, folder)}: {why}", ""]
    return "\n".join([*lines, _END])


def _table(file: Inspected, role: str, folder: Path | None) -> Iterator[str]:
    yield f"# {_what(file)}: {0 if file.table is None else file.table.height:,} rows"
    yield f"[[data.{role}]]"
    yield f"path = {_text(_path(file.path, folder))}"
    yield f"columns = {_inline(file.columns)}"
    if role == "interactions":
        yield from _of_interactions(file)
    if file.unused:
        yield f"# columns not used: {', '.join(visible(name) for name in file.unused)}"
    if file.attributes:
        yield f"[data.{role}.attributes]    # with a relation: edges of the graph; without: a value to filter by"
    for name, a in file.attributes.items():
        stated = {"column": a.column, "separator": a.separator, "relation": a.relation}
        yield f"{_key(name)} = {_inline({k: v for k, v in stated.items() if v is not None})}"


def _titles_of_events(file: Inspected, domain: Domain, folder: Path | None) -> list[str]:
    """Return how to read the items' titles from a file of events; commented out, for an item has many rows there."""
    if file.kind != "interactions" or file.problem or "item" not in file.columns:
        return []
    texts = {f: c for f, c in guess_fields("items", file.unused, domain).items() if f in ("title", "description")}
    if not texts:
        return []
    return [
        f"# {visible(', '.join(texts.values()))} tells what an item is. To use it, take away the # below; the first",
        "# row of an item counts, the others are listed among the rejects.",
        "# [[data.items]]",
        f"# path = {_text(_path(file.path, folder))}",
        f"# columns = {_inline({'id': file.columns['item'], **texts})}",
        "",
    ]


def _of_interactions(file: Inspected) -> Iterator[str]:
    if file.split == "validation":
        yield 'split = "validation"    # settings are chosen on it, nothing is fitted on it'
    if file.action is not None:
        yield f"action = {_text(file.action)}"
    elif "action" not in file.columns:
        meant = "rate" if "value" in file.columns else "view" if "item" in file.columns else "search"
        yield f"action = {_text(meant)}    # of each row; also: {', '.join(a for a in ACTION_WORDS if a != meant)}"
    elif file.table is not None:
        yield from _unknown_words(file.table, file.columns["action"])
    if "value" in file.columns and file.table is not None:
        yield from _scale(file.table, file.columns["value"])


def _unknown_words(table: pl.DataFrame, column: str) -> Iterator[str]:
    words = table.select(as_text(column, table.schema[column])).to_series().drop_nulls().unique().sort().head(1_000)
    known = {fold(word) for group in ACTION_WORDS.values() for word in group}
    unknown = [word for word in words if fold(word) not in known][:10]
    if unknown:
        example = _inline(dict.fromkeys(unknown, "view"))
        yield f"# words that kgrec knows no action for (their rows are rejected): {visible(', '.join(unknown))}"
        yield f"# actions = {visible(example)}"


def _scale(table: pl.DataFrame, column: str) -> Iterator[str]:
    values = table.select(number(as_text(column, table.schema[column]))).to_series()
    low, high = values.min(), values.max()
    if isinstance(low, float) and isinstance(high, float):
        limit = low + LIKE_FRACTION * (high - low)
        yield f"# values from {low:g} to {high:g}; {limit:g} and more is a like (feedback.like_threshold changes it)"


def _attach(found: Sequence[Inspected]) -> tuple[list[tuple[Inspected, dict[str, Inspected]]], list[Inspected]]:
    """Give each link and names file to the triples that share most of its entities; return those and the rest."""
    graphs = [file for file in found if file.kind == "triples"]
    attached: list[tuple[Inspected, dict[str, Inspected]]] = [(graph, {}) for graph in graphs]
    loose = []
    for file in found:
        if file.kind not in ("link", "names"):
            continue
        free = [k for k, (_, parts) in enumerate(attached) if file.kind not in parts]
        if free:
            overlaps = {k: _overlap(file, graphs[k]) for k in free}
            attached[max(free, key=lambda k: overlaps[k])][1][file.kind] = file
        else:
            loose.append(file)
    return attached, loose


def _overlap(file: Inspected, graph: Inspected) -> int:
    if file.table is None or graph.table is None:
        return 0
    ends = [graph.columns[field] for field in ("head", "tail") if field in graph.columns]
    nodes = pl.concat([graph.table.select(as_text(c, graph.table.schema[c]).alias("node")) for c in ends]).unique()
    column = file.columns["entity"]
    entities = file.table.select(as_text(column, file.table.schema[column]).alias("node")).unique()
    return entities.join(nodes, on="node", how="semi").height


def _triples(file: Inspected, parts: Mapping[str, Inspected], folder: Path | None) -> Iterator[str]:
    yield "# a knowledge graph" + ("" if file.table is None else f": {file.table.height:,} triples")
    yield "[[data.triples]]"
    yield f"path = {_text(_path(file.path, folder))}"
    if file.columns:
        yield f"columns = {_inline(file.columns)}"
    for kind, part in parts.items():
        comment = "which entity an item is" if kind == "link" else "readable names of entities"
        yield f"# {comment}"
        columns = _inline(part.columns)
        yield f"{kind} = {{ path = {_text(_path(part.path, folder))}, columns = {columns} }}"
    if "link" not in parts:
        yield "# without a link, a head or tail that equals an item's id is that item"


def _what(file: Inspected) -> str:
    words = {"link": "a table of which entity an item is", "names": "a table of names of entities"}
    return words.get(file.kind, file.kind)


def _path(path: Path, folder: Path | None) -> str:
    if folder is None:
        return path.resolve().as_posix()
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _text(value: str) -> str:
    return str(tomlkit.item(value).as_string())


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _inline(pairs: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{_key(key)} = {_text(value)}" for key, value in pairs.items()) + " }"

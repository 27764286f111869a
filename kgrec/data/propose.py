"""Writes a first kgrec.toml for files, by looking at them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import tomlkit

from kgrec.data.columns import attribute_name
from kgrec.data.inspection import RDF_ENDINGS, Inspected, best_domain, could_be, inspect, read_tables
from kgrec.data.split import LIKE_FRACTION
from kgrec.data.times import read_times
from kgrec.data.values import as_text
from kgrec.errors import UsageError
from kgrec.places import address, is_pattern, matching, split_part, suffix
from kgrec.plugin.domain import ACTIONS
from kgrec.shown import visible

if TYPE_CHECKING:
    from kgrec.data.profile import TableProfile
    from kgrec.plugin.domain import Domain
    from kgrec.plugin.manager import PluginManager

ASK = "?"
"""Stands in kgrec.toml where a person must say; such a file is not built."""

UNKNOWN_SHARE = 0.5
"""Where more than this share of the rows has words that nobody knows for actions, a person must say what they are."""

_END = """\
# Some settings worth knowing; docs/configuration.md has all of them.
# [data.cleaning]
# repeated = "last"             # which of several events of a user, item and action counts: keep, first, last, max
# min_user_interactions = 5     # leave out users with fewer (k-core)
# [train]
# validation_fraction = 0.1     # share of each user's likes that settings are chosen on
"""


@dataclass(frozen=True)
class Proposal:
    """What files were taken for.

    Attributes:
        domain: the domain.
        files: what each is for; a file of events that also names items comes twice.
    """

    domain: Domain
    files: tuple[Inspected, ...]

    @property
    def used(self) -> list[Inspected]:
        """Files that something is made of."""
        return [file for file in self.files if not file.problem]

    @property
    def has_interactions(self) -> bool:
        """Say whether some file tells who did what."""
        return any(file.kind == "interactions" for file in self.used)


def look(files: Sequence[Path], domain_name: str | None, manager: PluginManager) -> Proposal:
    """Look at files and say what they are for.

    Args:
        files: the files.
        domain_name: the domain, or None to take the one that knows most of the columns.
        manager: the plugins in use.

    Raises:
        UsageError: no files.
        NotFoundError: a file or the domain does not exist.
    """
    if not files:
        raise UsageError("there are no files to look at", hint="kgrec init DIR --from FILES")
    whole = {matching(path)[0]: path for path in files if _is_partitioned(path)}
    first = {pattern: path for path, pattern in whole.items()}
    looked = read_tables([first.get(path, path) for path in files], manager)
    domain = manager.domain(best_domain(looked, manager) if domain_name is None else domain_name)
    found = inspect(looked, domain, manager)
    return Proposal(domain, tuple(replace(file, path=whole.get(file.path, file.path)) for file in found))


def _is_partitioned(path: Path) -> bool:
    """Say whether a pattern or folder holds one log in several files: their names differ in nothing but numbers."""
    if address(path) or not is_pattern(path):
        return False
    found = matching(path)
    return len(found) > 1 and len({re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "0", str(file)) for file in found}) == 1


def write(proposal: Proposal, manager: PluginManager, *, folder: Path | None = None) -> str:
    """Write a commented kgrec.toml; what is not used is named in comments, and ``?`` stands where a person must say.

    Args:
        proposal: what the files are for.
        manager: the plugins in use.
        folder: where kgrec.toml will stand; paths are written relative to it. None: absolute paths.
    """
    lines = [
        "# Proposed by looking at the files. Check what the columns were taken for, then: kgrec build-graph",
        f"domain = {_text(proposal.domain.name)}    # there are {', '.join(manager.registry('domain'))}",
        "",
    ]
    for role in ("interactions", "items", "users"):
        for file in proposal.used:
            if file.kind == role:
                lines += [*_table(file, role, folder, proposal.domain), ""]
    attached, loose = _attach(proposal.files)
    for file, parts in attached:
        lines += [*_triples(file, parts, folder), ""]
    asked = None if proposal.has_interactions else _to_ask(proposal)
    if asked is not None:
        lines += [*_question(asked, folder), ""]
    for file in (*(f for f in proposal.files if f.problem and f is not asked), *loose):
        why = file.problem or f"it looks like {_what(file)}, but there is no graph of triples that it belongs to"
        lines += [f"# not used: {_path(file.path, folder)}: {visible(why)}", ""]
    return "\n".join([*lines, _END])


def propose(
    files: Sequence[Path], domain_name: str | None, manager: PluginManager, *, folder: Path | None = None
) -> str:
    """Look at files and return a commented kgrec.toml that uses what can be told of them; see :func:`write`."""
    return write(look(files, domain_name, manager), manager, folder=folder)


def _table(file: Inspected, role: str, folder: Path | None, domain: Domain) -> Iterator[str]:
    sure = "" if file.confidence >= 0.75 else f", {file.confidence:.0%} sure"
    near = file.doubts.get("role")
    yield f"# {_what(file)}: {file.rows:,} rows{sure}" + (f"; it could also be {', '.join(near)}" if near else "")
    for note in file.notes:
        yield f"# {visible(note)}"
    yield f"[[data.{role}]]"
    yield f"path = {_text(_path(file.path, folder))}"
    yield f"columns = {_inline(file.columns)}"
    yield from _notation(file)
    for name, columns in file.doubts.items():
        if name != "role":
            yield f"# unsure: {name} could also be {visible(', '.join(columns))}"
    if role == "interactions":
        yield from _of_interactions(file, folder)
    if file.unused and file.table is not None:
        said = {name: could_be(file.table.columns[name], file.kind, domain) for name in file.unused}
        yield "# columns not used: " + visible(
            ", ".join(n + (f" ({what})" if what else "") for n, what in said.items())
        )
    if file.attributes:
        yield f"[data.{role}.attributes]    # with a relation: edges of the graph; without: a value to filter by"
    for name, a in file.attributes.items():
        stated = {"column": a.column, "separator": a.separator, "relation": a.relation, "private": a.private or None}
        inline = _inline({k: v for k, v in stated.items() if v is not None})
        if name in file.lookups:
            path, told = file.lookups[name]
            inline = f"{inline[:-2]}, names = {_inline({'path': _path(path, folder), **told})} }}"
        yield f"{_key(name)} = {inline}"


def _notation(file: Inspected) -> Iterator[str]:
    """Write down how the file is cut and how its dates are written, so that files to come are read alike."""
    if file.table is None:
        return
    if all(re.fullmatch(r"column_\d+", name) for name in file.table.columns):
        yield "reading = { header = false }    # the first line is data"
    if file.layout.missing:
        yield f"missing = [{', '.join(map(_text, file.layout.missing))}]    # cells that stand for nothing"
    stated = []
    column = file.table.columns.get(file.columns.get("time", ""))
    if column is not None and column.kind == pl.String:
        found = read_times(column.cells, strict=False)
        if found.ambiguous:
            yield "# nothing tells whether its dates begin with the day; if the build reads them wrongly:"
            yield '# notation = { dates = "day-first" }    # or "month-first"'
        elif found.order is not None:
            stated.append(f'dates = "{found.order}"')
    if file.scale:
        yield f"# in place of the ?: its words from worst to best: {visible(', '.join(map(_text, file.scale)))}"
        stated.append(f'scale = ["{ASK}"]')
    if stated:
        yield f"notation = {{ {', '.join(stated)} }}"


def _of_interactions(file: Inspected, folder: Path | None) -> Iterator[str]:
    layout = file.layout
    if file.join is not None:
        joined = {"path": _path(file.join[0], folder), "on": file.join[1], "key": file.join[2]}
        yield f"join = {_inline(joined)}    # each row gets the columns of the other file"
    if layout.beside:
        yield f"beside = [{', '.join(map(_text, layout.beside))}]    # columns that are no items"
    if layout.fill_down:
        yield f"fill_down = [{', '.join(map(_text, layout.fill_down))}]    # an empty cell repeats the one above"
    if layout.flags:
        yield f"flags = {_inline(layout.flags)}    # what a yes says"
    if layout.user is not None:
        yield f"user = {_text(layout.user)}    # whose rows these are: any id"
    if layout.separator is not None:
        yield f"separator = {_text(layout.separator)}    # between the items in a cell"
    if layout.pattern is not None:
        yield f"pattern = {_text(layout.pattern)}    # its group is an item"
    if file.split == "validation":
        yield 'split = "validation"    # settings are chosen on it, nothing is fitted on it'
    if "action" not in file.columns and file.action is not None:
        others = ", ".join(a for a in ACTIONS if a != file.action)
        yield f"action = {_text(file.action)}    # of each row; also: {others}"
    if file.actions:
        yield from _words(file)
    if "value" in file.columns:
        yield from _scale(file)


def _words(file: Inspected) -> Iterator[str]:
    known = {word: action for word, action in file.actions.items() if action is not None}
    unknown = [word for word, action in file.actions.items() if action is None]
    lost, rows = sum(file.counts[word] for word in unknown), max(sum(file.counts.values()), 1)
    if lost / rows > UNKNOWN_SHARE:
        yield f"# words that kgrec knows no action for: {visible(', '.join(unknown[:20]))}"
        entries = {**known, **dict.fromkeys(unknown, ASK)}
        choices = ", ".join((*ACTIONS, "ignore"))
        yield f"actions = {_inline(entries)}    # say for each ? what it is: {choices}"
        return
    yield "actions = " + _inline(known)
    if unknown:
        yield f"# words that kgrec knows no action for (their rows are rejected): {visible(', '.join(unknown[:20]))}"
        yield f"# actions = {visible(_inline(dict.fromkeys(unknown[:20], 'view')))}"


def _scale(file: Inspected) -> Iterator[str]:
    assert file.table is not None
    column = file.table.columns.get(file.columns["value"])
    if column is None:
        return
    low, high = column.span
    if low < high:
        limit = low + LIKE_FRACTION * (high - low)
        yield f"# values from {low:g} to {high:g}; {limit:g} and more is a like (feedback.like_threshold changes it)"


def _to_ask(proposal: Proposal) -> Inspected | None:
    """Return the file that is likeliest the log, where no file is taken for one."""
    unknown = [file for file in proposal.files if file.problem and file.table is not None and file.kind == "unknown"]
    return max(unknown, key=lambda file: file.rows, default=None)


def _question(file: Inspected, folder: Path | None) -> Iterator[str]:
    assert file.table is not None
    columns = visible(", ".join(file.table.columns))
    yield f"# {visible(file.problem)}"
    yield "# If its rows say who did something with what, name the columns; otherwise take these lines away."
    yield "[[data.interactions]]"
    yield f"path = {_text(_path(file.path, folder))}"
    yield f"columns = {_inline({'user': ASK, 'item': ASK})}    # it has {columns}; time, action, value and text, too"


def _attach(found: Sequence[Inspected]) -> tuple[list[tuple[Inspected, dict[str, Inspected]]], list[Inspected]]:
    """Give each link and names file to the triples that share most of its entities; return those and the rest.

    A catalogue with a column of entities that stand in a graph is its link, too.
    """
    graphs = [file for file in found if file.kind == "triples" and not file.problem]
    attached: list[tuple[Inspected, dict[str, Inspected]]] = [(graph, {}) for graph in graphs]
    loose = []
    for file in found:
        if file.kind not in ("link", "names"):
            continue
        free = [k for k, (_, parts) in enumerate(attached) if file.kind not in parts]
        if free:
            overlaps = {k: _overlap(file.table, file.columns["entity"], graphs[k]) for k in free}
            attached[max(free, key=lambda k: overlaps[k])][1][file.kind] = file
        else:
            loose.append(file)
    for graph, parts in attached:
        if "link" not in parts:
            for file in found:
                entity = _entities(file, graph) if file.kind == "items" and not file.problem else None
                if entity is not None:
                    parts["link"] = replace(file, kind="link", columns={"item": file.columns["id"], "entity": entity})
                    break
    return attached, loose


def _entities(file: Inspected, graph: Inspected) -> str | None:
    """Return the column of a catalogue that names nodes of a graph, if one does."""
    assert file.table is not None
    shares = {}
    for name, column in file.table.columns.items():
        if name != file.columns["id"] and column.identifies > 0.6 and column.uniqueness > 0.8 and column.distinct > 1:
            shares[name] = _overlap(file.table, name, graph) / max(min(column.distinct, 200), 1)
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] > 0.3 else None


def _overlap(table: TableProfile | None, column: str, graph: Inspected) -> int:
    """Count entities of a table that are nodes of a graph; of RDF in the first megabytes of its text."""
    if table is None:
        return 0
    entities = table.values(column).head(200)
    if graph.table is None:
        if suffix(graph.path) not in RDF_ENDINGS:
            return 0
        with graph.path.open("rb") as stream:
            text = stream.read(16 << 20)
        return sum(len(entity) > 3 and entity.encode() in text for entity in entities)
    ends = [graph.columns[field] for field in ("head", "tail") if field in graph.columns]
    source = graph.table.table
    nodes = pl.concat([source.select(as_text(c, source.schema[c]).alias("node")) for c in ends]).unique()
    return entities.to_frame("node").join(nodes, on="node", how="semi").height


def _triples(file: Inspected, parts: Mapping[str, Inspected], folder: Path | None) -> Iterator[str]:
    yield "# a knowledge graph" + ("" if file.table is None else f": {file.rows:,} triples")
    yield "[[data.triples]]"
    yield f"path = {_text(_path(file.path, folder))}"
    if file.columns:
        yield f"columns = {_inline(file.columns)}"
    if file.table is not None and "relation" not in file.columns:
        yield f"relation = {_text(attribute_name(Path(split_part(file.path)[0].stem).stem) or 'related')}"
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
    if url := address(path):
        return url
    if folder is None:
        return path.resolve().as_posix()
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _text(value: str | bool) -> str:
    return str(tomlkit.item(value).as_string())


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _inline(pairs: Mapping[str, str | bool]) -> str:
    return "{ " + ", ".join(f"{_key(key)} = {_text(value)}" for key, value in pairs.items()) + " }"

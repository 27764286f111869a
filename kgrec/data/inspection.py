"""What files are for and how they are read, told from their values and names, all files together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from kgrec.data.actions import IGNORE, action_of, actions_of
from kgrec.data.columns import attribute_name, guess_attributes
from kgrec.data.fields import Links, moment, of_whom, user
from kgrec.data.joins import Join, inside, joined_profile, joins_of, lookup_of
from kgrec.data.layouts import EACH, FURTHEST, RowLayout, fill_down, grouped, layout_of
from kgrec.data.naming import WORDS, fold
from kgrec.data.numbers import read_numbers
from kgrec.data.profile import ColumnProfile, TableProfile, overlap, profile
from kgrec.data.roles import Guess, Kind, guess_roles, title_and_description
from kgrec.data.sources.contents import expand
from kgrec.data.sources.files import read_source
from kgrec.errors import DataError
from kgrec.places import suffix
from kgrec.plugin.domain import AGAINST, Attribute, Domain

if TYPE_CHECKING:
    from kgrec.plugin.manager import PluginManager

RDF_ENDINGS = (".nt", ".nq", ".ttl", ".n3", ".rdf", ".owl", ".xml", ".jsonld", ".trig", ".trix")

_VALIDATION = re.compile(r"(?:^|[^a-z])(?:valid|validation|val|dev)(?:[^a-z]|$)|验证")
_TEST = re.compile(r"(?:^|[^a-z])(?:test|heldout|holdout)(?:[^a-z]|$)|测试")
_ORDERS = frozenset(WORDS["hints"]["orders"])
_MANY_WORDS = 200


@dataclass(frozen=True)
class Inspected:
    """A file that was looked at, in one of its roles; a file of events may also tell what its items are.

    Attributes:
        path: the file.
        kind: what it is for.
        columns: kgrec's field -> the file's column; ``?`` where a person must say.
        attributes: attribute name -> how it is read.
        action: the action of every row, where there is no column of actions.
        actions: the file's words for actions -> action, ``ignore``, or None where nothing is known.
        counts: how often each of these words occurs.
        layout: how rows are made of the file's rows, where a row is not one interaction.
        join: the file whose columns its rows get, with the columns of equal values here and there.
        lookups: attribute name -> the file that says what its ids are called, and that file's columns.
        split: ``validation`` for interactions in a file of such a name.
        scale: words of its values, whose order nobody knows.
        unused: columns that nothing is made of, with what they could be.
        problem: why the file is not used, in words; empty if it is.
        why: field -> what speaks for its column.
        confidence: of the role, 0 to 1.
        doubts: field (or ``role``) -> what else it could be.
        notes: what a person should know of how the file is read.
        table: the columns as they look, or None (RDF, or no source reads it).
    """

    path: Path
    kind: Kind
    columns: dict[str, str]
    attributes: dict[str, Attribute] = field(default_factory=dict)
    action: str | None = None
    actions: Mapping[str, str | None] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    layout: RowLayout = field(default_factory=RowLayout)
    join: tuple[Path, str, str] | None = None
    lookups: Mapping[str, tuple[Path, dict[str, str]]] = field(default_factory=dict)
    split: str = "train"
    scale: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    problem: str = ""
    why: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 1.0
    doubts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    table: TableProfile | None = None

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return 0 if self.table is None else self.table.rows


@dataclass(frozen=True)
class Looked:
    """A file as read, or why it could not be read."""

    path: Path
    table: TableProfile | None
    problem: str = ""


def read_tables(files: Sequence[Path], manager: PluginManager, *, strict: bool = False) -> list[Looked]:
    """Read each file, and each part of a container, and look at its columns; one that cannot be read stops no other.

    Args:
        files: the files.
        manager: the plugins in use.
        strict: raise what is wrong with a file.

    Raises:
        NotFoundError: a file does not exist.
        DataError: ``strict``, and a file is damaged or empty.
    """
    found = []
    for path in dict.fromkeys(part for file in files for part in expand(file)):
        try:
            rdf = suffix(path) in RDF_ENDINGS
            found.append(Looked(path, None if rdf else profile(read_source(path, None, manager))))
        except DataError as error:
            if strict:
                raise
            found.append(Looked(path, None, f"{error.message.removeprefix(f'{path}: ')}; {error.hint}"))
    return found


def inspect(files: Sequence[Looked], domain: Domain, manager: PluginManager) -> list[Inspected]:
    """Say what each file is for and how it is read; a file of events that also names items comes twice."""
    groups = {k: names for k, f in enumerate(files) if f.table is not None and (names := grouped(f.table))}
    files = [
        replace(f, table=profile(fill_down(f.table.table, groups[k]))) if k in groups and f.table is not None else f
        for k, f in enumerate(files)
    ]
    joins = _joins(files, domain)
    heads = {join.heads: files[k].path.name for k, (_, join) in joins.items()}
    files = [joins[k][0] if k in joins else file for k, file in enumerate(files)]
    tables = {k: f.table for k, f in enumerate(files) if f.table is not None and k not in heads}
    guessed = dict(zip(tables, guess_roles(list(tables.values()), domain), strict=True))
    found: list[Inspected] = []
    for k, file in enumerate(files):
        if file.problem:
            found.append(Inspected(file.path, "unknown", {}, problem=file.problem))
        elif file.table is None:
            found.append(Inspected(file.path, "triples", {}))
        elif k in heads:
            found.append(
                Inspected(file.path, "unknown", {}, problem=f"read together with {heads[k]}", table=file.table)
            )
        else:
            logs = [g for at, g in guessed.items() if at != k and g.kind == "interactions" and "user" in g.columns]
            one = _one(file.path, file.table, guessed[k], domain, manager, alone=not logs)
            if k in groups and one.kind == "interactions":
                note = f"{', '.join(groups[k])}: an empty cell repeats the one above (fill_down)"
                one = replace(one, layout=replace(one.layout, fill_down=groups[k]), notes=(*one.notes, note))
            if k in joins and one.kind == "interactions":
                other, join = files[joins[k][1].heads].path, joins[k][1]
                if one.action == "view" and _priced(file.table, one.columns["item"]):
                    one = replace(one, action="purchase")
                note = f"each row gets the columns of {other.name} where {join.on} is its {join.key}"
                one = replace(one, join=(other, join.on, join.key), notes=(*one.notes, note))
            found.append(one)
    found = [_of_people(file, found) for file in _looked_up(found)]
    found += [second for file in found if (second := _history(file)) is not None]
    found += [second for file in found if (second := _items_of_events(file, found, domain)) is not None]
    return found


def _priced(table: TableProfile, item: str) -> bool:
    """Say whether each item has a number with two digits behind the point: lines of orders."""
    sums = [n for n, c in table.columns.items() if c.decimal and c.span[1] > 10 and c.shape(r"[.,]\d\d0*$") > 0.9]
    return any(of_whom(table, item, n) for n in sums)


def _joins(files: Sequence[Looked], domain: Domain) -> dict[int, tuple[Looked, Join]]:
    """Return the files whose rows get the columns of others, as they look then, by their positions."""
    at = [k for k, file in enumerate(files) if file.table is not None]
    tables = [file.table for file in files if file.table is not None]
    found = {}
    for join in joins_of(tables, domain):
        lines, heads = at[join.lines], at[join.heads]
        table = joined_profile(tables, join, files[heads].path.name)
        found[lines] = replace(files[lines], table=table), replace(join, lines=lines, heads=heads)
    return found


def _looked_up(found: list[Inspected]) -> list[Inspected]:
    """Let files that only say what ids are called name the values of a catalogue's attributes."""
    used = {file.path for file in found if file.kind in ("interactions", "users", "items") and not file.problem}
    others = [
        (k, file.table) for k, file in enumerate(found)
        if file.table is not None and (file.path not in used or _is_lookup(file, found))
    ]  # fmt: skip
    for at, file in enumerate(found):
        if file.kind != "items" or file.problem or file.table is None or at in [k for k, _ in others]:
            continue
        lookups = {}
        for column in file.table.columns.values():
            if column.name in (file.columns.values()) or column.words.is_a("user"):
                continue
            name = next((n for n, a in file.attributes.items() if a.column == column.name), None)
            values = file.table.values(column.name)
            separator = file.attributes[name].separator if name else column.separator
            if separator:
                values = values.str.split(separator).explode().str.strip_chars().unique()
            told = lookup_of(column, values, [(k, t) for k, t in others if k != at])
            if told is not None:
                lookups[name or attribute_name(column.name)] = (column.name, separator, *told)
        for name, (column_name, separator, k, told_by) in lookups.items():
            given = file.attributes.get(name)
            attributes = {n: a for n, a in file.attributes.items() if n != name}
            if given is None or given.relation in (None, name):  # `genre_ids` are genres now
                name = re.sub(r"_?ids?$", "", name) or name
                given = Attribute(column_name, separator, name)
            attributes[name] = given
            file = replace(file, attributes=attributes, lookups={**file.lookups, name: (found[k].path, told_by)})
            file = replace(file, unused=tuple(n for n in file.unused if n != column_name))
            found[k] = replace(
                found[k], kind="unknown", problem=f"its names stand for the {column_name} of {file.path.name}"
            )
        found[at] = file
    return found


def _of_people(file: Inspected, found: Sequence[Inspected]) -> Inspected:
    """Leave out a table of users and users, as logs know them: who trusts whom, who are friends."""
    if file.table is None or file.kind == "triples" or len(file.table.columns) > 4:
        return file
    users, items = (pl.concat([pl.Series([], dtype=pl.String), *_acting(found, f, file)]) for f in ("user", "item"))
    ends = [
        n for n, c in file.table.columns.items()
        if c.distinct > 2 and c.identifies > 0.4 and c.times < 0.9 and not c.words.prop - {"id", "title"}
        and inside(file.table.values(n), users) > 0.9 and inside(file.table.values(n), items) < 0.5
    ]  # fmt: skip
    if len(ends) != 2 or any(c.words.is_a("item") for c in file.table.columns.values()):
        return file
    told = f"{ends[0]} and {ends[1]} both name users: who trusts whom, or friends; kgrec makes nothing of that"
    return replace(file, kind="unknown", columns={}, attributes={}, problem=told)


def _is_lookup(file: Inspected, found: Sequence[Inspected]) -> bool:
    """Say whether a file that looks like a catalogue has nothing that any log names, where another catalogue has."""
    if file.kind != "items" or file.table is None or file.layout.user is not None:
        return False
    acted = pl.concat([pl.Series([], dtype=pl.String), *_acting(found, "item")])
    shares = {
        f.path: overlap(acted, f.table.values(f.columns["id"]))
        for f in found
        if f.kind == "items" and not f.problem and f.table is not None
    }
    return shares.get(file.path, 1.0) < 0.1 and max(shares.values(), default=0.0) > 0.5


def _acting(found: Sequence[Inspected], field: str, besides: Inspected | None = None) -> list[pl.Series]:
    """Return the users, or the items, of each log."""
    logs = [f for f in found if f is not besides and f.kind == "interactions" and not f.problem and f.table is not None]
    named = [(f.table, f.columns[field]) for f in logs if f.table is not None and field in f.columns]
    return [table.values(column) for table, column in named if column in table.columns]


def _history(file: Inspected) -> Inspected | None:
    """Return a second reading of a file of lists: a column of what its users had taken before (MIND's histories).

    It holds ids like the items of the rows, and seldom those of its own row; what was shown holds them all.
    """
    if file.kind != "interactions" or file.problem or file.table is None or "item" not in file.columns:
        return None
    key, layout = file.columns["item"], file.layout
    item = file.table.columns.get(key)
    if item is None or not (item.is_list or layout.separator or layout.pattern):
        return None

    def parts(c: ColumnProfile, pattern: str | None, separator: str | None) -> pl.Series:
        if c.is_list:
            return c.text.str.split("\x1f")
        if pattern and not separator:
            return c.text.str.extract_all(pattern).list.eval(pl.element().str.extract(pattern, 1))
        return c.text.str.split(separator or " ")

    own = parts(item, layout.pattern, layout.separator)
    every = own.explode().drop_nulls().unique()
    for name, c in file.table.columns.items():
        if name in file.columns.values() or not (c.is_list or c.separator) or c.words.is_a("shared"):
            continue
        before = parts(c, None, c.separator)
        values = before.explode().drop_nulls()
        if not values.len() or float(values.is_in(every.implode()).mean() or 0) < 0.3:  # type: ignore[arg-type]
            continue
        rows = pl.DataFrame({"own": own, "before": before}).drop_nulls()
        again = rows.select(pl.col("own").list.set_intersection("before").list.len() > 0).to_series().mean() or 0
        if float(again) < 0.5:  # type: ignore[arg-type]
            note = f"a row also holds what its user had before ({name}): interactions without a time"
            columns = {"user": file.columns["user"], "item": name} if "user" in file.columns else {"item": name}
            before_layout = RowLayout(separator=None if c.is_list else c.separator, user=layout.user)
            action = file.action or "click"
            return replace(
                file, columns=columns, layout=before_layout, action=action, actions={}, notes=(note,), doubts={}
            )
    return None


def _one(
    path: Path, table: TableProfile, guess: Guess, domain: Domain, manager: PluginManager, *, alone: bool
) -> Inspected:
    columns = list(table.columns)
    asked = manager.schema_mapping(domain.name, path.name, columns)
    if asked is not None:
        layout = RowLayout(separator=asked.separator, pattern=asked.pattern)
        stated = Inspected(
            path, asked.role, dict(asked.columns), dict(asked.attributes), asked.action, layout=layout, table=table
        )
        stated = replace(stated, why=dict.fromkeys(asked.columns, f"stated by the domain {domain.name}"))
        if asked.role == "interactions":
            stated = _events(_with_takebacks(stated, guess), domain)
            told = {word: asked.actions.get(word, action) for word, action in stated.actions.items()}
            stated = replace(stated, actions=told)
        return _finish(stated)
    layout, kind, fields, notes = layout_of(table, guess, domain, alone=alone)
    found = Inspected(
        path, kind, fields, layout=layout, why=guess.why, confidence=guess.confidence, doubts=guess.doubts,
        notes=notes, table=table,
    )  # fmt: skip
    if kind == "interactions":
        found = _events(found, domain)
    elif kind in ("items", "users"):
        used = set(fields.values())
        found = replace(found, attributes=guess_attributes(table, kind, used, domain))
    elif kind == "unknown":
        near = ", ".join(str(role) for role in guess.doubts.get("role", ()))
        problem = f"its columns do not tell what it is for: {', '.join(columns)}"
        found = replace(found, problem=problem + (f"; it could be {near}" if near else ""))
    return _finish(found)


def _with_takebacks(stated: Inspected, guess: Guess) -> Inspected:
    """Add a column of actions that takes rows back (refunded, cancelled), where a domain says one action for all."""
    column = guess.columns.get("action") if guess.kind == "interactions" and "action" not in stated.columns else None
    if column is None or stated.table is None:
        return stated
    told = actions_of(list(stated.table.columns[column].counts)).values()
    if not {*AGAINST, IGNORE} & set(told):
        return stated
    return replace(stated, columns={**stated.columns, "action": column}, action=None)


def _events(found: Inspected, domain: Domain) -> Inspected:
    """Add what the words of actions and values stand for, the part of the split, and times of day and zones."""
    table, columns = found.table, dict(found.columns)
    assert table is not None  # events are made of tables
    problem, split = found.problem, "train"
    name = found.path.name.lower()
    if _TEST.search(name):
        problem = problem or "left out because of its name: what is held out for testing must not be learned from"
    elif _VALIDATION.search(name):
        split = "validation"
    actions: dict[str, str | None] = {}
    counts: Mapping[str, int] = {}
    if (column := table.columns.get(columns.get("action", ""))) is not None:
        counts = dict(list(column.counts.items())[:_MANY_WORDS])
        own = {fold(word): action for word, action in domain.action_words.items()}
        actions = by_sign(actions_of(list(counts), own), column, table.columns.get(columns.get("value", "")))
    action = found.action
    if "action" not in columns and action is None and not found.layout.flags:
        action = constant_action(found.path, table, columns, rated=not found.layout.missing)
    columns |= _clock_and_zone(table, columns)
    nobody = _nobody(table.columns.get(columns.get("user", "")))
    notes = list(found.notes)
    if nobody is not None:
        notes.append(f"{nobody!r} is no user like the others; its rows are left out (missing)")
        found = replace(found, layout=replace(found.layout, missing=(nobody,)))
    if not actions and not found.layout.flags and not found.layout.wide:
        notes += _unsaid(table, columns)
    scale = _answers(found) if found.layout.wide else ()
    return replace(
        found,
        notes=tuple(notes),
        scale=scale,
        columns=columns,
        action=action,
        actions=actions,
        counts=counts,
        split=split,
        problem=problem,
    )


def by_sign(
    actions: dict[str, str | None], column: ColumnProfile, value: ColumnProfile | None
) -> dict[str, str | None]:
    """Propose an action for unknown words by the values beside them: ``dislike`` where low, ``like`` where high."""
    unknown = [word for word, action in actions.items() if action is None]
    if not unknown or value is None or value.numeric < 0.9:
        return actions
    pairs = pl.DataFrame({"word": column.text, "value": value.text.cast(pl.Float64, strict=False)}).drop_nulls()
    low, high = pairs["value"].min(), pairs["value"].max()
    if not isinstance(low, float) or not isinstance(high, float) or low >= high:
        return actions
    means = dict(pairs.group_by("word").agg(pl.col("value").mean()).iter_rows())
    place = {word: (means[word] - low) / (high - low) for word in unknown if word in means}
    return {
        **actions,
        **{w: "dislike" for w, p in place.items() if p < 0.25},
        **{w: "like" for w, p in place.items() if p > 0.75},
    }


def _nobody(user: ColumnProfile | None) -> str | None:
    """Return the value that stands for all whom a shop does not know, told by how it is written; None if none does.

    All other ids are written alike, letters and digits at the same places, or are far above zero; it has as many rows
    as most users or more.
    """
    if user is None or user.distinct < 5:
        return None
    counts = user.counts
    forms = {v: re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", v)) for v in counts}
    usual, n = Counter(forms.values()).most_common(1)[0]
    odd = (
        [v for v, form in forms.items() if form != usual and "9" not in form]
        if "9" in usual and n == len(forms) - 1
        else []
    )
    if user.numeric > 0.9 and float(user.numbers.filter(user.numbers > 0).min() or 0) > 10:  # type: ignore[arg-type]
        odd = [v for v in counts if re.fullmatch(r"-1|0+", v)]
    others = sorted(n for v, n in counts.items() if v not in odd)
    return odd[0] if len(odd) == 1 and others and counts[odd[0]] >= others[len(others) * 3 // 4] else None


def _unsaid(table: TableProfile, columns: Mapping[str, str]) -> list[str]:
    """Return notes on columns that may say what was done, in words that nobody knows: no item always has the same."""
    item = columns.get("item", "")
    told = []
    for name, c in table.columns.items():
        named = "action" in c.words.props or (c.words.is_a("event") and c.words.prop == {"title"})
        few = 2 <= c.distinct <= 12 and c.uniqueness < 0.5 and not c.is_list and not c.decimal and c.dates < 0.5
        if name in columns.values() or not named or not few or item not in table.columns:
            continue
        if not of_whom(table, item, name):
            words = ", ".join(list(c.counts)[:6])
            told.append(
                f"{name} is not used, kgrec knows no action for its words ({words}); "
                f"if they say what was done, add action = {name!r} to columns"
            )
    return told


def _answers(found: Inspected) -> tuple[str, ...]:
    """Return the words in the cells of a matrix, where kgrec knows no scale of them."""
    assert found.table is not None
    fixed, pattern = {*found.columns.values(), *found.layout.beside}, found.layout.pattern
    cells = [c for n, c in found.table.columns.items() if n not in fixed and (not pattern or re.search(pattern, n))]
    words = Counter[str]()
    for c in cells:
        words.update(c.counts)
    known = read_numbers(pl.Series(list(words), dtype=pl.String)).values.count()
    return tuple(word for word, _ in words.most_common(20)) if known < len(words) else ()


def constant_action(path: Path, table: TableProfile, columns: Mapping[str, str], *, rated: bool = True) -> str:
    """Return what the rows of a file without a column of actions are, by its name and its other columns.

    ``rated``: cells of a matrix are values.
    """
    if "value" in columns or (EACH in columns.values() and rated):
        return "rate"
    if "item" not in columns:
        return "search"
    names = [c.words for c in table.columns.values()]
    words = Counter(word for name in names for word in name.words)
    told_by = [c for f in ("item", "time") if (c := table.columns.get(columns.get(f, ""))) is not None]
    verbs = [action_of(word) for c in told_by for word in c.words.words if word.endswith(("ed", "ought"))]
    done = [action for action in verbs if action in ("view", "click", "like", "purchase", "collect")]
    if done:
        return str(done[-1])
    told = [action for word in re.findall(r"[^\W\d_]+", path.name) for action in [actions_of([word])[word]] if action]
    if rated and (any("price" in n.prop for n in names) or _ORDERS & set(words)):
        return "purchase"
    good = [action for action in told if action not in ("ignore", "dislike", "skip", "rate")]
    if good:
        return good[0]
    return "comment" if "text" in columns else "view"


def _clock_and_zone(table: TableProfile, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the columns that hold the time of day and the zone of dates that stand in another."""
    date = table.columns.get(columns.get("time", ""))
    if date is None:
        return {}
    found: dict[str, str] = {}
    free = [c for name, c in table.columns.items() if name not in columns.values() and not c.is_list]
    if date.shape(r"\d:\d\d|^\d{10,}") < 0.1 and date.kind != pl.Datetime:
        clocks = [c for c in free if c.looks("clock") > 0.9 and "clock" in c.words.props]
        found |= {"clock": clocks[0].name} if clocks else {}
    zones = [
        c for c in free
        if "zone" in c.words.props and (c.looks("zone") > 0.9 or (c.whole and max(map(abs, c.span)) <= FURTHEST))
    ]  # fmt: skip
    local = date.shape(r"(?:Z|[+-]\d\d:?\d\d)$") < 0.1 and not {"utc", "gmt"} & set(date.words.words)
    if local and zones:
        found["zone"] = zones[0].name
    return found


def _items_of_events(file: Inspected, found: Sequence[Inspected], domain: Domain) -> Inspected | None:
    """Return what a file of events tells of its items, where no catalogue does."""
    if (
        file.kind != "interactions"
        or file.problem
        or file.table is None
        or "item" not in file.columns
        or file.layout.wide
    ):
        return None
    if any(other.kind == "items" and not other.problem for other in found):
        return None
    key = file.columns["item"]
    if isinstance(file.table.table.schema[key], pl.List) or file.layout.separator or file.layout.pattern:
        return None
    free = {n: c for n, c in file.table.columns.items() if n == key or n not in file.columns.values()}
    table = replace(file.table, columns=free)
    of_items = {
        n: c for n, c in free.items()
        if n == key or (c.words.is_a("item") and not c.words.prop - {"title"}) or table.determines(key, n) >= 0.9
    }  # fmt: skip
    texts = title_and_description(replace(table, columns=of_items), key, domain)
    recurs = file.table.columns[key].uniqueness < 0.98
    attributes = guess_attributes(table, "items", {key, *texts.values()}, domain, key=key if recurs else None)
    if not texts and not (attributes and file.table.columns[key].uniqueness < 0.7):
        return None
    return Inspected(
        file.path, "items", {"id": key, **texts}, attributes, table=file.table, why={"id": "items of the events"}
    )


def _finish(found: Inspected) -> Inspected:
    assert found.table is not None
    layout = found.layout
    used = {*found.columns.values(), *(a.column for a in found.attributes.values()), *layout.columns}
    unused = () if layout.wide else tuple(name for name in found.table.columns if name not in used)
    return replace(found, unused=unused)


def could_be(column: ColumnProfile, role: Kind, domain: Domain) -> str:
    """Say in a few words what an unused column looks like; empty where it looks like nothing."""
    if not column.distinct:
        return "empty"
    if column.constant:
        return f"always {column.cells[0]!r}"
    if role == "interactions":
        for what, score in (("a time", moment(column, domain)), ("a user", user(column, Links(), domain))):
            if score.points >= 2.5:
                return what
        if column.actions > 0.6:
            return "an action"
    if column.words.prop & {"price", "count"} and column.numeric > 0.8:
        return "an amount"
    for shape, what in (("url", "addresses"), ("json", "JSON"), ("email", "e-mail addresses")):
        if column.looks(shape) > 0.8:
            return what
    return ""


def best_domain(files: Sequence[Looked], manager: PluginManager) -> str:
    """Return the domain that knows most of the columns by names that no other knows; ``generic`` if there is none.

    Tables of users do not tell: age and city are the same in every field.
    """
    names: dict[str, set[str]] = {}
    for name in manager.registry("domain"):
        domain = manager.domain(name)
        own = {fold(n) for fields in domain.columns.values() for found in fields.values() for n in found}
        for key, attribute in domain.attributes.items():
            own |= {fold(n) for n in (key, attribute.column, *attribute.aliases)}
        names[name] = own
    owners = Counter(word for words in names.values() for word in words)
    tables = [file.table for file in files if file.table is not None]
    roles = guess_roles(tables, manager.domain("generic"))
    seen = {fold(c) for table, guess in zip(tables, roles, strict=True) if guess.kind != "users" for c in table.columns}
    most = max(2, len([words for words in names.values() if words]))
    # A name that all domains know says nothing, one that a single domain knows says most.
    scores = {
        name: sum((most - owners[word]) / (most - 1) / owners[word] for word in sorted(words & seen))
        for name, words in names.items()
    }
    for name in scores:  # a recipe that fits says more than names
        scores[name] += 2 * sum(
            manager.schema_mapping(name, file.path.name, list(file.table.columns)) is not None
            for file in files
            if file.table is not None
        )
    best = max(scores, key=lambda name: scores[name], default="generic")
    return best if scores.get(best, 0) > 1 else "generic"

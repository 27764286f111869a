"""Which file is what, told of all files together: roles and columns that score best by names, values and shared ids."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from kgrec.data import fields
from kgrec.data.columns import FIELDS, guess_fields
from kgrec.data.fields import FEW, Links, Score
from kgrec.data.naming import WORDS, fold
from kgrec.data.profile import ColumnProfile, TableProfile, overlap
from kgrec.plugin.domain import Domain

Kind = Literal["interactions", "items", "users", "triples", "link", "names", "unknown"]

LEAST = 4.0
"""Points that a role needs."""

SURE = 0.75
"""Below this confidence a guess is marked as unsure."""

_PEOPLE = frozenset(WORDS["hints"]["user_attributes"])
_ENTITIES = frozenset(map(fold, FIELDS["link"]["entity"]))
_SEARCHES = frozenset(WORDS["hints"]["searches"])
_ENTITY = r"^(?:https?://\S+/(?:resource|entity|wiki|id|ontology|m)/\S+|[mg]\.[0-9a-z_]+|Q\d+|/m/\w+|\w+:\w+)$"


@dataclass(frozen=True)
class Guess:
    """What a file could be.

    Attributes:
        kind: the role.
        columns: field -> column.
        points: how much speaks for it.
        why: what that is.
        confidence: 0 to 1, by how far the next best role is behind.
        doubts: field (or ``role``) -> what else it could be.
    """

    kind: Kind
    columns: Mapping[str, str] = field(default_factory=dict)
    points: float = 0.0
    why: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 1.0
    doubts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Join:
    """Values of a column stand in the key of another file."""

    file: int
    column: str
    other: int
    key: str
    share: float


class Files:
    """The profiles of all files, and which of their columns share values."""

    def __init__(self, tables: list[TableProfile], domain: Domain) -> None:
        self.tables, self.domain = tables, domain

    @cached_property
    def joins(self) -> list[_Join]:
        """Columns whose values stand in unique columns of other files."""
        keys = [
            (k, c) for k, table in enumerate(self.tables) for c in table.columns.values()
            if c.identifies > 0.4 and c.uniqueness > 0.9 and c.distinct >= 2
        ]  # fmt: skip
        found = []
        for k, table in enumerate(self.tables):
            for c in table.columns.values():
                if not (c.identifies > 0.4 or c.is_list) or c.distinct < 2:
                    continue
                for other, key in keys:
                    if other != k and (share := self._share(k, c, other, key)) >= 0.5:
                        found.append(_Join(k, c.name, other, key.name, share))
        return found

    def _share(self, file: int, c: ColumnProfile, other: int, key: ColumnProfile) -> float:
        if (c.words.is_a("user") and key.words.is_a("item")) or (c.words.is_a("item") and key.words.is_a("user")):
            return 0.0
        left, right = self.tables[file].values(c.name), self.tables[other].values(key.name)
        share = overlap(left.head(5_000), right) if left.len() <= right.len() else overlap(right.head(5_000), left)
        # Numbers from 1 on are in every file; they tell only where the names agree, too.
        small = key.whole and key.span[1] < 20 * max(key.distinct, 50)
        alike = (
            bool(c.words.noun & key.words.noun)
            or (fold(c.name) == fold(key.name) and not c.nameless)
            or "id" in (names := (fold(key.name), fold(c.name)))
            or (len(min(names, key=len)) > 4 and max(names, key=len).startswith(min(names, key=len)))
        )
        return share if alike or not small else 0.0

    def links(self, file: int, roles: list[Guess]) -> Links:
        """Return how a file's columns are joined with keys of the files as their roles are guessed."""
        items: dict[str, float] = {}
        users: dict[str, float] = {}
        keys: dict[str, float] = {}
        for join in self.joins:
            if join.file != file:
                continue
            other = roles[join.other]
            target = items if other.kind == "items" else users if other.kind == "users" else keys
            if target is keys or other.columns.get("id") == join.key:
                target[join.column] = max(target.get(join.column, 0), join.share)
        return Links(items, users, keys)

    def joined(self, file: int, roles: list[Guess]) -> dict[str, tuple[float, float]]:
        """Return for each key of a file how well events' items and users stand in it."""
        found: dict[str, tuple[float, float]] = {}
        for join in self.joins:
            if join.other == file and roles[join.file].kind == "interactions":
                item, user = found.get(join.key, (0.0, 0.0))
                columns = roles[join.file].columns
                if columns.get("item") == join.column:
                    item = max(item, join.share)
                if columns.get("user") == join.column:
                    user = max(user, join.share)
                found[join.key] = (item, user)
        return found


def guess_roles(tables: list[TableProfile], domain: Domain) -> list[Guess]:
    """Say what each of the files is. Guesses are made again while what is known of the other files changes them."""
    files = Files(tables, domain)
    roles = [Guess("unknown") for _ in tables]
    for _ in range(4):
        found = [_best(candidates(files, k, roles)) for k in range(len(tables))]
        if found == roles:
            break
        roles = found
    return roles


def fields_of(role: str, table: TableProfile, domain: Domain) -> dict[str, str]:
    """Return field -> column of a file whose role is known."""
    if role in ("triples", "link", "names"):
        return guess_fields(role, list(table.columns), domain)
    files, nothing = Files([table], domain), [Guess("unknown")]
    if role == "interactions":
        return _by_name(table, dict(_interactions(files, 0, nothing).columns), domain)
    make = _items if role == "items" else _users
    return dict(make(files, 0, nothing).columns)


def _by_name(table: TableProfile, found: dict[str, str], domain: Domain) -> dict[str, str]:
    """Add columns that are called like a field that none was told for: whatever they hold, they are meant."""
    kinds = {"user": "user", "item": "item"}
    for name in FIELDS["interactions"]:
        free = [c for c in table.columns.values() if c.name not in found.values()]
        own = fields.own_names(domain, "interactions", name)
        named = [c for c in free if fold(c.name) in own]
        if name in kinds:
            named += [c for c in free if c.words.is_a(kinds[name]) and (not c.words.prop or "id" in c.words.prop)]
        elif name in ("action", "value", "time", "text"):
            fitting = [c for c in free if c.words.prop == {name} or (name in c.words.prop and not c.words.noun)]
            named += [c for c in fitting if not c.words.qualifiers - {"own", "weak_value"}]
        if name not in found and named:
            found[name] = named[0].name
    return {name: found[name] for name in FIELDS["interactions"] if name in found}


def candidates(files: Files, k: int, roles: list[Guess]) -> list[Guess]:
    """Return what a file could be, the roles of the others being as guessed."""
    return [make(files, k, roles) for make in (_interactions, _items, _users, _triples, _link, _names)]


def _best(guesses: list[Guess]) -> Guess:
    ranked = sorted(guesses, key=lambda guess: -guess.points)
    best, second = ranked[0], ranked[1]
    if best.points < (3.0 if best.kind == "items" and best.points > second.points + 1.5 else LEAST):
        near = tuple(g.kind for g in ranked if g.points > 0)
        return Guess("unknown", points=best.points, doubts={"role": near})
    confidence = 1 / (1 + math.exp(-(best.points - max(second.points, LEAST - 1))))
    doubts = dict(best.doubts)
    if confidence < SURE and second.points >= LEAST:
        doubts["role"] = (second.kind,)
    return replace(best, confidence=round(confidence, 2), doubts=doubts)


def _ranked(scores: Mapping[str, Score]) -> list[tuple[str, Score]]:
    return sorted(scores.items(), key=lambda entry: -entry[1].points)


def _interactions(files: Files, k: int, roles: list[Guess]) -> Guess:
    table, links, domain = files.tables[k], files.links(k, roles), files.domain
    columns = table.columns
    users = {name: fields.user(c, links, domain) for name, c in columns.items()}
    items = {name: fields.item(c, links, domain) for name, c in columns.items()}
    if len(columns) == 2 and all(c.nameless for c in columns.values()):
        ids, lists = columns.values()
        if lists.is_list and ids.uniqueness > 0.98:  # the usual file of a user and all of their items
            return Guess("interactions", {"user": ids.name, "item": lists.name}, 5.0, {"item": "lists of ids"})
    acts = any(c.actions > 0.8 and c.distinct > 1 for c in columns.values())
    opaque = all(not c.words.noun and not c.words.prop for c in columns.values())
    pair = _pair(table, users, items, links, least=0.0 if acts else 0.8 if opaque else 1.5)
    chosen: dict[str, tuple[str, Score]] = {}
    if pair is not None:
        chosen = {"user": (pair[0], users[pair[0]]), "item": (pair[1], items[pair[1]])}
    else:
        search = next((n for n in columns if fold(n) in _SEARCHES), None)
        user = _ranked(users)[0] if users else None
        if search is None or user is None or user[1].points < 3:
            return Guess("interactions", points=user[1].points - 4 if user else -9)
        chosen = {"user": user, "text": (search, Score(2, ["called like what is searched for"]))}
    taken = {name for name, _ in chosen.values()}
    doubts = _close(users, chosen["user"], taken, "user") | (
        _close(items, chosen["item"], taken, "item") if "item" in chosen else {}
    )
    for name, score, least in (
        ("action", fields.action, 2.0),
        ("value", fields.value, 1.5),
        ("time", fields.moment, 1.5),
        ("text", fields.text, 2.0),
    ):
        if name in chosen:
            continue
        scores = {n: score(c, domain) for n, c in columns.items() if n not in taken}
        if name in ("value", "action") and "item" in chosen:  # what an item always has says nothing of the act
            for n, found in scores.items():
                if found.points > 0 and columns[n].distinct > 2 and fields.of_whom(table, chosen["item"][0], n):
                    found.add(-1 if name == "value" else -4 * (columns[n].actions < 0.5))
        best = next(iter(_ranked(scores)), None)
        if best is not None and best[1].points >= least:
            chosen[name] = best
            taken.add(best[0])
    points = min(chosen["user"][1].points, 5) + min(chosen.get("item", ("", Score(2)))[1].points, 5)
    points += 1.5 * ("time" in chosen) + 1.5 * ("action" in chosen) + 1 * ("value" in chosen)
    if {"item", "value"} <= set(chosen) and all(c.nameless for c in columns.values()):
        at = [list(columns).index(chosen[name][0]) for name in ("user", "item", "value")]
        points += 2.5 * (at == [0, 1, 2])  # so bare tables of ratings stand everywhere
    points += 2 * (opaque and acts) + 1.5 * (opaque and "time" in chosen)
    if opaque and "item" in chosen and _meet(table, chosen["user"][0], chosen["item"][0]):
        points += 3.5
        if "time" not in chosen and "value" not in chosen:  # nothing but their order tells which is which
            doubts |= {"user": (chosen["item"][0],), "item": (chosen["user"][0],)}
    if "item" in chosen:
        u, i = columns[chosen["user"][0]], columns[chosen["item"][0]]
        catalogued = any(role.kind == "items" for other, role in enumerate(roles) if other != k)
        bare = not {"time", "action", "value"} & set(chosen)
        # Names of items, without anything done to them, where a catalogue has ids: texts about items, no log.
        points -= 5 * (bare and catalogued and i.words.prop == {"title"} and i.name not in links.items)
        points += 1.0 * (i.several and u.uniqueness > 0.98)
        if i.uniqueness > 0.98 and i.rows >= FEW and not i.several:
            rest = len(columns) - len(taken)
            points -= 2.5 + 0.5 * min(rest, 6)
            points -= 5 * files.joined(k, roles).get(i.name, (0.0, 0.0))[0]  # a log names it: this is the catalogue
            points -= 2 * (u.uniqueness > 0.98 and "time" not in chosen)
    who = columns[chosen["user"][0]]
    if 0.6 <= who.filled < 0.98:  # most are known by name, the others by what their browser is called
        known = {n: users[n] for n, c in columns.items() if c.words.is_a("visitor") and n != who.name}
        near = [n for n, s in _ranked(known) if s.points > 0 and columns[n].filled > who.filled and n not in taken]
        chosen |= {"visitor": (near[0], Score(0, ["where there is no user"]))} if near else {}
    why = {name: ", ".join(dict.fromkeys(score.why)) for name, (_, score) in chosen.items()}
    order = [f for f in FIELDS["interactions"] if f in chosen]
    return Guess("interactions", {f: chosen[f][0] for f in order}, points, why, doubts=doubts)


def _pair(
    table: TableProfile, users: Mapping[str, Score], items: Mapping[str, Score], links: Links, least: float
) -> tuple[str, str] | None:
    """Return the best user and item column that are not the same."""
    best, most = None, least
    unnamed = [i for i, s in items.items() if s.points > 0 and not table.columns[i].words.noun]
    names = {  # titles beside ids that stand for the same
        i: same for i in items
        if table.columns[i].words.prop == {"title"} or (table.columns[i].nameless and table.columns[i].spaces > 0.3)
        if (same := [j for j in unnamed if j != i and table.columns[j].identifies > 0.9
                     and fields.of_whom(table, j, i) and fields.of_whom(table, i, j)])
    }  # fmt: skip
    about = set()  # what another candidate has a single value of is an attribute of it: the album of a song
    named = {n: c.words for n, c in table.columns.items()}
    for i in (i for i, s in items.items() if s.points > 0 and ("id" not in named[i].prop or named[i].is_a("shared"))):
        finer = [j for j, s in items.items() if j != i and s.points >= 0 and table.columns[j].uniqueness < 0.9]
        if any(fields.of_whom(table, j, i) and not fields.of_whom(table, i, j) for j in finer):
            about.add(i)
    for u, su in users.items():
        if su.points < -1:
            continue
        for i, si in items.items():
            if u == i or si.points < -1:
                continue
            points = su.points + si.points - 4.5 * (i in about) - 1.6 * (i in names and u not in names[i])
            name = named[u]  # an author may be who acts, or what many items have in common: the values tell
            known = name.is_a("user") or (name.is_a("visitor") and not name.is_a("shared")) or links.users.get(u)
            if not known:  # who acts meets several items, and an item several of them
                points -= 6 * fields.of_whom(table, i, u) or 3 * fields.of_whom(table, u, i)
            elif not named[i].is_a("item") and fields.of_whom(table, u, i) and fields.of_whom(table, i, u):
                points -= 6  # who acts, called twice
            if points > most:
                best, most = (u, i), points
    return best


def _meet(table: TableProfile, user: str, item: str) -> bool:
    """Say whether two columns without names look like who and what: many values that recur, each beside several."""
    ends = [table.columns[user], table.columns[item]]
    if any(c.distinct <= 5 or c.uniqueness > 0.9 or c.identifies < 0.4 or c.decimal for c in ends):
        return False
    titles = [c for n, c in table.columns.items() if n not in (user, item) and c.uniqueness > 0.9 and c.spaces > 0.5]
    one = max(fields.of_whom(table, user, item), fields.of_whom(table, item, user))
    return not one and not any(c.dates < 0.5 for c in titles)


def _close(
    scores: Mapping[str, Score], chosen: tuple[str, Score], taken: set[str], what: str
) -> dict[str, tuple[str, ...]]:
    near = tuple(n for n, s in _ranked(scores) if n not in taken and s.points > max(1.0, chosen[1].points - 1.0))
    return {what: near[:3]} if near and chosen[1].points < 4 else {}


def _key(files: Files, k: int, kind: str, joined: Mapping[str, tuple[float, float]]) -> tuple[str, Score] | None:
    """Return the column that names the rows of a catalogue."""
    scores: dict[str, Score] = {}
    mine, theirs = ("item", "user") if kind == "items" else ("user", "item")
    own = fields.own_names(files.domain, kind, mine) | fields.own_names(files.domain, kind, "id")
    for place, c in enumerate(files.tables[k].columns.values()):
        s, n = Score(), c.words
        ident = not n.prop or "id" in n.prop
        if c.several or (c.identifies < 0.3 and not (c.length <= 120 and "title" in n.prop)) or c.filled < 0.5:
            continue
        weight = 1.0 if c.rows >= FEW else 0.3
        s.add(weight * (2 if c.uniqueness > 0.98 else 0.5 if c.uniqueness > 0.85 else -2), "no value recurs")
        if fold(c.name) in own:
            s.add(3.5, f"called like {kind} in this domain")
        elif n.is_a(mine):
            s.add(3 if ident else 0.3, f"called like {'an item' if mine == 'item' else 'a user'}")
        elif mine == "user" and n.is_a("visitor") and ident:
            s.add(1.5, "called like a user")
        elif n.is_a(theirs, "user") or n.is_a("event"):
            s.add(-3)
        elif n.is_a("shared"):
            s.add(-2)
        elif n.is_a("relative"):
            s.add(-1)
        elif "id" in n.prop:
            s.add(3.1 if fold(c.name) == "id" else 2, "called like an id")
        elif n.prop & {"time", "value", "count", "price", "description", "text"} or (
            c.times > 0.9 and "time" in n.props
        ):
            s.add(-4)
        s.add(0.3 * (place == 0) + c.identifies - 0.4 * (len(n.words) == 1 and "id" in n.prop and n.is_a("item")))
        item, user = joined.get(c.name, (0.0, 0.0))
        s.add(3 * (item if mine == "item" else user), "events name its values")
        s.add(-3 * (user if mine == "item" else item))
        s.add(-3 * c.decimal - 2 * (c.kind.is_temporal()))
        scores[c.name] = s
    return next(iter(_ranked(scores)), None)


def _items(files: Files, k: int, roles: list[Guess]) -> Guess:
    table = files.tables[k]
    key = _key(files, k, "items", files.joined(k, roles))
    if key is None or len(table.columns) < 2:
        return Guess("items", points=-9)
    chosen = {"id": key[0]}
    texts = title_and_description(table, key[0], files.domain)
    chosen |= texts
    rest = [c for n, c in table.columns.items() if n not in chosen.values()]
    points = min(key[1].points, 7) + 1.5 * ("title" in texts) + 1 * ("description" in texts)
    points += min(1.5, 0.5 * sum(c.words.is_a("shared") or c.is_list or bool(c.separator) for c in rest))
    links = files.links(k, roles)
    actor = max((fields.user(c, links, files.domain).points for c in rest), default=0.0)
    did = any(fields.action(c, files.domain).points >= 3 for c in rest)
    points -= 3 * (actor >= 3.5 and not links.items) + 2.5 * did
    c = table.columns[key[0]]
    if c.rows >= FEW and c.uniqueness < 0.6:
        points -= 4
    points -= 2 * (not texts and not any(c.words.is_a("shared") or c.distinct < c.rows for c in rest))
    people = sum(bool(set(c.words.words) & _PEOPLE) for c in rest)
    points -= 1.0 * min(people, 3) * (not table.columns[key[0]].words.is_a("item"))
    why = {"id": ", ".join(key[1].why), **dict.fromkeys(texts, "by its name or its texts")}
    return Guess("items", chosen, points, why)


def _users(files: Files, k: int, roles: list[Guess]) -> Guess:
    table = files.tables[k]
    key = _key(files, k, "users", files.joined(k, roles))
    if key is None:
        return Guess("users", points=-9)
    rest = [c for n, c in table.columns.items() if n != key[0]]
    people = sum(bool(set(c.words.words) & _PEOPLE) for c in rest)
    points = min(key[1].points, 7) + min(2.0, 0.7 * people) - 1 * (table.columns[key[0]].words.is_a("item"))
    points -= 4 * (not people and not table.columns[key[0]].words.is_a("user") and key[0] not in files.joined(k, roles))
    c = table.columns[key[0]]
    if c.rows >= FEW and c.uniqueness < 0.6:
        points -= 4
    links = files.links(k, roles)
    acted = max((fields.item(c, links, files.domain).points for c in rest), default=0.0)
    points -= 3 * (acted >= 3.5) + 2.5 * any(fields.action(c, files.domain).points >= 3 for c in rest)
    described = [c for c in rest if "description" in c.words.prop and c.numeric < 0.5]
    columns = {"id": key[0]} | ({"description": described[0].name} if described else {})
    return Guess("users", columns, points, {"id": ", ".join(key[1].why)})


def title_and_description(table: TableProfile, key: str, domain: Domain) -> dict[str, str]:
    """Return the columns that name and describe what the key stands for, as far as there are some."""
    titles: dict[str, Score] = {}
    descriptions: dict[str, Score] = {}
    about = table.columns[key].words.noun
    for place, (name, c) in enumerate(table.columns.items()):
        n = c.words
        if (
            name == key
            or (fold(name) in _ENTITIES and "title" not in n.prop)
            or c.is_list
            or c.numeric > 0.9
            or c.dates > 0.9
            or c.filled < 0.2
            or c.kind == "bool"
        ):
            continue
        if max(c.looks("url"), c.looks("image"), c.looks("uuid"), c.looks("json")) > 0.5:
            continue
        t, d = Score(-0.05 * place), Score(-0.05 * place)
        if fold(name) in fields.own_names(domain, "items", "title"):
            t.add(3.5)
        elif "title" in n.prop and (not n.noun or n.noun & about or n.is_a("item", "relative")):
            t.add(3 - 0.5 * ("relative" in n.qualifiers))
        elif "title" in n.prop and not n.is_a("user", "visitor", "event"):
            t.add(0.5)
        elif n.is_a("item") and not n.prop and not about & {"user"}:
            t.add(2)
        t.add(
            0.5 * (c.uniqueness > 0.5)
            - 3 * (c.length > 250)
            - 2 * (c.distinct <= 1 and c.rows > 1)
            - 1.5 * (bool(c.separator) and not n.prop)
        )
        if fold(name) in fields.own_names(domain, "items", "description"):
            d.add(3.5)
        elif "description" in n.prop:
            d.add(3)
        elif "text" in n.prop and not n.is_a("shared") and c.length > 30:
            d.add(1.5)
        elif c.length > 60 and c.spaces > 0.9 and c.uniqueness > 0.5 and not c.separator:
            d.add(2)
        d.add(min(1.0, c.length / 100))
        if t.points > 1.2:
            titles[name] = t
        if d.points > 1.5:
            descriptions[name] = d
    if not titles:  # none is called like one: short texts, each row its own
        for name, c in table.columns.items():
            text = not c.words.prop and not c.words.noun and c.spaces > 0.3 and 3 < c.length <= 100
            if name != key and name not in descriptions and text and c.uniqueness > 0.9 and not c.separator:
                titles[name] = Score(1.3)
    found = {}
    if titles:
        found["title"] = _ranked(titles)[0][0]
    descriptions.pop(found.get("title", ""), None)
    if descriptions:
        found["description"] = _ranked(descriptions)[0][0]
    return found


def _triples(files: Files, k: int, roles: list[Guess]) -> Guess:
    table = files.tables[k]
    if (related := _related(files, k, roles)) is not None:
        return related
    named = guess_fields("triples", list(table.columns), files.domain)
    if len(named) == 3 and len(table.columns) <= 6:
        relation = table.columns[named["relation"]]
        strong = 4 + 3 * all(
            fold(named[end]) in (end, f"{end}id", *ends) for end, ends in (("head", ("startid",)), ("tail", ("endid",)))
        )
        points = strong + 2 * (relation.uniqueness < 0.5 or relation.rows < FEW) + 1.5 * (len(table.columns) == 3)
        return Guess("triples", named, points, dict.fromkeys(named, "called like a triple"))
    if len(table.columns) == 3:
        head, relation, tail = table.columns.values()
        links = files.links(k, roles)
        ends = (
            head.identifies > 0.6
            and tail.length < 200
            and relation.distinct <= 0.2 * relation.rows
            and relation.rows >= FEW
        )
        words = relation.numeric < 0.5 and relation.dates < 0.5 and relation.actions < 0.3 and relation.distinct >= 2
        if ends and words and not relation.words.prop - {"action"}:
            points = (
                3 + 2 * (head.name in links.items) + 2 * (head.looks("url") > 0.5) + 1 * (relation.looks("url") > 0.5)
            )
            columns = {"head": head.name, "relation": relation.name, "tail": tail.name}
            return Guess("triples", columns, points, dict.fromkeys(columns, "few relations between many ids"))
    return Guess("triples", points=-9)


def _related(files: Files, k: int, roles: list[Guess]) -> Guess | None:
    """Return a table of items and the items that belong with them, told by ids that stand in the catalogue."""
    table, links = files.tables[k], files.links(k, roles)
    ends = [n for n, c in table.columns.items() if links.items.get(n, 0) >= 0.8 and c.uniqueness <= 1]
    if len(ends) != 2 or any(c.times > 0.9 and "time" in c.words.props for c in table.columns.values()):
        return None
    kinds = [
        n for n, c in table.columns.items()
        if n not in ends and c.numeric < 0.5 and c.distinct <= max(2, 0.2 * c.rows) and c.length <= 40
    ]  # fmt: skip
    columns = {"head": ends[0], **({"relation": kinds[0]} if kinds else {}), "tail": ends[1]}
    return Guess("triples", columns, 8.0, dict.fromkeys(columns, "items beside items of the catalogue"))


def _link(files: Files, k: int, roles: list[Guess]) -> Guess:
    table = files.tables[k]
    if not 2 <= len(table.columns) <= 4 or any(
        c.times > 0.5 and "time" in c.words.props for c in table.columns.values()
    ):
        return Guess("link", points=-9)
    links = files.links(k, roles)
    entities = {
        n: Score(2.0 * (fold(n) in _ENTITIES) + 2.0 * (c.shape(_ENTITY) > 0.8)) for n, c in table.columns.items()
    }
    entity, found = _ranked(entities)[0]
    items = {n: fields.item(c, links, files.domain) for n, c in table.columns.items() if n != entity}
    item, score = _ranked(items)[0]
    if found.points < 2 or score.points < 2:
        return Guess("link", points=-9)
    points = found.points + min(score.points, 5) + 1.5 * (len(table.columns) == 2)
    others = replace(table, columns={n: c for n, c in table.columns.items() if n != entity})
    points -= 2.0 * bool(title_and_description(others, item, files.domain)) - 1.5 * (found.points >= 4)
    return Guess(
        "link", {"item": item, "entity": entity}, points, {"entity": "ids of a graph", "item": ", ".join(score.why)}
    )


def _names(files: Files, k: int, _: list[Guess]) -> Guess:
    table = files.tables[k]
    named = guess_fields("names", list(table.columns), files.domain)
    if not {"entity", "name"} <= set(named) or len(table.columns) > 4:
        return Guess("names", points=-9)
    return Guess("names", named, 7.0, dict.fromkeys(named, "called like names of entities"))

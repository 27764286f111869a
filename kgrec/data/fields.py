"""Which column could be which field of interactions: points for what its name says and what its values look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kgrec.data.naming import NOUNS, PROPERTIES, WORDS, fold
from kgrec.data.packed import TAKEN
from kgrec.data.profile import ColumnProfile, TableProfile
from kgrec.plugin.domain import Domain

FEW = 10
"""Rows from which on it tells something that no value recurs."""


@dataclass
class Score:
    """Points for a column as a field, with what they are for.

    Attributes:
        points: the sum.
        why: short words for what speaks for it.
    """

    points: float = 0.0
    why: list[str] = field(default_factory=list)

    def add(self, points: float, why: str = "") -> None:
        """Add points; what is given for positive ones is kept as evidence."""
        self.points += points
        if why and points > 0:
            self.why.append(why)


@dataclass(frozen=True)
class Links:
    """How columns of a table are joined with keys of other files.

    Attributes:
        items: column -> share of its values that stand in the catalogue of items.
        users: the same for the table of users.
        keys: the same for unique columns of any other file.
    """

    items: Mapping[str, float] = field(default_factory=dict)
    users: Mapping[str, float] = field(default_factory=dict)
    keys: Mapping[str, float] = field(default_factory=dict)


def own_names(domain: Domain, role: str, name: str) -> frozenset[str]:
    """Return the folded names that a domain states for a field; ids go by the same names in all roles."""
    alike = {
        "item": (("interactions", "item"), ("items", "id")),
        "user": (("interactions", "user"), ("users", "id")),
    }
    places = alike.get(name, ((role, name),))
    columns: Mapping[str, Mapping[str, tuple[str, ...]]] = {str(r): f for r, f in domain.columns.items()}
    return frozenset(fold(word) for r, f in places for word in columns.get(r, {}).get(f, ()))


_SHOWN = frozenset(WORDS["hints"]["shown"])
"""Words of columns of what was shown to somebody."""

_HISTORIES = frozenset(WORDS["hints"]["histories"])
_GENERIC = frozenset(WORDS["hints"]["generic"])
_FULL_NAMES = frozenset(WORDS["hints"]["full_names"])
_MEASURES = ("time", "value", "count", "price", "description", "text", "zone")


_MACHINE_ID = r"^(?:[0-9a-fA-F]{16,64}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27})$"
"""Hashes, UUIDs and numbers so long that nobody counts up to them: such ids name visitors more often than items."""


def user(c: ColumnProfile, links: Links, domain: Domain) -> Score:
    """Score a column as the one who acts."""
    s, n = Score(), c.words
    ident = not n.prop or "id" in n.prop
    if fold(c.name) in own_names(domain, "interactions", "user"):
        s.add(4, "called like users in this domain")
    elif n.is_a("user") or (n.is_a("visitor") and "user" in n.nouns):
        s.add(4 if ident else 2.5 if "title" in n.prop else -1, "called like a user")
    elif n.is_a("visitor") and (ident or "title" in n.prop):
        s.add(1.5 if n.is_a("event") else 2.3, "called like a visitor")
    elif n.is_a("event"):
        s.add(-1 if ident and c.uniqueness < 0.9 else -2)
    elif n.is_a("item"):
        s.add(-3)
    elif n.is_a("shared", "relative"):
        s.add(-1.5)
    elif n.prop & set(_MEASURES):
        s.add(-4)
    elif "user" in n.nouns:
        s.add(1.5 if ident else 0)
    if "title" in n.prop and not n.noun and _FULL_NAMES & set(n.words):
        s.add(2.5, "called like the name of a person")
    if c.prefix in NOUNS["user"]:
        s.add(1.5, f"values like {c.cells[0]}")
    if c.looks("email") > 0.9:
        s.add(0 if n.is_a("user") else 2, "e-mail addresses")
    named = not c.nameless  # a file without a header names nothing
    if named and not n.noun and not n.prop and c.uniqueness < 0.9 and c.distinct > 2 and c.shape(_MACHINE_ID) > 0.95:
        s.add(2, "long ids of a machine's making")
    if c.identifies < 0.5:
        s.add(-1 if c.spaces > 0.3 and c.length < 40 and not c.is_list else -4)
    if c.constant:
        s.add(-2)
    elif c.rows >= FEW and c.uniqueness > 0.98:
        s.add(-1 if n.is_a("user") else -2.5)
    elif c.uniqueness < 0.9:
        s.add(0.5, f"{c.distinct:,} values recur")
    if c.distinct <= 5 and c.rows >= 20 and not c.constant:
        s.add(-3 if c.distinct <= 2 and not n.is_a("user", "visitor") else -1)
    s.add(-4 * (1 - c.filled) - 5 * (c.times > 0.9 and "time" in n.props) - 5 * (c.actions > 0.6))
    s.add(3 * links.users.get(c.name, 0), "its values stand in the table of users")
    s.add(-3 * links.items.get(c.name, 0))
    return s


def item(c: ColumnProfile, links: Links, domain: Domain) -> Score:
    """Score a column as what is acted on."""
    s, n = Score(), c.words
    ident = not n.prop or "id" in (n.props if c.several else n.prop) or (n.same and n.prop == {"action"})
    ident = ident or ("weak_value" in n.qualifiers and c.distinct > 20 and c.whole)  # `articles_clicked`
    if fold(c.name) in own_names(domain, "interactions", "item"):
        s.add(4, "called like items in this domain")
    elif fold(c.name) in _HISTORIES:
        s.add(4, "called like a history")
    elif n.is_a("user"):
        s.add(-4)
    elif n.is_a("item") and n.is_a("event") and c.uniqueness > 0.98 and c.rows >= FEW:
        s.add(-2)  # each row is an event of its own
    elif n.is_a("item"):
        s.add(4 if ident else 2 if "title" in n.prop else -2, "called like an item")
        s.add(-1.5 * bool(set(n.words) & _SHOWN))
    elif n.is_a("event", "visitor"):
        s.add(-2)
    elif n.is_a("relative"):
        s.add(1 if ident else -1, "called like an item")
    elif n.is_a("shared"):
        s.add(0.8 if "id" in n.prop else 0.2)
    elif n.prop & set(_MEASURES) or "action" in n.prop:
        s.add(-4)
    elif "title" in n.prop:
        s.add(1.5, "called like a title")
    elif "item" in n.nouns:
        s.add(1 if ident else 0, "called like an item")
    if ("other_time" in n.qualifiers or c.graded) and not n.noun:
        s.add(-3)
    if not c.is_list and c.packed[1] == TAKEN:
        s.add(3, "what was shown, and what of it was taken")
    if c.prefix in NOUNS["item"]:
        s.add(1, f"values like {c.cells[0]}")
    if c.nameless and c.spaces > 0.5 and c.length < 80:
        s.add(0.8, "names")
    if c.identifies < 0.5 and not (c.several and not c.is_list):
        s.add(-0.5 if 0 < c.length <= 120 and not c.is_list and not c.kind.is_float() and not c.decimal else -4)
    if c.constant:
        s.add(-3)
    elif c.rows >= FEW and c.uniqueness > 0.98 and not c.several:
        s.add(-0.3 if n.is_a("item") else -1.5)
    elif c.uniqueness < 0.9:
        s.add(0.5, f"{c.distinct:,} values recur")
    if c.distinct < 3 and c.rows >= FEW:
        s.add(-1.5)
    s.add(-2 * (1 - c.filled) - 5 * (c.dates > 0.9) - 5 * (c.times > 0.9 and "time" in n.props) - 5 * (c.actions > 0.6))
    s.add(3 * links.items.get(c.name, 0), "its values stand in the catalogue")
    s.add(1 * links.keys.get(c.name, 0), "its values stand in another file")
    s.add(-3 * links.users.get(c.name, 0))
    return s


def moment(c: ColumnProfile, domain: Domain) -> Score:
    """Score a column as the time of an interaction."""
    s, n = Score(), c.words
    if c.times < 0.3:
        return Score(-9)
    epoch = "time" in n.props and c.numeric > 0.9 and c.length in (10.0, 13.0)
    named = "time" in n.prop or epoch or fold(c.name) in own_names(domain, "interactions", "time")
    s.add(3 * c.times, f"{c.times:.0%} plausible times")
    if named:
        s.add(2, "called like a time")
    elif "time" in n.props:
        s.add(1, "called like a time")
    elif c.numeric > 0.9 and not c.kind.is_temporal():
        s.add(-1 if c.length in (10.0, 13.0) and not n.noun else -4)
    s.add(0.3 * (n.is_a("event") and not n.is_a("visitor")))
    s.add(-2.5 * ("other_time" in n.qualifiers) - 0.2 * ("relative" in n.qualifiers))
    s.add(-3 * (1 - c.filled) - 0.5 * c.constant + 0.3 * (c.shape(r"\d:\d\d|^\d{10,}") > 0.5))
    return s


def value(c: ColumnProfile, domain: Domain) -> Score:
    """Score a column as how much the one who acts liked it."""
    s, n = Score(), c.words
    if (c.numeric < 0.7 and not c.graded) or c.is_list or c.kind.is_temporal():
        return Score(-9)
    if fold(c.name) in own_names(domain, "interactions", "value"):
        s.add(3, "called like a rating")
    elif "value" in n.prop:
        s.add(3 - 1.0 * ("weak_value" in n.qualifiers), "called like a rating")
    elif "value" in n.props and not n.prop & {"count", "price", "text", "id"}:
        s.add(1, "called like a rating")
    elif n.prop & {"count", "price", "id", "time", "text"} or n.noun:
        s.add(-4)
    elif c.nameless and c.whole and 2 <= c.distinct <= 11 and c.uniqueness < 0.5:
        s.add(0.8, "few whole numbers")
    low, high = c.span
    s.add(-3 * ("average" in n.qualifiers) + 1 * ("own" in n.qualifiers))
    if c.graded:
        s.add(1.6 if c.distinct >= 3 and c.uniqueness < 0.3 else 1, f"{c.distinct} marks of a scale ({c.notation})")
    elif low >= 0 and high <= 10 and c.distinct <= 21:
        s.add(1, f"{c.distinct} values from {low:g} to {high:g}")
    elif low >= 0 and high <= 100:
        s.add(0.5, f"values from {low:g} to {high:g}")
    elif high > 1000 or low < -10:
        s.add(-3)
    s.add(-2.5 * c.constant - 2 * (c.uniqueness > 0.95 and c.rows >= 20) - 0.3 * (1 - c.filled))
    return s


def action(c: ColumnProfile, domain: Domain) -> Score:
    """Score a column as what was done."""
    s, n = Score(), c.words
    measured = c.numeric > 0.9 and c.distinct > 12
    if (
        c.is_list
        or measured
        or c.distinct > 60
        or c.length > 60
        or (c.distinct > 1 and c.uniqueness > 0.9 and c.rows > 5)
    ):
        return Score(-9)
    named = fold(c.name) in own_names(domain, "interactions", "action")
    named = named or ("action" in n.prop and not n.prop & {"text"}) or ("action" in n.props and n.prop == {"title"})
    if named:
        s.add(1.5, "called like an action")
    elif (n.prop & {"text", "title", "description", "time", "id"} or c.length > 30) and not (
        c.actions > 0.9 and c.distinct > 1
    ):
        s.add(-3)
    generic = not (set(n.words) & PROPERTIES["action"] - _GENERIC)
    s.add(4 * c.actions, f"{c.actions:.0%} known words for actions")
    if c.actions < 0.3 and c.distinct > 1 and named and not generic and (c.length <= 2 or c.spaces < 0.1):
        s.add(1.5, "codes")
    if c.numeric > 0.9 and not named:
        s.add(-3)
    s.add((-4 if generic else -1.5) * c.constant - 2 * (1 - c.filled))
    return s


def text(c: ColumnProfile, domain: Domain) -> Score:
    """Score a column as what the one who acts wrote."""
    s, n = Score(), c.words
    if c.is_list or c.numeric > 0.5 or c.dates > 0.5 or c.looks("json") > 0.5 or c.looks("url") > 0.5:
        return Score(-9)
    if fold(c.name) in own_names(domain, "interactions", "text") or "text" in n.prop:
        s.add(2.5 - 0.3 * n.is_a("shared"), "called like a text")
    if c.length > 20 and c.spaces > 0.7 and c.uniqueness > 0.3:
        s.add(1, "sentences")
    s.add(-1 * (n.is_a("item") or n.is_a("user")) - 2 * ("id" in n.prop or "action" in n.prop))
    return s


def of_whom(table: TableProfile, key: str, column: str) -> bool:
    """Say whether a column says something of what ``key`` names: one value for each of its values that recur."""
    return table.determines(key, column) >= 0.98

"""Facts: all that a text about an item may say to a user, with where it stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.graph.item_entities import item_entities
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.graph.linking import name_variants
from kgrec.graph.titles import display, short, shortener
from kgrec.languages.language import get_language
from kgrec.plugin.domain import UNKNOWN, Domain, RelationType
from kgrec.plugin.generation import Fact
from kgrec.text.profile import TOO_COMMON, Touched, UserProfile
from kgrec.text.sanitize import plain, safe_name, safe_text
from kgrec.types import Reason

MOST = 6
"""Values of one relation that are told."""

DESCRIPTION = 2000
"""Characters of a description that may be drawn on."""

SHARED = 2
"""So many touched items must share an entity before it is told as an interest."""

TELLING = 0.2
"""So telling is a relation at least whose entity is told as an interest: to share a country says nothing."""

LIKED = 0.5
"""What was liked less, from 0 to 1, is not named as something that speaks for an item."""

TITLE = 120
"""Characters of a title that is told; a longer one is told by its first words."""

EXAMPLES = 2
"""Touched items that are named for an interest."""

_ISO_DATE = re.compile(r"([12]\d{3})-(\d{2})-(\d{2})(?:[T ].*)?")
_NUMBER = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?")


class FactBook:
    """Collects facts from the catalogue and the graph; built once for a workspace and a language.

    Values that try to be instructions, carry markup or addresses are left out: what is no fact is never said.

    Args:
        dataset: the tables.
        graph: the knowledge graph.
        domain: labels of relations, units.
        language: its code; of labels and units. Where the catalogue is written in another one, only names and figures
            of it are facts: its common nouns and descriptions would stand as foreign words in a text.
        units: what stands behind the figures of an attribute: ``{"price": "EUR"}``; over those of the domain.
    """

    def __init__(
        self,
        dataset: Dataset,
        graph: KnowledgeGraph,
        domain: Domain,
        language: str,
        units: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._dataset, self._graph, self._domain = dataset, graph, domain
        self._language, self._verbs = language, domain.verbs_in(language, before_names=True)
        self._units = {**domain.units.get(language, {}), **units}
        self._foreign = (dataset.language or language) != language
        self._relations = {relation.name: relation for relation in domain.relation_types}
        self._order = {name: k for k, name in enumerate(self._relations)}
        self._known: dict[int, tuple[Fact, ...]] = {}

    @cached_property
    def _stated(self) -> Mapping[str, tuple[str, str]]:
        """Label of each relation of the graph and of its inverse, for relations that the domain does not name."""
        rows = self._graph.relations.select("name", "label", "inverse", "inverse_label").iter_rows()
        found: dict[str, tuple[str, str]] = {}
        for name, label, inverse, inverse_label in rows:
            found[name] = (label, inverse_label)
            found.setdefault(inverse, (inverse_label, label))
        return found

    def items(self, items: Sequence[int]) -> list[tuple[Fact, ...]]:
        """Return the facts about each of ``items`` (positions), without ids."""
        new = [item for item in dict.fromkeys(items) if item not in self._known]
        if new:
            entities = self._entities(new)
            for item, row in zip(new, self._dataset.items[new].iter_rows(named=True), strict=True):
                self._known[item] = (*self._literals(row), *entities.get(item, ()))
        return [self._known[item] for item in items]

    def _safe(self, name: str) -> bool:
        return safe_name(name, self._domain.may_say)

    def title(self, item: int) -> str:
        """Return what an item is called in sentences, or nothing where its title cannot be used."""
        value = self._dataset.items["title"][item]
        return self._called(str(value)) if value else ""

    def _called(self, title: str) -> str:
        name = short(shortener(self._domain.short_title)(display(title)), TITLE)
        return name if self._safe(name) else ""

    def personal(self, item: int, profile: UserProfile, reason: Reason | None = None) -> list[Fact]:
        """Return what may be said of a user and an item: the reason, the item of the history behind it, interests.

        Args:
            item: position of the item.
            profile: of the user.
            reason: from the explanation of a recommendation; None: what the history itself tells.
        """
        found = self._of_reason(item, profile, reason) if reason else []
        about = self.items([item])[0]
        subject = str(self._dataset.items["item_id"][item])
        shared = []
        for k, fact in enumerate(about):
            key, degree = self._keys.get((item, fact.value), ("", 0)) if fact.type == "entity" else ("", 0)
            liked = self._liked_with(profile, key) if key and profile.counts.get(key, 0) >= SHARED else []
            kind = self._relations.get(fact.name)
            salience = kind.salience if kind else UNKNOWN
            if len(liked) >= SHARED and salience >= TELLING:
                telling = salience * self._rarity(degree)
                shared.append((telling * (1 + np.log(len(liked))), -k, fact, liked))
        shared.sort(key=lambda row: row[:2], reverse=True)
        named = {fact.value for fact in found}
        for k, (_, _, fact, liked) in enumerate(shared[:2]):
            number = float(len(liked))
            found.append(replace(fact, type="interest", name="interest", number=number, source="interactions"))
            if k == 0:
                habit = self._habit(fact, len(liked))
                found += [Fact("", "reason", "habit", habit, source="interactions")] if habit else []
                found += self._examples(item, liked, named)
        if not found:
            found += islice(self._examples(item, self._liked(profile.history.values()), (), "history"), 1)
        return [replace(fact, subject=subject) for fact in found]

    def together(self, items: Sequence[int], told: Sequence[Fact], profile: UserProfile) -> list[Fact]:
        """Return what may be said to a user of several items together; of no item in particular.

        A habit, where they know several items with an entity that all of these have; and what they know of which one
        action is told, and which carried most of the items.

        Args:
            items: positions of the items.
            told: the facts about the items, and what :meth:`personal` says of each.
            profile: of the user.
        """
        found: list[Fact] = []
        all_of = [{fact.value: fact for fact in facts if fact.type == "entity"} for facts in self.items(items)]
        shared = [fact for value, fact in all_of[0].items() if all(value in own for own in all_of[1:])]
        for fact in shared:
            key, _ = self._keys.get((items[0], fact.value), ("", 0))
            liked = self._liked_with(profile, key) if key else []
            kind = self._relations.get(fact.name)
            telling = (kind.salience if kind else UNKNOWN) >= TELLING
            habit = self._habit(fact, len(liked)) if telling and len(liked) >= SHARED else ""
            found += [Fact("", "reason", "habit", habit, source="interactions")] if habit and not found else []
        known = [fact for fact in told if fact.type == "history" and fact.name == "history"]
        by_verb: dict[str, list[Fact]] = {}
        for fact in known:
            by_verb.setdefault(fact.label, []).append(fact)
        most = max(by_verb.values(), key=len, default=[])
        if 2 * len(most) > len(items):
            first = {fact.value: fact for fact in most}
            names = Counter(fact.value for fact in most).most_common()
            found += [replace(first[name], subject="", shares=()) for name, _ in names]
        return found

    def _habit(self, fact: Fact, count: int) -> str:
        """Return what somebody knows who liked ``count`` items with an entity: ``several films by Ada Orbit``."""
        kind, pack = self._relations.get(fact.name), get_language(self._language)
        told = kind.habits.get(self._language, "") if kind is not None else ""
        value = pack.common(fact.value) if kind is not None and kind.common else fact.value
        nouns = pack.plural(self._domain.noun(self._language))
        return (told or pack.habit).format(count=pack.amount(count), entity=value, nouns=nouns)

    def _liked(self, touched: Iterable[Touched]) -> list[Touched]:
        return [one for one in touched if one.liked is None or one.liked >= LIKED]

    def _liked_with(self, profile: UserProfile, key: str) -> list[Touched]:
        return self._liked(profile.touched_with(key))

    def _examples(
        self, item: int, liked: Sequence[Touched], named: Container[str], name: str = "examples"
    ) -> Iterator[Fact]:
        """Yield touched items, those first that weigh much and that few others have touched."""
        known = self._popularity
        telling = sorted(liked, key=lambda t: -t.weight * np.log((1 + known.sum()) / (1 + known[t.item])))
        titles: list[str] = []
        for touched in telling:
            title = self.title(touched.item)
            if title and title not in titles and title not in named:
                titles.append(title)
                yield replace(self._history(item, touched, title), name=name)
            if len(titles) == EXAMPLES:
                return

    @cached_property
    def _popularity(self) -> NDArray[np.int64]:
        """How many interactions each item has, shape ``(n_items,)``."""
        items = self._dataset.interactions["item"].drop_nulls().to_numpy()
        return np.bincount(items, minlength=self._dataset.n_items)

    def _rarity(self, degree: int) -> float:
        """Return how little common an entity is: the logarithm of items over items that have it."""
        n_items = self._dataset.n_items
        return float(np.log((1 + n_items) / (1 + min(degree, n_items))))

    @cached_property
    def _degrees(self) -> NDArray[np.int64]:
        """How many stated edges each node has, shape ``(n_nodes,)``."""
        edges = self._graph.edges.filter(pl.col("provenance") != "interaction")
        n_nodes = self._graph.nodes.height
        return sum(
            (np.bincount(edges[end].to_numpy(), minlength=n_nodes) for end in ("head", "tail")),
            start=np.zeros(n_nodes, dtype=np.int64),
        )

    @cached_property
    def _keys(self) -> dict[tuple[int, str], tuple[str, int]]:
        """Item and value of an entity fact -> the entity's key and how many edges it has; filled with the facts."""
        return {}

    def _literals(self, row: Mapping[str, object]) -> list[Fact]:
        item_id = str(row["item_id"])
        line = row.get("line")
        source = f"{row['source']}:{line}" if row.get("source") and line is not None else str(row.get("source") or "")
        found = []
        if row.get("title"):
            title = self._called(str(row["title"]))
            if title:
                aliases = self._other_names(str(row["title"]), title)
                found.append(Fact("", "title", "title", title, aliases=aliases, source=source, subject=item_id))
        for name, info in self._dataset.item_attributes.items():
            value = row.get(name)
            if info.relation is None and value not in (None, "", []):
                found += self._literal(name, value, source, item_id)
        if row.get("description") and not self._foreign:
            text = safe_text(str(row["description"]), DESCRIPTION)
            if text:
                found.append(Fact("", "text", "description", text, source=source, subject=item_id))
        return found

    def _literal(self, name: str, value: object, source: str, item_id: str) -> list[Fact]:
        values = value if isinstance(value, list) else [value]
        unit = self._units.get(name, "")
        if self._foreign and name not in self._domain.units.get(self._language, {}) and any(map(str.isalpha, unit)):
            return []  # a unit of the catalogue's language
        label = self._domain.attribute_labels.get(self._language, {}).get(name, name.replace("_", " "))
        found = []
        for one in values[:MOST]:
            text = plain(str(one))
            if not self._safe(text):
                continue
            number = _NUMBER.fullmatch(text)
            if date := _ISO_DATE.fullmatch(text):
                found.append(
                    Fact("", "date", name, _date(date, self._language), label, "", None, (text,), source, item_id)
                )
            elif number:
                figure = float(text.replace(",", ""))
                shown = get_language(self._language).figures(f"{figure:.10g}" if text.endswith(".0") else text)
                found.append(Fact("", "number", name, shown, label, unit, figure, (), source, item_id))
            elif not self._foreign:
                found.append(Fact("", "attribute", name, text, label, source=source, subject=item_id))
        return found

    def _entities(self, items: Sequence[int]) -> dict[int, list[Fact]]:
        rows = item_entities(self._graph, items)
        table = rows.with_columns(
            self._graph.nodes["aliases"].gather(rows["node"]),
            order=pl.col("relation").replace_strict(self._order, default=len(self._order), return_dtype=pl.Int64),
            degree=pl.Series(self._degrees[rows["node"].to_numpy()], dtype=pl.Int64),
        ).with_columns(common=pl.col("degree") > TOO_COMMON * self._dataset.n_items)
        table = table.sort(["item", "order", "common"], maintain_order=True)
        table = table.filter(pl.int_range(pl.len()).over("item", "relation") < MOST)
        ids = self._dataset.items["item_id"]
        found: dict[int, list[Fact]] = {}
        for row in table.iter_rows(named=True):
            kind = self._relations.get(row["relation"])
            value = display(row["label"]) if row["kind"] == "item" else plain(row["label"])
            if not self._safe(value) or (self._foreign and (kind is None or kind.common or kind.local)):
                continue
            label = self._label(row["relation"])
            source = f"{row['source']}:{row['line']}" if row["line"] is not None else str(row["source"] or "")
            aliases = tuple(a for a in map(plain, row["aliases"] or ()) if a and a != value and self._safe(a))
            subject = str(ids[row["item"]])
            fact = Fact("", "entity", row["relation"], value, label, aliases=aliases, source=source, subject=subject)
            found.setdefault(row["item"], []).append(fact)
            self._keys[row["item"], value] = row["key"], row["degree"]
        return found

    def _label(self, relation: str) -> str:
        kind: RelationType | None = self._relations.get(relation)
        if kind is not None:
            return kind.label_in(self._language)
        inverse = next((r for r in self._relations.values() if r.inverse == relation), None)
        if inverse is not None:
            return inverse.inverse_label_in(self._language)
        return self._stated.get(relation, (relation.replace("_", " "), ""))[0]

    def _of_reason(self, item: int, profile: UserProfile, reason: Reason) -> list[Fact]:
        if reason.kind not in ("path", "similar") or not reason.nodes:
            return []
        position = self._dataset.find_item(reason.nodes[0])
        touched = profile.history.get(position) if position is not None else None
        title = self.title(position) if position is not None else ""
        if position is None or touched is None or not title:
            return []
        found = [self._history(item, touched, title)]
        if reason.clause:
            found.append(Fact("", "reason", "because", reason.clause, source="explanation"))
        return found

    def _history(self, item: int, touched: Touched, title: str) -> Fact:
        verb = self._verbs.get(touched.told, self._verbs.get("view", ""))
        aliases = self._other_names(str(self._dataset.items["title"][touched.item]), title)
        own, other = self.items([item, touched.item])
        theirs = {fact.value for fact in other if fact.type == "entity"}
        shares = tuple(dict.fromkeys(f.value for f in own if f.type == "entity" and f.value in theirs))
        return Fact("", "history", "history", title, verb, aliases=aliases, source="interactions", shares=shares)

    def _other_names(self, title: str, shown: str) -> tuple[str, ...]:
        """Return the other names of an item that is shown as ``shown``."""
        names = (display(title), *name_variants(plain(title)))
        return tuple(dict.fromkeys(name for name in names if name != shown and self._safe(name)))


def numbered(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Give facts their ids: ``f1``, ``f2``..."""
    return tuple(replace(fact, id=f"f{k}") for k, fact in enumerate(facts, start=1))


def _date(found: re.Match[str], code: str) -> str:
    year, month, day = (int(part) for part in found.groups())
    return get_language(code).date(year, month, day)

"""Facts: all that a text about an item may say to a user, with where it stands."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import Dataset
from kgrec.generate.names import display, shortener
from kgrec.graph.item_entities import item_entities
from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.graph.linking import name_variants
from kgrec.languages.language import get_language
from kgrec.plugin.domain import Domain, RelationType
from kgrec.plugin.generation import Fact
from kgrec.text.profile import TOO_COMMON, Touched, UserProfile
from kgrec.text.sanitize import plain, safe_name, safe_text
from kgrec.types import Reason

MOST = 6
"""Values of one relation that are told."""

DESCRIPTION = 600
"""Characters of a description that may be drawn on."""

SHARED = 2
"""So many touched items must share an entity before it is told as an interest."""

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
        language: its code; of labels and units, not of the catalogue's values.
        verbs: how a past action is named, by action.
    """

    def __init__(
        self, dataset: Dataset, graph: KnowledgeGraph, domain: Domain, language: str, verbs: Mapping[str, str]
    ) -> None:
        self._dataset, self._graph, self._domain = dataset, graph, domain
        self._language, self._verbs = language, verbs
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

    def _name_of(self, key: str, kinds: Sequence[str]) -> str:
        """Return what the node of this key is called, the first of ``kinds`` that there is; reasons name keys alone."""
        nodes = self._graph.nodes.filter((pl.col("key") == key) & pl.col("kind").is_in(list(kinds)))
        labels = dict(nodes.select("kind", "label").rows())
        label = next((labels[kind] for kind in kinds if kind in labels), key)
        return plain(label) if label != key else ""

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
        name = display(str(value)) if value else ""
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
        shared = [
            (profile.counts.get(key, 0) * self._rarity(degree), -k, fact, key)
            for k, fact in enumerate(about)
            if fact.type == "entity"
            for key, degree in [self._keys.get((item, fact.value), ("", 0))]
            if key and profile.counts.get(key, 0) >= SHARED
        ]
        shared.sort(reverse=True)  # what tells most of this reader: shared by many touched items, and by few others
        named = {fact.value for fact in found}
        for k, (_, _, fact, key) in enumerate(shared[:2]):
            count = float(profile.counts[key])
            found.append(replace(fact, type="interest", name="interest", number=count, source="interactions"))
            if k == 0:
                found += self._examples(item, profile, key, named)
        return [replace(fact, subject=subject) for fact in found]

    def _examples(self, item: int, profile: UserProfile, key: str, named: Container[str]) -> Iterator[Fact]:
        """Yield touched items that have an entity, those first that weigh much and that few others have touched."""
        known = self._popularity
        holders = [touched for touched in profile.touched_with(key) if self.title(touched.item) not in named]
        telling = sorted(holders, key=lambda t: -t.weight * np.log((1 + known.sum()) / (1 + known[t.item])))
        titles: list[str] = []
        for touched in telling:
            title = self.title(touched.item)
            if title and title not in titles:
                titles.append(title)
                yield replace(self._history(item, touched, title), name="examples")
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
            title = display(str(row["title"]))
            if self._safe(title):
                aliases = self._other_names(str(row["title"]), title)
                found.append(Fact("", "title", "title", title, aliases=aliases, source=source, subject=item_id))
        for name, info in self._dataset.item_attributes.items():
            value = row.get(name)
            if info.relation is None and value not in (None, "", []):
                found += self._literal(name, value, source, item_id)
        if row.get("description"):
            text = safe_text(str(row["description"]), DESCRIPTION)
            if text:
                found.append(Fact("", "text", "description", text, source=source, subject=item_id))
        return found

    def _literal(self, name: str, value: object, source: str, item_id: str) -> list[Fact]:
        values = value if isinstance(value, list) else [value]
        unit = self._domain.units.get(self._language, {}).get(name, "")
        label = name.replace("_", " ")
        found = []
        for one in values[:MOST]:
            text = plain(str(one))
            if not self._safe(text):
                continue
            number = _NUMBER.fullmatch(text)
            if date := _ISO_DATE.fullmatch(text):
                found.append(Fact("", "date", name, _date(date, self._language), label, source=source, subject=item_id))
            elif number:
                figure = float(text.replace(",", ""))
                shown = get_language(self._language).figures(f"{figure:.10g}" if text.endswith(".0") else text)
                found.append(Fact("", "number", name, shown, label, unit, figure, (), source, item_id))
            else:
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
            value = display(row["label"]) if row["kind"] == "item" else plain(row["label"])
            if not self._safe(value):
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
        clause = self._because(reason, title)
        if clause:
            found.append(Fact("", "reason", "because", clause, source="explanation"))
        return found

    def _history(self, item: int, touched: Touched, title: str) -> Fact:
        verb = self._verbs.get(touched.action, self._verbs.get("view", ""))
        aliases = self._other_names(str(self._dataset.items["title"][touched.item]), title)
        own, other = self.items([item, touched.item])
        theirs = {fact.value for fact in other if fact.type == "entity"}
        shares = tuple(dict.fromkeys(f.value for f in own if f.type == "entity" and f.value in theirs))
        return Fact("", "history", "history", title, verb, aliases=aliases, source="interactions", shares=shares)

    def _other_names(self, title: str, shown: str) -> tuple[str, ...]:
        """Return the other names of an item that is shown as ``shown``; the short one of a long name is the last."""
        names = (*name_variants(plain(title)), shortener(self._domain.short_title)(shown))
        return tuple(dict.fromkeys(name for name in names if name != shown and self._safe(name)))

    def _because(self, reason: Reason, history: str) -> str:
        """Return how the path is worded: ``also directed by Ada Orbit``; nothing where its two steps differ."""
        if not reason.relations or len(set(reason.relations)) != 1:
            return ""
        relation = self._relations.get(reason.relations[0])
        if relation is None:
            return ""
        worded = relation.reason_in(self._language)
        if len(reason.nodes) == 2:
            name = history
        else:
            kinds = ("entity", "item") if relation.tail not in ("item", "user") else ("item", "entity")
            name = self._name_of(reason.nodes[1], kinds)
        return worded.format(entity=name) if worded and name and self._safe(name) else ""


def numbered(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Give facts their ids: ``f1``, ``f2``..."""
    return tuple(replace(fact, id=f"f{k}") for k, fact in enumerate(facts, start=1))


def _date(found: re.Match[str], code: str) -> str:
    year, month, day = (int(part) for part in found.groups())
    return get_language(code).date(year, month, day)

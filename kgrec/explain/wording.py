"""Sentences about items, from the words of the domain and of the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np

from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.graph.paths import Path
from kgrec.graph.titles import display
from kgrec.languages.language import get_language
from kgrec.plugin.domain import DEFAULT_ACTION_WEIGHTS, UNKNOWN, Domain, RelationType
from kgrec.types import Reason

KEPT = 50_000
"""Nodes whose rows are kept; the lists of many users name the same ones."""

MIXED = 0.5
"""How telling a path is whose two relations differ, beside one whose relations are the same."""


class Wording:
    """Turns paths and items into reasons."""

    def __init__(self, graph: KnowledgeGraph, domain: Domain, code: str, catalogue: str | None = None) -> None:
        """Take the words of a language.

        Args:
            graph: whose nodes are named.
            domain: whose relations are told.
            code: of the language.
            catalogue: the language of names; common nouns and places of another one are not told.
        """
        self.graph = graph
        self._foreign = catalogue is not None and catalogue != code
        self._domain = domain
        self._language = get_language(code)
        self._noun = domain.noun(code)
        self._verbs = domain.verbs_in(code, before_names=True)
        self._types: dict[str, RelationType] = {r.name: r for r in domain.relation_types}
        self._told: dict[tuple[int, tuple[str, ...], tuple[bool, ...]], float] = {}
        self._row = lru_cache(maxsize=KEPT)(self._read)

    @property
    def action_order(self) -> dict[str, float]:
        """Weight of each action: the strongest one is what a reason names."""
        return {**DEFAULT_ACTION_WEIGHTS, **self._domain.action_weights}

    @cached_property
    def _labels(self) -> dict[str, tuple[str, str]]:
        """Relation -> how it reads in the direction of its statement, and against it."""
        rows = self.graph.relations.select("name", "label", "inverse_label").iter_rows()
        return {name: (str(label), str(inverse)) for name, label, inverse in rows}

    @cached_property
    def _node_of(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Training number -> row of the nodes table."""
        numbers = self.graph.training_nodes
        rows = np.zeros(int(numbers.max(initial=-1)) + 1, dtype=np.int64)
        rows[numbers[numbers >= 0]] = np.flatnonzero(numbers >= 0)
        return rows

    def node(self, number: int) -> dict[str, object]:
        """Return the row of the nodes table of an item or entity, by its training number."""
        return self._row(number)

    def _read(self, number: int) -> dict[str, object]:
        return self.graph.nodes.row(int(self._node_of[number]), named=True)

    def tells(self, path: Path) -> float:
        """Return how telling a path is to people, in ``[0, 1]``; 0 where what it goes over has no name."""
        if len(path.nodes) == 2:
            return self.salience(path.relations[0])
        key = (path.nodes[1], path.relations, path.forward)
        if key not in self._told:
            if len(self._told) >= KEPT:
                self._told.clear()
            self._told[key] = self._tells(path)
        return self._told[key]

    def _tells(self, path: Path) -> float:
        entity = self.node(path.nodes[1])
        if entity["kind"] == "entity" and entity["label"] == entity["key"]:
            return 0.0
        kind = self._types.get(path.relations[1])
        if self._foreign and (kind is None or kind.common or kind.local):
            return 0.0
        same = path.relations[0] == path.relations[1] and path.forward[0] != path.forward[1]
        return self.salience(path.relations[1]) * (1.0 if same else MIXED)

    def salience(self, relation: str) -> float:
        """Return how telling it is to people that two items share what a relation leads to."""
        kind = self._types.get(relation)
        return UNKNOWN if kind is None else kind.salience

    @cached_property
    def billed(self) -> frozenset[str]:
        """Relations whose entities stand in order."""
        return frozenset(kind.name for kind in self._domain.relation_types if kind.billed)

    def path(self, path: Path, told: str | None, turn: int = 0) -> Reason:
        """Word a path from an item of the history to the recommended one.

        Args:
            path: over one entity, or an edge between the two items.
            told: what the user did with the item of the history, see :meth:`verb`.
            turn: which of several ways to say it.
        """
        nodes = [self.node(node) for node in path.nodes]
        keys = tuple(str(node["key"]) for node in nodes)
        clause = self._clause(path, nodes, turn)
        return Reason(self._sentence(nodes[0]["label"], told, clause), "path", keys, path.relations, clause)

    def _clause(self, path: Path, nodes: Sequence[Mapping[str, object]], turn: int) -> str:
        # The last step leads to the recommended item: from the item it reads the other way round.
        relation, forward = path.relations[-1], not path.forward[-1]
        kind = self._types.get(relation)
        worded = kind.reason_in(self._language.code, turn) if kind is not None else ""
        if len(nodes) == 2:
            return worded.format(entity=nodes[0]["label"]) if worded else self._say("direct")
        label = str(nodes[1]["label"])
        name = self._language.common(label) if kind is not None and kind.common else label
        if (path.relations[0], path.forward[0]) != (relation, forward):
            return self._say("mixed", entity=name)
        return worded.format(entity=name) if worded and forward else self._say("shared", entity=name)

    def _sentence(self, item: object, told: str | None, clause: str) -> str:
        named = self._domain.title_mark(self._language.code).format(display(str(item)))
        return self._say("named", history=self._say("history", verb=self.verb(told), item=named), reason=clause)

    def similar(self, source: int, told: str | None, *, shared: bool) -> Reason:
        """Word that the same people like both or, where they are not ``shared``, only that both are close."""
        node = self.node(source)
        clause = self._say("similar" if shared else "alike")
        keys = (str(node["key"]),)
        return Reason(self._sentence(node["label"], told, clause), "similar", keys, (), clause)

    def absent(self, n: int, rank: int | None, count: int) -> str:
        """Word that an item is not in the list of ``n``.

        Args:
            n: length of the list.
            rank: the item's place, or None where it has none.
            count: items that have a place.
        """
        if rank is None:
            return self._say("unranked")
        number = self._language.number
        return self._say("outside", rank=number(rank), count=number(count), n=n)

    def told(self, sentence: str, **parts: object) -> str:
        """Return a sentence or a name of explanations, filled; numbers are written as the language does."""
        number = self._language.number
        written = {key: number(value) if isinstance(value, int) else value for key, value in parts.items()}
        return self._language.explain[sentence].format(**written)

    def listed(self, names: Sequence[str]) -> str:
        """Join the titles of items for a sentence."""
        return self._language.listed([self._domain.title_mark(self._language.code).format(name) for name in names])

    def named(self, number: int) -> bool:
        """Say whether a node has a name; an entity of which only the key is known has none."""
        node = self.node(number)
        return node["kind"] != "entity" or node["label"] != node["key"]

    def name(self, node: Mapping[str, object]) -> str:
        """Return what a node is called, never its key: what has no name is called unnamed."""
        named = node["kind"] != "entity" or node["label"] != node["key"]
        return display(str(node["label"])) if named else self._language.explain["unnamed"]

    @property
    def code(self) -> str:
        """Of the language."""
        return self._language.code

    def described(self) -> Reason:
        """Word that the item is close to the words of somebody who is not in the data."""
        return Reason(self._say("described"), "text")

    def popular(self, count: int) -> Reason:
        """Word how many people chose the item."""
        return Reason(self._say("popular", count=self._language.number(count)), "popular")

    def new(self) -> Reason:
        """Word that nobody has chosen the item yet."""
        return Reason(self._say("new"), "new")

    def unknown(self) -> Reason:
        """Word that nothing the user did speaks for the item."""
        return Reason(self._say("unknown"), "new")

    def verb(self, told: str | None) -> str:
        """Return what a person did, in the past tense; ``told`` is an action, or ``love``."""
        return self._verbs.get(told or "like", self._verbs["like"])

    def label(self, relation: str, forward: bool) -> str:
        """Return how a relation reads, in the direction of its statement or against it."""
        kind = self._types.get(relation)
        own = (kind.labels if forward else kind.inverse_labels).get(self._language.code) if kind is not None else None
        if own:
            return own
        ahead, back = self._labels[relation]
        return ahead if forward else back

    def _say(self, sentence: str, **parts: object) -> str:
        return self._language.reasons[sentence].format(**parts)

"""Sentences about items, from the words of the domain and of the language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import polars as pl

from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.graph.paths import Path
from kgrec.languages.language import get_language
from kgrec.plugin.domain import DEFAULT_ACTION_WEIGHTS, Domain, RelationType
from kgrec.types import Reason


class Wording:
    """Turns paths and items into reasons."""

    def __init__(self, graph: KnowledgeGraph, domain: Domain, code: str) -> None:
        self.graph = graph
        self._domain = domain
        self._language = get_language(code)
        self._noun = domain.noun(code)
        self._verbs = domain.verbs_in(code)
        self._types: dict[str, RelationType] = {r.name: r for r in domain.relation_types}

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

    @cached_property
    def _degree(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """How many interactions each item has, by training number."""
        edges = self.graph.edges.filter(pl.col("provenance") == "interaction").unique(["head", "tail"])
        tails = self.graph.training_nodes[edges["tail"].to_numpy()]
        return np.bincount(tails[tails >= 0], minlength=len(self._node_of)).astype(np.int64)

    def node(self, number: int) -> dict[str, object]:
        """Return the row of the nodes table of an item or entity, by its training number."""
        return self.graph.nodes.row(int(self._node_of[number]), named=True)

    def named(self, path: Path) -> bool:
        """Say whether everything the path would name has a name for people."""
        return _has_name(self.node(path.nodes[1]))

    def path(self, path: Path, action: str | None) -> Reason:
        """Word a path from an item of the history to the recommended one."""
        nodes = [self.node(node) for node in path.nodes]
        keys = tuple(str(node["key"]) for node in nodes)
        history = self._history(str(nodes[0]["label"]), action)
        if len(nodes) == 2:
            # Relations that come with the data are named by a noun, which no sentence can be made of.
            known = path.relations[0] in self._types
            label = self.label(path.relations[0], path.forward[0] or not known)
            sentence = self._say("direct" if known else "joined", history=history, label=label, noun=self._noun)
        else:
            sentence = self._shared(path, history, nodes[1])
        return Reason(sentence, "path", keys, path.relations)

    def _shared(self, path: Path, history: str, entity: Mapping[str, object]) -> str:
        first, second = path.relations
        # The second step leads from the entity to the recommended item, so from the item it reads the other way round.
        forward = not path.forward[1]
        name = str(entity["label"])
        label = self.label(second, forward)
        if not _has_name(entity):
            return self._say("unnamed", history=history, label=label)
        if (first, path.forward[0]) != (second, forward):
            before = self.label(first, path.forward[0])
            return self._say("mixed", history=history, first=before, second=label, entity=name, noun=self._noun)
        worded = self._reason_of(second) if forward else ""
        if worded:
            return self._say("named", history=history, reason=worded.format(entity=name))
        return self._say("same", history=history, label=label, entity=name)

    def similar(self, source: int, action: str | None, *, shared: bool) -> Reason:
        """Word that the same people like both or, where they are not ``shared``, only that both are close."""
        node = self.node(source)
        sentence = self._say("similar" if shared else "alike", history=self._history(str(node["label"]), action))
        return Reason(sentence, "similar", (str(node["key"]),))

    def absent(self, n: int, rank: int | None, count: int, scorer: str | None) -> str:
        """Word that an item is not in the list of ``n``.

        Args:
            n: length of the list.
            rank: the item's place, or None where it has none.
            count: items that have a place.
            scorer: whose score is behind that of the last item of the list by most, or None.
        """
        if rank is None:
            return self._say("unranked")
        number = self._language.number
        outside = self._say("outside", rank=number(rank), count=number(count), n=n)
        return self._say("against", outside=outside, scorer=scorer) if scorer else outside

    def described(self) -> Reason:
        """Word that the item is close to the words of somebody who is not in the data."""
        return Reason(self._say("described"), "text")

    def popular(self, item: int) -> Reason:
        """Word how many people interacted with the item."""
        count = int(self._degree[item]) if 0 <= item < len(self._degree) else 0
        if not count:
            return Reason(self._say("new"), "text")
        return Reason(self._say("popular", count=count), "popular")

    def verb(self, action: str | None) -> str:
        """Return what a person did, in the past tense."""
        return self._verbs.get(action or "like", self._verbs["like"])

    def _history(self, label: str, action: str | None) -> str:
        return self._say("history", verb=self.verb(action), item=self._language.punctuation.title.format(label))

    def _reason_of(self, relation: str) -> str:
        kind = self._types.get(relation)
        return "" if kind is None else kind.reason_in(self._language.code)

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


def _has_name(node: Mapping[str, object]) -> bool:
    return node["kind"] != "entity" or node["label"] != node["key"]

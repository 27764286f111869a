"""Sentences about items, from the domain's words; English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import polars as pl

from kgrec.graph.knowledge_graph import KnowledgeGraph
from kgrec.graph.paths import Path
from kgrec.plugin.domain import DEFAULT_ACTION_WEIGHTS, Domain, RelationType
from kgrec.types import Reason

VERBS: Mapping[str, Mapping[str, str]] = {
    "view": {"en": "viewed", "zh": "看过"},
    "click": {"en": "clicked on", "zh": "点过"},
    "search": {"en": "searched for", "zh": "搜索过"},
    "like": {"en": "liked", "zh": "喜欢"},
    "rate": {"en": "rated", "zh": "评价过"},
    "collect": {"en": "saved", "zh": "收藏了"},
    "share": {"en": "shared", "zh": "分享过"},
    "comment": {"en": "commented on", "zh": "评论过"},
    "cart": {"en": "put into your cart", "zh": "加购了"},
    "purchase": {"en": "bought", "zh": "购买过"},
    "impression": {"en": "were shown", "zh": "被展示过"},
}
"""How a past action is named when the domain has no verb of its own."""

SENTENCES: Mapping[str, Mapping[str, str]] = {
    "history": {"en": "You {verb} {item}", "zh": "您{verb}{item}"},
    "named": {"en": "{history}; {reason}", "zh": "{history}，{reason}"},
    "same": {"en": "{history}; {label}: {entity}, as there", "zh": "{history}，两者{label}同为{entity}"},
    "unnamed": {"en": "{history}; they have a “{label}” in common", "zh": "{history}，两者的“{label}”相同"},
    "mixed": {
        "en": "{history} ({first} {entity}); here: {second} {entity}",
        "zh": "{history}（{first}：{entity}），本{noun}的{second}：{entity}",
    },
    "direct": {"en": "{history}, {label} this {noun}", "zh": "{history}，它与本{noun}有“{label}”的关系"},
    "joined": {
        "en": "{history}; it and this {noun} are joined by “{label}”",
        "zh": "{history}，它与本{noun}有“{label}”的关系",
    },
    "similar": {"en": "{history}; often liked by the same people", "zh": "{history}，喜欢它的人也常喜欢这个"},
    "alike": {"en": "{history}; that is what comes closest to this", "zh": "{history}，是最接近这个的"},
    "described": {"en": "Close to what you describe", "zh": "与您的描述相近"},
    "popular": {"en": "A popular choice (users who took to it: {count})", "zh": "热门：{count}人与之互动过"},
    "outside": {"en": "Place {rank} of {count}, so not in the top {n}", "zh": "在{count}个中排第{rank}位，未进前{n}"},
    "against": {"en": "{outside}; {scorer} speaks against it most", "zh": "{outside}，主要因为{scorer}的评分较低"},
    "unranked": {"en": "Not among what can be recommended now", "zh": "目前不在可推荐之列"},
    "new": {"en": "New to everyone; close to your interests", "zh": "新上架，贴近您的兴趣"},
}


class Wording:
    """Turns paths and items into reasons."""

    def __init__(self, graph: KnowledgeGraph, domain: Domain, language: str) -> None:
        self.graph = graph
        self._domain = domain
        self._language = language
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
        outside = self._say("outside", rank=f"{rank:,}", count=f"{count:,}", n=n)
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
        verbs = {**VERBS, **self._domain.user_verb}
        known = verbs.get(action or "like", VERBS["like"])
        return known.get(self._language, known.get("en", ""))

    def _history(self, label: str, action: str | None) -> str:
        verb = self.verb(action)
        quoted = f"《{label}》" if self._language == "zh" else label
        return self._say("history", verb=verb, item=quoted)

    @property
    def _noun(self) -> str:
        return self._domain.item_noun.get(self._language, "item" if self._language == "en" else "物品")

    def _reason_of(self, relation: str) -> str:
        kind = self._types.get(relation)
        if kind is None:
            return ""
        return kind.reason if self._language == "en" else kind.reasons.get(self._language, "")

    def label(self, relation: str, forward: bool) -> str:
        """Return how a relation reads, in the direction of its statement or against it."""
        kind = self._types.get(relation)
        if kind is not None and self._language != "en":
            own = (kind.labels if forward else kind.inverse_labels).get(self._language)
            if own:
                return own
        ahead, back = self._labels[relation]
        return ahead if forward else back

    def _say(self, sentence: str, **parts: object) -> str:
        return SENTENCES[sentence][self._language].format(**parts)


def _has_name(node: Mapping[str, object]) -> bool:
    return node["kind"] != "entity" or node["label"] != node["key"]

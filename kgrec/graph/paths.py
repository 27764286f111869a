"""Typed paths of the knowledge graph between what a user liked and what is recommended.

A path is *liked item - relation - entity - relation - recommended item*, or an edge between the two items. It is worth
telling when few items share the entity: a path over entity ``e`` is ranked by

    idf(e) * w_history * w_edge1 * w_edge2 * (1 + ln(support)),    idf(e) = ln((1 + n_items) / (1 + df(e)))

where ``df(e)`` counts the items next to ``e`` and ``support`` the liked items that share it. A path whose two relations
differ (acted in one, directed the other) says less and counts half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.types import ItemIndices, Triples

_MIXED = 0.5
"""Factor of a path whose two relations differ."""

_LONG = 0.5
"""Factor of a path over two entities: what is farther away says less."""

MOST_EDGES = 1_000
"""Edges of a node that are followed: those to the rarest neighbours. What everything shares tells nothing."""

MOST_LINKS = 200
"""An entity with more links to other entities joins everything to everything; so many of them are followed."""

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Path:
    """A typed path from an item of the history to a recommended item.

    Attributes:
        nodes: training numbers (see :class:`Triples`): ``(liked, shared, recommended)`` or ``(liked, recommended)``,
            from :meth:`PathFinder.routes` also ``(liked, entity, entity, recommended)``.
        relations: names of the relations between them, one fewer than ``nodes``.
        forward: for each relation whether it is stated from the earlier to the later node.
        weight: how informative the path is, comparable between paths of one call.
        support: how many items of the history share the node in the middle; 1 for a direct edge.
    """

    nodes: tuple[int, ...]
    relations: tuple[str, ...]
    forward: tuple[bool, ...]
    weight: float
    support: int


class Bridges:
    """The edges that join two entities, by either end.

    Args:
        triples: the graph without users.
    """

    def __init__(self, triples: Triples) -> None:
        apart = (triples.heads >= triples.n_items) & (triples.tails >= triples.n_items)
        apart &= triples.heads != triples.tails
        heads, tails, slots = triples.heads[apart], triples.tails[apart], triples.relations[apart] * 2
        nodes, others = np.concatenate([heads, tails]), np.concatenate([tails, heads])
        degree = np.bincount(nodes, minlength=triples.n_nodes)
        order = np.lexsort((degree[others], nodes))
        self._starts = np.concatenate([[0], np.cumsum(degree)])
        self._others: _Ints = others[order]
        self._slots: _Ints = np.concatenate([slots, slots + 1])[order]
        self._weights = np.concatenate([triples.weights[apart]] * 2)[order].astype(np.float64)

    def between(self, near: _Ints, far: _Ints) -> tuple[_Ints, _Ints, NDArray[np.float64], _Ints]:
        """Return the edges from any of ``near`` to any of ``far``.

        Args:
            near: nodes, shape ``(n,)``; items among them are passed over.
            far: the same, shape ``(f,)``.

        Returns:
            For each edge found: its end among ``near``, its relation slot read from there (relation * 2, plus 1 when
            stated the other way), its weight, and the position in ``far`` of its other end.
        """
        counts = np.minimum(self._starts[far + 1] - self._starts[far], MOST_LINKS)
        owner = np.repeat(np.arange(len(far)), counts)
        edge = self._starts[far][owner] + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = np.isin(self._others[edge], near)
        edge, owner = edge[kept], owner[kept]
        return self._others[edge], self._slots[edge] ^ 1, self._weights[edge], owner


@dataclass(frozen=True, slots=True)
class _Found:
    """Paths as columns, shape ``(p,)`` each; ``middle`` is -1 for a direct edge."""

    candidate: _Ints
    liked: _Ints
    middle: _Ints
    first: _Ints  # relation slots: relation * 2 + (1 when stated against the direction of the path)
    second: _Ints
    weight: _Floats
    support: _Ints


class PathFinder:
    """Finds the most informative paths; built once for a graph, in memory linear in its edges."""

    def __init__(self, triples: Triples) -> None:
        """Arrange the edges by item.

        Args:
            triples: the graph without users.
        """
        self._names = triples.relation_names
        self._n_items = triples.n_items
        heads, tails, slots = triples.heads, triples.tails, triples.relations * 2
        other = heads != tails  # an edge from a node to itself leads nowhere
        away = (heads < triples.n_items) & other  # seen from an item that is the head
        back = (tails < triples.n_items) & other
        items = np.concatenate([heads[away], tails[back]])
        neighbours = np.concatenate([tails[away], heads[back]])
        pairs = np.unique(items * triples.n_nodes + neighbours)
        frequency = np.bincount(pairs % max(triples.n_nodes, 1), minlength=triples.n_nodes)
        self._idf: _Floats = np.log((1 + self._n_items) / (1 + frequency))
        order = np.lexsort((frequency[neighbours], items))  # of each item the rarest neighbours first
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(items, minlength=self._n_items))])
        self._neighbours: _Ints = neighbours[order]
        self._slots: _Ints = np.concatenate([slots[away], slots[back] + 1])[order]
        self._weights: _Floats = np.concatenate([triples.weights[away], triples.weights[back]])[order].astype(
            np.float64
        )
        self._bridges = Bridges(triples)

    def best(
        self,
        history: ItemIndices,
        weights: NDArray[np.floating] | None,
        candidates: ItemIndices,
        k: int = 3,
    ) -> list[list[Path]]:
        """Return for each candidate its ``k`` most informative paths, best first, each over another node.

        Args:
            history: liked items, shape ``(h,)``.
            weights: how strongly, shape ``(h,)``, or None for all alike; scaled so that the largest is 1.
            candidates: recommended items, shape ``(c,)``.
            k: paths a candidate at most.

        Returns:
            One list a candidate, empty where no path exists.
        """
        history, candidates = np.asarray(history, np.int64), np.asarray(candidates, np.int64)
        # What is recommended cannot be its own reason, nor the reason of what stands beside it.
        other = ~np.isin(history, candidates)
        strength = np.ones(len(history)) if weights is None else np.asarray(weights, np.float64)
        history, strength = history[other], strength[other]
        top = strength.max(initial=0.0)
        strength = strength / top if top > 0 else np.ones(len(history))
        owners = np.repeat(np.arange(len(candidates)), len(history))
        return self.among(np.tile(history, len(candidates)), np.tile(strength, len(candidates)), owners, candidates, k)

    def among(
        self, starts: ItemIndices, strength: NDArray[np.floating], owners: ItemIndices, ends: ItemIndices, k: int
    ) -> list[list[Path]]:
        """Return for each of ``ends`` its ``k`` most informative paths from items of its own, best first.

        Args:
            starts: items that paths begin at, of all ends one after the other, shape ``(p,)``.
            strength: how strongly each counts, shape ``(p,)``.
            owners: position in ``ends`` of the end that each belongs to, shape ``(p,)``.
            ends: items, shape ``(c,)``.
            k: paths an end at most.
        """
        if not len(starts) or not len(ends) or not len(self._neighbours):
            return [[] for _ in ends]
        much = np.asarray(strength, np.float64)
        found = [self._direct(starts, much, owners, ends), self._shared(starts, much, owners, ends)]
        return self._top(found, ends, k)

    def routes(
        self, history: ItemIndices, weights: NDArray[np.floating], item: int, k: int = 3, *, bridged: bool = True
    ) -> list[Path]:
        """Return the ``k`` most informative paths to one item, those over two entities included, best first.

        The search starts at both ends: the edges of the history and those of the item are laid out, and an edge between
        two entities that touches both joins them. A path over two entities weighs half the smaller of their ``idf``.

        Args:
            history: liked items, shape ``(h,)``.
            weights: how strongly, shape ``(h,)``; scaled so that the largest is 1.
            item: where the paths end.
            k: paths at most.
            bridged: also look for paths over two entities.
        """
        paths = self.best(history, weights, np.array([item]), k)[0]
        if bridged and len(history):
            paths += self._bridged(np.asarray(history, np.int64), np.asarray(weights, np.float64), item, k)
        return sorted(paths, key=lambda path: -path.weight)[:k]

    def _bridged(self, history: _Ints, strength: _Floats, item: int, k: int) -> list[Path]:
        kept = history != item
        history, strength = history[kept], strength[kept] / max(float(strength.max(initial=0.0)), 1e-12)
        liker, liked_edge = self._edges(history)
        _, edge = self._edges(np.array([item]))
        near, far = self._neighbours[liked_edge], self._neighbours[edge]
        value = strength[liker] * self._weights[liked_edge]
        first, slot, link, last = self._bridges.between(near, far)
        if not len(first):
            return []
        # What is liked and joined to an entity most strongly stands for all that are.
        match, chosen = _strongest(near, value, first)
        slot, link, last = slot[match], link[match], last[match]
        idf = np.minimum(self._idf[near[chosen]], self._idf[far[last]])
        weight = _LONG * value[chosen] * link * self._weights[edge[last]] * idf
        best = np.lexsort((near[chosen], far[last], -weight))
        # Each pair of entities once, though several relations may join them.
        pairs = (near[chosen] * len(self._idf) + far[last])[best]
        best = best[np.sort(np.unique(pairs, return_index=True)[1])][:k]
        found = []
        for row in best.tolist():  # at most k
            liked = liked_edge[chosen[row]]
            slots = (int(self._slots[liked]), int(slot[row]), int(self._slots[edge[last[row]]] ^ 1))
            nodes = (history[liker[chosen[row]]], near[chosen[row]], far[last[row]], item)
            names = tuple(self._names[s // 2] for s in slots)
            found.append(Path(tuple(map(int, nodes)), names, tuple(s % 2 == 0 for s in slots), float(weight[row]), 1))
        return found

    def _edges(self, items: _Ints) -> tuple[_Ints, _Ints]:
        """Return, for all edges of ``items`` in turn, the position in ``items`` and the position of the edge."""
        counts = np.minimum(self._starts[items + 1] - self._starts[items], MOST_EDGES)
        owner = np.repeat(np.arange(len(items)), counts)
        offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return owner, self._starts[items][owner] + offset

    def _direct(self, starts: _Ints, strength: _Floats, owners: _Ints, ends: _Ints) -> _Found:
        """Return the edges between starts and the ends that own them."""
        owner, edge = self._edges(ends)
        own = owner * self._n_items + np.minimum(self._neighbours[edge], self._n_items - 1)
        own[self._neighbours[edge] >= self._n_items] = -1
        row, hit = _matches(own, owners * self._n_items + starts)
        edge, owner = edge[row], owner[row]
        slot = self._slots[edge] ^ 1  # seen from the end; the path runs the other way
        weight = strength[hit] * self._weights[edge] * self._idf[ends[owner]]
        nothing = np.full(len(owner), -1)
        return _Found(owner, starts[hit], nothing, slot, nothing, weight, np.ones(len(owner), np.int64))

    def _shared(self, starts: _Ints, strength: _Floats, owners: _Ints, ends: _Ints) -> _Found:
        """Return the paths over one node, of each start and node the strongest."""
        owner, edge = self._edges(ends)
        items, which = np.unique(starts, return_inverse=True)
        place, near = self._edges(items)
        relevant = np.isin(self._neighbours[near], self._neighbours[edge])
        place, near = place[relevant], near[relevant]
        bounds = np.searchsorted(place, np.arange(len(items) + 1))
        counts = (bounds[1:] - bounds[:-1])[which]
        pair = np.repeat(np.arange(len(starts)), counts)  # each start's edges, once for each end that it belongs to
        near = near[bounds[which][pair] + np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)]
        n_nodes = len(self._idf)
        row, mine = _matches(owners[pair] * n_nodes + self._neighbours[near], owner * n_nodes + self._neighbours[edge])
        pair, near, edge = pair[row], near[row], edge[mine]
        middle = self._neighbours[near]
        kept = middle != ends[owners[pair]]
        pair, near, edge, middle = pair[kept], near[kept], edge[kept], middle[kept]
        sharing, first = np.unique(pair * n_nodes + middle, return_inverse=True)
        over = owners[sharing // n_nodes] * n_nodes + sharing % n_nodes
        support = np.unique(over, return_inverse=True, return_counts=True)
        supports = support[2][support[1]][first]
        factor = np.where(self._slots[near] == self._slots[edge], 1.0, _MIXED)
        weight = factor * strength[pair] * self._weights[near] * self._weights[edge] * self._idf[middle]
        weight *= 1 + np.log(np.maximum(supports, 1))
        return _Found(owners[pair], starts[pair], middle, self._slots[near], self._slots[edge] ^ 1, weight, supports)

    def _top(self, parts: list[_Found], candidates: _Ints, k: int) -> list[list[Path]]:
        every = _Found(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Found.__slots__))
        order = np.lexsort((every.liked, every.middle, -every.weight, every.candidate))
        # One path for a node in the middle; direct edges are told apart by the liked item.
        via = np.where(every.middle >= 0, every.middle, -1 - every.liked)
        _, first = np.unique(
            (every.candidate * (2 * len(self._idf) + 1) + via + len(self._idf))[order], return_index=True
        )
        order = order[np.sort(first)]
        owners = every.candidate[order]
        rank = np.arange(len(order)) - np.searchsorted(owners, owners)
        paths: list[list[Path]] = [[] for _ in candidates]
        kept, names = order[rank < k], self._names  # at most k rows for each candidate
        ends = candidates[every.candidate[kept]].tolist()
        columns = (getattr(every, name)[kept].tolist() for name in _Found.__slots__)
        for end, owner, liked, middle, first_slot, second, weight, support in zip(ends, *columns, strict=True):
            slots = (first_slot, second) if middle >= 0 else (first_slot,)
            nodes = (liked, middle, end) if middle >= 0 else (liked, end)
            relations = tuple(names[slot // 2] for slot in slots)
            paths[owner].append(Path(nodes, relations, tuple(slot % 2 == 0 for slot in slots), weight, support))
        return paths


def _matches(keys: _Ints, wanted: _Ints) -> tuple[_Ints, _Ints]:
    """Return all pairs of positions in ``keys`` and in ``wanted`` whose keys are the same."""
    left = pl.DataFrame({"key": keys}).with_row_index("row")
    right = pl.DataFrame({"key": wanted}).with_row_index("place")
    found = left.join(right, on="key", maintain_order="left_right")
    return found["row"].to_numpy().astype(np.int64), found["place"].to_numpy().astype(np.int64)


def _strongest(keys: _Ints, value: _Floats, wanted: _Ints) -> tuple[_Ints, _Ints]:
    """Match ``wanted`` keys with the row of the largest value of that key; ties go to the row named first.

    Returns:
        Positions in ``wanted`` that have a match, and the row each is matched with; same length.
    """
    order = np.lexsort((np.arange(len(keys)), -value, keys))
    distinct, first = np.unique(keys[order], return_index=True)
    at = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)
    match = np.flatnonzero(distinct[at] == wanted)
    return match, order[first[at[match]]]

"""What each ingredient is worth: the same split and seeds with something taken away or destroyed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kgrec.evaluate.significance import Interval, share
from kgrec.plugin.manager import Registry
from kgrec.types import Triples

GraphState = Literal["true", "none", "shuffled"]
FULL = "full"
WITHOUT_GRAPH = "without graph"
SHUFFLED_GRAPH = "shuffled graph"
WITHOUT_TEXT = "without text"
WITHOUT_CF = "without collaborative"
ALONE = "only "
AS_RANKED = "without re-ranking"


@dataclass(frozen=True, slots=True)
class System:
    """What is trained and judged.

    Attributes:
        name: in the tables.
        graph: as it is, none, or with its tails shuffled.
        text: whether scorers get text vectors.
        scorers: which are trained, or None for all.
        alone: the one scorer that ranks; nothing is fused.
    """

    name: str
    graph: GraphState = "true"
    text: bool = True
    scorers: tuple[str, ...] | None = None
    alone: str | None = None


def systems(registry: Registry, names: Sequence[str], *, graph: bool, text: bool) -> list[System]:
    """Return the whole hybrid and all that it is compared with.

    A scorer counts as content-based if its class says ``content_based = True``: it can score an item that nobody has
    touched.

    Args:
        registry: the scorers on offer.
        names: the scorers to use.
        graph: whether there is a graph to take away.
        text: whether there are text vectors to take away.
    """
    chosen = names = tuple(dict.fromkeys(names))
    found = [System(FULL, scorers=chosen)]
    if graph:
        found.append(System(WITHOUT_GRAPH, "none", scorers=chosen))
        found.append(System(SHUFFLED_GRAPH, "shuffled", scorers=chosen))
    if text:
        found.append(System(WITHOUT_TEXT, text=False, scorers=chosen))
    content = tuple(name for name in names if getattr(registry[name].load(), "content_based", False))
    if content and len(content) < len(names):
        found.append(System(WITHOUT_CF, scorers=content))
    if len(names) > 1:
        found += [System(f"{ALONE}{name}", scorers=(name,), alone=name) for name in names]
    return found


def shuffle_tails(triples: Triples, rng: np.random.Generator) -> Triples:
    """Permute the tails among the triples of each relation: all counts and degrees stay, all knowledge is gone.

    Args:
        triples: the graph.
        rng: draws the permutations.
    """
    by_relation = np.argsort(triples.relations, kind="stable")
    # A stable sort by relation of randomly ordered positions is a random permutation within each relation.
    shuffled = rng.permutation(len(triples))
    shuffled = shuffled[np.argsort(triples.relations[shuffled], kind="stable")]
    tails = triples.tails.copy()
    tails[by_relation] = triples.tails[shuffled]
    return replace(triples, tails=tails)


def graph_utilisation(true: NDArray[np.float64], destroyed: NDArray[np.float64], rng: np.random.Generator) -> Interval:
    """Return how much of a metric is owed to the graph: ``(M(true) - M(destroyed)) / M(true)``, with its interval.

    KG utilisation efficiency of KG4RecEval (Zhang et al., ACM TOIS 43(3), 2025) for a graph that is wholly taken away
    or wholly distorted: 0 means that the system does as well without knowledge, below 0 that it does better.

    Args:
        true: the metric of each user with the graph as it is, shape ``(u,)``.
        destroyed: the same without graph or with a shuffled one.
        rng: draws users.
    """
    return share(true - destroyed, true, rng)

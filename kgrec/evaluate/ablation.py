"""What each ingredient is worth: the same split and seeds with something taken away or destroyed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.impressions import as_observed
from kgrec.data.split import Split, like_weights, split_validation
from kgrec.evaluate.lists_record import Example
from kgrec.evaluate.plan import FULL
from kgrec.evaluate.test_set import TestSet
from kgrec.plugin.domain import Domain
from kgrec.plugin.manager import PluginManager, Registry
from kgrec.plugin.protocols import Reranker, traits_of
from kgrec.plugin.reranking import AUDIENCE
from kgrec.ranking.lists import best_ranks
from kgrec.ranking.ranker import Ranker
from kgrec.ranking.rerank.data import Catalogue
from kgrec.ranking.rerank.pipeline import Pipeline
from kgrec.ranking.rerank.pipeline import prepare as prepare_steps
from kgrec.ranking.training_inputs import TrainingInputs, prepare
from kgrec.significance import Interval, share
from kgrec.types import Triples, Vectors
from kgrec.workers import HERE, Workers

GraphState = Literal["true", "none", "shuffled"]
WITHOUT_GRAPH = "without graph"
SHUFFLED_GRAPH = "shuffled graph"
WITHOUT_TEXT = "without text"
WITHOUT_CF = "without collaborative"
ALONE = "only "

TextPair = tuple[Vectors | None, Vectors | None]
"""Text vectors of items and of users."""

Encode = Callable[[Dataset, Split, bool], TextPair]
"""Makes text vectors from a dataset, the split of its rows, and whether names of the graph's entities may stand in the
items' texts."""

MakeExamples = Callable[[Dataset, Ranker, TestSet, NDArray[np.int64]], Sequence[Example]]
"""Makes examples from what was fitted on, what ranks, what was asked, and the lists."""


@dataclass(frozen=True)
class EvaluationInputs:
    """What is evaluated on.

    Attributes:
        dataset: the tables, with rows marked ``test`` where there are any.
        config: settings.
        domain: the domain in force.
        manager: the plugins, with scorers and re-rankers.
        triples: the graph without users and interactions, or None.
        encode: makes text vectors.
        device: ``"cpu"`` or ``"cuda"``.
        examples: makes examples of lists with reasons, or None.
        workers: who fits.
    """

    dataset: Dataset
    config: Config
    domain: Domain
    manager: PluginManager
    triples: Triples | None
    encode: Encode
    device: str = "cpu"
    examples: MakeExamples | None = None
    workers: Workers = HERE


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

    What counts as content-based, the classes say; see :class:`kgrec.plugin.protocols.Traits`.

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
    content = tuple(name for name in names if traits_of(registry[name].load()).content_based)
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


class AblationInputs:
    """What each system is trained on, made once for each state of graph and text, and what its re-rankers may know."""

    def __init__(self, inputs: EvaluationInputs, config: Config, dataset: Dataset) -> None:
        self._inputs = inputs
        self._config = config
        self.dataset = dataset
        weights = like_weights(dataset, config.feedback, inputs.domain)
        self._split = split_validation(dataset, weights, config.train, config.seed)
        self._made: dict[tuple[GraphState, bool], TrainingInputs] = {}
        self._texts: dict[bool, TextPair] = {}

    def make(self, graph: GraphState, *, text: bool) -> TrainingInputs:
        """Return the training inputs with the graph in this state, with or without text vectors."""
        if (graph, text) not in self._made:
            items, users = self._encoded(names=graph == "true") if text else (None, None)
            if not self._made:
                self._made[graph, text] = self._prepare(graph, items, users)
            else:  # only the graph and the vectors differ
                first = next(iter(self._made.values()))
                swap = partial(replace, triples=self._triples(graph), item_text=items, user_text=users)
                everything = None if first.everything is None else swap(first.everything)
                self._made[graph, text] = replace(first, fit=swap(first.fit), everything=everything)
        return self._made[graph, text]

    def pipelines(
        self, variants: Sequence[Sequence[tuple[str, Reranker]]], ranker: Ranker, likes: csr_array | None = None
    ) -> list[Pipeline]:
        """Prepare re-rankers, which may know no more than the scorers, and their lists.

        Args:
            variants: re-rankers by the words that named them, in their order.
            ranker: trained on these inputs.
            likes: what everybody likes by now, CSR of shape ``(n_users, n_items)``; None: what the scorers know.
        """
        known = self.make("true", text=True)
        data, rows = known.everything or known.fit, np.arange(self.dataset.n_items)
        seed, size = self._config.seed, self._config.recommend.block_size
        likes = as_observed(data) if likes is None else likes
        ranks = cache(partial(best_ranks, ranker, AUDIENCE, seed=seed, block_size=size))
        catalogue = Catalogue(self.dataset, rows, likes, known.item_ids, data.item_text, data.triples, seed, ranks)
        told, bought = catalogue.describe(), catalogue.bought()
        candidates = self._config.recommend.rerank_candidates
        return [prepare_steps(steps, told, bought=bought, candidates=candidates) for steps in variants]

    def _prepare(self, graph: GraphState, items: Vectors | None, users: Vectors | None) -> TrainingInputs:
        return prepare(
            self.dataset,
            self._config,
            self._inputs.domain,
            triples=self._triples(graph),
            item_text=items,
            user_text=users,
            device=self._inputs.device,
            split=self._split,
        )

    def _encoded(self, *, names: bool) -> TextPair:
        """Return the vectors; names of entities come from the graph, so they leave the texts together with it."""
        if names not in self._texts:
            self._texts[names] = self._inputs.encode(self.dataset, self._split, names)
        return self._texts[names]

    def _triples(self, graph: GraphState) -> Triples | None:
        triples = self._inputs.triples
        if triples is None or graph == "none":
            return None
        if graph == "shuffled":
            return shuffle_tails(triples, np.random.default_rng([self._config.seed, 11]))
        return triples

"""What each system of an evaluation is trained on, and what its re-rankers may know."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np

from kgrec.config import Config
from kgrec.data.dataset import Dataset
from kgrec.data.impressions import as_observed
from kgrec.data.split import like_weights, split_validation
from kgrec.evaluate.ablation import GraphState, shuffle_tails
from kgrec.plugin.reranking import AUDIENCE
from kgrec.progress import Progress
from kgrec.ranking.best_ranks import best_ranks
from kgrec.ranking.rerank.data import Catalogue
from kgrec.ranking.training_inputs import TrainingInputs, prepare
from kgrec.types import Triples, Vectors

if TYPE_CHECKING:
    from kgrec.evaluate.run import Inputs
    from kgrec.ranking.ranker import Ranker


class AblationInputs:
    """What each system is trained on; made once for each state of graph and text."""

    def __init__(self, inputs: Inputs, config: Config, dataset: Dataset, progress: Progress) -> None:
        self._inputs = inputs
        self._config = config
        self.dataset = dataset
        weights = like_weights(dataset, config.feedback, inputs.domain)
        self._split = split_validation(dataset, weights, config.train, config.seed)
        self._progress = progress
        self._made: dict[tuple[GraphState, bool], TrainingInputs] = {}
        self._texts: dict[bool, tuple[Vectors | None, Vectors | None]] = {}

    def make(self, graph: GraphState, *, text: bool) -> TrainingInputs:
        """Return the material with the graph in this state, with or without text vectors."""
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

    def catalogue(self, ranker: Ranker) -> Catalogue:
        """Return what re-rankers may know: no more than the scorers, and their lists."""
        known = self.make("true", text=True)
        data, rows = known.everything or known.fit, np.arange(self.dataset.n_items)
        seed, size = self._config.seed, self._config.recommend.block_size
        likes = as_observed(data)
        ranks = cache(partial(best_ranks, ranker, AUDIENCE, seed=seed, block_size=size))
        return Catalogue(self.dataset, rows, likes, known.item_ids, data.item_text, data.triples, seed, ranks)

    def _prepare(self, graph: GraphState, items: Vectors | None, users: Vectors | None) -> TrainingInputs:
        return prepare(
            self.dataset,
            self._config,
            self._inputs.domain,
            triples=self._triples(graph),
            item_text=items,
            user_text=users,
            device=self._inputs.device,
        )

    def _encoded(self, *, names: bool) -> tuple[Vectors | None, Vectors | None]:
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

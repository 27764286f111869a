"""Cold items: items without interactions get the scores that items of like content would get."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import coo_array, csr_array

from kgrec.models import ease, recency, sparse
from kgrec.models.content import ContentKernel, learn
from kgrec.models.history import History
from kgrec.models.item_item import ItemItemOptions, ItemItemScorer, Weights
from kgrec.plugin.protocols import Traits
from kgrec.types import ItemIndices, TrainingData

KEPT = 500
"""How many weights a cold item keeps; what is beyond them changes no list."""
MAX_DENSE = 10_000
"""Above so many items the item-item model is the local one."""
USERS = 2_000
"""On how many users' scores the two parts are brought to one scale."""


class ColdStartOptions(ItemItemOptions):
    """Options of ``[scorers.cold-items]``."""

    regularization: float = Field(250.0, gt=0, description="the ridge of the item-item model")
    content_ridge: float = Field(3.0, gt=0, description="the ridge of the regression on content")
    nearest: float = Field(1.0, ge=0, description="weight of the content kNN, the regression counting 1")
    neighbours: int = Field(100, ge=1, description="liked items that an item looks at")
    below: int = Field(1, ge=1, description="items that fewer users like are cold")
    max_landmarks: int = Field(6_000, ge=1, description="the regression is on so many most liked items at most")
    forgetting: recency.Forgetting = 0.0


class ColdStart(ItemItemScorer):
    """Scores items without likes by their content; NaN for all others.

    Kernel ridge regression from content to the columns of an item-item model: with the weights ``B`` of
    :class:`kgrec.models.ease.EASE` on the liked items ``w``, a cold item ``j`` gets
    ``B[:, w] (K_ww + content_ridge * I)^-1 K_wj``. So it learns from content what an item would be scored rather than
    who clicked it, and with it what is liked much. To this the sum of similarities to the ``neighbours`` liked items
    nearest to ``j`` is added (content kNN), both at equal standard deviation. Scores stay linear in the history: they
    split exactly into what its items give, and serve users who came after training.

    The kernel ``K`` is that of :func:`kgrec.models.content.learn`: texts and relations of the graph, weighted
    by how well they tell who likes what.
    """

    Options = ColdStartOptions
    options: ColdStartOptions
    traits: ClassVar[Traits] = Traits(content_based=True, cold_items="only")

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to do, or nothing."""
        if _counts(data.matrix).all():
            return "every item has likes"
        return "" if data.has_texts or data.has_graph else "items have neither texts nor graph"

    @property
    def items(self) -> ItemIndices:
        """Positions of the cold items that it can score, shape ``(c,)``."""
        return np.flatnonzero(self._known)

    def _learn(self, history: History, data: TrainingData, rng: np.random.Generator) -> tuple[Weights, NDArray[Any]]:
        n_items = data.n_items
        liked = _counts(history.matrix) >= self.options.below
        kernel = learn(data, history.matrix, liked, rng)
        described = kernel.described
        cold, warm = np.flatnonzero(described & ~liked), np.flatnonzero(described & liked)
        if not len(cold) or not len(warm):
            return sparse.csr(coo_array((n_items, n_items), dtype=np.float32)), np.zeros(n_items, dtype=np.bool_)
        between = kernel.between(warm, cold)  # (w, c)
        regressed = self._regress(kernel, history.matrix, warm, between, rng)  # (n_items, c)
        nearest = np.zeros_like(regressed)
        nearest[warm] = _nearest(between, self.options.neighbours)
        users = rng.permutation(np.flatnonzero(np.diff(history.matrix.indptr)))[:USERS]
        rows = csr_array(history.matrix[np.sort(users)])
        weights = (
            regressed / _spread(rows @ regressed) + np.float32(self.options.nearest) / _spread(rows @ nearest) * nearest
        )
        return _placed(weights, cold, n_items, rng), described & ~liked

    def _regress(
        self,
        kernel: ContentKernel,
        likes: csr_array,
        warm: NDArray[np.int64],
        between: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Return what a like of each item says for each cold item, shape ``(n_items, c)``."""
        from scipy.linalg import cho_factor, cho_solve  # costs a tenth of a second, and only fitting needs it

        # Items without likes have no weights in EASE: leaving them out of the inverse changes nothing but its cost.
        touched = np.flatnonzero(_counts(likes))
        kept = csr_array(likes[:, touched])
        counts = np.asarray(likes.sum(axis=0))[warm]
        most = np.sort(np.argsort(-counts, kind="stable")[: self.options.max_landmarks])
        system = kernel.between(warm[most], warm[most])
        np.einsum("ii->i", system)[:] += np.float32(self.options.content_ridge)
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        shares = cho_solve(factor, between[most], check_finite=False)  # (landmarks, c)
        ridge = ease.Ridge(self.options.regularization)
        if len(touched) > MAX_DENSE:
            model: Weights = ease.fit_local(kept, None, ridge, 100, rng)
        else:
            model = ease.solve(ease.gram(kept, None), ridge)
        regressed = np.zeros((likes.shape[1], between.shape[1]), dtype=np.float32)
        regressed[touched] = model[:, np.searchsorted(touched, warm[most])] @ shares
        return regressed


def _counts(matrix: csr_array) -> NDArray[np.int64]:
    return np.bincount(matrix.indices, minlength=matrix.shape[1])


def _nearest(similarities: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Keep the ``k`` largest of each column as far as they are positive."""
    kept = np.maximum(similarities, 0)
    if len(kept) > k:
        kept[kept < np.partition(kept, -k, axis=0)[-k]] = 0
    return kept


def _spread(scores: NDArray[np.float32]) -> np.float32:
    """Return the mean over the users of the standard deviation over the items; 1 where there is none."""
    spread = np.float32(scores.std(axis=1).mean()) if scores.size else np.float32(0)
    return spread if spread > 0 else np.float32(1)


def _placed(weights: NDArray[np.float32], cold: NDArray[np.int64], n_items: int, rng: np.random.Generator) -> csr_array:
    """Put the columns of the cold items where they belong -> CSR of shape ``(n_items, n_items)``."""
    if n_items > ease.DENSE_WEIGHTS:
        sizes = sparse.top_k(csr_array(np.abs(weights.T)), KEPT, rng)
        weights = np.where(sizes.toarray().T > 0, weights, np.float32(0))
    columns = csr_array((np.ones(len(cold), dtype=np.float32), (np.arange(len(cold)), cold)), (len(cold), n_items))
    return sparse.csr(csr_array(weights) @ columns)

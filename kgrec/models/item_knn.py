"""Item-kNN: items that share users with the history."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, diags_array, vstack

from kgrec.models import sparse
from kgrec.models.history import History
from kgrec.models.item_item import ItemItemOptions, ItemItemScorer, Weights
from kgrec.plugin.protocols import Traits
from kgrec.plugin.space import Choice, Real, Space, Whole
from kgrec.types import TrainingData


class ItemKNNOptions(ItemItemOptions):
    """Options of ``[scorers.item-knn]``."""

    neighbours: int = Field(100, ge=1, description="how many neighbours an item keeps")
    shrinkage: float = Field(10.0, ge=0, description="what is added to the denominator of the similarity")
    weighting: Literal["none", "idf"] = Field("none", description="idf: users who like nearly everything count less")


class ItemKNN(ItemItemScorer):
    """Sums the similarity of an item to the items of the history, over each item's nearest neighbours only.

    The similarity is the shrunk cosine ``x_i . x_j / (|x_i| |x_j| + shrinkage)``: what rests on few common users is
    trusted less (Deshpande and Karypis, Item-based top-N recommendation algorithms, TOIS 2004; shrinkage as in Bell
    and Koren, ICDM 2007). With ``weighting="idf"`` a user counts by ``log(n_items / length of history)``, so that those
    who like nearly everything do not make all items alike.
    """

    Options = ItemKNNOptions
    options: ItemKNNOptions
    traits: ClassVar[Traits] = Traits(private=True)

    @classmethod
    def grid(cls, data: TrainingData) -> list[dict[str, Any]]:
        """Try the default and many neighbours, which suit sparse data; one setting for large matrices."""
        settings: list[dict[str, Any]] = [{}, {"neighbours": 400}]
        return settings if data.matrix.nnz < 5_000_000 else settings[:1]

    @classmethod
    def space(cls, data: TrainingData) -> Space:  # noqa: ARG003
        """Say what may be tuned."""
        return {
            "neighbours": Whole(10, 1000, log=True),
            "shrinkage": Real(0.0, 200.0),
            "weighting": Choice(("none", "idf")),
        }

    @classmethod
    def price(cls, options: dict[str, Any], data: TrainingData) -> float:  # noqa: ARG003
        """Return about how many seconds a fit takes: products of histories."""
        return float(2.5e-8 * (np.diff(data.matrix.indptr).astype(np.float64) ** 2).sum())

    def _learn(
        self,
        history: History,
        data: TrainingData,
        rng: np.random.Generator,
    ) -> tuple[Weights, NDArray[Any]]:
        if data.private is not None and data.private.gram is not None:
            return self._of_gram(data.private.gram, rng)
        rows, shrinkage = self._weighted(history.matrix), np.float32(self.options.shrinkage)
        norms = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=0), dtype=np.float64)).astype(np.float32)
        blocks = []
        for block, product in sparse.gram_blocks(rows):
            targets = np.repeat(np.arange(block.start, block.stop), np.diff(product.indptr))
            product.data = product.data / (norms[targets] * norms[product.indices] + shrinkage)
            product.data[targets == product.indices] = 0  # an item is not its own neighbour
            product.eliminate_zeros()
            blocks.append(sparse.top_k(product, self.options.neighbours, rng))
        return sparse.csr(vstack(blocks, format="csr").T), norms > 0

    def _of_gram(self, gram: NDArray[np.float32], rng: np.random.Generator) -> tuple[Weights, NDArray[Any]]:
        """Learn from common users that were counted with noise; ``weighting`` does not count."""
        norms = np.sqrt(np.maximum(np.diagonal(gram), 0))
        cosine = np.maximum(gram, 0) / (np.outer(norms, norms) + np.float32(max(self.options.shrinkage, 1e-6)))
        np.fill_diagonal(cosine, 0)
        near = sparse.top_k(sparse.csr(csr_array(cosine)), self.options.neighbours, rng)
        return sparse.csr(near.T), np.ones(len(gram), dtype=np.bool_)

    def _weighted(self, matrix: csr_array) -> csr_array:
        if self.options.weighting == "none":
            return matrix
        lengths = np.maximum(np.diff(matrix.indptr), 1)
        idf = np.log(np.maximum(matrix.shape[1] / lengths, 1.0)) + 1e-3  # nobody counts nothing at all
        return sparse.csr(diags_array(np.sqrt(idf).astype(np.float32)) @ matrix)

"""A linear model of items' content that all users share, and each user's departure from it, solved together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.models.content_kernel import ContentKernel
from kgrec.types import ItemIndices, UserIndices

STEPS, TOLERANCE = 100, 1e-4
"""Steps of conjugate gradients at most, and the share of the residual at which they end."""

GATHERED = 1 << 24
"""Numbers of text vectors that are gathered at once."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Variances of what is learned.

    Attributes:
        personal: of a user's own weights.
        noise: of the outcomes.
        shared: of the weights of everybody.
        offset: of how readily a user takes anything.
    """

    personal: float
    noise: float
    shared: float = 1.0
    offset: float = 1.0


def solve(
    content: ContentKernel, users: UserIndices, items: ItemIndices, outcomes: NDArray[np.float32], prior: Prior
) -> NDArray[np.float32]:
    """Return the dual weight of each pair of user and item, shape ``(p,)``.

    With the kernel ``K`` of the content the dual weights ``a`` solve ``(shared * K + [same user] * (personal * K +
    offset) + noise * I) a = y``. The shared weights are then ``shared * sum of a_p x_p`` over all pairs, a user's own
    ``personal * sum of a_p x_p`` over the user's pairs. Conjugate gradients need only products with sums of content,
    so nothing is quadratic in the pairs (Shewchuk, An Introduction to the Conjugate Gradient Method, 1994).

    Args:
        content: of all items.
        users: who chose, rising, shape ``(p,)``.
        items: about what, same shape.
        outcomes: same shape.
        prior: variances.
    """
    if not len(users):
        return np.zeros(0, dtype=np.float32)
    system = _System(content, users, items, prior)
    solution = np.zeros(len(users))
    residual = outcomes.astype(np.float64)
    direction, size = residual.copy(), float(residual @ residual)
    enough = TOLERANCE**2 * size
    for _ in range(STEPS):
        if size <= enough:
            break
        product = system.product(direction)
        step = size / float(direction @ product)
        solution += step * direction
        residual -= step * product
        last, size = size, float(residual @ residual)
        direction = residual + size / last * direction
    return solution.astype(np.float32)


class _System:
    """The matrix of the dual problem, as products."""

    def __init__(self, content: ContentKernel, users: UserIndices, items: ItemIndices, prior: Prior) -> None:
        self.content, self.prior, self.items = content, prior, items
        distinct, self.users = np.unique(users, return_inverse=True)
        self.starts = np.concatenate([np.flatnonzero(np.diff(users, prepend=-1)), [len(users)]])
        self.shape = (len(distinct), len(content.texts))
        rows = csr_array(content.features[items])
        owners = np.repeat(self.users, np.diff(rows.indptr))
        _, cells = np.unique(owners * max(rows.shape[1], 1) + rows.indices, return_inverse=True)
        n_cells = int(cells.max(initial=-1)) + 1
        self.cells = csr_array((rows.data, cells, rows.indptr), shape=(len(items), n_cells))
        """Each user's own features: the product with its transpose is the kernel within users."""
        self.turned = csr_array(self.cells.T)

    def product(self, duals: NDArray[np.float64]) -> NDArray[np.float64]:
        prior, content = self.prior, self.content
        values = duals.astype(np.float32)
        found = prior.noise * duals
        found += prior.offset * np.bincount(self.users, duals)[self.users]
        found += prior.personal * (self.cells @ (self.turned @ values))
        if content.texts.shape[1]:
            found += prior.personal * self._of_texts(values)
        if prior.shared:
            sums = np.bincount(self.items, duals, minlength=self.shape[1]).astype(np.float32)
            found += prior.shared * content.smooth(sparse.csr(sums[None, :]))[0, self.items]
        return found

    def _of_texts(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the part of the texts in the product with the kernel within users."""
        texts = self.content.texts
        sums = csr_array((values, self.items, self.starts), shape=self.shape) @ texts  # (users, dim)
        found = np.empty(len(values))
        step = max(GATHERED // texts.shape[1], 1)
        for start in range(0, len(values), step):
            block = slice(start, start + step)
            found[block] = np.einsum("pd,pd->p", texts[self.items[block]], sums[self.users[block]])
        return found

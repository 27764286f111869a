"""Feedback: what users took and what they left of the things that were shown to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.models.content import ContentKernel, plain
from kgrec.plugin.options import Configured, Options
from kgrec.plugin.protocols import Contribution, Traits
from kgrec.types import ItemIndices, Profile, Scores, TrainingData, UserIndices

STEPS, TOLERANCE = 100, 1e-4
"""Steps of conjugate gradients at most, and the share of the residual at which they end."""

GATHERED = 1 << 24
"""Numbers of text vectors that are gathered at once."""


class ImpressionFeedbackOptions(Options):
    """Options of ``[scorers.feedback]``."""

    personal: float = Field(3.0, ge=0, description="variance of a user's own weights, those of everybody counting 1")
    regularization: float = Field(1.0, gt=0, description="variance of the noise, in the same unit")
    max_pairs: int = Field(300_000, ge=2, description="at most so many pairs, drawn at random, are fitted on")


class ImpressionFeedback(Configured):
    """Scores an item by how its content divides what was taken from what was left, for everybody and for the user.

    Ridge regression of the outcome (1: liked, 0: rejected) on the content ``x`` of the item, with weights that all
    users share and weights of each user's own, which are drawn to zero and so say something only where the user's own
    choices do::

        y = b + b_u + (v + w_u) . x_i + noise,   v ~ N(0, 1),  w_u ~ N(0, personal),  noise ~ N(0, regularization)

    ``v . x`` is the appeal of an item, known before anybody has seen it; ``w_u . x`` is what liked items have in common
    less what rejected ones have, as by Rocchio (Relevance Feedback in Information Retrieval, 1971), but with the weight
    of each choice learned (a hierarchical linear model; Gelman and Hill, Data Analysis Using Regression and
    Multilevel/Hierarchical Models, 2007). ``b_u``, how readily a user clicks at all, keeps what busy users see from
    being taken for good items; it does not enter the score, since it changes nobody's order. The content is texts,
    words and graph at equal weight. NaN for items without content.
    """

    Options = ImpressionFeedbackOptions
    options: ImpressionFeedbackOptions
    traits: ClassVar[Traits] = Traits(content_based=True, cold_items="always")

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to go by, or nothing."""
        if data.rejected is None or not data.rejected.nnz:
            return "nothing is known of what users were shown and left"
        return "" if data.has_texts or data.has_graph else "items have neither texts nor graph"

    def fit(self, data: TrainingData, *, seed: int) -> Self:
        """Solve the regression; ``seed`` draws the pairs where there are too many."""
        self._content = plain(data)
        users, items, outcomes = self._pairs(data, np.random.default_rng(seed))
        mean = float(outcomes.mean()) if len(outcomes) else 0.0
        self._settings = np.array([self.options.personal, self.options.regularization, mean])
        prior = Prior(self.options.personal, self.options.regularization)
        duals = solve(self._content, users, items, outcomes - np.float32(mean), prior)
        liked, shape = outcomes > 0, data.matrix.shape
        self._liked = sparse.csr(csr_array((duals[liked], (users[liked], items[liked])), shape=shape))
        self._left = sparse.csr(csr_array((duals[~liked], (users[~liked], items[~liked])), shape=shape))
        self._appeal = self._content.smooth(csr_array((self._liked + self._left).sum(axis=0)[None, :]))[0]
        return self

    def _pairs(
        self, data: TrainingData, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Return users, items and outcomes of what is fitted on, in the order of the users."""
        described = self._content.described
        rejected = csr_array(data.matrix.shape, dtype=np.float32) if data.rejected is None else data.rejected
        rows = [np.repeat(np.arange(m.shape[0]), np.diff(m.indptr)) for m in (data.matrix, rejected)]
        users, items = np.concatenate(rows), np.concatenate([data.matrix.indices, rejected.indices]).astype(np.int64)
        outcomes = np.repeat(np.array([1, 0], dtype=np.float32), [data.matrix.nnz, rejected.nnz])
        kept = np.flatnonzero(described[items])
        if len(kept) > self.options.max_pairs:
            kept = rng.choice(kept, size=self.options.max_pairs, replace=False)
        kept = kept[np.lexsort((items[kept], users[kept]))]
        return users[kept], items[kept], outcomes[kept]

    def score(self, users: UserIndices) -> Scores:
        """Score all items -> float32 ``(u, n_items)``; who has chosen nothing gets what appeals to everybody."""
        users = np.asarray(users, dtype=np.int64)
        known = users < self._liked.shape[0]
        scores = np.tile(self._appeal, (len(users), 1))
        scores[known] += self._own(csr_array((self._liked + self._left)[users[known]]))
        scores[:, ~self._content.described] = np.nan
        return scores

    def _own(self, duals: csr_array) -> Scores:
        return np.float32(self._settings[0]) * self._content.smooth(duals)

    def score_new(self, profile: Profile) -> NDArray[np.float32]:
        """Score all items for somebody who was not there at training -> float32 ``(n_items,)``.

        The user's own weights are those of the regression with ``v`` as it was learned.
        """
        scores = self._appeal + self._own(self._new_duals(profile))[0]
        scores[~self._content.described] = np.nan
        return np.asarray(scores, dtype=np.float32)

    def _new_duals(self, profile: Profile) -> csr_array:
        items = np.unique(profile.items[profile.items < len(self._appeal)])
        items = items[self._content.described[items]]
        personal, noise, mean = (np.float32(value) for value in self._settings)
        prior = Prior(float(personal), float(noise), shared=0.0)
        rest = 1 - mean - self._appeal[items]
        duals = solve(self._content, np.zeros(len(items), dtype=np.int64), items, rest, prior)
        return csr_array((duals, (np.zeros(len(items), dtype=np.int64), items)), shape=(1, len(self._appeal)))

    def contributions(self, user: int, items: ItemIndices) -> list[Contribution]:
        """Split the scores by the items that the user liked; appeal and rejections count as bias."""
        inside = user < self._liked.shape[0]
        liked, left = (csr_array(m[[user]] if inside else (1, m.shape[1])) for m in (self._liked, self._left))
        return self._split(liked, left, items)

    def contributions_new(self, profile: Profile, items: ItemIndices) -> list[Contribution]:
        """Do the same for somebody who was not there at training."""
        nothing_left = sparse.csr(np.zeros((1, len(self._appeal)), dtype=np.float32))
        return self._split(self._new_duals(profile), nothing_left, items)

    def _split(self, liked: csr_array, left: csr_array, items: ItemIndices) -> list[Contribution]:
        items = np.asarray(items, dtype=np.int64)
        known = self._content.described[items, None]  # what has no text has no score
        shares = np.float32(self._settings[0]) * self._content.between(items, liked.indices.astype(np.int64))
        rest = self._appeal[items] + self._own(left)[0, items]
        from_likes = Contribution("item", liked.indices, np.where(known, shares * liked.data, 0))
        return [from_likes, Contribution("bias", np.array([-1]), np.where(known, rest[:, None], 0))]

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return content, duals and appeal as arrays."""
        return {
            **sparse.to_state("liked", self._liked),
            **sparse.to_state("left", self._left),
            **sparse.store("content", self._content),
            "appeal": self._appeal,
            "settings": self._settings,
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the scorer whose state this is."""
        self._liked, self._left = sparse.from_state("liked", state), sparse.from_state("left", state)
        self._content = ContentKernel(state["content.texts"], sparse.from_state("content.features", state))
        self._appeal, self._settings = state["appeal"], state["settings"]
        return self


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
    from scipy.sparse.linalg import LinearOperator, cg  # costs a tenth of a second, and only fitting needs it

    system = LinearOperator((len(users),) * 2, matvec=_System(content, users, items, prior).product, dtype=np.float64)
    return np.asarray(cg(system, outcomes.astype(np.float64), rtol=TOLERANCE, maxiter=STEPS)[0], dtype=np.float32)


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

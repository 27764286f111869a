"""Exact draws for Bayesian factorisation: the vectors of all users or items, and the prior they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import sparse

Floats = NDArray[np.float64]


@dataclass
class Side:
    """Users or items, with the prior ``N(mean + features @ link, precision^-1)`` of their vectors.

    Attributes:
        rows: the vectors, the bias last, shape ``(n, k)``.
        features: orthogonal columns, shape ``(n, f)``.
        mean: shape ``(k,)``.
        link: shape ``(f, k)``.
        precision: shape ``(k, k)``.
        ridge: how strongly the link is drawn to 0.
    """

    rows: Floats
    features: Floats
    mean: Floats
    link: Floats
    precision: Floats
    ridge: float = 1.0

    @classmethod
    def start(cls, features: Floats, k: int, rng: np.random.Generator) -> Self:
        """Begin near 0, without biases.

        Args:
            features: shape ``(n, f)``.
            k: length of a vector.
            rng: draws the start.
        """
        rows = 0.1 * rng.standard_normal((len(features), k))
        rows[:, -1] = 0
        return cls(rows, features, np.zeros(k), np.zeros((features.shape[1], k)), 10 * np.eye(k))

    def centres(self, block: slice) -> Floats:
        """Return the means of the prior of some rows, shape ``(b, k)``."""
        return self.mean + self.features[block] @ self.link

    def with_mean(self) -> Floats:
        """Return the vectors, and below them what is expected of somebody unknown, shape ``(n + 1, k)``."""
        return np.concatenate([self.rows, self.mean[None]])

    def draw_prior(self, rng: np.random.Generator) -> None:
        """Draw mean, precision, link and ridge given the rows.

        Mean and precision are normal-Wishart (Salakhutdinov and Mnih 2008, equation 14, with ``W_0 = I``, ``nu_0 = k``,
        ``beta_0 = 2``), the link is normal with the precision of the rows times the ridge, the ridge gamma
        (Simm et al. 2017, section 3). The features are orthogonal, so the link needs no linear system.
        """
        n, k = self.rows.shape
        left = self.rows - self.features @ self.link
        centre = left.mean(axis=0)
        scatter = np.eye(k) + (left - centre).T @ (left - centre) + n * 2.0 / (n + 2.0) * np.outer(centre, centre)
        scatter += self.ridge * self.link.T @ self.link
        self.precision = _wishart(k + n + len(self.link), np.linalg.inv(scatter), rng)
        root = np.linalg.cholesky(self.precision).T
        self.mean = n * centre / (n + 2.0) + np.linalg.solve(root, rng.standard_normal(k)) / np.sqrt(n + 2.0)
        if not len(self.link):
            return
        strength = np.square(self.features).sum(axis=0) + self.ridge
        noise = np.linalg.solve(root, rng.standard_normal((k, len(strength)))).T
        self.link = self.features.T @ (self.rows - self.mean) / strength[:, None] + noise / np.sqrt(strength)[:, None]
        energy = float(np.einsum("fk,kl,fl->", self.link, self.precision, self.link))
        self.ridge = rng.gamma((1 + self.link.size) / 2) / ((1 + energy) / 2)


def draw_rows(side: Side, ratings: csr_array, others: Floats, precision: float, rng: np.random.Generator) -> float:
    """Draw the vectors of one side given the other: one small Gaussian for each row.

    Row ``i`` has precision ``P = L + a Z'Z`` and mean ``P^-1 (L c_i + a Z' t)`` with the prior's precision ``L`` and
    centre ``c_i``, the noise's precision ``a``, the vectors ``Z = [q_j, 1]`` of what ``i`` rated and
    ``t = r_ij - b_j``.

    Args:
        side: its ``rows`` are replaced.
        ratings: centred ratings of those rows, CSR ``(n, m)``, every row with an entry.
        others: vectors of the other side, the bias last, shape ``(m, k)``.
        precision: of the noise.
        rng: draws.

    Returns:
        sum of the squared errors of all ratings after the draw.
    """
    k = others.shape[1]
    low = np.tril_indices(k)
    loadings = np.concatenate([others[:, :-1], np.ones((len(others), 1))], axis=1)
    products = (loadings[:, low[0]] * loadings[:, low[1]]).astype(np.float32)
    targets = ratings.data - others[ratings.indices, -1]
    error = float(np.square(targets).sum())
    for block in sparse.row_blocks(np.full(len(side.rows), 3 * k * k)):
        at = slice(ratings.indptr[block.start], ratings.indptr[block.stop])
        parts = ratings.indices[at], ratings.indptr[block.start : block.stop + 1] - ratings.indptr[block.start]
        shape = (block.stop - block.start, ratings.shape[1])
        rated = csr_array((np.ones(len(parts[0]), dtype=np.float32), *parts), shape=shape)
        packed = (rated @ products).astype(np.float64)  # (b, k (k + 1) / 2)
        gram = np.empty((shape[0], k, k))
        gram[:, low[0], low[1]] = gram[:, low[1], low[0]] = packed
        pulled = csr_array((targets[at], *parts), shape=shape) @ loadings  # (b, k)
        right = precision * pulled + side.centres(block) @ side.precision
        root = np.asarray(np.linalg.cholesky(precision * gram + side.precision), dtype=np.float64)  # (b, k, k)
        half: Floats = _forward(root, right) + rng.standard_normal(right.shape)
        rows = side.rows[block] = _backward(root, half)
        error += float(np.einsum("bk,bkl,bl->", rows, gram, rows, optimize=True) - 2 * (rows * pulled).sum())
    return error


def _forward(root: Floats, right: Floats) -> Floats:
    """Solve ``root @ x = right`` for lower triangles, shapes ``(b, k, k)`` and ``(b, k)``.

    A loop over the k columns of all systems at once: LAPACK would be called once a row.
    """
    found = np.empty_like(right)
    for j in range(right.shape[1]):
        known = np.einsum("bl,bl->b", root[:, j, :j], found[:, :j])
        found[:, j] = (right[:, j] - known) / root[:, j, j]
    return found


def _backward(root: Floats, right: Floats) -> Floats:
    """Solve ``root.T @ x = right`` for lower triangles, shapes ``(b, k, k)`` and ``(b, k)``."""
    found = np.empty_like(right)
    for j in range(right.shape[1] - 1, -1, -1):
        known = np.einsum("bl,bl->b", root[:, j + 1 :, j], found[:, j + 1 :])
        found[:, j] = (right[:, j] - known) / root[:, j, j]
    return found


def _wishart(df: float, scale: Floats, rng: np.random.Generator) -> Floats:
    """Draw from the Wishart distribution by Bartlett's decomposition (1933).

    Args:
        df: degrees of freedom, at least ``k``.
        scale: shape ``(k, k)``.
        rng: draws.
    """
    k = len(scale)
    root = np.tril(rng.standard_normal((k, k)), -1)
    root[np.diag_indices(k)] = np.sqrt(rng.chisquare(df - np.arange(k)))
    root = np.linalg.cholesky((scale + scale.T) / 2) @ root
    return np.asarray(root @ root.T)

"""Counts and the Gram matrix of users' likes under differential privacy.

Neighbouring data differ by one user with all likes. Each user's row of likes is scaled down to a length that is set
beforehand, then noise of the Gaussian mechanism is added (Dwork and Roth, The Algorithmic Foundations of Differential
Privacy, 2014; for Gram matrices Dwork, Talwar, Thakurta and Zhang, Analyze Gauss, STOC 2014). What is computed from the
result and public data alone has the same guarantee. Lists are made from that and from the user's own history: what the
lists of others tell of a user is bounded, which is joint differential privacy (Kearns, Pai, Roth and Ullman, 2014).

A Gaussian mechanism whose noise is ``sensitivity / mu`` is mu-GDP; several compose to the root of the sum of squares,
exactly (Dong, Roth and Su, Gaussian Differential Privacy, JRSS B 2022), so the accounting here is tight and in closed
form. In terms of zero-concentrated privacy it is ``rho = mu^2 / 2`` (Bun and Steinke, TCC 2016).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import sparse
from kgrec.types import PrivateLikes

COUNTS_SHARE = 0.1
"""Share of ``mu^2`` that the counts get where the Gram matrix is released as well."""
MOST_ITEMS = 10_000
"""Larger catalogues get counts alone: the noise of a Gram matrix grows with the catalogue, and so does its inverse."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What is promised of one training; trainings on the same people add up: their ``mu`` squared.

    Attributes:
        epsilon, delta: of differential privacy, for adding or removing a user.
        mu: of Gaussian differential privacy.
        rho: of zero-concentrated differential privacy.
        clip: so many likes of a user count in full.
    """

    epsilon: float
    delta: float
    mu: float
    rho: float
    clip: float

    @classmethod
    def of(cls, epsilon: float, delta: float, clip: float) -> Guarantee:
        """Return the guarantee with the least noise that is ``(epsilon, delta)``."""
        mu = mu_of(epsilon, delta)
        return cls(epsilon, delta, mu, mu * mu / 2, clip)

    def state(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def delta_of(mu: float, epsilon: float) -> float:
    """Return the least delta of a mu-GDP mechanism (Dong, Roth and Su, corollary 2.13; Balle and Wang, ICML 2018)."""
    from scipy.special import log_ndtr, ndtr

    first = float(ndtr(mu / 2 - epsilon / mu))
    return max(first - math.exp(epsilon + float(log_ndtr(-mu / 2 - epsilon / mu))), 0.0)


def mu_of(epsilon: float, delta: float) -> float:
    """Return the largest mu that is ``(epsilon, delta)``-private: bisection, rounded down."""
    low, high = 0.0, 1.0
    while delta_of(high, epsilon) < delta:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if delta_of(middle, epsilon) <= delta else (low, middle)
    return low


def release(
    matrix: csr_array, guarantee: Guarantee, rng: np.random.Generator, *, with_gram: bool = True
) -> PrivateLikes:
    """Add up users' likes with noise.

    Args:
        matrix: likes, shape ``(n_users, n_items)``; only where there are entries counts.
        guarantee: how much noise, and how much of a user counts.
        rng: of the noise; it must not be known to whom the models are not private from.
        with_gram: release the Gram matrix as well.
    """
    clip = guarantee.clip
    rows = sparse.csr(matrix.copy())
    lengths = np.diff(rows.indptr)
    scale = np.sqrt(np.minimum(1.0, clip / np.maximum(lengths, 1)))
    rows.data = np.repeat(scale, lengths).astype(np.float32)
    n_items = rows.shape[1]
    with_gram = with_gram and n_items <= MOST_ITEMS
    counts_mu = guarantee.mu * math.sqrt(COUNTS_SHARE if with_gram else 1.0)
    spread = math.sqrt(clip) / counts_mu
    counts = np.asarray(rows.sum(axis=0), dtype=np.float64).ravel() + rng.normal(0.0, spread, n_items)
    # What noise alone may reach among so many items counts as nothing (Donoho and Johnstone, Biometrika 1994).
    counts[counts < spread * math.sqrt(2 * math.log(max(n_items, 2)))] = 0
    if not with_gram:
        return PrivateLikes(counts, None)
    gram_mu = guarantee.mu * math.sqrt(1 - COUNTS_SHARE)
    # A row of k entries s has k (k + 1) / 2 products s^2 on and above the diagonal, with k s^2 <= clip and s <= 1.
    sigma = math.sqrt((clip * clip + clip) / 2) / gram_mu
    gram = np.zeros((n_items, n_items), dtype=np.float64)
    for block, product in sparse.gram_blocks(rows):
        gram[block] += product.toarray()
    drawn = np.triu(rng.normal(0.0, sigma, gram.shape))
    gram += drawn + np.triu(drawn, 1).T
    return PrivateLikes(counts, denoised(gram, sigma))


def denoised(gram: NDArray[np.float64], sigma: float) -> NDArray[np.float32]:
    """Shrink the eigenvalues of a matrix with symmetric noise; those within the noise become 0.

    Noise alone has eigenvalues up to ``e = 2 sigma sqrt(n)`` (Wigner); one of the signal that is seen as ``y`` is put
    at ``sqrt(y^2 - e^2)``, the best in squared error (Gavish and Donoho, IEEE Trans. Inf. Theory 2017).
    """
    edge = 2 * sigma * math.sqrt(len(gram))
    values, vectors = np.linalg.eigh(gram)
    kept = values > edge * (1 + 2 * len(gram) ** (-2 / 3))  # the largest of noise alone varies that much (Tracy-Widom)
    found = vectors[:, kept]
    return np.asarray((found * np.sqrt(values[kept] ** 2 - edge**2)) @ found.T, dtype=np.float32)

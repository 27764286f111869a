"""How good the paths of explanations are.

Balloccu, Boratto, Fenu, Marras: *Post Processing Recommender Systems with Knowledge Graphs for Recency, Popularity, and
Diversity of Explanations*, SIGIR 2022; the figures of the hopwise library. All lie in [0, 1], higher is better.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

BETA = 0.3
"""Weight of the newest value in the moving averages."""


def linking_recency(times: NDArray[np.integer], *, beta: float = BETA) -> NDArray[np.float64]:
    """Return how recent each interaction of a user is (LIR).

    Over the interactions in the order of time ``LIR_i = (1 - beta) LIR_{i-1} + beta t_i``, scaled to ``[0, 1]``.

    Args:
        times: unix seconds, shape ``(e,)``, in any order.
        beta: weight of the newest.

    Returns:
        Shape ``(e,)``, in the order given; 1 throughout where all times are equal.
    """
    return _smoothed(np.asarray(times, dtype=np.float64), beta)


def entity_popularity(degrees: NDArray[np.integer], *, beta: float = BETA) -> NDArray[np.float64]:
    """Return how well known each entity is (SEP): the moving average of the degrees in rising order, in ``[0, 1]``.

    Args:
        degrees: edges of each entity of one kind, shape ``(n,)``.
        beta: weight of the next.
    """
    return _smoothed(np.asarray(degrees, dtype=np.float64), beta)


def _smoothed(values: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    from scipy.signal import lfilter

    if not len(values):
        return values
    distinct, place = np.unique(values, return_inverse=True)
    span = distinct[-1] - distinct[0]
    if not span:
        return np.ones(len(values))
    scaled = (distinct - distinct[0]) / span
    average = lfilter([beta], [1.0, beta - 1.0], scaled, zi=np.zeros(1))[0]  # starts from the first, which is 0
    return np.asarray((average / average[-1])[place], dtype=np.float64)


def fidelity(explained: Sequence[bool]) -> float:
    """Return the share of recommended items that have a path; NaN without items."""
    return float(np.mean(explained)) if len(explained) else float("nan")


def type_diversity(kinds: Collection[tuple[str, ...]]) -> float:
    """Return the number of distinct path types over the number of paths (PTD); NaN without paths.

    Args:
        kinds: the relations of the path shown for each item of a list.
    """
    return len(set(kinds)) / len(kinds) if kinds else float("nan")

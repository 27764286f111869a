"""From shares of a score by entity to what is told of them: the strongest entities, each value once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kgrec.plugin.protocols import EntityContribution

MOST = 10
"""Entities that are told of each item; what comes through others stays where it is."""

MOST_NUMBERS = 1 << 23
"""A model keeps at most so many numbers for this (32 MiB): they are read with it, whether or not somebody asks why."""


def strongest(
    sources: NDArray[np.int64], entities: NDArray[np.int64], values: NDArray[np.float64]
) -> list[EntityContribution]:
    """Return the shares of the :data:`MOST` entities with the largest sums, one for each source and entity.

    Args:
        sources: of each share, see :class:`EntityContribution`, shape ``(e,)``; a pair may stand there several times.
        entities: node of the graph of each, same shape.
        values: same shape.
    """
    found, place = np.unique(entities, return_inverse=True)
    total = np.bincount(place, weights=values, minlength=len(found))
    kept = np.zeros(len(found), dtype=np.bool_)
    kept[np.argsort(-np.abs(total), kind="stable")[:MOST]] = True
    told = kept[place]
    pairs, which = np.unique(np.stack([sources, entities])[:, told], axis=1, return_inverse=True)
    sums = np.bincount(which, weights=values[told], minlength=pairs.shape[1])
    return [
        EntityContribution(int(source), int(entity), float(value))
        for source, entity, value in zip(*pairs, sums, strict=True)
        if value
    ]

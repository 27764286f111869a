"""Scores of one user in outline: products of long vectors cut short, made exact where the list is decided.

Most of the spread of a product lies in few directions, those of the largest eigenvalues of the items' Gram matrix. The
products along these say nearly how high each item stands; the items that may stand in the list are then
multiplied out. How far the outline was off for them says how far it may be off for the others: where an item that was
left out could still belong to the list, more are multiplied out, in the end all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDE = 128
"""Vectors of so many numbers are cut short, and not copied to stand beside others."""

DIRECTIONS = 64
"""To so many numbers."""

ENOUGH = 4_000_000
"""Numbers of long vectors from which on this is quicker than multiplying all."""

FIRST, MORE = 512, 4
"""Items that are multiplied out at first, about, and how many times as many the next time."""

MARGIN = 6.0
"""Standard deviations of what the outline is off by, beyond which nothing is expected."""

STRIDE = 8
"""Of so many scores one is looked at where about how many are above which is asked."""

Block = tuple[slice, NDArray[np.float32]]
"""Columns of all products that are multiplied at once, and the items' vectors."""

Standing = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Scores of all items -> by what a list is decided, -inf for what may not stand in it; shapes ``(n_items,)``."""


def multiply(blocks: Sequence[Block], left: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Write the sum of products into ``out`` of shape ``(u, n_items)``.

    Args:
        blocks: the items' vectors.
        left: of users, side by side, shape ``(u, k)``.
        out: contiguous.
    """
    if not blocks:
        out[:] = 0
    for place, (columns, items) in enumerate(blocks):
        own = np.ascontiguousarray(left[:, columns])
        if place == 0:
            np.dot(own, items.T, out=out)
        elif own.any():
            out += own @ items.T


@dataclass(frozen=True)
class Outline:
    """Long vectors of the items, cut short.

    Attributes:
        turns: columns of the users' vectors, and the directions that are kept, shapes ``(k, DIRECTIONS)``.
        rough: the items' vectors of all products, cut short where they are long, shape ``(n_items, r)``.
        blocks: the vectors themselves.
    """

    turns: tuple[tuple[slice, NDArray[np.float32] | None], ...]
    rough: NDArray[np.float32]
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> Outline | None:
        """Cut vectors short; None where multiplying all is as quick."""
        if sum(items.size for _, items in blocks if items.shape[1] >= WIDE) < ENOUGH:
            return None
        turns: list[tuple[slice, NDArray[np.float32] | None]] = []
        parts = []
        for columns, items in blocks:
            turn = None
            if items.shape[1] >= WIDE:
                turn = np.linalg.eigh(items.T @ items)[1][:, -DIRECTIONS:].astype(np.float32)
            turns.append((columns, turn))
            parts.append(items if turn is None else items @ turn)
        return cls(tuple(turns), np.concatenate(parts, axis=1), tuple(blocks))

    def draw(self, left: NDArray[np.float32], out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Write rough products into ``out`` of shape ``(1, n_items)``; return what :meth:`sharpen` notes."""
        np.dot(self._short(left)[None], self.rough.T, out=out)
        return np.full(len(self.rough), np.nan, dtype=np.float32)

    def sharpen(
        self, left: NDArray[np.float32], out: NDArray[np.float32], off: NDArray[np.float32], n: int, standing: Standing
    ) -> None:
        """Make the scores of all items exact that may be among the best ``n``.

        Args:
            left: the user's vectors, shape ``(1, k)``.
            out: scores with rough products, shape ``(1, n_items)``; changed.
            off: by how much the rough scores of those that are exact by now were off, else NaN; changed.
            n: length of the list.
            standing: by what it is decided.
        """
        count = max(FIRST, 8 * n)
        while count < len(off) // MORE:
            now = standing(out[0])
            bound = _about(now, count)
            items = np.flatnonzero(now > bound)
            self._multiply_out(left, out, off, items[np.isnan(off[items])])
            exact, known = standing(out[0])[items], off[~np.isnan(off)]
            spread = np.sqrt(np.mean(np.square(known))) if len(known) else 0.0
            if bound == -np.inf or (len(exact) > n and np.partition(exact, -n)[-n] > bound + MARGIN * spread):
                return
            count *= MORE
        self._multiply_out(left, out, off, slice(None))

    def _multiply_out(
        self,
        left: NDArray[np.float32],
        out: NDArray[np.float32],
        off: NDArray[np.float32],
        items: NDArray[np.int64] | slice,
    ) -> None:
        short, at = self._short(left), 0
        moved = np.zeros(len(off[items]), dtype=np.float32)
        for (columns, turn), (_, vectors) in zip(self.turns, self.blocks, strict=True):
            width = vectors.shape[1] if turn is None else turn.shape[1]
            if turn is not None:
                moved += vectors[items] @ left[0, columns]
                moved -= self.rough[items, at : at + width] @ short[at : at + width]
            at += width
        fresh = np.isnan(off[items])
        out[0, items] += np.where(fresh, moved, 0)
        off[items] = np.where(fresh, moved, off[items])

    def _short(self, left: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a user's vectors cut short, shape ``(r,)``."""
        return np.concatenate(
            [left[0, columns] if turn is None else left[0, columns] @ turn for columns, turn in self.turns]
        )


def _about(scores: NDArray[np.float32], count: int) -> np.float32:
    """Return what about ``count`` scores are above, from a sample: items are numbered at random."""
    sample = scores[::STRIDE]
    place = count // STRIDE
    return np.float32(np.partition(sample, -place)[-place])

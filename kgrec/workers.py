"""Work cut into blocks, done here or by workers elsewhere, without knowing which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

S = TypeVar("S")
B = TypeVar("B")
R = TypeVar("R")


class Workers(Protocol):
    """Who works on blocks.

    Attributes:
        count: blocks that are worked on at the same time.
    """

    @property
    def count(self) -> int:
        """Blocks that are worked on at the same time."""
        ...

    def map(
        self,
        work: Callable[[S, B], R],
        shared: S,
        blocks: Iterable[B],
        *,
        reopen: Callable[[], S] | None = None,
    ) -> Iterator[R]:
        """Yield ``work(shared, block)`` of each block, in their order; blocks are taken as there is room for results.

        Args:
            work: a function of a module, without effects but its result: a block whose worker dies is done again.
            shared: what all blocks need; each worker gets it once.
            blocks: the work.
            reopen: makes ``shared`` at a worker, where it is too large to be sent or cannot be; None: it is sent.
        """
        ...


class InProcess:
    """Works here, one block after the other."""

    count = 1

    def map(
        self,
        work: Callable[[S, B], R],
        shared: S,
        blocks: Iterable[B],
        *,
        reopen: Callable[[], S] | None = None,  # noqa: ARG002
    ) -> Iterator[R]:
        """Yield ``work(shared, block)`` of each block."""
        return (work(shared, block) for block in blocks)


HERE: Workers = InProcess()
"""This process."""


def told(description: str, workers: Workers) -> str:
    """Return what a piece of work is called, with the number of workers where there are several."""
    return description if workers.count == 1 else f"{description} ({workers.count} workers)"

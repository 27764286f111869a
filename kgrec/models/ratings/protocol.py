"""What a predictor of ratings must be able to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kgrec.models.ratings.table import Ratings
    from kgrec.types import ItemIndices, UserIndices


@runtime_checkable
class RatingPredictor(Protocol):
    """Foretells the rating that a user would give an item."""

    def fit(self, ratings: Ratings, *, seed: int) -> Self:
        """Learn; the same ratings and seed give the same predictions, global random state is untouched."""
        ...

    def predict(self, users: UserIndices, items: ItemIndices) -> NDArray[np.float32]:
        """Predict the rating of each pair, both of shape ``(p,)`` -> float32 ``(p,)``, within the scale, never NaN.

        Somebody who rated nothing, and an item without ratings, get what is right on average.
        """
        ...

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return all that ``predict`` needs, as arrays."""
        ...

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Become the predictor whose ``state`` this is."""
        ...

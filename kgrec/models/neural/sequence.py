"""Sequence: a small transformer over the order of a history. Scores and loads without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.models import options, recency
from kgrec.models.neural.scorer import Floats, NeuralScorer
from kgrec.models.neural.windows import EMPTY, latest
from kgrec.types import ItemIndices, Profile, TrainingData, UserIndices

if TYPE_CHECKING:
    from kgrec.models.training_loop import TrainingState

BLOCK = 512
"""Histories that are read at once when all users' vectors are made."""
LAYER = ("query", "key", "value", "merge", "norm", "norm_bias", "second_norm", "second_norm_bias")
FORWARD = ("inner", "inner_bias", "outer", "outer_bias")


class Sequence(NeuralScorer):
    """Predicts the next item from the order of the latest ones by self-attention.

    A causal transformer of ``n_layers`` blocks (attention, then a layer of ``4 * size`` units) over the latest
    ``window`` items; the score is the product of its last output and the item's vector: SASRec (Kang and McAuley,
    Self-Attentive Sequential Recommendation, ICDM 2018). Trained by a softmax over the catalogue instead of one
    negative an item, which is most of what separates it from its successors (Klenitskiy and Vasilev, Turning Dross into
    Gold Loss: is BERT4Rec really better than SASRec?, RecSys 2023; Petrov and Macdonald, gSASRec, RecSys 2023).

    Deviations: an item's vector is its own plus a projection of its centred text, which starts at the principal
    directions of the texts, so that texts speak from the first step on (as in UniSRec, Hou et al., KDD 2022);
    normalisation stands before the layers; every item counts once, where it was touched last.

    Args:
        size: length of a vector.
        n_layers: blocks.
        n_heads: attention heads; divides ``size``.
        window: latest items of a history that are looked at.
        dropout: share of the inputs and of what the layers give that is hidden in a step.
        use_text: whether text vectors are used.
        epochs: see :class:`kgrec.models.neural.scorer.NeuralScorer`, as for the options below.
        patience: in epochs.
        learning_rate: of Adam.
        batch_size: windows in a step.
        threads: for this training.
    """

    def __init__(
        self,
        *,
        size: int = 64,
        n_layers: int = 2,
        n_heads: int = 2,
        window: int = 50,
        dropout: float = 0.3,
        use_text: bool = True,
        epochs: int = 40,
        patience: int = 3,
        learning_rate: float = 0.002,
        batch_size: int = 256,
        threads: int | None = None,
    ) -> None:
        super().__init__(
            epochs=epochs, patience=patience, learning_rate=learning_rate, batch_size=batch_size, threads=threads
        )
        self.size = options.integer("size", size, low=2)
        self.n_layers = options.integer("n_layers", n_layers, low=1)
        self.n_heads = options.integer("n_heads", n_heads, low=1)
        if self.size % self.n_heads:
            raise ValueError(f"n_heads must divide size ({self.size}), not be {n_heads!r}")
        self.window = options.integer("window", window, low=2)
        self.dropout = options.number("dropout", dropout, low=0, high=0.95)
        self.use_text = bool(use_text)

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to go by, or nothing."""
        return "" if data.events.times is not None else "the interactions have no times"

    def _train(self, data: TrainingData, seed: int) -> tuple[TrainingState, dict[str, NDArray[Any]]]:
        from kgrec.models.neural.sequence_training import fit_sequence

        steps = recency.steps_back(data.events, data.matrix)
        reached, state = fit_sequence(self, self._history.matrix, steps, data, seed)
        state["n_heads"] = np.array([self.n_heads])
        rows = latest(self._history.matrix, steps, self.window)
        blocks = [encode(state, rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK)]
        state["users"] = np.concatenate(blocks) if blocks else np.zeros((0, self.size), dtype=np.float32)
        return reached, state

    def _of_users(self, users: UserIndices) -> Floats:
        vectors = self._state["users"]
        found = np.zeros((len(users), vectors.shape[1]), dtype=np.float32)
        known = users < len(vectors)
        found[known] = vectors[users[known]]
        return found

    def _of_profile(self, profile: Profile) -> Floats:
        """Read the items of the profile in their order."""
        return encode(self._state, self._row(profile.items))

    def _row(self, items: ItemIndices) -> NDArray[np.int64]:
        items = items[items < len(self._state["items"])]
        last = np.unique(items[::-1], return_index=True)[1]  # how far from the end each stands for the last time
        window = len(self._state["positions"])
        kept = items[::-1][np.sort(last)[:window]][::-1]
        row = np.full((1, window), EMPTY, dtype=np.int64)
        row[0, window - len(kept) :] = kept
        return row


def encode(state: dict[str, NDArray[Any]], rows: NDArray[np.int64]) -> Floats:
    """Return the transformer's last output -> ``(u, d)``; zeros for histories without a known item.

    Args:
        state: weights; ``layer.<number>.<name>`` for the blocks.
        rows: latest items, the latest in the last column, ``EMPTY`` where there is none, shape ``(u, l)``.
    """
    width = int((rows != EMPTY).sum(axis=1).max(initial=1))  # nobody needs the columns on the left that are all empty
    rows = rows[:, -width:]
    known = (rows != EMPTY) & state["items"][rows].any(axis=2)
    found, places = state["items"][rows], state["positions"][-width:]
    x = (found * np.float32(np.sqrt(found.shape[2])) + places) * known[..., None]
    # Each place looks at earlier known ones and at itself, so that empty places divide by something.
    open_ = np.tri(width, dtype=np.bool_) & (known[:, None, :] | np.eye(width, dtype=np.bool_))
    number = 0
    while f"layer.{number}.query" in state:
        layer = {name: state[f"layer.{number}.{name}"] for name in (*LAYER, *FORWARD)}
        normed = _norm(x, layer["norm"], layer["norm_bias"])
        x = x + _attention(layer, normed, open_, int(state["n_heads"][0])) @ layer["merge"]
        normed = _norm(x, layer["second_norm"], layer["second_norm_bias"])
        inner = np.maximum(normed @ layer["inner"] + layer["inner_bias"], 0)
        x = x + inner @ layer["outer"] + layer["outer_bias"]
        number += 1
    last = _norm(x[:, -1], state["norm"], state["norm_bias"])
    last[~known.any(axis=1)] = 0
    return np.asarray(last, dtype=np.float32)


def _attention(layer: dict[str, Floats], x: Floats, open_: NDArray[np.bool_], n_heads: int) -> Floats:
    """Return what the heads gather, side by side, shape ``(u, l, d)``."""

    def heads(weights: Floats) -> Floats:
        split = (x @ weights).reshape(*x.shape[:2], n_heads, -1)
        return split.transpose(0, 2, 1, 3)  # (u, h, l, d / h)

    query, key, value = (heads(layer[name]) for name in ("query", "key", "value"))
    weights = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(query.shape[3]))
    weights = np.where(open_[:, None], weights, np.float32(-np.inf))
    weights = np.exp(weights - weights.max(axis=3, keepdims=True))
    gathered = (weights / weights.sum(axis=3, keepdims=True)) @ value
    return np.asarray(gathered.transpose(0, 2, 1, 3).reshape(x.shape), dtype=np.float32)


def _norm(x: Floats, scale: Floats, bias: Floats) -> Floats:
    """Normalise the last axis (Ba, Kiros and Hinton, Layer Normalization, 2016)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(1e-5)) * scale + bias, dtype=np.float32)

"""Sequence: a small transformer over the order of a history. Scores and loads without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.sparse import csr_array

from kgrec.models import neural, recency
from kgrec.models.features import centred, principal_axes
from kgrec.models.neural import (
    EMPTY,
    CandidateSampler,
    Floats,
    Likes,
    NeuralOptions,
    NeuralScorer,
    choice_loss,
    ordered_likes,
    parameters,
    windows,
)
from kgrec.models.training_loop import AdamTraining, Arrays, TrainingState
from kgrec.types import ItemIndices, Profile, TrainingData, UserIndices

if TYPE_CHECKING:
    from torch import Tensor

    from kgrec.models.validation import Validation

T = TypeVar("T")

BLOCK = 512
"""Histories that are read at once when all users' vectors are made."""
START = 0.02
"""Deviation of what is drawn for weights at the start, as in BERT and GPT-2."""


class SequenceOptions(NeuralOptions):
    """Options of ``[scorers.sequence]``."""

    size: int = Field(64, ge=2, description="length of a vector")
    n_layers: int = Field(2, ge=1, description="blocks of the transformer")
    n_heads: int = Field(2, ge=1, description="attention heads; divides size")
    window: int = Field(50, ge=2, description="latest items of a history that are looked at")
    dropout: neural.Dropout = 0.3
    use_text: bool = Field(True, description="whether text vectors are used")
    patience: neural.Patience = 3
    learning_rate: neural.LearningRate = 0.002
    batch_size: neural.BatchSize = 256

    @model_validator(mode="after")
    def _heads_divide_size(self) -> SequenceOptions:
        if self.size % self.n_heads:
            raise ValueError(f"n_heads must divide size ({self.size}), not be {self.n_heads!r}")
        return self


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
    """

    Options = SequenceOptions
    options: SequenceOptions

    @classmethod
    def unusable(cls, data: TrainingData) -> str:
        """Say why this scorer has nothing to go by, or nothing."""
        return "" if data.events.times is not None else "the interactions have no times"

    def _train(self, data: TrainingData, seed: int) -> tuple[TrainingState, Arrays]:
        from kgrec.models.validation import Validation

        given, matrix, rng = self.options, self._history.matrix, np.random.default_rng(seed)
        steps = recency.steps_back(data.events, data.matrix)
        texts = centred(data.item_text)[0] if given.use_text and data.has_texts and data.item_text is not None else None
        liked = np.bincount(matrix.indices, minlength=data.n_items) > 0
        network = Transformer(texts, liked, given, rng, data.device)
        validation = None if data.validation is None else Validation(data.matrix, data.validation, rng)
        rows = latest(matrix, steps, given.window)
        training = SequenceTraining(network, ordered_likes(matrix, steps), rows, validation, given, seed)
        reached = self._run(training, data, seed)
        state = network.scoring_arrays()
        blocks = [encode(state, rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK)]
        state["users"] = np.concatenate(blocks) if blocks else np.zeros((0, given.size), dtype=np.float32)
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
        layer = _layer(state, number)
        normed = _norm(x, layer["norm"], layer["norm_bias"])
        x = x + _attention(layer, normed, open_, int(state["n_heads"][0])) @ layer["merge"]
        normed = _norm(x, layer["second_norm"], layer["second_norm_bias"])
        inner = np.maximum(normed @ layer["inner"] + layer["inner_bias"], 0)
        x = x + inner @ layer["outer"] + layer["outer_bias"]
        number += 1
    last = _norm(x[:, -1], state["norm"], state["norm_bias"])
    last[~known.any(axis=1)] = 0
    return np.asarray(last, dtype=np.float32)


def _layer(weights: Mapping[str, T], number: int) -> dict[str, T]:
    """Return the weights of one block, under their short names."""
    prefix = f"layer.{number}."
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


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


def latest(matrix: csr_array, steps: NDArray[np.int64] | None, length: int) -> NDArray[np.int64]:
    """Return each user's latest ``length`` items, the latest in the last column -> ``(n_users, length)``.

    Args:
        matrix: strengths, shape ``(n_users, n_items)``.
        steps: as of :func:`kgrec.models.recency.steps_back`.
        length: columns.
    """
    likes = ordered_likes(matrix, steps)
    found = np.full((matrix.shape[0], length), EMPTY, dtype=np.int64)
    back = np.repeat(matrix.indptr[1:], np.diff(matrix.indptr)) - 1 - np.arange(len(likes.users))
    kept = back < length
    found[likes.users[kept], length - 1 - back[kept]] = likes.items[kept]
    return found


class Transformer:
    """Vectors of items and places, blocks, a last normalisation, in torch.

    A block is causal self-attention and a layer of four times the size, each behind a normalisation and beside a
    shortcut.

    Args:
        texts: centred unit text vectors, shape ``(n_items, t)``, or None.
        liked: which items somebody liked: only they have a vector of their own, shape ``(n_items,)``.
        options: sizes.
        rng: draws the start.
        device: where to.
    """

    def __init__(
        self,
        texts: Floats | None,
        liked: NDArray[np.bool_],
        options: SequenceOptions,
        rng: np.random.Generator,
        device: str,
    ) -> None:
        import torch

        size, scale = options.size, 1 / math.sqrt(options.size)
        self.options = options
        own = rng.normal(0, scale, (len(liked), size)) * (START if texts is not None else 1.0)
        self.liked = torch.from_numpy(liked[:, None].astype(np.float32)).to(device)
        self.texts = None if texts is None else torch.from_numpy(texts).to(device)
        arrays: dict[str, NDArray[Any]] = {"own": own * liked[:, None]}
        if texts is not None:
            first = principal_axes(texts, size)
            arrays["project"] = np.pad(first, ((0, 0), (0, size - first.shape[1])))
        arrays |= {"positions": np.zeros((options.window, size)), "norm": np.ones(size), "norm_bias": np.zeros(size)}
        for number in range(options.n_layers):
            block = {
                **{name: rng.normal(0, scale, (size, size)) for name in ("query", "key", "value")},
                "merge": rng.normal(0, START, (size, size)),
                "norm": np.ones(size),
                "norm_bias": np.zeros(size),
                "second_norm": np.ones(size),
                "second_norm_bias": np.zeros(size),
                "inner": rng.normal(0, scale, (size, 4 * size)),
                "inner_bias": np.zeros(4 * size),
                "outer": rng.normal(0, START, (4 * size, size)),
                "outer_bias": np.zeros(size),
            }
            arrays |= {f"layer.{number}.{name}": array for name, array in block.items()}
        self.parameters = parameters(arrays, device)

    def item_vectors(self, items: Tensor | None = None) -> Tensor:
        """Return the vectors of ``items`` or of all, shape ``(i, d)``; zeros for those without likes and text."""
        chosen = slice(None) if items is None else items
        own = self.parameters["own"][chosen] * self.liked[chosen]
        return own if self.texts is None else own + self.texts[chosen] @ self.parameters["project"]

    def __call__(self, vectors: Tensor, rows: Tensor, hide: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
        """Return the output at every place, shape ``(b, l, d)``.

        Args:
            vectors: of items, shape ``(i, d)``.
            rows: their numbers in ``vectors``, ``EMPTY`` where there is no item, shape ``(b, l)``.
            hide: sets entries to 0 at random, in training.
        """
        import torch
        from torch.nn.functional import layer_norm, scaled_dot_product_attention

        net, size = self.parameters, vectors.shape[1]
        found = vectors[rows]
        known = (rows != EMPTY) & found.any(-1)
        x = hide(found * math.sqrt(size) + net["positions"][-rows.shape[1] :]) * known[..., None]
        places = torch.arange(rows.shape[1], device=rows.device)
        earlier = places[None, :] <= places[:, None]
        mask = (earlier & (known[:, None, :] | (places[None, :] == places[:, None])))[:, None]
        for number in range(self.options.n_layers):
            block = _layer(net, number)
            normed = layer_norm(x, (size,), block["norm"], block["norm_bias"])
            query, key, value = (
                (normed @ block[name]).reshape(*x.shape[:2], self.options.n_heads, -1).transpose(1, 2)
                for name in ("query", "key", "value")
            )  # (b, h, l, d / h)
            gathered = scaled_dot_product_attention(query, key, value, attn_mask=mask)
            x = x + hide(gathered.transpose(1, 2).flatten(2) @ block["merge"])
            normed = layer_norm(x, (size,), block["second_norm"], block["second_norm_bias"])
            inner = torch.relu(normed @ block["inner"] + block["inner_bias"])
            x = x + hide(inner @ block["outer"] + block["outer_bias"])
        return layer_norm(x, (size,), net["norm"], net["norm_bias"])

    def scoring_arrays(self) -> Arrays:
        """Return what :func:`encode` needs."""
        kept = (name for name in self.parameters if name not in ("own", "project"))
        state: Arrays = {name: self.parameters[name].detach().cpu().numpy() for name in kept}
        items = self.item_vectors().detach().cpu().numpy()
        return {**state, "items": items, "n_heads": np.array([self.options.n_heads])}


class SequenceTraining(AdamTraining):
    """Predicts each item of a window from those before it.

    Args:
        network: what is trained.
        likes: the training data, in order.
        rows: the users' latest items, shape ``(n_users, l)``, to validate with.
        validation: how it is judged, or None.
        options: of the scorer.
        seed: of everything drawn.
    """

    def __init__(
        self,
        network: Transformer,
        likes: Likes,
        rows: NDArray[np.int64],
        validation: Validation | None,
        options: SequenceOptions,
        seed: int,
    ) -> None:
        import torch

        device = network.liked.device
        found = windows(likes.users, options.window + 1, options.window)
        found = found[(found != EMPTY).sum(axis=1) > 1]
        found = found[:, found.shape[1] - int((found != EMPTY).sum(axis=1).max(initial=2)) :]
        n_steps = -(-len(found) // options.batch_size)
        numbers = torch.arange(len(found), device=device)
        super().__init__(network.parameters, numbers, n_steps, options.learning_rate, seed)
        self.network, self.validation, self.options = network, validation, options
        empty = found == EMPTY
        self._items = torch.from_numpy(np.where(empty, EMPTY, likes.items[found])).to(device)
        self._strengths = torch.from_numpy(np.where(empty, 0, likes.strengths[found]).astype(np.float32)).to(device)
        self._users = torch.from_numpy(rows).to(device)
        self._catalogue = CandidateSampler(np.bincount(likes.items, minlength=len(network.liked)), device)

    def _hide(self, x: Tensor) -> Tensor:
        """Set a random share of the entries to 0."""
        return self.dropped(x, self.options.dropout)

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean loss over the items of the windows ``rows`` but the first ones."""
        import torch

        held, strengths = self._items[rows], self._strengths[rows][:, 1:]
        candidates, corrections = self._catalogue.draw(self._generator)
        # Only the items that the step names are projected, under numbers of their own.
        named, numbers = torch.unique(torch.cat([held.flatten(), candidates]), return_inverse=True)
        vectors = self.network.item_vectors(named.clamp(min=0))
        items = torch.where(held == EMPTY, EMPTY, numbers[: held.numel()].view_as(held))
        candidates = numbers[held.numel() :]
        output = self.network(vectors, items[:, :-1], self._hide)
        chosen = (items[:, 1:] != EMPTY) & (items[:, :-1] != EMPTY)
        targets = items[:, 1:][chosen]
        of_candidates = (candidates, corrections, vectors[candidates])
        return choice_loss(output[chosen], targets, strengths[chosen], vectors[targets], of_candidates)

    def metric(self) -> float | None:
        """Return NDCG@20 on the held-out likes."""
        import torch

        if self.validation is None:
            return None
        vectors = self.network.item_vectors()
        users = [self.network(vectors, block)[:, -1] for block in torch.split(self._users, 512)]
        return self.validation.ndcg(torch.cat(users), vectors)

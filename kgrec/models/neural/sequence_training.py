"""The transformer of the sequence scorer and its training, in torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from kgrec.models.adam import AdamTraining
from kgrec.models.features import centred
from kgrec.models.gnn.validation import Validation
from kgrec.models.neural.catalogue import Catalogue, choice_loss
from kgrec.models.neural.fitting import train
from kgrec.models.neural.scorer import Floats
from kgrec.models.neural.sequence import FORWARD, LAYER
from kgrec.models.neural.windows import EMPTY, Likes, latest, ordered_likes, windows
from kgrec.models.training_loop import Arrays, TrainingState
from kgrec.types import TrainingData

if TYPE_CHECKING:
    from kgrec.models.neural.sequence import Sequence

START = 0.02
"""Deviation of what is drawn for weights at the start, as in BERT and GPT-2."""


class Block(nn.Module):
    """Causal self-attention and a layer of four times the size, each behind a normalisation and beside a shortcut."""

    def __init__(self, size: int, n_heads: int, rng: np.random.Generator, device: str) -> None:
        super().__init__()
        self.n_heads = n_heads

        def drawn(n_in: int, n_out: int, scale: float) -> nn.Parameter:
            return nn.Parameter(torch.from_numpy(rng.normal(0, scale, (n_in, n_out)).astype(np.float32)).to(device))

        def filled(length: int, value: float) -> nn.Parameter:
            return nn.Parameter(torch.full((length,), value, device=device))

        scale = 1 / math.sqrt(size)
        self.query, self.key, self.value = (drawn(size, size, scale) for _ in range(3))
        self.merge = drawn(size, size, START)
        self.norm, self.norm_bias = filled(size, 1.0), filled(size, 0.0)
        self.second_norm, self.second_norm_bias = filled(size, 1.0), filled(size, 0.0)
        self.inner, self.inner_bias = drawn(size, 4 * size, scale), filled(4 * size, 0.0)
        self.outer, self.outer_bias = drawn(4 * size, size, START), filled(size, 0.0)

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return what each place gathers from those that ``mask`` opens, shape ``(b, l, d)``."""
        normed = F.layer_norm(x, x.shape[-1:], self.norm, self.norm_bias)
        query, key, value = (
            (normed @ weights).reshape(*x.shape[:2], self.n_heads, -1).transpose(1, 2)
            for weights in (self.query, self.key, self.value)
        )  # (b, h, l, d / h)
        gathered = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None])
        return gathered.transpose(1, 2).flatten(2) @ self.merge

    def transform(self, x: Tensor) -> Tensor:
        """Return what the second layer adds at each place, shape ``(b, l, d)``."""
        normed = F.layer_norm(x, x.shape[-1:], self.second_norm, self.second_norm_bias)
        return torch.relu(normed @ self.inner + self.inner_bias) @ self.outer + self.outer_bias


class Transformer(nn.Module):
    """Vectors of items and places, blocks, a last normalisation.

    Args:
        texts: centred unit text vectors, shape ``(n_items, t)``, or None.
        liked: which items somebody liked: only they have a vector of their own, shape ``(n_items,)``.
        scorer: its options are read.
        rng: draws the start.
        device: where to.
    """

    def __init__(
        self,
        texts: Floats | None,
        liked: NDArray[np.bool_],
        scorer: Sequence,
        rng: np.random.Generator,
        device: str,
    ) -> None:
        super().__init__()
        size = scorer.size
        own = rng.normal(0, 1 / math.sqrt(size), (len(liked), size)) * (START if texts is not None else 1.0)
        self.own = nn.Parameter(torch.from_numpy((own * liked[:, None]).astype(np.float32)).to(device))
        self.liked = torch.from_numpy(liked[:, None].astype(np.float32)).to(device)
        self.texts = None if texts is None else torch.from_numpy(texts).to(device)
        if texts is not None:
            values, directions = np.linalg.eigh(texts.T.astype(np.float64) @ texts)
            start = np.zeros((texts.shape[1], size), dtype=np.float32)
            first = directions[:, np.argsort(-values)[:size]]
            start[:, : first.shape[1]] = first
            self.project = nn.Parameter(torch.from_numpy(start).to(device))
        self.positions = nn.Parameter(torch.zeros((scorer.window, size), device=device))
        self.blocks = nn.ModuleList(Block(size, scorer.n_heads, rng, device) for _ in range(scorer.n_layers))
        self.norm, self.norm_bias = (nn.Parameter(torch.full((size,), v, device=device)) for v in (1.0, 0.0))

    def item_vectors(self, items: Tensor | None = None) -> Tensor:
        """Return the vectors of ``items`` or of all, shape ``(i, d)``; zeros for those without likes and text."""
        chosen = slice(None) if items is None else items
        own = self.own[chosen] * self.liked[chosen]
        return own if self.texts is None else own + self.texts[chosen] @ self.project

    def forward(self, vectors: Tensor, rows: Tensor, hide: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
        """Return the output at every place, shape ``(b, l, d)``.

        Args:
            vectors: of items, shape ``(i, d)``.
            rows: their numbers in ``vectors``, ``EMPTY`` where there is no item, shape ``(b, l)``.
            hide: sets entries to 0 at random, in training.
        """
        found = vectors[rows]
        known = (rows != EMPTY) & found.any(-1)
        x = hide(found * math.sqrt(vectors.shape[1]) + self.positions[-rows.shape[1] :]) * known[..., None]
        places = torch.arange(rows.shape[1], device=rows.device)
        earlier = places[None, :] <= places[:, None]
        mask = earlier & (known[:, None, :] | (places[None, :] == places[:, None]))
        for block in self.blocks:
            assert isinstance(block, Block)
            x = x + hide(block.attend(x, mask))
            x = x + hide(block.transform(x))
        return F.layer_norm(x, x.shape[-1:], self.norm, self.norm_bias)


class SequenceTraining(AdamTraining):
    """Predicts each item of a window from those before it.

    Args:
        network: what is trained.
        likes: the training data, in order.
        rows: the users' latest items, shape ``(n_users, l)``, to judge with.
        validation: how it is judged, or None.
        scorer: its options are read.
        seed: of everything drawn.
    """

    def __init__(
        self,
        network: Transformer,
        likes: Likes,
        rows: NDArray[np.int64],
        validation: Validation | None,
        scorer: Sequence,
        seed: int,
    ) -> None:
        device = network.positions.device
        found = windows(likes.users, scorer.window + 1, scorer.window)
        found = found[(found != EMPTY).sum(axis=1) > 1]
        found = found[:, found.shape[1] - int((found != EMPTY).sum(axis=1).max(initial=2)) :]
        n_steps = -(-len(found) // scorer.batch_size)
        super().__init__(network, torch.arange(len(found), device=device), n_steps, scorer.learning_rate, seed)
        self.network, self.validation, self.options = network, validation, scorer
        empty = found == EMPTY
        self._items = torch.from_numpy(np.where(empty, EMPTY, likes.items[found])).to(device)
        self._strengths = torch.from_numpy(np.where(empty, 0, likes.strengths[found]).astype(np.float32)).to(device)
        self._users = torch.from_numpy(rows).to(device)
        self._catalogue = Catalogue(np.bincount(likes.items, minlength=len(network.own)), str(device))

    def _hide(self, x: Tensor) -> Tensor:
        """Set a random share of the entries to 0."""
        return self.dropped(x, self.options.dropout)

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean loss over the items of the windows ``rows`` but the first ones."""
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

    @torch.no_grad()
    def validate(self) -> float | None:
        """Return NDCG@20 on the held-out likes."""
        if self.validation is None:
            return None
        vectors = self.network.item_vectors()
        users = [self.network(vectors, block)[:, -1] for block in torch.split(self._users, 512)]
        return self.validation.ndcg(torch.cat(users), vectors)


def fit_sequence(
    scorer: Sequence, matrix: csr_array, steps: NDArray[np.int64] | None, data: TrainingData, seed: int
) -> tuple[TrainingState, Arrays]:
    """Train on ``data`` and return how it went and the arrays that scoring needs.

    Args:
        scorer: its options are read.
        matrix: strengths of the likes, shape ``(n_users, n_items)``.
        steps: how many items came since, aligned with ``matrix.data``, or None: items then count in any order.
        data: texts and validation are read.
        seed: of everything drawn.
    """
    rng = np.random.default_rng(seed)
    use_text = scorer.use_text and data.item_text is not None and bool(data.item_text.any())
    texts = centred(data.item_text)[0] if use_text and data.item_text is not None else None
    liked = np.bincount(matrix.indices, minlength=data.n_items) > 0
    network = Transformer(texts, liked, scorer, rng, data.device)
    validation = None if data.validation is None else Validation(data.matrix, data.validation, rng)
    rows = latest(matrix, steps, scorer.window)
    training = SequenceTraining(network, ordered_likes(matrix, steps), rows, validation, scorer, seed)
    reached = train(scorer, training, data, seed)
    return reached, _state(network)


@torch.no_grad()
def _state(network: Transformer) -> Arrays:
    state: Arrays = {"items": network.item_vectors().cpu().numpy()}
    state |= {name: getattr(network, name).cpu().numpy() for name in ("positions", "norm", "norm_bias")}
    for number, block in enumerate(network.blocks):
        state |= {f"layer.{number}.{name}": getattr(block, name).cpu().numpy() for name in (*LAYER, *FORWARD)}
    return state

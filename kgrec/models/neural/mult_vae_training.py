"""The network of Mult-VAE and its training, in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor, nn

from kgrec.models.adam import AdamTraining
from kgrec.models.gnn.validation import Validation
from kgrec.models.neural.fitting import train
from kgrec.models.neural.mult_vae import unit_length
from kgrec.models.training_loop import Arrays, TrainingState
from kgrec.types import TrainingData

if TYPE_CHECKING:
    from kgrec.models.neural.mult_vae import MultVAE


class Autoencoder(nn.Module):
    """Encoder and decoder with one hidden layer each, started as by Glorot and Bengio (AISTATS 2010).

    Args:
        n_items: number of items.
        hidden: length of the hidden layers.
        latent: length of the latent vector.
        rng: draws the start.
        device: where to.
    """

    def __init__(self, n_items: int, hidden: int, latent: int, rng: np.random.Generator, device: str) -> None:
        super().__init__()

        def drawn(n_in: int, n_out: int) -> nn.Parameter:
            values = rng.normal(0, np.sqrt(2 / (n_in + n_out)), (n_in, n_out)).astype(np.float32)
            return nn.Parameter(torch.from_numpy(values).to(device))

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(shape, device=device))

        self.encoder, self.encoder_bias = drawn(n_items, hidden), zeros(hidden)
        self.mean, self.mean_bias = drawn(hidden, latent), zeros(latent)
        self.spread, self.spread_bias = drawn(hidden, latent), zeros(latent)
        self.decoder, self.decoder_bias = drawn(latent, hidden), zeros(hidden)
        self.items, self.items_bias = drawn(n_items, hidden), zeros(n_items)

    def encode(self, items: Tensor, weights: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the latent vectors, shapes ``(b, latent)``.

        Args:
            items: the histories one after the other, shape ``(l,)``.
            weights: of the likes, shape ``(l,)``.
            offsets: where each history starts, shape ``(b,)``.
        """
        sums = F.embedding_bag(items, self.encoder, offsets, mode="sum", per_sample_weights=weights)
        hidden = torch.tanh(sums + self.encoder_bias)
        return hidden @ self.mean + self.mean_bias, hidden @ self.spread + self.spread_bias

    def decode(self, latent: Tensor) -> Tensor:
        """Return the last hidden layer, shape ``(b, hidden)``."""
        return torch.tanh(latent @ self.decoder + self.decoder_bias)


class MultVAETraining(AdamTraining):
    """Training by the evidence lower bound with an annealed KL term.

    Args:
        network: what is trained.
        matrix: strengths of the likes, shape ``(n_users, n_items)``.
        validation: how it is judged, or None.
        scorer: its options are read.
        seed: of everything drawn.
    """

    def __init__(
        self, network: Autoencoder, matrix: csr_array, validation: Validation | None, scorer: MultVAE, seed: int
    ) -> None:
        device = network.items.device
        users = torch.from_numpy(np.flatnonzero(np.diff(matrix.indptr))).to(device)
        super().__init__(network, users, -(-len(users) // scorer.batch_size), scorer.learning_rate, seed)
        self.network, self.validation, self.options = network, validation, scorer
        self._indptr = torch.from_numpy(matrix.indptr.astype(np.int64)).to(device)
        self._items = torch.from_numpy(matrix.indices.astype(np.int64)).to(device)
        self._strengths = torch.from_numpy(matrix.data).to(device)
        self._inputs = torch.from_numpy(unit_length(matrix).data).to(device)
        self._liked, self._places = torch.unique(self._items, return_inverse=True)

    def loss(self, rows: Tensor) -> Tensor:
        """Return the negative bound of the users ``rows``, in the mean over them."""
        counts = self._indptr[rows + 1] - self._indptr[rows]
        offsets = counts.cumsum(0) - counts
        starts = torch.repeat_interleave(self._indptr[rows] - offsets, counts)
        entries = starts + torch.arange(len(starts), device=self.device)
        inputs = self.dropped(self._inputs[entries], self.options.dropout)
        mean, log_variance = self.network.encode(self._items[entries], inputs, offsets)
        noise = torch.randn(mean.shape, generator=self._generator, device=self.device)
        hidden = self.network.decode(mean + noise * torch.exp(0.5 * log_variance))
        logits = hidden @ self.network.items[self._liked].T + self.network.items_bias[self._liked]
        owners = torch.repeat_interleave(torch.arange(len(rows), device=self.device), counts)
        chosen = torch.log_softmax(logits, 1)[owners, self._places[entries]]
        misfit = -(chosen * self._strengths[entries]).sum()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        beta = self.options.beta * min(1.0, self.steps_done / self.options.anneal_steps)
        return (misfit + beta * divergence) / len(rows)

    @torch.no_grad()
    def validate(self) -> float | None:
        """Return NDCG@20 on the held-out likes."""
        if self.validation is None:
            return None
        mean, _ = self.network.encode(self._items, self._inputs, self._indptr[:-1])
        hidden = self.network.decode(mean)
        ones = torch.ones((len(hidden), 1), device=self.device)
        return self.validation.ndcg(torch.cat([hidden, ones], 1), self.item_vectors())

    def item_vectors(self) -> Tensor:
        """Return what the items' scores are products with, shape ``(n_items, hidden + 1)``; zeros for unliked ones."""
        vectors = torch.cat([self.network.items, self.network.items_bias[:, None]], 1)
        known = torch.zeros((len(vectors), 1), device=self.device)
        known[self._liked] = 1
        return vectors * known


def fit_vae(scorer: MultVAE, matrix: csr_array, data: TrainingData, seed: int) -> tuple[TrainingState, Arrays]:
    """Train on ``data`` and return how it went and the arrays that scoring needs."""
    rng = np.random.default_rng(seed)
    network = Autoencoder(data.n_items, scorer.hidden_size, scorer.latent_size, rng, data.device)
    validation = None if data.validation is None else Validation(data.matrix, data.validation, rng)
    training = MultVAETraining(network, matrix, validation, scorer, seed)
    reached = train(scorer, training, data, seed)
    names = ("encoder", "encoder_bias", "mean", "mean_bias", "decoder", "decoder_bias")
    state = {name: getattr(network, name).detach().cpu().numpy() for name in names}
    with torch.no_grad():
        state["items"] = training.item_vectors().cpu().numpy()
    return reached, state

"""Mult-VAE: a variational autoencoder with a multinomial likelihood. Scores and loads without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from kgrec.models import neural
from kgrec.models.neural import Floats, NeuralOptions, NeuralScorer, parameters, with_ones
from kgrec.models.sparse import unit_length
from kgrec.models.training_loop import AdamTraining, Arrays, TrainingState
from kgrec.types import Profile, TrainingData, UserIndices

if TYPE_CHECKING:
    from torch import Tensor

    from kgrec.models.validation import Validation


class MultVAEOptions(NeuralOptions):
    """Options of ``[scorers.mult-vae]``."""

    hidden_size: neural.HiddenSize = 256
    latent_size: int = Field(64, ge=1, description="length of the latent vector")
    dropout: neural.Dropout = 0.7
    beta: float = Field(0.2, ge=0, description="weight of the KL term at the end")
    anneal_steps: int = Field(200, ge=1, description="steps in which beta grows to it")
    epochs: neural.Epochs = 100
    patience: neural.Patience = 10
    learning_rate: neural.LearningRate = 0.003
    batch_size: neural.BatchSize = 128


class MultVAE(NeuralScorer):
    """Encodes a history into mean and variance of a latent vector, and decodes that into a choice among all items.

    Trained by ``sum_i x_ui log softmax(f(z_u))_i - beta KL(q(z_u | x_u) | N(0, 1))`` with dropout on the input and a
    ``beta`` that grows from 0 (Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018). Scores
    are those of the mean, so somebody new is scored from the history alone, by the same weights.

    Deviation: likes count by their strength.
    """

    Options = MultVAEOptions
    options: MultVAEOptions

    def _train(self, data: TrainingData, seed: int) -> tuple[TrainingState, Arrays]:
        from kgrec.models.validation import Validation

        rng = np.random.default_rng(seed)
        network = parameters(_start(data.n_items, self.options, rng), data.device)
        validation = None if data.validation is None else Validation(data.matrix, data.validation, rng)
        training = MultVAETraining(network, self._history.matrix, validation, self.options, seed)
        reached = self._run(training, data, seed)
        names = ("encoder", "encoder_bias", "mean", "mean_bias", "decoder", "decoder_bias")
        state = {name: network[name].detach().cpu().numpy() for name in names}
        return reached, {**state, "items": training.item_vectors().detach().cpu().numpy()}

    def _of_users(self, users: UserIndices) -> Floats:
        return self._vectors(self._history.rows(users))

    def _of_profile(self, profile: Profile) -> Floats:
        return self._vectors(self._history.new(profile))

    def _vectors(self, rows: csr_array) -> Floats:
        """Return the last hidden layer and a 1 for the items' biases, shape ``(u, hidden_size + 1)``."""
        state = self._state
        hidden = np.tanh(unit_length(rows) @ state["encoder"] + state["encoder_bias"])
        latent = hidden @ state["mean"] + state["mean_bias"]
        decoded = np.tanh(latent @ state["decoder"] + state["decoder_bias"])
        vectors = np.column_stack([decoded, np.ones(len(decoded))]).astype(np.float32)
        vectors[np.diff(rows.indptr) == 0] = 0
        return vectors


def _start(n_items: int, options: MultVAEOptions, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Return encoder and decoder with one hidden layer each, started as by Glorot and Bengio (AISTATS 2010)."""
    hidden, latent = options.hidden_size, options.latent_size

    def drawn(n_in: int, n_out: int) -> NDArray[np.float64]:
        return rng.normal(0, np.sqrt(2 / (n_in + n_out)), (n_in, n_out))

    return {
        "encoder": drawn(n_items, hidden),
        "encoder_bias": np.zeros(hidden),
        "mean": drawn(hidden, latent),
        "mean_bias": np.zeros(latent),
        "spread": drawn(hidden, latent),
        "spread_bias": np.zeros(latent),
        "decoder": drawn(latent, hidden),
        "decoder_bias": np.zeros(hidden),
        "items": drawn(n_items, hidden),
        "items_bias": np.zeros(n_items),
    }


class MultVAETraining(AdamTraining):
    """Training by the evidence lower bound with an annealed KL term.

    Args:
        network: the parameters of :func:`_start`.
        matrix: strengths of the likes, shape ``(n_users, n_items)``.
        validation: how it is judged, or None.
        options: of the scorer.
        seed: of everything drawn.
    """

    def __init__(
        self,
        network: dict[str, Tensor],
        matrix: csr_array,
        validation: Validation | None,
        options: MultVAEOptions,
        seed: int,
    ) -> None:
        import torch

        device = network["items"].device
        users = torch.from_numpy(np.flatnonzero(np.diff(matrix.indptr))).to(device)
        super().__init__(network, users, -(-len(users) // options.batch_size), options.learning_rate, seed)
        self.network, self.validation, self.options = network, validation, options
        self._indptr = torch.from_numpy(matrix.indptr.astype(np.int64)).to(device)
        self._items = torch.from_numpy(matrix.indices.astype(np.int64)).to(device)
        self._strengths = torch.from_numpy(matrix.data).to(device)
        self._inputs = torch.from_numpy(unit_length(matrix).data).to(device)
        self._liked, self._places = torch.unique(self._items, return_inverse=True)

    def loss(self, rows: Tensor) -> Tensor:
        """Return the negative bound of the users ``rows``, in the mean over them."""
        import torch

        net = self.network
        counts = self._indptr[rows + 1] - self._indptr[rows]
        offsets = counts.cumsum(0) - counts
        starts = torch.repeat_interleave(self._indptr[rows] - offsets, counts)
        entries = starts + torch.arange(len(starts), device=self.device)
        inputs = self.dropped(self._inputs[entries], self.options.dropout)
        mean, log_variance = self.encode(self._items[entries], inputs, offsets)
        noise = torch.randn(mean.shape, generator=self._generator, device=self.device)
        hidden = self.decode(mean + noise * torch.exp(0.5 * log_variance))
        logits = hidden @ net["items"][self._liked].T + net["items_bias"][self._liked]
        owners = torch.repeat_interleave(torch.arange(len(rows), device=self.device), counts)
        chosen = torch.log_softmax(logits, 1)[owners, self._places[entries]]
        misfit = -(chosen * self._strengths[entries]).sum()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        beta = self.options.beta * min(1.0, self.steps_done / self.options.anneal_steps)
        return (misfit + beta * divergence) / len(rows)

    def encode(self, items: Tensor, weights: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the latent vectors, shapes ``(b, latent)``.

        Args:
            items: the histories one after the other, shape ``(l,)``.
            weights: of the likes, shape ``(l,)``.
            offsets: where each history starts, shape ``(b,)``.
        """
        from torch.nn.functional import embedding_bag

        net = self.network
        sums = embedding_bag(items, net["encoder"], offsets, mode="sum", per_sample_weights=weights)
        hidden = (sums + net["encoder_bias"]).tanh()
        return hidden @ net["mean"] + net["mean_bias"], hidden @ net["spread"] + net["spread_bias"]

    def decode(self, latent: Tensor) -> Tensor:
        """Return the last hidden layer, shape ``(b, hidden)``."""
        return (latent @ self.network["decoder"] + self.network["decoder_bias"]).tanh()

    def metric(self) -> float | None:
        """Return NDCG@20 on the held-out likes."""
        if self.validation is None:
            return None
        hidden = self.decode(self.encode(self._items, self._inputs, self._indptr[:-1])[0])
        return self.validation.ndcg(with_ones(hidden), self.item_vectors())

    def item_vectors(self) -> Tensor:
        """Return what the items' scores are products with, shape ``(n_items, hidden + 1)``; zeros for unliked ones."""
        import torch

        vectors = torch.cat([self.network["items"], self.network["items_bias"][:, None]], 1)
        known = vectors.new_zeros((len(vectors), 1))
        known[self._liked] = 1
        return vectors * known

"""Mult-VAE: a variational autoencoder with a multinomial likelihood. Scores and loads without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models import options
from kgrec.models.neural.scorer import Floats, NeuralScorer
from kgrec.types import Profile, TrainingData, UserIndices

if TYPE_CHECKING:
    from kgrec.models.training_loop import TrainingState


class MultVAE(NeuralScorer):
    """Encodes a history into mean and variance of a latent vector, and decodes that into a choice among all items.

    Trained by ``sum_i x_ui log softmax(f(z_u))_i - beta KL(q(z_u | x_u) | N(0, 1))`` with dropout on the input and a
    ``beta`` that grows from 0 (Liang et al., Variational Autoencoders for Collaborative Filtering, WWW 2018). Scores
    are those of the mean, so somebody new is scored from the history alone, by the same weights.

    Deviation: likes count by their strength.

    Args:
        hidden_size: length of the hidden layers.
        latent_size: length of the latent vector.
        dropout: share of a history that is hidden in a step.
        beta: weight of the KL term at the end.
        anneal_steps: steps in which ``beta`` grows to it.
        epochs: see :class:`kgrec.models.neural.scorer.NeuralScorer`, as for the options below.
        patience: in epochs.
        learning_rate: of Adam.
        batch_size: users in a step.
        threads: for this training.
    """

    def __init__(
        self,
        *,
        hidden_size: int = 256,
        latent_size: int = 64,
        dropout: float = 0.7,
        beta: float = 0.2,
        anneal_steps: int = 200,
        epochs: int = 100,
        patience: int = 10,
        learning_rate: float = 0.003,
        batch_size: int = 128,
        threads: int | None = None,
    ) -> None:
        super().__init__(
            epochs=epochs, patience=patience, learning_rate=learning_rate, batch_size=batch_size, threads=threads
        )
        self.hidden_size = options.integer("hidden_size", hidden_size, low=1)
        self.latent_size = options.integer("latent_size", latent_size, low=1)
        self.dropout = options.number("dropout", dropout, low=0, high=0.95)
        self.beta = options.number("beta", beta, low=0)
        self.anneal_steps = options.integer("anneal_steps", anneal_steps, low=1)

    def _train(self, data: TrainingData, seed: int) -> tuple[TrainingState, dict[str, NDArray[Any]]]:
        from kgrec.models.neural.mult_vae_training import fit_vae

        return fit_vae(self, self._history.matrix, data, seed)

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


def unit_length(rows: csr_array) -> csr_array:
    """Scale the rows of a sparse matrix to unit length; empty ones stay empty."""
    owners = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    lengths = np.sqrt(np.bincount(owners, weights=rows.data.astype(np.float64) ** 2, minlength=rows.shape[0]))
    data = (rows.data / np.maximum(lengths, 1e-12)[owners]).astype(np.float32)
    return csr_array((data, rows.indices, rows.indptr), shape=rows.shape)

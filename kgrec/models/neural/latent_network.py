"""The network of the latent generator, in torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgrec.models.neural.latent_scoring import attention_of
from kgrec.models.neural.scorer import Floats
from kgrec.models.training_loop import Arrays

SHARPNESS = 6.0
"""What the mean of a history is multiplied with at the start: a softmax of cosines says nothing."""


class LatentNetwork(nn.Module):
    """Condition, prior, posterior and decoder, started as by Glorot and Bengio (AISTATS 2010).

    Args:
        items: unit text vectors on their principal axes, shape ``(n_items, d)``.
        counts: likes of each item, shape ``(n_items,)``.
        hidden: length of the hidden layers.
        latent: length of ``z``.
        ordered: whether a decay is learned.
        rng: draws the start.
        device: where to.
    """

    def __init__(
        self,
        items: Floats,
        counts: NDArray[np.int64],
        *,
        hidden: int,
        latent: int,
        ordered: bool,
        rng: np.random.Generator,
        device: str,
    ) -> None:
        super().__init__()
        self.items = torch.from_numpy(items).to(device)
        self.popularity = torch.from_numpy(np.log1p(counts).astype(np.float32)).to(device)
        d = items.shape[1]

        def parameter(array: NDArray[np.floating], *, learned: bool = True) -> nn.Parameter:
            values = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
            return nn.Parameter(values.to(device), requires_grad=learned)

        def drawn(n_in: int, n_out: int) -> nn.Parameter:
            return parameter(rng.normal(0, np.sqrt(2 / (n_in + n_out)), (n_in, n_out)))

        def zeros(*shape: int) -> nn.Parameter:
            return parameter(np.zeros(shape))

        self.attend = zeros(d)
        self.condition, self.condition_bias = drawn(2 * d, hidden), zeros(hidden)
        self.prior_mean, self.prior_mean_bias = drawn(hidden, latent), zeros(latent)
        self.prior_spread, self.prior_spread_bias = zeros(hidden, latent), zeros(latent)
        self.target, self.target_condition = drawn(d, hidden), drawn(hidden, hidden)
        self.target_bias = zeros(hidden)
        self.posterior_mean, self.posterior_mean_bias = drawn(hidden, latent), zeros(latent)
        self.posterior_spread, self.posterior_spread_bias = zeros(hidden, latent), zeros(latent)
        self.decoder, self.decoder_condition = drawn(latent, hidden), drawn(hidden, hidden)
        self.decoder_bias, self.out = zeros(hidden), parameter(rng.normal(0, 0.1 / np.sqrt(d), (hidden, d)))
        # At the start z holds the target's place on the first principal axes, and asks for items near it.
        self.place, self.query = parameter(2 * np.eye(d, latent)), parameter(2 * np.eye(latent, d))
        self.straight, self.straight_mean = drawn(latent, d), parameter(SHARPNESS * np.eye(d))
        self.likes = zeros(1)
        # The decay is a sigmoid of this: 0.95 at the start; 1 where there is no order.
        self.recency = parameter(np.full(1, 3.0 if ordered else np.inf), learned=ordered)

    @property
    def decay(self) -> Tensor:
        """How much of an item's weight one more item leaves, shape ``(1,)``."""
        return torch.sigmoid(self.recency)

    def attention(self, items: Tensor) -> Tensor:
        """Return how much each item counts in a history, the shape of ``items``; 0 without text."""
        vectors = self.items[items]
        return torch.exp(3 * torch.tanh(vectors @ self.attend)) * vectors.any(-1)

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return what a decoded vector and a 1 are multiplied with, shape ``(i, d + 1)``."""
        return torch.cat([self.items[items], (self.popularity[items] * self.likes)[:, None]], 1)


@torch.no_grad()
def scoring_arrays(network: LatentNetwork) -> Arrays:
    """Return what scoring needs of the network: not the posterior."""
    names = (
        *("attend", "condition", "condition_bias", "prior_mean", "prior_mean_bias", "prior_spread"),
        *(
            "prior_spread_bias",
            "query",
            "decoder",
            "decoder_condition",
            "decoder_bias",
            "out",
            "straight",
            "straight_mean",
        ),
    )
    state = {name: getattr(network, name).detach().cpu().numpy().copy() for name in names}
    items = network.items.cpu().numpy()
    state["attention"] = attention_of(items, state["attend"])
    state["bias"] = (network.popularity * network.likes).cpu().numpy()
    state["decay"] = network.decay.detach().cpu().numpy()
    return state

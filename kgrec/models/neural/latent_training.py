"""The network of the latent generator and its training, in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from kgrec.models import recency
from kgrec.models.adam import AdamTraining
from kgrec.models.features import centred
from kgrec.models.loop import Arrays, Course
from kgrec.models.neural.catalogue import Catalogue, choice_loss
from kgrec.models.neural.fitting import train
from kgrec.models.neural.latent import LEAST_VARIANCE, attention_of, described, log_likelihoods, projected
from kgrec.models.neural.scorer import Floats
from kgrec.models.neural.windows import EMPTY, Likes, ordered_likes, windows
from kgrec.types import TrainingData

if TYPE_CHECKING:
    from kgrec.models.neural.latent import Latent

SHARPNESS = 6.0
"""What the mean of a history is multiplied with at the start: a softmax of cosines says nothing."""

CANDIDATES = 512
"""Items that a like is compared with in a step."""

JUDGED = 1 << 22
"""At most so many users times items are looked at after an epoch."""


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


class LatentTraining(AdamTraining):
    """Predicts each like of a window from the others, or from the earlier ones where there is an order.

    Args:
        network: what is trained.
        likes: the training data.
        ordered: whether only earlier likes may be looked at.
        judge: how good arrays of scoring are on held-out likes, or None.
        scorer: its options are read.
        seed: of everything drawn.
    """

    def __init__(
        self,
        network: LatentNetwork,
        likes: Likes,
        *,
        ordered: bool,
        judge: Judge | None,
        scorer: Latent,
        seed: int,
    ) -> None:
        device = network.items.device
        found = windows(likes.users, scorer.window)
        found = found[(found != EMPTY).sum(axis=1) > 1]
        rows = torch.arange(len(found), device=device)
        super().__init__(network, rows, -(-len(found) // scorer.batch_size), scorer.learning_rate, seed)
        self.network, self.options, self.ordered, self._judge = network, scorer, ordered, judge
        self._windows = torch.from_numpy(found).to(device)
        self._liked = torch.from_numpy(likes.items).to(device)
        self._strengths = torch.from_numpy(likes.strengths).to(device)
        self._users = torch.from_numpy(likes.users).to(device)
        self._order = torch.arange(len(likes.users), device=device)
        counts = np.bincount(likes.items, minlength=len(network.items))
        with_text = network.items.any(1).cpu().numpy()
        self._catalogue = Catalogue(np.where(with_text, counts, 0), str(device), size=CANDIDATES)

    def train_epoch(self) -> float:
        """Go once over all windows; without an order, likes are dealt out to the windows anew."""
        if not self.ordered:
            keys = torch.rand(len(self._users), generator=self._generator, device=self.device)
            self._order = torch.argsort(self._users + keys.double() * 0.999)
        return super().train_epoch()

    def loss(self, rows: Tensor) -> Tensor:
        """Return the negative bound, in the weighted mean over the likes of the windows ``rows``."""
        places = self._windows[rows]
        present = places != EMPTY  # (b, l)
        entries = self._order[places]
        items, strengths = self._liked[entries], self._strengths[entries] * present
        vectors, attention = self.network.items[items], self.network.attention(items)
        seen = self._looked_at() * (strengths * attention)[:, None, :]  # (b, l, l): the like itself is hidden
        mass = seen.sum(2, keepdim=True)
        shares = seen / mass.clamp(min=1e-12)
        mean, second = shares @ vectors, shares @ vectors.square()
        chosen = present & (mass[..., 0] > 1e-9) & (attention > 0)
        mean, second, target = mean[chosen], second[chosen], vectors[chosen]
        spread = (second - mean.square()).clamp(min=LEAST_VARIANCE).sqrt()
        decoded, divergence = self._through(mean, spread, target)
        users = torch.cat([decoded, decoded.new_ones((len(decoded), 1))], 1)
        candidates, corrections = self._catalogue.draw(self._generator)
        of_candidates = (candidates, corrections, self.network.item_vectors(candidates))
        weights = strengths[chosen]
        own = self.network.item_vectors(items[chosen])
        misfit = choice_loss(users, items[chosen], weights, own, of_candidates)
        nearness = (torch.cosine_similarity(decoded, target) * weights).sum() / weights.sum()
        misfit = misfit - self.options.concentration * nearness
        # Free bits: the mean over the likes counts, direction by direction, and only what lies above the allowance.
        nats = (divergence * weights[:, None]).sum(0) / weights.sum()
        beta = self.options.beta * min(1.0, self.steps_done / self.options.anneal_steps)
        return misfit + beta * nats.clamp(min=self.options.free_bits).sum()

    def _through(self, mean: Tensor, spread: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return decoded draws of the posterior ``(p, d)`` and its divergence from the prior ``(p, l)``."""
        net, dropout = self.network, self.options.dropout
        hidden = self.dropped(torch.relu(torch.cat([mean, spread], 1) @ net.condition + net.condition_bias), dropout)
        prior_mean = hidden @ net.prior_mean + net.prior_mean_bias
        prior_spread = hidden @ net.prior_spread + net.prior_spread_bias
        inner = torch.relu(target @ net.target + hidden @ net.target_condition + net.target_bias)
        inner = self.dropped(inner, dropout)
        own_mean = inner @ net.posterior_mean + net.posterior_mean_bias
        own_spread = inner @ net.posterior_spread + net.posterior_spread_bias
        noise = torch.randn(own_mean.shape, generator=self._generator, device=self.device)
        latent = own_mean + noise * torch.exp(0.5 * own_spread)
        inner = torch.relu(latent @ net.decoder + hidden @ net.decoder_condition + net.decoder_bias)
        decoded = self.dropped(inner, dropout) @ net.out + latent @ net.straight + mean @ net.straight_mean
        apart = (own_spread.exp() + (own_mean - prior_mean).square()) / prior_spread.exp()
        return decoded, 0.5 * (prior_spread - own_spread + apart - 1)

    def _looked_at(self) -> Tensor:
        """Return how much each place (column) counts for the one that is predicted (row), shape ``(l, l)``."""
        places = torch.arange(self._windows.shape[1], device=self.device)
        between = places[:, None] - places[None, :]
        if not self.ordered:
            return (between != 0).float()
        return torch.where(between > 0, self.network.decay ** (between - 1).clamp(min=0), 0.0)

    def validate(self) -> float | None:
        """Return the mean log-likelihood of the held-out likes."""
        return None if self._judge is None else self._judge(scoring_arrays(self.network))


class Judge:
    """Tells how likely held-out likes are, among the items that the user did not know.

    Args:
        arrays: what the network does not change of what scoring needs.
        matrix: strengths of the likes, shape ``(n_users, n_items)``.
        steps: how many items came since, aligned with ``matrix.data``, or None.
        held_out: shape as of ``matrix``.
        rng: draws the users looked at where there are too many.
    """

    def __init__(
        self,
        arrays: Arrays,
        matrix: csr_array,
        steps: NDArray[np.int64] | None,
        held_out: csr_array,
        rng: np.random.Generator,
    ) -> None:
        with_text = np.asarray(arrays["items"].any(axis=1))
        held_out = csr_array(held_out.multiply(with_text[None, :].astype(np.float32)))
        held_out.eliminate_zeros()
        users = np.flatnonzero((np.diff(held_out.indptr) > 0) & (np.diff(matrix.indptr) > 0))
        most = max(JUDGED // max(matrix.shape[1], 1), 1)
        if len(users) > most:
            users = np.sort(rng.choice(users, most, replace=False))
        self._users, self._arrays = users, arrays
        self._matrix, self._steps, self._truth = matrix, steps, csr_array(held_out[users])

    def __call__(self, found: Arrays) -> float:
        """Return the mean log-likelihood under the arrays of :func:`scoring_arrays`."""
        if not self._truth.nnz:
            return 0.0
        state = {**self._arrays, **found}
        rows = csr_array(recency.decayed(self._matrix, self._steps, float(found["decay"][0]))[self._users])
        nobody = np.zeros((len(self._users), len(state["mean"])), dtype=np.float32)
        scores = log_likelihoods(state, described(state, rows, nobody))
        truth = self._truth.tocoo()
        known = rows.tocoo()
        likely = np.exp(scores[known.row, known.col].astype(np.float64))
        left = 1 - np.bincount(known.row, weights=likely, minlength=len(scores))  # what the known items take
        return float((scores[truth.row, truth.col] - np.log(np.maximum(left, 1e-6))[truth.row]).mean())


def fit_latent(
    scorer: Latent, matrix: csr_array, steps: NDArray[np.int64] | None, data: TrainingData, seed: int
) -> tuple[Course, Arrays]:
    """Train on ``data`` and return how it went and the arrays that scoring needs.

    Args:
        scorer: its options are read.
        matrix: strengths of the likes, shape ``(n_users, n_items)``.
        steps: how many items came since, aligned with ``matrix.data``, or None where order does not count.
        data: texts and validation are read.
        seed: of everything drawn.
    """
    rng = np.random.default_rng(seed)
    texts = data.item_text if data.item_text is not None else np.zeros((data.n_items, 1), dtype=np.float32)
    shifted, mean = centred(texts)
    values, directions = np.linalg.eigh(shifted.T.astype(np.float64) @ shifted)
    project = directions[:, np.argsort(-values)[: scorer.size]].astype(np.float32)
    items = projected(shifted, project)
    counts = np.bincount(matrix.indices, minlength=data.n_items)
    ordered = steps is not None
    sizes = {"hidden": scorer.hidden_size, "latent": scorer.latent_size}
    network = LatentNetwork(items, counts, **sizes, ordered=ordered, rng=rng, device=data.device)
    noise = rng.standard_normal((scorer.draws, scorer.latent_size), dtype=np.float32)
    fixed: Arrays = {"items": items, "mean": mean, "project": project, "noise": noise, "own_words": np.zeros(1)}
    judge = None if data.validation is None else Judge(fixed, matrix, steps, data.validation, rng)
    likes = ordered_likes(matrix, steps)
    training = LatentTraining(network, likes, ordered=ordered, judge=judge, scorer=scorer, seed=seed)
    course = train(scorer, training, data, seed)
    return course, {**fixed, **scoring_arrays(network)}


@torch.no_grad()
def scoring_arrays(network: LatentNetwork) -> Arrays:
    """Return what scoring needs of the network: not the posterior."""
    names = (
        *("attend", "condition", "condition_bias", "prior_mean", "prior_mean_bias", "prior_spread"),
        *("prior_spread_bias", "decoder", "decoder_condition", "decoder_bias", "out", "straight", "straight_mean"),
    )
    state = {name: getattr(network, name).detach().cpu().numpy().copy() for name in names}
    items = network.items.cpu().numpy()
    state["attention"] = attention_of(items, state["attend"])
    state["bias"] = (network.popularity * network.likes).cpu().numpy()
    state["decay"] = network.decay.detach().cpu().numpy()
    return state

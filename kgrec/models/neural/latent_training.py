"""The training of the latent generator, in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from kgrec.models import recency
from kgrec.models.adam import AdamTraining
from kgrec.models.features import centred
from kgrec.models.neural.catalogue import Catalogue, choice_loss
from kgrec.models.neural.fitting import train
from kgrec.models.neural.latent_network import LatentNetwork, scoring_arrays
from kgrec.models.neural.latent_scoring import LEAST_VARIANCE, described, log_likelihoods, projected
from kgrec.models.neural.windows import EMPTY, Likes, ordered_likes, windows
from kgrec.models.training_loop import Arrays, TrainingState
from kgrec.types import TrainingData

if TYPE_CHECKING:
    from kgrec.models.neural.latent import Latent

CANDIDATES = 512
"""Items that a like is compared with in a step."""

JUDGED = 1 << 22
"""At most so many users times items are looked at after an epoch."""


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
        whose = chosen.nonzero()[:, 0]
        heard = seen[chosen]
        logs = torch.where(heard > 0, heard.clamp(min=1e-12).log(), -torch.inf)
        decoded, divergence = self._through(mean, spread, target, vectors[whose], logs)
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

    def _through(
        self, mean: Tensor, spread: Tensor, target: Tensor, members: Tensor, logs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return decoded draws of the posterior ``(p, d)`` and its divergence from the prior ``(p, l)``.

        Args:
            mean: of the histories, shape ``(p, d)``.
            spread: of the histories, same shape.
            target: what came next, same shape.
            members: the histories' items, shape ``(p, m, d)``.
            logs: logarithms of their weights, -inf for those that are hidden, shape ``(p, m)``.
        """
        net, dropout = self.network, self.options.dropout
        hidden = self.dropped(torch.relu(torch.cat([mean, spread], 1) @ net.condition + net.condition_bias), dropout)
        prior_mean = hidden @ net.prior_mean + net.prior_mean_bias
        prior_spread = hidden @ net.prior_spread + net.prior_spread_bias
        inner = torch.relu(target @ net.target + hidden @ net.target_condition + net.target_bias)
        inner = self.dropped(inner, dropout)
        own_mean = inner @ net.posterior_mean + net.posterior_mean_bias + target @ net.place
        own_spread = inner @ net.posterior_spread + net.posterior_spread_bias
        noise = torch.randn(own_mean.shape, generator=self._generator, device=self.device)
        latent = own_mean + noise * torch.exp(0.5 * own_spread)
        inner = torch.relu(latent @ net.decoder + hidden @ net.decoder_condition + net.decoder_bias)
        near = torch.softmax((members @ (latent @ net.query)[:, :, None])[:, :, 0] + logs, 1)  # (p, m)
        pooled = (near[:, None, :] @ members)[:, 0]
        decoded = self.dropped(inner, dropout) @ net.out + latent @ net.straight + pooled @ net.straight_mean
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
) -> tuple[TrainingState, Arrays]:
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
    reached = train(scorer, training, data, seed)
    return reached, {**fixed, **scoring_arrays(network)}

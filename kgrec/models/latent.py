"""Latent: a conditional variational autoencoder of what a user turns to next. Scores and samples without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from kgrec.models import neural, recency
from kgrec.models.features import centred, principal_axes
from kgrec.models.neural import (
    Floats,
    Histories,
    NeuralTextOptions,
    NeuralTextScorer,
    TextNetwork,
    WindowTraining,
    centred_by,
    choice_loss,
    with_ones,
)
from kgrec.models.training_loop import Arrays, TrainingState
from kgrec.plugin.protocols import Traits
from kgrec.types import ItemIndices, Profile, Scores, TrainingData, UserIndices

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 512
"""Users whose histories are looked at together."""
AT_ONCE = 1 << 24
"""Numbers that scoring holds at once, for so many users as that allows."""
MEMBERS = 64
"""Items of a history that the decoder attends to: the heaviest ones."""
LEAST_VARIANCE = 1e-4
"""Of a history in one direction; that of a single item is 0, where a square root has no slope."""
VALIDATED = 1 << 22
"""At most so many users times items are looked at after an epoch."""
SHARPNESS = 6.0
"""What the mean of a history is multiplied with at the start: a softmax of cosines says nothing."""
SCORING = (
    *("attend", "condition", "condition_bias", "prior_mean", "prior_mean_bias", "prior_spread", "prior_spread_bias"),
    *("query", "decoder", "decoder_condition", "decoder_bias", "out", "straight", "straight_mean"),
)
"""Parameters that scoring needs: not those of the posterior."""


class LatentOptions(NeuralTextOptions):
    """Options of ``[scorers.latent]``."""

    latent_size: int = Field(16, ge=1, description="length of z")
    beta: float = Field(1.0, ge=0, description="weight of the KL term at the end")
    anneal_steps: int = Field(50, ge=1, description="steps in which beta grows to it")
    free_bits: float = Field(0.02, ge=0, description="nats of KL in each direction of z that cost nothing")
    concentration: float = Field(10.0, ge=0, description="of the density of an item's place around y; 0 leaves it out")
    draws: int = Field(16, ge=1, description="of the prior, for a score")
    dropout: neural.Dropout = 0.4
    epochs: neural.Epochs = 20
    patience: neural.Patience = 3
    batch_size: neural.BatchSize = 32


class Latent(NeuralTextScorer):
    """Samples the text vectors of what a user may turn to next, and scores items by how likely the samples reach them.

    A history is described by the weighted mean and spread ``c`` of its items' text vectors ``x`` (centred, on their
    principal axes), weighted by strength, recency and a learned attention. The model is a conditional variational
    autoencoder (Kingma and Welling, ICLR 2014; Sohn, Lee and Yan, NIPS 2015) of the next item's vector: a prior
    ``p(z | c) = N(mu_p, sigma_p)``, a posterior ``q(z | c, x) = N(mu_q, sigma_q)``, drawn from as ``mu + sigma * e``,
    and a decoder to a vector ``y(z, c)`` of the items' space, which attends to those items of the history that ``z``
    asks for (so a draw may follow one taste of several), and says which real item it is:
    ``p(j | z, c) = softmax_j(y . x_j + b log(1 + likes of j))``. Trained by the evidence lower bound on each like in
    turn, the like itself being hidden from the history that it is predicted from:
    ``log p(j | z, c) - beta KL(q | p)``, with ``beta`` growing from 0 (Bowman et al., CoNLL 2016) and nothing asked of
    the first ``free_bits`` nats of KL in each direction (Kingma et al., NIPS 2016), so that the decoder goes on
    listening to ``z``; ``z`` also reaches ``y`` by a straight way (Dieng et al., AISTATS 2019). To ``log p(j | z, c)``
    may be added that of the item's place, ``concentration * cos(y, x_j)`` (von Mises and Fisher's density): it keeps
    ``y`` near real texts where the softmax alone only asks that it tells them apart.

    The score of an item is ``log mean_s p(j | z_s, c)`` over ``draws`` fixed draws of the prior: a mixture with as many
    peaks as tastes, where a mean of the history has one. No item and no user has a parameter of its own.

    What early stopping looks at, and ``best_metric``, is the mean log-likelihood of the held-out likes.
    """

    Options = LatentOptions
    options: LatentOptions
    traits: ClassVar[Traits] = Traits(content_based=True, cold_items="fused", kept=True)

    def _train_on(self, steps: NDArray[np.int64] | None, data: TrainingData, seed: int) -> tuple[TrainingState, Arrays]:
        rng, matrix = np.random.default_rng(seed), self._history.matrix
        texts, mean = centred(data.item_text if data.item_text is not None else np.zeros((data.n_items, 1), np.float32))
        project = principal_axes(texts, self.options.size)
        items = projected(texts, project)
        counts = np.bincount(matrix.indices, minlength=data.n_items)
        network = LatentNetwork(items, counts, self.options, ordered=steps is not None, rng=rng, device=data.device)
        noise = rng.standard_normal((self.options.draws, self.options.latent_size), dtype=np.float32)
        fixed: Arrays = {"items": items, "mean": mean, "project": project, "noise": noise, "own_words": np.zeros(1)}
        held_out = data.validation
        validation = None if held_out is None else HeldOutLikelihood(fixed, (matrix, steps), held_out, rng)
        training = LatentTraining(network, (matrix, steps), validation, self.options, seed)
        reached = self._run(training, data, seed)
        return reached, {**fixed, **network.scoring_arrays()}

    def score(self, users: UserIndices) -> Scores:
        """Score all items -> float32 ``(u, n_items)``; NaN for users of whom nothing is known and for such items."""
        users = np.asarray(users, dtype=np.int64)
        parts = [self._scored(self._histories(users[at : at + BLOCK])) for at in range(0, len(users), BLOCK)]
        return np.concatenate(parts) if parts else np.zeros((0, self._history.n_items), dtype=np.float32)

    def score_new(self, profile: Profile) -> Floats:
        """Score all items for somebody who was not there at training -> float32 ``(n_items,)``."""
        return np.asarray(self._scored(self._newcomer(profile))[0])

    def _of_users(self, users: UserIndices) -> Floats:
        return self._histories(users).vectors

    def _of_profile(self, profile: Profile) -> Floats:
        return self._newcomer(profile).vectors

    def _histories(self, users: UserIndices) -> UserHistories:
        return described(self._state, self._history.rows(users), self._words_of_users(users))

    def _newcomer(self, profile: Profile) -> UserHistories:
        return described(self._state, self._history.new(profile), self._words_of_profile(profile))

    def _scored(self, histories: UserHistories) -> Scores:
        scores = log_likelihoods(self._state, histories)
        scores[:, ~self._state["items"].any(axis=1)] = np.nan
        scores[histories.unknown] = np.nan
        return scores

    @property
    def item_vectors(self) -> Floats:
        """The space that samples lie in: unit rows, zero for items without text, shape ``(n_items, d)``."""
        items: Floats = self._state["items"]
        return items

    def sample(self, users: UserIndices, n: int, *, seed: int, spread: float = 1.0) -> Floats:
        """Draw what ``users`` may turn to next -> unit vectors in the space of :attr:`item_vectors`, ``(u, n, d)``.

        All users share the draws of the noise, so who else is asked for changes nothing.

        Args:
            users: positions; of whom nothing is known, the samples are zeros.
            n: samples a user.
            seed: of the noise.
            spread: what sigma is multiplied with; 0 gives the middle of the prior ``n`` times.
        """
        return self._sampled(self._histories(np.asarray(users, dtype=np.int64)), n, seed, spread)

    def sample_new(self, profile: Profile, n: int, *, seed: int, spread: float = 1.0) -> Floats:
        """Draw for somebody who was not there at training, as :meth:`sample` does -> shape ``(n, d)``."""
        found: Floats = self._sampled(self._newcomer(profile), n, seed, spread)[0]
        return found

    def _sampled(self, histories: UserHistories, n: int, seed: int, spread: float) -> Floats:
        noise = np.random.default_rng(seed).standard_normal((n, self._state["prior_mean"].shape[1]), dtype=np.float32)
        found = decoded(self._state, histories, np.float32(spread) * noise)
        found /= np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-12)
        found[histories.unknown] = 0
        return found

    def nearest(self, samples: Floats, k: int, *, without: ItemIndices | None = None) -> ItemIndices:
        """Return the real items nearest to each sample by cosine, the nearest first -> shape ``(m, k)``.

        Args:
            samples: shape ``(m, d)``.
            k: items a sample; at most as many as there are.
            without: positions of items that are left out, such as those that the user knows.
        """
        cosines = samples @ self.item_vectors.T
        cosines[:, ~self.item_vectors.any(axis=1)] = -np.inf
        if without is not None:
            cosines[:, without] = -np.inf
        k = min(k, int(np.isfinite(cosines).sum(axis=1).min(initial=cosines.shape[1])))
        return np.argsort(-cosines, axis=1, kind="stable")[:, :k]


@dataclass(frozen=True, slots=True)
class UserHistories:
    """What is known of users, as the model sees it.

    Attributes:
        vectors: mean and spread of the texts, shape ``(u, 2 d)``; zeros for those of whom nothing is known.
        members: vectors of single items and of the user's own words, shape ``(u, m, d)``.
        logs: logarithms of the members' weights, shape ``(u, m)``, -inf where there is none.
    """

    vectors: Floats
    members: Floats
    logs: Floats

    def __getitem__(self, rows: slice) -> UserHistories:
        return UserHistories(self.vectors[rows], self.members[rows], self.logs[rows])

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Those of whom nothing is known, shape ``(u,)``."""
        return ~np.asarray(self.vectors.any(axis=1))


def described(state: Mapping[str, NDArray[Any]], rows: csr_array, own: Floats) -> UserHistories:
    """Describe histories: mean, spread and single items.

    Args:
        state: ``items``, ``attention``, ``project``, ``attend``, ``mean``, ``own_words`` are read.
        rows: strengths, recency included, CSR of shape ``(u, n_items)``.
        own: vectors of the users' own words, shape ``(u, t)``, zero rows where there are none.
    """
    items = state["items"]
    weights = csr_array((rows.data * state["attention"][rows.indices], rows.indices, rows.indptr), shape=rows.shape)
    words = projected(centred_by(own, state["mean"]), state["project"])
    worth = state["own_words"][0] * attention_of(words, state["attend"])[:, None]
    mass = np.asarray(weights.sum(axis=1)).reshape(-1, 1) + worth
    shares = 1 / np.where(mass > 0, mass, 1)
    mean = (weights @ items + worth * words) * shares
    second = (weights @ (items * items) + worth * words * words) * shares
    spread = np.sqrt(np.maximum(second - mean * mean, LEAST_VARIANCE))
    found = np.concatenate([mean, spread], axis=1).astype(np.float32)
    found[mass[:, 0] <= 0] = 0
    members, logs = _members(weights, items)
    with np.errstate(divide="ignore"):
        said = np.log(worth).astype(np.float32)  # -inf for those who said nothing
    return UserHistories(found, np.concatenate([members, words[:, None]], axis=1), np.concatenate([logs, said], axis=1))


def _members(weights: csr_array, items: Floats) -> tuple[Floats, Floats]:
    """Return vectors ``(u, m, d)`` and logarithms of the weights ``(u, m)`` of the heaviest items of each row."""
    owners = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    order = np.lexsort((-weights.data, owners))
    place = np.arange(len(order)) - weights.indptr[owners]
    kept = place < MEMBERS
    shape = (weights.shape[0], min(MEMBERS, int(np.diff(weights.indptr).max(initial=0))))
    found, logs = np.zeros(shape, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32)
    entries = order[kept]
    found[owners[kept], place[kept]] = weights.indices[entries]
    with np.errstate(divide="ignore"):
        logs[owners[kept], place[kept]] = np.log(weights.data[entries])  # -inf for items without text
    return items[found], logs


def projected(texts: Floats, project: Floats) -> Floats:
    """Return centred texts on their principal axes, unit rows; zero rows stay."""
    found = texts @ project
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def attention_of(vectors: Floats, attend: Floats) -> Floats:
    """Return how much each vector counts, ``exp(3 tanh(x . a))``, shape ``(n,)``; 0 for zero rows."""
    known = vectors.any(axis=1)
    return np.where(known, np.exp(3 * np.tanh(vectors @ attend)), 0).astype(np.float32)


def decoded(state: Mapping[str, NDArray[Any]], histories: UserHistories, noise: Floats) -> Floats:
    """Draw from the prior and decode -> vectors in the items' space, not scaled, shape ``(u, s, d)``.

    Args:
        state: the weights.
        histories: of the users.
        noise: standard normal, shape ``(s, l)``.
    """
    hidden = np.maximum(histories.vectors @ state["condition"] + state["condition_bias"], 0)  # (u, h)
    mean = hidden @ state["prior_mean"] + state["prior_mean_bias"]
    scale = np.exp(0.5 * (hidden @ state["prior_spread"] + state["prior_spread_bias"]))
    latent = mean[:, None, :] + scale[:, None, :] * noise  # (u, s, l)
    inner = latent @ state["decoder"] + (hidden @ state["decoder_condition"] + state["decoder_bias"])[:, None, :]
    logits = (latent @ state["query"]) @ histories.members.transpose(0, 2, 1) + histories.logs[:, None, :]  # (u, s, m)
    near = np.exp(logits - logits.max(axis=2, keepdims=True, initial=-1e30))
    near /= np.maximum(near.sum(axis=2, keepdims=True), 1e-30)
    pooled = near @ histories.members @ state["straight_mean"]
    found = np.maximum(inner, 0) @ state["out"] + latent @ state["straight"] + pooled
    return np.asarray(found, dtype=np.float32)


def log_likelihoods(state: Mapping[str, NDArray[Any]], histories: UserHistories) -> Scores:
    """Return ``log mean_s p(j | z_s, c)`` of all items with text, float32 of shape ``(u, n_items)``."""
    items, noise = state["items"], state["noise"]
    bias = np.where(items.any(axis=1), state["bias"], -np.inf).astype(np.float32)
    found = np.empty((len(histories.vectors), len(items)), dtype=np.float32)
    size = max(AT_ONCE // max(len(items) * len(noise), 1), 1)
    for start in range(0, len(found), size):
        block = slice(start, start + size)
        logits = decoded(state, histories[block], noise) @ items.T + bias  # (b, s, n_items)
        top = logits.max(axis=2, keepdims=True, initial=-1e30)
        shares = np.exp(logits - top)
        shares /= np.maximum(shares.sum(axis=2, keepdims=True), 1e-30)  # no item at all has a text
        found[block] = np.log(np.maximum(shares.mean(axis=1), 1e-30))
    return found


class LatentNetwork(TextNetwork):
    """Condition, prior, posterior and decoder in torch, started as by Glorot and Bengio (AISTATS 2010).

    Args:
        items: unit text vectors on their principal axes, shape ``(n_items, d)``.
        counts: likes of each item, shape ``(n_items,)``.
        options: sizes.
        ordered: whether a decay is learned.
        rng: draws the start.
        device: where to.
    """

    def __init__(
        self,
        items: Floats,
        counts: NDArray[np.int64],
        options: LatentOptions,
        *,
        ordered: bool,
        rng: np.random.Generator,
        device: str,
    ) -> None:
        d, hidden, latent = items.shape[1], options.hidden_size, options.latent_size

        def drawn(n_in: int, n_out: int) -> NDArray[np.float64]:
            return rng.normal(0, np.sqrt(2 / (n_in + n_out)), (n_in, n_out))

        arrays = {
            "attend": np.zeros(d),
            "condition": drawn(2 * d, hidden),
            "condition_bias": np.zeros(hidden),
            "prior_mean": drawn(hidden, latent),
            "prior_mean_bias": np.zeros(latent),
            "prior_spread": np.zeros((hidden, latent)),
            "prior_spread_bias": np.zeros(latent),
            "target": drawn(d, hidden),
            "target_condition": drawn(hidden, hidden),
            "target_bias": np.zeros(hidden),
            "posterior_mean": drawn(hidden, latent),
            "posterior_mean_bias": np.zeros(latent),
            "posterior_spread": np.zeros((hidden, latent)),
            "posterior_spread_bias": np.zeros(latent),
            "decoder": drawn(latent, hidden),
            "decoder_condition": drawn(hidden, hidden),
            "decoder_bias": np.zeros(hidden),
            "out": rng.normal(0, 0.1 / np.sqrt(d), (hidden, d)),
            # At the start z holds the target's place on the first principal axes, and asks for items near it.
            "place": 2 * np.eye(d, latent),
            "query": 2 * np.eye(latent, d),
            "straight": drawn(latent, d),
            "straight_mean": SHARPNESS * np.eye(d),
            "likes": np.zeros(1),
            # The decay is a sigmoid of this: 0.95 at the start; 1 where there is no order.
            "recency": np.full(1, 3.0 if ordered else np.inf),
        }
        super().__init__(items, counts, arrays, ordered, device)

    def attention(self, vectors: Tensor) -> Tensor:
        """Return how much items of these texts count in a history, shape ``(...,)``; 0 without text."""
        return (3 * (vectors @ self.parameters["attend"]).tanh()).exp() * vectors.any(-1)

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return what a decoded vector and a 1 are multiplied with, shape ``(i, d + 1)``."""
        import torch

        return torch.cat([self.vectors[items], (self.popularity[items] * self.parameters["likes"])[:, None]], 1)

    def scoring_arrays(self) -> Arrays:
        """Return what scoring needs."""
        state: Arrays = {name: self.parameters[name].detach().cpu().numpy().copy() for name in SCORING}
        state["attention"] = attention_of(self.vectors.cpu().numpy(), state["attend"])
        state["bias"] = (self.popularity * self.parameters["likes"]).detach().cpu().numpy()
        state["decay"] = self.decay.detach().cpu().numpy()
        return state


class LatentTraining(WindowTraining):
    """Predicts likes by decoded draws of the posterior."""

    candidates: ClassVar[int] = 512
    network: LatentNetwork
    validation: HeldOutLikelihood | None
    options: LatentOptions

    def loss(self, rows: Tensor) -> Tensor:
        """Return the negative bound, in the weighted mean over the likes of the windows ``rows``."""
        import torch

        present, items, strengths = self._of_windows(rows)  # (b, l)
        vectors = self.network.vectors[items]
        attention = self.network.attention(vectors)
        # (b, l, l): the like itself is hidden
        seen = self._looked_at(self.network.decay) * (strengths * attention)[:, None, :]
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
        users = with_ones(decoded)
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
        import torch

        net, dropout = self.network.parameters, self.options.dropout
        hidden = torch.relu(torch.cat([mean, spread], 1) @ net["condition"] + net["condition_bias"])
        hidden = self.dropped(hidden, dropout)
        prior_mean = hidden @ net["prior_mean"] + net["prior_mean_bias"]
        prior_spread = hidden @ net["prior_spread"] + net["prior_spread_bias"]
        inner = torch.relu(target @ net["target"] + hidden @ net["target_condition"] + net["target_bias"])
        inner = self.dropped(inner, dropout)
        own_mean = inner @ net["posterior_mean"] + net["posterior_mean_bias"] + target @ net["place"]
        own_spread = inner @ net["posterior_spread"] + net["posterior_spread_bias"]
        noise = torch.randn(own_mean.shape, generator=self._generator, device=self.device)
        latent = own_mean + noise * torch.exp(0.5 * own_spread)
        inner = torch.relu(latent @ net["decoder"] + hidden @ net["decoder_condition"] + net["decoder_bias"])
        near = torch.softmax((members @ (latent @ net["query"])[:, :, None])[:, :, 0] + logs, 1)  # (p, m)
        pooled = (near[:, None, :] @ members)[:, 0]
        decoded = self.dropped(inner, dropout) @ net["out"] + latent @ net["straight"] + pooled @ net["straight_mean"]
        apart = (own_spread.exp() + (own_mean - prior_mean).square()) / prior_spread.exp()
        return decoded, 0.5 * (prior_spread - own_spread + apart - 1)

    def metric(self) -> float | None:
        """Return the mean log-likelihood of the held-out likes."""
        return None if self.validation is None else self.validation(self.network.scoring_arrays())


class HeldOutLikelihood:
    """Tells how likely held-out likes are, among the items that the user did not know.

    Args:
        arrays: what the network does not change of what scoring needs.
        histories: what users liked.
        held_out: held-out likes, shape ``(n_users, n_items)``.
        rng: draws the users looked at where there are too many.
    """

    def __init__(
        self,
        arrays: Arrays,
        histories: Histories,
        held_out: csr_array,
        rng: np.random.Generator,
    ) -> None:
        matrix, steps = histories
        with_text = np.asarray(arrays["items"].any(axis=1))
        held_out = csr_array(held_out.multiply(with_text[None, :].astype(np.float32)))
        held_out.eliminate_zeros()
        users = np.flatnonzero((np.diff(held_out.indptr) > 0) & (np.diff(matrix.indptr) > 0))
        most = max(VALIDATED // max(matrix.shape[1], 1), 1)
        if len(users) > most:
            users = np.sort(rng.choice(users, most, replace=False))
        self._users, self._arrays = users, arrays
        self._matrix, self._steps, self._truth = matrix, steps, csr_array(held_out[users])

    def __call__(self, found: Arrays) -> float:
        """Return the mean log-likelihood under what scoring needs, see :meth:`LatentNetwork.scoring_arrays`."""
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

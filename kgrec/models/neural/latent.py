"""Latent: a conditional variational autoencoder of what a user turns to next. Scores and samples without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kgrec.models import options, recency
from kgrec.models.neural.latent_scoring import Histories, decoded, described, log_likelihoods
from kgrec.models.neural.scorer import Floats
from kgrec.models.neural.texts import TextScorer
from kgrec.types import ItemIndices, Profile, Scores, TrainingData, UserIndices

if TYPE_CHECKING:
    from kgrec.models.training_loop import TrainingState

BLOCK = 512
"""Users whose histories are looked at together."""


class Latent(TextScorer):
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

    Args:
        size: length of the projected texts.
        hidden_size: length of the hidden layers.
        latent_size: length of ``z``.
        beta: weight of the KL term at the end.
        anneal_steps: steps in which ``beta`` grows to it.
        free_bits: nats of KL in each direction of ``z`` that cost nothing.
        concentration: of the density of an item's place around ``y``; 0 leaves it out.
        draws: of the prior, for a score.
        window: likes that training looks at at once.
        ordered: whether a like is predicted from earlier ones only; None: where there are times.
        dropout: share of the hidden layers' entries that is hidden in a step.
        own_words: how much of a like of that text somebody's own words are worth, where nothing is scored in training.
        epochs: see :class:`kgrec.models.neural.scorer.NeuralScorer`, as for the options below; what early stopping
            looks at, and ``best_metric``, is the mean log-likelihood of the held-out likes.
        patience: in epochs.
        learning_rate: of Adam.
        batch_size: windows in a step.
        threads: for this training.
    """

    samples: ClassVar[bool] = True
    """It is of use beyond its scores, so training keeps it even where the fusion gives it no weight."""

    def __init__(
        self,
        *,
        size: int = 128,
        hidden_size: int = 128,
        latent_size: int = 16,
        beta: float = 1.0,
        anneal_steps: int = 50,
        free_bits: float = 0.02,
        concentration: float = 10.0,
        draws: int = 16,
        window: int = 32,
        ordered: bool | None = None,
        dropout: float = 0.4,
        own_words: float = 1.0,
        epochs: int = 20,
        patience: int = 3,
        learning_rate: float = 0.001,
        batch_size: int = 32,
        threads: int | None = None,
    ) -> None:
        super().__init__(
            epochs=epochs, patience=patience, learning_rate=learning_rate, batch_size=batch_size, threads=threads
        )
        self.size = options.integer("size", size, low=1)
        self.hidden_size = options.integer("hidden_size", hidden_size, low=1)
        self.latent_size = options.integer("latent_size", latent_size, low=1)
        self.beta = options.number("beta", beta, low=0)
        self.anneal_steps = options.integer("anneal_steps", anneal_steps, low=1)
        self.free_bits = options.number("free_bits", free_bits, low=0)
        self.concentration = options.number("concentration", concentration, low=0)
        self.draws = options.integer("draws", draws, low=1)
        self.window = options.integer("window", window, low=2)
        self.ordered = None if ordered is None else bool(ordered)
        self.dropout = options.number("dropout", dropout, low=0, high=0.95)
        self.own_words = options.number("own_words", own_words, low=0)

    def _train(self, data: TrainingData, seed: int) -> tuple[TrainingState, dict[str, NDArray[Any]]]:
        from kgrec.models.neural.latent_training import fit_latent

        steps = recency.steps_back(data.events, data.matrix) if self.ordered is not False else None
        reached, state = fit_latent(self, self._history.matrix, steps, data, seed)
        decay = float(state.pop("decay")[0])
        self._history = self._history.with_matrix(recency.decayed(self._history.matrix, steps, decay))
        self._keep_words(state, data)
        return reached, state

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

    def _histories(self, users: UserIndices) -> Histories:
        return described(self._state, self._history.rows(users), self._words_of_users(users))

    def _newcomer(self, profile: Profile) -> Histories:
        return described(self._state, self._history.new(profile), self._words_of_profile(profile))

    def _scored(self, histories: Histories) -> Scores:
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

    def _sampled(self, histories: Histories, n: int, seed: int, spread: float) -> Floats:
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

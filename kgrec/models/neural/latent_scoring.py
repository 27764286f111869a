"""How the latent generator describes histories, decodes and scores: in numpy, from the arrays that training leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.models.neural.interest import centred_by
from kgrec.models.neural.scorer import Floats
from kgrec.types import Scores

AT_ONCE = 1 << 24
"""Numbers that scoring holds at once, for so many users as that allows."""

MEMBERS = 64
"""Items of a history that the decoder attends to: the heaviest ones."""

LEAST_VARIANCE = 1e-4
"""Of a history in one direction; that of a single item is 0, where a square root has no slope."""


@dataclass(frozen=True, slots=True)
class Histories:
    """What is known of users, as the model sees it.

    Attributes:
        vectors: mean and spread of the texts, shape ``(u, 2 d)``; zeros for those of whom nothing is known.
        members: vectors of single items and of the user's own words, shape ``(u, m, d)``.
        logs: logarithms of the members' weights, shape ``(u, m)``, -inf where there is none.
    """

    vectors: Floats
    members: Floats
    logs: Floats

    def __getitem__(self, rows: slice) -> Histories:
        return Histories(self.vectors[rows], self.members[rows], self.logs[rows])

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Those of whom nothing is known, shape ``(u,)``."""
        return ~np.asarray(self.vectors.any(axis=1))


def described(state: Mapping[str, NDArray[Any]], rows: csr_array, own: Floats) -> Histories:
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
    return Histories(found, np.concatenate([members, words[:, None]], axis=1), np.concatenate([logs, said], axis=1))


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


def decoded(state: Mapping[str, NDArray[Any]], histories: Histories, noise: Floats) -> Floats:
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


def log_likelihoods(state: Mapping[str, NDArray[Any]], histories: Histories) -> Scores:
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

"""What counts as a like, what is held out for validation, and the matrices that scorers are fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.config import FeedbackConfig, TrainConfig
from kgrec.data.dataset import Dataset
from kgrec.data.impressions import pair_matrix, touched
from kgrec.errors import ConfigError
from kgrec.plugin.domain import ACTIONS, DEFAULT_ACTION_WEIGHTS, Domain
from kgrec.types import Events, Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LIKE_FRACTION = 0.6
"""How far up the scale a rating is a like when no threshold is given: from 3.4 of 1 to 5, that is 4 and 5."""

MIN_LIKES = 3
"""Users with fewer liked items keep them all for training."""

ENOUGH_STRONG = 1_000
"""Pairs with the heaviest action (purchases beside views) from which on only they are held out: a shop wants to know
what will be bought, and settings that predict clicks best need not be best at that."""

MAX_EVENTS_A_PAIR = 2.0
"""Summed weights of a user and an item are cut off at so many times the heaviest event: a page that reloads itself a
hundred times is no stronger a sign than a purchase with all that led to it."""


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows of the interactions are fitted on and which are held out.

    No pair of user and item is in both. Rows may be in neither.

    Attributes:
        fit: shape ``(n_rows,)``.
        validation: shape ``(n_rows,)``; likes only.
        weights: how strongly each row counts as a like, shape ``(n_rows,)``, see :func:`like_weights`.
        latest: users whose latest likes are held out while others' are drawn, shape ``(n_users,)``; None: all alike.
    """

    fit: Mask
    validation: Mask
    weights: NDArray[np.float32]
    latest: Mask | None = None


def action_weights(feedback: FeedbackConfig, domain: Domain) -> dict[str, float]:
    """Return the weight of each action: as set, else as the domain says, else the built-in one."""
    own = {str(action): weight for action, weight in feedback.action_weights.items()}
    return {**DEFAULT_ACTION_WEIGHTS, **domain.action_weights, **own}


def like_weights(dataset: Dataset, feedback: FeedbackConfig, domain: Domain) -> NDArray[np.float32]:
    """Return how strongly each interaction counts as a like, shape ``(n_rows,)``; 0 is none, though it is still seen.

    The weight is that of the action (settings over domain over built-in). A row with action ``rate`` weighs 0 if its
    value is below the threshold, and so do all other events of that user and item: who bought something and rated it
    low does not like it. A rating without a value counts in full. A ``dislike`` takes back what came before it: a
    purchase that is refunded, a like that is undone; what comes later counts.
    """
    known = action_weights(feedback, domain)
    rows = dataset.interactions
    weight = rows["action"].replace_strict(known, default=0.0, return_dtype=pl.Float32).to_numpy()
    threshold = like_threshold(dataset, feedback)
    pairs = pair_numbers(dataset)
    against = ((rows["action"] == "dislike") & rows["item"].is_not_null()).to_numpy()
    if against.any():
        undone = taken_back(pairs, rows["time"].fill_null(-1).to_numpy(), against)
        weight = np.where(undone, np.float32(0), weight)
    if threshold is None:
        return weight.astype(np.float32)
    too_low = ((rows["action"] == "rate") & (rows["value"] < threshold)).fill_null(False).to_numpy()
    disliked = np.isin(pairs, np.unique(pairs[too_low & (pairs >= 0)]))
    return np.where(disliked, np.float32(0), weight).astype(np.float32)


def taken_back(pairs: NDArray[np.int64], times: NDArray[Any], against: Mask) -> Mask:
    """Return which rows a dislike of the same pair, no earlier than they are, takes back, shape ``(n_rows,)``.

    Args:
        pairs: number of each row's user and item.
        times: of each row, -1 where it is unknown: where nothing tells the order, a dislike takes all back.
        against: which rows are dislikes, at least one.
    """
    undone, numbers = np.unique(pairs[against], return_inverse=True)
    last = np.full(len(undone), -2, dtype=times.dtype)
    np.maximum.at(last, numbers, times[against])
    places = np.minimum(np.searchsorted(undone, pairs), len(undone) - 1)
    return np.asarray((undone[places] == pairs) & (times <= last[places]))


def like_threshold(dataset: Dataset, feedback: FeedbackConfig) -> float | None:
    """Return the value from which a rating is a like: as set, or 60 % of the way up the scale; None without ratings.

    The scale is that of the training rows. A scale of a single value makes each rating a like.
    """
    if feedback.like_threshold is not None:
        return feedback.like_threshold
    rated = dataset.interactions.filter((pl.col("action") == "rate") & (pl.col("split") == "train"))["value"]
    lowest, highest = rated.min(), rated.max()
    if not isinstance(lowest, float) or not isinstance(highest, float):
        return None
    return lowest + LIKE_FRACTION * (highest - lowest)


def split_validation(dataset: Dataset, weights: NDArray[np.float32], config: TrainConfig, seed: int) -> Split:
    """Hold out likes for choosing settings.

    Rows of files marked ``validation`` are the validation part if there are any, except pairs that were also trained
    on. Otherwise a share of each user's liked items is cut off, at random or the latest, or the latest of half of the
    users; all of the user's rows on such an item leave the fit part, not just the like. Where actions differ in weight,
    only items with the heaviest one are cut off, if there are enough of them.

    Args:
        dataset: the interactions.
        weights: as of :func:`like_weights`, shape ``(n_rows,)``.
        config: share, kind of cut, and the most users to cut from.
        seed: of the random choices.

    Raises:
        ConfigError: ``train.split = "time"`` and the data has no times.
    """
    rows = dataset.interactions
    pairs = pair_numbers(dataset)
    train = (rows["split"] == "train").to_numpy()
    liked = (weights > 0) & (pairs >= 0)
    rng = np.random.default_rng([seed, 2])
    if not train.all():
        held = ~train & liked & ~np.isin(pairs, pairs[train])
        users = np.unique(rows["user"].to_numpy()[held])
        chosen = _choose(users, config.max_validation_users, rng)
        return Split(train, held & np.isin(rows["user"].to_numpy(), chosen), weights)
    latest = _whose_latest(dataset, config, seed)
    strong = liked & np.isin(pairs, _strongest(pairs, weights, liked))
    in_held = np.isin(pairs, _cut(dataset, pairs, strong, latest, config, rng))
    return Split(~in_held, in_held & liked, weights, None if latest.all() or not latest.any() else latest)


def to_events(dataset: Dataset, mask: Mask, weights: NDArray[np.float32]) -> Events:
    """Return the likes among the rows of ``mask`` in the order of time.

    Rows without a time, where others have one, get the earliest time: what is not known to be recent counts as old.

    Args:
        dataset: the interactions.
        mask: rows to take, shape ``(n_rows,)``.
        weights: as of :func:`like_weights`, shape ``(n_rows,)``.
    """
    taken = dataset.interactions.with_columns(weight=pl.Series(weights)).filter(
        pl.Series(mask) & (pl.col("weight") > 0) & pl.col("item").is_not_null()
    )
    times = None
    if taken["time"].count():
        taken = taken.with_columns(pl.col("time").fill_null(pl.col("time").min())).sort("time", maintain_order=True)
        times = taken["time"].to_numpy().astype(np.int64)
    names = tuple(action for action in ACTIONS if action in set(taken["action"].unique()))
    codes = taken["action"].replace_strict({name: k for k, name in enumerate(names)}, return_dtype=pl.Int64)
    return Events(
        users=taken["user"].to_numpy().astype(np.int64),
        items=taken["item"].to_numpy().astype(np.int64),
        actions=codes.to_numpy().astype(np.int64),
        values=taken["value"].cast(pl.Float32).fill_null(float("nan")).to_numpy().astype(np.float32),
        weights=taken["weight"].to_numpy().astype(np.float32),
        times=times,
        action_names=names,
    )


def heaviest_weight(dataset: Dataset, feedback: FeedbackConfig, domain: Domain) -> float:
    """Return the weight of the heaviest action that occurs."""
    known = action_weights(feedback, domain)
    return max((known.get(action, 0.0) for action in dataset.interactions["action"].unique()), default=0.0)


def interaction_matrix(events: Events, n_users: int, n_items: int, *, heaviest: float | None = None) -> csr_array:
    """Return how strongly each user likes each item: float32 CSR ``(n_users, n_items)``, entries > 0, sorted indices.

    Weights of several events of a pair are summed up to :data:`MAX_EVENTS_A_PAIR` times the heaviest event of all.

    Args:
        events: likes.
        n_users: number of rows.
        n_items: number of columns.
        heaviest: weight of the heaviest event, where ``events`` are not all; None: that of ``events``.
    """
    from scipy.sparse import coo_array

    shape = (n_users, n_items)
    matrix = coo_array((events.weights, (events.users, events.items)), shape=shape, dtype=np.float32).tocsr()
    matrix.sum_duplicates()
    if len(events):
        most = events.weights.max() if heaviest is None else heaviest
        np.minimum(matrix.data, np.float32(MAX_EVENTS_A_PAIR * most), out=matrix.data)
    return matrix


def liked_pairs(
    dataset: Dataset, feedback: FeedbackConfig, domain: Domain, config: TrainConfig, seed: int
) -> pl.DataFrame:
    """Return who likes what, and what is held out: the test part as files mark it, the validation part as in training.

    Args:
        dataset: the interactions, the test part among them.
        feedback: what counts as a like.
        domain: the domain in force.
        config: as for :func:`split_validation`.
        seed: of the random choices.

    Returns:
        ``user`` and ``item`` (positions), ``weight``, ``split`` (``train``, ``validation`` or ``test``); sorted by
        split, user, item.
    """
    known = dataset.without_test()
    weights = like_weights(known, feedback, domain)
    split = split_validation(known, weights, config, seed)
    of_test = (dataset.interactions["split"] == "test").to_numpy()
    parts = (
        ("train", known, split.fit, weights),
        ("validation", known, split.validation, weights),
        ("test", dataset, of_test, like_weights(dataset, feedback, domain)),
    )
    tables = []
    for name, rows, mask, strengths in parts:
        pairs = interaction_matrix(to_events(rows, mask, strengths), dataset.n_users, dataset.n_items).tocoo()
        columns = {"user": pairs.row.astype(np.int64), "item": pairs.col.astype(np.int64), "weight": pairs.data}
        tables.append(pl.DataFrame(columns).with_columns(split=pl.lit(name)))
    return pl.concat(tables)


def share_of_returns(dataset: Dataset) -> float:
    """Return the share of the training events that repeat an earlier action of the same user on the same item.

    Events that cleaning dropped as repeated count, too: they happened.
    """
    rows = touched(dataset.interactions.filter(pl.col("split") == "train"))
    dropped = dataset.rejects.filter(pl.col("reason") == "repeated event").height
    kept = rows.height - rows.select(pl.struct("user", "item", "action").n_unique()).item()
    return float((dropped + kept) / max(rows.height + dropped, 1))


def seen_matrix(dataset: Dataset) -> csr_array:
    """Return what each user ever interacted with, liked or not, validation included: boolean CSR (n_users, n_items).

    What a user was only shown is not among it: it may be recommended again.
    """
    rows = touched(dataset.interactions).select("user", "item").unique()
    return pair_matrix(rows, dataset).astype(np.bool_)


def pair_numbers(dataset: Dataset) -> NDArray[np.int64]:
    """Return a number for each row's user and item, -1 where there is no item, shape ``(n_rows,)``."""
    rows = dataset.interactions
    items = rows["item"].cast(pl.Int64).fill_null(-1).to_numpy()
    pairs = rows["user"].cast(pl.Int64).to_numpy() * max(dataset.n_items, 1) + items
    return np.where(items < 0, np.int64(-1), pairs)


def _choose(users: NDArray[np.generic], most: int, rng: np.random.Generator) -> NDArray[np.generic]:
    return users if len(users) <= most else rng.choice(users, size=most, replace=False)


def _cut(
    dataset: Dataset,
    pairs: NDArray[np.int64],
    liked: Mask,
    latest: Mask,
    config: TrainConfig,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the liked pairs to hold out: the latest of the users ``latest`` says, of others some drawn by lot."""
    likes = (
        pl.DataFrame({"pair": pairs, "user": dataset.interactions["user"], "time": dataset.interactions["time"]})
        .filter(pl.Series(liked))
        .group_by("pair")
        .agg(pl.col("user").first(), pl.col("time").max())
        .sort("pair")
    )
    likes = likes.with_columns(draw=pl.Series(rng.random(likes.height))).with_columns(n=pl.len().over("user"))
    likes = likes.filter(pl.col("n") >= MIN_LIKES)
    chosen = _choose(likes["user"].unique().sort().to_numpy(), config.max_validation_users, rng)
    likes = likes.filter(pl.col("user").is_in(pl.Series(chosen, dtype=pl.UInt32).implode()))
    by_time = pl.Series(latest[likes["user"].to_numpy()])
    likes = likes.with_columns(time=pl.when(by_time).then(pl.col("time")))
    # Unknown times come last when descending, so they are held out last.
    likes = likes.sort(["user", "time", "draw"], descending=[False, True, True], nulls_last=True)
    rank = pl.int_range(pl.len()).over("user")
    held = likes.filter(rank < (pl.col("n") * config.validation_fraction).round().clip(lower_bound=1))
    return held["pair"].to_numpy()


def _strongest(pairs: NDArray[np.int64], weights: NDArray[np.float32], liked: Mask) -> NDArray[np.int64]:
    """Return the liked pairs on which a system is judged: those with the heaviest action, if they are enough."""
    heaviest = np.unique(pairs[liked & (weights == weights[liked].max(initial=0))])
    return heaviest if len(heaviest) >= ENOUGH_STRONG else pairs[liked]


def _whose_latest(dataset: Dataset, config: TrainConfig, seed: int) -> Mask:
    """Return the users whose latest likes are held out, shape ``(n_users,)``.

    ``auto`` takes half of the users where there are times: lists are for what comes next, but what lies between known
    likes is asked for, too, and settings that serve one of them alone may fail the other.
    """
    has_times = dataset.interactions["time"].count() > 0
    if config.split == "time" and not has_times:
        raise ConfigError('train.split is "time", but the interactions have no times', hint='set it to "ratio"')
    if config.split == "auto" and has_times:
        return np.random.default_rng([seed, 3]).random(dataset.n_users) < 0.5
    return np.full(dataset.n_users, config.split == "time")

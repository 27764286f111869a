"""What is held out for testing, and proof that nothing of it is fitted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.config import FeedbackConfig, TrainConfig
from kgrec.data.dataset import Dataset
from kgrec.data.impressions import IMPRESSION
from kgrec.data.split import like_weights, pair_numbers, split_validation
from kgrec.errors import ConfigError, DataError, NotFoundError, UsageError
from kgrec.evaluate.plan import FOLDS, FRACTION, K_FOLD, ROLLING
from kgrec.plugin.domain import Domain
from kgrec.types import Mask

LAST_ONLY = 1e-9
"""A share so small that it is one item of each user."""

_SEED_SHIFT = 1_000_003
"""The test part and the validation part must not be cut by the same draws."""


@dataclass(frozen=True, slots=True)
class Holdout:
    """Which interactions are fitted on (and, within, validated on) and which are tested on.

    No pair of user and item is in both. Rows may be in neither.

    Attributes:
        name: of the protocol.
        fit: shape ``(n_rows,)``.
        test: likes only, shape ``(n_rows,)``.
        candidates: items that are ranked, shape ``(n_items,)``, or None for all.
        facts: counts of this kind of split, by name.
        checked: leak checks that held, in words.
    """

    name: str
    fit: Mask
    test: Mask
    candidates: Mask | None = None
    facts: Mapping[str, int] = field(default_factory=dict)
    checked: tuple[str, ...] = ()

    @property
    def of_a_moment(self) -> bool:
        """Whether all lists are made at one moment, the end of the fit part, rather than at each user's last event."""
        return self.name in ("time", ROLLING)

    @property
    def validated_by(self) -> Literal["auto", "ratio", "time"]:
        """How settings are to be chosen for this split: on likes held out as the tested ones are."""
        if self.name == "given":
            return "auto"
        return "time" if self.of_a_moment or self.name == "leave-last" else "ratio"

    def later(self, dataset: Dataset) -> Mask | None:
        """Return which rows came after the fit part, shape ``(n_rows,)``; None where the split does not go by time."""
        if self.of_a_moment:  # a row without a time may be of any day
            until = self.facts.get("until", np.iinfo(np.int64).max)
            known: Mask = (dataset.interactions["time"] < until).fill_null(False).to_numpy()
            return ~self.fit & known
        return ~self.fit if self.name == "given" else None


def hold_out(
    dataset: Dataset,
    feedback: FeedbackConfig,
    domain: Domain,
    name: str,
    *,
    fraction: float = FRACTION,
    seed: int,
    fold: int = 0,
    folds: int = FOLDS,
) -> tuple[Dataset, Holdout]:
    """Hold out likes for testing.

    ========== ==========================================================================================
    ratio      a share of each user's liked items, at random
    leave-last each user's latest liked item
    time       all likes after one moment for everybody; what came before is fitted on
    given      the rows of files marked ``split = "test"``
    cold-item  all rows of a share of the items; only those items are ranked
    cold-user  all rows of a share of the users, who are then known by their own words at most
    rolling    the likes of one of ``folds`` windows of time, one after another; all that came before is fitted on
    k-fold     one of ``folds`` parts of the liked pairs, so that each of them is tested on in one fold
    ========== ==========================================================================================

    Args:
        dataset: all interactions, test rows included.
        feedback: what counts as a like.
        domain: the domain in force.
        name: of the protocol.
        fraction: share held out by ``ratio`` (of a user's liked items), ``time`` and ``rolling`` (of all likes),
            ``cold-item`` (of the items) and ``cold-user`` (of the users).
        seed: of the random choices.
        fold: which part ``k-fold`` or ``rolling`` holds out, from 0.
        folds: how many parts it makes.

    Returns:
        the dataset that the masks of the split belong to: for all protocols but ``given`` without rows marked ``test``,
        and with rows marked ``validation`` taken as training rows, because a new validation part is cut.

    Raises:
        NotFoundError: there is no such protocol.
        UsageError: the fraction is not between 0 and 0.5, or there is no such fold.
        ConfigError: the data has no times, or no rows are marked ``test``, and the protocol needs them.
        DataError: nothing is left to fit on, or nothing to test on.
    """
    if name not in PROTOCOLS:
        raise NotFoundError.of("split", name, PROTOCOLS)
    if not 0 < fraction < 0.5:
        raise UsageError(f"a share of {fraction} cannot be held out", hint="give a fraction above 0 and below 0.5")
    if name != "given":
        rows = dataset.interactions.filter(pl.col("split") != "test").with_columns(split=pl.lit("train"))
        dataset = replace(dataset, interactions=rows)
    pairs = pair_numbers(dataset)
    liked = (like_weights(dataset, feedback, domain) > 0) & (pairs >= 0)
    if name == K_FOLD:
        fit, test = hold_out_fold(dataset, pairs, liked, fold, folds, seed)
        split = Holdout(name, fit, test, facts={"fold": fold + 1, "folds": folds})
    elif name == ROLLING:
        split = _rolling(_Rows(dataset, liked, pairs, fraction, seed), fold, folds)
    else:
        split = CUTS[name](_Rows(dataset, liked, pairs, fraction, seed))
    if not (split.fit & liked).any() or not split.test.any():
        part = "test" if (split.fit & liked).any() else "fit"
        raise DataError(f"split {name!r} leaves no like to {part} on", hint="try another --split or --fraction")
    return dataset, replace(split, checked=check(dataset, split, liked))


def fit_part(dataset: Dataset, split: Holdout) -> Dataset:
    """Return the dataset without the test part; the numbering stays."""
    return replace(dataset, interactions=dataset.interactions.filter(pl.Series(split.fit)))


def check(dataset: Dataset, split: Holdout, liked: Mask) -> tuple[str, ...]:
    """Look for leaks in a split; return what was found to hold, in words.

    Args:
        dataset: what was split.
        split: how.
        liked: which rows are likes, shape ``(n_rows,)``.

    Raises:
        DataError: something of the test part is in the fit part.
    """
    rows = _Rows(dataset, liked, pair_numbers(dataset))
    fit, test = (dataset.interactions.filter(pl.Series(mask)) for mask in (split.fit, split.test))
    _hold(not (split.test & rows.known_in(split.fit)).any(), "a pair of user and item is in both parts")
    held = ["no pair of user and item is both fitted and tested on"]
    if split.of_a_moment:
        _hold(fit["time"].null_count() == 0, "a row without a time is fitted on")
        first = int(test["time"].to_numpy().min())
        _hold(not (fit["time"] >= first).any(), "something is fitted on that came after the first test like")
        held.append("all that is fitted on came before all that is tested on")
        last, until = int(test["time"].to_numpy().max()), split.facts.get("until")
        _hold(until is None or last < until, "something is tested on that came after the window")
    if split.name == "leave-last":
        latest_known = fit.filter(pl.Series(liked[split.fit])).group_by("user").agg(known=pl.col("time").max())
        late = test.group_by("user").agg(tested=pl.col("time").max()).join(latest_known, on="user")
        _hold(not (late["known"] > late["tested"]).any(), "a like is fitted on that came after the user's test like")
        held.append("no like of a user is fitted on that came after the one tested on")
    for name, column in (("cold-item", "item"), ("cold-user", "user")):
        if split.name == name:
            _hold(not test[column].is_in(fit[column].drop_nulls().implode()).any(), f"a cold {column} is fitted on")
            held.append(f"no row of a tested {column} is fitted on")
    return tuple(held)


def _hold(condition: bool, leak: str) -> None:
    if not condition:
        raise DataError(f"the split leaks: {leak}")


@dataclass(frozen=True)
class _Rows:
    """What is split.

    Attributes:
        dataset: the interactions.
        liked: which rows are likes of an item, shape ``(n_rows,)``.
        pairs: a number for each row's user and item, shape ``(n_rows,)``.
        fraction: share that is held out.
        seed: of the random choices.
    """

    dataset: Dataset
    liked: Mask
    pairs: NDArray[np.int64]
    fraction: float = FRACTION
    seed: int = 0

    def known_in(self, part: Mask) -> Mask:
        """Return which rows are of a pair with which the user did something in a part, shape ``(n_rows,)``."""
        did = (self.dataset.interactions["action"] != IMPRESSION).to_numpy()  # rather than being shown it
        return np.isin(self.pairs, self.pairs[part & did])

    def times(self, name: str) -> pl.Series:
        """Return the times; a split that needs them is refused where there are none."""
        times = self.dataset.interactions["time"]
        if not times.count():
            raise ConfigError(f"split {name!r} needs times, and the interactions have none", hint="take --split ratio")
        return times

    def per_user(self, name: str, kind: Literal["ratio", "time"], fraction: float) -> Holdout:
        """Cut as validation is cut, but from every user who likes enough."""
        most = max(self.dataset.n_users, 1)
        config = TrainConfig(validation_fraction=fraction, split=kind, max_validation_users=most)
        split = split_validation(self.dataset, self.liked.astype(np.float32), config, self.seed + _SEED_SHIFT)
        return Holdout(name, split.fit, split.validation)

    def draw(self, positions: NDArray[np.int64], size: int) -> Mask:
        """Mark a share of the users or items with likes, shape ``(size,)``."""
        present = np.unique(positions[self.liked])
        rng = np.random.default_rng([self.seed, _SEED_SHIFT])
        drawn = np.zeros(size, dtype=np.bool_)
        drawn[rng.permutation(present)[: max(1, round(self.fraction * len(present)))]] = bool(len(present))
        return drawn


def _ratio(rows: _Rows) -> Holdout:
    return rows.per_user("ratio", "ratio", rows.fraction)


def _leave_last(rows: _Rows) -> Holdout:
    rows.times("leave-last")
    return rows.per_user("leave-last", "time", LAST_ONLY)


def _time(rows: _Rows) -> Holdout:
    return _window("time", rows, 0, 1)


def _rolling(rows: _Rows, fold: int, folds: int) -> Holdout:
    if folds < 2 or not 0 <= fold < folds:
        raise UsageError(f"there is no window {fold} of {folds}", hint="give at least two --folds")
    return _window(ROLLING, rows, fold, folds)


def _window(name: str, rows: _Rows, fold: int, folds: int) -> Holdout:
    """Test on one of ``folds`` windows with as many likes each, which together are the latest ``fraction`` of all.

    Rows without a time are in neither part: they may have come later.
    """
    times = rows.times(name)
    known, at = times.is_not_null().to_numpy(), times.fill_null(0).to_numpy()
    if not (known & rows.liked).any():
        raise ConfigError(f'split "{name}" needs likes with a time, and there are none', hint="take --split ratio")
    shares = [1 - rows.fraction * (folds - k) / folds for k in (fold, fold + 1)]
    moment, until = (int(found) for found in np.quantile(at[known & rows.liked], shares, method="higher"))
    if fold == folds - 1:
        until = int(at[known].max()) + 1
    fit = known & (at < moment)
    test = known & (at >= moment) & (at < until) & rows.liked & ~rows.known_in(fit)
    window = {"fold": fold + 1, "folds": folds, "until": until} if folds > 1 else {}
    return Holdout(name, fit, test, facts={"moment": moment, "without_time": int((~known).sum()), **window})


def _given(rows: _Rows) -> Holdout:
    marked = (rows.dataset.interactions["split"] == "test").to_numpy()
    if not marked.any():
        raise ConfigError(
            "no rows are marked for testing",
            hint='give a file of [[data.interactions]] split = "test" and build again, or take --split ratio',
        )
    likes, repeated = marked & rows.liked, rows.known_in(~marked)
    return Holdout("given", ~marked, likes & ~repeated, facts={"known_before": int((likes & repeated).sum())})


def _cold_item(rows: _Rows) -> Holdout:
    items = rows.dataset.interactions["item"].cast(pl.Int64).fill_null(-1).to_numpy()
    cold = rows.draw(items, rows.dataset.n_items)
    among = np.where(items < 0, False, cold[items])
    return Holdout("cold-item", ~among, among & rows.liked, cold, {"cold_items": int(cold.sum())})


def _cold_user(rows: _Rows) -> Holdout:
    users = rows.dataset.interactions["user"].cast(pl.Int64).to_numpy()
    cold = rows.draw(users, rows.dataset.n_users)
    return Holdout("cold-user", ~cold[users], cold[users] & rows.liked, None, {"cold_users": int(cold.sum())})


CUTS: Mapping[str, Callable[[_Rows], Holdout]] = {
    "ratio": _ratio,
    "leave-last": _leave_last,
    "time": _time,
    "given": _given,
    "cold-item": _cold_item,
    "cold-user": _cold_user,
}
"""How the test part is cut at once, by name."""

PROTOCOLS = (*CUTS, ROLLING, K_FOLD)
"""Names of all protocols."""


def hold_out_fold(
    dataset: Dataset, pairs: NDArray[np.int64], liked: Mask, fold: int, n_folds: int, seed: int
) -> tuple[Mask, Mask]:
    """Return which rows are fitted on and which are tested on in one fold, each of shape ``(n_rows,)``.

    Each user's liked pairs are dealt out to the folds at random and as evenly as they go: a user's folds differ by one
    pair at most, and a user with fewer pairs than there are folds is tested in as many. All of the user's rows on a
    held-out item leave the fit part, not just the like.

    Args:
        dataset: the interactions.
        pairs: a number for each row's user and item, shape ``(n_rows,)``.
        liked: which rows are likes of an item, shape ``(n_rows,)``.
        fold: which part is held out, from 0.
        n_folds: parts.
        seed: of the dealing; the same for all folds.

    Raises:
        UsageError: there are fewer than two folds, or no such fold.
    """
    if n_folds < 2 or not 0 <= fold < n_folds:
        raise UsageError(f"there is no fold {fold} of {n_folds}", hint="give at least two --folds")
    known, first = np.unique(pairs[liked], return_index=True)
    users = dataset.interactions["user"].cast(pl.Int64).to_numpy()[liked][first]
    rng = np.random.default_rng([seed, 17])
    dealt = (
        pl.DataFrame({"place": np.arange(len(known)), "user": users, "draw": rng.random(len(known))})
        .sort("user", "draw")
        .with_columns(rank=pl.int_range(pl.len()).over("user"))
        .sort("place")
    )
    starts = rng.integers(n_folds, size=int(users.max(initial=-1)) + 1)
    held = np.isin(pairs, known[(dealt["rank"].to_numpy() + starts[users]) % n_folds == fold])
    return ~held, held & liked

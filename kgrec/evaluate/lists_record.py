"""What is kept of lists that were judged: the record of ``kgrec evaluate`` and its parts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from kgrec.evaluate.plan import EvaluationPlan
from kgrec.evaluate.records import RecordModel, RunRecord, Span
from kgrec.shown import html_table
from kgrec.significance import Interval, Paired, Real


class Counts(RecordModel):
    """How many likes users or items have.

    Attributes:
        none: how many have no like.
        median, most: likes.
        edges, counts: of a histogram.
    """

    none: int
    median: Real
    most: int
    edges: tuple[int, ...]
    counts: tuple[int, ...]


class Distribution(RecordModel):
    """How much is known of users and items before the test.

    Attributes:
        users, items: their likes.
        density: share of all pairs that are likes.
        popularity: ``(place, likes)`` of items, most liked first.
        top_share: share of all likes that the most liked tenth of the items holds.
    """

    users: Counts
    items: Counts
    density: float
    popularity: tuple[tuple[int, int], ...]
    top_share: float


class SplitData(RecordModel):
    """Counts of a split; with several seeds and folds of the first one.

    Attributes:
        users, items: in the dataset.
        fit_likes: likes to learn from.
        test_users, test_likes: users and likes that are tested on.
        ranked_items: items that could be recommended.
        categories: name of the attribute that sorts the items, or None.
        diversity_by: by what lists are diverse: ``texts`` or ``categories``.
        seed: of the split.
        checked: leak checks that held, in words.
        facts: further counts of this kind of split, by name.
        distribution: of the likes to learn from.
        test_set: hash of the users and all right answers: runs with the same one are compared user by user.
    """

    users: int
    items: int
    fit_likes: int
    test_users: int
    test_likes: int
    ranked_items: int
    categories: str | None
    diversity_by: str
    seed: int
    checked: tuple[str, ...]
    facts: dict[str, int]
    distribution: Distribution
    test_set: str


class SystemFigures(RecordModel):
    """A system over all seeds.

    Attributes:
        name: the system's.
        metrics: mean over users (of each user's mean over seeds and folds) with its interval, by metric.
        overall: figures of all lists together, means over seeds and folds.
        seeds: mean over users (of each user's mean over folds) of each metric, for every seed.
        weights: of the scorers, for every seed and fold.
        seconds: of training and judging, all seeds.
        skipped: why there are no figures, or the empty string.
    """

    name: str
    metrics: dict[str, Interval] = Field(default_factory=dict)
    overall: dict[str, Real] = Field(default_factory=dict)
    seeds: dict[str, tuple[Real, ...]] = Field(default_factory=dict)
    weights: tuple[dict[str, float], ...] = ()
    seconds: float = 0.0
    skipped: str = ""

    def figure(self, name: str) -> Span:
        """Return a figure with its interval, NaN where there is none."""
        if name in self.metrics:
            return self.metrics[name].span
        return (self.overall.get(name, float("nan")), float("nan"), float("nan"))


class Comparison(RecordModel):
    """The whole hybrid against another system on the same users.

    Attributes:
        system: the other one.
        metric: what is compared.
        by, slice: the part of the test, empty for all of it.
        paired: full minus other.
        p_holm: corrected for all comparisons of the same kind.
        full, other: the two means.
    """

    system: str
    metric: str
    by: str
    slice: str
    paired: Paired
    p_holm: Real
    full: Real
    other: Real


class SliceFigures(RecordModel):
    """A system on a part of the test."""

    by: str
    slice: str
    system: str
    metric: str
    interval: Interval


class Gap(RecordModel):
    """How unequally a system serves the groups of an attribute.

    Attributes:
        attribute: of the users.
        metric: what is compared.
        groups: mean of the metric by group.
        sizes: users by group.
        gap: largest mean minus smallest.
        intervals: of each group's mean, over users.
        low, high: bootstrap interval of the difference between the best and the worst served group.
        p: how often users who are dealt out to the groups at random are at least as far apart (permutation test of the
            gap, which allows for the choice of the two groups).
        p_holm: corrected for all attributes.
        effect: Cohen's d between the best and the worst served group, by the pooled standard deviation.
    """

    attribute: str
    metric: str
    groups: dict[str, float]
    sizes: dict[str, int]
    gap: float
    intervals: dict[str, Interval]
    low: float
    high: float
    p: float
    p_holm: Real = float("nan")
    effect: float


class SweepPoint(RecordModel):
    """The lists at one value.

    Attributes:
        value: of the option.
        metrics: each figure with its interval: over users, and for those of all lists together by the jackknife.
    """

    value: Any
    metrics: dict[str, Span]


class SweepCurve(RecordModel):
    """An option of a re-ranker and the figures at each of its values."""

    step: str
    option: str
    points: tuple[SweepPoint, ...]


class DebiasedFigures(RecordModel):
    """A figure of a system as observed and debiased. Both are over all held-out likes together, not means over users.

    Attributes:
        system: the system's name.
        metric: ``recall@20`` or ``ndcg@20``.
        naive: every held-out like counts the same.
        debiased: every held-out like counts the inverse propensity of its item.
        difference: debiased minus naive, its interval from the same draws of users.
        effective: share of the held-out likes that the debiased figure in effect rests on, ``(sum w)² / (m sum w²)``
            (Kish 1965); the smaller, the less sure it is.
    """

    system: str
    metric: str
    naive: Interval
    debiased: Interval
    difference: Interval
    effective: Real


class Effect(RecordModel):
    """An effect of showing.

    Attributes:
        shown: how often a pair is liked when shown.
        unshown: how often the same kind of pair is liked when not shown.
        uplift: the difference.
        n_shown: pairs behind ``shown``, the mean over seeds.
    """

    shown: Interval
    unshown: Interval
    uplift: Interval
    n_shown: int


class Uplift(RecordModel):
    """What the log says of the effect of recommendations.

    Attributes:
        users, shown, liked_shown, liked_unshown: counts of the log.
        naive: liked of what was shown minus liked of what was not, without any correction.
        everywhere: average effect over all pairs of these users and items.
        at: effect on what is in the lists, by system and then by length of the list.
    """

    users: int
    shown: int
    liked_shown: int
    liked_unshown: int
    naive: float
    everywhere: Effect
    at: dict[str, dict[int, Effect]] = Field(default_factory=dict)


class Clicks(RecordModel):
    """How well clicks are told from what was only shown.

    Attributes:
        users, shown, clicked, groups: counts; ``groups`` are those with something clicked and something not.
        by: what makes a group, in words.
        systems: figures by system and name: ``auc`` over all showings together, and the means over groups,
            ``group auc``, ``mrr``, ``ndcg@5`` and ``ndcg@10``; intervals over users.
    """

    users: int
    shown: int
    clicked: int
    groups: int
    by: str
    systems: dict[str, dict[str, Interval]] = Field(default_factory=dict)


class Band(RecordModel):
    """Items of about the same popularity: their share of all items, of the hidden likes, of each system's places."""

    name: str
    items: Real
    hidden_likes: Real
    systems: dict[str, Real]


class CategoryShares(RecordModel):
    """Mean share of each category in histories, in hidden likes and in each system's lists.

    Attributes:
        attribute: what the categories are.
        left_out: how many more there are.
        labels: of those that are shown, the most liked first.
        liked, hidden_likes: shares in that order.
        systems: the same by system.
    """

    attribute: str
    left_out: int
    labels: tuple[str, ...]
    liked: tuple[Real, ...]
    hidden_likes: tuple[Real, ...]
    systems: dict[str, tuple[Real, ...]]


class LearningCurve(RecordModel):
    """How a scorer that trains by epochs got better: ``(epoch, figure on the validation likes)``."""

    seed: int
    scorer: str
    points: tuple[tuple[int, Real], ...]


class ExampleItem(RecordModel):
    """An item of a list, whether it is right, and the reason for it."""

    item_id: str
    title: str
    hit: bool
    reason: str


class Example(RecordModel):
    """A user's list.

    Attributes:
        user: the user's id.
        likes: how many are known.
        latest: titles of the latest of them.
        hidden: how many likes are hidden.
        items: the list.
    """

    user: str
    likes: int
    latest: tuple[str, ...]
    hidden: int
    items: tuple[ExampleItem, ...]


class ChartData(RecordModel):
    """What is drawn of the lists, from the first round.

    Attributes:
        bands: who gets the places, by how popular the items are.
        handed_out: for each system ``(share of the items, least shown first; share of all places)``.
        categories: where the items have any.
        learning: of scorers that train by epochs.
        examples: lists of a few users.
    """

    bands: tuple[Band, ...] = ()
    handed_out: dict[str, tuple[tuple[float, float], ...]] = Field(default_factory=dict)
    categories: CategoryShares | None = None
    learning: tuple[LearningCurve, ...] = ()
    examples: tuple[Example, ...] = ()


class ListsRecord(RunRecord):
    """The result of ``kgrec evaluate``.

    Attributes:
        plan: what was asked for.
        data: counts of the split, and which leak checks held.
        systems: figures of each system, the whole hybrid first.
        comparisons: the whole hybrid against each other system, overall and by slice.
        slices: figures by slice.
        graph_utilisation: share of the metric that is owed to the graph, by how it was destroyed.
        gaps: differences between groups of users, for the whole hybrid.
        sweeps: figures of the whole hybrid at each value of each option that varied.
        debiased: figures as observed beside those by inverse propensities, for each system.
        uplift: what showing an item changes, where the data tells what was shown, or None.
        clicks: whether what was clicked is scored above what was only shown, or None.
        charts: what else a page draws.
    """

    kind: Literal["lists"] = "lists"
    plan: EvaluationPlan
    data: SplitData
    systems: tuple[SystemFigures, ...]
    comparisons: tuple[Comparison, ...] = ()
    slices: tuple[SliceFigures, ...] = ()
    graph_utilisation: dict[str, Interval] = Field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    sweeps: tuple[SweepCurve, ...] = ()
    debiased: tuple[DebiasedFigures, ...] = ()
    uplift: Uplift | None = None
    clicks: Clicks | None = None
    charts: ChartData = ChartData()

    @property
    def metric(self) -> str:
        """The metric on which systems are compared."""
        return self.plan.metric

    def _repr_html_(self) -> str:
        """Return the figures of the systems as a table, for notebooks."""
        names = list(dict.fromkeys(name for system in self.systems for name in system.metrics))
        rows = (
            (system.name, *(f"{system.figure(name)[0]:.4f}" for name in names))
            if system.metrics
            else (system.name, system.skipped)
            for system in self.systems
        )
        return html_table(("system", *names), rows)

    @property
    def judged(self) -> list[SystemFigures]:
        """The systems that have figures."""
        return [system for system in self.systems if system.metrics]

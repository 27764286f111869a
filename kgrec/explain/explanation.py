"""What `kgrec explain` says: values only, no workspace needed to read them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """A part of the fused score.

    Attributes:
        scorer: whose part.
        kind: ``item`` (of the history), ``entity``, ``text``, ``popularity``, ``bias``, ``baseline`` (what the average
            item gets from this scorer), ``whole`` (the scorer cannot be split).
        id: id of the item, or None.
        label: what a person reads.
        value: share of the fused score.
    """

    scorer: str
    kind: str
    id: str | None
    label: str
    value: float


@dataclass(frozen=True, slots=True)
class Stop:
    """A node of a path: ``kind`` is user, item or entity, ``id`` its key in the graph."""

    kind: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Step:
    """A relation of a path; ``label`` reads in the direction of the path, ``forward`` says how it is stated."""

    name: str
    label: str
    forward: bool


@dataclass(frozen=True, slots=True)
class Route:
    """A path from the user over an item of the history to the item.

    Attributes:
        nodes: user, item of the history, entities, item.
        relations: between them, one fewer than ``nodes``.
        weight: contribution of the item of the history, times how informative and fresh; the best come first.
        contribution: what the item of the history adds to the fused score.
        recency: how recently the user turned to the item of the history, 1 the latest, in ``[0, 1]``.
        popularity: how well connected the rarest entity is, 1 the best of the graph, in ``[0, 1]``; None without one.
    """

    nodes: tuple[Stop, ...]
    relations: tuple[Step, ...]
    weight: float
    contribution: float
    recency: float | None = None
    popularity: float | None = None

    def told(self) -> str:
        """Return the path in one line."""
        steps = zip(self.relations, self.nodes[1:], strict=True)
        return " ".join([self.nodes[0].label, *(f"–{step.label}→ {node.label}" for step, node in steps)])


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why an item is not in the list.

    Attributes:
        above: what stands above: ``item_id``, ``label``, ``rank``, ``score``; the best three and the last of the list.
        against: for each scorer how much more it gives to the last item of the list, the greatest first.
        missing: what the item lacks, in words.
    """

    above: tuple[dict[str, Any], ...]
    against: dict[str, float]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """The items of the history without which the item would not be in the list.

    Attributes:
        item_ids, labels: the set.
        rank_before: in the list from the whole profile; the profile has no order in time, so it may differ from the
            rank in the user's own list.
        rank_after: without the set, found by scoring the rest of the profile.
    """

    item_ids: tuple[str, ...]
    labels: tuple[str, ...]
    rank_before: int
    rank_after: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an item is, or is not, recommended.

    Attributes:
        user_id, item_id: of whom and what; ``label`` is the item's title.
        score: fused; None for an item that came after training.
        rank: place among what the user does not know yet, or None where it has none.
        n: length of the list.
        out_of: items ranked.
        contributions: sum to ``score``; the greatest first within a scorer.
        paths: best first.
        sentence: the reason in one sentence.
        why_not: for an item outside the list, or None.
        counterfactual: for an item in the list, or None where none was found.
    """

    user_id: str
    item_id: str
    label: str
    score: float | None
    rank: int | None
    n: int
    out_of: int
    contributions: tuple[Cause, ...]
    paths: tuple[Route, ...]
    sentence: str
    why_not: WhyNot | None = None
    counterfactual: Counterfactual | None = None
    unsplit: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)

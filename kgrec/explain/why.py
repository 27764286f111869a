"""Why an item is, or is not, recommended to a user: what ``kgrec explain`` says, and how it is found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.errors import UserError
from kgrec.explain.contributions import (
    BASELINE,
    WHOLE,
    ItemTerms,
    ScorePart,
    by_history,
    decompose,
    through_entities,
    through_terms,
)
from kgrec.explain.counterfactual import Removal, counterfactual
from kgrec.explain.reasons import Explainer, Route, Stop
from kgrec.graph.neighbourhood import Caption, Neighbourhood
from kgrec.graph.titles import display
from kgrec.languages import DEFAULT
from kgrec.languages.language import get_language
from kgrec.plugin.protocols import PartlySplitScorer
from kgrec.ranking.recommend import UserScores
from kgrec.shown import html_table
from kgrec.types import ItemList

PATHS = 3
"""Paths that are told."""

ABOVE = 3
"""Items at the top that are named when an item is not in the list."""

WHO = "{user}"
"""Stands for the user in the lines of an explanation, whom only the reader's side may name."""


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
class Rival:
    """An item that stands above the explained one."""

    item_id: str
    label: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why an item is not in the list.

    Attributes:
        above: the best three and the last of the list.
        against: for each scorer how much more it gives to the last item of the list, the greatest first.
        behind: the same in a sentence, or empty.
        missing: what the item lacks, in words.
    """

    above: tuple[Rival, ...]
    against: dict[str, float]
    missing: tuple[str, ...]
    behind: str = ""


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
        unsplit: names of the scorers whose share cannot be split.
        notes: what else of the score the contributions do not tell, a sentence a scorer.
        language: code of the language of all that people read.
        lines: why, in three lines for whoever runs the shop; ``{user}`` stands for the user.
        families: scorer -> what it goes by, see :class:`kgrec.plugin.spec.Spec`.
        without: the counterfactual in a sentence, or empty.
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
    unsplit: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    language: str = DEFAULT
    lines: tuple[str, ...] = ()
    families: Mapping[str, str] = field(default_factory=dict)
    without: str = ""

    def _repr_html_(self) -> str:
        """Return the sentence and the greatest contributions as a table, for notebooks."""
        greatest = sorted(self.contributions, key=lambda cause: -abs(cause.value))[:10]
        rows = ((cause.scorer, cause.kind, cause.label, f"{cause.value:+.3f}") for cause in greatest)
        return html_table(("scorer", "kind", "what", "share"), rows, f"{self.label}: {self.sentence}")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)

    def draw(self, out: str | Path) -> None:
        """Draw the paths as .svg or .html.

        Raises:
            UserError: there are none.
        """
        from kgrec.graph.drawing import draw

        lines = (self.sentence, *(path.told() for path in self.paths))
        draw(picture(self), Path(out), lines=lines)


def explain(
    explainer: Explainer,
    known: UserScores,
    item_id: str,
    n: int,
    *,
    terms: ItemTerms | None,
    search: bool,
) -> Explanation:
    """Explain one item.

    Args:
        explainer: words the reasons and knows the graph.
        known: scores of the user.
        item_id: the item's id.
        n: length of the list.
        terms: the words of the items' texts; None where the tables and the graph are not those of the training, so
            that neither words nor entities can be told.
        search: look for a counterfactual.

    Raises:
        NotFoundError: the item is unknown.
    """
    row = explainer.dataset.item_positions([item_id])[0]
    title = display(explainer.dataset.items["title"][int(row)] or item_id)
    place = explainer.ranker.item_positions.get(item_id)
    if place is None:
        words = explainer.wording
        why, sentence = WhyNot((), {}, (words.told("missing_late"),)), words.absent(n, None, 0)
        lines = (words.told("absent", item=title, user=WHO, n=n), sentence, *why.missing)
        return Explanation(
            known.user.user_id,
            item_id,
            title,
            None,
            None,
            n,
            0,
            (),
            (),
            sentence,
            why,
            language=words.code,
            lines=lines,
        )
    return _Explaining(explainer, known, place, n).explanation(title, terms, search=search)


@dataclass(frozen=True)
class _Explaining:
    """One item at the position ``place`` of one user's list of ``n``."""

    explainer: Explainer
    known: UserScores
    place: int
    n: int

    def explanation(self, title: str, terms: ItemTerms | None, *, search: bool) -> Explanation:
        known, place, n, ranker = self.known, self.place, self.n, self.explainer.ranker
        words = self.explainer.wording
        candidates = known.candidates()
        ranked = bool(candidates[place])
        rank = int((known.fused[candidates] > known.fused[place]).sum()) + 1 if ranked else None
        order = np.flatnonzero(candidates)
        order = order[np.argsort(-known.fused[order], kind="stable")]
        inside = rank is not None and rank <= n
        rival = int(order[min(n if inside else n - 1, len(order) - 1)]) if len(order) else place
        split = decompose(ranker, known.user.position, np.array([place, rival]), known.parts, known.user.profile)
        parts, rival_parts = (split[0], split[1]) if rival != place else (split[0], split[0])
        carried, gap = self._carried(parts, rival_parts)
        paths = tuple(self.explainer.routes(known.user, place, carried, PATHS))
        why_not, found = None, None
        if inside:
            sentence = self._sentence()
            found = self._counterfactual(gap) if search else None
        else:
            why_not = self._why_not(order, rival, carried, gap, rank, bool(paths))
            sentence = words.absent(n, rank, len(order))
        causes = self._causes(parts, terms)
        if rank is not None and inside:
            place_line = words.told("place", item=title, rank=rank, count=len(order), user=WHO)
        else:
            place_line = words.told("absent", item=title, user=WHO, n=n)
        behind = (why_not.behind or next(iter(why_not.missing), "")) if why_not is not None else ""
        without = ""
        if found is not None:
            without = words.told("without", names=words.listed(found.labels), rank=found.rank_after, n=n)
        return Explanation(
            known.user.user_id,
            ranker.item_ids[place],
            title,
            float(known.fused[place]),
            rank,
            n,
            len(order),
            causes,
            paths,
            sentence,
            why_not,
            found,
            tuple(dict.fromkeys(part.scorer for part in parts if part.kind == WHOLE)),
            self._notes(),
            words.code,
            (place_line, sentence, behind or self._mostly(causes)),
            self.explainer.families,
            without,
        )

    def _mostly(self, causes: Sequence[Cause]) -> str:
        """Say which families of scorers speak for the item most, what any item gets left out."""
        words = self.explainer.wording
        sums: dict[str, float] = {}
        for cause in causes:
            if cause.kind != BASELINE:
                family = self.explainer.families.get(cause.scorer, "other")
                sums[family] = sums.get(family, 0.0) + cause.value
        pro = {name: value for name, value in sums.items() if value > 0}
        total = sum(pro.values())
        if not total:
            return words.told("little")
        order = sorted(pro, key=lambda name: -pro[name])[:2]
        share = [round(100 * pro[name] / total) for name in order]
        named = [words.told(name) for name in order]
        if len(order) == 1:
            return words.told("mostly", first=named[0], share=share[0])
        return words.told("then", first=named[0], share=share[0], second=named[1], other=share[1])

    def _notes(self) -> tuple[str, ...]:
        """Return what scorers say of themselves that they do not tell."""
        scorers = self.explainer.ranker.scorers
        own = {name: scorers[name] for name in self.known.parts if name in scorers}
        told = {name: one.not_told() for name, one in own.items() if isinstance(one, PartlySplitScorer)}
        return tuple(f"{name}: {sentence}" for name, sentence in told.items() if sentence)

    def _carried(
        self, parts: list[ScorePart], rival: list[ScorePart]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what each item of the history adds to the item, and how much more than to the rival."""
        n_items = len(self.known.fused)
        if not any(part.kind == "item" for part in parts + rival):  # nothing was split: likes count by their weights
            weights = np.zeros(n_items)
            weights[self.known.user.profile.items] = self.known.user.profile.weights
            return weights, weights
        carried = by_history(parts, n_items)
        return carried, carried - by_history(rival, n_items)

    def _sentence(self) -> str:
        known, place = self.known, self.place
        found = ItemList(
            known.user.user_id,
            (self.explainer.ranker.item_ids[place],),
            np.array([place]),
            known.fused[[place]],
            {name: part[0, [place]] for name, part in known.parts.items()},
        )
        return self.explainer.reasons(found, known.user)[0].sentence

    def _causes(self, parts: list[ScorePart], terms: ItemTerms | None) -> tuple[Cause, ...]:
        known, ranker = self.known, self.explainer.ranker
        if known.user.position is not None and terms is not None:
            parts = through_entities(ranker, known.user.position, self.place, known.parts, parts)
            words = terms.of(self.place)
            if words is not None:
                parts = through_terms(ranker, known.user.position, self.place, known.parts, parts, words)
        sources = sorted({part.source for part in parts if part.kind == "item"})
        titles: dict[tuple[str, int], tuple[str, str]] = {
            ("item", source): (ranker.item_ids[source], title)
            for source, title in zip(sources, self._titles(sources), strict=True)
        }
        for node in {part.source for part in parts if part.kind == "entity"}:
            row = self.explainer.wording.node(node)
            titles["entity", node] = (str(row["key"]), self.explainer.wording.name(row))
        share = {name: float(part[0, self.place]) for name, part in known.parts.items()}
        ordered = sorted(parts, key=lambda p: (-abs(share[p.scorer]), p.scorer, p.kind == BASELINE, -p.value))
        told = self.explainer.wording.told
        named_parts = [(p, *titles.get((p.kind, p.source), (None, told(p.kind)))) for p in ordered]
        return tuple(Cause(p.scorer, p.kind, key, p.label or label, p.value) for p, key, label in named_parts)

    def _titles(self, places: Iterable[int]) -> list[str]:
        """Return titles; an item that has none, or left the catalogue since training, goes by its id."""
        rows, titles = self.explainer.to_dataset, self.explainer.dataset.items["title"]
        ids = self.explainer.ranker.item_ids
        return [display((titles[int(rows[place])] if rows[place] >= 0 else None) or ids[place]) for place in places]

    def _counterfactual(self, gap: NDArray[np.float64]) -> Counterfactual | None:
        known, ranker = self.known, self.explainer.ranker
        removal = Removal(ranker, known.user.profile, known.user.seen, self.place, known.allowed)
        found = counterfactual(removal, gap, self.n)
        if found is None:
            return None
        keys = tuple(ranker.item_ids[item] for item in found.items)
        return Counterfactual(keys, tuple(self._titles(found.items)), found.before, found.after)

    def _why_not(
        self,
        order: NDArray[np.int64],
        last: int,
        carried: NDArray[np.float64],
        gap: NDArray[np.float64],
        rank: int | None,
        joined: bool,
    ) -> WhyNot:
        known, ids = self.known, self.explainer.ranker.item_ids
        places = [*range(min(ABOVE, self.n, len(order)))]
        if len(order) >= self.n > ABOVE:
            places.append(self.n - 1)
        titles = self._titles(order[k] for k in places)
        above = tuple(
            Rival(ids[order[k]], title, k + 1, float(known.fused[order[k]]))
            for k, title in zip(places, titles, strict=True)
        )
        lead = {name: float(part[0, last] - part[0, self.place]) for name, part in known.parts.items()}
        against = {name: value for name, value in sorted(lead.items(), key=lambda pair: -pair[1]) if value > 0}
        behind = ""
        if rank is not None and against:
            words = self.explainer.wording
            part = words.told(self.explainer.families.get(next(iter(against)), "other"))
            behind = words.told("behind", n=min(self.n, len(order)), part=part)
        missing = tuple(self._missing(carried, gap, joined))
        return WhyNot(above, {} if rank is None else against, missing, behind)

    def _missing(self, carried: NDArray[np.float64], gap: NDArray[np.float64], joined: bool) -> list[str]:
        known, told = self.known, self.explainer.wording.told
        if self.place in known.user.seen.indices:
            return [told("missing_known")]
        if known.allowed is not None and not known.allowed[self.place]:
            return [told("missing_gone")]
        missing = []
        if not (self.explainer.ranker.seen.indices == self.place).any():
            missing.append(told("missing_nobody"))
        if not known.user.profile.items.size:
            missing.append(told("missing_nothing"))
        elif not (carried > 0).any():
            missing.append(told("missing_silent"))
        elif not joined:
            missing.append(told("missing_apart"))
        against = np.argsort(gap, kind="stable")[:3]
        against = against[gap[against] < 0]
        if len(against) and known.user.position is not None:
            missing.append(told("missing_less", names=self.explainer.wording.listed(self._titles(against))))
        return missing


def picture(explanation: Explanation) -> Neighbourhood:
    """Return the paths as a tree that starts at the user; the item stands at the end of each.

    Raises:
        UserError: there are none.
    """
    if not explanation.paths:
        raise UserError(
            f"the graph joins {explanation.label!r} to nothing that speaks for it, so there is nothing to draw",
            hint="without --out the contributions are printed",
        )
    # A stop is named by the way to it, so that every edge is drawn whole and labelled: the paths are a tree.
    numbers: dict[tuple[Stop, ...], int] = {}
    edges: dict[tuple[int, int], dict[str, object]] = {}
    for path in explanation.paths:  # a few
        ways = [path.nodes[: hop + 1] for hop in range(len(path.nodes))]
        for way in ways:
            numbers.setdefault(way, len(numbers))
        for step, near, far in zip(path.relations, ways, ways[1:], strict=False):
            ends = (numbers[near], numbers[far])
            told = {"forward": step.forward, "relation": step.name, "label": step.label}
            edges.setdefault(ends, {"near": ends[0], "far": ends[1], **told})
    degree = [sum(number in ends for ends in edges) for number in numbers.values()]
    columns = ("node", "kind", "type", "key", "label", "degree")
    nodes = [
        dict(zip(columns, (k, way[-1].kind, way[-1].kind, way[-1].id, way[-1].label, d), strict=True))
        for (way, k), d in zip(numbers.items(), degree, strict=True)
    ]
    words = get_language(explanation.language).explain
    heading = words["heading"].format(item=explanation.label, user=explanation.user_id)
    caption = Caption(explanation.language, heading, words["hint"])
    return Neighbourhood(0, pl.DataFrame(nodes), pl.DataFrame(list(edges.values())), one_sided=True, caption=caption)

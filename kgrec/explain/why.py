"""Why an item is, or is not, recommended to a user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.data.values import canonical_id
from kgrec.explain.counterfactual import Removal, counterfactual
from kgrec.explain.decompose import BASELINE, WHOLE, Part, by_history, decompose
from kgrec.explain.entity_contributions import through_entities, through_terms
from kgrec.explain.explanation import Cause, Counterfactual, Explanation, WhyNot
from kgrec.explain.paths import routes
from kgrec.ranking.histories import newcomers, seen_by
from kgrec.ranking.recommend import allowed_items
from kgrec.ranking.text_inputs import item_terms
from kgrec.types import ItemList, Mask, Profile, Scores

if TYPE_CHECKING:
    from kgrec.project import Project

PATHS = 3
"""Paths that are told."""

ABOVE = 3
"""Items at the top that are named when an item is not in the list."""

LABELS = {
    "text": "own words",
    "popularity": "liked by many",
    "bias": "what training learned of the user",
    BASELINE: "what the average item gets",
    WHOLE: "cannot be split",
}


@dataclass(frozen=True)
class Scored:
    """All that is known of a user's scores; ``position`` is None for somebody who came after training."""

    user_id: str
    position: int | None
    profile: Profile
    seen: csr_array
    allowed: Mask | None
    parts: dict[str, Scores]
    fused: NDArray[np.float32]

    def candidates(self) -> Mask:
        """Return which items may stand in the list, shape ``(n_items,)``."""
        mask = np.ones(len(self.fused), dtype=np.bool_) if self.allowed is None else self.allowed.copy()
        mask[self.seen.indices] = False
        return mask


def scored(project: Project, user_id: str) -> Scored:
    """Score all items for a user, by scorer."""
    ranker = project.ranker
    position = ranker.user_positions.get(user_id)
    profiles, seen = newcomers(project, [user_id])
    users = None if position is None else np.array([position], dtype=np.int64)
    seen = seen if position is None else seen_by(project, user_id)
    parts = ranker.parts(users) if users is not None else ranker.parts_new(profiles[0])
    fused = ranker.fused(parts, users)[0]
    return Scored(user_id, position, profiles[0], seen, allowed_items(project, ()), parts, fused)


def explain(project: Project, user: str, item: str, n: int, *, search: bool = True) -> Explanation:
    """Explain one item; see :meth:`kgrec.project.Project.explain`."""
    user, item = canonical_id(user), canonical_id(item)
    title = project.titles([item])[0]  # an unknown id is an error here
    known = scored(project, user)
    place = project.ranker.item_positions.get(item)
    if place is None:
        missing = "it came after the training: run kgrec train again"
        why = WhyNot((), {}, (missing,))
        sentence = project.explainer.wording.absent(n, None, 0, None)
        return Explanation(user, item, title, None, None, n, 0, (), (), sentence, why)
    return _Explaining(project, known, place, n).explanation(title, search=search)


@dataclass(frozen=True)
class _Explaining:
    """One item at the position ``place`` of one user's list of ``n``."""

    project: Project
    known: Scored
    place: int
    n: int

    def explanation(self, title: str, *, search: bool) -> Explanation:
        known, place, n = self.known, self.place, self.n
        candidates = known.candidates()
        ranked = bool(candidates[place])
        rank = int((known.fused[candidates] > known.fused[place]).sum()) + 1 if ranked else None
        order = np.flatnonzero(candidates)
        order = order[np.argsort(-known.fused[order], kind="stable")]
        inside = rank is not None and rank <= n
        rival = int(order[min(n if inside else n - 1, len(order) - 1)]) if len(order) else place
        split = decompose(self.project.ranker, known.position, np.array([place, rival]), known.parts, known.profile)
        parts, rival_parts = (split[0], split[1]) if rival != place else (split[0], split[0])
        carried, gap = self._carried(parts, rival_parts)
        paths = tuple(routes(self.project.explainer, known.user_id, place, carried, PATHS))
        why_not, found, sentence = None, None, ""
        if inside:
            sentence = self._sentence()
            found = self._counterfactual(gap) if search else None
        else:
            why_not = self._why_not(order, rival, carried, gap, rank, bool(paths))
            against = next(iter(why_not.against), None)
            sentence = self.project.explainer.wording.absent(n, rank, len(order), against)
        return Explanation(
            known.user_id,
            self.project.ranker.item_ids[place],
            title,
            float(known.fused[place]),
            rank,
            n,
            len(order),
            self._causes(parts),
            paths,
            sentence,
            why_not,
            found,
            tuple(dict.fromkeys(part.scorer for part in parts if part.kind == WHOLE)),
        )

    def _carried(self, parts: list[Part], rival: list[Part]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what each item of the history adds to the item, and how much more than to the rival."""
        n_items = len(self.known.fused)
        if not any(part.kind == "item" for part in parts + rival):  # nothing was split: likes count by their weights
            weights = np.zeros(n_items)
            weights[self.known.profile.items] = self.known.profile.weights
            return weights, weights
        carried = by_history(parts, n_items)
        return carried, carried - by_history(rival, n_items)

    def _sentence(self) -> str:
        known, place = self.known, self.place
        users = None if known.position is None else np.array([known.position], dtype=np.int64)
        found = ItemList(
            known.user_id,
            (self.project.ranker.item_ids[place],),
            np.array([place]),
            known.fused[[place]],
            {name: part[0, [place]] for name, part in known.parts.items()},
        )
        return self.project.explainer.reasons(found, user=users, profile=known.profile)[0].sentence

    def _causes(self, parts: list[Part]) -> tuple[Cause, ...]:
        known, project = self.known, self.project
        if known.position is not None and not project.workspace.stale("models"):  # else the graph's nodes have moved
            parts = through_entities(project.ranker, known.position, self.place, known.parts, parts)
            terms = item_terms(project, self.place)
            if terms is not None:
                parts = through_terms(project.ranker, known.position, self.place, known.parts, parts, terms)
        ids = project.ranker.item_ids
        sources = sorted({part.source for part in parts if part.kind == "item"})
        named = zip(sources, self._titles([ids[source] for source in sources]), strict=True)
        titles: dict[tuple[str, int], tuple[str, str]] = {
            ("item", source): (ids[source], title) for source, title in named
        }
        for node in {part.source for part in parts if part.kind == "entity"}:
            row = project.explainer.wording.node(node)
            titles["entity", node] = (str(row["key"]), str(row["label"]))
        share = {name: float(part[0, self.place]) for name, part in known.parts.items()}
        ordered = sorted(parts, key=lambda p: (-abs(share[p.scorer]), p.scorer, p.kind == BASELINE, -p.value))
        named_parts = [(p, *titles.get((p.kind, p.source), (None, LABELS.get(p.kind, p.kind)))) for p in ordered]
        return tuple(Cause(p.scorer, p.kind, key, p.label or label, p.value) for p, key, label in named_parts)

    def _titles(self, item_ids: list[str]) -> list[str]:
        """Return titles; an item that left the catalogue since training goes by its id."""
        known = set(self.project.dataset.items["item_id"].to_list())
        there = [key for key in item_ids if key in known]
        titles = dict(zip(there, self.project.titles(there), strict=True))
        return [titles.get(key, key) for key in item_ids]

    def _counterfactual(self, gap: NDArray[np.float64]) -> Counterfactual | None:
        known, ids = self.known, self.project.ranker.item_ids
        found = counterfactual(
            Removal(self.project.ranker, known.profile, known.seen, self.place, known.allowed), gap, self.n
        )
        if found is None:
            return None
        keys = [ids[item] for item in found.items]
        return Counterfactual(tuple(keys), tuple(self._titles(keys)), found.before, found.after)

    def _why_not(
        self,
        order: NDArray[np.int64],
        last: int,
        carried: NDArray[np.float64],
        gap: NDArray[np.float64],
        rank: int | None,
        joined: bool,
    ) -> WhyNot:
        known, ids = self.known, self.project.ranker.item_ids
        places = [*range(min(ABOVE, self.n, len(order)))]
        if len(order) >= self.n > ABOVE:
            places.append(self.n - 1)
        titles = self._titles([ids[order[k]] for k in places])
        above: list[dict[str, Any]] = [
            {"item_id": ids[order[k]], "label": title, "rank": k + 1, "score": float(known.fused[order[k]])}
            for k, title in zip(places, titles, strict=True)
        ]
        lead = {name: float(part[0, last] - part[0, self.place]) for name, part in known.parts.items()}
        against = {name: value for name, value in sorted(lead.items(), key=lambda pair: -pair[1]) if value > 0}
        if rank is None:
            against = {}
        return WhyNot(tuple(above), against, tuple(self._missing(carried, gap, joined)))

    def _missing(self, carried: NDArray[np.float64], gap: NDArray[np.float64], joined: bool) -> list[str]:
        known, ids = self.known, self.project.ranker.item_ids
        if self.place in known.seen.indices:
            return ["the user knows it already"]
        if known.allowed is not None and not known.allowed[self.place]:
            return ["it is no longer in the catalogue"]
        missing = []
        if not (self.project.ranker.seen.indices == self.place).any():
            missing.append("nobody has interacted with it yet")
        if not known.profile.items.size:
            missing.append("the user has liked nothing yet")
        elif not (carried > 0).any():
            missing.append("nothing in the history speaks for it")
        elif not joined:
            missing.append("the graph joins it to nothing in the history that speaks for it")
        against = np.argsort(gap, kind="stable")[:3]
        against = against[gap[against] < 0]
        if len(against) and known.position is not None:
            titles = self._titles([ids[item] for item in against])
            missing.append(f"it gains less than the last item of the list from {', '.join(titles)}")
        return missing

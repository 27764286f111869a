"""The trained hybrid: scorers, their weights, and lists for users. Needs numpy and scipy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kgrec.data.dataset import read_table
from kgrec.models.sparse import take_rows
from kgrec.plugin.protocols import NewUserScorer, Scorer
from kgrec.ranking.cold import ColdItems
from kgrec.ranking.fusion import by_user, standardise
from kgrec.ranking.second_stage import PART, SecondStage
from kgrec.ranking.selection import mask_seen
from kgrec.ranking.top_k import top_k, with_reserved
from kgrec.ranking.user_weights import Gate
from kgrec.types import ItemIndices, Mask, Profile, Scores, UserIndices
from kgrec.workspace import load_arrays, read_json, save_arrays, storage_errors, write_json

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.plugin.manager import Registry
    from kgrec.ranking.batch import Joint

FALLBACK = "popularity"
"""Scores those of whom nothing is known."""


@dataclass(frozen=True)
class Ranker:
    """Scorers and how they are fused.

    Attributes:
        user_ids, item_ids: the numbering at training; the dataset may have grown since.
        seen: what each user interacted with, CSR of shape ``(n_users, n_items)``.
        scorers: fitted scorers by name: those with a weight, those that the second stage looks at, and the fallback.
        weights: weight of each scorer in the fused score, summing to 1.
        summary: options and validation figures of every scorer, JSON values.
        gate: how weights move with how much is known of a user, or None where they do not.
        cold: how items without likes come beside the others, or None where there are none.
        stage: puts the best of the fused list into a new order, or None.
    """

    user_ids: Sequence[str]
    item_ids: Sequence[str]
    seen: csr_array
    scorers: Mapping[str, Scorer]
    weights: Mapping[str, float]
    summary: Mapping[str, Any] = field(default_factory=dict)
    cold: ColdItems | None = None
    gate: Gate | None = None
    stage: SecondStage | None = None

    @cached_property
    def user_positions(self) -> dict[str, int]:
        """User id -> position."""
        return {key: k for k, key in enumerate(self.user_ids)}

    @cached_property
    def item_positions(self) -> dict[str, int]:
        """Item id -> position."""
        return {key: k for k, key in enumerate(self.item_ids)}

    @property
    def asked(self) -> list[str]:
        """Names of the scorers that have a say in any list."""
        cold, stage = (self.cold.members if self.cold else ()), (self.stage.members if self.stage else ())
        return list(dict.fromkeys([*self.weights, *cold, *stage]))

    def parts(self, users: UserIndices) -> dict[str, Scores]:
        """Return each scorer's share of the fused score, of shape ``(u, n_items)``, by its name.

        What the second stage adds is a part of its own, see :data:`kgrec.ranking.second_stage.PART`.
        """
        scores = {name: self.scorers[name].score(users) for name in self.asked}
        return self._weighed(scores, take_rows(self.seen, users))

    def parts_new(self, profile: Profile) -> dict[str, Scores]:
        """Return the same for somebody who was not there at training, of shape ``(1, n_items)``."""
        able = {name: s for name in self.asked if isinstance(s := self.scorers[name], NewUserScorer)}
        seen = self.seen_new([profile])
        return self._weighed({name: s.score_new(profile)[None, :] for name, s in able.items()}, seen)

    def seen_new(self, profiles: Sequence[Profile]) -> csr_array:
        """Return what the profiles name, CSR of shape ``(len(profiles), n_items)``."""
        from scipy.sparse import csr_array

        items = [np.unique(profile.items[profile.items < len(self.item_ids)]) for profile in profiles]
        starts = np.cumsum([0, *map(len, items)])
        indices = np.concatenate([np.zeros(0, dtype=np.int64), *items])
        parts = (np.ones(len(indices), dtype=np.bool_), indices, starts)
        return csr_array(parts, shape=(len(profiles), len(self.item_ids)))

    @cached_property
    def joint(self) -> Joint:
        """The same fusion for many users at once; :func:`kgrec.ranking.blocks.rank_blocks` uses it."""
        from kgrec.ranking.batch import Joint

        return Joint(
            self.scorers,
            self.weights,
            gate=self.gate,
            cold=self.cold,
            stage=self.stage,
            fallback=self.scorers[FALLBACK],
            n_items=len(self.item_ids),
        )

    def _weighed(self, scores: Mapping[str, Scores], seen: csr_array) -> dict[str, Scores]:
        """Standardise, weigh, nudge and put the cold items in their place; absent scorers' weights go to the others.

        Args:
            scores: of each scorer, shape ``(u, n_items)``.
            seen: what the users have seen, CSR of the same shape.
        """
        scores = {name: np.asarray(given, dtype=np.float32) for name, given in scores.items()}
        names = [name for name in self.weights if name in scores]
        norm = sum(self.weights[name] for name in names)
        gate, counts = self.gate or Gate(0.0, 1.0, {}), np.diff(seen.indptr)
        weights = by_user(names, self.weights, gate, counts) / np.float32(norm)
        parts = {name: standardise(scores[name], seen) for name in names}
        standing: dict[str, Scores] = {}
        if self.stage is not None:
            looked_at = [name for name in self.stage.members if name in scores]
            standing = {n: parts[n].copy() if n in parts else standardise(scores[n], seen) for n in looked_at}
        for s, name in enumerate(names):
            parts[name] *= weights[s][:, None]
        if self.stage is not None and parts:
            total = np.asarray(np.sum(list(parts.values()), axis=0), dtype=np.float32)
            parts[PART] = self.stage.nudge(total, standing, seen)
        if self.cold is not None:
            self.cold.place(parts, scores)
        return parts

    def fused(self, parts: dict[str, Scores], users: UserIndices | None) -> Scores:
        """Sum up ``parts``; rows in which no scorer has anything to say become the fallback's.

        What the fallback contributes is added to ``parts``, so that they still sum to the fused score.
        """
        n_rows = len(users) if users is not None else 1
        total = np.zeros((n_rows, len(self.item_ids)), dtype=np.float32)
        for part in parts.values():
            total += part
        silent: Mask = np.logical_not(total.any(axis=1))
        if silent.any():
            standing_in = np.zeros_like(total)
            standing_in[silent] = standardise(self._fallback(users, silent))
            parts[FALLBACK] = parts[FALLBACK] + standing_in if FALLBACK in parts else standing_in
            total += standing_in
        return total

    def _fallback(self, users: UserIndices | None, silent: Mask) -> Scores:
        scorer = self.scorers[FALLBACK]
        if users is None:
            return np.asarray(scorer.score_new(Profile()), dtype=np.float32)[None, :]  # type: ignore[attr-defined]
        return np.asarray(scorer.score(users[silent]), dtype=np.float32)

    def rank(
        self,
        scores: Scores,
        n: int,
        *,
        seen: csr_array | None,
        allowed: Mask | None,
        include_seen: bool = False,
        reserved: ItemIndices | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return positions and scores of the best ``n`` items of each row, -1 and -inf where there are fewer.

        Args:
            scores: fused, shape ``(u, n_items)``; not changed.
            n: length of the lists.
            seen: items the users know, CSR of the same shape, or None.
            allowed: items that may be recommended, shape ``(n_items,)``, or None for all.
            include_seen: do not leave out ``seen``. Where training found that users hardly ever return to an item,
                these are lowered by the range of the row's scores, so that they come after all others.
            reserved: items that are added, one column each, where they may be recommended and are not among the best.
        """
        options: dict[str, Any] = {"seen": seen, "allowed": allowed, "include_seen": include_seen, "reserved": reserved}
        return self.rank_in_place(scores.copy(), n, **options)

    def rank_in_place(
        self,
        scores: Scores,
        n: int,
        *,
        seen: csr_array | None,
        allowed: Mask | None,
        include_seen: bool = False,
        reserved: ItemIndices | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Do as :meth:`rank`, but overwrite ``scores``."""
        if seen is not None and not include_seen:
            mask_seen(scores, seen)
        elif seen is not None and self.summary.get("seen_last", False):
            rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
            scores[rows, seen.indices] -= (np.ptp(scores, axis=1) + 1e-3)[rows]
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        best, values = top_k(scores, n)
        return (best, values) if reserved is None else with_reserved(scores, best, values, reserved)

    def save(self, folder: Path) -> None:
        """Write everything as parquet, safetensors and JSON."""
        with storage_errors(folder):
            pl.DataFrame({"user_id": list(self.user_ids)}, schema={"user_id": pl.String}).write_parquet(
                folder / "users.parquet"
            )
            pl.DataFrame({"item_id": list(self.item_ids)}, schema={"item_id": pl.String}).write_parquet(
                folder / "items.parquet"
            )
        seen = self.seen
        save_arrays(
            folder / "seen.safetensors",
            {"indptr": np.asarray(seen.indptr, dtype=np.int64), "indices": np.asarray(seen.indices, dtype=np.int32)},
        )
        for name, scorer in self.scorers.items():
            save_arrays(folder / f"{name}.safetensors", scorer.state())
        document = {
            "weights": dict(self.weights),
            "scorers": list(self.scorers),
            "summary": self.summary,
            "gate": None if self.gate is None else self.gate.state(),
            "cold": None if self.cold is None else self.cold.state(),
            "second_stage": self.stage is not None,
        }
        if self.stage is not None:
            self.stage.save(folder)
        write_json(folder / "ranker.json", document)

    @classmethod
    def load(cls, folder: Path, registry: Registry) -> Ranker:
        """Read what :meth:`save` wrote.

        Raises:
            CorruptArtifactError: a file is missing or damaged.
            NotFoundError: a scorer's plugin is no longer installed.
        """
        from scipy.sparse import csr_array

        document = read_json(folder / "ranker.json")
        user_ids = read_table(folder / "users.parquet")["user_id"].to_list()
        item_ids = read_table(folder / "items.parquet")["item_id"].to_list()
        seen = load_arrays(folder / "seen.safetensors")
        data = np.ones(len(seen["indices"]), dtype=np.bool_)
        options = document["summary"].get("scorers", {})
        scorers = {}
        for name in document["scorers"]:
            scorer = registry[name].build(options.get(name, {}).get("options"))
            scorers[name] = scorer.load_state(load_arrays(folder / f"{name}.safetensors"))
        indices, indptr = (seen[name].astype(np.int64) for name in ("indices", "indptr"))
        matrix = csr_array((data, indices, indptr), shape=(len(user_ids), len(item_ids)))
        cold = ColdItems.from_state(document["cold"]) if document.get("cold") else None
        gate = Gate(**document["gate"]) if document.get("gate") else None
        stage = SecondStage.load(folder) if document.get("second_stage") else None
        return cls(user_ids, item_ids, matrix, scorers, document["weights"], document["summary"], cold, gate, stage)

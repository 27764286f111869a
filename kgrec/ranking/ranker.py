"""The trained hybrid: scorers, their weights, and lists for users. Needs numpy and scipy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from kgrec.artifacts import as_csr
from kgrec.errors import NotFoundError, UserError
from kgrec.models.distilled import Distilled
from kgrec.models.sparse import take_rows
from kgrec.models.top_k import mask_seen, top_k, with_reserved
from kgrec.packing import Precision
from kgrec.plugin.contained import owner_of
from kgrec.plugin.protocols import MomentScorer, Scorer
from kgrec.ranking.cold import ColdPlacement
from kgrec.ranking.fusion import FALLBACK, Asked, Fusion, Gate
from kgrec.ranking.second_stage import SecondStage
from kgrec.types import ItemIndices, Mask, Scores
from kgrec.workspace import load_arrays, read_json, save_arrays, write_json

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kgrec.data.forgotten import ForgottenUsers
    from kgrec.plugin.manager import Registry


@dataclass(frozen=True, slots=True)
class ListRules:
    """What may stand in a list.

    Attributes:
        n: length of the list.
        allowed: items that may be recommended, shape ``(n_items,)``, or None for all.
        include_seen: do not leave out what the user knows. Where training found that users hardly ever return to an
            item, these are lowered by the range of the row's scores, so that they come after all others.
        reserved: items that are added, where they may be recommended and are not among the best, or None.
    """

    n: int
    allowed: Mask | None = None
    include_seen: bool = False
    reserved: ItemIndices | None = None


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
        distilled: vectors that reproduce the lists, or None where none were made.
    """

    user_ids: Sequence[str]
    item_ids: Sequence[str]
    seen: csr_array
    scorers: Mapping[str, Scorer]
    weights: Mapping[str, float]
    summary: Mapping[str, Any] = field(default_factory=dict)
    cold: ColdPlacement | None = None
    gate: Gate | None = None
    stage: SecondStage | None = None
    distilled: Distilled | None = None

    @cached_property
    def user_positions(self) -> dict[str, int]:
        """User id -> position; a user who is being forgotten has the empty id and none."""
        return {key: k for k, key in enumerate(self.user_ids) if key}

    @cached_property
    def item_positions(self) -> dict[str, int]:
        """Item id -> position."""
        return {key: k for k, key in enumerate(self.item_ids)}

    @cached_property
    def fusion(self) -> Fusion:
        """What makes one score of the scorers' scores."""
        options: dict[str, Any] = {"gate": self.gate, "cold": self.cold, "stage": self.stage}
        return Fusion(self.scorers, self.weights, len(self.item_ids), **options)

    @cached_property
    def quick(self) -> Ranker:
        """A ranker that makes nearly the same lists by :attr:`distilled`.

        Raises:
            UserError: nothing was distilled.
        """
        if self.distilled is None:
            raise UserError(
                "the models were trained without vectors for recommend.distilled",
                hint="set train.distill = true and run `kgrec train`",
            )
        scorers = {"distilled": self.distilled, FALLBACK: self.scorers[FALLBACK]}
        bare: dict[str, Any] = {"cold": None, "gate": None, "stage": None, "distilled": None}
        return replace(self, scorers=scorers, weights={"distilled": 1.0}, **bare)

    def hiding(self, forgotten: ForgottenUsers) -> Ranker:
        """Return the ranker without the ids of users who are being forgotten."""
        if not forgotten.people:  # a list for one user must start fast
            return self
        import polars as pl

        ids = pl.Series(self.user_ids, dtype=pl.String)
        hidden = forgotten.hidden(ids)
        return self if hidden is None else replace(self, user_ids=ids.set(hidden, "").to_list())

    def made_at(self, moment: Literal["auto", "now", "last"]) -> Ranker:
        """Return the ranker for lists made at the moments that ``recommend.moment`` names."""
        now = moment == "now" or (moment == "auto" and bool(self.summary.get("current", True)))
        return self.at_end() if now else self

    def at_end(self) -> Ranker:
        """Return the ranker for lists made at the end of the data, rather than at each user's last event."""
        scorers = {name: s.at_end() if isinstance(s, MomentScorer) else s for name, s in self.scorers.items()}
        return replace(self, scorers=scorers)

    def split(self, asked: Asked) -> tuple[dict[str, Scores], Scores]:
        """Return each scorer's share of the fused score by its name, and their sum; each of shape ``(u, n_items)``.

        What the second stage adds is a part of its own, see :data:`kgrec.ranking.second_stage.PART`.

        Args:
            asked: positions of users at training, or profiles of people who came later.
        """
        return self.fusion.split(asked, self.seen_at_training(asked))

    def fused(self, asked: Asked) -> Scores:
        """Return the fused scores of users, or of people who came later, shape ``(u, n_items)``."""
        return self.split(asked)[1]

    def seen_at_training(self, asked: Asked) -> csr_array:
        """Return what users had seen at training, or what profiles name, CSR of shape ``(u, n_items)``."""
        from scipy.sparse import csr_array

        if isinstance(asked, np.ndarray):
            return take_rows(self.seen, asked)
        items = [np.unique(profile.items[profile.items < len(self.item_ids)]) for profile in asked]
        starts = np.cumsum([0, *map(len, items)])
        indices = np.concatenate([np.zeros(0, dtype=np.int64), *items])
        parts = (np.ones(len(indices), dtype=np.bool_), indices, starts)
        return csr_array(parts, shape=(len(asked), len(self.item_ids)))

    def rank(
        self, scores: Scores, rules: ListRules, seen: csr_array | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return positions and scores of each row's best items, shape ``(u, n)``, -1 and -inf where there are fewer.

        Args:
            scores: fused, shape ``(u, n_items)``; overwritten.
            rules: what may stand in the lists; reserved items add a column each.
            seen: items the users know, CSR of the same shape, or None.
        """
        if seen is not None and not rules.include_seen:
            mask_seen(scores, seen)
        elif seen is not None and self.summary.get("seen_last", False):
            rows = np.repeat(np.arange(seen.shape[0]), np.diff(seen.indptr))
            scores[rows, seen.indices] -= (np.ptp(scores, axis=1) + 1e-3)[rows]
        if rules.allowed is not None:
            scores[:, ~rules.allowed] = -np.inf
        best, values = top_k(scores, rules.n)
        return (best, values) if rules.reserved is None else with_reserved(scores, best, values, rules.reserved)

    def save(self, folder: Path, precision: Precision = "float32") -> None:
        """Write everything as safetensors and JSON; the scorers' numbers in ``train.precision``."""
        write_json(folder / "ids.json", {"users": list(self.user_ids), "items": list(self.item_ids)}, indent=None)
        seen = self.seen
        save_arrays(
            folder / "seen.safetensors",
            {"indptr": np.asarray(seen.indptr, dtype=np.int64), "indices": np.asarray(seen.indices, dtype=np.int32)},
        )
        for name, scorer in self.scorers.items():
            save_arrays(folder / f"{name}.safetensors", scorer.state(), precision)
        document = {
            "weights": dict(self.weights),
            "scorers": list(self.scorers),
            "plugins": {name: asdict(owner) for name, one in self.scorers.items() if (owner := owner_of(one))},
            "summary": self.summary,
            "gate": None if self.gate is None else self.gate.state(),
            "cold": None if self.cold is None else self.cold.state(),
            "second_stage": self.stage is not None,
            "distilled": self.distilled is not None,
        }
        if self.distilled is not None:
            save_arrays(folder / "distilled.safetensors", self.distilled.state(), precision)
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
        document = read_json(folder / "ranker.json")
        ids = read_json(folder / "ids.json")
        user_ids, item_ids = ids["users"], ids["items"]
        seen = load_arrays(folder / "seen.safetensors")
        data = np.ones(len(seen["indices"]), dtype=np.bool_)
        options = document["summary"].get("scorers", {})
        scorers = {}
        for name in document["scorers"]:
            if name not in registry and (owner := document.get("plugins", {}).get(name)):
                missing = f"scorer {name!r} is of plugin {owner['plugin']} {owner['version']}, which is not in use"
                raise NotFoundError(
                    missing, hint=f"pip install {owner['distribution']}, or run `kgrec train` without it"
                )
            scorer = registry[name].build(options.get(name, {}).get("options"))
            scorers[name] = scorer.load_state(load_arrays(folder / f"{name}.safetensors"))
        indices, indptr = (seen[name].astype(np.int64) for name in ("indices", "indptr"))
        matrix = as_csr(data, indices, indptr, (len(user_ids), len(item_ids)))
        cold = ColdPlacement.from_state(document["cold"]) if document.get("cold") else None
        gate = Gate(**document["gate"]) if document.get("gate") else None
        stage = SecondStage.load(folder) if document.get("second_stage") else None
        distilled = None
        if document.get("distilled"):
            distilled = Distilled.from_state(load_arrays(folder / "distilled.safetensors"))
        fused = (scorers, document["weights"], document["summary"])
        return cls(user_ids, item_ids, matrix, *fused, cold, gate, stage, distilled)

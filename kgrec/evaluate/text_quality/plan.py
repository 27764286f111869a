"""What is written and judged: readers in groups that share an item, and variants of writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kgrec.errors import UsageError, UserError, did_you_mean

if TYPE_CHECKING:
    from kgrec.plugin.domain import TextKind
    from kgrec.progress import Progress
    from kgrec.project import Project

VARIANTS = ("template", "zero-shot", "few-shot", "guarded")
"""``template``: phrases · ``zero-shot``: the model's first draft, by the prompt without its examples · ``few-shot``:
with them · ``guarded``: the best of K such drafts that guards let pass, one repair, else the template's text."""

GROUP = 10
"""Readers of one item: a reader's text is to be picked out among those of the others."""

POOL = 3000
"""Users whose lists are looked at for items that several of them get."""

DEPTHS = (10, 20, 50, 100)
"""Lengths of the lists in which an item must stand; a longer one where too few items are shared by ten."""


@dataclass(frozen=True, slots=True)
class TextPlan:
    """What is evaluated.

    Attributes:
        kind: name of the kind of text; None: the domain's usual one.
        language, tone: None: as in kgrec.toml.
        users: readers; each gets one text a variant.
        variants: some of :data:`VARIANTS`.
        model: language model of all variants but ``template``; None: as in kgrec.toml.
        candidates: drafts of ``guarded``.
        seed: of the sample and of the drafts.
        fluency: texts a variant whose likelihood is asked for.
    """

    kind: str | None = None
    language: str | None = None
    tone: str | None = None
    users: int = 300
    variants: tuple[str, ...] = ("template",)
    model: str | None = None
    candidates: int = 3
    seed: int = 42
    fluency: int = 60

    def __post_init__(self) -> None:
        """Check the variants."""
        if not self.variants:
            raise UsageError("no variant is named", hint=f"some of {', '.join(VARIANTS)}")
        for name in self.variants:
            if name not in VARIANTS:
                raise UsageError(f"unknown variant {name!r}", hint=did_you_mean(name, VARIANTS))


@dataclass(frozen=True, slots=True)
class Job:
    """A text that is wanted: for whom (empty: nobody in particular), about what, and in which group of readers."""

    user_id: str
    item_ids: tuple[str, ...]
    group: int


def jobs_of(project: Project, kind: TextKind, plan: TextPlan, progress: Progress) -> list[Job]:
    """Draw readers and items.

    Personal kinds about one item: groups of ten readers who all have the item in their recommendations, drawn from a
    sample of the users. Readers who get the same item are more alike than any ten, so picking them out is harder.
    Digests: each reader's first items. Kinds for nobody in particular: items.

    Raises:
        UserError: no item is recommended to two readers.
    """
    rng = np.random.default_rng(plan.seed)
    if not kind.personal:
        items = project.dataset.items["item_id"].to_numpy()
        return [Job("", (str(item),), 0) for item in rng.permutation(items)[: plan.users]]
    pool = rng.permutation(project.dataset.users["user_id"].to_numpy())[: max(POOL, plan.users)].tolist()
    if kind.max_items > 1:
        lists = project.recommend_many(pool[: plan.users], n=kind.max_items, progress=progress)
        rows = lists.group_by("user_id", maintain_order=True).agg("item_id").iter_rows()
        return [Job(user, tuple(items), 0) for user, items in rows]
    lists = project.recommend_many(pool, n=DEPTHS[-1], progress=progress)
    for depth in DEPTHS:
        jobs = _groups(lists.filter(pl.col("rank") <= depth), plan.users, rng)
        if len(jobs) >= plan.users:
            break
    if not jobs:
        raise UserError("no item is recommended to two readers", hint="there is too little to compare texts on")
    return jobs


def _groups(lists: pl.DataFrame, wanted: int, rng: np.random.Generator) -> list[Job]:
    """Take items in random order, and of each as many readers who have no text yet as make a group."""
    readers = lists.group_by("item_id").agg("user_id").sort("item_id")
    most = max(readers["user_id"].list.len().to_list(), default=0)
    size = min(GROUP, wanted, max(most, 2))
    taken: set[str] = set()
    jobs: list[Job] = []
    for row in rng.permutation(readers.height):
        item, users = readers.row(int(row))
        free = sorted(set(users) - taken)
        if len(free) < size:
            continue
        chosen = [free[k] for k in rng.permutation(len(free))[: min(size, wanted - len(jobs))]]
        if len(chosen) < 2:
            break
        group = jobs[-1].group + 1 if jobs else 0
        jobs += [Job(user, (item,), group) for user in chosen]
        taken.update(chosen)
        if len(jobs) >= wanted:
            break
    return jobs


def groups_of(jobs: Sequence[Job]) -> list[list[int]]:
    """Return the places of the jobs of each group."""
    found: dict[int, list[int]] = {}
    for place, job in enumerate(jobs):
        found.setdefault(job.group, []).append(place)
    return list(found.values())

"""What is asked of an evaluation: plans, kept with the figures so that the same can be asked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kgrec.errors import UsageError, did_you_mean

FULL = "full"
"""Name of the system that is judged: the whole hybrid, with re-rankers if there are any."""

AS_RANKED = "without re-ranking"
"""Name of the same system without re-rankers."""

FRACTION = 0.2
"""Share that is held out for testing when nothing else is said."""

K_FOLD = "k-fold"
"""Name of the split into folds."""

ROLLING = "rolling"
"""Name of the split into windows of time."""

FOLDS = 5
"""Parts of a split into folds when nothing else is said."""

EXAMPLES = 5
"""Users whose lists are kept with reasons, by default."""

VARIANTS = ("template", "zero-shot", "few-shot", "guarded")
"""``template``: phrases · ``zero-shot``: the model's first draft, by the prompt without its examples · ``few-shot``:
with them · ``guarded``: the best of K such drafts that guards let pass, one repair, else the template's text."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """An option of a re-ranker and the values it takes, one after the other.

    Attributes:
        step: name of the re-ranker.
        option: name of the option.
        values: numbers, or whatever else the option takes.
    """

    step: str
    option: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What to evaluate of the lists.

    Attributes:
        split: ``ratio``, ``leave-last``, ``time``, ``given``, ``cold-item``, ``cold-user``, ``rolling`` or
            ``k-fold``.
        fraction: share of the data that is held out.
        ks: lengths of the lists.
        seeds: everything is done once for each.
        only: scorers to use, or None for those that a training would take.
        ablate: also judge the hybrid without each ingredient, and each scorer alone.
        rerank: re-rankers of the whole hybrid's lists, which are then also judged as ranked; None: as in kgrec.toml.
        sweeps: options of re-rankers that vary; the whole hybrid's lists are judged at each value.
        examples: users, drawn at random, whose lists are kept with the reason for each item.
        folds: parts of the splits ``k-fold`` and ``rolling``.
    """

    split: str = "ratio"
    fraction: float = FRACTION
    ks: tuple[int, ...] = (10, 20)
    seeds: tuple[int, ...] = (42,)
    only: tuple[str, ...] | None = None
    ablate: bool = False
    rerank: tuple[str, ...] | None = None
    sweeps: tuple[Sweep, ...] = ()
    examples: int = EXAMPLES
    folds: int = FOLDS

    @property
    def rounds(self) -> list[tuple[int, int]]:
        """Seed and fold of everything that is done."""
        folds = self.folds if self.split in (K_FOLD, ROLLING) else 1
        return [(seed, fold) for seed in self.seeds for fold in range(folds)]

    @property
    def steps(self) -> tuple[str, ...]:
        """The re-rankers; none where the plan names none."""
        return self.rerank or ()

    @property
    def metric(self) -> str:
        """The metric on which systems are compared: NDCG at the longest list."""
        return f"ndcg@{max(self.ks)}"


@dataclass(frozen=True, slots=True)
class RatingsPlan:
    """What to evaluate of predicted ratings.

    Attributes:
        split: ``folds`` (each rating is predicted once, by predictors fitted on the other folds) or ``given`` (the rows
            of files marked ``split = "test"``).
        folds: how many.
        seeds: the folds are drawn, and everything is done, once for each.
        only: predictors, or None for all of :data:`kgrec.models.ratings.PREDICTORS`.
    """

    split: str = "folds"
    folds: int = FOLDS
    seeds: tuple[int, ...] = (42,)
    only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """What to simulate.

    Attributes:
        rounds: how often everybody gets a list.
        k: length of the lists.
        seeds: everything is done once for each.
        fraction: share of each user's likes that the recommender does not start with.
        only: scorers to use, or None for those that a training would take.
        rerank: re-rankers; the loop is run with and without them; None: as in kgrec.toml.
    """

    rounds: int = 20
    k: int = 20
    seeds: tuple[int, ...] = (42,)
    fraction: float = FRACTION
    only: tuple[str, ...] | None = None
    rerank: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TextPlan:
    """What to evaluate of generated texts.

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

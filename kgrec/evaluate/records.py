"""What is kept of an evaluation: a model for each kind of run writes the JSON in ``artifacts/runs`` and reads it.

Numbers that are not defined are NaN here and null in JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from kgrec.errors import CorruptArtifactError
from kgrec.evaluate.plan import RatingsPlan, SimulationPlan, TextPlan
from kgrec.significance import Interval, Paired, Real

if TYPE_CHECKING:
    import polars as pl

FORMAT = 2
"""Of the files; records of another format are not read."""

Span = tuple[Real, Real, Real]
"""A mean and the ends of its 95 % interval; the ends are NaN where there is no interval."""


class RecordModel(BaseModel):
    """A record or a part of one."""

    model_config = ConfigDict(frozen=True)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; numbers that are not defined become None."""
        return self.model_dump(mode="json")


class Reproduction(RecordModel):
    """What somebody needs to get the same figures.

    Attributes:
        config: the settings in force, without those of language models and generators, which may hold a key.
        data: fingerprints of the dataset and the graph.
        versions: of the packages.
        device: ``"cpu"`` or ``"cuda"``.
        threads: of the training.
    """

    config: dict[str, Any] = {}
    data: dict[str, str] = {}
    versions: dict[str, str] = {}
    device: str = "cpu"
    threads: int = 1


class RunRecord(RecordModel):
    """What all kinds of runs keep.

    Attributes:
        kind: of the run.
        format: of the file.
        created: when, unix seconds.
        seconds: how long it took.
        reproduce: how to do it again; None where that is not told.
    """

    kind: str
    format: Literal[2] = 2
    created: float = 0.0
    seconds: float = 0.0
    reproduce: Reproduction | None = None

    def _repr_html_(self) -> str | None:
        """Return the record as a table, for notebooks, where its kind has one."""
        return None


R_co = TypeVar("R_co", bound=RunRecord, covariant=True)


@dataclass(frozen=True)
class KeptRun(Generic[R_co]):
    """A run and where it is kept.

    Attributes:
        name: what it is called: when it was made and six letters that tell it apart.
        file: of the record; figures of every user are beside it as parquet.
        record: figures, settings, fingerprints.
    """

    name: str
    file: Path
    record: R_co

    def _repr_html_(self) -> str | None:
        """Return the record as a table, for notebooks; None where it has none."""
        return self.record._repr_html_()

    def per_user(self) -> pl.DataFrame | None:
        """Return the figures of every user, see :func:`kgrec.evaluate.summary.per_user`; None where none are kept.

        Raises:
            CorruptArtifactError: their file is damaged.
        """
        import polars as pl

        file = self.file.with_suffix(".parquet")
        if not file.exists():
            return None
        try:
            return pl.read_parquet(file)
        except (OSError, pl.exceptions.PolarsError) as error:
            hint = f"delete {file}; the means in {self.file.name} stay"
            raise CorruptArtifactError(f"{file} cannot be read: {error}", hint=hint) from None


class RatingsData(RecordModel):
    """Counts of ratings.

    Attributes:
        ratings, users, items: how many.
        scale: the lowest and the highest rating.
        mean: of all.
        predicted: how many are predicted of a given test part, else None: all are.
    """

    ratings: int
    users: int
    items: int
    scale: tuple[float, float]
    mean: float
    predicted: int | None = None


class PredictorFigures(RecordModel):
    """A predictor over all folds and seeds.

    Attributes:
        name: of the predictor.
        rmse, mae: over all held-out ratings together, intervals over users.
        rmse_by_fold: of each fold of each seed.
        fit_seconds, predict_seconds: CPU seconds of all folds.
    """

    name: str
    rmse: Interval
    mae: Interval
    rmse_by_fold: tuple[float, ...]
    fit_seconds: float
    predict_seconds: float


class RatingsComparison(RecordModel):
    """The last predictor of the plan against another on the same ratings.

    Attributes:
        predictor: the other one.
        rmse_difference: its RMSE minus that of the last: above 0 the last is better.
        mse_difference: the same of the mean squared errors, with its interval over users.
        paired: of the users' mean squared errors, other minus last: permutation test and effect.
        p_holm: corrected for all comparisons.
    """

    predictor: str
    rmse_difference: Real
    mse_difference: Interval
    paired: Paired
    p_holm: Real = float("nan")


class RatingsRecord(RunRecord):
    """The result of ``kgrec evaluate --ratings``.

    Attributes:
        plan: what was asked for.
        data: counts and scale.
        predictors: figures of each.
        comparisons: the last predictor against each other.
    """

    kind: Literal["ratings"] = "ratings"
    plan: RatingsPlan
    data: RatingsData
    predictors: tuple[PredictorFigures, ...]
    comparisons: tuple[RatingsComparison, ...] = ()


class SimulationRecord(RunRecord):
    """The result of ``kgrec simulate``: how lists drift, over all seeds.

    Attributes:
        plan: what was asked for.
        users, items, start_likes: counts at the start.
        scorers: that rank.
        rounds: their numbers, from 1.
        systems: mean over the seeds of each figure in each round, by system and name.
        intervals: 95 % intervals over the seeds (Student's t), ``(low, high)`` a round; None with one seed.
    """

    kind: Literal["simulation"] = "simulation"
    plan: SimulationPlan
    users: int
    items: int
    start_likes: int
    scorers: tuple[str, ...]
    rounds: tuple[int, ...]
    systems: dict[str, dict[str, tuple[Real, ...]]]
    intervals: dict[str, dict[str, tuple[tuple[Real, Real] | None, ...]]]


class Written(RecordModel):
    """A text as a variant wrote it.

    Attributes:
        variant: who wrote it.
        user_id, item_ids: the reader, empty for nobody in particular, and what it is about.
        text: empty where the model wrote nothing.
        seconds: how long it took, facts not counted.
        tokens: that the model made for it, drafts and repairs included; None where it does not say.
        repaired, fallback: what became of the drafts.
        refused: what guards had against drafts, first ones first.
        note: why a model did not write it, or empty.
    """

    variant: str
    user_id: str
    item_ids: tuple[str, ...]
    text: str
    seconds: float
    tokens: int | None = None
    repaired: bool = False
    fallback: bool = False
    refused: tuple[str, ...] = ()
    note: str = ""


class Verdict(RecordModel):
    """What is wrong with one text.

    Attributes:
        guards: what the guards that ask whether a text is true have against it.
        form: what the other guards have against it.
        checker: what :class:`~kgrec.evaluate.factcheck.FactChecker` does not find borne out.
    """

    guards: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    checker: tuple[str, ...] = ()


class JudgedText(Written):
    """A text and what is wrong with it."""

    verdict: Verdict = Verdict()


class VariantFigures(RecordModel):
    """The figures of one variant; means over texts with 95 % intervals where that is possible.

    Attributes:
        name: of the variant.
        model: who wrote.
        n: texts.
        written: share that is not empty.
        faithful: share of the written texts in which no guard finds an unsupported name, number or claim.
        passed: share that no guard objects to, form included.
        checked: share in which the second, independent check finds nothing unsupported.
        fallback: share that the template wrote because nothing passed.
        repaired: share that is a second draft.
        picked: share of readers picked out among the readers of the same item, by terms; NaN without groups.
        picked_by_meaning: the same by the text encoder.
        differ: share of pairs of readers of the same item who are told something else.
        coverage: share of the facts that a text can be expected to name, see :mod:`kgrec.generate.drafts`.
        length: words, or characters of Chinese.
        distinct_1, distinct_2: different words and pairs of words over all; they fall with the number of texts.
        self_bleu: BLEU-4 against the other texts, of at most 100 texts.
        perplexity: exponential of the mean negative log likelihood a token, geometric mean over texts.
        seconds: a text, facts not counted.
        tokens: that were made for a text, drafts and repairs included.
        tokens_a_second, texts_a_second: over all texts.
    """

    name: str
    model: str
    n: int
    written: Interval
    faithful: Interval
    passed: Interval
    checked: Interval
    fallback: Interval
    repaired: Interval
    picked: Interval
    picked_by_meaning: Interval
    differ: Interval
    coverage: Interval
    length: Interval
    distinct_1: Real
    distinct_2: Real
    self_bleu: Interval
    perplexity: Interval
    seconds: Interval
    tokens: Interval
    tokens_a_second: Real
    texts_a_second: Real


class TextsRecord(RunRecord):
    """The result of ``kgrec generate evaluate``.

    Attributes:
        plan: what was asked for.
        text_kind, language: of the texts.
        readers, groups: how many readers, in how many groups of one item.
        variants: the figures.
        texts: variant -> the texts with what is wrong with them, in the same order.
        titles: what each text is about.
        peak_memory: of the process so far, MiB; model, graph and tables included.
        seconds_of_facts: time to collect facts, profile and reason, a text.
        notes: what could not be measured, and why.
    """

    kind: Literal["texts"] = "texts"
    plan: TextPlan
    text_kind: str
    language: str
    readers: int
    groups: int
    variants: tuple[VariantFigures, ...]
    texts: dict[str, tuple[JudgedText, ...]] = Field(repr=False)
    titles: tuple[str, ...] = Field(repr=False)
    peak_memory: Real = float("nan")
    seconds_of_facts: Real = float("nan")
    notes: tuple[str, ...] = ()

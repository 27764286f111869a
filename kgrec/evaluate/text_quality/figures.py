"""What is measured of written texts, each figure with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.errors import KgrecError, MissingExtraError
from kgrec.evaluate.factcheck import FactChecker
from kgrec.evaluate.significance import Interval, bootstrap
from kgrec.evaluate.text_quality.plan import TextPlan, groups_of
from kgrec.evaluate.text_quality.readers import pairs_that_differ, profile_texts, top_1, top_1_by_meaning
from kgrec.evaluate.text_quality.writing import WritingInputs, Written
from kgrec.evaluate.texts import distinct, self_bleu
from kgrec.generate.drafts import coverage
from kgrec.generate.language import length
from kgrec.generate.writer import Writer
from kgrec.plugin.protocols import LanguageModel, ScoringModel

if TYPE_CHECKING:
    from kgrec.plugin.generation import TextRequest
    from kgrec.project import Project

TRUTH = ("numbers", "entities", "claims")
"""The guards that ask whether a text is true; the others look at its form."""

SHORTER = 100
"""Texts whose likeness to each other is measured: references grow with the square."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with one text.

    Attributes:
        guards: what the guards of :data:`TRUTH` have against it.
        form: what the other guards have against it.
        checker: what :class:`~kgrec.evaluate.factcheck.FactChecker` does not find borne out.
    """

    guards: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    checker: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VariantFigures:
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
    distinct_1: float
    distinct_2: float
    self_bleu: Interval
    perplexity: Interval
    seconds: Interval
    tokens: Interval
    tokens_a_second: float
    texts_a_second: float


@dataclass(frozen=True, slots=True)
class TextQuality:
    """A finished evaluation of texts.

    Attributes:
        plan: what was evaluated.
        kind, language: of the texts.
        readers, groups: how many readers, in how many groups of one item.
        variants: the figures.
        verdicts: variant -> what is wrong with each text.
        texts: variant -> the texts, in the same order.
        titles: what each text is about.
        peak_memory: of this process so far, MiB; model, graph and tables included.
        seconds_of_facts: time to collect facts, profile and reason, a text.
        notes: what could not be measured, and why.
    """

    plan: TextPlan
    kind: str
    language: str
    readers: int
    groups: int
    variants: tuple[VariantFigures, ...]
    verdicts: Mapping[str, Sequence[Verdict]] = field(repr=False)
    texts: Mapping[str, Sequence[Written]] = field(repr=False)
    titles: Sequence[str] = field(repr=False)
    peak_memory: float = float("nan")
    seconds_of_facts: float = float("nan")
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, texts and verdicts as JSON values."""
        found = asdict(self)
        for name, rows in found["texts"].items():
            pairs = zip(rows, found["verdicts"][name], strict=True)
            found["texts"][name] = [{**row, "verdict": verdict} for row, verdict in pairs]
        del found["verdicts"]
        return found


@dataclass
class Judge:
    """Measures; what all variants share is made once.

    Attributes:
        project: the workspace.
        plan: what is evaluated.
        material: what was written.
        fluency: tells how likely texts are, or None.
    """

    project: Project
    plan: TextPlan
    material: WritingInputs
    fluency: LanguageModel | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make what all variants share."""
        project, jobs = self.project, self.material.jobs
        self._rng = np.random.default_rng(self.plan.seed)
        self._guards = Writer(project.texts.guards())
        self._checker = FactChecker(project.dataset, project.graph)
        self._groups = [
            g for g in groups_of(jobs) if len(g) > 1 and jobs[g[0]].user_id and len(jobs[g[0]].item_ids) == 1
        ]
        self._profiles = profile_texts(project, [job.user_id for job in jobs]) if self._groups else []

    def verdicts(self, variant: str) -> list[Verdict]:
        """Say of each text of a variant what is wrong with it."""
        rows = zip(self.material.texts[variant], self.material.requests, strict=True)
        return [self._verdict(row, request) for row, request in rows]

    def _verdict(self, row: Written, request: TextRequest) -> Verdict:
        if not row.text:
            return Verdict()
        found = self._guards.check(request, row.text)
        dataset = self.project.dataset
        items = [int(p) for p in dataset.item_positions(list(row.item_ids))]
        user = int(dataset.user_positions([row.user_id])[0]) if row.user_id else None
        return Verdict(
            tuple(f"{v.guard}: {v.message}" for v in found if v.guard in TRUTH),
            tuple(f"{v.guard}: {v.message}" for v in found if v.guard not in TRUTH),
            tuple(self._checker.unsupported(row.text, items, user)),
        )

    def figures(self, variant: str, verdicts: Sequence[Verdict], model: str) -> VariantFigures:
        """Return the figures of a variant."""
        rows = self.material.texts[variant]
        texts = [row.text for row in rows]
        there = np.array([bool(text) for text in texts])
        kept = [text for text in texts if text]
        tokens = self._column(rows, lambda row: math.nan if row.tokens is None else float(row.tokens))
        seconds = self._column(rows, lambda row: row.seconds)
        spent = float(seconds.sum())

        def share(holds: Callable[[Verdict], bool]) -> Interval:
            return self._interval(np.where(there, [float(holds(v)) for v in verdicts], np.nan))

        return VariantFigures(
            name=variant,
            model=model,
            n=len(rows),
            written=self._interval(there.astype(np.float64)),
            faithful=share(lambda v: not v.guards),
            passed=share(lambda v: not v.guards and not v.form),
            checked=share(lambda v: not v.checker),
            fallback=self._interval(self._column(rows, lambda row: float(row.fallback))),
            repaired=self._interval(self._column(rows, lambda row: float(row.repaired))),
            **self._personal(texts),
            coverage=self._interval(self._of_each(rows, coverage)),
            length=self._interval(self._of_each(rows, lambda request, text: float(length(text, request.language)))),
            distinct_1=distinct(kept, 1),
            distinct_2=distinct(kept, 2),
            self_bleu=self._self_bleu(kept),
            perplexity=self._perplexity(kept),
            seconds=self._interval(seconds),
            tokens=self._interval(tokens),
            tokens_a_second=float(tokens.sum()) / spent if spent else math.nan,
            texts_a_second=len(rows) / spent if spent else math.nan,
        )

    def _personal(self, texts: Sequence[str]) -> dict[str, Interval]:
        none = Interval(math.nan, math.nan, math.nan, 0)
        if not self._groups:
            return {"picked": none, "picked_by_meaning": none, "differ": none}
        found = {
            "picked": self._interval(top_1(self._profiles, texts, self._groups)),
            "picked_by_meaning": none,
            "differ": self._interval(pairs_that_differ(texts, self._groups)),
        }
        try:
            meant = top_1_by_meaning(self.project, self._profiles, texts, self._groups)
            found["picked_by_meaning"] = self._interval(meant)
        except KgrecError as error:  # no text vectors, or their encoder is not installed
            self._note(f"not picked out by meaning: {error.message}")
        return found

    def _self_bleu(self, texts: Sequence[str]) -> Interval:
        try:
            return self._interval(self_bleu(texts[:SHORTER], self.material.requests[0].language))
        except MissingExtraError as error:
            self._note(f"no self-BLEU: {error.message}")
            return Interval(math.nan, math.nan, math.nan, 0)

    def _perplexity(self, texts: Sequence[str]) -> Interval:
        if not isinstance(self.fluency, ScoringModel):
            return Interval(math.nan, math.nan, math.nan, 0)
        asked = list(texts[: self.plan.fluency])
        found = self._interval(-np.array(self.fluency.log_likelihood(["\n"] * len(asked), asked), dtype=np.float64))
        mean, low, high = np.exp([found.mean, found.low, found.high]).tolist()
        return Interval(mean, low, high, found.n)

    def _column(self, rows: Sequence[Written], value: Callable[[Written], float]) -> NDArray[np.float64]:
        return np.array([value(row) for row in rows], dtype=np.float64)

    def _of_each(self, rows: Sequence[Written], value: Callable[[TextRequest, str], float]) -> NDArray[np.float64]:
        pairs = zip(self.material.requests, rows, strict=True)
        return np.array([value(request, row.text) if row.text else math.nan for request, row in pairs])

    def _interval(self, values: NDArray[np.float64]) -> Interval:
        return bootstrap(values, self._rng)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

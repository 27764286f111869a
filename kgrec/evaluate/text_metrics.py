"""Figures of generated texts: truth, variety, likeness to profiles, readers picked out; each with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.errors import KgrecError, MissingExtraError
from kgrec.evaluate.factcheck import FactChecker
from kgrec.evaluate.plan import TextPlan
from kgrec.evaluate.records import VariantFigures, Verdict, Written
from kgrec.generate.drafts import coverage
from kgrec.generate.service import TextService
from kgrec.generate.writer import Writer
from kgrec.graph.titles import display
from kgrec.languages.language import get_language, pieces
from kgrec.plugin.generation import TextRequest
from kgrec.plugin.protocols import LanguageModel, ScoringModel
from kgrec.significance import UNKNOWN, Interval, bootstrap
from kgrec.text.terms import TermIndex
from kgrec.text.tokens import term_table
from kgrec.types import Vectors

TRUTH = ("numbers", "entities", "claims")
"""The guards that ask whether a text is true; the others look at its form."""

SHORTER = 100
"""Texts whose likeness to each other is measured: references grow with the square."""


def tokens(text: str) -> list[str]:
    """Return the words of a text in lower case; a Chinese character is one.

    >>> tokens("It's a 2-hour film. 好看")
    ["it's", 'a', '2-hour', 'film', '好', '看']
    """
    return pieces(text.lower())


def distinct(texts: Sequence[str], n: int) -> float:
    """Return how many of the n-grams of all texts are different ones: distinct-n.

    Li et al., *A Diversity-Promoting Objective Function for Neural Conversation Models* (NAACL 2016): different
    n-grams over all n-grams. It falls with the number of texts, so compare it for equally many only. NaN without any.

    >>> distinct(["a b a b"], 1), distinct(["a b", "c d"], 2)
    (0.5, 1.0)
    """
    grams = [gram for text in texts for gram in _grams(tokens(text), n)]
    return len(set(grams)) / len(grams) if grams else float("nan")


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    if n == 2:
        return list(pairwise(words))
    return [tuple(words[k : k + n]) for k in range(len(words) - n + 1)]


def self_bleu(texts: Sequence[str], language: str) -> NDArray[np.float64]:
    """Return the BLEU-4 of each text with all others as references, in [0, 1]; high means that they sound the same.

    Zhu et al., *Texygen* (SIGIR 2018); BLEU by sacrebleu with exponential smoothing, Post (WMT 2018).

    Args:
        texts: at least two, or all is NaN.
        language: its code; says how words are told apart.

    Raises:
        MissingExtraError: sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise MissingExtraError.of("self-BLEU", "texts") from None
    if len(texts) < 2:
        return np.full(len(texts), np.nan)
    judge = BLEU(effective_order=True, tokenize=get_language(language).bleu)
    scores = [judge.sentence_score(text, [*texts[:k], *texts[k + 1 :]]).score for k, text in enumerate(texts)]
    return np.array(scores) / 100


def likeness(profiles: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
    """Return how much each text speaks of what each profile holds: cosine of TF-IDF vectors.

    A term counts by how few of the profiles have it; what no profile has counts nothing. Weights as in
    :class:`kgrec.text.terms.TermIndex`.

    Args:
        profiles: readers in words.
        texts: what was written.

    Returns:
        Shape ``(len(profiles), len(texts))``, in [0, 1].
    """
    index = TermIndex.build(list(profiles), max_share=1.0)
    counts = term_table(list(texts)).group_by("text", "term").len("tf").join(index.columns, on="term").sort("text")
    columns, rows = counts["column"].to_numpy(), counts["text"].to_numpy()
    values = (1 + np.log(counts["tf"].cast(pl.Float64).to_numpy())) * index.idf[columns]
    matrix = csr_array((values, (rows, columns)), shape=(len(texts), len(index.terms)))
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    found = (index.matrix.astype(np.float64) @ matrix.T).toarray()
    return np.asarray(found / np.where(norms > 0, norms, 1.0), dtype=np.float64)


def picked(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each reader whether their own text is the one most like their profile.

    Where ``t`` texts share the first place, the own one among them, that is ``1 / t``: what a draw among them gives.

    Args:
        similarity: shape ``(g, g)``: profile of reader ``i`` and text written for reader ``j``.
    """
    best = similarity.max(axis=1, keepdims=True)
    tied = np.isclose(similarity, best, rtol=0, atol=1e-9)
    return np.where(np.diagonal(tied), 1.0 / tied.sum(axis=1), 0.0)


def different(texts: Sequence[str]) -> float:
    """Return the share of pairs of texts that are not the same; NaN for fewer than two."""
    n = len(texts)
    if n < 2:
        return float("nan")
    counts = np.unique(np.array(texts, dtype=object), return_counts=True)[1]
    return float(1 - (counts * (counts - 1)).sum() / (n * (n - 1)))


@dataclass(frozen=True, slots=True)
class Job:
    """A text that is wanted: its reader (empty: nobody in particular), its items, and its group of readers."""

    user_id: str
    item_ids: tuple[str, ...]
    group: int


@dataclass(frozen=True, slots=True)
class WrittenTexts:
    """All that is judged: jobs, their requests, and for each variant a text a job."""

    jobs: Sequence[Job]
    requests: Sequence[TextRequest]
    texts: Mapping[str, Sequence[Written]]
    seconds_of_facts: float


def groups_of(jobs: Sequence[Job]) -> list[list[int]]:
    """Return the places of the jobs of each group."""
    found: dict[int, list[int]] = {}
    for place, job in enumerate(jobs):
        found.setdefault(job.group, []).append(place)
    return list(found.values())


def top_1(similarity: NDArray[np.float64], groups: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return for each group of readers of one item how many of them are picked out by their text.

    A reader is picked out where the text written for them is, among the texts for all readers of the group, the one
    most like their profile.

    Args:
        similarity: of the profile of reader ``i`` and the text written for reader ``j``, shape ``(r, r)``.
        groups: places of the readers of each item.

    Returns:
        The share of each group, shape ``(len(groups),)``.
    """
    return np.array([picked(similarity[np.ix_(group, group)]).mean() for group in map(list, groups)])


def profile_texts(texts: TextService, user_ids: Sequence[str]) -> list[str]:
    """Return each reader's profile as ``kgrec profile`` knows it: names of the interests, titles of the history."""
    titles = texts.dataset.items["title"].fill_null("").to_list()
    found = []
    for user_id in user_ids:
        profile = texts.profile(user_id)
        names = [interest.name for interest in profile.interests]
        found.append(". ".join([*names, *(display(titles[item]) for item in profile.history)]))
    return found


class TextJudge:
    """Measures; what all variants share is made once."""

    def __init__(
        self,
        texts: TextService,
        encode: Callable[[list[str]], Vectors],
        written: WrittenTexts,
        fluency: LanguageModel | None,
        plan: TextPlan,
    ) -> None:
        self._dataset = texts.dataset
        self._encode = encode
        self._written = written
        self._fluency = fluency
        self._plan = plan
        self.notes: list[str] = []
        self._rng = np.random.default_rng(plan.seed)
        self._guards = Writer(texts.parts.guards())
        self._checker = FactChecker(texts.dataset, texts.graph)
        jobs = written.jobs
        self._groups = [
            g for g in groups_of(jobs) if len(g) > 1 and jobs[g[0]].user_id and len(jobs[g[0]].item_ids) == 1
        ]
        self._profiles = profile_texts(texts, [job.user_id for job in jobs]) if self._groups else []

    def verdicts(self, variant: str) -> list[Verdict]:
        """Say of each text of a variant what is wrong with it."""
        rows = zip(self._written.texts[variant], self._written.requests, strict=True)
        return [self._verdict(row, request) for row, request in rows]

    def _verdict(self, row: Written, request: TextRequest) -> Verdict:
        if not row.text:
            return Verdict()
        found = self._guards.check(request, row.text)
        dataset = self._dataset
        items = [int(p) for p in dataset.item_positions(list(row.item_ids))]
        user = int(dataset.user_positions([row.user_id])[0]) if row.user_id else None
        return Verdict(
            guards=tuple(f"{v.guard}: {v.message}" for v in found if v.guard in TRUTH),
            form=tuple(f"{v.guard}: {v.message}" for v in found if v.guard not in TRUTH),
            checker=tuple(self._checker.unsupported(row.text, items, user)),
        )

    def figures(self, variant: str, verdicts: Sequence[Verdict], model: str) -> VariantFigures:
        """Return the figures of a variant."""
        rows = self._written.texts[variant]
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
            length=self._interval(self._of_each(rows, _length)),
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
        if not self._groups:
            return {"picked": UNKNOWN, "picked_by_meaning": UNKNOWN, "differ": UNKNOWN}
        found = {
            "picked": self._interval(top_1(likeness(self._profiles, texts), self._groups)),
            "picked_by_meaning": UNKNOWN,
            "differ": self._interval(np.array([different([texts[k] for k in g]) for g in self._groups])),
        }
        try:
            meant = (self._encode(self._profiles) @ self._encode(list(texts)).T).astype(np.float64)
            found["picked_by_meaning"] = self._interval(top_1(meant, self._groups))
        except KgrecError as error:  # no text vectors, or their encoder is not installed
            self._note(f"not picked out by meaning: {error.message}")
        return found

    def _self_bleu(self, texts: Sequence[str]) -> Interval:
        try:
            return self._interval(self_bleu(texts[:SHORTER], self._written.requests[0].language))
        except MissingExtraError as error:
            self._note(f"no self-BLEU: {error.message}")
            return UNKNOWN

    def _perplexity(self, texts: Sequence[str]) -> Interval:
        if not isinstance(self._fluency, ScoringModel):
            return UNKNOWN
        asked = list(texts[: self._plan.fluency])
        found = self._interval(-np.array(self._fluency.log_likelihood(["\n"] * len(asked), asked), dtype=np.float64))
        mean, low, high = np.exp([found.mean, found.low, found.high]).tolist()
        return Interval(mean, low, high, found.n)

    def _column(self, rows: Sequence[Written], value: Callable[[Written], float]) -> NDArray[np.float64]:
        return np.array([value(row) for row in rows], dtype=np.float64)

    def _of_each(self, rows: Sequence[Written], value: Callable[[TextRequest, str], float]) -> NDArray[np.float64]:
        pairs = zip(self._written.requests, rows, strict=True)
        return np.array([value(request, row.text) if row.text else math.nan for request, row in pairs])

    def _interval(self, values: NDArray[np.float64]) -> Interval:
        return bootstrap(values, self._rng)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _length(request: TextRequest, text: str) -> float:
    return float(get_language(request.language).size(text))

"""Figures of generated texts that need nothing but the texts: variety, likeness to profiles, who is picked out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from kgrec.errors import MissingExtraError
from kgrec.text.terms import TermIndex
from kgrec.text.tokens import tokenise

_TOKEN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_\u3400-\u4dbf\u4e00-\u9fff]+(?:['’.\-][^\W_\u3400-\u9fff]+)*")


def tokens(text: str) -> list[str]:
    """Return the words of a text in lower case; a Chinese character is one.

    >>> tokens("It's a 2-hour film. 好看")
    ["it's", 'a', '2-hour', 'film', '好', '看']
    """
    return _TOKEN.findall(text.lower())


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
        language: ``en`` or ``zh``; says how words are told apart.

    Raises:
        MissingExtraError: sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise MissingExtraError.of("self-BLEU", "texts") from None
    if len(texts) < 2:
        return np.full(len(texts), np.nan)
    judge = BLEU(effective_order=True, tokenize="zh" if language == "zh" else "13a")
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
    counts = tokenise(list(texts)).group_by("text", "term").len("tf").join(index.columns, on="term").sort("text")
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

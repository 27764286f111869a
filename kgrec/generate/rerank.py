"""Which of several candidates is shown: by coverage, fit to the profile, fluency, difference from the last ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from kgrec.generate.spans import spans_of
from kgrec.graph.linking.names import tokenize
from kgrec.plugin.generation import TextRequest

WEIGHTS: Mapping[str, float] = {"coverage": 0.35, "fit": 0.3, "fluency": 0.2, "diversity": 0.15}
"""How much each criterion counts; all lie between 0 and 1."""

ENOUGH = 4
"""A text that names so many different facts covers enough."""

OWN = 0.75
"""Share of the fit to the profile that the items of the reader's history make up."""


def scores(request: TextRequest, texts: Sequence[str], likelihoods: Sequence[float]) -> list[dict[str, float]]:
    """Judge candidates.

    Args:
        request: what was to be written.
        texts: candidates.
        likelihoods: mean log probability of a token of each, NaN where the model cannot tell.

    Returns:
        For each candidate the criteria of :data:`WEIGHTS` and ``total``.
    """
    found = []
    for text, likelihood in zip(texts, likelihoods, strict=True):
        row = {
            "coverage": coverage(request, text),
            "fit": fit(request, text),
            "fluency": 0.5 if math.isnan(likelihood) else math.exp(min(likelihood, 0.0)),
            "diversity": 1.0 - max((overlap(text, shown) for shown in request.shown), default=0.0),
        }
        row["total"] = sum(WEIGHTS[name] * value for name, value in row.items())
        found.append(row)
    return found


def settled(request: TextRequest, text: str) -> bool:
    """Say whether a draft leaves nothing to wish: it covers enough, and it is its reader's own."""
    return coverage(request, text) == 1.0 and fit(request, text) >= OWN


def coverage(request: TextRequest, text: str) -> float:
    """Return the share of facts that the text names, of as many as a text can be expected to."""
    named = {fact.id for span in spans_of(text, request.facts) for fact in span.facts}
    due = min(ENOUGH, sum(fact.type != "text" for fact in request.facts))
    return min(1.0, len(named) / due) if due else 0.0


def fit(request: TextRequest, text: str) -> float:
    """Return how much a text is this reader's own.

    Items of the history that it names make up :data:`OWN` of it, two of them (or the only one that it could name) all
    of that: nothing tells one reader from another as they do. The rest is the user's interests that it speaks of, by
    weight; those among the facts in full.
    """
    facts = {fact for span in spans_of(text, request.facts) for fact in span.facts}
    known = {fact.value for fact in facts if fact.type == "history"}
    due = min(2, len({fact.value for fact in request.facts if fact.type == "history"}))
    words = set(tokenize(text).folded)
    total = sum(interest.weight for interest in request.interests)
    met = sum(i.weight for i in request.interests if set(tokenize(i.name).folded) <= words)
    shared = any(fact.type in ("reason", "interest") for fact in facts)
    return OWN * min(1.0, len(known) / max(due, 1)) + (1 - OWN) * (1.0 if shared else met / total if total else 0.0)


def overlap(first: str, second: str) -> float:
    """Return the share of words that two texts have in common (Jaccard)."""
    a, b = set(tokenize(first).folded), set(tokenize(second).folded)
    return len(a & b) / len(a | b) if a | b else 0.0

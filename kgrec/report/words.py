"""What each figure means, in a sentence for everybody; docs/evaluation.md says more."""

from __future__ import annotations

METRICS = {
    "ndcg": "How much of the best possible list this is; right items near the top count more.",
    "recall": "Share of the hidden likes that the list holds.",
    "precision": "Share of the places in the list that hold something the person likes.",
    "f1": "One number for precision and recall: high only when both are.",
    "map": "How clean the top of the list is.",
    "mrr": "How soon the first right item comes: 1 at the first place, 0.5 at the second.",
    "hit": "Share of the people for whom at least one item is right.",
    "auc": "How often a liked item is ranked above another drawn at random; 0.5 is guessing.",
    "coverage": "Share of the catalogue that is recommended to somebody.",
    "gini": "How unequally the places are handed out: 0 is equally, near 1 when a few items take nearly all.",
    "popularity": "How many people like the average recommended item.",
    "lift": "By how much the items are more popular than those the person likes: 0.5 is half as popular again.",
    "novelty": "How surprising the items are, in bits: one more means that half as many people know them.",
    "diversity": "How different the items of a list are from each other: 0 when all are alike.",
    "age": "How many days ago the average recommended item was first seen.",
    "serendipity": "Share of the list that is right and is no bestseller.",
    "miscalibration": "How far the mix of categories is from the mix the person likes; lower is better.",
}
"""By the name before the @."""

FALLING = frozenset({"gini", "popularity", "lift", "age", "miscalibration"})
"""Figures of which less is mostly wanted."""


def meaning(metric: str) -> str:
    """Return what a figure means, or the empty string."""
    name, _, rest = metric.partition("@")
    said = METRICS.get(name, "")
    return f"{said} Cold items compete with all others." if said and "among all items" in rest else said

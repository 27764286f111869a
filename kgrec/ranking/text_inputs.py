"""What the text room needs from the graph, handed over: the two do not know each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kgrec.data.dataset import Dataset
    from kgrec.data.split import Split
    from kgrec.progress import Progress
    from kgrec.project import Project
    from kgrec.text.build import TextVectors
    from kgrec.text.profile import UserProfile


def encode(
    project: Project,
    split: Split,
    progress: Progress,
    *,
    dataset: Dataset | None = None,
    entity_names: bool = True,
) -> TextVectors:
    """Encode all items, and the users' own words as far as the fit part holds them.

    Args:
        project: the workspace.
        split: of the rows of ``dataset``.
        progress: told where it is.
        dataset: its tables, or a part of them; None for all.
        entity_names: whether items' texts may name the entities that the graph connects them with.
    """
    from kgrec.graph.labels import item_labels
    from kgrec.text.build import encode_dataset

    dataset = dataset or project.dataset
    return encode_dataset(
        dataset,
        project.config.text,
        project.manager,
        project.domain,
        entity_labels=item_labels(project.graph) if entity_names else None,
        keywords=_keywords(project, dataset),
        rows=pl.Series(split.fit),
        cache_dir=project.workspace.cache / "text",
        progress=progress,
    )


def _keywords(project: Project, dataset: Dataset) -> list[str]:
    from kgrec.text.item_text import read_keywords

    named = project.config.text.keywords
    return read_keywords(project.workspace.root / named, dataset.items["item_id"]) if named else []


def encode_words(project: Project, text: str) -> NDArray[np.float32]:
    """Encode somebody's own words by the encoder the workspace was trained with -> shape ``(dim,)``."""
    encoded = project.text_vectors.make_encoder(project.manager).encode([text])
    return np.asarray(encoded[0], dtype=np.float32)


def encoded_texts(project: Project) -> list[str]:
    """Return what of each item is encoded, as :func:`encode` does; see :attr:`Project.encoded_texts`."""
    from kgrec.graph.labels import item_labels
    from kgrec.text.item_text import item_texts

    texts = item_texts(project.dataset, item_labels(project.graph), project.config.text.item_template, project.domain)
    more = _keywords(project, project.dataset)
    return [f"{text} {words}".strip() for text, words in zip(texts, more, strict=True)] if more else list(texts)


def user_profile(project: Project, position: int) -> UserProfile:
    """Describe the user at ``position`` from behaviour, own words and graph."""
    from kgrec.graph.labels import item_labels
    from kgrec.text.item_text import item_texts
    from kgrec.text.profile import user_profile as describe
    from kgrec.text.terms import TermIndex

    labels = item_labels(project.graph)
    weights: dict[str, float] = dict(project.domain.action_weights)
    weights.update({str(action): weight for action, weight in project.config.feedback.action_weights.items()})
    texts = item_texts(project.dataset, None, project.config.text.item_template, project.domain)
    index = TermIndex.build(texts)
    return describe(project.dataset, position, index, entities=labels, action_weights=weights)

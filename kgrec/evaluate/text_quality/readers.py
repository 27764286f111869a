"""Readers in words, and whether texts find them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgrec.evaluate.texts import different, likeness, picked
from kgrec.generate.titles import display

if TYPE_CHECKING:
    from kgrec.project import Project


def profile_texts(project: Project, user_ids: Sequence[str]) -> list[str]:
    """Return each reader's profile as ``kgrec profile`` knows it: names of the interests, titles of the history."""
    titles = project.dataset.items["title"].fill_null("").to_list()
    found = []
    for user_id in user_ids:
        profile = project.texts.profile(user_id)
        names = [interest.name for interest in profile.interests]
        found.append(". ".join([*names, *(display(titles[item]) for item in profile.history)]))
    return found


def top_1(profiles: Sequence[str], texts: Sequence[str], groups: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return for each group of readers of one item how many of them are picked out by their text.

    A reader is picked out where the text written for them is, among the texts for all readers of the group, the one
    most like their profile: cosine of TF-IDF vectors, see :func:`kgrec.evaluate.texts.likeness`.

    Args:
        profiles: one a reader.
        texts: one a reader, in the same order.
        groups: places of the readers of each item.

    Returns:
        The share of each group, shape ``(len(groups),)``.
    """
    found = likeness(profiles, texts)
    return np.array([picked(found[np.ix_(group, group)]).mean() for group in map(list, groups)])


def top_1_by_meaning(
    project: Project, profiles: Sequence[str], texts: Sequence[str], groups: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Return the same by the workspace's text encoder: cosine of the vectors of profile and text."""
    encoder = project.text_vectors.make_encoder(project.manager)
    found = encoder.encode(list(profiles)) @ encoder.encode(list(texts)).T
    return np.array([picked(found[np.ix_(group, group)].astype(np.float64)).mean() for group in map(list, groups)])


def pairs_that_differ(texts: Sequence[str], groups: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return for each group the share of pairs of readers who are told something else."""
    return np.array([different([texts[k] for k in group]) for group in groups])

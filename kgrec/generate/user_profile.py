"""Profiles of users, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgrec.data.values import canonical_id

if TYPE_CHECKING:
    from kgrec.generate.profile import InterestProfile
    from kgrec.project import Project


def interests(project: Project, user_id: str, limit: int) -> InterestProfile:
    """Return a user's interests; see :meth:`kgrec.project.Project.interests`."""
    from kgrec.text.item_text import item_texts
    from kgrec.text.terms import TermIndex

    position = int(project.dataset.user_positions([canonical_id(user_id)])[0])
    texts = item_texts(project.dataset, None, project.config.text.item_template, project.domain)
    return project.texts.profiler.profile(position, terms=TermIndex.build(texts), limit=limit)

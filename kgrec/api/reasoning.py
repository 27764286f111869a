"""The part of a project that says why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kgrec.api.faithfulness import Faithfulness
    from kgrec.api.project import Project
    from kgrec.explain.explanation import Explanation


class Reasoning:
    """Methods of :class:`kgrec.api.Project`."""

    def explain(self, user: str, item: str, *, n: int | None = None, counterfactual: bool = False) -> Explanation:
        """Say why an item is, or is not, in a user's list.

        Args:
            user: the user's id.
            item: the item's id.
            n: length of the list; None: as in kgrec.toml.
            counterfactual: also look for the items of the history without which the item would not be in the list; that
                scores some dozens of shortened profiles.

        Raises:
            NotFoundError: the user or the item is unknown.
            WorkspaceError: nothing was trained yet.
        """
        from kgrec.api.explaining import explain

        project = cast("Project", self)
        return explain(project, user, item, n or project.config.recommend.n, search=counterfactual)

    def draw_explanation(self, explanation: Explanation, out: str | Path) -> Path:
        """Draw the paths of an explanation as .svg or .html.

        Raises:
            UserError: it has no paths.
        """
        from kgrec.explain.picture import picture
        from kgrec.graph.drawing import draw

        heading = f"{explanation.label} for {explanation.user_id}"
        lines = (explanation.sentence, *(path.told() for path in explanation.paths))
        draw(picture(explanation), Path(out), heading=heading, lines=lines)
        return Path(out)

    def evaluate_explanations(self, *, users: int = 100, items: int = 3, seed: int | None = None) -> Faithfulness:
        """Measure by deletion whether explanations name what the lists of the trained models rest on.

        Args:
            users: drawn at random.
            items: first ones of each list.
            seed: draws users and random removals; None: as in kgrec.toml.
        """
        from kgrec.api.faithfulness import faithfulness

        project = cast("Project", self)
        return faithfulness(project, users=users, items=items, seed=project.config.seed if seed is None else seed)

"""The table of ``kgrec evaluate --explanations``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgrec.cli.console import console, table

if TYPE_CHECKING:
    from kgrec.evaluate.faithfulness import Faithfulness


def show_faithfulness(found: Faithfulness) -> None:
    """Print the deletion test and the figures of the paths."""
    right = {"justify": "right", "no_wrap": True}
    made = table({"figure": {"no_wrap": True}, "mean": right, "95 %": right, "what it is": {"overflow": "fold"}})
    fall = "doublings of the rank"
    rows = (
        ("named removed", found.named, f"{fall} without what the explanation names"),
        ("others removed", found.random, f"{fall} without as many others"),
        ("fidelity", found.fidelity, "share of the items that have a path"),
        ("recency", found.recency, "of the interaction the path starts from"),
        ("popularity", found.popularity, "of the entity the path runs over"),
        ("diversity", found.diversity, "kinds of paths in a list, by paths"),
    )
    for name, interval, about in rows:
        made.add_row(name, f"{interval.mean:.3f}", f"{interval.low:.3f} to {interval.high:.3f}", about)
    margin = found.margin
    about = f"named less others; p {margin.p:.4f}, {margin.n} of {found.users} users"
    made.add_row("margin", f"{margin.difference:.3f}", f"{margin.low:.3f} to {margin.high:.3f}", about)
    console().print(made)

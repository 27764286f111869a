"""What ``kgrec init`` shows: each file with its role, its columns and why, the words found in it, what is unsure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgrec.cli.console import clean, console, table, warn
from kgrec.shown import visible

if TYPE_CHECKING:
    from kgrec.data.inspection import Inspected
    from kgrec.data.propose import Proposal

_SHOWN = 30
"""Words of a file that are listed at most."""


def show_proposal(proposal: Proposal) -> None:
    """Print what the files were taken for, and warn of what a person should look at."""
    out = console()
    shown = table({"file": {"overflow": "fold"}, "role": {}, "columns": {"overflow": "fold"}, "why": {"style": "dim"}})
    for file in proposal.used:
        sure = "" if file.confidence >= 0.75 else f"\n{file.confidence:.0%} sure"
        first = True
        for field, column in [*file.columns.items(), *_constants(file)]:
            why = clean(file.why.get(field, ""))
            shown.add_row(
                clean(file.path.name) if first else "", f"{file.kind}{sure}" if first else "",
                f"{field} ← {clean(column)}", why,
            )  # fmt: skip
            first = False
        for name, attribute in file.attributes.items():
            kind = "entities" if attribute.relation else "value"
            shown.add_row("", "", f"{clean(name)} ← {clean(attribute.column)}", kind)
        if first:
            shown.add_row(clean(file.path.name), file.kind, "", "")
        shown.add_section()
    if proposal.used:
        out.print(shown)
    for file in proposal.used:
        _show_words(file)
    for file in proposal.files:
        _warn(file)


def _constants(file: Inspected) -> list[tuple[str, str]]:
    layout = file.layout
    found = [("user", f'"{layout.user}" in all rows')] if layout.user is not None else []
    return found + (
        [("action", f'"{file.action}" in all rows')] if file.action and "action" not in file.columns else []
    )


def _show_words(file: Inspected) -> None:
    """List the words of actions with their counts and what they are taken for."""
    if file.actions:
        shown = table({f"word in {clean(file.path.name)}": {}, "rows": {"justify": "right"}, "taken for": {}})
        for word, count in list(file.counts.items())[:_SHOWN]:
            if word in file.actions:
                shown.add_row(clean(word), f"{count:,}", file.actions[word] or "? not known: rows are rejected")
        console().print(shown)


def _warn(file: Inspected) -> None:
    name = visible(file.path.name)
    if file.problem:
        warn(f"{name} is not used: {visible(file.problem)}")
        return
    for note in file.notes:
        warn(f"{name}: {visible(note)}")
    for field, others in file.doubts.items():
        taken = file.kind if field == "role" else file.columns.get(field, "?")
        warn(f"{name}: unsure of the {field}: {visible(taken)} is taken; it could be {visible(', '.join(others))}")
    unknown = [word for word, action in file.actions.items() if action is None]
    if unknown:
        lost = sum(file.counts[word] for word in unknown)
        warn(
            f"{name}: {lost:,} of {file.rows:,} rows have words that kgrec knows no action for: "
            f"{visible(', '.join(unknown[:10]))}; say in kgrec.toml what they are: actions = {{ ... }}"
        )

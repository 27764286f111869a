"""Options that take several values: ``--from a.csv b.csv`` means ``--from a.csv --from b.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

GREEDY = ("--from", "--like", "--append")
"""Every option that takes all values up to the next option or ``--``."""


class GreedyCommand(TyperCommand):
    """A command whose options in :data:`GREEDY` take several values, as shells expand ``*.csv``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option's name before each of its values."""
        return super().parse_args(ctx, expand(args, GREEDY))


def expand(args: Sequence[str], options: Sequence[str]) -> list[str]:
    """Repeat each of ``options`` before each of its values."""
    expanded: list[str] = []
    current = ""  # the greedy option that the next value belongs to
    for position, arg in enumerate(args):
        if arg == "--":
            return [*expanded, *args[position:]]
        if arg.startswith("-") and arg != "-":
            current = arg if arg in options else ""
            expanded.append(arg)
            if current and _is_option(args[position + 1 :]):
                return expanded  # it lacks its value, and the parser must not take the next option for it
        elif current:
            first = args[position - 1] == current
            expanded += [arg] if first else [current, arg]
        else:
            expanded.append(arg)
    return expanded


def _is_option(rest: Sequence[str]) -> bool:
    return bool(rest) and rest[0].startswith("-") and rest[0] != "-"

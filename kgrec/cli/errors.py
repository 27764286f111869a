"""Words for what went wrong, on stderr."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kgrec.cli.console import clean
from kgrec.errors import KgrecError, StorageError, UserError, did_you_mean

if TYPE_CHECKING:
    import typer


def report(message: str, hint: str | None) -> None:
    """Print ``error:`` and ``hint:``."""
    _line("error:", message, "1;31")
    if hint:
        _line("hint:", hint, "1;36")


def warn(message: str) -> None:
    """Print ``warning:``."""
    _line("warning:", message, "1;33")


def _line(word: str, text: str, colour: str) -> None:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    head = f"\x1b[{colour}m{word}\x1b[0m" if coloured else word
    lines = "\n".join(clean(line) for line in text.splitlines())
    print(f"{head} {lines}", file=sys.stderr)


def explain_usage(error: typer.TyperException, words: Sequence[str]) -> tuple[str, str | None]:
    """Turn an error of the parser into a message and a hint.

    Args:
        error: what Typer raised; its parser's own classes are private, so only their attributes are looked at.
        words: the command line up to ``--``.
    """
    message = " ".join(error.format_message().split())
    message, _, suggestion = message.replace(": Value error, ", ": ").partition(" Did you mean ")
    message = message.partition(" (Possible options:")[0].rstrip(".")
    context = getattr(error, "ctx", None)
    hint = f"did you mean {suggestion}" if suggestion else _near_option(error, words) or _near_choice(error)
    if not hint:
        hint = f"`{context.command_path if context else 'kgrec COMMAND'} --help` shows how it is used"
    return message[:1].lower() + message[1:], hint


def _near_option(error: Any, words: Sequence[str]) -> str | None:
    name, context = getattr(error, "option_name", None), getattr(error, "ctx", None)
    if name is None or context is None or not hasattr(error, "possibilities"):
        return None
    # Of -explain the parser reports only -e, its first letter.
    typed = next((w for w in words if w.startswith(name) and not w.startswith("--")), name)
    known = [option for parameter in context.command.params for option in parameter.opts if option.startswith("--")]
    hint = did_you_mean(f"--{typed.lstrip('-').partition('=')[0]}", known)
    return hint if hint and hint.startswith("did you mean") else None


def _near_choice(error: Any) -> str | None:
    descriptor = getattr(getattr(error, "param", None), "type_descriptor", None)
    choices = [str(getattr(choice, "value", choice)) for choice in getattr(descriptor, "choices", None) or ()]
    given = error.message.split("'")[1::2] if choices else []
    wrong = next((g for g in given if g not in choices), None)
    return did_you_mean(wrong, choices) if wrong else None


def unexpected(error: Exception) -> KgrecError:
    """Turn an error that no part of kgrec foresaw into one with a hint."""
    if isinstance(error, MemoryError):
        return KgrecError("not enough memory", hint="close other programs, or train fewer scorers with --only")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return StorageError(f"{error.filename or 'the disk'}: {error.strerror}", hint="free some space and try again")
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        return UserError(f"{error.filename}: {error.strerror}", hint="check the path and its permissions")
    text = str(error).strip().splitlines()
    first = f": {text[0]}" if text else ""
    return KgrecError(
        f"unexpected {type(error).__name__}{first}", hint="run it again with --debug to see where; please report it"
    )

"""Arguments that several commands read alike: complaints come before the work, not after it."""

from __future__ import annotations

from pathlib import Path

from kgrec.cli.output import Format, format_of
from kgrec.errors import UsageError


def numbers(option: str, text: str, *, low: int) -> list[int]:
    """Return the whole numbers of an option's list."""
    try:
        found = [int(word) for word in text.split(",") if word.strip()]
    except ValueError:
        found = []
    if not found or min(found) < low:
        raise UsageError(
            f"{option} {text!r} is no list of whole numbers from {low}", hint=f"for example {option} 10,20"
        )
    return found


def scorer_names(only: str | None) -> list[str] | None:
    """Return the names of ``--only``, or None where it is not given."""
    names = None if only is None else [name.strip() for name in only.split(",") if name.strip()]
    if names == []:
        raise UsageError("--only names no scorer", hint="for example --only ease,als")
    return names


def check_json(out: Path | None) -> None:
    """Complain of an ``--out`` that is no ``.json`` file."""
    if out is not None and format_of(out) is not Format.json:
        raise UsageError(f"{out.name} is not a .json file", hint="name it FILE.json")


def check_page(file: Path) -> None:
    """Complain of a name that is no page's.

    Raises:
        UsageError: the name ends otherwise, or there is no such folder.
    """
    if file.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{file.name} is not an .html file", hint="name it FILE.html")
    if not file.parent.is_dir():
        raise UsageError(f"the folder {file.parent} does not exist", hint=f"mkdir -p {file.parent}")

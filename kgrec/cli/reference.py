"""Writes docs/cli.md from the help of the commands: ``python -m kgrec.cli.reference > docs/cli.md``."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout

HEAD = """\
# The command line

Written by `python -m kgrec.cli.reference`; a test keeps it up to date.

The common options may stand before or after the command's name. Data goes to stdout, progress, timings and errors go to
stderr. Every error is a line `error: …`, mostly followed by `hint: …`.

| exit code | meaning |
|---|---|
| 0 | fine |
| 1 | unexpected; `--debug` shows where |
| 2 | the command line or kgrec.toml is wrong |
| 3 | a name that is not there: user, item, file, workspace |
| 4 | a package has to be installed |
| 5 | a file or an artifact cannot be used, the disk is full |
| 6 | a guard refused a text |
| 130 | interrupted; the last good state of the workspace stands |
| 141 | nobody reads the output any more |

`kgrec --install-completion` makes the shell complete commands, options, domains, scorers, users and items.
"""

COMMANDS = (
    (),
    ("init",),
    ("build-graph",),
    ("train",),
    ("evaluate",),
    ("simulate",),
    ("recommend",),
    ("explain",),
    ("generate",),
    ("generate evaluate",),
    ("generate feedback",),
    ("generate enrich",),
    ("generate tune",),
    ("profile",),
    ("info",),
    ("graph",),
    *(("graph", name) for name in ("stats", "query", "export", "validate", "show")),
    ("compare",),
    ("runs",),
    ("runs", "show"),
    ("runs", "export"),
    ("plugins",),
    ("doctor",),
)
"""Every command of kgrec itself, in the order one meets them."""


def markdown() -> str:
    """Return docs/cli.md. Plugins' commands are left out: they are documented where they come from."""
    return "\n".join([HEAD, *_sections()])


def _sections() -> Iterator[str]:
    from typer.main import get_command

    from kgrec.cli.application import build_app
    from kgrec.cli.run import Run
    from kgrec.plugin.manager import load_plugins

    manager = load_plugins([])
    cli = get_command(build_app(manager))
    for words in COMMANDS:
        text = io.StringIO()
        with redirect_stdout(text):
            cli.main([*" ".join(words).split(), "--help"], prog_name="kgrec", standalone_mode=False, obj=Run(manager))
        lines = [line.rstrip() for line in text.getvalue().strip().splitlines()]
        yield "\n".join([f"## `{' '.join(('kgrec', *words))}`", "", "```", *lines, "```", ""])


if __name__ == "__main__":
    # Typer decides when it is imported, so the plain layout of fixed width is asked for in a process of its own.
    if os.environ.get("TYPER_USE_RICH") != "0":
        os.execve(
            sys.executable,
            [sys.executable, "-m", "kgrec.cli.reference"],
            {**os.environ, "TYPER_USE_RICH": "0", "COLUMNS": "100", "LINES": "40"},
        )
    sys.stdout.write(markdown())

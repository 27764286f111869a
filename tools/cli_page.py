"""Write docs/cli.md from the help of the commands: ``python tools/cli_page.py``."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

from kgrec.cli.application import build_cli
from kgrec.cli.run import CommandLineRun
from kgrec.plugin.manager import load_plugins

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
INTRODUCTION = """\
# The command line

This page is made from the code by `python tools/cli_page.py`; a test keeps it current.

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


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")


def render() -> str:
    """Return the page. Plugins' commands are left out: they are documented where they come from."""
    return "\n".join([INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    manager = load_plugins([])
    cli = build_cli(manager)
    for name in ("", *manager.registry("command")):
        text = io.StringIO()
        with redirect_stdout(text):
            cli.main(
                [*name.split(), "--help"],
                prog_name="kgrec",
                standalone_mode=False,
                obj=CommandLineRun(manager),
                terminal_width=78,
            )
        lines = [line.rstrip() for line in text.getvalue().strip().splitlines()]
        yield "\n".join([f"## `{f'kgrec {name}'.strip()}`", "", "```", *lines, "```", ""])


if __name__ == "__main__":
    main()

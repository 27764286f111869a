"""The only error boundary: every error becomes ``error:``, ``hint:`` and an exit code here.

Exit codes: 0 fine, 1 unexpected, 2 usage, 3 a name that is not there, 4 a package is missing, 5 data, 6 refused by a
guard, 130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

INTERRUPTED = 130


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: the words after ``kgrec``; by default those of the process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if args is None else args)
    options = words[: words.index("--")] if "--" in words else words
    # Modules are full of objects that stay: looking for garbage among them is a tenth of the start.
    gc.set_threshold(50_000)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # there are none, and to look for them takes time
    try:
        # Imported here, so that Ctrl-C while Python still reads modules is dealt with as well.
        from kgrec.cli.application import run

        _accept_any_text()
        code = run(words)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:  # the boundary: what nobody foresaw is one line, not a page
        return _explain(error, options)
    if code == INTERRUPTED:
        print("\ninterrupted: the last good state of the workspace stands", file=sys.stderr)
    return code


def _explain(error: Exception, options: Sequence[str]) -> int:
    """Print what went wrong and return the exit code; with ``--debug`` let it through, unless it is but a typo."""
    import typer

    from kgrec.cli.errors import explain_usage, report, unexpected
    from kgrec.errors import KgrecError

    if isinstance(error, typer.TyperException):
        report(*explain_usage(error, options))
        return error.exit_code
    if isinstance(error, typer.Abort):  # Ctrl-D or Ctrl-C at a question
        report("given up", None)
        return 1
    if "--debug" in options:
        raise error
    known = error if isinstance(error, KgrecError) else unexpected(error)
    report(known.message, known.hint)
    return known.exit_code


def _accept_any_text() -> None:
    """Write what the terminal's encoding lacks as an escape, rather than fail in the middle of a table."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # as long as the process
        stream = getattr(sys, name)
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())

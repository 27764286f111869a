"""The only error boundary: every error becomes ``error:``, ``hint:`` and an exit code here.

Exit codes: 0 fine, 1 unexpected, 2 usage, 3 a name that is not there, 4 a package is missing, 5 data, 6 refused by a
guard, 130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import errno
import gc
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kgrec.errors import KgrecError, MissingExtraError, StorageError, UserError, did_you_mean

if TYPE_CHECKING:
    import typer

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
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust, which is no Exception in Python
            raise
        return _explain(RuntimeError(str(error)), options)
    if code == INTERRUPTED:
        print("\ninterrupted: the last good state of the workspace stands", file=sys.stderr)
    return code


def _explain(error: Exception, options: Sequence[str]) -> int:
    """Print what went wrong and return the exit code; with ``--debug`` let it through, unless it is but a typo."""
    import typer

    from kgrec.cli.console import report

    if isinstance(error, typer.TyperException):
        report(*_explain_usage(error, options))
        return error.exit_code
    if isinstance(error, typer.Abort):  # Ctrl-D or Ctrl-C at a question
        report("given up", None)
        return 1
    if "--debug" in options:
        raise error
    known = error if isinstance(error, KgrecError) else _unexpected(error)
    report(known.message, known.hint)
    return known.exit_code


def _explain_usage(error: typer.TyperException, words: Sequence[str]) -> tuple[str, str | None]:
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


def _unexpected(error: Exception) -> KgrecError:
    """Turn an error that no part of kgrec foresaw into one with a hint."""
    if isinstance(error, MemoryError):
        return KgrecError("not enough memory", hint="close other programs, or train fewer scorers with --only")
    if isinstance(error, ModuleNotFoundError) and (extra := _extra_of(error.name or "")):
        return MissingExtraError.of(f"this ({error.name})", extra)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return StorageError(f"{error.filename or 'the disk'}: {error.strerror}", hint="free some space and try again")
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        return UserError(f"{error.filename}: {error.strerror}", hint="check the path and its permissions")
    text = str(error).strip().splitlines()
    first = f": {text[0]}" if text else ""
    return KgrecError(
        f"unexpected {type(error).__name__}{first}", hint="run it again with --debug to see where; please report it"
    )


def _extra_of(module: str) -> str | None:
    """Return the extra of kgrec that brings a module, or None."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for line in requires("kgrec") or []:
        extra = re.search(r"extra == ['\"]([^'\"]+)", line)
        if (
            extra
            and extra[1] != "dev"
            and canonicalize_name(Requirement(line).name) == canonicalize_name(module.partition(".")[0])
        ):
            return extra[1]
    return None


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

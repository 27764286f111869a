"""Work that may crash, hang or grow without end, in a process of its own: whatever it does, it costs an error.

The module that does the work is run as a program. It gets its order as JSON on standard input (:func:`order`) and
answers on standard output, a file that has no name.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

_LONGEST = 1e6
"""Seconds; the operating system can count no infinity."""


class WorkerError(Exception):
    """A worker did not come to its end.

    Attributes:
        seconds: it was stopped after so long; None where it ended itself.
        told: what it last said, or the signal that ended it.
    """

    def __init__(self, told: str, *, seconds: float | None = None) -> None:
        super().__init__(told)
        self.told = told
        self.seconds = seconds


def run_worker(module: str, order: Mapping[str, Any], *, seconds: float) -> IO[bytes]:
    """Run a module of kgrec as a process of its own and return its output, open at its beginning.

    Args:
        module: its name, ``kgrec.graph.query``.
        order: JSON values.
        seconds: it may take; starting it takes about 0.2 s of them.

    Raises:
        WorkerError: it took longer, or ended with an error.
    """
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # -P: a file of the user's own folder named like a module must not be imported.
    command = [sys.executable, "-P", "-m", module]
    out = tempfile.TemporaryFile()  # noqa: SIM115  # the caller's
    try:
        done = subprocess.run(
            command,
            input=json.dumps(order).encode(),
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=min(seconds, _LONGEST),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
            check=False,
        )
    except BaseException as error:
        out.close()
        if isinstance(error, subprocess.TimeoutExpired):
            raise WorkerError(f"it took longer than {seconds:g} s", seconds=seconds) from None
        raise
    if done.returncode != 0:
        out.close()
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise WorkerError(said[-1] if said and done.returncode > 0 else _ending(done.returncode))
    out.seek(0)
    return out


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"ended by {signal.Signals(-code).name}"
    return f"ended by signal {-code}"


def order() -> dict[str, Any]:
    """Return what this process is to do."""
    found: dict[str, Any] = json.load(sys.stdin)
    return found


def bound_memory(bytes_: int) -> None:
    """Let this process take so many bytes more than it has, where the system can see to that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    now = 0
    with suppress(OSError, ValueError), open("/proc/self/status", encoding="ascii") as stream:
        now = next((int(line.split()[1]) << 10 for line in stream if line.startswith("VmData")), 0)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (now + bytes_, now + bytes_))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

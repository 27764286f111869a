"""A virtual environment for each peer, made from its pinned requirements on first use."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from adapters import ROOT

REQUIREMENTS = Path(__file__).parent / "requirements"


class NotInstalledError(Exception):
    """A peer's environment cannot be made; the message is pip's."""


def python_of(name: str, *, limit: float = 1800) -> Path:
    """Return the interpreter of an environment, which is made if it is not there or its requirements changed.

    Raises:
        NotInstalledError: pip failed, now or the last time with the same requirements.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    folder = ROOT / "build" / "benchmarks" / "environments" / name
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp, failure, python = folder / "stamp", folder / "failure", folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == digest:
        return python
    if failure.exists() and (told := failure.read_text()).startswith(digest):
        raise NotInstalledError(told.removeprefix(digest))
    print(f"making the environment {name}", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        message = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except subprocess.TimeoutExpired:
        message = [f"pip took more than {limit:.0f} s"]
    if message:
        failure.write_text(digest + message[0])
        raise NotInstalledError(message[0])
    stamp.write_text(digest)
    return python


def surroundings(threads: int) -> dict[str, str]:
    """Return the environment variables of a measured process: this folder's modules, a stated number of threads."""
    count = str(threads)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "LK_NUM_THREADS")
    kept = os.environ | {"PYTHONPATH": str(ROOT / "benchmarks")}
    # RecBole 1.2.1 loads checkpoints that torch now refuses by default; they are its own.
    return kept | dict.fromkeys(names, count) | {"OMP_WAIT_POLICY": "PASSIVE", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}

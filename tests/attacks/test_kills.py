"""Every writing command, killed at 200 random and 60 aimed moments: nothing lost, nothing wrong, nothing left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RANDOM, AIMED = (int(n) for n in os.environ.get("KGREC_KILLS", "200,60").split(","))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="commands run in forks")
def test_kills_lose_nothing(tmp_path):
    script = str(Path(__file__).with_name("kills.py"))
    limits = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}  # forks of a process without threads
    command = [sys.executable, script, str(tmp_path), "42", str(RANDOM), str(AIMED)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **limits}, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    told = json.loads(done.stdout)
    assert told["problems"] == []
    assert sum(n for what, n in told["kills"].items() if what.endswith(", killed")) > 0.7 * (RANDOM + AIMED) - 10

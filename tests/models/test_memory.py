"""Memory that is kept is not fetched anew."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from kgrec.models.threads import keep_freed_memory

def work():
    arrays = [np.ones(4_000_000, dtype=np.float32) for _ in range(5)]  # together more than the library would keep

if {keep}:
    keep_freed_memory()
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, keep):
    command = [sys.executable, "-c", FAULTS.format(keep=keep)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_arrays_are_made_of_memory_that_is_there():
    assert 10 * faults(keep=True) < faults(keep=False)

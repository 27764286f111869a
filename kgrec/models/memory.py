"""Memory that a training uses again and again, instead of giving it back and fetching it anew."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of the two settings in malloc.h of the GNU C library."""

KEPT = 128 << 20
"""Free bytes that stay with the process."""

LARGEST = 32 << 20
"""Arrays up to so many bytes are made of what was kept; the library allows no more."""


def keep_freed_memory() -> bool:
    """Let large arrays be made of memory that this process has already, and say whether that could be arranged.

    The GNU C library fetches large arrays from the system and gives them back at once. The system clears each page when
    it is touched, which can take longer than the computation that fills it; a training makes thousands of such arrays.
    Nothing happens where there is another C library.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(MMAP_THRESHOLD, LARGEST)) and bool(mallopt(TRIM_THRESHOLD, KEPT))

"""Return freed memory to the system instead of keeping it in the process."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 262_144
_MOST_ARENAS = 2


def return_what_is_freed() -> None:
    """Make glibc keep little freed memory. No effect with another C library.

    By default, after the first large block glibc serves such blocks from per-thread heaps, which
    only shrink from the end: building a megabyte body now and then would cost a process twenty
    megabytes for good.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _MOST_ARENAS)
        # Setting these turns off that adaptation.
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)

"""What a process frees goes back to the machine, and not to a store of its own for later."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 262_144
_MOST_ARENAS = 2


def return_what_is_freed() -> None:
    """Let glibc keep little of what was freed. With another C library: no effect.

    By itself it learns from the first large block that such blocks are to come from a heap, one for
    each thread or so, and a heap shrinks from its end only: building a body of a megabyte now and
    then would cost a process twenty for ever.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _MOST_ARENAS)
        # Setting these ends the learning.
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)

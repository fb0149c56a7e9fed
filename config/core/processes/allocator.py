"""Return freed memory to the system, and share what is kept, with glibc's allocator."""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE_BYTES = 262_144
_MOST_ARENAS = 2
_GIVE_BACK_SECONDS = 60.0

# Large ones first, so that a small block is not taken from one.
_HOLES = (65536, 32768, 16384, 8192, 4096, 2048, *range(1032, 23, -16))

_given_back_at = 0.0


_MALLINFO = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
    "free", "end",
)  # fmt: skip


class _Heap(ctypes.Structure):
    """glibc's ``struct mallinfo2``: bytes in all, and of them free and free at the end."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO]


def return_what_is_freed() -> None:
    """Make glibc keep little freed memory. No effect with another C library.

    By default, after the first large block glibc serves such blocks from per-thread heaps, which
    only shrink from the end: building a megabyte body now and then would cost a process twenty
    megabytes for good.
    """
    if (mallopt := _of_the_library("mallopt")) is not None:
        mallopt(_M_ARENA_MAX, _MOST_ARENAS)
        # Setting these turns off that adaptation.
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)


def give_back() -> None:
    """Return free pages in the middle of heaps too, at most once a minute: a few milliseconds.

    For a process that now and then holds much more than usual, such as a worker with an import.
    """
    global _given_back_at
    moment = time.monotonic()
    if moment - _given_back_at < _GIVE_BACK_SECONDS:
        return
    _given_back_at = moment
    if (trim := _of_the_library("malloc_trim")) is not None:
        trim(0)


def use_up_holes() -> None:
    """Take what is free between other blocks, for ever. Call before forking.

    Loading leaves two megabytes in thousands of small holes. Each fork would put its first
    objects there and so get copies of thousands of shared pages: seven megabytes a process.
    """
    if (look := _of_the_library("mallinfo2")) is None:
        return
    look.restype = _Heap
    take, release = _of_the_library("malloc"), _of_the_library("free")
    take.argtypes, take.restype = (ctypes.c_size_t,), ctypes.c_void_p
    release.argtypes, release.restype = (ctypes.c_void_p,), None
    for size in _HOLES:
        while (heap := look()).free - heap.end >= size:
            block = take(size)
            if look().end != heap.end:
                release(block)
                break


def _of_the_library(name: str) -> Any:
    """Return a function of glibc's, ``None`` with another C library."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)

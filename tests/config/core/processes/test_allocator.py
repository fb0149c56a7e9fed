"""Freed memory is returned. Tested in a separate process, because it cannot be undone."""

from __future__ import annotations

import subprocess
import sys

import pytest

GROWN = """
import threading
from config.core.processes.allocator import return_what_is_freed

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4

if {setting}:
    return_what_is_freed()
before = resident()

def work():
    # A large block teaches glibc to take the next ones from the heap, which small ones pin.
    kept = []
    for size in (24_000_000, 20_000_000, 16_000_000):
        block = bytearray(size)
        block[::4096] = b"x" * len(block[::4096])
        kept.append(bytes(200_000))
        del block
    return kept

thread = threading.Thread(target=work)
thread.start()
thread.join()
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator alone")
def test_process_gives_back_what_it_freed() -> None:
    grown = int(
        subprocess.run(
            [sys.executable, "-c", GROWN.format(setting=True)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
    )
    assert grown < 8_000


SCATTERED = """
import time
from config.core.processes import allocator

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4

before = resident()
# Above what Python's own allocator takes, below what is mapped alone; every tenth one stays.
blocks = [bytearray(4_000) for _ in range(10_000)]
kept = blocks[::10]
del blocks
grown = resident() - before
allocator._given_back_at = float("-inf")
allocator.give_back()
print(grown - (resident() - before))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator alone")
def test_pages_between_what_is_kept_are_given_back() -> None:
    given = int(
        subprocess.run(
            [sys.executable, "-c", SCATTERED],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
    )
    assert given > 20_000


HOLES = """
import ctypes
from config.core.processes.allocator import use_up_holes

# A hole on each of five thousand pages.
blocks = [bytearray(700) for _ in range(30_000)]
kept = [block for number, block in enumerate(blocks) if number % 6]
del blocks
if {setting}:
    use_up_holes()
mine = [bytearray(700) for _ in range(4_000)]
addresses = [ctypes.addressof(ctypes.c_char.from_buffer(block)) for block in mine]
print(len({{address // 4096 for address in addresses}}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator alone")
def test_what_a_fork_makes_is_on_few_pages_of_its_own() -> None:
    scattered, together = (
        int(
            subprocess.run(
                [sys.executable, "-c", HOLES.format(setting=setting)],
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            ).stdout
        )
        for setting in (False, True)
    )
    assert scattered > 3_000
    assert together < 1_000

"""The guardian: run by path with only the standard library, to stay tiny.

``guard.py LEFTOVER…`` reads process groups from standard input: ``+1234`` to watch one, ``-1234``
to forget it. At end of input the supervisor is gone: it ends the remaining groups and removes the
leftovers, files or folders.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress

GRACE_SECONDS = 2.0


def guard() -> set[int]:
    """Follow the supervisor until it is gone; return the remaining groups."""
    groups: set[int] = set()
    rest = b""
    while chunk := os.read(0, 4096):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            group = int(line[1:])
            (groups.add if line.startswith(b"+") else groups.discard)(group)
    return groups


def end_group(group: int, signal_number: int) -> bool:
    """Send a signal to a process group. False if nothing is left of it."""
    try:
        os.killpg(group, signal_number)
    except (ProcessLookupError, PermissionError):
        # macOS answers "not permitted" for a group with only unreaped processes.
        return False
    return True


def end_groups(groups: set[int]) -> None:
    """Terminate the groups; kill them after a moment."""
    left = {group for group in groups if end_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if end_group(group, 0)}
    for group in left:
        end_group(group, signal.SIGKILL)


def remove(paths: list[str]) -> None:
    """Remove files and folders that only a running desk needs."""
    for path in paths:
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                os.unlink(path)


if __name__ == "__main__":
    for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(_number, signal.SIG_IGN)
    end_groups(guard())
    remove(sys.argv[1:])

"""Nothing outlives the supervisor, however it dies.

Two nets. On Linux the kernel kills each child when its parent dies. And a guardian, a small process
of its own session, waits on a pipe that only the supervisor holds open: when the supervisor is gone
it ends every process group it was told of, grandchildren included.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 2.0


def die_with_parent(parent: int, signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when ``parent`` dies. Elsewhere: no effect."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)


def end_group(group: int, signal_number: int) -> bool:
    """Send a signal to a process group. False when nothing is left of it."""
    try:
        os.killpg(group, signal_number)
    except (ProcessLookupError, PermissionError):
        # macOS answers "not permitted" for a group of which only the unreaped are left.
        return False
    return True


class Guardian:
    """The supervisor's end of the pipe to the process that outlives it for a moment.

    ``leftovers`` are files and folders that it removes at the very end.
    """

    def __init__(self, *, leftovers: tuple[Path, ...] = ()) -> None:
        reader, self._writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._writer)
                _guard(reader)
                remove(leftovers)
            finally:
                os._exit(0)
        os.close(reader)

    def watch(self, group: int) -> None:
        self._say(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._say(f"-{group}\n")

    def dismiss(self) -> None:
        """End the guardian: the supervisor stops by itself and has stopped everything."""
        os.close(self._writer)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _say(self, line: str) -> None:
        with suppress(BrokenPipeError):
            os.write(self._writer, line.encode())


def _guard(reader: int) -> None:
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    groups: set[int] = set()
    rest = b""
    while chunk := os.read(reader, 4096):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            group = int(line[1:])
            (groups.add if line.startswith(b"+") else groups.discard)(group)
    end_groups(groups)


def end_groups(groups: set[int]) -> None:
    """Ask the groups to end, and make them after a moment."""
    left = {group for group in groups if end_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if end_group(group, 0)}
    for group in left:
        end_group(group, signal.SIGKILL)


def remove(paths: tuple[Path, ...]) -> None:
    """Remove files and folders that only a running desk needs."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()

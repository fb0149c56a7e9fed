"""Make sure nothing outlives the supervisor, however it dies.

On Linux the kernel kills each child when its parent dies. In addition, a guardian in its own
session waits on a pipe only the supervisor holds open; when the supervisor is gone it ends every
process group it knows of, grandchildren included.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_GUARD = Path(__file__).with_name("guard.py")


def die_with_parent(parent: int, signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel to signal this process when ``parent`` dies. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)


def show_as(name: str) -> None:
    """Name this process in ``ps -o comm`` and ``top``, where all forks look alike. Linux only."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


class Guardian:
    """The supervisor's end of the pipe to the guardian process.

    ``leftovers`` are files and folders the guardian removes at the end.
    """

    def __init__(self, *, leftovers: tuple[Path, ...] = ()) -> None:
        self._process = subprocess.Popen(
            # Isolated: standard library only, no site packages, no environment.
            [sys.executable, "-I", "-S", str(_GUARD), *map(str, leftovers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        self._pipe = self._process.stdin

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self, group: int) -> None:
        self._say(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._say(f"-{group}\n")

    def dismiss(self) -> None:
        """End the guardian: the supervisor has stopped everything itself."""
        with suppress(OSError):
            self._pipe.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        with suppress(OSError):
            self._pipe.write(line.encode())
            self._pipe.flush()

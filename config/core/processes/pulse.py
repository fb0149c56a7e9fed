"""The pulse of a process that must get on with its work.

Under a supervisor it is a byte a second; a process that is frozen, or whose threads are, sends none
and is killed. A process by itself writes a file, for the check of its health, and is ended when it
has been silent for too long. Standard library only.
"""

from __future__ import annotations

import faulthandler
import os
from contextlib import suppress
from pathlib import Path

#: Exit code of a process that ended so that another replaces it (EX_TEMPFAIL of sysexits.h).
REPLACE = 75
#: Seconds without a pulse, after the first, until a process is killed.
SILENT_SECONDS = 20.0
_DESCRIPTOR = "GREEKDESK_PULSE"
_alone: list[tuple[Path, float]] = []


def hand_over(descriptor: int) -> None:
    """In the process that sends: remember where to."""
    os.environ[_DESCRIPTOR] = str(descriptor)


def watch_alone(file: Path, *, seconds: float) -> None:
    """In a process without a supervisor: end it ``seconds`` after the last pulse, if there was one.

    ``file`` is as old as the last pulse.
    """
    file.unlink(missing_ok=True)
    _alone[:] = [(file, seconds)]


def stop_watching() -> None:
    """Let this process be silent, for example while it ends."""
    faulthandler.cancel_dump_traceback_later()
    _alone.clear()


def send_pulse() -> None:
    """Say that work goes on, to whoever watches this process."""
    if descriptor := os.environ.get(_DESCRIPTOR):
        # A full pipe says enough; a closed one has no reader any more.
        with suppress(OSError):
            os.write(int(descriptor), b".")
    for file, seconds in _alone:
        # Its timer needs no lock of the interpreter's: it fires where every thread is stuck.
        faulthandler.dump_traceback_later(seconds, exit=True)
        with suppress(OSError):
            file.touch()

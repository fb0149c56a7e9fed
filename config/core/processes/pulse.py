"""The pulse of a process that must get on with its work: a byte a second to the supervisor.

A process that is frozen, or whose threads are, sends none and is killed. Standard library only.
"""

from __future__ import annotations

import os
from contextlib import suppress

#: Exit code of a process that ended so that another replaces it (EX_TEMPFAIL of sysexits.h).
REPLACE = 75
#: Seconds without a pulse, after the first, until a process is killed.
SILENT_SECONDS = 20.0
_DESCRIPTOR = "GREEKDESK_PULSE"


def hand_over(descriptor: int) -> None:
    """In the process that sends: remember where to."""
    os.environ[_DESCRIPTOR] = str(descriptor)


def send_pulse() -> None:
    """Tell the supervisor, if there is one, that work goes on."""
    if descriptor := os.environ.get(_DESCRIPTOR):
        # A full pipe says enough; a closed one has no reader any more.
        with suppress(OSError):
            os.write(int(descriptor), b".")

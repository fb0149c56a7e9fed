"""One process of the desk by itself: in a container, or as a service of the machine.

Nothing stands beside it. Whoever started it starts it again when it ends, so it ends when it makes
no progress.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import NoReturn

from config.core.processes.desk import close_to_others, listen, processes
from config.core.processes.process import run_target
from config.core.processes.pulse import SILENT_SECONDS, stop_watching, watch_alone
from config.core.processes.role import WEB
from config.core.processes.targets import collect_static_files

# Beat and streams may wait for the database or Redis; a worker's pulse waits for nothing.
PATIENT_SECONDS = 3 * SILENT_SECONDS


def run_alone(role: str, *, data: Path, host: str, port: int) -> int:
    """Run the process of this role until it ends. Returns the exit code.

    Raises ``SupervisionError`` if the web's port is taken.
    """
    # As the first process of a container it would otherwise be deaf to TERM while it loads.
    signal.signal(signal.SIGTERM, _end)
    data.mkdir(parents=True, exist_ok=True)
    close_to_others(data)
    descriptor = -1
    if role == WEB:
        collect_static_files()
        descriptor = listen(host, port).detach()
    else:
        seconds = SILENT_SECONDS if role == "worker" else PATIENT_SECONDS
        watch_alone(data / f"{role}.pulse", seconds=seconds)
    [spec] = processes((role,), descriptor)
    try:
        return run_target(spec.role, spec.target, spec.options)
    finally:
        stop_watching()


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(0)

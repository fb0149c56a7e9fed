"""A whole desk, started as people start it, in a process group that ends with the benchmark."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from config.core.processes.lifeline import die_with_parent
from tests.benchmarks.client import Connection
from tests.benchmarks.options import NotMeasured


@contextmanager
def running_desk(
    command: Sequence[str],
    *,
    folder: Path,
    port: int,
    environment: Mapping[str, str],
    longest: float,
) -> Iterator[tuple[int, float]]:
    """Start ``command`` in ``folder``; yields its process id and the seconds to its first page.

    Raises ``NotMeasured`` with its last words when no page comes within ``longest`` seconds.
    """
    parent = os.getpid()
    log = folder / "desk.log"
    begun = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: die_with_parent(parent, signal.SIGTERM),
            start_new_session=True,
        )
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - begun > longest:
                last_words = log.read_text(errors="replace").strip()[-2000:]
                raise NotMeasured(f"{' '.join(command)}: no page came: {last_words}")
            time.sleep(0.02)
        yield process.pid, time.perf_counter() - begun
    finally:
        _stop(process)


def _answers(port: int) -> bool:
    """Return whether a page comes: the log-in page, to which visitors are sent."""
    try:
        with Connection(port) as connection:
            answer = connection.get("/")
            return answer.status == 302 and connection.get("/accounts/login").status == 200
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Send Ctrl-C to the whole group, as a terminal does; kill it if that is not enough."""
    for number, seconds in ((signal.SIGINT, 15.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
            process.wait(seconds)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue

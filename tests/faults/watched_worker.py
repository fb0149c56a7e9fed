"""A supervised worker whose tasks write down that they ran: run by a test.

``python -m tests.faults.watched_worker FOLDER`` supervises one; with ``--alone`` it has no
supervisor; with ``--deaf`` neither, and it fetches no message. A task of a negative number waits
for a file.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from config.core.processes.process import ProcessSpec
from config.core.processes.supervisor import Supervisor

HERE = "tests.faults.watched_worker"
TASK = "tests.mark"


def work(*, folder: str, deaf: bool = False) -> None:
    import django

    django.setup()
    from kombu.transport.redis import Channel

    from config.core.background import progress
    from config.core.background.task import desk_task
    from config.core.processes.targets import run_worker

    with (Path(folder) / "pids").open("a") as file:
        file.write(f"{os.getpid()}\n")

    def mark(number: int) -> None:
        if number < 0:
            (Path(folder) / "begun").touch()
            while not (Path(folder) / "go").exists():
                time.sleep(0.05)
        with (Path(folder) / "marks").open("a") as file:
            file.write(f"{number}\n")

    desk_task(TASK, subject="mark.{number}", seconds=60)(mark)
    if deaf:
        progress.STALLED_SECONDS = 2.0  # type: ignore[misc]
        Channel._brpop_start = lambda *_arguments, **_named: None
    run_worker(celery="config.celery.app")


def main(folder: str) -> None:
    spec = ProcessSpec(name="worker", target=f"{HERE}:work", options={"folder": folder}, pulse=True)
    with Supervisor(data=Path(folder), first_pause=0.05, silent_seconds=10) as supervisor:
        supervisor.start(spec)
        supervisor.watch()


if __name__ == "__main__":
    if {"--deaf", "--alone"} & set(sys.argv):
        work(folder=sys.argv[1], deaf="--deaf" in sys.argv)
    else:
        main(sys.argv[1])

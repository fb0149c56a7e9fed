"""A supervisor in a separate process, and the processes it supervises in tests.

``python -m tests.config.core.processes.supervised SCENARIO FOLDER`` runs one; every process writes
``name pid`` into ``FOLDER/pids``, so that a test can see whether it is still there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from config.core.processes import process as processes
from config.core.processes.process import ProcessSpec
from config.core.processes.supervisor import SupervisionError, Supervisor, say
from config.core.processes.valkey import EmbeddedValkey

HERE = "tests.config.core.processes.supervised"


def note(folder: str, name: str, pid: int | None = None) -> None:
    with (Path(folder) / "pids").open("a") as file:
        file.write(f"{name} {pid or os.getpid()}\n")


def stay(*, folder: str) -> None:
    """One of our processes with a child; both stay until ended."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    note(folder, "grandchild", grandchild.pid)
    note(folder, "child")
    time.sleep(600)


def crash(*, folder: str) -> None:
    note(folder, "crash")
    raise RuntimeError("the last words of a crash")


def crash_once(*, folder: str) -> None:
    marker = Path(folder) / "crashed"
    if not marker.exists():
        marker.touch()
        crash(folder=folder)
    note(folder, "survivor")
    time.sleep(600)


def speak(*, name: str) -> None:
    say(f"the {name} speaks")


def tell_role(*, folder: str) -> None:
    from django.conf import settings
    from django.db import connection

    timeout = connection.settings_dict["OPTIONS"]["timeout"]
    (Path(folder) / "role").write_text(f"{settings.PROCESS_ROLE} {timeout}")


def spec(name: str, target: Callable[..., None], folder: Path) -> ProcessSpec:
    options = {"folder": str(folder)}
    return ProcessSpec(name=name, target=f"{HERE}:{target.__name__}", options=options)


def _supervise(scenario: str, folder: Path) -> None:
    private = Path(tempfile.mkdtemp(prefix="gd-private-"))
    valkey = EmbeddedValkey(socket=private / "valkey.sock", data=folder / "valkey")
    note(str(folder), "supervisor")
    (folder / "socket").write_text(str(valkey.socket))
    leftovers = (valkey.socket.parent,)
    echo = scenario == "echo"
    with Supervisor(data=folder, leftovers=leftovers, first_pause=0.05, echo=echo) as supervisor:
        note(str(folder), "guardian", supervisor._guardian.pid)
        if scenario == "desk":
            process = supervisor.start(
                ProcessSpec(name="valkey", program=valkey.command(), foundation=True)
            )
            note(str(folder), "valkey", process.pid)
            supervisor.wait_until(valkey.answers, seconds=10, what="valkey")
            supervisor.start(spec("worker", stay, folder))
        elif scenario == "crash":
            supervisor.start(spec("crash", crash, folder))
        elif scenario == "crash_once":
            supervisor.start(spec("worker", crash_once, folder))
        elif scenario == "echo":
            for name in ("foundation", "worker"):
                told = ProcessSpec(
                    name=name,
                    target=f"{HERE}:speak",
                    options={"name": name},
                    foundation=name == "foundation",
                )
                supervisor.run_once(told, seconds=20)
            return
        elif scenario == "role":
            supervisor.run_once(spec("web", tell_role, folder), seconds=20)
            return
        say("started")
        supervisor.watch()


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    processes.FORKS = "--spawn" not in sys.argv
    try:
        _supervise(sys.argv[1], Path(sys.argv[2]))
    except SupervisionError as error:
        sys.exit(str(error))

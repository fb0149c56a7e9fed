"""Docker as this machine has it: its client, either compose, a daemon of our own if none runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUILD_SECONDS = 1500


class Failed(Exception):
    """What went wrong, for whoever ran this."""


def run(*command: str, seconds: float = 120) -> str:
    """Run a program and return what it printed. Raises ``Failed`` with its last words."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)}: no end after {seconds:.0f} s") from None
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise Failed(f"{' '.join(command)} ended with code {done.returncode}:\n{said}")
    return done.stdout


def docker(*command: str, seconds: float = 120) -> str:
    return run("docker", *command, seconds=seconds)


def answers(*command: str) -> bool:
    """Return whether a command exists and ends well."""
    return (
        bool(shutil.which(command[0]))
        and not subprocess.run(command, capture_output=True, check=False, timeout=60).returncode
    )


def compose_command() -> tuple[str, ...]:
    """Return how compose is called here: as docker's plugin, or the older program."""
    for command in (("docker", "compose"), ("docker-compose",)):
        if answers(*command, "version"):
            return command
    raise Failed("There is no compose: install docker's compose plugin, or docker-compose.")


@contextmanager
def daemon(folder: Path) -> Iterator[None]:
    """Use the daemon that runs, else start one with its data under ``folder`` (as root)."""
    if not shutil.which("docker"):
        raise Failed("There is no docker here: on Debian, install docker.io and docker-compose.")
    if answers("docker", "info"):
        yield
        return
    if os.geteuid() or not shutil.which("dockerd"):
        raise Failed("No docker daemon answers; one of our own needs root and dockerd.")
    folder.mkdir(parents=True, exist_ok=True)
    address = f"unix://{folder}/docker.sock"
    options = [
        f"--{name}={folder / path}"
        for name, path in (("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid"))
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["dockerd", *options, "-H", address], stdout=log, stderr=log)
    os.environ["DOCKER_HOST"] = address
    try:
        ends = time.monotonic() + 90
        while not answers("docker", "info"):
            if process.poll() is not None or time.monotonic() > ends:
                raise Failed(f"dockerd does not start: see {folder / 'log'}.")
            time.sleep(0.5)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)

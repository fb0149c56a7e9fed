"""One set-up step: skipped if up to date, timed, and explained on failure."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from config.setup.failures import ROOT, SetupError, explain

VENV = ROOT / ".venv"
STAMPS = VENV / "var"


def execute(what: str, *command: str | Path, **environment: str) -> str:
    """Run a command quietly in the checkout. Raises ``SetupError`` with one line on failure."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise SetupError(explain(what, done.stdout))
    return done.stdout


def digest(*paths: Path) -> str:
    """Hash the files' contents and the Python version into one short text."""
    state = hashlib.sha256(f"{sys.implementation.cache_tag} {os.path.realpath(VENV)}".encode())
    for path in paths:
        state.update(path.read_bytes())
    return state.hexdigest()


def step(name: str, inputs: str, made: Path, work: Callable[[], None]) -> None:
    """Do ``work`` unless its stamp shows the same inputs and ``made`` still exists."""
    stamp = STAMPS / f"{re.sub('[^a-z]+', '-', name.lower())}.stamp"
    sys.stdout.write(f"  {name:<28}")
    sys.stdout.flush()
    if made.exists() and stamp.exists() and stamp.read_text() == inputs:
        print("ready")
        return
    stamp.unlink(missing_ok=True)
    started = time.monotonic()
    try:
        work()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(inputs)
    except BaseException:
        print("failed")
        raise
    print(f"{time.monotonic() - started:.1f} s")


def works(*command: str | Path) -> bool:
    """Return whether a command exists and exits successfully."""
    try:
        return not subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
    except OSError:
        return False


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Lock set-up of this checkout; a second one waits."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    with (STAMPS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""One step of set-up: skipped while what it was made from stands, timed and explained if not."""

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
    """Run a command quietly in the checkout. Raises ``SetupError`` with one line when it fails."""
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
    """What the files hold and which Python reads them, as one short text."""
    state = hashlib.sha256(f"{sys.implementation.cache_tag} {os.path.realpath(VENV)}".encode())
    for path in paths:
        state.update(path.read_bytes())
    return state.hexdigest()


def step(name: str, inputs: str, made: Path, work: Callable[[], None]) -> None:
    """Do ``work`` unless its stamp says that it was done from the same inputs and still stands."""
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
    """Whether a command exists and ends well."""
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
    """One set-up of this checkout at a time: a second one waits for the first."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    with (STAMPS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

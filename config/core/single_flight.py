"""The same work is done once, however many ask for it at the same time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from config.core.errors import LockHeld
from config.core.locks import subject_is_locked, subject_lock

Result = TypeVar("Result")

_LOOK_AGAIN_SECONDS = 0.03


def single_flight(
    name: str, call: Callable[[], Result], *, seconds: float, wait_up_to: float = 0.0
) -> Result | None:
    """Run ``call`` unless another thread or process is running it under the same ``name``.

    The one who runs it gets its result (or its exception). The others get ``None``: at once, or
    with ``wait_up_to`` when the runner has finished or that many seconds have passed; they then
    read what the runner wrote. ``seconds`` is how long the flight is held if its process dies.
    """
    subject = f"flight:{name}"
    flying = False
    try:
        with subject_lock(subject, seconds=seconds):
            flying = True
            return call()
    except LockHeld:
        if flying:
            # ``call`` itself wanted a lock that somebody holds: its error, for its caller.
            raise
    _wait_for_end(subject, wait_up_to)
    return None


def _wait_for_end(subject: str, wait_up_to: float) -> None:
    deadline = time.monotonic() + wait_up_to
    while time.monotonic() < deadline and subject_is_locked(subject):
        time.sleep(_LOOK_AGAIN_SECONDS * random.uniform(0.7, 1.3))  # noqa: S311

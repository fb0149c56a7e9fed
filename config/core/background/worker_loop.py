"""Celery's event loop, kept from sleeping over work.

With as many messages in hand as the worker may hold, the loop asks Redis for no more, and it sleeps
until its next timer: up to ten seconds, since a thread that finishes a task does not wake it. A
timer of our own does: the next message is asked for soon after a thread has become free.
"""

from __future__ import annotations

from typing import Any, Final

from celery import bootsteps

LOOK_SECONDS: Final = 0.1


class KeepAwakeStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Added to the consumer, which starts it again with each new connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        if consumer.hub is not None:
            consumer.hub.call_repeatedly(LOOK_SECONDS, _look)


def _look() -> None:
    """Nothing: what the loop does on each turn is to look whether it may ask for more."""

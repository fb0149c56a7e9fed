"""Keep Celery's event loop from sleeping while work waits.

When the worker holds as many messages as it may, the loop stops asking Redis and sleeps until its
next timer, up to ten seconds, because a finished task's thread does not wake it. Our own timer
does, so the next message is fetched soon after a thread is free.
"""

from __future__ import annotations

from typing import Any, Final

from celery import bootsteps

LOOK_SECONDS: Final = 0.1


class KeepAwakeStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Added to the consumer, which restarts it with each new connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        if consumer.hub is not None:
            consumer.hub.call_repeatedly(LOOK_SECONDS, _look)


def _look() -> None:
    """Do nothing: on each turn the loop itself checks whether it may fetch more."""

"""Wake Celery's event loop when a thread has something for it.

A task's thread leaves its acknowledgement to the loop, which sleeps until its next timer, up to
ten seconds, and while its slots are taken asks Redis for nothing. A byte through a pipe wakes it,
so the next message is fetched at once and an idle worker sleeps.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from celery import bootsteps


class WakeStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Added to the consumer, which restarts it with each new connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        # Kept over restarts: a thread may be about to write.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def start(self, consumer: Any) -> None:
        if consumer.hub is None:
            return
        consumer.hub.add_reader(self._reader, self._drain)
        # The class's own: a restarted consumer has the one of before.
        call_soon = type(consumer).call_soon

        def call_soon_awake(*arguments: Any, **named: Any) -> Any:
            answer = call_soon(consumer, *arguments, **named)
            # A full pipe wakes it too.
            with suppress(BlockingIOError):
                os.write(self._writer, b"\0")
            return answer

        consumer.call_soon = call_soon_awake

    def _drain(self, *_: Any) -> None:
        with suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

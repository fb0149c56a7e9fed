"""A worker that does no work ends, and the supervisor starts another.

Celery's worker survives much that leaves it useless: an acknowledgement that failed keeps its slot
for ever, and a loop may spin on a dead connection. So what counts is work done while messages wait,
not that the process lives. What an ended worker had in hand returns to the queue.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import structlog
from celery import bootsteps
from django.conf import settings
from kombu.transport.virtual import Message
from redis.exceptions import RedisError

from config.core.background.renewing import Growth
from config.core.health import note_clock
from config.core.processes.allocator import give_back
from config.core.processes.pulse import REPLACE, send_pulse
from config.core.redis.client import redis_client

logger = structlog.get_logger(__name__)

#: Seconds that messages may wait while nothing begins or ends and a thread is free.
STALLED_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 1.0


class Progress:
    """What this worker's threads do. ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._moved_at = clock()
        self._deadlines: dict[int, float] = {}
        self._number = 0

    def begin(self) -> None:
        """Count from now: the module may have been loaded long before, in another process."""
        with self._lock:
            self._moved_at = self._clock()

    @contextmanager
    def working(self, seconds: float) -> Iterator[None]:
        """Around one task, which may take ``seconds``."""
        with self._lock:
            self._number += 1
            number = self._number
            self._moved_at = self._clock()
            self._deadlines[number] = self._moved_at + seconds
        try:
            yield
        finally:
            with self._lock:
                self._moved_at = self._clock()
                del self._deadlines[number]

    def is_idle(self) -> bool:
        """Whether no task runs."""
        return not self._deadlines

    def look(self, *, waiting: int | None, slots: int) -> bool:
        """Return whether the worker is stalled. ``waiting`` messages; ``None`` if not known.

        A thread past its task's time is stuck, not busy.
        """
        moment = self._clock()
        with self._lock:
            busy = sum(deadline > moment for deadline in self._deadlines.values())
            if not waiting or busy >= slots:
                self._moved_at = moment
            return moment - self._moved_at >= STALLED_SECONDS


progress = Progress()


def replace_worker(reason: str) -> None:
    """End this process at once. Does not return."""
    logger.critical("worker.replaced", reason=reason)
    logging.shutdown()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(REPLACE)


class _FinalMessage(Message):  # type: ignore[misc]
    """A message whose failed acknowledgement ends the worker: its slot would be lost."""

    def ack_log_error(self, logger: Any, errors: Any, multiple: bool = False) -> None:
        try:
            self.ack(multiple=multiple)
        except Exception as error:  # noqa: BLE001 - whatever it was, the slot is lost
            replace_worker(f"a message could not be acknowledged: {type(error).__name__}")

    def reject_log_error(self, logger: Any, errors: Any, requeue: bool = False) -> None:
        try:
            self.reject(requeue=requeue)
        except Exception as error:  # noqa: BLE001
            replace_worker(f"a message could not be rejected: {type(error).__name__}")


class FinalMessagesStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Added to the consumer, which restarts it with each new connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        consumer.task_consumer.channel.Message = _FinalMessage


class WatchStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Added to the worker: a thread that looks whether work goes on, and says so."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        progress.begin()
        watch = threading.Thread(target=_watch, args=(worker,), name="progress", daemon=True)
        watch.start()


def _watch(worker: Any) -> None:
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    queue = options["global_keyprefix"] + worker.app.conf.task_default_queue
    growth = Growth()
    while True:
        if progress.look(waiting=_waiting(queue), slots=worker.concurrency):
            replace_worker("messages wait and no work is done")
        send_pulse()
        give_back()
        growth.renew_if_grown(idle=progress.is_idle())
        # Not by its heartbeat: a worker whose clock is ahead discards every task as expired.
        with suppress(RedisError):
            note_clock("worker")
        time.sleep(LOOK_SECONDS)


def _waiting(queue: str) -> int | None:
    try:
        return int(redis_client().llen(queue))
    except RedisError:
        return None

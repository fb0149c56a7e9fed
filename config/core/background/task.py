"""What every Celery task does around its one function call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import structlog
from celery import Task, current_app, shared_task
from celery.signals import beat_embedded_init, beat_init, before_task_publish
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config.core.background.progress import progress
from config.core.errors import LockHeld
from config.core.health import heartbeat
from config.core.redis.locks import subject_lock

logger = structlog.get_logger(__name__)

Parameters = ParamSpec("Parameters")


def desk_task(
    name: str,
    *,
    subject: str,
    seconds: float,
    held: Callable[..., None] | None = None,
    **options: Any,
) -> Callable[[Callable[Parameters, None]], Task]:
    """Make a Celery task that works on one subject at a time.

    ``subject`` is a template over the task's arguments (``"account.{account_id}"``); its lock is
    held at most ``seconds``. If another worker holds it, the task ends quietly and that worker does
    the work; ``held`` is called first with the task's arguments, in case someone still waits. Logs
    carry the task's name and subject; each run that ends well is a heartbeat of ``worker``.

        >>> @desk_task("portfolio.sync_account", subject="account.{account_id}", seconds=60)
        ... def sync_account_task(account_id: str) -> None:
        ...     sync_account(account_id=account_id, trigger=SyncRun.Trigger.SCHEDULE)
    """

    def decorate(work: Callable[Parameters, None]) -> Task:
        signature = inspect.signature(work)

        @wraps(work)
        def run(*arguments: Parameters.args, **named: Parameters.kwargs) -> None:
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            what = subject.format(**bound.arguments)
            with (
                progress.working(seconds),
                structlog.contextvars.bound_contextvars(task=name, subject=what),
            ):
                ran = _run_locked(lambda: work(*arguments, **named), f"task:{name}:{what}", seconds)
                if not ran and held is not None:
                    held(*arguments, **named)
            heartbeat("worker")

        return shared_task(name=name, **options)(run)

    return decorate


def enqueue(
    task: Any, arguments: dict[str, Any], *, expires: float, countdown: float | None = None
) -> None:
    """Queue a task. If the queue is down, log it: the next scheduled check asks again.

    ``task`` is the task, or its registered name where the task must not be imported.
    """
    if isinstance(task, str):
        task = current_app.tasks[task]
    try:
        task.apply_async(kwargs=arguments, expires=expires, countdown=countdown, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("task_not_enqueued", task=task.name, reason=type(error).__name__)


def _run_locked(work: Callable[[], None], subject: str, seconds: float) -> bool:
    """Do the work under the lock; ``False`` if someone else holds it."""
    working = False
    try:
        with subject_lock(subject, seconds=seconds):
            working = True
            work()
    except LockHeld:
        # Held by another run of this task, or by a function that takes its own lock.
        logger.info("task.skipped", inside=working)
        return False
    return True


def _beat_starts(**_: Any) -> None:
    """From here on this process is beat: each message it sends proves it is scheduling."""
    before_task_publish.connect(_beat_sends, weak=False, dispatch_uid="desk.beat_heartbeat")


def _beat_sends(**_: Any) -> None:
    heartbeat("beat")


beat_init.connect(_beat_starts)
beat_embedded_init.connect(_beat_starts)

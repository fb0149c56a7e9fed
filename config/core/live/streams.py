"""Long-lived work beside the queue: each stream is an endless coroutine of one process.

Apps register theirs in ``AppConfig.ready()``; ``manage.py run_streams`` runs them all. A stream
that fails starts again with a bounded, jittered wait; the others do not notice.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

import structlog
from django.utils.module_loading import import_string

from config.core.health import heartbeat, heartbeat_check
from config.core.processes.allocator import give_back
from config.core.processes.pulse import send_pulse

logger = structlog.get_logger(__name__)

Stream = Callable[[], Awaitable[None]]

HEARTBEAT_SECONDS = 10.0
_LONGEST_WAIT_SECONDS = 30.0

_streams: dict[str, str] = {}


def register_stream(name: str, path: str) -> None:
    """Name a coroutine function by its dotted path; it is imported where streams run."""
    if _streams.setdefault(name, path) != path:
        raise ValueError(f"stream {name!r} is registered twice")


def registered_streams() -> dict[str, Stream]:
    return {name: import_string(path) for name, path in _streams.items()}


async def run_for_ever(name: str, stream: Stream) -> None:
    """Run one stream; whatever ends it, start it again after a wait that doubles up to 30 s."""
    wait = 1.0
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await stream()
            logger.warning("stream.ended", stream=name)
        except Exception:
            logger.exception("stream.failed", stream=name)
        if loop.time() - started > _LONGEST_WAIT_SECONDS:
            wait = 1.0
        await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311
        wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


async def run_streams() -> None:
    """Run every registered stream until TERM or Ctrl-C; then cancel them and return."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [
        asyncio.create_task(run_for_ever(name, stream), name=name)
        for name, stream in registered_streams().items()
    ]
    tasks.append(asyncio.create_task(_beat(), name="heartbeat"))
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _beat() -> None:
    while True:
        send_pulse()
        await asyncio.to_thread(heartbeat, "streams")
        await asyncio.to_thread(give_back)
        await asyncio.sleep(HEARTBEAT_SECONDS)


heartbeat_check("streams", 60.0)

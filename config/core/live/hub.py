"""Announcements between processes: one Redis subscription per process, one frame to many sockets.

A writer in any process calls ``announce``. In each web process the hub reads announcements once and
hands them to the local listeners. Nothing is stored. When the connection is lost, every listener
gets ``{"type": "hub.lost"}`` and drops whatever it may not trust without announcements. When it is
back, they get ``{"type": "hub.reconnected"}`` and read the current state again.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

import redis.asyncio
import structlog
from django.conf import settings
from redis.commands.core import Script
from redis.exceptions import RedisError

from config.core.live.per_loop import PerLoop
from config.core.redis.client import key, redis_client

logger = structlog.get_logger(__name__)

Message = dict[str, Any]
#: Called on the event loop for each message. A plain function keeps the order of messages; an
#: awaitable runs as a separate task.
Listener = Callable[[Message], Awaitable[None] | None]

RECONNECTED: Mapping[str, str] = {"type": "hub.reconnected"}
LOST: Mapping[str, str] = {"type": "hub.lost"}
_ALIVE_CHECK_SECONDS = 5.0
_LONGEST_BACKOFF = 2.0
# One command for many channels: a hundred commands cost this process ten times as much.
_PUBLISH: Final = """
for at = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[at], ARGV[at + 1]) end
"""


def announce(group: str, message: Mapping[str, Any]) -> None:
    """Tell every process that listens to ``group``. Without Redis the message is lost."""
    try:
        redis_client().publish(_channel(group), json.dumps(message, default=str))
    except RedisError as error:
        logger.warning("hub.announcement_lost", group=group, reason=type(error).__name__)


def announce_all(messages: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Tell the listeners of many groups, given with their messages, in one round trip."""
    told = [(_channel(group), json.dumps(message, default=str)) for group, message in messages]
    if not told:
        return
    try:
        _publish_script()(args=[part for pair in told for part in pair], client=redis_client())
    except RedisError as error:
        logger.warning("hub.announcement_lost", groups=len(told), reason=type(error).__name__)


class Hub:
    """The local listeners of one process (one event loop) and its Redis subscription."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}
        self._subscribed: dict[str, asyncio.Event] = {}
        self._pubsub: redis.asyncio.client.PubSub | None = None
        # One command at a time: two would each open a connection.
        self._commands = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Future[None]] = set()

    async def join(self, group: str, listener: Listener) -> None:
        """Deliver the group's messages to ``listener`` from now on; joining twice is joining once.

        Returns when Redis has confirmed the subscription, so that what is read afterwards misses
        nothing; while Redis is away it returns after a moment and the listener gets
        ``hub.reconnected`` later.
        """
        listeners = self._listeners.setdefault(group, [])
        if listener not in listeners:
            listeners.append(listener)
        confirmed = self._subscribed.setdefault(_channel(group), asyncio.Event())
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_for_ever(), name="hub")
        elif not confirmed.is_set():
            await self._subscribe(_channel(group))
        try:
            # Unlike wait_for, never swallows a cancellation.
            async with asyncio.timeout(settings.REDIS_SOCKET_TIMEOUT):
                await confirmed.wait()
        except TimeoutError:
            # The reader subscribes when Redis is back, and says hub.reconnected then.
            logger.warning("hub.joined_without_redis", group=group)

    async def leave(self, group: str, listener: Listener) -> None:
        """Stop delivering. The last listener of a group ends its subscription."""
        listeners = self._listeners.get(group, [])
        if listener in listeners:
            listeners.remove(listener)
        if listeners or group not in self._listeners:
            return
        del self._listeners[group]
        self._subscribed.pop(_channel(group), None)
        async with self._commands:
            if self._pubsub is None or group in self._listeners:
                return
            try:
                await self._pubsub.unsubscribe(_channel(group))
            except (RedisError, OSError):
                logger.info("hub.unsubscribe_failed", group=group)

    def hears(self, group: str) -> bool:
        """Whether Redis has confirmed the group's subscription and the connection stands."""
        confirmed = self._subscribed.get(_channel(group))
        return confirmed is not None and confirmed.is_set()

    async def close(self) -> None:
        """Stop reading; the process ends."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._reader = None

    async def _subscribe(self, channel: str) -> None:
        async with self._commands:
            if self._pubsub is None:
                return
            try:
                await self._pubsub.subscribe(channel)
            except (RedisError, OSError):
                # The reader sees the same loss and subscribes to every group again.
                logger.info("hub.subscribe_failed", channel=channel)

    async def _read_for_ever(self) -> None:
        backoff, lost_before = 0.1, False
        while True:
            client = _pubsub_client()
            try:
                async with self._commands:
                    pubsub = client.pubsub()
                    # The control channel keeps the connection subscribed when no group is joined.
                    await pubsub.subscribe(_channel("control"), *self._subscribed)
                    self._pubsub = pubsub
                if lost_before:
                    self._deliver_to_all(dict(RECONNECTED))
                backoff = 0.1
                await self._read(pubsub)
            except Exception as error:  # noqa: BLE001 - on any error, subscribe again
                logger.warning("hub.connection_lost", reason=type(error).__name__)
                lost_before = True
            finally:
                was_heard, self._pubsub = self._pubsub is not None, None
                for confirmed in self._subscribed.values():
                    confirmed.clear()
                if was_heard:
                    self._deliver_to_all(dict(LOST))
                await client.aclose()
            await asyncio.sleep(backoff * random.uniform(0.5, 1.5))  # noqa: S311
            backoff = min(backoff * 2, _LONGEST_BACKOFF)

    async def _read(self, pubsub: redis.asyncio.client.PubSub) -> None:
        silent = 0
        while True:
            message = await pubsub.get_message(timeout=_ALIVE_CHECK_SECONDS)
            if message is None:
                silent += 1
                if silent > 1:
                    raise TimeoutError("Redis did not answer a ping")
                await pubsub.ping()
                continue
            silent = 0
            if message["type"] == "subscribe":
                if (confirmed := self._subscribed.get(message["channel"])) is not None:
                    confirmed.set()
            elif message["type"] == "message":
                self._deliver(message["channel"], message["data"])

    def _deliver(self, channel: str, data: str) -> None:
        group = channel.removeprefix(_channel(""))
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            logger.warning("hub.unreadable_message", group=group)
            return
        for listener in tuple(self._listeners.get(group, ())):
            self._call(listener, message)

    def _deliver_to_all(self, message: Message) -> None:
        told: list[Listener] = []
        for listeners in tuple(self._listeners.values()):
            for listener in tuple(listeners):
                if listener not in told:
                    told.append(listener)
                    self._call(listener, message)

    def _call(self, listener: Listener, message: Message) -> None:
        try:
            answer = listener(message)
        except Exception:
            logger.exception("hub.listener_failed")
            return
        if answer is not None:
            task = asyncio.ensure_future(answer)
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("hub.listener_failed", exc_info=error)


#: One subscription a process.
hub = PerLoop(Hub)


@cache
def _publish_script() -> Script:
    return redis_client().register_script(_PUBLISH)


def _channel(group: str) -> str:
    return key("hub", group)


def _pubsub_client() -> redis.asyncio.Redis:
    # No read time-out on the socket: waiting for a message is what a subscription does. The hub
    # pings instead.
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        encoding_errors="replace",
        socket_timeout=None,
        socket_connect_timeout=settings.REDIS_SOCKET_TIMEOUT,
    )

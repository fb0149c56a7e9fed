"""Feeds of live pages: in a process, one feed serves all sockets that watch the same thing.

It reads once and hands every socket the same prepared text. The first socket opens it, the last
one closes it.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
import structlog

from config.core.errors import ApplicationError
from config.core.live.hub import Message, hub
from config.core.live.outbox import Outbox, broadcast
from config.core.threads import ThreadPool

logger = structlog.get_logger(__name__)

SCHEMA = 1
# Turns a burst of announcements (two brokers, minutes caught up after an outage) into two reads:
# one at once, and one of all that is announced within this time after it.
DEBOUNCE_SECONDS = 0.05
# All reads of feeds and consumers in this process: bounded, and apart from the HTTP threads.
read_in_thread = ThreadPool("live-read", most=2)
_encoder = msgspec.json.Encoder(decimal_format="number")


def frame(
    kind: str,
    data: Any,
    *,
    version: int | None = None,
    previous_version: int | None = None,
    as_of: Any = None,
) -> str:
    """Encode a websocket frame."""
    content: dict[str, Any] = {"schema": SCHEMA, "type": kind, "version": version, "as_of": as_of}
    if previous_version is not None:
        content["previous_version"] = previous_version
    content["data"] = data
    return _encoder.encode(content).decode()


Key = TypeVar("Key", bound=Hashable)
State = TypeVar("State")


class Feed(ABC, Generic[Key, State]):
    """Watches what ``key`` names and sends frames to its sockets.

    A subclass says which hub groups announce changes, how to read the state, and which frames a
    snapshot and a change become.
    """

    #: Read at least this often, so that a lost announcement costs only seconds.
    look_seconds = 15.0
    #: As of the last read.
    state: State

    def __init__(self, key: Key) -> None:
        self.key = key
        self.outboxes: set[Outbox] = set()
        # Each numbered frame names its predecessor. No two feeds start at the same number.
        self.number = time.time_ns() // 1000
        # Encoded for the first socket that asks; a thousand that reconnect share it.
        self._snapshot: str | None = None
        self._groups: frozenset[str] = frozenset()
        self._must_read = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    # --- A subclass's part ---
    @abstractmethod
    def groups(self, state: State | None) -> Collection[str]:
        """Return the hub groups to follow; ``None``: nothing has been read yet."""

    @abstractmethod
    def read(self, before: State | None) -> State:
        """Read the committed state, in a thread. Return ``before`` if unchanged."""

    @abstractmethod
    def snapshot_frame(self) -> str:
        """Encode ``state`` as a snapshot."""

    @abstractmethod
    def tell(self, before: State, after: State) -> None:
        """Send what changed, if it shows."""

    def heard(self, message: Message) -> bool:
        """Whether an announcement requires a read."""
        return True

    # --- Sending ---
    def snapshot(self) -> str:
        """Return the snapshot frame, encoded once for all who ask."""
        if self._snapshot is None:
            self._snapshot = self.snapshot_frame()
        return self._snapshot

    def send(self, text: str, *, name: str) -> None:
        """Send one text to all. A slow socket gets only the newest of each name."""
        broadcast(tuple(self.outboxes), text, name=name)

    def send_change(self, text: str, *, name: str) -> None:
        """Send what changed; who wants it seldom gets what ``put_seldom`` says in its place."""
        outboxes = tuple(self.outboxes)
        broadcast((each for each in outboxes if not each.every), text, name=name)
        for outbox in outboxes:
            if outbox.every:
                self.put_seldom(outbox)

    def put_seldom(self, outbox: Outbox) -> None:
        """Have the outbox send, when its time is up, what makes up for the changes until then: the
        snapshot, or what a subclass makes of them."""
        outbox.put_seldom(self.snapshot)

    def send_numbered(self, kind: str, data: Any, *, as_of: Any = None) -> None:
        """Send the next numbered frame. A socket too slow for one sees a gap in the numbers."""
        before = self.number
        self.number, self._snapshot = before + 1, None
        text = frame(kind, data, version=self.number, previous_version=before, as_of=as_of)
        self.send_change(text, name=kind)

    # --- Following and reading ---
    async def open(self) -> None:
        """Read for the first time and follow from now on."""
        # Subscribe first, then read, so that nothing committed in between is missed.
        await self._follow(self.groups(None))
        self.state = await self._read(None)
        self._reading = asyncio.create_task(self._read_for_ever())

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self._follow(())

    async def _follow(self, groups: Collection[str]) -> bool:
        """Follow exactly these groups; return whether one is new."""
        before, self._groups = self._groups, self._groups | frozenset(groups)
        for group in before.difference(groups):
            await hub().leave(group, self._announced)
        for group in self._groups - before:
            await hub().join(group, self._announced)
        self._groups = frozenset(groups)
        return not before.issuperset(groups)

    def _announced(self, message: Message) -> None:
        if message.get("type") != "hub.lost" and self.heard(message):
            self._must_read.set()

    async def _read(self, before: State | None) -> State:
        state = await read_in_thread(partial(self.read, before))
        while await self._follow(self.groups(state)):
            state = await read_in_thread(partial(self.read, state))
        return state

    async def _read_for_ever(self) -> None:
        clock = asyncio.get_running_loop().time
        read_at = float("-inf")
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.look_seconds):
                    await self._must_read.wait()
            await asyncio.sleep(max(0.0, read_at + DEBOUNCE_SECONDS - clock()))
            read_at = clock()
            self._must_read.clear()
            try:
                before, after = self.state, await self._read(self.state)
                if after is not before:
                    self.state, self._snapshot = after, None
                    self.tell(before, after)
            # Pages keep their last values; the next announcement or look reads again.
            except ApplicationError as error:
                logger.warning("live_read_failed", feed=type(self).__name__, code=error.code)
            except Exception:
                logger.exception("live_read_failed", feed=type(self).__name__, key=self.key)


OneFeed = TypeVar("OneFeed", bound=Feed[Any, Any])


class Feeds(Generic[Key, OneFeed]):
    """The open feeds of one event loop."""

    def __init__(self, make: Callable[[Key], OneFeed]) -> None:
        self._make = make
        self._feeds: dict[Key, OneFeed] = {}
        self._lock = asyncio.Lock()

    async def join(self, key: Key, outbox: Outbox) -> OneFeed:
        """Watch ``key`` through ``outbox``. Raises what opening the feed raises."""
        async with self._lock:
            feed = self._feeds.get(key)
            if feed is None:
                feed = self._make(key)
                try:
                    await feed.open()
                except BaseException:
                    await feed.close()
                    raise
                self._feeds[key] = feed
        feed.outboxes.add(outbox)
        return feed

    async def leave(self, feed: OneFeed, outbox: Outbox) -> None:
        feed.outboxes.discard(outbox)
        async with self._lock:
            if not feed.outboxes and self._feeds.get(feed.key) is feed:
                del self._feeds[feed.key]
                await feed.close()

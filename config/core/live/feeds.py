"""What live pages are fed by: one feed for all sockets of a process that watch the same thing.

A feed reads once what many watch and hands every socket the same prepared text. The first socket
opens it, the last one closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from config.core.live.hub import Outbox
from config.core.threads import ThreadPool

SCHEMA = 1
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
    """A websocket frame as text."""
    content: dict[str, Any] = {"schema": SCHEMA, "type": kind, "version": version, "as_of": as_of}
    if previous_version is not None:
        content["previous_version"] = previous_version
    content["data"] = data
    return _encoder.encode(content).decode()


class Feed(Protocol):
    """Something that sockets watch."""

    outboxes: set[Outbox]

    @property
    def key(self) -> Hashable:
        """What it feeds: sockets that watch the same have the same key."""

    async def open(self) -> None:
        """Read for the first time and follow from now on. Closes itself where that fails."""

    async def close(self) -> None:
        """Follow no longer."""

    def snapshot(self) -> str:
        """The present state as one frame, encoded once for all who ask."""


Key = TypeVar("Key", bound=Hashable)
OneFeed = TypeVar("OneFeed", bound=Feed)


class Feeds(Generic[Key, OneFeed]):
    """The feeds of one event loop."""

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
                await feed.open()
                self._feeds[key] = feed
        feed.outboxes.add(outbox)
        return feed

    async def leave(self, feed: OneFeed, outbox: Outbox) -> None:
        feed.outboxes.discard(outbox)
        async with self._lock:
            key: Any = feed.key
            if not feed.outboxes and self._feeds.get(key) is feed:
                del self._feeds[key]
                await feed.close()

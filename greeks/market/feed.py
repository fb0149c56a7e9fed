"""The live market: one feed per watched chain in a process.

Samples are forwarded as announced. A closed minute is read once, from the rows that make up the
body of ``/market/data``, and goes to every socket as one prepared text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from redis.exceptions import RedisError

from config.core.clock import market_now
from config.core.errors import ApplicationError
from config.core.live.feeds import Feeds, frame, read_in_thread
from config.core.live.hub import Outbox, broadcast, hub
from greeks.calendar.exchanges import exchange_named
from greeks.market.bodies.body import head_of, row_of, velocities
from greeks.market.bodies.questions import MarketChoice, MarketQuestion, choice_for
from greeks.market.bodies.series import MarketSeries, series_for
from greeks.polling.forming_minute import forming_minute
from greeks.polling.poll import group_of
from greeks.polling.samples import latest_sample

logger = structlog.get_logger(__name__)

# Turns a burst of announcements (minutes caught up after an outage) into one read.
DEBOUNCE_SECONDS = 0.05
# Besides hearing announcements a feed checks by itself: a lost one costs only seconds, a new expiry
# or day is found, and a minute that never came becomes a gap on every page.
LOOK_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Watched:
    """An instrument by slug, and an expiry; ``None``: the default one."""

    slug: str
    expiry: date | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A committed state of the chain, as frames need it.

    ``samples`` counts those of all its minutes, ``samples_before`` those before the last one.
    """

    choice: MarketChoice
    head: dict[str, Any]
    last_minute: int | None
    samples: int
    samples_before: int
    row: dict[str, Any] | None
    velocity: dict[str, Any]

    @property
    def version(self) -> int:
        version: int = self.head["version"]
        return version

    def follows(self, before: Reading) -> bool:
        """Whether only the last minute is new."""
        return (
            self.choice.chain == before.choice.chain
            and self.last_minute is not None
            and before.last_minute is not None
            and self.last_minute - before.last_minute == 60
            # A late sample may have rewritten a minute, but never with fewer samples.
            and self.samples_before == before.samples
        )


def read_chain(watched: Watched, before: Reading | None = None) -> Reading:
    """Return the committed state, or ``before`` if unchanged.

    Raises ``NotFound`` if the chain does not exist.
    """
    question = MarketQuestion(slug=watched.slug, expiry=watched.expiry)
    choice = choice_for(question, market_now())
    if before is not None and before.choice.state == choice.state:
        return before
    series: MarketSeries = series_for(choice)
    is_empty = len(series) == 0
    return Reading(
        choice=choice,
        head=head_of(series),
        last_minute=None if is_empty else int(series.minutes[-1]),
        samples=int(series.samples_seen.sum()),
        samples_before=int(series.samples_seen[:-1].sum()),
        row=None if is_empty else row_of(series, len(series) - 1),
        velocity=velocities(series),
    )


def read_forming(choice: MarketChoice) -> dict[str, Any] | None:
    """Return the forming minute from the latest sample of the session shown."""
    try:
        sample = latest_sample(choice.instrument.slug, choice.chain.expiry)
    except RedisError:
        return None
    if sample is None or not choice.session.opens_at <= sample.slot < choice.session.closes_at:
        return None
    return forming_minute(sample, zone=exchange_named(choice.session.exchange).zone)


class MarketFeed:
    """Watches one chain and forwards frames to its sockets."""

    def __init__(self, watched: Watched) -> None:
        self.key = watched
        self.outboxes: set[Outbox] = set()
        self._reading: Reading | None = None
        self._forming: dict[str, Any] | None = None
        # Encoded for the first socket that asks; a thousand that reconnect share it.
        self._snapshot: str | None = None
        # Frame versions: each frame names its predecessor. No two feeds start at the same one.
        self._frame_version = time.time_ns() // 1000
        self._group: str | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._again = False
        self._looking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        try:
            reading = await read_in_thread(lambda: read_chain(self.key))
            await self._follow(reading)
            # Subscribe first, then read, so that nothing committed in between is missed.
            await self._read_first()
        except BaseException:
            await self.close()
            raise
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        await self._unfollow()
        for task in (self._refreshing, self._looking):
            if task is not None:
                task.cancel()

    def snapshot(self) -> str:
        reading = self._reading
        if reading is None:
            raise RuntimeError("a feed is opened before it is asked for a snapshot")
        if self._snapshot is None:
            head = {name: value for name, value in reading.head.items() if name != "schema"}
            data = head | {
                "row": reading.row,
                "velocity": reading.velocity,
                "forming": self._forming,
            }
            self._snapshot = frame(
                "market.snapshot", data, version=self._frame_version, as_of=reading.head["as_of"]
            )
        return self._snapshot

    # --- Following ---
    async def _follow(self, reading: Reading) -> None:
        """Subscribe to the reading's chain; another takes its place when it expires."""
        group = group_of(reading.choice.instrument.slug, reading.choice.chain.expiry)
        if group != self._group:
            await self._unfollow()
            self._group = group
            await hub().join(group, self._announced)

    async def _unfollow(self) -> None:
        if self._group is not None:
            group, self._group = self._group, None
            await hub().leave(group, self._announced)

    async def _read_first(self) -> None:
        def read() -> tuple[Reading, dict[str, Any] | None]:
            reading = read_chain(self.key)
            return reading, read_forming(reading.choice)

        self._reading, forming = await read_in_thread(read)
        if self._forming is None:
            self._forming = forming
        self._snapshot = None

    def _announced(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "market.sampled":
            self._sampled(message)
        elif kind != "hub.lost":
            self._read_soon()

    def _sampled(self, message: dict[str, Any]) -> None:
        data = message.get("data")
        if not isinstance(data, dict):
            return
        self._forming = data
        self._send("sampled", data, as_of=data.get("as_of"))

    def _send(self, name: str, data: dict[str, Any], *, as_of: Any) -> None:
        """Send one text to all. A socket too slow for a frame sees a gap in the versions."""
        before = self._frame_version
        self._frame_version, self._snapshot = before + 1, None
        text = frame(
            f"market.{name}",
            data,
            version=self._frame_version,
            previous_version=before,
            as_of=as_of,
        )
        broadcast(tuple(self.outboxes), text, name=name)

    # --- Closed minutes ---
    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._read_soon()

    def _read_soon(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())
        else:
            self._again = True

    async def _refresh(self) -> None:
        while True:
            self._again = False
            await asyncio.sleep(DEBOUNCE_SECONDS)
            before = self._reading
            try:
                after = await read_in_thread(partial(read_chain, self.key, before))
                await self._follow(after)
            except ApplicationError as error:
                # The page keeps its last values; the next check reads again.
                logger.warning("live_market_read_failed", slug=self.key.slug, code=error.code)
                return
            except Exception:
                logger.exception("live_market_read_failed", slug=self.key.slug)
                return
            if after is not before:
                self._reading, self._snapshot = after, None
            if before is not None and after is not before:
                self._tell(before, after)
            if not self._again:
                return

    def _tell(self, before: Reading, after: Reading) -> None:
        if before.choice.chain != after.choice.chain:
            # Another day or another default expiry: nothing carries over.
            self._forming = None
            self._frame_version += 1
            broadcast(tuple(self.outboxes), self.snapshot(), name="snapshot")
            return
        if (before.version, before.last_minute) == (after.version, after.last_minute):
            return
        if after.row is None:
            return
        data = after.row | {
            "velocity": after.velocity,
            "date": after.head["date"],
            "base": after.head["base"],
            "version": after.version,
            # More than the last minute is new: the columns must be read again.
            "refetch": not after.follows(before),
        }
        self._send("minute_closed", data, as_of=after.head["as_of"])


MarketFeeds = Feeds[Watched, MarketFeed]
_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, MarketFeeds] = WeakKeyDictionary()
_make: Callable[[Watched], MarketFeed] = MarketFeed


def feeds() -> MarketFeeds:
    """Return the feeds of the running event loop: one set per process, which runs one loop."""
    return _feeds.setdefault(asyncio.get_running_loop(), Feeds(_make))

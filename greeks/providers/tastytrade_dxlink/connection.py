"""One dxLink connection: the handshake, the subscription, the keep-alive and the alarms.

The order: SETUP → AUTH_STATE UNAUTHORIZED → AUTH → AUTHORIZED → CHANNEL_REQUEST → CHANNEL_OPENED →
FEED_SETUP → FEED_CONFIG → FEED_SUBSCRIPTION, then FEED_DATA for good.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import structlog
from websockets.asyncio.client import ClientConnection

from greeks.providers.tastytrade_dxlink.events import (
    WANTED_FIELDS,
    FeedCounts,
    LatestMarket,
    kinds_of,
)
from greeks.providers.tastytrade_dxlink.messages import (
    AuthState,
    BadFrame,
    ChannelClosed,
    ChannelOpened,
    ErrorMessage,
    FeedConfig,
    FeedData,
    UnknownMessage,
    decode_message,
    encode_message,
)

logger = structlog.get_logger(__name__)

VERSION: Final = "0.1-DXF-JS/0.3.0"
#: Client channels have odd numbers.
CHANNEL: Final = 1
#: A whole chain in one message drops the connection; send this many entries at most.
ENTRIES_A_MESSAGE: Final = 200
#: This many unreadable frames in a row are no accident.
BAD_FRAMES_IN_A_ROW: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds. ``silence``: no event for this long while some are due raises the alarm."""

    keepalive: float = 30.0
    dead: float = 75.0
    silence: float = 30.0
    handshake: float = 10.0
    look: float = 1.0
    between_messages: float = 0.05
    aggregation: float = 0.5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    renewal_margin: float = 300.0


class ConnectionEnded(Exception):
    """Why this connection ended. The next one follows."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenRefused(ConnectionEnded):
    """The streamer refused the token. The next connection asks for a new one."""


@dataclass(slots=True)
class FeedState:
    """State that outlives a connection: the newest values and the feed's health."""

    counts: FeedCounts = field(default_factory=FeedCounts)
    market: LatestMarket = field(init=False)
    #: Set when the followed contracts change.
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether the current connection is authorised and configured.
    ready: bool = False
    #: Set by the alarm, cleared by the next event.
    silent: bool = False

    def __post_init__(self) -> None:
        self.market = LatestMarket(self.counts)


class Connection:
    """One connection: a reader, a subscriber, a keep-alive and a watchdog."""

    def __init__(
        self,
        socket: ClientConnection,
        *,
        state: FeedState,
        token: str,
        token_until: float,
        expects_data: Callable[[], bool],
        timing: Timing,
    ) -> None:
        """``token_until`` is on the clock of ``time.monotonic``."""
        self._socket = socket
        self._state = state
        self._token = token
        self._token_until = token_until
        self._expects_data = expects_data
        self._timing = timing
        self._authorising = False
        self._configured = asyncio.Event()
        self._orders: dict[str, list[str]] = {}
        self._bad_in_a_row = 0
        self._subscribed: set[tuple[str, str]] = set()
        self._opened_at = time.monotonic()
        self._heard_at = self._opened_at

    async def run(self) -> None:
        """Run until the connection ends. Raises why: ``ConnectionEnded`` or the socket's error."""
        await self._send({"type": "SETUP", "channel": 0} | self._greeting())
        parts: list[Coroutine[Any, Any, None]] = [
            self._read(), self._subscribe(), self._keep_alive(), self._watch()
        ]  # fmt: skip
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _greeting(self) -> dict[str, Any]:
        # Each side promises to send something within these seconds.
        return {"keepaliveTimeout": 60, "acceptKeepaliveTimeout": 60, "version": VERSION}

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send(encode_message(message))

    async def _read(self) -> None:
        while True:
            try:
                # Not wait_for: on Python 3.11 it swallows a cancellation that arrives with a
                # frame.
                async with asyncio.timeout(self._timing.dead):
                    frame = await self._socket.recv()
            except TimeoutError:
                raise ConnectionEnded("nothing heard, not even a keep-alive") from None
            self._state.counts.frames += 1
            try:
                message = decode_message(frame)
            except BadFrame as error:
                self._count_bad_frame(str(error))
                continue
            self._bad_in_a_row = 0
            await self._handle(message)

    def _count_bad_frame(self, reason: str) -> None:
        self._state.counts.bad_frames += 1
        self._bad_in_a_row += 1
        logger.info("dxlink_bad_frame", reason=reason[:120])
        if self._bad_in_a_row >= BAD_FRAMES_IN_A_ROW:
            raise ConnectionEnded("frames that cannot be read")

    async def _handle(self, message: object) -> None:
        match message:
            case FeedData(channel=channel) if channel == CHANNEL:
                self._take(message)
            case AuthState(state="UNAUTHORIZED"):
                if self._authorising:
                    raise TokenRefused("the token was refused")
                self._authorising = True
                await self._send({"type": "AUTH", "channel": 0, "token": self._token})
            case AuthState(state="AUTHORIZED"):
                await self._send(
                    {
                        "type": "CHANNEL_REQUEST",
                        "channel": CHANNEL,
                        "service": "FEED",
                        "parameters": {"contract": "AUTO"},
                    }
                )
            case ChannelOpened(channel=channel) if channel == CHANNEL:
                await self._send(
                    {
                        "type": "FEED_SETUP",
                        "channel": CHANNEL,
                        "acceptAggregationPeriod": self._timing.aggregation,
                        "acceptDataFormat": "COMPACT",
                        "acceptEventFields": WANTED_FIELDS,
                    }
                )
            case FeedConfig(channel=channel, event_fields=fields) if channel == CHANNEL:
                self._orders |= fields or {}
                self._state.ready = True
                self._configured.set()
            case ChannelClosed(channel=channel) if channel == CHANNEL:
                raise ConnectionEnded("the channel was closed")
            case ErrorMessage(error=error, message=words):
                logger.warning("dxlink_error", error=error[:40], message=words[:200])
                if error == "UNAUTHORIZED":
                    raise TokenRefused("the token was refused")
            case UnknownMessage(type=kind):
                self._state.counts.unknown_messages += 1
                logger.info("dxlink_unknown_message", type=kind[:40])

    def _take(self, message: FeedData) -> None:
        if self._state.market.apply(message.data, self._orders):
            self._heard_at = time.monotonic()
            if self._state.silent:
                self._state.silent = False
                logger.info("dxlink_heard_again")

    async def _subscribe(self) -> None:
        """Keep the subscription equal to the followed contracts, in messages of bounded size."""
        await self._configured.wait()
        changed, first = self._state.changed, True
        while True:
            changed.clear()
            wanted = {
                (kind, symbol)
                for symbol, values in self._state.market.values.items()
                for kind in kinds_of(values.contract)
            }
            if not self._subscribed:
                self._heard_at = time.monotonic()
            for name, entries in (
                ("remove", sorted(self._subscribed - wanted)),
                ("add", sorted(wanted - self._subscribed)),
            ):
                for batch in _batches(entries):
                    message: dict[str, Any] = {"type": "FEED_SUBSCRIPTION", "channel": CHANNEL}
                    if first:
                        message["reset"] = first
                        first = False
                    message[name] = [{"type": kind, "symbol": symbol} for kind, symbol in batch]
                    await self._send(message)
                    await asyncio.sleep(self._timing.between_messages)
            self._subscribed = wanted
            await changed.wait()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._timing.keepalive)
            await self._send({"type": "KEEPALIVE", "channel": 0})

    async def _watch(self) -> None:
        """Raise the alarms; trust no state of the connection."""
        while True:
            await asyncio.sleep(self._timing.look)
            moment = time.monotonic()
            if moment >= self._token_until:
                raise TokenRefused("the token runs out soon")
            if not self._state.ready:
                if moment - self._opened_at > self._timing.handshake:
                    raise ConnectionEnded("the handshake was not finished")
                continue
            if not self._subscribed or not self._expects_data():
                self._heard_at = moment
            elif moment - self._heard_at > self._timing.silence:
                self._state.silent = True
                logger.warning("dxlink_silent", seconds=round(moment - self._heard_at, 1))
                raise ConnectionEnded("silence while the market trades")


def _batches(entries: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    iterator = iter(entries)
    while batch := list(islice(iterator, ENTRIES_A_MESSAGE)):
        yield batch

"""One client's connection to the simulated gateway: handshake, requests in, messages out."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from config.core.sandbox.faults import FaultScript, LoggedRequest
from greeks.domain import Contract
from portfolio.sandbox.ibkr_socket import messages
from portfolio.sandbox.ibkr_socket.faults import HANDSHAKE, FrameFault, GatewayFaults
from portfolio.sandbox.ibkr_socket.frames import (
    BrokenFrame,
    Fields,
    encode,
    read_fields,
    read_versions,
)

START_API = 71
MESSAGES_A_SECOND = 50
#: Two seconds' worth: a busy process may read late what was sent in time.
LARGEST_BURST = 2 * MESSAGES_A_SECOND
VIOLATIONS_BEFORE_DISCONNECT = 3
HANDSHAKE_SECONDS = 10.0
LINGER_SECONDS = 2.0
#: A client that lags by this much is cut off, as if the output buffer were full.
LONGEST_OUTBOX = 50_000


class MarketLine:
    """One market-data subscription, and the ticks last sent for it."""

    def __init__(self, contract: Contract, *, generic: frozenset[str], delayed: bool) -> None:
        self.contract = contract
        self.generic = generic
        self.delayed = delayed
        self.sent: dict[int, Any] = {}


class Session:
    """One connection's subscriptions. Everything runs on the sandbox's event loop."""

    def __init__(
        self,
        gateway: SessionOwner,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._gateway = gateway
        self._reader = reader
        self._writer = writer
        self._outbox: deque[Fields] = deque()
        self._filled = asyncio.Event()
        self._closing = False
        self._lingers = False
        self._allowed = float(LARGEST_BURST)
        self._counted_at = time.monotonic()
        self._violations = 0
        self.client_id: int | None = None
        #: Requested data: live (1), frozen (2), delayed (3) or delayed-frozen (4).
        self.data_type = 1
        self.lines: dict[int, MarketLine] = {}
        #: Quantity and average cost last sent for each contract, while subscribed.
        self.shown_positions: dict[tuple[str, int], tuple[int, float]] | None = None
        self.account_updates: str | None = None
        self.summaries: dict[int, tuple[str, ...]] = {}
        #: Account, and contract if one position is watched.
        self.profit_and_loss: dict[int, tuple[str, int | None]] = {}

    async def run(self) -> None:
        """Serve until either side closes. Nothing the client sends makes it raise."""
        writing = asyncio.create_task(self._write_outbox())
        try:
            await self._shake_hands()
            while not self._closing:
                fields = await read_fields(self._reader)
                if self._admits():
                    self._answer(fields)
        except (BrokenFrame, asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass
        finally:
            lingers, self._closing = self._lingers, True
            self._filled.set()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            if lingers:
                await self._linger()
            self._writer.close()

    def send(self, *fields: Any) -> None:
        """Queue a message; messages keep their order."""
        if self._closing:
            return
        if len(self._outbox) >= LONGEST_OUTBOX:
            self.drop()
            return
        self._outbox.append(fields)
        self._filled.set()

    def error(self, request_id: int, code: int, message: str) -> None:
        self.send(*messages.error(request_id, code, message))

    def close(self) -> None:
        """Close once everything queued has been sent and read."""
        self._closing = self._lingers = True
        self._filled.set()

    def drop(self) -> None:
        """Cut the connection at once."""
        self._outbox.clear()
        self._closing = True
        self._filled.set()
        self._writer.transport.abort()

    async def _linger(self) -> None:
        """Read on until the client has closed.

        Otherwise data it still sends would reset the connection and lose our last messages.
        """
        with contextlib.suppress(OSError, TimeoutError):
            self._writer.write_eof()
            async with asyncio.timeout(LINGER_SECONDS):
                while await self._reader.read(65536):
                    pass

    async def _shake_hands(self) -> None:
        lowest, highest = await asyncio.wait_for(read_versions(self._reader), HANDSHAKE_SECONDS)
        version = self._gateway.faults.state.server_version
        if version is None:
            if not lowest <= messages.SERVER_VERSION <= highest:
                raise BrokenFrame(f"the client speaks {lowest} to {highest}")
            version = messages.SERVER_VERSION
        self.send(version, self._gateway.local_time().strftime("%Y%m%d %H:%M:%S %Z"))
        fields = await asyncio.wait_for(read_fields(self._reader), HANDSHAKE_SECONDS)
        if fields[0] != str(START_API) or len(fields) < 3 or not fields[2].isdecimal():
            raise BrokenFrame("the first message does not start the API")
        if not self._gateway.log_in(self, int(fields[2])):
            self.close()

    def _admits(self) -> bool:
        """Return whether the message is within the limit; three violations end the connection."""
        if not self._gateway.limits:
            return True
        now = time.monotonic()
        earned = MESSAGES_A_SECOND * (now - self._counted_at)
        self._allowed = min(self._allowed + earned, LARGEST_BURST) - 1.0
        self._counted_at = now
        if self._allowed >= 0.0:
            return True
        self._violations += 1
        self.error(
            -1,
            100,
            f"Max rate of messages per second has been exceeded:max={MESSAGES_A_SECOND} "
            f"rec={MESSAGES_A_SECOND + 1} ({self._violations})",
        )
        self._allowed = float(MESSAGES_A_SECOND)
        if self._violations >= VIOLATIONS_BEFORE_DISCONNECT:
            self.close()
        return False

    def _answer(self, fields: list[str]) -> None:
        number = int(fields[0]) if fields[0].isdecimal() else -1
        handler = self._gateway.handlers.get(number)
        self._gateway.script.record(
            LoggedRequest(
                server=self._gateway.name,
                method="TWS",
                path=f"/{number}",
                query=",".join(fields[1:]),
                status=None if handler is None else 0,
                faulted=False,
            )
        )
        if handler is None:
            self.error(-1, 320, f"Error reading request. Unknown message id {fields[0][:20]!r}")
            return
        try:
            handler(self, fields)
        except (ValueError, IndexError) as problem:
            self.error(-1, 320, f"Error reading request:{number}. {problem}")

    # --- Out ----------------------------------------------------------------------------------
    async def _write_outbox(self) -> None:
        greeted = False
        try:
            while True:
                while self._outbox:
                    fields = self._outbox.popleft()
                    message = int(str(fields[0])) if greeted else HANDSHAKE
                    greeted = True
                    if not await self._write(fields, message):
                        self._outbox.clear()
                        self._closing = True
                        break
                if self._closing:
                    return
                await self._writer.drain()
                if not self._outbox and not self._closing:
                    self._filled.clear()
                    await self._filled.wait()
        except ConnectionError:
            self.drop()
        finally:
            if not self._lingers:
                self._writer.close()

    async def _write(self, fields: Fields, message: int) -> bool:
        """Send one message, with its fault if any; False if the connection must be cut."""
        faults = self._gateway.faults
        if faults.state.silent:
            return True
        fault = faults.take(fields, message=message)
        if fault is None:
            self._writer.write(encode(fields))
            return True
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop:
            return not fault.disconnect
        if fault.hold:
            self._gateway.hold(self, fields)
            return not fault.disconnect
        self._writer.write(_spoilt(fault, fields))
        return not (fault.half or fault.disconnect)


def _spoilt(fault: FrameFault, fields: Fields) -> bytes:
    if fault.garbage:
        return bytes.fromhex(fault.garbage)
    frame = encode(fault.changed(fields))
    if fault.length is not None:
        frame = struct.pack(">I", fault.length) + frame[4:]
    return frame[: len(frame) // 2] if fault.half else frame


Handler = Callable[[Session, list[str]], None]


class SessionOwner(Protocol):
    """The part of the gateway that a session needs."""

    name: str
    limits: bool
    faults: GatewayFaults
    script: FaultScript
    handlers: Mapping[int, Handler]

    def log_in(self, session: Session, client_id: int) -> bool: ...

    def hold(self, session: Session, fields: Fields) -> None: ...

    def local_time(self) -> datetime: ...


def ignore(session: Session, fields: list[str]) -> None:
    """Ignore what changes no data: log level, binding of orders, the end of what was sent once."""

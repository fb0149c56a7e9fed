"""The one connection to a gateway: open, watch and reopen it.

An open socket does not prove that a connection works. It is dropped when the gateway is silent and
answers no question, when IBKR's servers have been unreachable for long, or when the market is open
and nothing moves.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import structlog

from config.core.clock import now
from config.core.errors import PermanentError, ProviderError, RetryableError
from portfolio.brokers.ibkr_socket.client import GatewayIB
from portfolio.brokers.ibkr_socket.dialling import CLIENT_ID_IN_USE, dial, hang_up
from portfolio.brokers.ibkr_socket.state import (
    CONNECTED,
    CONNECTING,
    PROVIDER,
    REFUSED,
    GatewayState,
    write_state,
)

logger = structlog.get_logger(__name__)

#: Live data if the account has it, else delayed; the last quotes after the close.
_MARKET_DATA_TYPE = 4
LOST, RESTORED_WITHOUT_DATA, RESTORED = 1100, 1101, 1102
#: Market data, history and definitions: broken; then working again, or asleep until needed.
_FARM_BROKEN = frozenset({2103, 2105, 2110, 2157})
_FARM_WORKS = frozenset({2104, 2106, 2107, 2108, 2158})
_MARKET_DATA_FARM_WORKS = 2104
_SERVERS = "IBKR's servers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds. ``silence``: before a silent gateway is asked a question; ``stale``: before an open
    market without movement is distrusted; ``lost``: without IBKR's servers."""

    connect: float = 5.0
    look: float = 1.0
    silence: float = 30.0
    probe: float = 5.0
    stale: float = 120.0
    stale_without_lines: float = 420.0
    lost: float = 45.0
    first_wait: float = 1.0
    longest_wait: float = 30.0
    #: Between tries that cannot succeed until somebody changes something.
    hopeless_wait: float = 30.0


class GatewayConnection:
    """``on_connected`` and ``on_data_lost`` receive the connection that delivers data (again)."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: int,
        *,
        service: str,
        patience: Patience,
        in_session: Callable[[], bool],
        on_connected: Callable[[GatewayIB], None],
        on_data_lost: Callable[[GatewayIB], None],
        on_request_error: Callable[[int, int, str], None],
    ) -> None:
        self.host, self.port, self.client_id = host, port, client_id
        self.address = f"{host}:{port}"
        self.service = service
        self.state = GatewayState()
        self._patience = patience
        self._in_session = in_session
        self._on_connected = on_connected
        self._on_data_lost = on_data_lost
        self._on_request_error = on_request_error
        self._ib: GatewayIB | None = None
        self._error: ProviderError = RetryableError(
            f"The gateway at {self.address} is not connected yet.", provider=PROVIDER
        )
        self._lost_since: float | None = None
        self._stale_factor = 1
        self._codes: set[int] = set()

    def ready(self) -> GatewayIB:
        """Return the usable connection; raises with the reason if there is none."""
        if self._ib is None or not self._ib.isConnected():
            raise self._error
        if self._lost_since is not None:
            raise RetryableError(
                f"The gateway at {self.address} has lost {_SERVERS}.", provider=PROVIDER
            )
        return self._ib

    async def run(self) -> None:
        """Connect, watch and reconnect until cancelled."""
        failures = 0
        try:
            while True:
                self._tell(CONNECTING)
                try:
                    ib = await self._connect()
                except ProviderError as error:
                    failures += 1
                    self._error = error
                    self._tell(REFUSED, error.message)
                    logger.warning("ibkr_socket.refused", gateway=self.address, reason=str(error))
                    await self._wait(failures, hopeless=isinstance(error, PermanentError))
                    continue
                began = time.monotonic()
                reason = await self._watch(ib)
                logger.warning("ibkr_socket.reconnecting", gateway=self.address, reason=reason)
                self.close(reason)
                self._tell(CONNECTING, reason)
                failures = (
                    1 if time.monotonic() - began > self._patience.longest_wait else failures + 1
                )
                await self._wait(failures)
        finally:
            self.close("the streams process stops")

    def close(self, reason: str) -> None:
        """Hang up; whoever waits for an answer gets the reason at once."""
        ib, self._ib = self._ib, None
        self._lost_since = None
        self._error = RetryableError(
            f"The gateway at {self.address} is not connected: {reason}.", provider=PROVIDER
        )
        if ib is not None:
            hang_up(ib, reason)

    async def _connect(self) -> GatewayIB:
        self._codes = set()
        ib = await dial(
            self.host,
            self.port,
            self.client_id,
            seconds=self._patience.connect,
            on_error=self._on_error,
        )
        ib.RaiseRequestErrors = True
        ib.client.reqMarketDataType(_MARKET_DATA_TYPE)  # type: ignore[no-untyped-call]
        self._ib = ib
        self.state.server_version = ib.client.answered_version
        self._tell(CONNECTED)
        logger.info(
            "ibkr_socket.connected",
            gateway=self.address,
            server_version=ib.client.answered_version,
            accounts=len(ib.wrapper.accounts),
        )
        self._on_connected(ib)
        return ib

    async def _wait(self, failures: int, *, hopeless: bool = False) -> None:
        wait = min(self._patience.first_wait * 2 ** (failures - 1), self._patience.longest_wait)
        if hopeless or CLIENT_ID_IN_USE in self._codes:
            # Do not fight: whoever has the client id keeps it.
            wait = max(wait, self._patience.hopeless_wait)
        await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311

    # --- Watching ---------------------------------------------------------------------------------
    async def _watch(self, ib: GatewayIB) -> str:
        """Return the reason to drop the connection."""
        ended = asyncio.Event()
        ib.disconnectedEvent += ended.set
        began = time.monotonic()
        while ib.isConnected():
            try:
                await asyncio.wait_for(ended.wait(), self._patience.look)
                break
            except TimeoutError:
                pass
            self._tell(CONNECTED)
            reason = await self._trouble(ib, began)
            if reason:
                return reason
        return ib.client.broken_off or "the gateway closed the connection"

    async def _trouble(self, ib: GatewayIB, began: float) -> str:
        moment = time.monotonic()
        if self._lost_since is not None and moment - self._lost_since > self._patience.lost:
            return f"it was without {_SERVERS} for {self._patience.lost:g} s"
        if moment - ib.wrapper.last_message > self._patience.silence and not await self._answers(
            ib
        ):
            return "it does not answer"
        heard = max(began, ib.wrapper.last_tick, ib.wrapper.last_update)
        patience = self._patience
        allowed = patience.stale if self.state.lines else patience.stale_without_lines
        if moment - heard < min(allowed, 5 * patience.look) and heard > began:
            self.state.stale, self._stale_factor = False, 1
        elif moment - heard > allowed * self._stale_factor and await asyncio.to_thread(
            self._in_session
        ):
            # Reconnect ever more slowly if the market really is asleep.
            self.state.stale, self._stale_factor = True, min(self._stale_factor * 2, 16)
            return "nothing moved while the market is open"
        return ""

    async def _answers(self, ib: GatewayIB) -> bool:
        """Return whether the gateway answers any question at all."""
        before = ib.wrapper.last_message
        for ask in (ib.client.reqCurrentTime, ib.client.reqPositions):
            try:
                ask()  # type: ignore[no-untyped-call]
            except ConnectionError:
                return False
            ends = time.monotonic() + self._patience.probe
            while time.monotonic() < ends:
                await asyncio.sleep(min(0.05, self._patience.probe))
                if ib.wrapper.last_message != before:
                    return True
        return False

    def _on_error(self, ib: GatewayIB, request_id: int, code: int, text: str) -> None:
        self._codes.add(code)
        if code == LOST:
            self._lost_since = self._lost_since or time.monotonic()
        elif code in (RESTORED, RESTORED_WITHOUT_DATA):
            self._lost_since = None
            self.state.farms_down = []
            if code == RESTORED_WITHOUT_DATA and self._ib is ib:
                self._on_data_lost(ib)
        elif code in _FARM_BROKEN | _FARM_WORKS:
            self._note_farm(ib, code, text)
            return
        elif request_id >= 0:
            self._on_request_error(request_id, code, text)
            return
        else:
            logger.info("ibkr_socket.notice", gateway=self.address, code=code)
            return
        logger.warning("ibkr_socket.connectivity", gateway=self.address, code=code)

    def _note_farm(self, ib: GatewayIB, code: int, text: str) -> None:
        farm = _SERVERS if code == 2110 else text.rpartition(":")[2].strip()[:32] or str(code)
        if code in _FARM_BROKEN:
            if farm not in self.state.farms_down:
                self.state.farms_down = [*self.state.farms_down, farm]
                logger.warning("ibkr_socket.farm_broken", gateway=self.address, farm=farm)
            return
        broken = {farm, _SERVERS} & set(self.state.farms_down)
        self.state.farms_down = [name for name in self.state.farms_down if name not in broken]
        if broken and code == _MARKET_DATA_FARM_WORKS and self._ib is ib:
            # Its streams may have died with it, whatever the message says.
            self._on_data_lost(ib)

    def _tell(self, status: str, reason: str = "") -> None:
        self.state.status, self.state.reason = status, reason
        self.state.servers_lost = self._lost_since is not None
        if self._ib is not None:
            silent = time.monotonic() - self._ib.wrapper.last_message
            self.state.last_message_at = now().timestamp() - silent
        state = copy(self.state)
        asyncio.get_running_loop().run_in_executor(None, write_state, self.service, state)

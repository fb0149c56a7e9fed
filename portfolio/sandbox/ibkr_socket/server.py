"""The simulated TWS or IB Gateway: the TWS API at server version 178 on a TCP port.

It serves the IBKR account of the sandbox's books, with the same contract and execution ids as the
simulated Client Portal. It is read-only: orders are refused. Faults are scripted in
:mod:`portfolio.sandbox.ibkr_socket.faults` and carried out here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.routing import Route

from config.core.sandbox.registry import SandboxContext
from config.core.sandbox.tcp import TcpListener
from portfolio.domain import Broker
from portfolio.sandbox.ibkr_socket import messages
from portfolio.sandbox.ibkr_socket.account import AccountDesk
from portfolio.sandbox.ibkr_socket.contracts import ContractLookup
from portfolio.sandbox.ibkr_socket.control import control_routes
from portfolio.sandbox.ibkr_socket.faults import GatewayFaults
from portfolio.sandbox.ibkr_socket.frames import Fields
from portfolio.sandbox.ibkr_socket.history import HistoryDesk
from portfolio.sandbox.ibkr_socket.market import MarketDesk
from portfolio.sandbox.ibkr_socket.orders import OrderDesk
from portfolio.sandbox.ibkr_socket.session import Handler, Session

logger = logging.getLogger(__name__)

#: Changed ticks, new executions and positions are sent this often.
PULSE_SECONDS = 1.0
#: Account values and summaries are repeated this often.
ACCOUNT_SECONDS = 180.0
CLOSE_SECONDS = 2.0
CLIENTS = 32
NEXT_ORDER_ID = 1
TIME_ZONE = ZoneInfo("America/New_York")

FARMS_ARE_FINE = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)
#: Notices a gateway sends unasked, in the vendor's words.
NOTICES = dict(FARMS_ARE_FINE) | {
    504: "Not connected",
    1100: "Connectivity between IBKR and Trader Workstation has been lost.",
    1101: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
    1300: "TWS socket port has been reset and this connection is being dropped.",
    2103: "Market data farm connection is broken:usfarm",
    2105: "HMDS data farm connection is broken:ushmds",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored "
    "automatically.",
    10197: "No market data during competing live session",
}
_STREAMS_STOP = frozenset({1100, 2103, 2110, 10197})
_STREAMS_GO_ON = frozenset({1101, 1102, 2104})
_DATA_LOST = 1101


class GatewayServer:
    """The listener. Coroutines run on the sandbox's event loop; ``faults`` work in any thread."""

    def __init__(self, context: SandboxContext, host: str, port: int) -> None:
        self.name = context.name
        self.market = context.market
        self.books = context.books
        self.script = context.faults
        self.limits = context.limits
        self.faults = GatewayFaults()
        self.sessions: dict[int, Session] = {}
        self.pulse_seconds = PULSE_SECONDS
        self.loop: asyncio.AbstractEventLoop | None = None
        self._listener = TcpListener(host, port, self._serve)
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: set[asyncio.Task[Any]] = set()
        self._connections: set[Session] = set()
        self._held: list[tuple[Session, Fields]] = []
        self._streams = True
        accounts = context.books.accounts_at(Broker.IBKR)
        lookup = ContractLookup(self.market)
        self._account_desk = AccountDesk(self.market, accounts, self.faults)
        self._market_desk = MarketDesk(
            self.market, lookup, self.faults, limits=self.limits, streams=lambda: self._streams
        )
        self._orders = OrderDesk(
            self.market, accounts, self.faults, lambda at: at.astimezone(TIME_ZONE)
        )
        history = HistoryDesk(self.market, lookup, limits=self.limits)
        self.handlers: Mapping[int, Handler] = {
            49: self._current_time,
            **lookup.handlers(),
            **self._account_desk.handlers(),
            **self._market_desk.handlers(),
            **self._orders.handlers(),
            **history.handlers(),
        }

    # --- The sandbox's listener ---------------------------------------------------------------
    @property
    def host(self) -> str:
        return self._listener.host

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    @property
    def usage(self) -> str:
        return f"IBKR_CONNECTION=socket IBKR_SOCKET_HOST={self.host} IBKR_SOCKET_PORT={self.port}"

    def control_routes(self) -> Sequence[Route]:
        return control_routes(self)

    async def open(self) -> None:
        self.loop = asyncio.get_running_loop()
        await self._listener.accept()
        self._start(self._beat())

    async def close(self) -> None:
        self._listener.close()
        self.disconnect()
        for task in self._tasks:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving, timeout=CLOSE_SECONDS)

    # --- Events -------------------------------------------------------------------------------
    def refuse(self) -> None:
        """Refuse new connections, like a gateway that is not running."""
        self._listener.refuse()

    async def accept(self) -> None:
        await self._listener.accept()

    def disconnect(self) -> None:
        """Cut every connection, including those not yet logged in."""
        self.sessions.clear()
        for session in list(self._connections):
            session.drop()

    async def restart(self, seconds: float) -> None:
        """Restart as at night: cut connections, refuse new ones for ``seconds``."""
        self.refuse()
        self.disconnect()
        self._streams = True
        self._start(self._accept_after(seconds))

    async def notify(self, code: int, message: str = "", *, request_id: int = -1) -> None:
        """Send an error or notice to every client and act on it.

        1100, 2103, 2110 and 10197 stop market data, 1102 and 2104 resume it; 1101 loses every
        market-data subscription.
        """
        if code in _STREAMS_STOP:
            self._streams = False
        elif code in _STREAMS_GO_ON:
            self._streams = True
        for session in self.sessions.values():
            if code == _DATA_LOST:
                session.lines.clear()
            session.error(request_id, code, message or NOTICES.get(code, f"Error {code}"))

    async def release(self) -> None:
        """Send what was held back, and stop holding."""
        self.faults.stop_holding()
        held, self._held = self._held, []
        for session, fields in held:
            session.send(*fields)

    async def correct_execution(self, execution_id: str, price: float) -> str:
        """Correct an execution's price and tell every client. Returns the new id."""
        return self._orders.correct(list(self.sessions.values()), execution_id, price)

    async def pulse(self) -> None:
        """Send what changed since the last pulse."""
        sessions = list(self.sessions.values())
        filled = self._orders.send_changes(sessions)
        for session in sessions:
            self._market_desk.send_changes(session)
            self._account_desk.send_changes(session)
            if filled:
                self._account_desk.send_periodic(session)

    # --- For sessions -------------------------------------------------------------------------
    def local_time(self) -> datetime:
        now: datetime = self.market.now()
        return now.astimezone(TIME_ZONE)

    def hold(self, session: Session, fields: Fields) -> None:
        self._held.append((session, fields))

    def log_in(self, session: Session, client_id: int) -> bool:
        """Return whether the client may log in; if not, tell it why."""
        if client_id in self.sessions:
            session.error(
                -1,
                326,
                "Unable to connect as the client id is already in use. Retry with a unique "
                "client id.",
            )
            return False
        if len(self.sessions) >= CLIENTS:
            session.error(-1, 506, f"No more than {CLIENTS} clients can connect.")
            return False
        session.client_id = client_id
        self.sessions[client_id] = session
        session.send(*self._account_desk.managed())
        session.send(*messages.next_valid_id(NEXT_ORDER_ID))
        for code, message in FARMS_ARE_FINE:
            session.error(-1, code, message)
        return True

    # --- The loop -----------------------------------------------------------------------------
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, reader, writer)
        self._connections.add(session)
        serving = asyncio.current_task()
        if serving is not None:
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)
        try:
            await session.run()
        finally:
            self._connections.discard(session)
            number = session.client_id
            if number is not None and self.sessions.get(number) is session:
                del self.sessions[number]

    async def _beat(self) -> None:
        told_at = time.monotonic()
        while True:
            await asyncio.sleep(self.pulse_seconds)
            try:
                await self.pulse()
            except Exception:
                # The next one may succeed; stopping would look like an outage nobody scripted.
                logger.exception("pulse of the simulated gateway failed")
            if time.monotonic() - told_at >= ACCOUNT_SECONDS:
                told_at = time.monotonic()
                for session in list(self.sessions.values()):
                    self._account_desk.send_periodic(session)

    async def _accept_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with contextlib.suppress(OSError):
            await self.accept()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _current_time(self, session: Session, fields: list[str]) -> None:
        session.send(49, 1, int(self.market.seconds()))

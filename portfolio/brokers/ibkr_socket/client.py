"""ib_async restricted to reading, keeping rows as the gateway sent them.

ib_async turns texts into floats, an empty quantity into 0 and an unset profit into 0.0, drops a
commission that arrives before its fill and loses rows it cannot decode. So we note the rows that
make up money and holdings, with their texts, before it decodes them. Our own decoder reads them
later and rejects by name what it cannot read.

Wire: 4-byte big-endian length, NUL-terminated fields (TWS API, server versions 157 to 178).
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from ib_async import IB
from ib_async.client import Client
from ib_async.decoder import Decoder
from ib_async.objects import IBDefaults
from ib_async.wrapper import RequestError, Wrapper

from config.core.errors import ForbiddenError
from portfolio.brokers.ibkr_socket.state import PROVIDER

logger = structlog.get_logger(__name__)

#: A version ib_async never offers, yet with text frames: from 201 on, frames are protobuf.
OLDEST_VERSION, NEWEST_VERSION = 157, 200
#: No frame of the protocol comes near this size; a longer one means the peer is not a gateway.
LONGEST_FRAME = 16 * 1024 * 1024
#: "Error validating request", also sent for what the read-only API does not list.
REFUSED = 321
#: Error frames gained the time in milliseconds and lost their version number.
_ERRORS_WITH_TIME = 194

#: Requests that only read: market data, account updates, executions, contracts, all open orders,
#: history and their cancellation; data type, positions, summaries, completed orders, time, start.
READING = frozenset({1, 2, 6, 7, 9, 16, 20, 25, 49, 59, 61, 62, 63, 64, 71, 76, 77, 99})

_CONTRACT = ("conid", "symbol", "secType", "expiry", "strike", "right", "multiplier")
_NAMES = ("currency", "localSymbol", "tradingClass")
POSITION = ("account", *_CONTRACT, "exchange", *_NAMES, "position", "avgCost")
PORTFOLIO = (
    *_CONTRACT, "primaryExchange", *_NAMES, "position", "marketPrice", "marketValue", "avgCost",
    "unrealizedPNL", "realizedPNL", "account",
)  # fmt: skip
EXECUTION = (
    "reqId", "orderId", *_CONTRACT, "exchange", *_NAMES, "execId", "time", "account", "market",
    "side", "shares", "price", "permId", "clientId", "liquidation", "cumQty", "avgPrice",
    "orderRef", "evRule", "evMultiplier", "modelCode", "lastLiquidity",
)  # fmt: skip
COMMISSION = ("execId", "commission", "currency", "realizedPNL", "yield", "yieldDate")
SUMMARY = ("reqId", "account", "tag", "value", "currency")

#: Marks a row shorter than the protocol says; its decoder rejects it.
SHORT = "frame"
_SENTINELS = ("-1", "-2", "-1", "-1", "-2", "-2", "-2", "-1")

Row = dict[str, str]
Fields = list[str]


def named(names: Sequence[str], values: Sequence[str]) -> Row:
    """Return the values by name, with ``SHORT`` set for a short frame. Extra values are ignored."""
    row = dict(zip(names, values, strict=False))
    if len(values) < len(names):
        row[SHORT] = f"{len(values)} fields instead of {len(names)}"
    return row


class GatewayWrapper(Wrapper):
    """Keeps what arrived as it was sent."""

    ib: GatewayIB

    def reset(self) -> None:
        super().reset()  # type: ignore[no-untyped-call]
        #: Rows of the running position request; ``None`` between requests.
        self.position_rows: list[Row] | None = None
        #: (account, conid) → the newest portfolio row.
        self.portfolio_rows: dict[tuple[str, str], Row] = {}
        #: Request id → (account, tag, currency) → value.
        self.summary_rows: dict[int, dict[tuple[str, str, str], str]] = {}
        #: Order frames that could not be decoded, whole.
        self.bad_orders: list[Fields] = []
        #: execId → row; an execution without an id is in ``bad_executions``.
        self.execution_rows: dict[str, Row] = {}
        self.bad_executions: list[Row] = []
        self.commission_rows: dict[str, Row] = {}
        #: Monotonic times of the last complete message and the last tick.
        self.last_message = time.monotonic()
        self.last_tick = time.monotonic()
        #: Account → monotonic time of its last account update.
        self.account_times: dict[str, float] = {}
        #: Whether updates are being requested; only unrequested ones prove that accounts move.
        self.asking_updates = False
        self.last_update = time.monotonic()

    def note_update(self, account: str) -> None:
        self.account_times[account] = time.monotonic()
        if not self.asking_updates:
            self.last_update = self.account_times[account]

    def error(
        self,
        reqId: int,  # noqa: N803
        errorCode: int,  # noqa: N803
        errorString: str,  # noqa: N803
        advancedOrderRejectJson: str,  # noqa: N803
    ) -> None:
        super().error(reqId, errorCode, errorString, advancedOrderRejectJson)
        # ib_async treats a refused request as a warning and keeps waiting. A read-only gateway
        # refuses the order list, a request without a number.
        name: int | str = "openOrders" if reqId == -1 else reqId
        if errorCode == REFUSED and name in self._futures:
            problem = RequestError(reqId, errorCode, errorString)
            self._endReq(name, problem, success=False)  # type: ignore[no-untyped-call]

    def tcpDataProcessed(self) -> None:  # noqa: N802
        client = self.ib.client
        self.last_message = time.monotonic()
        rest = client._data
        if len(rest) >= 4 and struct.unpack(">I", rest[:4])[0] > LONGEST_FRAME:
            client.break_off("what answers there does not speak the TWS API")
            return
        super().tcpDataProcessed()  # type: ignore[no-untyped-call]


class GatewayDecoder(Decoder):
    """Notes the rows, then lets ib_async decode; a frame it cannot decode is never fatal."""

    wrapper: GatewayWrapper

    def __init__(self, wrapper: GatewayWrapper, serverVersion: int) -> None:  # noqa: N803
        super().__init__(wrapper, serverVersion)
        self._notes: dict[int, Callable[[Fields], None]] = {
            1: self._note_tick,
            2: self._note_tick,
            21: self._note_tick,
            6: self._note_account_update,
            7: self._note_portfolio,
            11: self._note_execution,
            59: self._note_commission,
            61: self._note_position,
            63: self._note_summary,
            73: self._note_account_update,
        }

    def interpret(self, fields: Fields) -> None:
        try:
            message = int(fields[0])
            handler = self.handlers[message]
        except (IndexError, ValueError, KeyError):
            logger.warning("ibkr_socket.unknown_message", message=str(fields[:1])[:40])
            return
        note = self._notes.get(message)
        try:
            if note is not None:
                note(fields)
            handler(fields)
        except Exception as error:  # noqa: BLE001
            if message == 5:
                self.wrapper.bad_orders.append(list(fields))
            # The exception text may name accounts: keep it out of the log.
            logger.warning(
                "ibkr_socket.message_not_understood",
                message=message,
                fields=len(fields),
                reason=type(error).__name__,
            )

    def errorMsg(self, fields: Fields) -> None:  # noqa: N802
        if self.serverVersion >= _ERRORS_WITH_TIME:
            _, request_id, code, text, *rest = fields
        else:
            _, _, request_id, code, text, *rest = fields
        self.wrapper.error(int(request_id), int(code), text, rest[0] if rest else "")

    def tickOptionComputation(self, fields: Fields) -> None:  # noqa: N802
        head, values = fields[:4], fields[4:]
        filled = [value or missing for value, missing in zip(values, _SENTINELS, strict=False)]
        super().tickOptionComputation([*head, *filled])  # type: ignore[no-untyped-call]

    def _note_tick(self, fields: Fields) -> None:
        self.wrapper.last_tick = time.monotonic()

    def _note_account_update(self, fields: Fields) -> None:
        self.wrapper.note_update(fields[5] if fields[0] == "6" else fields[3])

    def _note_position(self, fields: Fields) -> None:
        if self.wrapper.position_rows is not None:
            self.wrapper.position_rows.append(named(POSITION, fields[2:]))

    def _note_portfolio(self, fields: Fields) -> None:
        row = named(PORTFOLIO, fields[2:])
        if SHORT not in row:
            self.wrapper.portfolio_rows[row["account"], row["conid"]] = row
            self.wrapper.note_update(row["account"])

    def _note_execution(self, fields: Fields) -> None:
        row = named(EXECUTION, fields[1:])
        if exec_id := row.get("execId"):
            self.wrapper.execution_rows[exec_id] = row
        else:
            self.wrapper.bad_executions.append(row)

    def _note_commission(self, fields: Fields) -> None:
        row = named(COMMISSION, fields[2:])
        self.wrapper.commission_rows[row.get("execId", "")] = row

    def _note_summary(self, fields: Fields) -> None:
        row = named(SUMMARY, fields[2:])
        rows = self.wrapper.summary_rows.get(int(row["reqId"]))
        if rows is not None and row.get("tag"):
            account, tag, currency = row["account"], row["tag"], row.get("currency", "")
            rows[account, tag, currency] = row.get("value", "")


class ReadingClient(Client):
    """The protocol's client, unable to trade."""

    wrapper: GatewayWrapper

    #: Forty messages a second, five at once; IBKR's limit is 50. ib_async's own pace is 45 at once,
    #: counted from when they were due: a process that was stopped and is late would send the rest
    #: together with the next 45.
    MaxRequests = 5
    RequestsInterval = 0.125  # type: ignore[assignment]  # documented as a float

    def __init__(self, wrapper: GatewayWrapper) -> None:
        super().__init__(wrapper)  # type: ignore[no-untyped-call]
        self.decoder = GatewayDecoder(wrapper, 0)
        #: The version the gateway answered, even if we refused it.
        self.answered_version = 0
        self.broken_off = ""

    def send(self, *fields: Any, makeEmpty: bool = True) -> None:  # noqa: N803
        """Raises ForbiddenError for any request that does not only read."""
        if fields[0] not in READING:
            raise ForbiddenError(
                f"Message {fields[0]} is not one that reads; this desk sends no other.",
                provider=PROVIDER,
            )
        super().send(*fields, makeEmpty=makeEmpty)  # type: ignore[no-untyped-call]

    def startApi(self) -> None:  # noqa: N802
        """Called when the gateway's version is known, before anything is asked."""
        self.answered_version = self.serverVersion()
        if self.answered_version > NEWEST_VERSION:
            self.break_off(f"it speaks version {self.answered_version}")
            return
        super().startApi()  # type: ignore[no-untyped-call]

    def break_off(self, reason: str) -> None:
        """Close the connection; whoever waits for it gets the reason."""
        self.broken_off = reason
        self.apiError.emit(reason)
        self.conn.disconnect()  # type: ignore[no-untyped-call]


class GatewayIB(IB):
    """``ib_async.IB`` over the classes above. One object per connection: nothing stale survives."""

    wrapper: GatewayWrapper
    client: ReadingClient

    def __init__(self) -> None:
        self._createEvents()  # type: ignore[no-untyped-call]
        self.wrapper = GatewayWrapper(self, defaults=IBDefaults())
        self.client = ReadingClient(self.wrapper)
        self.client.apiEnd += self.disconnectedEvent
        self._logger = logging.getLogger("ib_async.ib")

    def reqAutoOpenOrders(self, autoBind: bool = True) -> None:  # noqa: N802, N803
        """Do nothing: client id 0 would take over manually entered orders, and this desk only
        reads."""

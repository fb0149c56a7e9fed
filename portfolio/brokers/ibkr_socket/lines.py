"""Market-data lines: the gateway has a hundred, and a book may hold more contracts.

Lines stay open while used; held contracts come first. If there are too few, contracts take turns: a
line that has been read makes room for the next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import ib_async
import structlog

from greeks.domain import Contract, RejectedRow, Snapshot
from greeks.providers.decoding import BadRow, rejected_row
from portfolio.brokers.ibkr_socket.client import GatewayIB, ReadingClient
from portfolio.brokers.ibkr_socket.ticks import decode_ticker, has_greeks, has_price
from portfolio.brokers.units import snapshot_in_currency

logger = structlog.get_logger(__name__)

#: After this long an open line has delivered all it will.
SETTLED_SECONDS = 4.0
#: One turn of lines when there are more contracts than lines.
TURN_SECONDS = 2.5
#: How long a line's values count after the line went to another contract.
KEPT_SECONDS = 600.0
#: How long to wait before asking again for a contract without permission.
REFUSED_SECONDS = 600.0
TOO_MANY_LINES = 101
#: Unknown definition, invalid request, not subscribed, no permission, data in another session.
_REFUSALS = frozenset({200, 321, 354, 10089, 10168, 10186, 10197})
#: Open interest of options comes only on request.
_OPTION_TICKS = "101"


@dataclass(slots=True)
class Line:
    contract: Contract
    qualified: ib_async.Contract
    ticker: ib_async.Ticker
    request_id: int
    used_at: float
    opened_at: float = field(default_factory=time.monotonic)

    def is_ready(self) -> bool:
        if time.monotonic() - self.opened_at > SETTLED_SECONDS:
            return True
        return has_price(self.ticker) and (not self.contract.is_option or has_greeks(self.ticker))


Qualified = Mapping[str, tuple[Contract, ib_async.Contract]]


class MarketDataLines:
    """The open lines of one gateway, by contract id."""

    def __init__(self, budget: int, magnifier: Callable[[str], Decimal]) -> None:
        self._magnifier = magnifier
        self._budget = max(1, budget)
        self._limit = self._budget
        self._ib: GatewayIB | None = None
        self._lines: dict[str, Line] = {}
        self._refused: dict[str, float] = {}
        #: Contract id → when it last had its turn; when it last delivered, and what.
        self._turns: dict[str, float] = {}
        self._said: dict[str, tuple[float, Snapshot]] = {}
        self._held: Collection[str] = frozenset()
        self._moved: set[str] = set()
        self._ticked = asyncio.Event()
        # Two readers would take lines from each other.
        self._turn = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._lines)

    def hold(self, conids: Collection[str]) -> None:
        """Mark these contracts as held: their lines are kept before others'."""
        self._held = conids

    def attach(self, ib: GatewayIB) -> None:
        """Reopen on this connection the lines that were open on the last."""
        former = self._in_order_of_worth()
        self._ib, self._lines, self._limit = ib, {}, self._budget
        ib.pendingTickersEvent += self._on_tickers
        for line in former[: self._limit]:
            self._open(line.contract, line.qualified)

    def renew(self, ib: GatewayIB) -> None:
        """Request every stream again on the same connection, after the gateway lost them."""
        if ib is not self._ib:
            return
        former = self._in_order_of_worth()
        for conid in list(self._lines):
            self._close(conid)
        for line in former:
            self._open(line.contract, line.qualified)
        logger.info("ibkr_socket.lines_renewed", lines=len(former))

    def on_request_error(self, request_id: int, code: int, text: str) -> None:
        found = next((c for c, line in self._lines.items() if line.request_id == request_id), None)
        if found is None:
            return
        if code == TOO_MANY_LINES:
            # Something else uses this log-in's lines too: make do with the rest.
            self._lines.pop(found)
            self._limit = max(1, len(self._lines))
            logger.warning("ibkr_socket.lines_exhausted", lines=self._limit)
        elif code in _REFUSALS:
            self._lines.pop(found)
            self._refused[found] = time.monotonic() + REFUSED_SECONDS
            logger.info("ibkr_socket.line_refused", code=code, reason=text[:120])
        else:
            return
        self._forget_ticker(found)
        self._ticked.set()

    async def snapshots(
        self, qualified: Qualified, *, seconds: float
    ) -> tuple[list[Snapshot], list[RejectedRow]]:
        """Return these contracts' values, waiting at most ``seconds`` for new ones.

        Contracts that got no turn return their last values, however old, and go first next time.
        """
        ends = time.monotonic() + seconds
        items: dict[str, Snapshot] = {}
        rejected: dict[str, RejectedRow] = {}
        async with self._turn:
            moment = time.monotonic()
            pending = sorted(
                (conid for conid in qualified if self._refused.get(conid, 0.0) < moment),
                key=lambda conid: (conid not in self._held, self._turns.get(conid, 0.0)),
            )
            wanted = set(pending)
            # A caller whose time ran out while queueing no longer asks.
            while pending and self._ib is not None and time.monotonic() < ends:
                known = set(self._lines)
                turn = self._take_turn(pending, qualified)
                pending = [conid for conid in pending if conid not in turn]
                # Opening and closing this many lines takes extra time.
                pace = ReadingClient.MaxRequests / ReadingClient.RequestsInterval
                sent = 2 * len(set(turn) - known) / pace
                until = min(ends, time.monotonic() + sent + TURN_SECONDS) if pending else ends
                await self._until_ready(turn, until)
                for conid in turn:
                    line = self._lines.get(conid)
                    if line is None:
                        if conid not in self._refused and time.monotonic() < ends:
                            # One line too many: its contract gets a later turn.
                            pending.append(conid)
                        continue
                    self._read(line, items, rejected)
                    self._turns[conid] = time.monotonic()
                    if conid in items:
                        self._said[conid] = (time.monotonic(), items[conid])
            self._add_kept(wanted, items, rejected)
        return list(items.values()), list(rejected.values())

    def _add_kept(
        self, wanted: set[str], items: dict[str, Snapshot], rejected: dict[str, RejectedRow]
    ) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        self._said = {conid: said for conid, said in self._said.items() if said[0] > oldest}
        self._turns = {conid: at for conid, at in self._turns.items() if at > oldest}
        for conid in wanted - items.keys() - rejected.keys():
            line = self._lines.get(conid)
            if line is not None:
                self._read(line, items, rejected)
            if conid in self._said and conid not in self._refused and conid not in rejected:
                items.setdefault(conid, self._said[conid][1])

    def moved(self) -> list[Snapshot]:
        """Return values that ticked since the last call, for held contracts and what they are
        valued by."""
        moved, self._moved = self._moved, set()
        items: dict[str, Snapshot] = {}
        for conid in moved:
            line = self._lines.get(conid)
            if line is not None:
                self._read(line, items, {})
        return list(items.values())

    def _take_turn(self, pending: list[str], qualified: Qualified) -> list[str]:
        """Open lines for as many of the contracts as possible, and return those."""
        turn: list[str] = []
        for conid in pending:
            line = self._lines.get(conid)
            if line is not None:
                line.used_at = time.monotonic()
                line.contract = qualified[conid][0]
                turn.append(conid)
        for conid in pending:
            if conid in self._lines:
                continue
            if not self._make_room(conid, turn):
                break
            self._open(*qualified[conid])
            turn.append(conid)
        return turn or pending[:1]

    def _make_room(self, conid: str, turn: Collection[str]) -> bool:
        """Free a line for the contract; ``False`` if none can be. Held contracts give theirs up
        only to each other, or if there is no other line."""
        if len(self._lines) < self._limit:
            return True
        spare = [other for other in self._lines if other not in turn]
        if conid not in self._held and turn:
            spare = [other for other in spare if other not in self._held]
        if not spare:
            return False
        self._close(min(spare, key=lambda c: (c in self._held, self._lines[c].used_at)))
        return True

    def _open(self, contract: Contract, qualified: ib_async.Contract) -> None:
        if self._ib is None:
            return
        ticks = _OPTION_TICKS if qualified.secType == "OPT" else ""
        try:
            ticker = self._ib.reqMktData(qualified, ticks)
        except (ConnectionError, ValueError) as error:
            logger.info("ibkr_socket.line_not_opened", reason=type(error).__name__)
            return
        self._refused.pop(str(qualified.conId), None)
        request_id = self._ib.wrapper.ticker2ReqId["mktData"].get(ticker, 0)
        moment = time.monotonic()
        self._lines[str(qualified.conId)] = Line(contract, qualified, ticker, request_id, moment)

    def _close(self, conid: str) -> None:
        line = self._lines.pop(conid)
        if self._ib is not None and self._ib.isConnected():
            self._ib.cancelMktData(line.qualified)
        self._forget_ticker(conid)

    def _forget_ticker(self, conid: str) -> None:
        """Clear the ticker, so that a reopened line does not start with old values."""
        if self._ib is not None:
            self._ib.wrapper.tickers.pop(int(conid), None)

    def _in_order_of_worth(self) -> list[Line]:
        return sorted(
            self._lines.values(),
            key=lambda line: (str(line.qualified.conId) not in self._held, -line.used_at),
        )

    async def _until_ready(self, turn: Collection[str], ends: float) -> None:
        while any(conid in self._lines and not self._lines[conid].is_ready() for conid in turn):
            remaining = ends - time.monotonic()
            if remaining <= 0:
                return
            self._ticked.clear()
            try:
                # Also check twice a second: a line becomes ready by its age, too.
                await asyncio.wait_for(self._ticked.wait(), min(remaining, 0.5))
            except TimeoutError:
                continue

    def _on_tickers(self, tickers: Collection[ib_async.Ticker]) -> None:
        for ticker in tickers:
            if ticker.contract is not None:
                self._moved.add(str(ticker.contract.conId))
        self._ticked.set()

    def _read(
        self, line: Line, items: dict[str, Snapshot], rejected: dict[str, RejectedRow]
    ) -> None:
        conid = str(line.qualified.conId)
        try:
            snapshot = decode_ticker(line.ticker, line.contract)
        except BadRow as error:
            rejected[conid] = rejected_row(
                "snapshot",
                error.reason,
                {
                    "conid": conid,
                    "symbol": line.contract.symbol,
                    "greeks": str(line.ticker.modelGreeks),
                },
            )
            return
        if snapshot is not None:
            items[conid] = snapshot_in_currency(snapshot, self._magnifier(conid))

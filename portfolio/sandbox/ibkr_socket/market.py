"""Market-data subscriptions: lines, snapshots, and the data an account may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from greeks.sandbox.market import Market
from greeks.sandbox.quotes import SimulatedQuote
from portfolio.sandbox.ibkr_socket import messages
from portfolio.sandbox.ibkr_socket.contracts import NOT_FOUND, ContractLookup, WantedContract
from portfolio.sandbox.ibkr_socket.faults import GatewayFaults
from portfolio.sandbox.ibkr_socket.session import Handler, MarketLine, Session
from portfolio.sandbox.ibkr_socket.ticks import ticks
from portfolio.sandbox.ibkr_terms import vendor_quotes

MARKET_DATA_LINES = 100
LIVE, DELAYED, DELAYED_FROZEN = 1, 3, 4


class MarketDesk:
    """Market-data requests, for every session of one gateway.

    ``streams``: whether data currently flows from IBKR to the gateway.
    """

    def __init__(
        self,
        market: Market,
        lookup: ContractLookup,
        faults: GatewayFaults,
        *,
        limits: bool,
        streams: Callable[[], bool],
    ) -> None:
        self._market = market
        self._lookup = lookup
        self._faults = faults
        self._limits = limits
        self._streams = streams

    def handlers(self) -> Mapping[int, Handler]:
        return {1: self._request, 2: self._cancel, 59: self._choose_data_type}

    def send_changes(self, session: Session) -> None:
        """Send the ticks of the session's lines that changed since the last look."""
        if session.lines and self._streams():
            quotes = vendor_quotes(self._market, [each.contract for each in session.lines.values()])
            for (request_id, line), quote in zip(session.lines.items(), quotes, strict=True):
                self._send_ticks(session, request_id, line, quote)

    def _choose_data_type(self, session: Session, fields: list[str]) -> None:
        session.data_type = int(fields[2])

    def _cancel(self, session: Session, fields: list[str]) -> None:
        request_id = int(fields[2])
        if session.lines.pop(request_id, None) is None:
            session.error(request_id, 300, f"Can't find EId with tickerId:{request_id}")

    def _request(self, session: Session, fields: list[str]) -> None:
        """Refuse an unknown contract, a missing exchange or subscription, or too many lines."""
        request_id, wanted = int(fields[2]), WantedContract.read(fields[3:15])
        if not wanted.exchange:
            session.error(
                request_id,
                321,
                "Error validating request.-'bQ' : cause - Please enter exchange",
            )
            return
        found = self._lookup.find(wanted)
        if len(found) != 1:
            ambiguous = "The contract description specified for the request is ambiguous."
            session.error(request_id, 200, ambiguous if found else NOT_FOUND)
            return
        # No leg and no delta-neutral contract: a flag, then generic ticks and the snapshot's flag.
        generic, snapshot = frozenset(fields[16].split(",")), fields[17] == "1"
        if not snapshot and self._limits and len(session.lines) >= MARKET_DATA_LINES:
            session.error(request_id, 101, "Max number of tickers has been reached.")
            return
        delayed = not self._faults.state.live_data
        if delayed and session.data_type not in (DELAYED, DELAYED_FROZEN):
            session.error(
                request_id,
                354,
                "Requested market data is not subscribed. Delayed market data is available.",
            )
            return
        if delayed:
            session.error(
                request_id,
                10167,
                "Requested market data is not subscribed. Displaying delayed market data.",
            )
        line = MarketLine(found[0], generic=generic, delayed=delayed)
        session.send(*messages.tick_request_parameters(request_id, 0.01))
        session.send(*messages.market_data_type(request_id, DELAYED if delayed else LIVE))
        if self._streams():
            (quote,) = vendor_quotes(self._market, [line.contract])
            self._send_ticks(session, request_id, line, quote)
        if snapshot:
            session.send(*messages.end(57, request_id))
        else:
            session.lines[request_id] = line

    def _send_ticks(
        self, session: Session, request_id: int, line: MarketLine, quote: SimulatedQuote
    ) -> None:
        for tick, message in ticks(
            request_id,
            quote,
            generic=line.generic,
            delayed=line.delayed,
            with_underlying=self._faults.state.underlying_data,
        ):
            if line.sent.get(tick) != message:
                line.sent[tick] = message
                session.send(*message)

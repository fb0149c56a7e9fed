"""An account's money and positions over the socket, each fetched in full.

An answer counts only once its end has arrived. One that does not end is an error, and the last good
book stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import structlog

from config.core.clock import market_now, now
from config.core.errors import PermanentError, RetryableError
from greeks.domain import Fetched, RejectedRow
from greeks.providers.decoding import BadRow, decode_rows, rejected_row
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_socket.asking import defined_row, is_of, stop_waiting, whole_answer
from portfolio.brokers.ibkr_socket.client import SHORT, GatewayIB, Row
from portfolio.brokers.ibkr_socket.directory import SocketDirectory
from portfolio.brokers.ibkr_socket.rows import (
    Values,
    decode_account,
    decode_position,
    decode_summary,
    has_conid,
    is_flat,
)
from portfolio.brokers.ibkr_socket.state import PROVIDER
from portfolio.domain import AccountSummary, BrokerAccount, BrokerPosition

logger = structlog.get_logger(__name__)

#: Prices from the account's portfolio are optional, so the wait is shorter.
PORTFOLIO_SECONDS = 3.0
#: One summary answer serves all accounts, because they sync together.
SUMMARY_FRESH_SECONDS = 1.0
#: Account updates come every three minutes; older ones cannot replace a summary.
UPDATES_FRESH_SECONDS = 400.0
_TAGS = (
    "AccountType,NetLiquidation,TotalCashValue,SettledCash,AccruedCash,BuyingPower,"
    "EquityWithLoanValue,PreviousDayEquityWithLoanValue,GrossPositionValue,RegTEquity,RegTMargin,"
    "SMA,InitMarginReq,MaintMarginReq,AvailableFunds,ExcessLiquidity,Cushion,FullInitMarginReq,"
    "FullMaintMarginReq,FullAvailableFunds,FullExcessLiquidity,LookAheadNextChange,"
    "LookAheadInitMarginReq,LookAheadMaintMarginReq,LookAheadAvailableFunds,"
    "LookAheadExcessLiquidity,HighestSeverity,DayTradesRemaining,Leverage,$LEDGER:ALL"
)


class SocketBook:
    """``ready`` returns the usable connection or raises with the reason there is none."""

    def __init__(self, ready: Callable[[], GatewayIB], directory: SocketDirectory) -> None:
        self._ready = ready
        self._directory = directory
        self._held: dict[str, frozenset[str]] = {}
        self._summary: dict[tuple[str, str, str], str] = {}
        self._summary_of: tuple[GatewayIB | None, float] = (None, 0.0)
        self._downloaded: tuple[GatewayIB | None, str] = (None, "")
        # ib_async supports one running request of each kind.
        self._asking_summary = asyncio.Lock()
        self._asking_positions = asyncio.Lock()
        self._downloading = asyncio.Lock()

    def held(self) -> frozenset[str]:
        """Return the contract ids in the books read so far."""
        return frozenset().union(*self._held.values())

    # --- Money ------------------------------------------------------------------------------------
    async def accounts(self) -> Fetched[BrokerAccount]:
        ib = self._ready()
        rows = await self._summary_rows(ib)

        def decode(row: Mapping[str, str]) -> BrokerAccount:
            number = row["account"]
            return decode_account(number, _values(rows, number), _updates(ib, number))

        named = [{"account": number} for number in ib.wrapper.accounts]
        return decode_rows(named, decode, kind="account", source=SOURCE, as_of=now())

    async def summary(self, account_number: str) -> AccountSummary:
        ib = self._ready()
        rows = await self._summary_rows(ib)
        values, updates = _values(rows, account_number), _updates(ib, account_number)
        if not values and not updates and account_number not in ib.wrapper.accounts:
            raise PermanentError(
                f"The gateway does not manage account {account_number}.", provider=PROVIDER
            )
        return decode_summary(account_number, values, updates, received_at=market_now())

    async def _summary_rows(self, ib: GatewayIB) -> Mapping[tuple[str, str, str], str]:
        """Return (account, tag, currency) → value for all accounts; empty if updates must do."""
        async with self._asking_summary:
            connection, at = self._summary_of
            if connection is ib and time.monotonic() - at < SUMMARY_FRESH_SECONDS:
                return self._summary
            request_id = ib.client.getReqId()
            rows = ib.wrapper.summary_rows[request_id] = {}
            end = ib.wrapper.startReq(request_id)  # type: ignore[no-untyped-call]
            try:
                ib.client.reqAccountSummary(request_id, "All", _TAGS)  # type: ignore[no-untyped-call]
                await whole_answer(end, "account summary")
            except (RetryableError, PermanentError):
                if not ib.isConnected() or not _has_updates(ib):
                    raise
                logger.warning("ibkr_socket.summary_from_updates")
                return {}
            finally:
                ib.wrapper.summary_rows.pop(request_id, None)
                stop_waiting(ib, request_id)
                if ib.client.isReady():
                    # The gateway allows two of these subscriptions and refuses the third.
                    ib.client.cancelAccountSummary(request_id)  # type: ignore[no-untyped-call]
            self._summary, self._summary_of = rows, (ib, time.monotonic())
            return rows

    # --- Positions --------------------------------------------------------------------------------
    async def positions(self, account_number: str) -> Fetched[BrokerPosition]:
        ib = self._ready()
        rows = [row for row in await self._position_rows(ib) if is_of(row, account_number)]
        await self._download_portfolio(ib, account_number)
        await self._directory.learn(ib, rows)
        received_at = market_now()
        items: list[BrokerPosition] = []
        rejected: list[RejectedRow] = []
        for row in _last_of_each(rows):
            if is_flat(row):
                continue
            try:
                items.append(await self._position(ib, row, received_at))
            except BadRow as error:
                rejected.append(rejected_row("position", error.reason, row))
        self._held[account_number] = frozenset(p.contract.aliases[SOURCE] for p in items)
        return Fetched(items=tuple(items), rejected=tuple(rejected), source=SOURCE, as_of=now())

    async def _position(self, ib: GatewayIB, row: Row, received_at: datetime) -> BrokerPosition:
        contract = None
        if SHORT in row:
            raise BadRow(f"{SHORT}: {row[SHORT]}")
        if not has_conid(row):
            contract = await defined_row(self._directory, ib, row)
        conid = row["conid"] if contract is None else contract.aliases[SOURCE]
        portfolio = ib.wrapper.portfolio_rows.get((row["account"], conid))
        row = self._directory.completed(row)
        return decode_position(row, portfolio, contract, received_at=received_at)

    async def _position_rows(self, ib: GatewayIB) -> list[Row]:
        async with self._asking_positions:
            rows = ib.wrapper.position_rows = []
            try:
                await whole_answer(ib.reqPositionsAsync(), "positions")
            finally:
                ib.wrapper.position_rows = None
                stop_waiting(ib, "positions")
            return rows

    async def _download_portfolio(self, ib: GatewayIB, account_number: str) -> None:
        """Fetch prices and P&L of the account's positions.

        The gateway streams one account at a time, so several take turns. The book is complete
        without them.
        """
        if len(ib.wrapper.accounts) <= 1:
            return
        async with self._downloading:
            connection, account = self._downloaded
            try:
                if connection is ib and account:
                    ib.client.reqAccountUpdates(False, account)  # type: ignore[no-untyped-call]
                self._downloaded = (ib, account_number)
                ib.wrapper.asking_updates = True
                await whole_answer(
                    ib.reqAccountUpdatesAsync(account_number),
                    "account updates",
                    seconds=PORTFOLIO_SECONDS,
                )
            except (RetryableError, PermanentError, ConnectionError):
                logger.info("ibkr_socket.no_portfolio")
            finally:
                ib.wrapper.asking_updates = False
                stop_waiting(ib, "accountValues")


def _last_of_each(rows: Iterable[Row]) -> list[Row]:
    """Keep each position's last row: one that changed during the answer is in it twice."""
    last: dict[str, Row] = {}
    for number, row in enumerate(rows):
        last[row["conid"] if has_conid(row) and SHORT not in row else f"#{number}"] = row
    return list(last.values())


def _values(rows: Mapping[tuple[str, str, str], str], account_number: str) -> Values:
    return {
        (tag, currency): value
        for (account, tag, currency), value in rows.items()
        if account == account_number
    }


def _updates(ib: GatewayIB, account_number: str) -> Values:
    """Return the latest account updates, unless they are too old."""
    at = ib.wrapper.account_times.get(account_number)
    if at is None or time.monotonic() - at > UPDATES_FRESH_SECONDS:
        return {}
    return {
        (value.tag, value.currency): value.value
        for value in ib.wrapper.accountValues.values()
        if value.account == account_number and not value.modelCode
    }


def _has_updates(ib: GatewayIB) -> bool:
    return any(value.tag == "NetLiquidation" for value in ib.wrapper.accountValues.values())

"""An account's book over the socket: money, positions, open orders and fills, each asked in full.

An answer counts when its end has arrived. One that does not end is an error (the last good book
stays), except the executions', whose end may never come: there, what is known is returned.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from typing import TypeVar

import ib_async
import structlog
from ib_async.wrapper import RequestError

from config.core.clock import market_now, now
from config.core.errors import PermanentError, RateLimitedError, RetryableError
from greeks.domain import Contract, Fetched, RejectedRow
from greeks.providers.decoding import BadRow, rejected_row
from portfolio.brokers.ibkr_portal_contracts import SOURCE
from portfolio.brokers.ibkr_socket_client import PROVIDER, SHORT, GatewayIB, Row
from portfolio.brokers.ibkr_socket_directory import SocketDirectory
from portfolio.brokers.ibkr_socket_executions import decode_execution, newest_revisions
from portfolio.brokers.ibkr_socket_orders import decode_trade, order_row
from portfolio.brokers.ibkr_socket_rows import (
    Values,
    contract_of_row,
    decode_account,
    decode_position,
    decode_summary,
    has_conid,
    is_flat,
    row_of_contract,
)
from portfolio.domain import (
    AccountSummary,
    BrokerAccount,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
)

logger = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

#: Each answer's end is waited for this long.
ANSWER_SECONDS = 6.0
#: Prices of the account's portfolio are welcome, and not waited for as long.
PORTFOLIO_SECONDS = 3.0
#: One summary answer serves every account: their syncs come together.
SUMMARY_FRESH_SECONDS = 1.0
#: Account updates come every three minutes; older ones do not stand in for a summary.
UPDATES_FRESH_SECONDS = 400.0
#: Commissions that come right behind their fills are worth waiting for.
COMMISSION_SECONDS = 0.3
_RATE_EXCEEDED = 100
_NOT_CONNECTED = frozenset({502, 504, 1100, 2110})
_TAGS = (
    "AccountType,NetLiquidation,TotalCashValue,SettledCash,AccruedCash,BuyingPower,"
    "EquityWithLoanValue,PreviousDayEquityWithLoanValue,GrossPositionValue,RegTEquity,RegTMargin,"
    "SMA,InitMarginReq,MaintMarginReq,AvailableFunds,ExcessLiquidity,Cushion,FullInitMarginReq,"
    "FullMaintMarginReq,FullAvailableFunds,FullExcessLiquidity,LookAheadNextChange,"
    "LookAheadInitMarginReq,LookAheadMaintMarginReq,LookAheadAvailableFunds,"
    "LookAheadExcessLiquidity,HighestSeverity,DayTradesRemaining,Leverage,$LEDGER:ALL"
)


class SocketBook:
    """``ready`` gives the connection that may be asked, or raises why there is none."""

    def __init__(
        self, ready: Callable[[], GatewayIB], directory: SocketDirectory, *, zone: tzinfo
    ) -> None:
        self._ready = ready
        self._directory = directory
        self._zone = zone
        self._held: dict[str, frozenset[str]] = {}
        self._summary: dict[tuple[str, str, str], str] = {}
        self._summary_of: tuple[GatewayIB | None, float] = (None, 0.0)
        self._downloaded: tuple[GatewayIB | None, str] = (None, "")
        # ib_async keeps one running request of each kind.
        self._asking = {
            name: asyncio.Lock() for name in ("summary", "positions", "orders", "fills", "download")
        }

    def held(self) -> frozenset[str]:
        """Contract ids in the books that were read so far."""
        return frozenset().union(*self._held.values())

    # --- Money ------------------------------------------------------------------------------------
    async def accounts(self) -> Fetched[BrokerAccount]:
        ib = self._ready()
        rows = await self._summary_rows(ib)
        items: list[BrokerAccount] = []
        rejected: list[RejectedRow] = []
        for number in ib.wrapper.accounts:
            try:
                items.append(decode_account(number, _values(rows, number), _updates(ib, number)))
            except BadRow as error:
                rejected.append(rejected_row("account", error.reason, {"account": number}))
        return Fetched(items=tuple(items), rejected=tuple(rejected), source=SOURCE, as_of=now())

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
        """(account, tag, currency) → value of every account; empty where updates must do."""
        async with self._asking["summary"]:
            connection, at = self._summary_of
            if connection is ib and time.monotonic() - at < SUMMARY_FRESH_SECONDS:
                return self._summary
            request_id = ib.client.getReqId()
            rows = ib.wrapper.summary_rows[request_id] = {}
            end = ib.wrapper.startReq(request_id)  # type: ignore[no-untyped-call]
            try:
                ib.client.reqAccountSummary(request_id, "All", _TAGS)  # type: ignore[no-untyped-call]
                await self._answer(end, "account summary")
            except (RetryableError, PermanentError):
                if not ib.isConnected() or not _has_updates(ib):
                    raise
                logger.warning("ibkr_socket.summary_from_updates")
                return {}
            finally:
                ib.wrapper.summary_rows.pop(request_id, None)
                _stop_waiting(ib, request_id)
                if ib.client.isReady():
                    # The gateway has two of these subscriptions and refuses the third.
                    ib.client.cancelAccountSummary(request_id)  # type: ignore[no-untyped-call]
            self._summary, self._summary_of = rows, (ib, time.monotonic())
            return rows

    # --- Positions --------------------------------------------------------------------------------
    async def positions(self, account_number: str) -> Fetched[BrokerPosition]:
        ib = self._ready()
        rows = [row for row in await self._position_rows(ib) if _is_of(row, account_number)]
        await self._download_portfolio(ib, account_number)
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
            contract = await self._defined(ib, row)
        conid = row["conid"] if contract is None else contract.aliases[SOURCE]
        portfolio = ib.wrapper.portfolio_rows.get((row["account"], conid))
        return decode_position(row, portfolio, contract, received_at=received_at)

    async def _position_rows(self, ib: GatewayIB) -> list[Row]:
        async with self._asking["positions"]:
            rows = ib.wrapper.position_rows = []
            try:
                await self._answer(ib.reqPositionsAsync(), "positions")
            finally:
                ib.wrapper.position_rows = None
                _stop_waiting(ib, "positions")
            return rows

    async def _download_portfolio(self, ib: GatewayIB, account_number: str) -> None:
        """Prices and P&L of the account's positions. The gateway streams those of one account:
        of several, each has its turn. Without them the book is still whole."""
        if len(ib.wrapper.accounts) <= 1:
            return
        async with self._asking["download"]:
            connection, account = self._downloaded
            try:
                if connection is ib and account:
                    ib.client.reqAccountUpdates(False, account)  # type: ignore[no-untyped-call]
                self._downloaded = (ib, account_number)
                await self._answer(
                    ib.reqAccountUpdatesAsync(account_number),
                    "account updates",
                    seconds=PORTFOLIO_SECONDS,
                )
            except (RetryableError, PermanentError, ConnectionError):
                logger.info("ibkr_socket.no_portfolio")
            finally:
                _stop_waiting(ib, "accountValues")

    # --- Orders and fills -------------------------------------------------------------------------
    async def open_orders(self, account_number: str) -> Fetched[BrokerOrder]:
        ib = self._ready()
        async with self._asking["orders"]:
            ib.wrapper.bad_orders.clear()
            try:
                trades = await self._answer(ib.reqAllOpenOrdersAsync(), "open orders")
            finally:
                _stop_waiting(ib, "openOrders")
            bad = [fields for fields in ib.wrapper.bad_orders if account_number in fields]
        own = [trade for trade in trades if trade.order.account == account_number]
        known = await self._contracts_of(ib, own)
        received_at = market_now()
        items: list[BrokerOrder] = []
        rejected = [
            rejected_row("order", "frame: cannot be decoded", {"fields": fields}) for fields in bad
        ]
        for trade in {id(trade): trade for trade in own}.values():
            try:
                items.append(decode_trade(trade, known.__getitem__, received_at=received_at))
            except BadRow as error:
                rejected.append(rejected_row("order", error.reason, order_row(trade)))
        return Fetched(items=tuple(items), rejected=tuple(rejected), source=SOURCE, as_of=now())

    async def executions(self, account_number: str, *, since: datetime) -> Fetched[BrokerExecution]:
        ib = self._ready()
        async with self._asking["fills"]:
            try:
                await self._answer(ib.reqExecutionsAsync(), "executions")
            except RetryableError:
                if not ib.isConnected():
                    raise
                # Its end may never come; what came, counts.
                logger.info("ibkr_socket.executions_without_end")
            await self._await_commissions(ib)
        rows = {
            exec_id: row
            for exec_id, row in ib.wrapper.execution_rows.items()
            if _is_of(row, account_number)
        }
        rejected = [
            rejected_row("execution", "execId: missing", row)
            for row in ib.wrapper.bad_executions
            if _is_of(row, account_number)
        ]
        items: list[BrokerExecution] = []
        for exec_id in newest_revisions(rows):
            row = rows[exec_id]
            try:
                contract = None if has_conid(row) else await self._defined(ib, row)
                commission = ib.wrapper.commission_rows.get(exec_id)
                execution = decode_execution(row, commission, contract, zone=self._zone)
            except BadRow as error:
                rejected.append(rejected_row("execution", error.reason, row))
                continue
            if execution.execution_time is None or execution.execution_time >= since:
                items.append(execution)
        return Fetched(items=tuple(items), rejected=tuple(rejected), source=SOURCE, as_of=now())

    async def _await_commissions(self, ib: GatewayIB) -> None:
        ends = time.monotonic() + COMMISSION_SECONDS
        while time.monotonic() < ends:
            if ib.wrapper.execution_rows.keys() <= ib.wrapper.commission_rows.keys():
                return
            await asyncio.sleep(0.02)

    # --- What they share --------------------------------------------------------------------------
    async def _contracts_of(self, ib: GatewayIB, trades: Iterable[ib_async.Trade]) -> _Known:
        """The contracts of the orders and of their legs, defined where they are incomplete."""
        known = _Known()
        for trade in trades:
            legs = trade.contract.comboLegs if trade.contract.secType == "BAG" else []
            named = [ib_async.Contract(conId=leg.conId) for leg in legs or []] or [trade.contract]
            for contract in named:
                if contract.secType:
                    try:
                        known.found[contract.conId] = contract_of_row(row_of_contract(contract))
                        continue
                    except BadRow:
                        pass
                defined = await self._define(ib, contract)
                if defined is not None:
                    known.found[contract.conId] = defined
        return known

    async def _defined(self, ib: GatewayIB, row: Row) -> Contract:
        """The contract of a row that does not name it by id."""
        wanted = ib_async.Contract(
            secType=row["secType"],
            symbol=row["symbol"],
            lastTradeDateOrContractMonth=row["expiry"],
            right=row["right"] if row["right"] in ("C", "P") else "",
            multiplier=row["multiplier"],
            exchange=row["exchange"] or "SMART",
            currency=row["currency"],
            localSymbol=row["localSymbol"],
            tradingClass=row["tradingClass"],
        )
        try:
            wanted.strike = float(row["strike"] or 0)
        except ValueError:
            raise BadRow(f"strike: {row['strike'][:24]!a} is not a number") from None
        contract = await self._define(ib, wanted)
        if contract is None:
            raise BadRow("conid: missing, and the terms fit no contract or several")
        return contract

    async def _define(self, ib: GatewayIB, wanted: ib_async.Contract) -> Contract | None:
        try:
            return await asyncio.wait_for(self._directory.define(ib, wanted), ANSWER_SECONDS)
        except (TimeoutError, ConnectionError, RetryableError):
            return None

    async def _answer(
        self, awaited: Awaitable[Answer], what: str, *, seconds: float = ANSWER_SECONDS
    ) -> Answer:
        """The whole answer. Raises RetryableError where it does not end or the socket breaks."""
        try:
            return await asyncio.wait_for(awaited, seconds)
        except TimeoutError:
            raise RetryableError(
                f"{what}: no complete answer in {seconds:g} s", provider=PROVIDER
            ) from None
        except ConnectionError:
            raise RetryableError(f"{what}: the connection broke", provider=PROVIDER) from None
        except RequestError as error:
            raise refused(what, error) from None


class _Known:
    """Contracts by IBKR's id; one that is not known makes its row a bad one."""

    def __init__(self) -> None:
        self.found: dict[int, Contract] = {}

    def __getitem__(self, contract: ib_async.Contract) -> Contract:
        try:
            return self.found[contract.conId]
        except KeyError:
            raise BadRow(f"conid: {contract.conId} has no definition") from None


def refused(what: str, error: RequestError) -> RetryableError | PermanentError | RateLimitedError:
    """The gateway's error as ours, by its code."""
    message = f"{what}: {error.code} {error.message[:160]}"
    if error.code == _RATE_EXCEEDED:
        return RateLimitedError(message, provider=PROVIDER, retry_after=1.0)
    if error.code in _NOT_CONNECTED:
        return RetryableError(message, provider=PROVIDER)
    return PermanentError(message, provider=PROVIDER)


def _stop_waiting(ib: GatewayIB, name: object) -> None:
    """Forget a request that ended without its end: the next must not meet its remains."""
    ib.wrapper._futures.pop(name, None)
    ib.wrapper._results.pop(name, None)


def _is_of(row: Row, account_number: str) -> bool:
    """A short row that does not say whose it is counts as everyone's: it is to be rejected."""
    return row.get("account", account_number) == account_number


def _last_of_each(rows: Iterable[Row]) -> list[Row]:
    """A position that changed while the answer came is in it twice: its last row counts."""
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
    """What the account updates last said, unless that is long ago."""
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

"""Open orders and fills over the socket. Lists orders; never sends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo

import ib_async
import structlog

from config.core.clock import market_now, now
from config.core.errors import RetryableError
from greeks.domain import Contract, Fetched
from greeks.providers.decoding import BadRow, rejected_row
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_socket.asking import (
    defined,
    defined_row,
    is_of,
    stop_waiting,
    whole_answer,
)
from portfolio.brokers.ibkr_socket.client import GatewayIB
from portfolio.brokers.ibkr_socket.directory import SocketDirectory
from portfolio.brokers.ibkr_socket.orders import (
    COMBINATION,
    decode_execution,
    decode_trade,
    newest_revisions,
    order_row,
)
from portfolio.brokers.ibkr_socket.rows import contract_of_row, has_conid, row_of_contract
from portfolio.domain import BrokerExecution, BrokerOrder

logger = structlog.get_logger(__name__)

#: Commissions that arrive right after their fills are worth waiting for.
COMMISSION_SECONDS = 0.3


class SocketActivity:
    """``ready`` returns the usable connection or raises with the reason there is none."""

    def __init__(
        self, ready: Callable[[], GatewayIB], directory: SocketDirectory, *, zone: tzinfo
    ) -> None:
        self._ready = ready
        self._directory = directory
        self._zone = zone
        # ib_async supports one running request of each kind.
        self._asking_orders = asyncio.Lock()
        self._asking_fills = asyncio.Lock()

    async def open_orders(self, account_number: str) -> Fetched[BrokerOrder]:
        ib = self._ready()
        async with self._asking_orders:
            ib.wrapper.bad_orders.clear()
            try:
                trades = await whole_answer(ib.reqAllOpenOrdersAsync(), "open orders")
            finally:
                stop_waiting(ib, "openOrders")
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
                magnifier = self._directory.magnifier(str(named_in(trade)[0].conId))
                order = decode_trade(trade, known, received_at=received_at, magnifier=magnifier)
                items.append(order)
            except BadRow as error:
                rejected.append(rejected_row("order", error.reason, order_row(trade)))
        return Fetched(items=tuple(items), rejected=tuple(rejected), source=SOURCE, as_of=now())

    async def executions(self, account_number: str, *, since: datetime) -> Fetched[BrokerExecution]:
        ib = self._ready()
        async with self._asking_fills:
            ib.wrapper.bad_executions.clear()
            try:
                await whole_answer(ib.reqExecutionsAsync(), "executions")
            except RetryableError:
                if not ib.isConnected():
                    raise
                # The end may never come; use what has arrived.
                logger.info("ibkr_socket.executions_without_end")
            await self._await_commissions(ib)
        rows = {
            exec_id: row
            for exec_id, row in ib.wrapper.execution_rows.items()
            if is_of(row, account_number)
        }
        rejected = [
            rejected_row("execution", "execId: missing", row)
            for row in ib.wrapper.bad_executions
            if is_of(row, account_number)
        ]
        await self._directory.learn(ib, rows.values())
        items: list[BrokerExecution] = []
        for exec_id in newest_revisions(rows):
            row = rows[exec_id]
            try:
                contract = None if has_conid(row) else await defined_row(self._directory, ib, row)
                commission = ib.wrapper.commission_rows.get(exec_id)
                row = self._directory.completed(row)
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

    async def _contracts_of(
        self, ib: GatewayIB, trades: Sequence[ib_async.Trade]
    ) -> dict[int, Contract]:
        """Return the contracts of the orders and their legs, looking up incomplete ones."""
        known: dict[int, Contract] = {}
        named = [row_of_contract(contract) for trade in trades for contract in named_in(trade)]
        await self._directory.learn(ib, named)
        for trade in trades:
            for contract in named_in(trade):
                if contract.secType:
                    try:
                        row = self._directory.completed(row_of_contract(contract))
                        known[contract.conId] = contract_of_row(row)
                        continue
                    except BadRow:
                        pass
                definition = await defined(self._directory, ib, contract)
                if definition is not None:
                    known[contract.conId] = definition
        return known


def named_in(trade: ib_async.Trade) -> list[ib_async.Contract]:
    """Return the order's contract, or those of a combination's legs, by id."""
    legs = trade.contract.comboLegs if trade.contract.secType == COMBINATION else []
    return [ib_async.Contract(conId=leg.conId) for leg in legs or []] or [trade.contract]

"""The demo accounts: books that depend only on the simulated market and the calendar.

Positions are the sum of the fills of :mod:`portfolio.sandbox.ledger`. Cash is the deposit plus the
fills' cash flows since the quarter began, including those of trades open at that time; older
results are settled at the turn of the quarter. Net liquidation is cash plus market value at the
mark.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.lines import DOLLARS, dollars
from greeks.sandbox.market import Market
from portfolio.domain import Broker, ExecutionKind
from portfolio.sandbox.fills import SimulatedExecution
from portfolio.sandbox.ledger import EXCHANGE, LAST_FILL_SECONDS, Ledger
from portfolio.sandbox.margin import Holding, margin_requirements
from portfolio.sandbox.orders import (
    dip_order,
    filled_order,
    is_stock,
    profit_order,
    takes_profit,
    target_order,
)
from portfolio.sandbox.programs import IBKR, SIMULATED_PROGRAMS, TASTYTRADE, recorded_programs
from portfolio.sandbox.records import (
    MinuteTotals,
    SimulatedOrder,
    SimulatedPosition,
    SimulatedSummary,
)

Floats = NDArray[np.float64]

_MINUTES_A_DAY = 390


class SimulatedAccount:
    """One demo account. Every method answers as of the market's current time."""

    currency = "USD"

    def __init__(
        self, market: Market, ledger: Ledger, *, broker: Broker, number: str, deposit: float
    ) -> None:
        self._market = market
        self._ledger = ledger
        self.broker = broker
        self.account_number = number
        self.deposit = deposit

    def positions(self) -> list[SimulatedPosition]:
        """Return the holdings by contract, marked now."""
        lots: dict[str, list[tuple[int, float]]] = defaultdict(list)
        contracts: dict[str, Contract] = {}
        for contract, quantity, open_price in self._held():
            contracts[contract.symbol] = contract
            lots[contract.symbol].append((quantity, open_price))
        quotes = self._market.quotes(list(contracts.values()))
        positions = []
        for quote in quotes:
            held = lots[quote.contract.symbol]
            quantity = sum(size for size, _ in held)
            if quantity == 0:
                continue
            same = [(size, price) for size, price in held if size * quantity > 0]
            average = sum(size * price for size, price in same) / sum(size for size, _ in same)
            price = next(p for p in (quote.mark, quote.last, average) if p is not None)
            units = quantity * float(quote.contract.multiplier)
            positions.append(
                SimulatedPosition(
                    contract=quote.contract,
                    quantity=quantity,
                    average_price=round(average, 6),
                    price=price,
                    market_value=round(units * price, 2),
                    unrealized_pnl=round(units * (price - average), 2),
                    quote=quote,
                )
            )
        return positions

    @property
    def cash(self) -> float:
        return round(self.deposit + sum(fill.cash_flow for fill in self._fills()), 2)

    def summary(self) -> SimulatedSummary:
        """Return the account's money, consistent with :meth:`positions` at the same time."""
        positions, cash = self.positions(), self.cash
        market_value = sum(position.equity for position in positions)
        options = sum(p.equity for p in positions if p.contract.is_option)
        long_options = sum(p.equity for p in positions if p.contract.is_option and p.quantity > 0)
        initial, maintenance = margin_requirements(
            [
                Holding(
                    p.contract,
                    p.quantity,
                    p.price * dollars(p.contract),
                    (p.quote.underlying_price or p.price) * dollars(p.contract),
                )
                for p in positions
            ]
        )
        net_liquidation = cash + market_value
        lendable = net_liquidation - long_options
        return SimulatedSummary(
            currency=self.currency,
            net_liquidation=round(net_liquidation, 2),
            cash=cash,
            market_value=round(market_value, 2),
            option_value=round(options, 2),
            initial_margin=round(initial, 2),
            maintenance_margin=round(maintenance, 2),
            excess_liquidity=round(lendable - maintenance, 2),
            buying_power=round(max(2.0 * (lendable - initial), 0.0), 2),
            unrealized_pnl=round(sum(position.gain for position in positions), 2),
            realized_pnl=round(self._realized_today(), 2),
        )

    def exchange_rates(self) -> dict[str, float]:
        """Return dollars for one unit of each other currency that the account holds."""
        held = {contract.currency for contract, _, _ in self._held()}
        return {currency: DOLLARS[currency] for currency in sorted(held - {self.currency})}

    def executions(self, since: datetime) -> list[SimulatedExecution]:
        """Return the fills and bookings since a time, oldest first."""
        start, now = since.timestamp(), self._market.seconds()
        fills = [
            fill
            for trade in self._ledger.trades(self.account_number, start - LAST_FILL_SECONDS, now)
            for fill in self._ledger.executions(trade, now)
            if fill.executed_at >= since
        ]
        return sorted(fills, key=lambda fill: (fill.executed_at, fill.execution_id))

    def fills(self, since: datetime) -> list[SimulatedExecution]:
        """Return what orders filled since a time, oldest first: no bookings."""
        return [row for row in self.executions(since) if row.kind is ExecutionKind.TRADE]

    @property
    def begins_on(self) -> date:
        """The account's first day."""
        return self._ledger.begins_on

    def orders(self) -> list[SimulatedOrder]:
        """Return working orders, then the orders filled since the session opened."""
        now = self._market.seconds()
        held = self._ledger.trades(self.account_number, now, now)
        trades = [trade for trade in held if trade.closed_at > now]
        working = [profit_order(self._ledger, trade) for trade in trades if takes_profit(trade)]
        working += [target_order(self._ledger, trade) for trade in trades if trade.program.line]
        shares = next((trade for trade in trades if is_stock(trade)), None)
        if shares is not None:
            working.append(dip_order(self._market, self._ledger, shares))
        return working + self._filled_today()

    def backfill_minutes(self, minutes: int = _MINUTES_A_DAY) -> list[MinuteTotals]:
        """Return net liquidation and Greeks of the last traded minutes up to now, oldest first."""
        last = math.floor(self._market.seconds() / 60.0) * 60.0
        candidates: Floats = last - 60.0 * np.arange(10 * 1440, -1, -1, dtype=np.float64)
        times: Floats = candidates[self._market.traded(EXCHANGE, candidates)][-minutes:]
        return self._totals(times) if times.size else []

    def _held(self) -> Iterator[tuple[Contract, int, float]]:
        """Yield contract, signed quantity and opening price of each open position."""
        now = self._market.seconds()
        for trade in self._ledger.trades(self.account_number, now - LAST_FILL_SECONDS, now):
            by_contract: dict[str, list[SimulatedExecution]] = defaultdict(list)
            for fill in self._ledger.executions(trade, now):
                by_contract[fill.contract.symbol].append(fill)
            for fills in by_contract.values():
                quantity = sum(fill.signed_quantity for fill in fills)
                if quantity:
                    opened = [fill for fill in fills if fill.position_effect == "OPEN"]
                    paid = sum(fill.quantity * fill.price for fill in opened)
                    price = paid / sum(fill.quantity for fill in opened)
                    yield fills[0].contract, quantity, price

    def _fills(self, back_to: float | None = None) -> list[SimulatedExecution]:
        """Return all fills of trades that were open this quarter (or since ``back_to``)."""
        now = self._market.seconds()
        today = datetime.fromtimestamp(now if back_to is None else back_to, UTC)
        quarter = datetime(today.year, (today.month - 1) // 3 * 3 + 1, 1, tzinfo=UTC)
        return [
            fill
            for trade in self._ledger.trades(self.account_number, quarter.timestamp(), now)
            for fill in self._ledger.executions(trade, now)
        ]

    def _realized_today(self) -> float:
        opened, now = self._market.session(EXCHANGE).opened_at, self._market.seconds()
        realized = 0.0
        for trade in self._ledger.trades(self.account_number, opened, now):
            if opened <= trade.closed_at <= now:
                realized += sum(fill.cash_flow for fill in self._ledger.executions(trade, now))
        return realized

    def _filled_today(self) -> list[SimulatedOrder]:
        opened = datetime.fromtimestamp(self._market.session(EXCHANGE).opened_at, UTC)
        by_order: dict[int, list[SimulatedExecution]] = defaultdict(list)
        for fill in self.fills(opened):
            by_order[fill.order_id].append(fill)
        return [filled_order(order_id, fills) for order_id, fills in by_order.items()]

    def _totals(self, times: Floats) -> list[MinuteTotals]:
        fills = self._fills(float(times[0]))
        contracts = list({fill.contract.symbol: fill.contract for fill in fills}.values())
        row_of = {contract.symbol: row for row, contract in enumerate(contracts)}
        quantity = np.zeros((len(contracts), times.size))
        cost = np.zeros_like(quantity)
        cash = np.full(times.size, self.deposit)
        for fill in fills:
            done = times >= fill.executed_at.timestamp()
            row = row_of[fill.contract.symbol]
            quantity[row] += done * fill.signed_quantity
            cost[row] += done * fill.signed_quantity * fill.price
            cash += done * fill.cash_flow
        held = np.flatnonzero(np.any(quantity != 0.0, axis=1))
        contracts = [contracts[row] for row in held.tolist()]
        size = np.array([float(c.multiplier) * dollars(c) for c in contracts])[:, None]
        futures = np.array([c.kind is InstrumentKind.FUTURE for c in contracts])[:, None]
        units = quantity[held] * size
        greeks = self._market.greeks(contracts, times)
        spots = self._market.spots(contracts, times)
        gains = np.where(units != 0.0, units * greeks.price - cost[held] * size, 0.0)
        columns = [
            cash + np.where(futures, gains, units * greeks.price).sum(axis=0),
            gains,
            (units * greeks.delta * spots).sum(axis=0),
            (units * greeks.gamma * spots * spots / 100.0).sum(axis=0),
            *((units * values).sum(axis=0) for values in (greeks.theta, greeks.vega)),
        ]
        columns[1] = columns[1].sum(axis=0)
        return [
            MinuteTotals(datetime.fromtimestamp(at, UTC), *values)
            for at, *values in zip(
                times.tolist(), *(np.round(column, 6).tolist() for column in columns), strict=True
            )
        ]


class SimulatedBooks:
    """The demo accounts of one market: one at each broker, with some contracts in both."""

    def __init__(self, market: Market) -> None:
        self.market = market
        programs, rolling = SIMULATED_PROGRAMS, True
        if market.recorded:
            symbol = market.underlyings()[0]
            shares = market.underlying(symbol).kind == "stock"
            programs, rolling = recorded_programs(symbol, has_shares=shares), False
        ledger = Ledger(market, programs, rolling=rolling)
        self._accounts = (
            SimulatedAccount(market, ledger, broker=Broker.IBKR, number=IBKR, deposit=420_000.0),
            SimulatedAccount(
                market, ledger, broker=Broker.TASTY, number=TASTYTRADE, deposit=190_000.0
            ),
        )

    def accounts(self) -> tuple[SimulatedAccount, ...]:
        return self._accounts

    def accounts_at(self, broker: Broker) -> list[SimulatedAccount]:
        return [account for account in self._accounts if account.broker is broker]

    def account(self, number: str) -> SimulatedAccount | None:
        """Return the account with this number, or ``None``."""
        return next((a for a in self._accounts if a.account_number == number), None)

"""The demo accounts' trades: what was opened, settled and closed when, at the market's own prices.

The trades depend only on the programs, the calendar and the market, so every process and every
restart finds the same fills under the same ids.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from greeks.domain import Contract
from greeks.sandbox.lines import dollars
from greeks.sandbox.market import Engine, Market
from greeks.sandbox.noise import one_uniform_hash
from greeks.sandbox.sessions import EXCHANGES, instant, is_trading_day, local_date
from portfolio.domain import ExecutionKind, Side
from portfolio.sandbox.fills import SimulatedExecution, Trade
from portfolio.sandbox.programs import IBKR, Program, choose_contracts
from portfolio.sandbox.settling import Booking, settle_legs, settlement_time, split_time

EXCHANGE = "NYSE"
# A Monday from which cycles are counted.
_FIRST_MONDAY = date(2018, 1, 1)
_OPENING, _CLOSING, _SETTLING = 0, 1, 3
# A position is closed this long before its successor is opened, both within one minute: a chart of
# minutes then shows a roll as a step, not as a hole.
_ROLL_SECONDS = 20.0
_SECOND_OF_MINUTE = 30.0
#: After this, all fills of an opening or closing are in.
LAST_FILL_SECONDS = 60.0


class _History:
    """What ledgers know: trades by program and cycle, fills by trade and event."""

    def __init__(self) -> None:
        self.trades: dict[tuple[int, int], Trade | None] = {}
        self.fills: dict[tuple[int, int], tuple[SimulatedExecution, ...]] = {}


@lru_cache(maxsize=4)
def known_history(_engine: Engine, _begins_on: date) -> _History:
    """Return the history that ledgers of one engine share: making it takes a second."""
    return _History()


class Ledger:
    """All trades of a set of programs on one market."""

    def __init__(self, market: Market, programs: tuple[Program, ...], *, rolling: bool) -> None:
        self._market = market
        self._programs = programs
        self._rolling = rolling
        # A recorded market's book is chosen at the file's time, however far its clock was stepped.
        self._as_of = market.started_at if market.started_at is not None else market.seconds()
        self.begins_on = accounts_begin_on(local_date(EXCHANGE, self._as_of))
        history = known_history(market.engine, self.begins_on) if rolling else _History()
        self._trades, self._known_fills = history.trades, history.fills

    def trades(self, account: str, start: float, end: float) -> list[Trade]:
        """Return the account's trades that were open at any time in [start, end]."""
        found = []
        for index, program in enumerate(self._programs):
            if program.account != account:
                continue
            for cycle in self._cycles(program, start, end):
                if (index, cycle) not in self._trades:
                    self._trades[index, cycle] = self._make(index, program, cycle)
                trade = self._trades[index, cycle]
                if trade is not None and trade.opened_at <= end and trade.closed_at >= start:
                    found.append(trade)
        return found

    def executions(self, trade: Trade, until: float) -> Iterator[SimulatedExecution]:
        """Yield a trade's fills and bookings up to ``until``, the opening ones first."""
        for event, at in (
            (_OPENING, trade.opened_at),
            (_SETTLING, trade.settled_at),
            (_CLOSING, trade.closed_at),
        ):
            if at > until:
                continue
            key = (trade.number, event)
            if key not in self._known_fills:
                self._known_fills[key] = tuple(self._fills(trade, event))
            for fill in self._known_fills[key]:
                if fill.executed_at.timestamp() <= until:
                    yield fill

    def order_id(self, trade: Trade, event: int) -> int:
        """Return the number of the order that opened (0), closed (1) or works on (2) a trade."""
        lowest, width = (
            (1_370_000_000, 90_000_000)
            if trade.program.account == IBKR
            else (308_000_000, 40_000_000)
        )
        return lowest + int(one_uniform_hash(self._market.seed, trade.number, event, 5) * width)

    def _cycles(self, program: Program, start: float, end: float) -> range:
        if not self._rolling:
            return range(1)
        week = 7.0 * 86400.0
        origin = datetime.combine(_FIRST_MONDAY, datetime.min.time(), UTC).timestamp()
        first = (start - origin) / week - program.week
        last = (end - origin) / week - program.week
        return range(math.floor(first / program.weeks) - 1, math.floor(last / program.weeks) + 1)

    def _opening(self, program: Program, cycle: int) -> float:
        if self._rolling:
            weeks = program.weeks * cycle + program.week
            planned = _FIRST_MONDAY + timedelta(days=7 * weeks + program.weekday)
            return _order_time(_session_from(planned), program)
        day = local_date(EXCHANGE, self._as_of)
        ago = 5 * program.week + program.weekday
        while True:
            opened_at = _order_time(day, program)
            if is_trading_day(EXCHANGE, day) and opened_at < self._as_of:
                if ago == 0:
                    return opened_at
                ago -= 1
            day -= timedelta(days=1)

    def _make(self, index: int, program: Program, cycle: int) -> Trade | None:
        opened_at = self._opening(program, cycle)
        closed_at = math.inf
        chosen_at, kept_until = self._as_of, self._as_of
        if self._rolling:
            closed_at = self._opening(program, cycle + 1) - _ROLL_SECONDS
            # Before it, the account had sent no order.
            first = _order_time(_session_from(self.begins_on), program)
            if closed_at <= first or (program.settled and opened_at < first):
                return None
            opened_at = max(opened_at, first)
            chosen_at, kept_until = opened_at, closed_at
            if program.settled:
                kept_until = opened_at
        underlying = self._market.underlying(program.symbol)
        spot = float(self._market.values([underlying], np.array([chosen_at]))[0, 0])
        legs = choose_contracts(
            self._market,
            program,
            opened_on=local_date(EXCHANGE, chosen_at),
            closed_on=local_date(EXCHANGE, kept_until),
            spot=spot,
        )
        if not legs:
            return None
        prices, settled_at = self._prices(legs, opened_at), math.inf
        if program.settled:
            settled_at = settlement_time(legs[0][0])
            next_day = local_date(EXCHANGE, settled_at) + timedelta(days=1)
            closed_at = _order_time(_session_from(next_day), program)
        elif program.split:
            settled_at = split_time(opened_at)
            # Before the split half as many shares cost twice as much each.
            prices = tuple(2 * price for price in prices)
        return Trade(
            program, 100_000 * index + cycle, opened_at, closed_at, legs, prices, settled_at
        )

    def _prices(self, legs: tuple[tuple[Contract, int], ...], at: float) -> tuple[float, ...]:
        values = self._market.values([contract for contract, _ in legs], np.array([at]))
        return tuple(
            round(value, 4) if contract.may_be_negative else max(round(value, 2), 0.01)
            for value, (contract, _) in zip(values[:, 0].tolist(), legs, strict=True)
        )

    def _fills(self, trade: Trade, event: int) -> Iterator[SimulatedExecution]:
        if event == _SETTLING:
            yield from self._bookings(trade)
            return
        at, prices, legs, sign = trade.opened_at, trade.open_prices, trade.legs, 1
        if event == _CLOSING:
            at, sign = trade.closed_at, -1
            if trade.program.settled:
                legs = self._delivered(trade)
            prices = self._prices(legs, at) if legs else ()
        for leg, ((contract, quantity), price) in enumerate(zip(legs, prices, strict=True)):
            if event == _OPENING and trade.program.split:
                quantity //= 2
            # Larger orders fill in two prints.
            first = abs(quantity) if abs(quantity) < 5 else abs(quantity) * 3 // 5
            for part, size in enumerate((first, abs(quantity) - first)):
                if size == 0:
                    continue
                commission, fees = _costs(trade.program.account, contract.is_option, size, event)
                realized = None
                if event == _CLOSING:
                    held = math.copysign(size, quantity) * float(contract.multiplier)
                    gained = held * (price - self._basis(trade, leg)) * dollars(contract)
                    realized = round(gained - commission - fees, 2)
                yield SimulatedExecution(
                    execution_id=self._execution_id(trade, event, leg, part),
                    order_id=self.order_id(trade, event),
                    contract=contract,
                    side=Side.BUY if quantity * sign > 0 else Side.SELL,
                    quantity=size,
                    price=price,
                    commission=commission,
                    fees=fees,
                    executed_at=datetime.fromtimestamp(at + leg + 7.25 * part, UTC),
                    position_effect="CLOSE" if event == _CLOSING else "OPEN",
                    realized_pnl=realized,
                )

    def _basis(self, trade: Trade, leg: int) -> float:
        """Return what a unit that is closed has cost."""
        if trade.program.settled:
            return sum(b.price for b in self._booked(trade) if b.kind is ExecutionKind.DELIVERY)
        return trade.open_prices[leg] / (2 if trade.program.split else 1)

    def _booked(self, trade: Trade) -> list[Booking]:
        underlying = self._market.underlying(trade.program.symbol)
        if trade.program.split:
            added = trade.program.size - trade.program.size // 2
            return [Booking(underlying, ExecutionKind.SPLIT, added, 0.0, "OPEN")]
        at = np.array([trade.settled_at])
        spot = float(self._market.values([underlying], at)[0, 0])
        return settle_legs(trade.legs, underlying, round(spot, 2))

    def _delivered(self, trade: Trade) -> tuple[tuple[Contract, int], ...]:
        shares = [b for b in self._booked(trade) if b.kind is ExecutionKind.DELIVERY]
        left = sum(booking.quantity for booking in shares)
        return ((shares[0].contract, left),) if left else ()

    def _bookings(self, trade: Trade) -> Iterator[SimulatedExecution]:
        fee = 0.0 if trade.program.account == IBKR else 5.0
        for number, booking in enumerate(self._booked(trade)):
            charged = booking.kind not in (ExecutionKind.EXPIRATION, ExecutionKind.SPLIT)
            yield SimulatedExecution(
                execution_id=self._execution_id(trade, _SETTLING, number, 0),
                order_id=self.order_id(trade, _SETTLING),
                contract=booking.contract,
                side=Side.BUY if booking.quantity > 0 else Side.SELL,
                quantity=abs(booking.quantity),
                price=booking.price,
                commission=0.0,
                fees=fee if charged and booking.contract.is_option else 0.0,
                executed_at=datetime.fromtimestamp(trade.settled_at, UTC),
                position_effect=booking.effect,
                kind=booking.kind,
            )

    def _execution_id(self, trade: Trade, event: int, leg: int, part: int) -> str:
        """Return an id in IBKR's dotted hexadecimal form, or a Tastytrade transaction number."""
        keys = (self._market.seed, trade.number, event)
        if trade.program.account == IBKR:
            head = int(one_uniform_hash(*keys, 8) * 0x0001FFFF)
            tail = int(one_uniform_hash(*keys, leg, 9) * 0xFFFFFFFF)
            return f"{head:08x}.{tail:08x}.{part + 1:02d}.01"
        number = int(one_uniform_hash(*keys, leg, part, 6) * 900_000_000)
        return str(100_000_000 + number)


def accounts_begin_on(today: date) -> date:
    """Return the first day of the accounts: half a year ago to a year, at the turn of a half-year.

    A statement of 365 days holds all of their life.
    """
    return date(today.year, 1, 1) if today.month > 6 else date(today.year - 1, 7, 1)


def _session_from(day: date) -> date:
    """Return the day, or the first trading day after it."""
    while not is_trading_day(EXCHANGE, day):
        day += timedelta(days=1)
    return day


def _order_time(day: date, program: Program) -> float:
    """Return when the program sends its opening order on a day, in Unix seconds."""
    opens = instant(EXCHANGE, day, EXCHANGES[EXCHANGE].opens)
    return opens + 60.0 * program.minute + _SECOND_OF_MINUTE


def _costs(account: str, option: bool, size: int, event: int) -> tuple[float, float]:
    """Return a fill's commission and exchange fees, in dollars."""
    if account == IBKR:
        return (round(0.65 * size, 2), 0.0) if option else (round(max(1.0, 0.005 * size), 2), 0.0)
    commission = float(size) if option and event == _OPENING else 0.0
    return commission, round(0.13 * size, 2) if option else round(0.0008 * size, 2)

"""The demo accounts: books that add up, move, and are the same in every process."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from greeks.domain import InstrumentKind
from greeks.sandbox.lines import dollars
from greeks.sandbox.market import Market
from portfolio.domain import Broker, OrderStatus, Side
from portfolio.sandbox.books import SimulatedAccount, SimulatedBooks
from tests.greeks.sandbox.fixtures import market_after_a_restart, recorded_chain

# A Thursday afternoon in New York: rolls of the day are done.
START = datetime(2026, 11, 19, 19, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def books() -> SimulatedBooks:
    """Shared by tests that do not step its market."""
    return SimulatedBooks(Market.simulated(seed=7, start=START))


def shape(account: SimulatedAccount) -> list[tuple[str, int]]:
    return sorted((p.contract.symbol, p.quantity) for p in account.positions())


def test_two_accounts_hold_a_full_book_with_contracts_in_common(books: SimulatedBooks) -> None:
    ibkr, tastytrade = books.accounts()
    assert (ibkr.broker, tastytrade.broker) == (Broker.IBKR, Broker.TASTY)
    assert ibkr.account_number == "DU1000001"
    assert tastytrade.account_number == "5WX00001"
    held = [dict(shape(account)) for account in books.accounts()]
    assert 40 <= sum(map(len, held)) <= 70
    assert set(held[0]) & set(held[1])
    positions = [p for account in books.accounts() for p in account.positions()]
    assert {p.contract.underlying for p in positions} > {"SPY", "QQQ", "AAPL", "NVDA", "VIX"}
    kinds = set(InstrumentKind) - {InstrumentKind.INDEX, InstrumentKind.CURRENCY}
    assert {p.contract.kind for p in positions} == kinds
    assert any(p.quantity < 0 for p in positions)
    assert any(
        p.contract.expiry and (p.contract.expiry - START.date()).days > 365 for p in positions
    )


def test_book_is_the_same_after_a_restart(books: SimulatedBooks) -> None:
    again = SimulatedBooks(market_after_a_restart(seed=7, start=START))
    since = START - timedelta(days=5)
    for account, twin in zip(books.accounts(), again.accounts(), strict=True):
        assert twin.positions() == account.positions()
        assert twin.summary() == account.summary()
        assert twin.orders() == account.orders()
        assert twin.executions(since) == account.executions(since)


def test_book_is_the_same_whatever_was_asked_before() -> None:
    market = market_after_a_restart(seed=7, start=START - timedelta(days=30))
    walked = SimulatedBooks(market)
    for account in walked.accounts():
        account.summary()
    market.step(30 * 86_400.0)
    fresh = SimulatedBooks(market_after_a_restart(seed=7, start=START))
    for account, twin in zip(walked.accounts(), fresh.accounts(), strict=True):
        assert account.summary() == twin.summary()


def test_net_liquidation_is_cash_plus_market_value(books: SimulatedBooks) -> None:
    for account in books.accounts():
        summary, positions = account.summary(), account.positions()
        value = sum(p.equity for p in positions)
        assert summary.net_liquidation == pytest.approx(account.cash + value, abs=0.5)
        assert summary.market_value == pytest.approx(value, abs=0.5)
        unrealized = sum(p.gain for p in positions)
        assert summary.unrealized_pnl == pytest.approx(unrealized, abs=0.05)
        assert summary.unrealized_pnl != 0.0
        assert summary.net_liquidation > summary.initial_margin > summary.maintenance_margin > 0.0
        assert summary.excess_liquidity > 0.0
        assert summary.buying_power > 0.0
        for position in positions:
            assert position.unrealized_pnl == pytest.approx(
                position.market_value
                - position.quantity * position.average_price * float(position.contract.multiplier),
                abs=0.02,
            )


def test_fills_explain_every_change_of_the_positions() -> None:
    market = Market.simulated(seed=7, start=START - timedelta(days=20))
    books = SimulatedBooks(market)
    since = market.now()
    before = [dict(shape(account)) for account in books.accounts()]
    market.step(20 * 86_400.0)
    for account, held in zip(books.accounts(), before, strict=True):
        expected: dict[str, int] = defaultdict(int, held)
        for fill in account.executions(since + timedelta(microseconds=1)):
            expected[fill.contract.symbol] += fill.signed_quantity
        assert dict(shape(account)) == {s: q for s, q in expected.items() if q}


def test_cash_follows_the_fills() -> None:
    market = Market.simulated(seed=7, start=START - timedelta(days=3))
    account = SimulatedBooks(market).accounts()[0]
    before, since = account.cash, market.now()
    market.step(3 * 86_400.0)
    fills = account.executions(since + timedelta(microseconds=1))
    assert len(fills) > 3
    assert account.cash - before == pytest.approx(sum(f.cash_flow for f in fills), abs=0.01)


def test_net_liquidation_never_jumps_while_orders_fill() -> None:
    """Through the minute of a roll, fill by fill, cash and positions change together."""
    market = Market.simulated(seed=7, start=START)
    account = SimulatedBooks(market).accounts()[0]
    roll = account.executions(START - timedelta(hours=6))[0].executed_at
    market.step((roll - START).total_seconds() - 3.0)
    values = []
    for _ in range(20):
        values.append(account.summary().net_liquidation)
        market.step(1.0)
    steps = [abs(b - a) for a, b in pairwise(values)]
    assert max(steps) < 0.002 * values[0]


def test_every_trading_day_has_fills_of_both_accounts(books: SimulatedBooks) -> None:
    for days in (0, 1, 2, 3):
        day = START - timedelta(days=days)
        for account in books.accounts():
            fills = account.executions(day.replace(hour=0, minute=0))
            assert [f for f in fills if f.executed_at.date() == day.date()]


def test_fills_carry_ids_like_the_brokers_and_costs(books: SimulatedBooks) -> None:
    ibkr, tastytrade = books.accounts()
    since = START - timedelta(days=60)
    for account, pattern in (
        (ibkr, r"[0-9a-f]{8}\.[0-9a-f]{8}\.\d\d\.01"),
        (tastytrade, r"\d{9,10}"),
    ):
        fills = account.fills(since)
        ids = [fill.execution_id for fill in fills]
        assert len(ids) == len(set(ids)) > 30
        for fill in fills:
            assert re.fullmatch(pattern, fill.execution_id)
            assert fill.quantity > 0
            assert fill.price > 0.0 or fill.contract.may_be_negative
            assert fill.commission >= 0.0
            assert since <= fill.executed_at <= START
            assert fill.side in (Side.BUY, Side.SELL)
        assert fills == sorted(fills, key=lambda f: (f.executed_at, f.execution_id))
        assert sum(fill.commission for fill in fills) > 0.0


def test_executions_since_a_moment_are_the_later_ones(books: SimulatedBooks) -> None:
    account = books.accounts()[0]
    everything = account.executions(START - timedelta(days=10))
    middle = everything[len(everything) // 2].executed_at
    assert account.executions(middle) == [f for f in everything if f.executed_at >= middle]
    assert account.executions(START) == []


def test_realized_result_is_that_of_todays_closings(books: SimulatedBooks) -> None:
    account = books.accounts()[0]
    opened = books.market.session_open()
    closings = [f for f in account.executions(opened) if f.position_effect == "CLOSE"]
    assert closings
    assert account.summary().realized_pnl != 0.0


def test_orders_are_working_ones_and_todays_fills(books: SimulatedBooks) -> None:
    for account in books.accounts():
        orders = account.orders()
        assert len({order.order_id for order in orders}) == len(orders)
        working = [order for order in orders if order.status is OrderStatus.WORKING]
        assert len(working) >= 3
        held = dict(shape(account))
        for order in working:
            assert order.limit_price > 0.0 or order.legs[0][0].may_be_negative
            assert order.placed_at <= START
            for contract, quantity in order.legs:
                if contract.is_option:
                    assert held[contract.symbol] * quantity < 0
        filled = [order for order in orders if order.status is OrderStatus.FILLED]
        ids = {fill.order_id for fill in account.executions(books.market.session_open())}
        assert {order.order_id for order in filled} == ids != set()
        assert all(order.filled_quantity == order.quantity > 0 for order in filled)


def test_day_is_backfilled_and_ends_where_the_account_is(books: SimulatedBooks) -> None:
    for account in books.accounts():
        minutes = account.backfill_minutes()
        assert len(minutes) == 390
        gaps = {b.at - a.at for a, b in pairwise(minutes)}
        assert gaps == {timedelta(minutes=1)}
        assert minutes[-1].at == START
        summary, last = account.summary(), minutes[-1]
        # The mark is the middle of the quote, the minutes are the model's.
        assert last.net_liquidation == pytest.approx(summary.net_liquidation, rel=5e-4)
        gamma = sum(
            p.quantity
            * float(p.contract.multiplier)
            * dollars(p.contract)
            * (p.quote.gamma or 0.0)
            * (p.quote.underlying_price or 0.0) ** 2
            / 100.0
            for p in account.positions()
        )
        assert last.dollar_gamma == pytest.approx(gamma, rel=1e-6)
        assert len({minute.net_liquidation for minute in minutes}) > 350


def test_backfill_in_real_hours_holds_traded_minutes_only() -> None:
    market = Market.simulated(seed=7, start=START - timedelta(hours=10), always_open=False)
    minutes = SimulatedBooks(market).accounts()[0].backfill_minutes()
    assert len(minutes) == 390
    assert minutes[-1].at <= datetime(2026, 11, 18, 21, 0, tzinfo=UTC)


def test_book_keeps_living_options_over_a_year() -> None:
    market = Market.simulated(seed=7, start=START)
    books = SimulatedBooks(market)
    for _ in range(6):
        market.step(61 * 86_400.0 + 3_600.0)
        for account in books.accounts():
            positions = account.positions()
            assert len(positions) >= 15
            for position in positions:
                expiry = position.contract.expiry
                assert expiry is None or expiry > market.now().date()
            assert account.summary().excess_liquidity > 0.0


@pytest.mark.parametrize("name", ["AAPL_20260822.json", "RUT_20230921.json"])
def test_book_of_a_recording_is_of_the_files_options(name: str) -> None:
    path: Path = recorded_chain(name)
    market = Market.from_chain_file(path)
    books = SimulatedBooks(market)
    symbol = market.underlyings()[0]
    assert sum(len(account.positions()) for account in books.accounts()) >= 20
    for account in books.accounts():
        summary = account.summary()
        assert summary.net_liquidation == pytest.approx(
            account.cash + summary.market_value, abs=0.02
        )
        assert summary.excess_liquidity > 0.0
        assert account.executions(market.now() - timedelta(days=3))
        assert len(account.backfill_minutes()) == 390
        for position in account.positions():
            assert position.contract.underlying == symbol
            assert market.contract(position.contract.symbol) is position.contract
            assert position.price == position.quote.mark
            assert position.unrealized_pnl != 0.0
    first, second = (set(dict(shape(account))) for account in books.accounts())
    assert len(first & second) >= 4


def test_book_of_a_recording_does_not_change_with_steps_before_it_is_asked() -> None:
    path = recorded_chain("AAPL_20260822.json")
    stepped = Market.from_chain_file(path)
    stepped.step(120.0)
    books, plain = SimulatedBooks(stepped), SimulatedBooks(Market.from_chain_file(path))
    for account, twin in zip(books.accounts(), plain.accounts(), strict=True):
        assert shape(account) == shape(twin)
        assert account.cash == twin.cash
        assert account.summary().net_liquidation != twin.summary().net_liquidation


def test_account_is_found_by_its_number(books: SimulatedBooks) -> None:
    assert books.account("5WX00001") is books.accounts()[1]
    assert books.account("U7654321") is None

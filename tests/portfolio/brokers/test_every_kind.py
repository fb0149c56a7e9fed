"""Every kind of contract in the vendors' rows: position, order, fill and quote are one instrument.

The rows are the simulated brokers' own, as a vendor sends them: cents and pence, last trading days,
options of yes and no. The clock stands still.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from greeks.domain import InstrumentKind, Snapshot
from greeks.instruments.identity import instrument_key
from greeks.instruments.store import contract_error
from greeks.sandbox.lines import magnifier
from greeks.sandbox.market import Market
from portfolio.brokers.ibkr_portal import orders as portal_orders
from portfolio.brokers.ibkr_portal import snapshots as portal_snapshots
from portfolio.brokers.ibkr_portal.account import decode_position
from portfolio.brokers.ibkr_portal.contracts import SOURCE
from portfolio.brokers.ibkr_portal.directory import ContractDirectory, ContractMemory
from portfolio.brokers.tastytrade.market_data import decode_snapshot
from portfolio.domain import BrokerExecution, BrokerOrder, BrokerPosition, ExecutionKind
from portfolio.sandbox.books import SimulatedAccount, SimulatedBooks
from portfolio.sandbox.ibkr_portal import payloads
from portfolio.sandbox.ibkr_portal.contracts import definition
from portfolio.sandbox.ibkr_terms import vendor_quotes
from portfolio.sandbox.records import SimulatedPosition
from portfolio.sandbox.tastytrade import books as tastytrade_rows
from portfolio.sandbox.tastytrade.futures import future
from portfolio.sandbox.tastytrade.instruments import market_data, nested_chain
from portfolio.sandbox.tastytrade.transactions import history
from tests.portfolio.brokers.tastytrade.tastytrade_support import answering
from tests.portfolio.kinds import IBKR, KINDS, TASTYTRADE, Kind

# Every position was opened by then.
START = datetime(2026, 11, 20, 20, tzinfo=UTC)
BACK = timedelta(days=60)


class Told(NamedTuple):
    """What an account's rows say, decoded, by identity of the contract."""

    held: Mapping[str, tuple[BrokerPosition, SimulatedPosition]]
    orders: list[BrokerOrder]
    fills: list[BrokerExecution]
    snapshots: Mapping[str, Snapshot]


@pytest.fixture(scope="module")
def told() -> Mapping[str, Told]:
    market = Market.simulated(seed=7, start=START)
    books = SimulatedBooks(market)
    return {
        IBKR: _of_portal(market, _account(books, IBKR)),
        TASTYTRADE: _of_tastytrade(market, _account(books, TASTYTRADE)),
    }


def _account(books: SimulatedBooks, number: str) -> SimulatedAccount:
    account = books.account(number)
    assert account is not None
    return account


def _of_portal(market: Market, account: SimulatedAccount) -> Told:
    def ask(path: str, params: Mapping[str, Any]) -> Any:
        if path != "/trsrv/secdef":
            priced = market.contract(path.split("/")[3])
            return {"rules": {"priceMagnifier": magnifier(priced)} if priced else {}}
        found = [market.contract(number) for number in params["conids"].split(",")]
        return {"secdef": [definition(c, market.underlying_of(c)) for c in found if c]}

    directory = ContractDirectory(ask, ContractMemory())
    simulated = account.positions()
    fills = [f for f in account.executions(START - BACK) if f.kind is ExecutionKind.TRADE]
    known = directory.definitions(
        [str(payloads.conid(p.contract)) for p in simulated]
        + [str(payloads.conid(f.contract)) for f in fills]
    )
    held = {}
    for position in simulated:
        row = directory.completed(payloads.position_row(account, position))
        decoded = decode_position(row, known, received_at=START)
        held[instrument_key(decoded.contract)] = (decoded, position)
    orders = [
        portal_orders.decode_order(
            directory.completed(payloads.order_row(account, order)), known, received_at=START
        )
        for order in account.orders()
    ]
    executions = [
        portal_orders.decode_execution(
            directory.completed(payloads.trade_row(account, fill, START)),
            known,
            account_number=IBKR,
        )
        for fill in fills
    ]
    by_conid = {p.contract.aliases[SOURCE]: p.contract for p, _ in held.values()}
    fields = {"31", "84", "86", "7308", "7309", "7310", "7311", "7633", "7635", "7741", "6509"}
    snapshots = {}
    for quote in vendor_quotes(market, [position.contract for position in simulated]):
        row = payloads.snapshot_row(quote, fields, is_open=True)
        snapshot = portal_snapshots.decode_snapshot(row, by_conid, received_at=START)
        assert snapshot is not None
        snapshots[instrument_key(snapshot.contract)] = directory.in_currency(snapshot)
    return Told(held, orders, executions, snapshots)


def _of_tastytrade(market: Market, account: SimulatedAccount) -> Told:
    simulated = account.positions()
    contracts = [position.contract for position in simulated]
    fills = account.executions(START - BACK)
    futures = {
        under.symbol: under
        for under in map(market.underlying_of, [*contracts, *(fill.contract for fill in fills)])
        if under.kind is InstrumentKind.FUTURE
    }

    def items(rows: list[Any]) -> Any:
        return {"data": {"items": rows}}

    adapter = answering(
        items([tastytrade_rows.position(account, p, START, with_mark=True) for p in simulated]),
        futures=items([future(contract) for contract in futures.values()]),
        nested=items(nested_chain(market, "NVDA")),
        live=items([tastytrade_rows.order(account, order) for order in account.orders()]),
        transactions=items(history(account, START - BACK, START)),
    )
    positions = adapter.fetch_positions(TASTYTRADE)
    orders = adapter.fetch_open_orders(TASTYTRADE)
    executions = adapter.fetch_executions(TASTYTRADE, since=START - BACK)
    assert not [*positions.rejected, *orders.rejected, *executions.rejected]
    by_symbol = {position.contract.symbol: position for position in simulated}
    held = {
        instrument_key(p.contract): (p, by_symbol[p.contract.aliases["tastytrade"]])
        for p in positions.items
    }
    wanted = {p.contract.aliases["tastytrade"]: p.contract for p, _ in held.values()}
    snapshots = [
        decode_snapshot(row, contracts=wanted, fetched_at=START)
        for row in market_data(market, contracts)
    ]
    return Told(
        held,
        list(orders.items),
        [fill for fill in executions.items if isinstance(fill, BrokerExecution)],
        {instrument_key(s.contract): s for s in snapshots},
    )


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def test_position_is_in_currency(kind: Kind, told: Mapping[str, Told]) -> None:
    held, simulated = told[kind.account].held[kind.of(list(told[kind.account].held))]
    assert contract_error(held.contract) is None
    assert held.quantity == simulated.quantity
    assert held.contract.multiplier == simulated.contract.multiplier
    assert held.contract.expiry == simulated.contract.expiry
    assert float(held.price or 0) == pytest.approx(simulated.price, abs=1e-6)
    assert float(held.average_price or 0) == pytest.approx(simulated.average_price, abs=1e-6)
    assert held.market_value is not None
    assert held.unrealized_pnl is not None
    assert float(held.market_value) == pytest.approx(simulated.market_value, abs=0.01)
    assert float(held.unrealized_pnl) == pytest.approx(simulated.unrealized_pnl, abs=0.01)


def test_order_names_the_instrument_that_is_held(kind: Kind, told: Mapping[str, Told]) -> None:
    key = kind.of(list(told[kind.account].held))
    orders = [
        order
        for order in told[kind.account].orders
        if key in {instrument_key(leg.contract) for leg in order.legs}
    ]
    if kind.name in ("share", "equity option", "index option AM, Wednesday"):
        return
    assert orders
    if len(orders[0].legs) == 1 and orders[0].limit_price is not None:
        held, _ = told[kind.account].held[key]
        assert abs(orders[0].limit_price) < 3 * abs(held.price or Decimal(0)) + 1


def test_fill_names_the_instrument_that_is_held(kind: Kind, told: Mapping[str, Told]) -> None:
    key = kind.of(list(told[kind.account].held))
    fills = [fill for fill in told[kind.account].fills if instrument_key(fill.contract) == key]
    if kind.name in ("ETF", "share", "share in pence", "option in euros"):
        return
    assert fills
    _, simulated = told[kind.account].held[key]
    prices = [float(fill.price or 0) for fill in fills]
    assert min(prices) - 1e-6 <= simulated.average_price <= max(prices) + 1e-6


def test_quote_and_greeks_are_per_unit_of_currency(kind: Kind, told: Mapping[str, Told]) -> None:
    key = kind.of(list(told[kind.account].held))
    snapshot = told[kind.account].snapshots[key]
    quote, (_, simulated) = snapshot.quote, told[kind.account].held[key]
    assert quote is not None
    assert quote.price is not None
    assert float(quote.price) == pytest.approx(simulated.price, rel=0.02, abs=1e-3)
    assert (quote.price < 0) is (kind.name == "future below zero")
    if kind.has_greeks:
        assert snapshot.greeks is not None
        assert snapshot.greeks.is_complete


def test_option_on_a_future_is_one_instrument_at_both_brokers(told: Mapping[str, Told]) -> None:
    for account in (IBKR, TASTYTRADE):
        options = [
            held.contract
            for held, _ in told[account].held.values()
            if held.contract.kind is InstrumentKind.FUTURE_OPTION
        ]
        assert options
        for contract in options:
            assert instrument_key(contract).startswith("future_option:MES:")
            assert contract.underlying_key.startswith("future:MES:")

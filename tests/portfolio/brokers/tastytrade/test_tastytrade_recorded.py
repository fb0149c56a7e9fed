"""Every recorded answer about accounts, books and quotes is read, with every kept field filled."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from pytest_django import Settings
from scipy.optimize import brentq

from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.occ import parse_occ
from greeks.maths.black_scholes import all_greeks, price
from portfolio.domain import BrokerPosition, ExecutionKind, OrderStatus, Side
from tests.portfolio.brokers.tastytrade.tastytrade_support import answering, recorded
from tests.portfolio.fills import fills

SINCE = datetime(2023, 6, 1, tzinfo=UTC)


def unfilled(value: Any, *, but: tuple[str, ...] = ()) -> list[str]:
    return [
        field.name
        for field in fields(value)
        if field.init and field.name not in but and getattr(value, field.name) in (None, "", (), {})
    ]


def option(symbol: str) -> Contract:
    parsed = parse_occ(symbol)
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=symbol,
        underlying=parsed.root,
        root=parsed.root,
        expiry=parsed.expiry,
        strike=parsed.strike,
        right=parsed.right,
        multiplier=Decimal(100),
        currency="USD",
        aliases={"tastytrade": symbol},
    )


@pytest.mark.parametrize("name", ["myAccountsResp", "capture_accounts"])
def test_recorded_accounts_and_every_open_one_is_read(name: str) -> None:
    answer = recorded(name)
    fetched = answering(answer).fetch_accounts()
    assert not fetched.rejected
    assert len(fetched.items) == len(answer.get("data", answer)["items"])
    for account in fetched.items:
        assert not unfilled(account)
        assert account.base_currency == "USD"


def test_recorded_accounts_and_numbers_and_labels_are_theirs() -> None:
    accounts = answering(recorded("myAccountsResp")).fetch_accounts().items
    assert [(a.account_number, a.label) for a in accounts] == [
        ("5YZ55555", "Roth IRA"),
        ("5WW55555", "Margin acct"),
        ("5WZ55555", "Individual"),
    ]


def test_recorded_balances_and_every_field_is_filled() -> None:
    summary = answering(recorded("accountBalancesResp")).fetch_account_summary("5YZ55555")
    # No profit and loss and no conversion rates in Tastytrade's balances.
    assert not unfilled(summary, but=("unrealized_pnl", "realized_pnl", "fx_rates"))
    assert summary.net_liquidation == Decimal("543557.677")
    assert summary.buying_power == Decimal("20078.762")
    assert summary.maintenance_margin == Decimal("432279.234")
    assert summary.initial_margin == Decimal("432279.2338")
    assert summary.excess_liquidity == Decimal("20078.762")
    assert summary.cash == Decimal("51600.762")
    assert summary.as_of == datetime(2023, 6, 8, 16, 30, 18, 889000, UTC)
    assert summary.unrealized_pnl is None


def test_recorded_balance_of_the_stream_and_it_is_read_too() -> None:
    frame = recorded("frame_account-balance.derived")["data"]
    summary = answering({"data": frame}).fetch_account_summary("SENTINEL-5WX00042")
    assert (summary.net_liquidation, summary.currency) == (Decimal(15500), "USD")


def test_recorded_short_put_and_position_is_negative_with_its_contract(
    settings: Settings,
) -> None:
    settings.MARKET_CLOCK = "2023-05-24T18:00:00+00:00"
    fetched = answering(recorded("accountPositionsResp")).fetch_positions("5YZ55555")
    assert not fetched.rejected
    [position] = fetched.items
    # The recording was asked for without marks: prices come with the quotes.
    no_marks = ("sub_key", "price", "market_value", "unrealized_pnl")
    assert not unfilled(position, but=no_marks)
    assert position.quantity == Decimal(-40)
    assert position.average_price == Decimal("0.79")
    assert position.previous_close == Decimal("0.41")
    assert position.realized_pnl == 0
    assert not unfilled(
        position.contract,
        but=("exchange", "description", "expires_at", "underlying_key", "deliverable"),
    )
    assert position.contract == Contract(
        kind=InstrumentKind.OPTION,
        symbol="RIVN  230609P00014000",
        underlying="RIVN",
        root="RIVN",
        expiry=date(2023, 6, 9),
        strike=Decimal(14),
        right=Right.PUT,
        multiplier=Decimal(100),
        currency="USD",
        aliases={"tastytrade": "RIVN  230609P00014000"},
    )


def test_recorded_short_put_on_a_later_day_and_realized_today_is_unknown() -> None:
    [position] = answering(recorded("accountPositionsResp")).fetch_positions("5YZ55555").items
    assert position.realized_pnl is None


def test_recorded_equity_position_of_the_stream_and_quantity_text_is_read() -> None:
    row = recorded("frame_current-position.derived")["data"]
    fetched = answering({"data": {"items": [row]}}).fetch_positions("SENTINEL-5WX00042")
    position: BrokerPosition = fetched.items[0]
    assert (position.contract.kind, position.quantity) == (InstrumentKind.STOCK, Decimal(100))
    assert (position.contract.symbol, position.contract.multiplier) == ("AAPL", Decimal(1))


@pytest.mark.parametrize(
    ("name", "account", "statuses"),
    [
        ("liveOrdersResp", "5YZ55555", ["pending"]),
        ("customerLiveOrdersResp", "5YZ55555", ["filled"]),
        ("accountOrdersResp", "5WV48989", ["pending", "cancelled"]),
    ],
)
def test_recorded_orders_and_every_field_is_filled(
    name: str, account: str, statuses: list[str]
) -> None:
    fetched = answering(recorded(name)).fetch_open_orders(account)
    assert not fetched.rejected
    assert [order.status.value for order in fetched.items] == statuses
    for order in fetched.items:
        assert not unfilled(order)
        for leg in order.legs:
            assert not unfilled(leg)


@pytest.mark.parametrize(
    "name",
    [
        "getOrderResp",
        "cancelledOrderResp",
        "patchOrderResp",
        "replaceOrderResp",
        "orderResp",
        "frame_order.documented",
        "frame_order-market.documented",
    ],
)
def test_recorded_single_order_and_it_is_read(name: str) -> None:
    row = recorded(name)["data"]
    row = row.get("order", row)
    fetched = answering({"data": {"items": [row]}}).fetch_open_orders(row["account-number"])
    assert not fetched.rejected
    assert fetched.items[0].broker_order_id == str(row["id"])


def test_recorded_filled_order_and_amounts_and_times_are_exact() -> None:
    [order] = answering(recorded("customerLiveOrdersResp")).fetch_open_orders("5YZ55555").items
    assert order.status is OrderStatus.FILLED
    assert (order.quantity, order.filled_quantity) == (Decimal(1), Decimal(1))
    assert order.limit_price == Decimal("0.01")
    assert order.updated_at == datetime(2023, 6, 23, 14, 12, 4, 255000, UTC)
    assert order.placed_at == datetime(2023, 6, 23, 13, 52, 59, 62000, UTC)
    assert order.description == "Buy 1 RIVN 2023-06-23 15C"
    assert (order.legs[0].side, order.legs[0].position_effect) == (Side.BUY, "CLOSE")


def test_recorded_transactions_and_fill_assignment_and_stock_leg_come_back() -> None:
    answer = recorded("transactionsResp")
    # The recording is the first of 24 pages of 3 rows.
    answer["pagination"] |= {"total-items": 3, "total-pages": 1}
    fetched = answering(answer).fetch_executions("5YZ55555", since=SINCE)
    assert not fetched.rejected
    fill, removal, stock = fills(fetched.items)

    assert not unfilled(fill, but=("transaction_id", "trade_id", "broker_realized_pnl"))
    assert fill.broker_execution_id == "2455333333"
    assert (fill.side, fill.quantity, fill.price) == (Side.SELL, Decimal(40), Decimal("0.47"))
    assert (fill.commission, fill.fees) == (Decimal(40), Decimal("0.442"))
    assert (fill.order_id, fill.position_effect) == ("272610989", "OPEN")
    assert fill.execution_time == datetime(2023, 6, 12, 13, 53, 8, 199000, UTC)

    assert (removal.side, removal.price, removal.kind) == (
        Side.BUY,
        Decimal(0),
        ExecutionKind.ASSIGNMENT,
    )
    assert removal.contract.right is Right.PUT
    assert removal.commission is None

    assert stock.kind is ExecutionKind.DELIVERY
    assert (stock.side, stock.quantity, stock.price) == (Side.BUY, Decimal(4000), Decimal(14))
    assert (stock.fees, stock.contract.kind) == (Decimal(200), InstrumentKind.STOCK)


def test_recorded_single_transaction_and_it_is_read() -> None:
    row = recorded("transactionResp")["data"]
    fetched = answering({"data": {"items": [row]}}).fetch_executions("5YZ55555", since=SINCE)
    assert [item.broker_execution_id for item in fills(fetched.items)] == ["2455333333"]


def test_recorded_quotes_without_envelope_and_every_field_is_filled() -> None:
    answer = recorded("market_data_equity_option_response")
    contracts = [option(row["symbol"]) for row in answer["items"]]
    for body in (answer, {"data": answer}):
        fetched = answering(body).fetch_snapshots(contracts)
        assert not fetched.rejected
        assert [snapshot.contract for snapshot in fetched.items] == contracts
        for snapshot in fetched.items:
            assert snapshot.quote is not None
            assert snapshot.greeks is not None
            assert not unfilled(snapshot.quote)
            # The answer does not say what the underlying stood at.
            assert not unfilled(snapshot.greeks, but=("underlying_price",))
    quote, greeks = fetched.items[0].quote, fetched.items[0].greeks
    assert quote is not None
    assert (quote.bid, quote.ask, quote.mark) == (
        Decimal("9.97"),
        Decimal("10.11"),
        Decimal("10.04"),
    )
    assert (quote.last, quote.opening_price, quote.previous_close) == (
        Decimal("9.34"),
        Decimal("8.88"),
        Decimal("8.02"),
    )
    assert (quote.volume, quote.open_interest) == (149, 927)
    assert quote.as_of == datetime(2025, 6, 27, 23, 59, 39, 372000, UTC)
    assert greeks is not None
    assert greeks.implied_volatility == 0.131895054
    assert greeks.theta == -0.255110606


def test_recorded_greeks_repriced_by_our_model_and_units_are_ours() -> None:
    rows = recorded("market_data_equity_option_response")["items"]
    end_of_trading = datetime(2025, 7, 1, 20, 15, tzinfo=UTC)
    spots = []
    for row in rows:
        strike = float(parse_occ(row["symbol"]).strike)
        age = end_of_trading - datetime.fromisoformat(row["updated-at"])
        years = age.total_seconds() / (365 * 86_400)
        volatility, theoretical = float(row["volatility"]), float(row["theo-price"])

        def miss(
            spot: float,
            k: float = strike,
            t: float = years,
            v: float = volatility,
            target: float = theoretical,
        ) -> float:
            return float(price(spot, k, t, 0.0, 0.0, v, True)) - target

        spot = brentq(miss, 500.0, 700.0)
        ours = all_greeks(spot, strike, years, 0.0, 0.0, volatility, True)
        for name in ("delta", "gamma", "vega", "rho"):
            assert float(getattr(ours, name)) == pytest.approx(float(row[name]), rel=1e-4)
        # The vendor's year has 365.25 days.
        assert float(ours.theta) * 365 / 365.25 == pytest.approx(float(row["theta"]), rel=1e-4)
        spots.append(spot)
    # One spot explains both strikes: the units cannot be right by accident.
    assert np.ptp(spots) < 0.01

"""Every portfolio, order, trade and snapshot answer recorded from a real gateway is read."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from config.core.clock import now
from config.core.sandbox.registry import registered_servers
from config.core.sandbox.server import Sandbox, open_market
from greeks.domain import Contract, InstrumentKind
from portfolio.brokers.ibkr_portal.account import decode_account, decode_position, decode_summary
from portfolio.brokers.ibkr_portal.adapter import open_portal
from portfolio.brokers.ibkr_portal.orders import decode_execution, decode_order
from portfolio.domain import AccountSummary, Broker, OrderStatus, Side
from tests.portfolio.brokers.ibkr_portal.ibkr_portal_support import (
    ACCOUNT,
    answering,
    positions_answering,
    recorded_body,
    recordings,
)

AT = datetime(2026, 4, 2, 22, 40, tzinfo=UTC)
SPY = Contract(
    kind=InstrumentKind.STOCK,
    symbol="SPY",
    underlying="SPY",
    multiplier=Decimal(1),
    currency="USD",
    aliases={"ibkr": "756733"},
)


@pytest.mark.parametrize(
    "name",
    ["GET-portfolio-accounts", "GET-portfolio-subaccounts", "GET-subaccounts2"],
)
def test_recorded_account_rows_are_read(name: str) -> None:
    (row,) = recorded_body(f"Portfolio/{name}")
    account = decode_account(row)
    assert (account.broker, account.account_number) == (Broker.IBKR, "U1234567")
    assert (account.label, account.base_currency) == ("Test User", "USD")


def test_recorded_account_description_is_read() -> None:
    assert decode_account(recorded_body("Portfolio/GET-portfolio-meta")).base_currency == "USD"


def test_recorded_summary_and_ledger_fill_every_amount() -> None:
    bridge = answering(
        {
            f"/portfolio/{ACCOUNT}/summary": recorded_body("Portfolio/GET-portfolio-summary"),
            f"/portfolio/{ACCOUNT}/ledger": recorded_body("Portfolio/GET-portfolio-ledger"),
            f"/iserver/account/{ACCOUNT}/summary": recorded_body("Accounts/GET-account-summary"),
        }
    )
    summary = bridge.fetch_account_summary(ACCOUNT)
    assert (summary.broker, summary.account_number, summary.currency) == (
        Broker.IBKR,
        ACCOUNT,
        "USD",
    )
    assert summary.net_liquidation == Decimal("1005165.5")
    assert summary.buying_power == Decimal("3984328.97")
    assert summary.initial_margin == Decimal("15276.38")
    assert summary.cash == Decimal("971869.6")
    # Only the second source has these two.
    assert summary.excess_liquidity == Decimal("994831")
    assert summary.maintenance_margin == Decimal("7654")
    assert (summary.unrealized_pnl, summary.realized_pnl) == (Decimal("151.57"), Decimal(0))
    assert summary.fx_rates == {"USD": Decimal(1)}
    assert summary.as_of == datetime(2026, 4, 2, 22, 40, 6, tzinfo=UTC)
    assert all(getattr(summary, field.name) is not None for field in fields(AccountSummary))


def test_recorded_brokerage_summary_alone_fills_every_amount() -> None:
    summary = decode_summary(
        ACCOUNT,
        summary={},
        ledger=recorded_body("Portfolio/GET-portfolio-ledger"),
        brokerage=recorded_body("Accounts/GET-account-summary"),
        received_at=AT,
    )
    assert (summary.net_liquidation, summary.buying_power) == (
        Decimal("1005254"),
        Decimal("3979324"),
    )
    assert (summary.initial_margin, summary.maintenance_margin) == (Decimal(7654), Decimal(7654))
    assert (summary.excess_liquidity, summary.cash) == (Decimal("994831"), Decimal("971870"))


def position_rows(body: Any) -> list[dict[str, Any]]:
    return body if isinstance(body, list) else [row for rows in body.values() for row in rows]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GET-portfolio-positions-page0", ["QQQ"]),
        ("GET-portfolio-position-by-conid", ["SPY"]),
        ("GET-portfolio-positions-by-conid", ["SPY", "SPY"]),
        ("GET-portfolio2-positions", ["QQQ", "SPY"]),
    ],
)
def test_recorded_positions_fill_every_field(name: str, expected: list[str]) -> None:
    rows = position_rows(recorded_body(f"Portfolio/{name}"))
    positions = [decode_position(row, {}, received_at=AT) for row in rows]
    assert [position.contract.symbol for position in positions] == expected
    held = {
        "QQQ": ("320227571", "3", "584.31333", "584.67999", "1754.04", "1.1"),
        "SPY": ("756733", "44", "652.47477", "655.89459", "28859.36", "150.47"),
    }
    for position in positions:
        conid, quantity, average, price, value, unrealized = held[position.contract.symbol]
        contract = position.contract
        assert contract.aliases == {"ibkr": conid}
        assert (contract.kind, contract.currency) == (InstrumentKind.STOCK, "USD")
        assert (contract.multiplier, contract.strike) == (Decimal(1), None)
        assert contract.expiry is None
        assert (contract.right, contract.underlying) == (None, contract.symbol)
        assert position.quantity == Decimal(quantity)
        assert f"{position.average_price:.8f}".startswith(average)
        assert f"{position.price:.8f}".startswith(price)
        assert round(position.market_value or 0, 2) == Decimal(value)
        assert round(position.unrealized_pnl or 0, 2) == Decimal(unrealized)
        assert position.realized_pnl == 0


def test_recorded_live_positions_carry_their_own_time() -> None:
    row = recorded_body("Portfolio/GET-portfolio2-positions")[0]
    position = decode_position(row, {}, received_at=AT)
    assert position.as_of == datetime(2026, 4, 2, 22, 40, 11, tzinfo=UTC)


@pytest.mark.parametrize("name", ["positions-empty", "combo-positions-empty"])
def test_recorded_empty_book_is_empty_and_complete(name: str) -> None:
    body = recorded_body(f"Portfolio/GET-portfolio-{name}")
    fetched = positions_answering(body).fetch_positions(ACCOUNT)
    assert (fetched.items, fetched.rejected) == ((), ())


def check_recorded_order(order: Any, time_in_force: str) -> None:
    assert order.broker_order_id == "473740665"
    assert (order.status, order.order_type) == (OrderStatus.FILLED, "MARKET")
    assert order.time_in_force == time_in_force
    assert (order.quantity, order.filled_quantity, order.limit_price) == (1, 1, None)
    (leg,) = order.legs
    assert (leg.contract.symbol, leg.side, leg.quantity) == ("SPY", Side.BUY, 1)
    assert leg.remaining_quantity == 0
    assert order.description == "Bought 1 SPY Market, Day"


def test_recorded_live_orders_are_read_after_the_empty_first_answer() -> None:
    answers = iter(
        [recorded_body(f"Orders/GET-live-orders{which}") for which in ("-empty", "", "")]
    )
    bridge = answering(
        {
            "/iserver/account/orders": lambda _: next(answers),
            "/trsrv/secdef": recorded_body("Contracts/GET-trsrv-secdef"),
        }
    )
    fetched = bridge.fetch_open_orders(ACCOUNT)
    (order,) = fetched.items
    check_recorded_order(order, "CLOSE")
    assert order.updated_at == datetime(2026, 4, 1, 23, 40, 47, tzinfo=UTC)
    assert order.legs[0].contract.exchange == "ARCA"
    assert fetched.rejected == ()


def test_recorded_order_is_read_without_a_definition_of_its_contract() -> None:
    (row,) = recorded_body("Orders/GET-live-orders")["orders"]
    check_recorded_order(decode_order(row, {}, received_at=AT), "CLOSE")


def test_recorded_order_status_is_read() -> None:
    row = recorded_body("Orders/GET-order-status")
    order = decode_order(row, {"756733": SPY}, received_at=AT)
    check_recorded_order(order, "DAY")
    assert order.placed_at == datetime(2026, 4, 1, 23, 0, tzinfo=UTC)


def test_recorded_trades_are_read_and_kept_without_their_time() -> None:
    bridge = answering(
        {
            "/iserver/account/trades": recorded_body("Orders/GET-trades"),
            "/trsrv/secdef": recorded_body("Contracts/GET-trsrv-secdef"),
        }
    )
    fetched = bridge.fetch_executions(ACCOUNT, since=now())
    (execution,) = fetched.items
    assert fetched.rejected == ()
    assert execution.broker_execution_id == "00018fae.67890abc.01.01"
    assert (execution.broker, execution.account_number) == (Broker.IBKR, ACCOUNT)
    assert (execution.side, execution.quantity, execution.price) == (
        Side.BUY,
        Decimal(1),
        Decimal("647.09"),
    )
    assert (execution.contract.symbol, execution.contract.aliases) == ("SPY", {"ibkr": "756733"})
    assert execution.order_id == "Order123"
    # The recording holds neither: unknown, not midnight and not free.
    assert (execution.execution_time, execution.commission) == (None, None)


def test_recorded_empty_trades_are_no_executions() -> None:
    bridge = answering({"/iserver/account/trades": recorded_body("Orders/GET-trades-empty")})
    assert bridge.fetch_executions(ACCOUNT, since=now()).items == ()


def test_recorded_snapshot_is_read() -> None:
    bridge = answering({"/iserver/marketdata/snapshot": recorded_body("MarketData/GET-snapshot")})
    (snapshot,) = bridge.fetch_snapshots([SPY]).items
    quote = snapshot.quote
    assert quote is not None
    assert (quote.bid, quote.ask, quote.last) == (
        Decimal("655.88"),
        Decimal("655.90"),
        Decimal("655.89"),
    )
    # Last less the day's change, since the recording was made without the field itself.
    assert quote.previous_close == Decimal("652.39")
    assert quote.volume == 50_000_000
    assert quote.as_of == datetime(2026, 4, 2, 22, 40, tzinfo=UTC)
    assert snapshot.greeks is None


def test_recorded_definitions_make_contracts() -> None:
    bridge = answering(
        {
            "/trsrv/secdef": recorded_body("Contracts/GET-trsrv-secdef"),
            f"/portfolio/{ACCOUNT}/positions/0": recorded_body(
                "Portfolio/GET-portfolio-position-by-conid"
            ),
        }
    )
    (position,) = bridge.fetch_positions(ACCOUNT).items
    assert position.contract.exchange == "ARCA"
    assert position.contract.description == "SPDR S&P 500 ETF TRUST"


def test_recorded_execution_decodes_alone() -> None:
    (row,) = recorded_body("Orders/GET-trades")
    execution = decode_execution(row, {"756733": SPY}, account_number=ACCOUNT)
    assert execution.contract is SPY


def test_whole_recorded_folder_served_over_http_is_one_readable_account() -> None:
    folder: Path = recordings()
    servers = [server for server in registered_servers() if server.name == "ibkr_portal"]
    sandbox = Sandbox(
        market=open_market(seed=7), servers=servers, recorded={"ibkr_portal": [folder]}
    )
    with sandbox, override_settings(IBKR_PORTAL_URL=sandbox.url("ibkr_portal")):
        bridge = open_portal()
        try:
            (account,) = bridge.fetch_accounts().items
            number = account.account_number
            assert bridge.fetch_account_summary(number).net_liquidation == Decimal("1005165.5")
            positions = bridge.fetch_positions(number)
            orders = bridge.fetch_open_orders(number)
            trades = [
                bridge.fetch_executions(number, since=now() - timedelta(days=1)) for _ in range(2)
            ]
        finally:
            bridge.close()
    assert [position.contract.symbol for position in positions.items] == ["QQQ"]
    assert [order.broker_order_id for order in orders.items] == ["473740665"]
    assert [len(fetched.items) for fetched in trades] == [0, 1]
    assert (positions.rejected, orders.rejected) == ((), ())
    assert [fetched.rejected for fetched in trades] == [(), ()]

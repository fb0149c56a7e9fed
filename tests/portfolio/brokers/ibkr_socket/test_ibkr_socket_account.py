"""Money, positions and orders of an account, on a gateway of our own."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from config.core.errors import MalformedResponse, PermanentError, RetryableError
from portfolio.brokers.ibkr_socket.client import READING, GatewayIB
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    ACCOUNT,
    QUICK,
    STOCK,
    ScriptedGateway,
    details,
    error,
    owned,
    position,
    qualified,
    summary,
    told,
)

UNSET = 1.7976931348623157e308


BOOK = (
    ("NetLiquidation", "68000.00", "EUR"),
    ("BuyingPower", "300000.00", "EUR"),
    ("TotalCashValue", "12000.00", "EUR"),
    ("InitMarginReq", str(UNSET), "EUR"),
    ("UnrealizedPnL", "-12.34", "BASE"),
    ("UnrealizedPnL", "100.00", "USD"),
    ("RealizedPnL", "0.00", "BASE"),
    ("ExchangeRate", "1.00", "BASE"),
    ("ExchangeRate", "1.00", "EUR"),
    ("ExchangeRate", "0.9215", "USD"),
)


def test_money_is_the_base_currencys_and_profit_the_ledgers_base_row() -> None:
    async def story() -> None:
        async with ScriptedGateway([ACCOUNT, "DU2"]) as gateway:
            gateway.answers[62] = lambda fields: [
                *summary(fields[2], ACCOUNT, *BOOK)[:-1],
                *summary(fields[2], "DU2", ("NetLiquidation", "1", "USD")),
            ]
            async with owned(gateway.host, gateway.port) as own:
                money = await own.ask("fetch_account_summary", ACCOUNT)
                assert (money.currency, money.net_liquidation) == ("EUR", Decimal("68000.00"))
                assert (money.unrealized_pnl, money.realized_pnl) == (Decimal("-12.34"), 0)
                assert money.initial_margin is None
                assert money.maintenance_margin is None
                assert money.fx_rates == {"EUR": Decimal("1.00"), "USD": Decimal("0.9215")}
                accounts = await own.ask("fetch_accounts")
                assert [(a.account_number, a.base_currency) for a in accounts.items] == [
                    (ACCOUNT, "EUR"),
                    ("DU2", "USD"),
                ]
                # A gateway has two of these subscriptions: each is given back.
                assert len(gateway.asked(63)) == len(gateway.asked(62))

    told(story)


def test_profit_comes_from_account_updates_where_the_summary_has_none() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[6] = lambda _: [
                (6, 2, "UnrealizedPnL", "45.00", "BASE", ACCOUNT),
                (6, 2, "RealizedPnL", "5.00", "BASE", ACCOUNT),
                (54, 1, ACCOUNT),
            ]
            gateway.answers[62] = lambda fields: summary(
                fields[2], ACCOUNT, ("NetLiquidation", "100000.00", "USD")
            )
            async with owned(gateway.host, gateway.port) as own:
                money = await own.ask("fetch_account_summary", ACCOUNT)
                assert (money.unrealized_pnl, money.realized_pnl) == (45, 5)

    told(story)


def test_account_updates_stand_in_for_a_summary_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portfolio.brokers.ibkr_socket.asking.ANSWER_SECONDS", 0.3)

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[6] = lambda _: [
                (6, 2, "NetLiquidation", "100000.00", "USD", ACCOUNT),
                (54, 1, ACCOUNT),
            ]
            gateway.answers[62] = lambda fields: [
                (63, 1, fields[2], ACCOUNT, "NetLiquidation", "1.00", "USD")
            ]
            async with owned(gateway.host, gateway.port) as own:
                money = await own.ask("fetch_account_summary", ACCOUNT)
                assert money.net_liquidation == 100000

    told(story)


def test_summary_without_a_net_liquidation_is_refused() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[62] = lambda fields: summary(
                fields[2], ACCOUNT, ("BuyingPower", "1.00", "USD")
            )
            async with owned(gateway.host, gateway.port) as own:
                with pytest.raises(MalformedResponse, match="NetLiquidation: missing"):
                    await own.ask("fetch_account_summary", ACCOUNT)
                with pytest.raises(PermanentError, match="does not manage"):
                    await own.ask("fetch_account_summary", "DU404")

    told(story)


def test_positions_carry_the_portfolios_prices_and_the_cost_without_the_multiplier() -> None:
    option: dict[str, Any] = {
        "conid": 728937835, "symbol": "QQQ", "secType": "OPT", "expiry": "20270115",
        "strike": "500.0", "right": "P", "multiplier": "100", "tradingClass": "QQQ",
        "localSymbol": "QQQ   270115P00500000",
    }  # fmt: skip
    held = (
        7, 8, 728937835, "QQQ", "OPT", "20270115", "500.0", "P", "100", "AMEX", "USD",
        "QQQ   270115P00500000", "QQQ", "-3", "20.5", "-6150.0", "2100.6321", "151.89", "7",
        ACCOUNT,
    )  # fmt: skip

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[6] = lambda _: [held, (54, 1, ACCOUNT)]
            gateway.answers[61] = lambda _: [
                position(**option, position="-3", avgCost="2100.6321"),
                position(position="0"),
                position("DU2"),
                (62, 1),
            ]
            async with owned(gateway.host, gateway.port) as own:
                fetched = await own.ask("fetch_positions", ACCOUNT)
                (row,) = fetched.items
                assert row.contract.symbol == "QQQ   270115P00500000"
                assert (row.quantity, row.average_price) == (-3, Decimal("21.006321"))
                assert (row.price, row.market_value) == (Decimal("20.5"), -6150)
                assert (row.unrealized_pnl, row.realized_pnl) == (Decimal("151.89"), 7)
                assert fetched.rejected == ()

    told(story)


def test_bad_positions_are_rejected_by_name_and_no_empty_quantity_is_nought() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[61] = lambda _: [
                position(conid=1),
                position(conid=2, position=""),
                position(conid=3, position="many"),
                position(conid=4, secType="BOND"),
                position(conid=5)[:9],
                (62, 1),
            ]
            async with owned(gateway.host, gateway.port) as own:
                fetched = await own.ask("fetch_positions", ACCOUNT)
                assert [row.contract.aliases["ibkr"] for row in fetched.items] == ["1"]
                assert sorted(row.reason.split(":")[0] for row in fetched.rejected) == [
                    "assetClass", "frame", "position", "position",
                ]  # fmt: skip

    told(story)


def test_positions_without_their_end_are_an_error_and_not_a_shorter_book(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portfolio.brokers.ibkr_socket.asking.ANSWER_SECONDS", 0.3)

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[61] = lambda _: [position()]
            async with owned(gateway.host, gateway.port) as own:
                with pytest.raises(RetryableError, match="positions: no complete answer"):
                    await own.ask("fetch_positions", ACCOUNT)
                gateway.answers[61] = lambda _: [position(), (62, 1)]
                assert len((await own.ask("fetch_positions", ACCOUNT)).items) == 1
                gateway.hang_up_on = 61
                with pytest.raises(RetryableError, match=r"connection broke|not connected"):
                    await own.ask("fetch_positions", ACCOUNT)

    told(story)


def test_position_without_an_id_is_defined_and_an_ambiguous_one_refused() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[9] = lambda fields: [
                details(fields[2], 265598, "AAPL"),
                *([details(fields[2], 99, "AAPL")] if fields[4] == "TWO" else []),
                (52, 1, fields[2]),
            ]
            gateway.answers[61] = lambda _: [
                position(conid=0, exchange="SMART"),
                position(conid=0, symbol="TWO"),
                (62, 1),
            ]
            async with owned(gateway.host, gateway.port) as own:
                fetched = await own.ask("fetch_positions", ACCOUNT)
                assert [row.contract.aliases["ibkr"] for row in fetched.items] == ["265598"]
                (refused,) = fetched.rejected
                assert refused.reason == "conid: missing, and the terms fit no contract or several"

    told(story)


def test_read_only_gateway_that_lists_no_orders_says_so_at_once() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[16] = lambda _: [error(321, "API is in read-only mode")]
            async with owned(gateway.host, gateway.port) as own:
                with pytest.raises(PermanentError, match="read-only"):
                    await own.ask("fetch_open_orders", ACCOUNT)

    told(story)


@pytest.mark.parametrize("call", ["placeOrder", "cancelOrder", "reqGlobalCancel"])
def test_no_request_that_trades_leaves_the_desk(call: str) -> None:
    from ib_async import Order

    from config.core.errors import ForbiddenError

    ib = GatewayIB()
    ib.client.connState = ib.client.CONNECTED
    arguments = {"placeOrder": (1, qualified(STOCK), Order()), "cancelOrder": (1,)}.get(call, ())
    with pytest.raises(ForbiddenError):
        getattr(ib.client, call)(*arguments)
    assert not READING & {3, 4, 21, 58}


def test_gateway_that_leaves_requests_unanswered_is_read_all_the_same() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers = {
                61: lambda _: [position(), (62, 1)],
                62: lambda fields: summary(fields[2], ACCOUNT, *BOOK),
            }
            patience = replace(QUICK, connect=0.3)
            async with owned(gateway.host, gateway.port, patience=patience) as own:
                assert (await own.ask("fetch_account_summary", ACCOUNT)).net_liquidation == 68_000
                (row,) = (await own.ask("fetch_positions", ACCOUNT)).items
                assert (row.quantity, row.price) == (10, None)

    told(story)

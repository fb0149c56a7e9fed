"""Transcripts of a real gateway, replayed at version 178: what they say is what the desk reads."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from config.core.errors import RetryableError
from greeks.domain import Contract, InstrumentKind
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    Owned,
    ScriptedGateway,
    error,
    owned,
    position,
    told,
    until,
)
from tests.portfolio.brokers.ibkr_socket.transcripts import _encode, replay, transcript

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
AAPL = Contract(
    kind=InstrumentKind.STOCK, symbol="AAPL", underlying="AAPL", multiplier=Decimal(1),
    currency="USD", aliases={"ibkr": "265598"},
)  # fmt: skip


async def _fills(own: Owned, account: str) -> dict[str, Any]:
    fetched = await own.ask("fetch_executions", account, since=LONG_AGO)
    assert fetched.rejected == ()
    return {fill.broker_execution_id: fill for fill in fetched.items}


def test_account_summary_of_two_accounts_is_told_apart() -> None:
    async def story() -> None:
        async with (
            replay("account_summary", "DU12345", "DU99999") as gateway,
            owned(gateway.host, gateway.port) as own,
        ):
            first = await own.ask("fetch_account_summary", "DU12345")
            second = await own.ask("fetch_account_summary", "DU99999")
            assert (first.net_liquidation, first.buying_power) == (100_000, 50_000)
            assert (second.net_liquidation, second.buying_power) == (200_000, None)

    told(story)


def test_account_summary_of_a_live_account_in_euros_is_read() -> None:
    async def story() -> None:
        async with (
            replay("grounded_account_summary") as gateway,
            owned(gateway.host, gateway.port) as own,
        ):
            money = await own.ask("fetch_account_summary", "DU9000001")
            assert money.currency == "EUR"
            assert (money.net_liquidation, money.cash) == (68_000, 12_000)
            assert (money.buying_power, money.excess_liquidity) == (300_000, 50_000)
            assert (money.unrealized_pnl, money.maintenance_margin) == (None, None)
            (account,) = (await own.ask("fetch_accounts")).items
            assert (account.account_number, account.base_currency) == ("DU9000001", "EUR")

    told(story)


@pytest.mark.parametrize("name", ["account_updates", "account_updates_multi"])
def test_account_updates_are_money_where_no_summary_is_given(name: str) -> None:
    async def story() -> None:
        gateway = replay(name)
        gateway.answers[62] = lambda fields: [(64, 1, fields[2])]
        async with gateway, owned(gateway.host, gateway.port) as own:
            money = await own.ask("fetch_account_summary", "DU12345")
            assert (money.currency, money.net_liquidation) == ("USD", 100_000)

    told(story)


def test_portfolio_of_account_updates_prices_the_position() -> None:
    async def story() -> None:
        gateway = replay("account_updates")
        gateway.answers[61] = lambda _: [position("DU12345", avgCost="185.00"), (62, 1)]
        async with gateway, owned(gateway.host, gateway.port) as own:
            (row,) = (await own.ask("fetch_positions", "DU12345")).items
            assert (row.price, row.market_value) == (Decimal("189.50"), 1895)
            assert (row.unrealized_pnl, row.realized_pnl) == (45, 0)

    told(story)


def test_positions_of_a_live_account_are_read() -> None:
    async def story() -> None:
        async with (
            replay("grounded_positions") as gateway,
            owned(gateway.host, gateway.port) as own,
        ):
            fetched = await own.ask("fetch_positions", "DU9000001")
            assert fetched.rejected == ()
            rows = {row.contract.symbol: row for row in fetched.items}
            assert {symbol: row.quantity for symbol, row in rows.items()} == {
                "AMZN": 15,
                "AAPL": 10,
                "YW 20261214": 1,
                "QQQ   270115P00500000": -3,
            }
            assert rows["YW 20261214"].average_price == Decimal("6.38443")
            assert rows["QQQ   270115P00500000"].average_price == Decimal("21.006321")
            assert rows["QQQ   270115P00500000"].contract.strike == 500

    told(story)


def test_position_without_contract_id_is_found_by_its_terms() -> None:
    async def story() -> None:
        async with replay("positions") as gateway, owned(gateway.host, gateway.port) as own:
            (row,) = (await own.ask("fetch_positions", "DU12345")).items
            assert row.contract.aliases == {"ibkr": "265598"}
            assert (row.quantity, row.average_price) == (10, Decimal("189.12"))

    told(story)


def test_executions_and_their_commissions_are_read() -> None:
    async def story() -> None:
        async with replay("executions") as gateway, owned(gateway.host, gateway.port) as own:
            fill = (await _fills(own, "DU12345"))["exec-1"]
            assert (fill.quantity, fill.price) == (10, Decimal("189.11"))
            assert fill.commission == Decimal("1.25")
            assert fill.execution_time == datetime(2026, 4, 5, 12, 1, tzinfo=UTC)

    told(story)


@pytest.mark.parametrize("name", ["executions_correlated", "executions_overlapping"])
def test_commission_before_its_fill_and_fills_sent_twice_are_one_fill_each(name: str) -> None:
    async def story() -> None:
        async with replay(name) as gateway, owned(gateway.host, gateway.port) as own:
            fills = await _fills(own, "DU12345")
            assert fills["exec-aapl"].commission == Decimal("1.25")
            assert len(fills) == (2 if name == "executions_correlated" else 1)

    told(story)


def test_executions_that_never_end_are_answered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portfolio.brokers.ibkr_socket.asking.ANSWER_SECONDS", 0.3)

    async def story() -> None:
        async with (
            replay("executions_missing_end_live") as gateway,
            owned(gateway.host, gateway.port) as own,
        ):
            assert await _fills(own, "DU12345") == {}

    told(story)


def test_live_fill_names_its_zone_and_reports_its_commission_afterwards() -> None:
    async def story() -> None:
        lines = transcript("place_order_fill_native_execution_time")
        async with (
            ScriptedGateway(["DU9000001"]) as gateway,
            owned(gateway.host, gateway.port) as own,
        ):
            for _, message, said in lines:
                if message == "execution_detail":
                    gateway.send(_encode(message, said, -1) or ())
            first = (await _fills(own, "DU9000001"))["0000e0d5.69dd7411.01.01"]
            assert first.execution_time == datetime(2026, 4, 13, 19, 27, 4, tzinfo=UTC)
            assert first.commission is None
            for _, message, said in lines:
                if message == "commission_report":
                    gateway.send(_encode(message, said, -1) or ())
            await until(lambda: gateway.connections == 1)
            fill = (await _fills(own, "DU9000001"))["0000e0d5.69dd7411.01.01"]
            assert fill.commission == Decimal("1.0")

    told(story)


def test_delayed_quotes_are_taken_with_their_delay() -> None:
    async def story() -> None:
        async with (
            replay("quote_delayed_data") as gateway,
            owned(gateway.host, gateway.port) as own,
        ):
            fetched = await own.ask("fetch_snapshots", [AAPL])
            quote = fetched.items[0].quote
            assert (quote.bid, quote.ask) == (Decimal("188.50"), Decimal("188.60"))
            assert (fetched.as_of - quote.as_of).total_seconds() >= 900

    told(story)


def test_ticks_of_every_sort_leave_the_prices() -> None:
    async def story() -> None:
        async with (
            replay("quote_with_generic_ticks") as gateway,
            owned(gateway.host, gateway.port) as own,
        ):
            quote = (await own.ask("fetch_snapshots", [AAPL])).items[0].quote
            assert (quote.bid, quote.ask) == (Decimal("189.10"), Decimal("189.15"))

    told(story)


@pytest.mark.parametrize(
    ("name", "asked_again"), [("quote_stream_gap_1101", True), ("quote_stream_gap_1102", False)]
)
def test_lines_are_asked_for_again_only_where_data_was_lost(name: str, asked_again: bool) -> None:
    notices = [
        (said["code"], said["message"])
        for _, message, said in transcript(name)
        if message == "api_error"
    ]

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[9] = replay(name).answers[9]
            gateway.answers[1] = lambda fields: [(1, 6, fields[2], 4, "189.10", "1", 0)]
            async with owned(gateway.host, gateway.port) as own:
                await own.ask("fetch_snapshots", [AAPL])
                gateway.send(error(*notices[0]))
                await until(lambda: own.bridge.state.servers_lost)
                with pytest.raises(RetryableError, match="has lost IBKR's servers"):
                    await own.ask("fetch_positions", "DU1000001")
                gateway.send(error(*notices[1]))
                await until(lambda: not own.bridge.state.servers_lost)
                await own.ask("fetch_snapshots", [AAPL])
                assert len(gateway.asked(1)) == (2 if asked_again else 1)
                assert gateway.connections == 1

    told(story)


@pytest.mark.parametrize(
    "name",
    ["quote_stream_reconnect", "reconnect_multi_cycle", "reconnect_1100_then_transport_loss"],
)
def test_lines_are_open_again_after_the_transport_broke(name: str) -> None:
    lines = transcript(name)

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[9] = replay(name).answers[9]
            gateway.answers[1] = lambda fields: [
                (1, 6, fields[2], 4, "250.00" if gateway.connections == 1 else "251.00", "1", 0)
            ]
            async with owned(gateway.host, gateway.port) as own:
                assert (await own.ask("fetch_snapshots", [AAPL])).items[0].quote.last == 250
                for _, message, said in lines:
                    if message == "api_error":
                        gateway.send(error(said["code"], said["message"], said["req_id"]))
                gateway.drop()
                await until(lambda: len(gateway.asked(1)) == 2)
                assert (await own.ask("fetch_snapshots", [AAPL])).items[0].quote.last == 251

    told(story)


def test_farm_notices_at_the_start_are_no_trouble() -> None:
    async def story() -> None:
        notices = [
            (said["code"], said["message"])
            for _, message, said in transcript("bootstrap_with_farm_status")
            if message == "api_error"
        ]
        async with ScriptedGateway() as gateway:
            gateway.answers[71] = lambda _: [error(*notice) for notice in notices]
            async with owned(gateway.host, gateway.port) as own:
                assert len(notices) == 3
                assert own.bridge.state.farms_down == []

    told(story)

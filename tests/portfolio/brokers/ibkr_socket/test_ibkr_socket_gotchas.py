"""Everything that is odd about TWS and ib_async, each met by name, on a gateway of our own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import nan
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ib_async import OptionComputation, Ticker
from ib_async.connection import Connection

from config.core.errors import MalformedResponse, PermanentError, RateLimitedError, RetryableError
from greeks.domain import Contract, InstrumentKind, Right
from greeks.providers.decoding import BadRow
from portfolio.brokers.ibkr_socket.client import READING, GatewayIB
from portfolio.brokers.ibkr_socket.executions import newest_revisions, parse_gateway_time
from portfolio.brokers.ibkr_socket.ticks import decode_greeks, decode_ticker
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    ACCOUNT,
    QUICK,
    ScriptedGateway,
    commission,
    details,
    error,
    execution,
    owned,
    position,
    summary,
    told,
    until,
)

AT = datetime(2026, 4, 13, 19, 27, 4, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
UNSET = 1.7976931348623157e308
OPTION = Contract(
    kind=InstrumentKind.OPTION,
    symbol="QQQ   270115P00500000",
    underlying="QQQ",
    multiplier=Decimal(100),
    currency="USD",
    root="QQQ",
    expiry=datetime(2027, 1, 15, tzinfo=UTC).date(),
    strike=Decimal(500),
    right=Right.PUT,
    aliases={"ibkr": "728937835"},
)
STOCK = Contract(
    kind=InstrumentKind.STOCK, symbol="AAPL", underlying="AAPL", multiplier=Decimal(1),
    currency="USD", aliases={"ibkr": "265598"},
)  # fmt: skip


def _computed(**said: Any) -> OptionComputation:
    values = {
        "impliedVol": 0.2, "delta": -0.4, "optPrice": 21.0, "pvDividend": 0.0, "gamma": 0.01,
        "vega": 1.2, "theta": -0.05, "undPrice": 600.0,
    } | said  # fmt: skip
    return OptionComputation(0, **values)


# --- Greeks -------------------------------------------------------------------------------------
def test_vega_and_theta_of_minus_two_are_missing() -> None:
    # ib_async turns every sentinel to None except these two.
    ib = GatewayIB()
    ib.wrapper.startTicker(5, _qualified(OPTION), "mktData")
    ib.client.decoder.interpret(
        ["21", "5", "13", "0", "-1", "-2", "-1", "-1", "-2", "-2", "-2", "-1"]
    )
    computed = ib.wrapper.reqId2Ticker[5].modelGreeks
    assert computed is not None
    assert (computed.delta, computed.vega, computed.theta) == (None, -2.0, -2.0)
    assert decode_greeks(computed, AT) is None


def test_some_sentinels_leave_the_other_greeks() -> None:
    greeks = decode_greeks(_computed(vega=-2.0, theta=-2.0), AT)
    assert greeks is not None
    assert (greeks.delta, greeks.gamma, greeks.vega, greeks.theta) == (-0.4, 0.01, None, None)
    assert greeks.source == "ibkr"


@pytest.mark.parametrize("missing", [nan, UNSET, None, float("inf")])
def test_unset_numbers_and_nan_are_missing(missing: Any) -> None:
    greeks = decode_greeks(_computed(gamma=missing, undPrice=missing, impliedVol=missing), AT)
    assert greeks is not None
    assert (greeks.gamma, greeks.underlying_price, greeks.implied_volatility) == (None, None, None)
    assert greeks.delta == -0.4


@pytest.mark.parametrize("said", [{"delta": 1.5}, {"gamma": -0.1}, {"vega": -1.0}])
def test_impossible_greek_refuses_the_row(said: dict[str, float]) -> None:
    with pytest.raises(BadRow, match=next(iter(said))):
        decode_greeks(_computed(**said), AT)


def test_model_greeks_are_taken_live_and_delayed_and_bid_greeks_are_not() -> None:
    for tick, expected in ((13, 0.5), (83, 0.5), (10, None), (80, None)):
        ib = GatewayIB()
        ib.wrapper.startTicker(5, _qualified(OPTION), "mktData")
        ib.client.decoder.interpret(
            ["21", "5", str(tick), "0", "0.2", "0.5", "21", "0", "0.01", "1.2", "-0.05", "600"]
        )
        snapshot = decode_ticker(ib.wrapper.reqId2Ticker[5], OPTION)
        greeks = snapshot.greeks if snapshot else None
        assert (greeks.delta if greeks else None) == expected


def test_empty_fields_of_a_computation_are_missing() -> None:
    ib = GatewayIB()
    ib.wrapper.startTicker(5, _qualified(OPTION), "mktData")
    ib.client.decoder.interpret(["21", "5", "13", "0", "0.2", "-0.4", "", "", "", "", "", ""])
    greeks = decode_greeks(ib.wrapper.reqId2Ticker[5].modelGreeks, AT)
    assert greeks is not None
    assert (greeks.delta, greeks.gamma, greeks.vega, greeks.theta) == (-0.4, None, None, None)


# --- Quotes -------------------------------------------------------------------------------------
def test_minus_one_and_nan_are_no_price() -> None:
    ticker = _ticker(bid=-1.0, ask=nan, last=189.5, close=188.0)
    snapshot = decode_ticker(ticker, STOCK)
    assert snapshot is not None
    assert snapshot.quote is not None
    quote = snapshot.quote
    assert (quote.bid, quote.ask, quote.last) == (None, None, Decimal("189.5"))
    assert quote.previous_close == Decimal("188.0")
    assert decode_ticker(Ticker(contract=_qualified(STOCK)), STOCK) is None


def test_delayed_data_is_a_quarter_of_an_hour_old() -> None:
    live = _ticker(last=189.5, marketDataType=1)
    delayed = _ticker(last=189.5, marketDataType=3)
    first, second = decode_ticker(live, STOCK), decode_ticker(delayed, STOCK)
    assert first
    assert first.quote
    assert second
    assert second.quote
    assert timedelta(minutes=14) < first.quote.as_of - second.quote.as_of < timedelta(minutes=16)


def _ticker(**said: float) -> Ticker:
    ticker = Ticker(contract=_qualified(STOCK))
    for name, value in said.items():
        setattr(ticker, name, value)
    return ticker


def _qualified(contract: Contract) -> Any:
    import ib_async

    return ib_async.Contract(conId=int(contract.aliases["ibkr"]), secType="OPT", exchange="SMART")


# --- Times --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Naive, two spaces: in the zone of the settings.
        ("20260413  15:27:04", AT),
        ("20260413 15:27:04 US/Eastern", AT),
        ("20260413 21:27:04 Europe/Berlin", AT),
        ("20260413 21:27:04 Central European Standard Time", AT),
        ("20260413-19:27:04", AT),
        ("20260413  15:27:04 EDT", AT),
        ("2026-04-13T19:27:04Z", AT),
        (str(int(AT.timestamp())), AT),
        ("20260413 15:27:04 Mars/Olympus", None),
        ("20261313  15:27:04", None),
        ("soon", None),
        ("", None),
    ],
)
def test_time_is_read_in_the_zone_that_it_is_meant_in(text: str, expected: datetime | None) -> None:
    assert parse_gateway_time(text, NEW_YORK) == expected


# --- Executions ---------------------------------------------------------------------------------
def test_of_corrections_only_the_last_counts() -> None:
    ids = [
        "0000e0d5.69dd7411.01.01",
        "0000e0d5.69dd7411.01.02",
        "0000e0d5.69dd7411.01.10",
        "0000e0d5.69dd7411.02.01",
        "exec-1",
        "0001e",
    ]
    assert newest_revisions(ids) == [
        "0000e0d5.69dd7411.01.10",
        "0000e0d5.69dd7411.02.01",
        "exec-1",
        "0001e",
    ]


def test_correction_replaces_the_fill_and_waits_for_its_own_commission() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [
                execution("e0.1.01", request=fields[2]),
                commission("e0.1.01", "1.0"),
                execution("e0.1.02", request=fields[2], price="258.00"),
                (55, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port) as own:
                fetched = await own.ask("fetch_executions", ACCOUNT, since=LONG_AGO)
                (fill,) = fetched.items
                assert fill.broker_execution_id == "e0.1.02"
                assert (fill.price, fill.commission) == (Decimal("258.00"), None)
                assert fill.execution_time == AT

    told(story)


def test_commission_is_none_until_it_is_reported_and_nought_only_when_it_is() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [
                execution("one", request=fields[2]),
                execution("two", request=fields[2]),
                execution("three", request=fields[2]),
                commission("two", "0.0"),
                commission("three", str(UNSET)),
                (55, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port) as own:
                assert await _commissions(own) == {"one": None, "two": 0, "three": None}
                gateway.send(commission("one", "1.25"))
                await asyncio.sleep(0.05)
                # The second answer holds empty reports in ib_async; ours keeps what was told.
                assert await _commissions(own) == {"one": Decimal("1.25"), "two": 0, "three": None}

    told(story)


def test_commission_that_comes_before_its_fill_is_kept() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [
                commission("early", "1.25"),
                execution("early", request=fields[2]),
                (55, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port) as own:
                assert await _commissions(own) == {"early": Decimal("1.25")}

    told(story)


def test_executions_without_their_end_are_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portfolio.brokers.ibkr_socket.asking.ANSWER_SECONDS", 0.3)

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [execution("only", request=fields[2])]
            async with owned(gateway.host, gateway.port) as own:
                assert await _commissions(own) == {"only": None}

    told(story)


def test_fill_without_a_readable_time_is_kept_and_one_without_shares_is_rejected() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[7] = lambda fields: [
                execution("timeless", request=fields[2], time="tomorrow"),
                execution("nothing", request=fields[2], shares=""),
                execution("other", "DU2", request=fields[2]),
                execution("short", request=fields[2])[:20],
                (55, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port) as own:
                fetched = await own.ask("fetch_executions", ACCOUNT, since=LONG_AGO)
                (fill,) = fetched.items
                assert (fill.broker_execution_id, fill.execution_time) == ("timeless", None)
                reasons = sorted(row.reason for row in fetched.rejected)
                assert [reason.split(":")[0] for reason in reasons] == ["frame", "shares"]

    told(story)


async def _commissions(own: Any) -> dict[str, Decimal | None]:
    fetched = await own.ask("fetch_executions", ACCOUNT, since=LONG_AGO)
    return {fill.broker_execution_id: fill.commission for fill in fetched.items}


# --- Money --------------------------------------------------------------------------------------
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


# --- Positions ----------------------------------------------------------------------------------
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


# --- Market data --------------------------------------------------------------------------------
def _answer_data(gateway: ScriptedGateway, *, allowed: int = 1000) -> set[str]:
    """Definitions and prices for every contract; error 101 beyond so many lines."""
    lines: set[str] = set()

    def asked(fields: list[str]) -> list[Any]:
        if len(lines) >= allowed:
            return [error(101, "Max number of tickers has been reached", fields[2])]
        lines.add(fields[2])
        return [(1, 6, fields[2], 4, "189.5", "1", 0)]

    def cancelled(fields: list[str]) -> list[Any]:
        lines.discard(fields[2])
        return []

    gateway.answers[1], gateway.answers[2] = asked, cancelled
    gateway.answers[9] = lambda fields: [
        details(fields[2], int(fields[3]), f"S{fields[3]}"),
        (52, 1, fields[2]),
    ]
    return lines


def _stocks(count: int) -> list[Contract]:
    return [
        Contract(
            kind=InstrumentKind.STOCK, symbol=f"S{number}", underlying=f"S{number}",
            multiplier=Decimal(1), currency="USD", aliases={"ibkr": str(number)},
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def test_contract_is_qualified_before_data_is_asked_for() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            _answer_data(gateway)
            async with owned(gateway.host, gateway.port) as own:
                fetched = await own.ask("fetch_snapshots", [STOCK])
                assert fetched.items[0].quote.last == Decimal("189.5")
                (asked,) = gateway.asked(1)
                # conId, …, exchange: positions leave it empty.
                assert (asked[3], asked[10]) == ("265598", "SMART")
                await own.ask("fetch_snapshots", [STOCK])
                assert len(gateway.asked(9)) == len(gateway.asked(1)) == 1

    told(story)


def test_ambiguous_and_unknown_contracts_get_no_line() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            _answer_data(gateway)
            gateway.answers[9] = lambda fields: (
                [error(200, "No security definition", fields[2])]
                if fields[4] == "NONE"
                else [details(fields[2], 1, "X"), details(fields[2], 2, "X"), (52, 1, fields[2])]
            )
            async with owned(gateway.host, gateway.port) as own:
                strangers = [
                    Contract(kind=InstrumentKind.STOCK, symbol=name, underlying=name,
                             multiplier=Decimal(1), currency="USD")
                    for name in ("NONE", "TWO")
                ]  # fmt: skip
                fetched = await own.ask("fetch_snapshots", strangers)
                assert (fetched.items, fetched.rejected) == ((), ())
                assert gateway.asked(1) == []

    told(story)


def test_more_contracts_than_lines_take_turns_and_held_ones_stay() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            lines = _answer_data(gateway)
            gateway.answers[61] = lambda _: [position(conid=n) for n in (9, 10)] + [(62, 1)]
            async with owned(gateway.host, gateway.port, lines=4) as own:
                await own.ask("fetch_positions", ACCOUNT)
                fetched = await own.ask("fetch_snapshots", _stocks(10))
                assert len(fetched.items) == 10
                await until(lambda: len(lines) == 4)
                open_now = {fields[3] for fields in gateway.asked(1) if fields[2] in lines}
                assert {"9", "10"} <= open_now

    told(story)


def test_too_many_lines_said_by_the_gateway_is_lived_with() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            lines = _answer_data(gateway, allowed=3)
            async with owned(gateway.host, gateway.port, lines=50) as own:
                fetched = await own.ask("fetch_snapshots", _stocks(8))
                assert len(fetched.items) == 8
                assert len(lines) <= 3

    told(story)


def test_contract_without_permission_is_absent_and_not_asked_for_again() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            _answer_data(gateway)
            gateway.answers[1] = lambda fields: [error(354, "not subscribed", fields[2])]
            async with owned(gateway.host, gateway.port) as own:
                for _ in range(2):
                    assert (await own.ask("fetch_snapshots", [STOCK])).items == ()
                assert len(gateway.asked(1)) == 1

    told(story)


def test_requests_keep_under_the_pace_that_the_vendor_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times: list[float] = []
    send = Connection.sendMsg

    def timed(connection: Connection, message: bytes) -> None:
        times.append(asyncio.get_running_loop().time())
        send(connection, message)

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            _answer_data(gateway)
            async with owned(gateway.host, gateway.port) as own:
                monkeypatch.setattr(Connection, "sendMsg", timed)
                fetched = await own.ask("fetch_snapshots", _stocks(80))
                assert len(fetched.items) == 80
        assert len(times) >= 160
        assert max(sum(t <= u < t + 1.0 for u in times) for t in times) <= 46

    told(story)


def test_pace_violation_says_to_wait() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[62] = lambda fields: [error(100, "Max rate exceeded", fields[2])]
            async with owned(gateway.host, gateway.port) as own:
                with pytest.raises(RateLimitedError) as caught:
                    await own.ask("fetch_account_summary", ACCOUNT)
                assert caught.value.retry_after == 1.0

    told(story)


# --- Orders -------------------------------------------------------------------------------------
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
    arguments = {"placeOrder": (1, _qualified(STOCK), Order()), "cancelOrder": (1,)}.get(call, ())
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

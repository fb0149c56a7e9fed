"""Greeks, quotes, their lines and times, on a gateway of our own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import nan
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ib_async import OptionComputation, Ticker
from ib_async.connection import Connection

from config.core.errors import RateLimitedError
from greeks.domain import Contract, InstrumentKind
from portfolio.brokers.ibkr_socket.client import GatewayIB
from portfolio.brokers.ibkr_socket.orders import parse_gateway_time
from portfolio.brokers.ibkr_socket.ticks import decode_greeks, decode_ticker
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    ACCOUNT,
    OPTION,
    STOCK,
    ScriptedGateway,
    details,
    error,
    owned,
    position,
    qualified,
    told,
    until,
)

AT = datetime(2026, 4, 13, 19, 27, 4, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
UNSET = 1.7976931348623157e308


def _computed(**said: Any) -> OptionComputation:
    values = {
        "impliedVol": 0.2, "delta": -0.4, "optPrice": 21.0, "pvDividend": 0.0, "gamma": 0.01,
        "vega": 1.2, "theta": -0.05, "undPrice": 600.0,
    } | said  # fmt: skip
    return OptionComputation(0, **values)


def test_vega_and_theta_of_minus_two_are_missing() -> None:
    # ib_async turns every sentinel to None except these two.
    ib = GatewayIB()
    ib.wrapper.startTicker(5, qualified(OPTION), "mktData")
    ib.client.decoder.interpret(
        ["21", "5", "13", "0", "-1", "-2", "-1", "-1", "-2", "-2", "-2", "-1"]
    )
    computed = ib.wrapper.reqId2Ticker[5].modelGreeks
    assert computed is not None
    assert (computed.delta, computed.vega, computed.theta) == (None, -2.0, -2.0)
    assert decode_greeks(computed, AT, []) is None


def test_some_sentinels_leave_the_other_greeks() -> None:
    greeks = decode_greeks(_computed(vega=-2.0, theta=-2.0), AT, [])
    assert greeks is not None
    assert (greeks.delta, greeks.gamma, greeks.vega, greeks.theta) == (-0.4, 0.01, None, None)
    assert greeks.source == "ibkr"


@pytest.mark.parametrize("missing", [nan, UNSET, None, float("inf")])
def test_unset_numbers_and_nan_are_missing(missing: Any) -> None:
    greeks = decode_greeks(_computed(gamma=missing, undPrice=missing, impliedVol=missing), AT, [])
    assert greeks is not None
    assert (greeks.gamma, greeks.underlying_price, greeks.implied_volatility) == (None, None, None)
    assert greeks.delta == -0.4


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"delta": -999.0}, "delta: -999 is impossible"),
        ({"gamma": -0.1}, "gamma: -0.1 is impossible"),
        ({"gamma": 1e200}, "gamma: 1e+200 is too large to be true"),
        ({"gamma": 1e308}, "gamma: 1e+308 is too large to be true"),
        ({"vega": -1.0}, "vega: -1 is impossible"),
        ({"impliedVol": 250.0}, "implied_volatility: 250 is impossible"),
    ],
)
def test_impossible_greek_is_missing_by_name_and_the_quote_stays(
    said: dict[str, float], fault: str
) -> None:
    ticker = _ticker(bid=2.1, ask=2.3, modelGreeks=_computed(**said))
    snapshot = decode_ticker(ticker, OPTION)
    assert snapshot is not None
    assert snapshot.quote is not None
    assert (snapshot.quote.bid, snapshot.faults) == (Decimal("2.1"), (fault,))
    greeks = snapshot.greeks
    assert greeks is not None
    complete = "impliedVol" in said
    assert greeks.is_complete is complete
    assert ((greeks.delta, greeks.theta) == (None, None)) is not complete


def test_model_greeks_are_taken_live_and_delayed_and_bid_greeks_are_not() -> None:
    for tick, expected in ((13, 0.5), (83, 0.5), (10, None), (80, None)):
        ib = GatewayIB()
        ib.wrapper.startTicker(5, qualified(OPTION), "mktData")
        ib.client.decoder.interpret(
            ["21", "5", str(tick), "0", "0.2", "0.5", "21", "0", "0.01", "1.2", "-0.05", "600"]
        )
        snapshot = decode_ticker(ib.wrapper.reqId2Ticker[5], OPTION)
        greeks = snapshot.greeks if snapshot else None
        assert (greeks.delta if greeks else None) == expected


def test_empty_fields_of_a_computation_are_missing() -> None:
    ib = GatewayIB()
    ib.wrapper.startTicker(5, qualified(OPTION), "mktData")
    ib.client.decoder.interpret(["21", "5", "13", "0", "0.2", "-0.4", "", "", "", "", "", ""])
    greeks = decode_greeks(ib.wrapper.reqId2Ticker[5].modelGreeks, AT, [])
    assert greeks is not None
    assert (greeks.delta, greeks.gamma, greeks.vega, greeks.theta) == (-0.4, None, None, None)


def test_minus_one_and_nan_are_no_price() -> None:
    ticker = _ticker(bid=-1.0, ask=nan, last=189.5, close=188.0)
    snapshot = decode_ticker(ticker, STOCK)
    assert snapshot is not None
    assert snapshot.quote is not None
    quote = snapshot.quote
    assert (quote.bid, quote.ask, quote.last) == (None, None, Decimal("189.5"))
    assert quote.previous_close == Decimal("188.0")
    assert decode_ticker(Ticker(contract=qualified(STOCK)), STOCK) is None


def test_delayed_data_is_a_quarter_of_an_hour_old() -> None:
    live = _ticker(last=189.5, marketDataType=1)
    delayed = _ticker(last=189.5, marketDataType=3)
    first, second = decode_ticker(live, STOCK), decode_ticker(delayed, STOCK)
    assert first
    assert first.quote
    assert second
    assert second.quote
    assert timedelta(minutes=14) < first.quote.as_of - second.quote.as_of < timedelta(minutes=16)


def _ticker(**said: Any) -> Ticker:
    ticker = Ticker(contract=qualified(STOCK))
    for name, value in said.items():
        setattr(ticker, name, value)
    return ticker


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


def test_contract_isqualified_before_data_is_asked_for() -> None:
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

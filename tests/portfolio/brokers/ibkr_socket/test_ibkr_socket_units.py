"""Prices of contracts quoted in hundredths, and the future an option delivers, over the socket."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from greeks.domain import Contract, InstrumentKind
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    ACCOUNT,
    Frame,
    ScriptedGateway,
    details,
    execution,
    owned,
    position,
    told,
)

COTTON: dict[str, Any] = {
    "symbol": "CT", "secType": "FUT", "expiry": "20261208", "multiplier": "50000",
    "localSymbol": "CTZ6", "tradingClass": "CT", "exchange": "NYBOT",
}  # fmt: skip
OPTION: dict[str, Any] = COTTON | {
    "secType": "FOP", "expiry": "20261113", "strike": "72", "right": "P",
    "localSymbol": "CTZ6 P72", "priceMagnifier": 100, "underConId": 7,
}  # fmt: skip


def _defined(fields: list[str]) -> list[Frame]:
    """The definition of contract 7, the future, or of 8, an option on it."""
    terms: dict[str, Any] = {"7": COTTON | {"priceMagnifier": 100}, "8": OPTION}.get(fields[3], {})
    said = {name: value for name, value in terms.items() if name != "symbol"}
    return [details(fields[2], int(fields[3]), "CT", **said), (52, 1, fields[2])]


def _value(conid: int, price: str, value: str) -> Frame:
    return (
        7, 8, conid, "CT", "FUT", "20261208", "0", "", "50000", "NYBOT", "USD", "CTZ6", "CT",
        "1", price, value, "35000.0", "1000.0", "0.0", ACCOUNT,
    )  # fmt: skip


@pytest.mark.parametrize("sent", ["0.72", "72.0"])
def test_position_quoted_in_cents_is_held_in_dollars(sent: str) -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[9] = _defined
            gateway.answers[6] = lambda fields: [_value(7, sent, "36000"), (54, 1, fields[3])]
            gateway.answers[61] = lambda _: [
                position(conid=7, position="1", avgCost="35000", **COTTON),
                (62, 1),
            ]
            async with owned(gateway.host, gateway.port) as own:
                (row,) = (await own.ask("fetch_positions", ACCOUNT)).items
        assert (row.price, row.average_price) == (Decimal("0.72"), Decimal("0.7"))
        assert (row.market_value, row.unrealized_pnl) == (36000, 1000)
        assert row.raw["portfolio"]["marketPrice"] == sent
        assert row.raw["priceMagnifier"] == "100"
        assert row.contract.underlying == "/CT"

    told(story)


def test_fill_in_cents_is_recorded_in_dollars() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[9] = _defined
            gateway.answers[7] = lambda fields: [
                execution("one", request=fields[2], conid=7, price="72.15", **COTTON),
                (55, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port) as own:
                since = datetime(2026, 1, 1, tzinfo=UTC)
                (fill,) = (await own.ask("fetch_executions", ACCOUNT, since=since)).items
        assert (fill.price, fill.contract.multiplier) == (Decimal("0.7215"), 50000)
        assert fill.raw["price"] == "72.15"

    told(story)


def test_option_in_pence_is_held_in_pounds() -> None:
    terms: dict[str, Any] = {
        "symbol": "VOD", "secType": "OPT", "expiry": "20261218", "strike": "70", "right": "C",
        "multiplier": "1000", "localSymbol": "VOD DEC 26 70 C", "tradingClass": "VOD",
        "exchange": "ICEEU", "currency": "GBP",
    }  # fmt: skip
    said = {name: value for name, value in terms.items() if name != "symbol"}

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[9] = lambda fields: [
                details(fields[2], 9, "VOD", **said, priceMagnifier=100),
                (52, 1, fields[2]),
            ]
            gateway.answers[61] = lambda _: [
                position(conid=9, position="1", avgCost="50", **terms),
                (62, 1),
            ]
            async with owned(gateway.host, gateway.port) as own:
                (row,) = (await own.ask("fetch_positions", ACCOUNT)).items
        assert (row.contract.strike, row.average_price) == (Decimal("0.7"), Decimal("0.05"))

    told(story)


def test_option_on_a_future_names_its_future_and_has_its_strike_in_dollars() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[9] = _defined
            terms = {name: value for name, value in OPTION.items() if name in COTTON}
            gateway.answers[61] = lambda _: [
                position(conid=8, position="-1", strike="72", right="P", **terms),
                (62, 1),
            ]
            async with owned(gateway.host, gateway.port) as own:
                (row,) = (await own.ask("fetch_positions", ACCOUNT)).items
        assert row.contract.strike == Decimal("0.72")
        assert row.contract.underlying_key == "future:CT:20261208:50000:USD"

    told(story)


def test_ticks_in_cents_are_quotes_in_dollars() -> None:
    contract = Contract(
        kind=InstrumentKind.FUTURE, symbol="CT 20261208", underlying="/CT", root="CT",
        multiplier=Decimal(50000), currency="USD", aliases={"ibkr": "7"},
    )  # fmt: skip

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[9] = _defined
            gateway.answers[1] = lambda fields: [
                (1, 6, fields[2], 1, "71.9", 3, 1),
                (1, 6, fields[2], 2, "72.1", 3, 1),
                (1, 6, fields[2], 9, "71.5", 0, 1),
            ]
            async with owned(gateway.host, gateway.port) as own:
                (item,) = (await own.ask("fetch_snapshots", [contract])).items
        quote = item.quote
        assert (quote.bid, quote.ask) == (Decimal("0.719"), Decimal("0.721"))
        assert quote.previous_close == Decimal("0.715")

    told(story)

"""Findings from a gateway and a book we did not make."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from ib_async import Ticker

from greeks.domain import Contract, InstrumentKind
from greeks.instruments.identity import instrument_key
from portfolio.brokers.ibkr_portal.contracts import decode_contract
from portfolio.brokers.ibkr_socket.ticks import decode_ticker
from tests.portfolio.brokers.ibkr_socket.ibkr_socket_support import (
    ACCOUNT,
    QUICK,
    Frame,
    ScriptedGateway,
    details,
    owned,
    position,
    told,
    until,
)

STOCK = Contract(
    kind=InstrumentKind.STOCK, symbol="AAPL", underlying="AAPL", multiplier=Decimal(1),
    currency="USD", aliases={"ibkr": "265598"},
)  # fmt: skip


def _future_option(conid: int, trading_class: str, quantity: str) -> Frame:
    return position(
        conid=conid, symbol="ES", secType="FOP", expiry="20261218", strike="5500.0", right="P",
        multiplier="50", localSymbol=f"{trading_class}Z6 P5500", tradingClass=trading_class,
        position=quantity, avgCost="4310.25",
    )  # fmt: skip


def test_weekly_and_quarterly_future_options_of_one_day_are_two_contracts() -> None:
    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[61] = lambda _: [
                _future_option(1008, "ES", "-3"),
                _future_option(1050, "EW3", "7"),
                (62, 1),
            ]
            async with owned(gateway.host, gateway.port) as own:
                book = await own.ask("fetch_positions", ACCOUNT)
        assert {(row.contract.root, row.quantity) for row in book.items} == {("ES", -3), ("EW3", 7)}
        assert {row.contract.underlying for row in book.items} == {"/ES"}
        assert len({instrument_key(row.contract) for row in book.items}) == 2

    told(story)


def test_the_client_portal_names_a_future_option_as_the_socket_does() -> None:
    contract = decode_contract(
        {
            "conid": 1050, "assetClass": "FOP", "ticker": "ES", "expiry": "20261218",
            "strike": "5500", "putOrCall": "P", "multiplier": 50.0, "currency": "USD",
            "contractDesc": "ES     DEC2026 5500 P [EW3Z6 P5500 50]",
        }
    )  # fmt: skip
    assert (contract.root, contract.symbol) == ("EW3", "EW3 20261218 P 5500")


def test_a_contract_that_has_not_traded_has_no_price_of_nought() -> None:
    ticker = Ticker()
    ticker.last = ticker.close = ticker.open = 0.0
    assert decode_ticker(ticker, STOCK) is None
    ticker.ask = 0.05
    snapshot = decode_ticker(ticker, STOCK)
    assert snapshot is not None
    assert snapshot.quote is not None
    assert (snapshot.quote.last, snapshot.quote.previous_close) == (None, None)
    assert snapshot.quote.opening_price is None


def test_a_book_that_is_read_again_and_again_does_not_pass_for_a_market_that_moves() -> None:
    # With several accounts each reading asks for updates; their answers prove no live stream.
    accounts = [ACCOUNT, "DU1000002"]

    async def story() -> None:
        patience = replace(QUICK, stale=0.6, stale_without_lines=0.6)
        async with ScriptedGateway(accounts) as gateway:
            # What ends a subscription is not answered.
            gateway.answers[6] = lambda fields: (
                [(6, 2, "NetLiquidation", "1.00", "USD", fields[3]), (54, 1, fields[3])]
                if fields[2] == "1"
                else []
            )
            async with owned(
                gateway.host, gateway.port, patience=patience, in_session=lambda: True
            ) as own:

                async def read() -> None:
                    while True:
                        await own.bridge._book.positions(ACCOUNT)
                        await asyncio.sleep(0.05)

                reading = asyncio.create_task(read())
                try:
                    await until(lambda: gateway.connections > 1, seconds=5.0)
                finally:
                    reading.cancel()
                    await asyncio.gather(reading, return_exceptions=True)
                assert own.bridge.state.stale

    told(story)


def test_book_far_wider_than_the_lines_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing trades, so that each turn takes its whole time and one request has few turns.
    monkeypatch.setattr("portfolio.brokers.ibkr_socket.lines.TURN_SECONDS", 0.2)
    monkeypatch.setattr("portfolio.brokers.ibkr_socket.adapter.SNAPSHOT_SECONDS", 0.5)
    book = [
        replace(STOCK, symbol=f"S{number}", underlying=f"S{number}", aliases={"ibkr": str(number)})
        for number in range(1, 13)
    ]

    async def story() -> None:
        async with ScriptedGateway() as gateway:
            gateway.answers[1] = lambda fields: [(1, 6, fields[2], 9, f"{fields[3]}.5", 0, 1)]
            gateway.answers[9] = lambda fields: [
                details(fields[2], int(fields[3]), f"S{fields[3]}"),
                (52, 1, fields[2]),
            ]
            async with owned(gateway.host, gateway.port, lines=2) as own:
                counts = [len((await own.ask("fetch_snapshots", book)).items) for _ in range(7)]
                fetched = await own.ask("fetch_snapshots", book)
        assert counts[0] < 12
        # None is left out for good, and none forgotten because others had their turn.
        assert counts == sorted(counts)
        assert {item.contract.symbol: item.quote.previous_close for item in fetched.items} == {
            contract.symbol: Decimal(f"{contract.symbol[1:]}.5") for contract in book
        }

    told(story)

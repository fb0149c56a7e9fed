"""The vendor community's own streamer, unmodified, reads the simulated dxLink."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from config.core.sandbox.server import Sandbox
from greeks.domain import Contract
from greeks.instruments.occ import parse_occ
from portfolio.sandbox.tastytrade.log_ins import CLIENT_SECRET, REFRESH_TOKEN


@pytest.fixture
def held(sandbox: Sandbox) -> Contract:
    """An option of the simulated book."""
    book = sandbox.books.account("5WX00001")
    found = next(p.contract for p in book.positions() if p.contract.is_option)
    assert isinstance(found, Contract)
    return found


def test_unmodified_streamer_and_it_reads_quotes_and_greeks(
    sandbox: Sandbox, held: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tastytrade.session.API_URL", sandbox.url("tastytrade"))
    symbol = parse_occ(held.symbol).streamer

    read = asyncio.run(asyncio.wait_for(_read(symbol, held.underlying), 30))

    now = sandbox.market.quote(held)
    greeks, quote = read["greeks"], read["quote"]
    assert greeks.event_symbol == quote.event_symbol == symbol
    assert float(greeks.delta) == pytest.approx(now.delta, abs=0.02)
    assert float(greeks.volatility) == pytest.approx(now.implied_volatility, rel=0.05)
    assert float(greeks.vega) == pytest.approx(now.vega, rel=0.05)
    assert Decimal(0) <= quote.bid_price < quote.ask_price
    assert float(quote.bid_price) == pytest.approx(now.bid, rel=0.1, abs=0.1)
    assert read["trade"].event_symbol == held.underlying
    assert read["summary"].prev_day_close_price == Decimal(
        str(sandbox.market.quote(sandbox.market.underlying(held.underlying)).previous_close)
    )
    assert read["profile"].description


async def _read(symbol: str, underlying: str) -> dict[str, Any]:
    # Loaded when it is needed: every worker would wait for it.
    import tastytrade
    from tastytrade.dxfeed import Greeks, Profile, Quote, Summary, Trade

    async with (
        tastytrade.Session(CLIENT_SECRET, REFRESH_TOKEN) as session,
        tastytrade.DXLinkStreamer(session) as streamer,
    ):
        await streamer.subscribe(Quote, [symbol])
        await streamer.subscribe(Greeks, [symbol, underlying])
        await streamer.subscribe(Trade, [underlying])
        await streamer.subscribe(Summary, [underlying])
        await streamer.subscribe(Profile, [underlying])
        read = {
            "quote": await streamer.get_event(Quote),
            "greeks": await streamer.get_event(Greeks),
            "trade": await streamer.get_event(Trade),
            "summary": await streamer.get_event(Summary),
            "profile": await streamer.get_event(Profile),
        }
        await streamer.unsubscribe(Quote, [symbol])
        await streamer.unsubscribe_all(Greeks)
        return read

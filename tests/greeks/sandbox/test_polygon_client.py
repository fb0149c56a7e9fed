"""The vendor's own client, unmodified, reads the simulated Polygon.io."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from massive import RESTClient
from massive.exceptions import BadResponse

from config.core.sandbox.server import Sandbox
from greeks.sandbox.market import Market
from greeks.sandbox.polygon.payloads import ticker
from greeks.sandbox.polygon.rules import API_KEY


def client(sandbox: Sandbox, **options: Any) -> RESTClient:
    return RESTClient(api_key=API_KEY, base=sandbox.url("polygon"), retries=0, **options)


def test_unmodified_client_and_it_pages_through_a_whole_chain(sandbox: Sandbox) -> None:
    market = sandbox.market
    expiry = market.expiries("SPY")[8]
    listed = {ticker(contract) for contract in market.chain("SPY", expiry)}

    rows = list(
        client(sandbox).list_snapshot_options_chain(
            "SPY", params={"expiration_date": expiry.isoformat(), "limit": 100}
        )
    )

    assert {row.details.ticker for row in rows} == listed
    assert len(rows) == len(listed) > 100
    pages = sandbox.faults.requests(server="polygon")
    assert len(pages) == -(-len(listed) // 100)
    quotes = {ticker(q.contract): q for q in market.quotes(market.chain("SPY", expiry))}
    row = min(rows, key=lambda row: abs((row.greeks.delta or 9) - 0.5))
    assert row.greeks.delta == pytest.approx(quotes[row.details.ticker].delta, abs=0.01)
    assert row.underlying_asset.price == pytest.approx(
        quotes[row.details.ticker].underlying_price, rel=0.01
    )


def test_unmodified_client_and_an_index_has_a_value_instead_of_a_price(sandbox: Sandbox) -> None:
    reader = client(sandbox)

    row = next(iter(reader.list_snapshot_options_chain("I:VIX", params={"limit": 1})))
    [index, unknown] = reader.get_snapshot_indices(["I:VIX", "I:NONE"])

    assert row.underlying_asset.price is None
    assert row.underlying_asset.value == pytest.approx(index.value, rel=0.01)
    assert unknown.error == "NOT_FOUND"


def test_unmodified_client_and_one_option_and_its_listing(sandbox: Sandbox) -> None:
    market = sandbox.market
    contract = market.chain("AAPL", market.expiries("AAPL")[1])[20]
    reader = client(sandbox)

    row = reader.get_snapshot_option("AAPL", ticker(contract))
    listed = reader.get_options_contract(ticker(contract))
    page = list(
        reader.list_options_contracts(
            "AAPL", expiration_date=contract.expiry.isoformat(), limit=1000
        )
    )

    assert row.details.strike_price == listed.strike_price == float(contract.strike)
    assert listed.expiration_date == contract.expiry.isoformat()
    assert ticker(contract) in {one.ticker for one in page}
    with pytest.raises(BadResponse, match="not found"):
        reader.get_options_contract("O:NONE260117C00001000")


def test_unmodified_client_and_options_of_any_underlying_by_name(sandbox: Sandbox) -> None:
    market = sandbox.market
    wanted = [
        ticker(contract)
        for symbol in ("SPY", "VIX", "AAPL")
        for contract in market.chain(symbol, market.expiries(symbol)[1])[30:40]
    ]

    rows = list(client(sandbox).list_universal_snapshots(ticker_any_of=[*wanted, "O:NONE"]))

    assert [row.ticker for row in rows] == [*wanted, "O:NONE"]
    assert rows[-1].error == "NOT_FOUND"
    assert {row.underlying_asset.ticker for row in rows[:-1]} == {"SPY", "I:VIX", "AAPL"}
    assert len(sandbox.faults.requests(server="polygon")) == 4


def test_unmodified_client_and_the_last_bar_is_the_previous_close() -> None:
    # A Wednesday, in session.
    start = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
    with Sandbox(market=Market.simulated(seed=7, start=start)) as sandbox:
        bars = list(
            client(sandbox).list_aggs("SPY", 1, "day", "2025-10-01", "2026-11-17", limit=100)
        )
        spy = sandbox.market.quote(sandbox.market.underlying("SPY"))

    assert len(bars) >= 280
    assert bars[-1].close == spy.previous_close
    days = [datetime.fromtimestamp(bar.timestamp / 1000, UTC) for bar in bars]
    assert days == sorted(set(days))
    assert days[-1] - timedelta(hours=5) == datetime(2026, 11, 17, tzinfo=UTC)


def test_wrong_key_and_too_many_rows_are_refused(sandbox: Sandbox) -> None:
    stranger = RESTClient(api_key="another", base=sandbox.url("polygon"), retries=0)

    with pytest.raises(BadResponse, match="Unknown API Key"):
        list(stranger.list_snapshot_options_chain("SPY"))
    with pytest.raises(BadResponse, match="limit"):
        list(client(sandbox).list_snapshot_options_chain("SPY", params={"limit": 251}))
    page = client(sandbox, pagination=False).list_snapshot_options_chain("SPY")
    assert len(list(page)) == 10

"""The two real recordings: every value in a quote is the file's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from greeks.domain import Right
from greeks.sandbox.market import Market
from greeks.sandbox.quotes import SimulatedQuote
from tests.greeks.sandbox.fixtures import recorded_chain


def all_quotes(market: Market) -> dict[str, SimulatedQuote]:
    """Return quotes by the symbol without padding."""
    (symbol,) = market.underlyings()
    contracts = [c for expiry in market.expiries(symbol) for c in market.chain(symbol, expiry)]
    return {q.contract.symbol.replace(" ", ""): q for q in market.quotes(contracts)}


def missing_at_zero(value: float | None) -> float | None:
    return value or None


def test_cboe_recording_is_quoted_verbatim() -> None:
    path = recorded_chain("RUT_20230921.json")
    market = Market.from_chain_file(path)
    quotes = all_quotes(market)
    content = json.loads(path.read_text())
    rows: list[dict[str, Any]] = content["data"]["options"]
    assert len(quotes) == len(rows) == 6680
    for row in rows:
        quote = quotes[row["option"]]
        for name in ("bid", "ask", "delta", "gamma", "theta", "vega", "rho"):
            assert getattr(quote, name) == row[name], (row["option"], name)
        assert quote.open_interest == row["open_interest"]
        assert quote.volume == row["volume"]
        assert quote.implied_volatility == missing_at_zero(row["iv"])
        assert quote.last == missing_at_zero(row["last_trade_price"])
        assert quote.previous_close == missing_at_zero(row["prev_day_close"])
        assert float(quote.contract.strike or 0) == int(row["option"][-8:]) / 1000.0
        assert quote.underlying_price == content["data"]["current_price"]
    assert market.now() == datetime(2023, 9, 21, 3, 17, 42, tzinfo=UTC)
    assert {q.contract.root for q in quotes.values()} == {"RUT", "RUTW"}
    expired = [q for q in quotes.values() if str(q.contract.expiry) == "2023-09-20"]
    assert len(expired) == 338


def test_normalised_recording_is_quoted_verbatim() -> None:
    path = recorded_chain("AAPL_20260822.json")
    market = Market.from_chain_file(path)
    quotes = all_quotes(market)
    content = json.loads(path.read_text())
    rows: list[dict[str, Any]] = content["quotes"]
    assert len(quotes) == len(rows) == 2418
    for row in rows:
        quote = quotes[row["symbol"]]
        for name in ("bid", "ask", "volume", "delta", "gamma", "theta", "vega", "rho"):
            assert getattr(quote, name) == row[name], (row["symbol"], name)
        assert quote.mark == row["mid"]
        assert quote.underlying_price == content["underlyingPrice"]
        assert quote.open_interest == row["openInterest"]
        assert quote.implied_volatility == missing_at_zero(row["iv"])
        assert quote.opening_price is quote.previous_close is None
    assert market.now() == datetime(2026, 8, 22, 13, 50, 9, 293324, tzinfo=UTC)
    assert market.underlying("AAPL").aliases["ibkr"] == "265598"


@pytest.mark.parametrize("name", ["RUT_20230921.json", "AAPL_20260822.json"])
def test_stepped_recording_moves_and_keeps_greeks_close_to_the_vendors(name: str) -> None:
    market = Market.from_chain_file(recorded_chain(name))
    before = all_quotes(market)
    market.step(30.0)
    after = all_quotes(market)
    assert {q.underlying_price for q in before.values()} != {
        q.underlying_price for q in after.values()
    }
    changed, errors = 0, []
    for symbol, was in before.items():
        now, contract = after[symbol], was.contract
        changed += was.mark != now.mark
        assert now.bid is None or now.bid >= 0.0
        above = float(contract.strike or 0) > (was.underlying_price or 0.0)
        out_of_the_money = (contract.right is Right.CALL) == above
        if not out_of_the_money or not was.bid or was.delta is None or now.delta is None:
            continue
        if 0.05 <= abs(was.delta) <= 0.95:
            errors.append(abs(was.delta - now.delta))
    assert changed > len(before) / 10
    errors.sort()
    assert len(errors) > 500
    assert errors[len(errors) // 2] <= 0.006
    assert errors[len(errors) * 95 // 100] <= 0.02

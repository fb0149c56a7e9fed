"""Prices below zero, and marks outside bid and ask."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from ib_async import Ticker

from greeks.domain import Contract, InstrumentKind, Quote
from portfolio.brokers.ibkr_portal.contracts import decode_contract
from portfolio.brokers.ibkr_portal.snapshots import decode_snapshot
from portfolio.brokers.ibkr_socket.ticks import decode_ticker, has_price
from portfolio.market_data.checks import checked_quote
from tests.identity_cases import identity_cases
from tests.portfolio.books import option, stock

AT = datetime(2026, 4, 2, 22, 40, tzinfo=UTC)
FUTURE = Contract(
    kind=InstrumentKind.FUTURE,
    symbol="NG 20261128",
    underlying="NG",
    root="NG",
    multiplier=Decimal(10_000),
    currency="USD",
    expiry=date(2026, 11, 28),
    aliases={"ibkr": "9"},
)


def from_portal(contract: Contract, **fields: str) -> Quote:
    conid = contract.aliases["ibkr"]
    row = {"conid": int(conid), **{name.removeprefix("f"): text for name, text in fields.items()}}
    snapshot = decode_snapshot(row, {conid: contract}, received_at=AT)
    assert snapshot is not None
    assert snapshot.quote is not None
    found, rejected = checked_quote(snapshot.quote)
    assert not rejected
    return found


def ticker_of(**values: float) -> Ticker:
    ticker = Ticker()
    for name, value in values.items():
        setattr(ticker, name, value)
    return ticker


def from_socket(contract: Contract, **values: float) -> Quote | None:
    snapshot = decode_ticker(ticker_of(**values), contract)
    return None if snapshot is None else snapshot.quote


def test_future_below_zero_over_the_portal_and_its_prices_stay() -> None:
    found = from_portal(FUTURE, f31="-1.25", f84="-1.5", f86="-1.1", f82="-2.00")
    assert (found.last, found.mid) == (Decimal("-1.25"), Decimal("-1.3"))
    assert found.previous_close == Decimal("0.75")


def test_no_bid_over_the_portal_and_minus_one_is_missing() -> None:
    assert from_portal(FUTURE, f31="3.1", f84="-1").bid is None
    share = option(aliases={"ibkr": "9"})
    assert from_portal(share, f31="3.1", f84="-2").bid is None


def test_future_below_zero_over_the_socket_and_its_prices_stay() -> None:
    values = {"bid": -1.0, "ask": -0.5, "bidSize": 4.0, "askSize": 2.0, "last": -0.75}
    found = from_socket(FUTURE, **values)
    assert found is not None
    assert (found.last, found.mid) == (Decimal("-0.75"), Decimal("-0.75"))
    assert has_price(ticker_of(last=-3.5))


def test_no_bid_over_the_socket_and_minus_one_is_missing() -> None:
    found = from_socket(FUTURE, bid=-1.0, bidSize=0.0, ask=2.0, askSize=1.0)
    assert found is not None
    assert (found.bid, found.ask) == (None, Decimal("2.0"))
    assert not has_price(ticker_of(bid=-1.0, ask=-1.0))


def test_recorded_future_below_zero_over_both_ways_to_ibkr() -> None:
    case = identity_cases("negative_prices")
    contract = decode_contract({"conid": 9, "currency": "USD", **case["contract"]})
    fields = {f"f{name}": text for name, text in case["portal_snapshot"].items()}
    for found in (
        from_portal(contract, **fields),
        from_socket(contract, **case["socket_ticker"]),
    ):
        assert found is not None
        assert found.last == Decimal(case["expect"]["last"])
        assert found.mid == Decimal(case["expect"]["mid"])


@pytest.mark.parametrize("contract", [option(600), stock(), FUTURE])
def test_empty_book_values_nothing_and_the_mark_counts(contract: Contract) -> None:
    quote = Quote(contract=contract, source="ibkr", as_of=AT, last=Decimal("1.4"))
    empty = replace(quote, bid=Decimal(0), ask=Decimal(0))
    marked = replace(empty, mark=Decimal("1.5"))
    assert (marked.price, marked.is_mark_outside) == (Decimal("1.5"), False)
    assert empty.price == Decimal("1.4")
    assert replace(empty, bid=Decimal(-1), ask=Decimal(1)).price == 0

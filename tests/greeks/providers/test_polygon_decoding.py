"""One row of a chain, in every shape the vendor and a bad day give it."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greeks.domain import Contract, InstrumentKind, Right
from greeks.providers.polygon.tickers import (
    option_ticker,
    underlying_ticker,
)
from tests.greeks.providers.polygon_support import (
    UPDATED,
    answering,
    decoded,
    nanoseconds,
    option,
    page,
    row,
)

CALL = option()


def test_sentinels_are_missing_and_the_row_stays() -> None:
    sent = row(CALL)
    sent["greeks"]["gamma"], sent["last_quote"]["bid"], sent["open_interest"] = -999, -1, -1
    snapshot = decoded(sent, CALL)
    assert snapshot.quote is not None
    assert (snapshot.quote.bid, snapshot.quote.open_interest) == (None, None)
    assert snapshot.quote.ask == Decimal("12.1")
    assert snapshot.greeks is not None
    assert (snapshot.greeks.delta, snapshot.greeks.implied_volatility) == (None, 0.27)


def test_whole_row_and_every_field_is_read() -> None:
    snapshot = decoded(row(CALL), CALL)

    assert snapshot.contract is CALL
    quote, greeks = snapshot.quote, snapshot.greeks
    assert quote is not None
    assert greeks is not None
    assert (quote.bid, quote.ask, quote.last) == (Decimal("11.9"), Decimal("12.1"), Decimal(12))
    assert (quote.opening_price, quote.previous_close) == (Decimal(11), Decimal("10.5"))
    assert (quote.volume, quote.open_interest) == (42, 8133)
    assert quote.as_of == greeks.as_of == UPDATED
    assert quote.source == greeks.source == "polygon"
    assert (greeks.delta, greeks.gamma, greeks.theta, greeks.vega) == (0.55, 0.012, -0.04, 0.31)
    assert (greeks.implied_volatility, greeks.underlying_price) == (0.27, 155.0)


def test_deep_in_the_money_and_greeks_are_missing_not_nought() -> None:
    absent: list[dict[str, float] | None] = [{}, None]
    for none in absent:
        changed = row(CALL, greeks=none)
        del changed["implied_volatility"]
        snapshot = decoded(changed, CALL)
        assert snapshot.greeks is None
        assert snapshot.quote is not None


def test_index_has_a_value_instead_of_a_price() -> None:
    contract = option(6000, underlying="SPX", root="SPXW")
    asset = {"last_updated": nanoseconds(UPDATED), "value": 6012.5, "ticker": "I:SPX"}

    snapshot = decoded(row(contract, underlying_asset=asset), contract)

    assert snapshot.greeks is not None
    assert snapshot.greeks.underlying_price == 6012.5


def test_delayed_data_and_the_age_is_the_vendors() -> None:
    delayed = UPDATED - timedelta(minutes=15)
    asset = {"last_updated": nanoseconds(delayed), "price": 155.0, "timeframe": "DELAYED"}

    snapshot = decoded(row(CALL, underlying_asset=asset), CALL)

    assert snapshot.greeks is not None
    assert snapshot.greeks.as_of == delayed


def test_plan_without_quotes_and_the_days_bar_is_the_price_and_the_age() -> None:
    sent = row(CALL, underlying_asset={"ticker": "AAPL"})
    del sent["last_quote"], sent["last_trade"]

    snapshot = decoded(sent, CALL)

    begins = UPDATED.replace(hour=5, minute=0)
    assert snapshot.quote is not None
    assert snapshot.greeks is not None
    assert (snapshot.quote.last, snapshot.quote.as_of) == (Decimal("11.5"), begins)
    assert (snapshot.greeks.as_of, snapshot.greeks.underlying_price) == (begins, None)


def test_row_that_does_not_say_its_age_gives_no_numbers() -> None:
    sent = row(CALL, day={}, last_quote={}, last_trade={}, underlying_asset={})
    snapshot = decoded(sent, CALL)
    assert (snapshot.quote, snapshot.greeks) == (None, None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "NaN", 1.7976931348623157e308])
def test_what_is_no_number_is_missing(value: object) -> None:
    body = page(row(CALL, greeks={"delta": value, "gamma": 0.01, "theta": -0.04, "vega": 0.3}))
    answer = answering(httpx.Response(200, text=json.dumps(body))).fetch_snapshots([CALL])

    [snapshot] = answer.items
    assert snapshot.greeks is not None
    assert (snapshot.greeks.delta, snapshot.greeks.gamma) == (None, 0.01)


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        ({"greeks": {"delta": "half", "gamma": 0.01}}, "delta"),
        ({"greeks": {"gamma": 1e13, "delta": 0.5}}, "gamma"),
        ({"greeks": {"theta": -0.04, "vega": True}}, "vega"),
        ({"implied_volatility": {}}, "implied_volatility"),
    ],
)
def test_greek_that_cannot_be_read_is_missing_and_the_row_stays(
    damage: dict[str, Any], lost: str
) -> None:
    snapshot = decoded(row(CALL, **damage), CALL)
    assert snapshot.greeks is not None
    assert getattr(snapshot.greeks, lost) is None
    assert snapshot.quote is not None


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        ({"last_quote": {"bid": {"a": 1}, "ask": 5, "last_updated": 10**18}}, "bid"),
        ({"open_interest": 1.5}, "open_interest"),
        ({"day": {"volume": "many"}}, "volume"),
        ({"day": 7}, "previous_close"),
    ],
)
def test_number_of_a_quote_that_cannot_be_read_is_missing_and_the_row_stays(
    damage: dict[str, Any], lost: str
) -> None:
    snapshot = decoded(row(CALL, **damage), CALL)
    assert snapshot.quote is not None
    assert getattr(snapshot.quote, lost) is None


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"details": {"ticker": "AAPL"}}, "details.ticker"),
        ({"details": None}, "details.ticker"),
        ({"details": {"ticker": 7}}, "details.ticker"),
    ],
)
def test_wrong_types_and_the_row_is_set_aside_with_its_reason(
    damage: dict[str, Any], reason: str
) -> None:
    other = option(155)
    answer = answering(page(row(CALL, **damage), row(other))).fetch_snapshots([CALL, other])

    [rejected] = answer.rejected
    assert rejected.reason.startswith(reason)
    assert [snapshot.contract for snapshot in answer.items] == [other]


def test_row_that_is_no_object_is_set_aside() -> None:
    answer = answering(page(7, row(CALL))).fetch_snapshots([CALL])
    assert len(answer.rejected) == len(answer.items) == 1


@pytest.mark.parametrize(
    ("contract", "ticker"),
    [
        (option(150), "O:AAPL270115C00150000"),
        (option(2.5, underlying="EVRI"), "O:EVRI270115C00002500"),
        (option(150, root="AAPL1"), "O:AAPL1270115C00150000"),
        (option(6000, underlying="SPX", root="SPXW", right=Right.PUT), "O:SPXW270115P06000000"),
        (option(400, underlying="BRK B", root="BRK B"), "O:BRKB270115C00400000"),
        (option(400, underlying="BRK/B", root="BRK/B"), "O:BRKB270115C00400000"),
        (option(26000, underlying="NIFTY", currency="INR"), None),
        (option(5, kind=InstrumentKind.FUTURE_OPTION), None),
        (option(5, kind=InstrumentKind.STOCK), None),
        (option(5, root="MUCHTOOLONG"), None),
    ],
)
def test_option_and_its_ticker(contract: Contract, ticker: str | None) -> None:
    assert option_ticker(contract) == ticker


@pytest.mark.parametrize(
    ("symbol", "ticker"),
    [("AAPL", "AAPL"), ("SPX", "I:SPX"), ("vix", "I:VIX"), ("BRK B", "BRK.B"), ("BRK/B", "BRK.B")],
)
def test_underlying_and_its_ticker(symbol: str, ticker: str) -> None:
    assert underlying_ticker(symbol) == ticker


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from([1.7976931348623157e308, 10**400, "NaN", "\x00", "x" * 300, -1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
PATHS = [
    (name, inner)
    for name, value in row(CALL).items()
    for inner in (None, *(value if isinstance(value, dict) else ()))
]


@given(path=st.sampled_from(PATHS), value=ANYTHING, beside=ANYTHING)
def test_any_value_in_any_field_and_every_row_is_accounted_for(
    path: tuple[str, str | None], value: Any, beside: Any
) -> None:
    damaged = row(CALL)
    name, inner = path
    damaged[name] = value if inner is None else damaged[name] | {inner: value}
    whole = row(option(155))
    body = httpx.Response(200, text=json.dumps(page(damaged, beside, whole)))

    fetched = answering(body).fetch_snapshots([CALL, option(155)])

    assert len(fetched.items) + len(fetched.rejected) == 3
    assert any(snapshot.contract == option(155) for snapshot in fetched.items)
    for snapshot in fetched.items:
        for number in (snapshot.quote, snapshot.greeks):
            shown = [] if number is None else [getattr(number, f.name) for f in fields(number)]
            assert not any(isinstance(n, float) and not math.isfinite(n) for n in shown)
    for rejected in fetched.rejected:
        json.dumps(rejected.payload, allow_nan=False)

"""What a moved underlying makes of an option's last price, for every kind of option."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from greeks.domain import Contract, Deliverable, InstrumentKind, Quote, Right
from greeks.pricing.moved import MovedOption, moved_prices
from greeks.pricing.rates import risk_free_rate

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
EXPIRY = date(2026, 12, 18)
KINDS: dict[str, dict[str, Any]] = {
    "share": {"underlying": "SPY", "root": "SPY"},
    "index_am": {"underlying": "SPX", "root": "SPX"},
    "index_pm": {"underlying": "SPX", "root": "SPXW"},
    "option_on_a_future": {
        "kind": InstrumentKind.FUTURE_OPTION,
        "underlying": "/ESZ6",
        "root": "ES",
        "multiplier": Decimal(50),
        "underlying_key": "future:ES:20261218:50:USD",
    },
    "adjusted": {
        "underlying": "SPY",
        "root": "SPY1",
        "deliverable": Deliverable(shares=Decimal(50), cash=Decimal(0)),
    },
    "foreign": {"underlying": "NIFTY", "root": "NIFTY", "currency": "INR"},
}


def contract(kind: str, **changes: Any) -> Contract:
    values: dict[str, Any] = {
        "kind": InstrumentKind.OPTION,
        "symbol": kind,
        "multiplier": Decimal(100),
        "currency": "USD",
        "expiry": EXPIRY,
        "strike": Decimal(600),
        "right": Right.CALL,
    }
    return Contract(**(values | KINDS[kind] | changes))


def moved(found: Contract, *, spot: float, to: float, price: str = "15") -> MovedOption:
    quote = Quote(contract=found, source="ibkr", as_of=AT, mark=Decimal(price))
    return MovedOption(quote=quote, volatility=0.2, spot=spot, moved_to=to)


def black_76(forward: float, strike: float, years: float, rate: float, sigma: float) -> float:
    """Hull, Options, Futures and Other Derivatives, 18.8."""
    deviation = sigma * math.sqrt(years)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    normal = [0.5 * (1 + math.erf(each / math.sqrt(2))) for each in (d1, d1 - deviation)]
    return math.exp(-rate * years) * (forward * normal[0] - strike * normal[1])


@pytest.mark.parametrize("kind", KINDS)
def test_unmoved_underlying_leaves_the_price(kind: str) -> None:
    spot = 1200.0 if kind == "adjusted" else 600.0
    found = moved_prices({"a": moved(contract(kind), spot=spot, to=spot)}, at=AT)
    assert found["a"] == pytest.approx(15.0)


@pytest.mark.parametrize("kind", ["index_pm", "option_on_a_future", "foreign"])
def test_european_moves_by_what_the_formula_says(kind: str) -> None:
    found = contract(kind)
    ends = {"index_pm": (21, 0), "option_on_a_future": (14, 30), "foreign": (10, 0)}
    hour, minute = ends[kind]
    years = (datetime(2026, 12, 18, hour, minute, tzinfo=UTC) - AT).total_seconds() / 31_536_000
    rate = risk_free_rate(found.currency).value

    def value(spot: float) -> float:
        growth = 1.0 if kind == "option_on_a_future" else math.exp(rate * years)
        return black_76(spot * growth, 600.0, years, rate, 0.2)

    price = moved_prices({"a": moved(found, spot=600.0, to=609.0)}, at=AT)["a"]
    assert price == pytest.approx(15.0 + value(609.0) - value(600.0), abs=0.01)


def test_adjusted_option_moves_by_the_shares_it_delivers() -> None:
    # 50 shares for 600 x 100: at the money where a share is worth 1,200.
    price = moved_prices({"a": moved(contract("adjusted"), spot=1200.0, to=1210.0)}, at=AT)["a"]
    plain = moved(contract("share", strike=Decimal(1200)), spot=1200.0, to=1210.0)
    by_share = moved_prices({"a": plain}, at=AT)["a"]
    assert price - 15.0 == pytest.approx((by_share - 15.0) / 2)
    assert 1.5 < price - 15.0 < 4.0


def test_put_loses_where_the_call_gains_and_no_price_is_below_zero() -> None:
    call, put = contract("share"), contract("share", right=Right.PUT)
    prices = moved_prices(
        {
            "call": moved(call, spot=600.0, to=610.0),
            "put": moved(put, spot=600.0, to=610.0),
            "worthless": moved(call, spot=600.0, to=400.0, price="0.05"),
        },
        at=AT,
    )
    assert prices["call"] > 15.0 > prices["put"] > 0.0
    assert prices["worthless"] == 0.0


def test_day_that_passed_takes_its_time_value() -> None:
    option = {"a": moved(contract("index_pm"), spot=600.0, to=600.0)}
    assert moved_prices(option, at=AT + timedelta(days=1))["a"] < 15.0


def test_morning_settled_option_is_over_at_the_open_and_the_afternoon_one_is_not() -> None:
    options = {
        kind: moved(contract(kind), spot=600.0, to=601.0) for kind in ("index_am", "index_pm")
    }
    assert moved_prices(options, at=datetime(2026, 12, 18, 15, 0, tzinfo=UTC)).keys() == {
        "index_pm"
    }


@pytest.mark.parametrize("change", [{"deliverable": None}, {"strike": None}])
def test_option_without_terms_is_left_alone(change: dict[str, Any]) -> None:
    found = contract("adjusted", marked_adjusted=True, **change)
    assert moved_prices({"a": moved(found, spot=600.0, to=601.0)}, at=AT) == {}


def test_without_a_volatility_or_a_price_there_is_none() -> None:
    plain = moved(contract("share"), spot=600.0, to=601.0)
    unknown = MovedOption(quote=plain.quote, volatility=0.0, spot=600.0, moved_to=601.0)
    assert moved_prices({"a": unknown}, at=AT) == {}

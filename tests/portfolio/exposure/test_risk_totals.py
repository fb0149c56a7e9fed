"""Totals equal the sum of signed leg Greeks × quantity × multiplier and name missing numbers."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.exposure.columns import UNIT_COLUMNS, BetaWeights, Leg, Money
from portfolio.exposure.totals import book_totals


def leg(**values: object) -> Leg:
    base = {
        "underlying": "SPY",
        "instrument_type": "option",
        "expiry": date(2027, 1, 15),
        "dte": 56,
        "currency": "USD",
        "quantity": -2.0,
        "multiplier": 100.0,
        "price": 4.0,
        "market_value": -800.0,
        "unrealized_pnl": 100.0,
        "daily_change": 50.0,
        "delta": -0.30,
        "gamma": 0.01,
        "theta": -0.10,
        "vega": 0.50,
        "underlying_price": 600.0,
    }
    return Leg(**(base | values))  # type: ignore[arg-type]


USD = Money("USD", Decimal("100000"), Decimal("20000"))


def test_short_put_gives_positive_delta_and_theta_and_negative_vega() -> None:
    totals = book_totals(legs=[leg()], accounts=[USD], currency="USD", rates={})
    assert totals["delta"] == pytest.approx(60.0)
    assert totals["theta"] == pytest.approx(20.0)
    assert totals["vega"] == pytest.approx(-100.0)
    assert totals["gamma"] == pytest.approx(-2.0)
    assert totals["dollar_delta"] == pytest.approx(60.0 * 600.0)
    assert totals["theta_to_net_liq"] == pytest.approx(20.0 / 100000)
    assert totals["margin_use"] == pytest.approx(0.2)


def test_stock_counts_as_delta_one_with_its_own_price() -> None:
    stock = leg(
        instrument_type="stock", expiry=None, dte=None, quantity=44.0, multiplier=1.0,
        price=655.9, market_value=28859.6, delta=None, gamma=None, theta=None, vega=None,
        underlying_price=None,
    )  # fmt: skip
    totals = book_totals(legs=[stock], accounts=[USD], currency="USD", rates={})
    assert totals["delta"] == 44.0
    assert totals["dollar_delta"] == pytest.approx(44 * 655.9)
    assert totals["theta"] == 0.0
    assert totals["legs_without_greeks"] == 0
    assert totals["by_expiry"] == []


def test_missing_greeks_are_counted_and_left_out() -> None:
    legs = [leg(), leg(delta=None, gamma=None, theta=None, vega=None)]
    totals = book_totals(legs=legs, accounts=[USD], currency="USD", rates={})
    assert totals["delta"] == pytest.approx(60.0)
    assert totals["legs_without_greeks"] == 1
    assert totals["by_underlying"][0]["legs_without_greeks"] == 1


def test_total_is_none_when_no_leg_has_the_number() -> None:
    legs = [leg(delta=None, theta=None)]
    totals = book_totals(legs=legs, accounts=[USD], currency="USD", rates={})
    assert totals["delta"] is None
    assert totals["theta"] is None
    assert totals["theta_to_net_liq"] is None
    assert totals["vega"] == pytest.approx(-100.0)


def test_empty_book_is_zero_not_missing() -> None:
    totals = book_totals(legs=[], accounts=[USD], currency="USD", rates={})
    assert totals["delta"] == 0.0
    assert totals["legs"] == 0
    assert totals["daily_change_percent"] == 0.0


def test_other_currency_is_converted_with_its_rate() -> None:
    legs = [leg(), leg(currency="EUR", underlying="SAP")]
    totals = book_totals(legs=legs, accounts=[USD], currency="USD", rates={"EUR": 1.1})
    assert totals["theta"] == pytest.approx(20.0 + 22.0)
    assert totals["unconverted"] == []


def test_other_currency_without_a_rate_stays_apart() -> None:
    legs = [leg(), leg(currency="INR", underlying="NIFTY")]
    totals = book_totals(legs=legs, accounts=[USD], currency="USD", rates={})
    assert totals["theta"] == pytest.approx(20.0)
    assert totals["unconverted"] == ["INR"]
    assert totals["by_currency"][0]["currency"] == "INR"
    assert totals["by_currency"][0]["theta"] == pytest.approx(20.0)
    assert [row["delta"] for row in totals["by_underlying"]] == pytest.approx([60.0, 60.0])


def test_units_of_several_underlyings_are_not_added_but_weighted_by_beta() -> None:
    """Γ of AAPL moves the book's delta in shares of SPY by β²·S²/B² for each 1 of SPY."""
    legs = [leg(), leg(underlying="AAPL", underlying_price=240.0), leg(underlying="VIX")]
    weights = BetaWeights("SPY", 600.0, {"AAPL": 1.5})
    totals = book_totals(legs=legs, accounts=[USD], currency="USD", rates={}, weights=weights)
    assert (totals["delta"], totals["gamma"]) == (None, None)
    assert [row["delta"] for row in totals["by_underlying"]] == pytest.approx([60.0] * 3)
    assert totals["by_expiry"][0]["gamma"] is None
    spy, aapl = -2.0, -2.0 * (1.5 * 240 / 600) ** 2
    assert totals["beta_weighted_gamma"] == pytest.approx(spy + aapl)
    assert totals["by_expiry"][0]["beta_weighted_gamma"] == pytest.approx(spy + aapl)
    assert totals["beta_weighted_delta"] == pytest.approx(60.0 + 60.0 * 1.5 * 240 / 600)
    assert totals["dollar_gamma"] == pytest.approx(-2.0 * (600**2 + 240**2 + 600**2) / 100)
    assert totals["legs_without_beta"] == 1


def test_months_of_a_future_and_options_on_them_are_one_underlying_at_every_broker() -> None:
    """Tastytrade names the month, IBKR does not; a share abroad is not that of its name here."""
    on_future = {"instrument_type": "future_option", "multiplier": 5.0, "underlying_price": 5000.0}
    legs = [
        leg(underlying="/MESH7", **on_future),
        leg(underlying="/MES", **on_future),
        leg(underlying="/MES", instrument_type="future", multiplier=5.0, price=5010.0),
        leg(underlying="/ESTX50", instrument_type="future", currency="EUR", multiplier=10.0),
        leg(underlying="Z"),
        leg(underlying="Z", currency="GBP"),
    ]
    totals = book_totals(legs=legs, accounts=[USD], currency="USD", rates={})
    rows = {row["underlying"]: row for row in totals["by_underlying"]}
    assert list(rows) == ["/ESTX50", "/MES", "Z", "Z:GBP"]
    assert rows["/MES"]["legs"] == 3
    assert rows["/MES"]["delta"] == pytest.approx(3.0 + 3.0 - 10.0)
    assert rows["/MES"]["dollar_delta"] == pytest.approx(6 * 5000.0 - 10 * 5010.0)


def test_change_of_the_day_is_in_percent_of_net_liquidation() -> None:
    totals = book_totals(legs=[leg(), leg()], accounts=[USD], currency="USD", rates={})
    assert totals["daily_change_percent"] == pytest.approx(100.0 / 100_000 * 100)


def test_net_liquidation_is_missing_when_one_account_lacks_it() -> None:
    accounts = [USD, Money("USD", None, Decimal(0))]
    totals = book_totals(legs=[], accounts=accounts, currency="USD", rates={})
    assert totals["net_liquidation"] is None
    assert totals["margin_use"] is None


def test_underlying_price_is_taken_from_a_sibling_leg() -> None:
    legs = [leg(underlying_price=None), leg(underlying_price=610.0)]
    totals = book_totals(legs=legs, accounts=[USD], currency="USD", rates={})
    assert totals["dollar_delta"] == pytest.approx(2 * 60.0 * 610.0)
    assert totals["legs_without_dollar_delta"] == 0


greek = st.one_of(st.none(), st.floats(-10, 10, allow_nan=False))
legs_strategy = st.lists(
    st.builds(
        leg,
        underlying=st.sampled_from(["SPY", "QQQ", "AAPL"]),
        quantity=st.integers(-500, 500).map(float),
        multiplier=st.sampled_from([1.0, 10.0, 100.0]),
        expiry=st.sampled_from([date(2027, 1, 15), date(2027, 2, 19)]),
        delta=greek,
        gamma=greek,
        theta=greek,
        vega=greek,
    ),
    max_size=40,
)


@given(legs=legs_strategy)
def test_totals_are_the_sum_of_signed_legs_whole_and_by_group(legs: list[Leg]) -> None:
    totals = book_totals(legs=legs, accounts=[USD], currency="USD", rates={})
    for name in ("delta", "gamma", "theta", "vega"):
        known = [
            getattr(x, name) * x.quantity * x.multiplier
            for x in legs
            if getattr(x, name) is not None
        ]
        is_mixed = name in UNIT_COLUMNS and len({x.underlying for x in legs}) > 1
        assert (totals[name] is None) == (is_mixed or bool(legs and not known))
        scale = sum(abs(value) for value in known) + 1e-9
        if totals[name] is not None:
            assert math.isclose(totals[name], sum(known), rel_tol=1e-9, abs_tol=1e-9 * scale)
        for groups in ("by_underlying",) if is_mixed else ("by_underlying", "by_expiry"):
            parts = sum(row[name] or 0.0 for row in totals[groups])
            assert math.isclose(parts, sum(known), rel_tol=1e-9, abs_tol=1e-9 * scale)
    assert sum(row["legs"] for row in totals["by_underlying"]) == len(legs)


def test_account_in_a_currency_without_a_rate_is_named() -> None:
    accounts = [USD, Money("EUR", Decimal(1000), Decimal(0))]
    totals = book_totals(legs=[], accounts=accounts, currency="USD", rates={})
    assert totals["net_liquidation"] is None
    assert totals["unconverted"] == ["EUR"]

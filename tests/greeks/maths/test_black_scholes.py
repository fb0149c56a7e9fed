"""Prices and Greeks against QuantLib's analytic engine, Hull's worked examples and identities."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import QuantLib
from hypothesis import given
from hypothesis import strategies as st

from greeks.maths.black_scholes import all_greeks, price

DAYS = (1, 7, 45, 365, 1095)
RATES = (-0.01, 0.0, 0.05)
YIELDS = (0.0, 0.03)
VOLATILITIES = (0.05, 0.2, 1.2)
STRIKES = (20.0, 60.0, 90.0, 100.0, 110.0, 160.0, 400.0)
SPOT = 100.0


def quantlib(
    strike: float, days: int, rate: float, dividend_yield: float, volatility: float, is_call: bool
) -> list[float]:
    """price, delta, gamma, theta a day, vega and rho a point by QuantLib."""
    today = QuantLib.Date(1, 6, 2026)
    QuantLib.Settings.instance().evaluationDate = today
    count, calendar = QuantLib.Actual365Fixed(), QuantLib.NullCalendar()
    process = QuantLib.BlackScholesMertonProcess(
        QuantLib.QuoteHandle(QuantLib.SimpleQuote(SPOT)),
        QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, dividend_yield, count)),
        QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(today, rate, count)),
        QuantLib.BlackVolTermStructureHandle(
            QuantLib.BlackConstantVol(today, calendar, volatility, count)
        ),
    )
    option = QuantLib.VanillaOption(
        QuantLib.PlainVanillaPayoff(
            QuantLib.Option.Call if is_call else QuantLib.Option.Put, strike
        ),
        QuantLib.EuropeanExercise(today + days),
    )
    option.setPricingEngine(QuantLib.AnalyticEuropeanEngine(process))
    return [
        option.NPV(),
        option.delta(),
        option.gamma(),
        option.thetaPerDay(),
        option.vega() / 100.0,
        option.rho() / 100.0,
    ]


def test_price_and_greeks_agree_with_quantlib_on_a_wide_grid() -> None:
    cases = list(itertools.product(STRIKES, DAYS, RATES, YIELDS, VOLATILITIES, (True, False)))
    expected = np.array([quantlib(*case) for case in cases]).T
    strike, days, rate, dividend_yield, volatility, is_call = (
        np.array(column) for column in zip(*cases, strict=True)
    )
    ours = all_greeks(SPOT, strike, days / 365.0, rate, dividend_yield, volatility, is_call)
    for name, mine, theirs in zip(ours._fields, ours, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12 * SPOT, err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "expected", "digits"),
    [
        ((42.0, 40.0, 0.5, 0.1, 0.0, 0.2, True), 4.76, 2),
        ((42.0, 40.0, 0.5, 0.1, 0.0, 0.2, False), 0.81, 2),
        ((930.0, 900.0, 2.0 / 12.0, 0.08, 0.03, 0.2, True), 51.83, 2),
        # Black-76: the futures price as spot, the rate as its yield.
        ((20.0, 20.0, 4.0 / 12.0, 0.09, 0.09, 0.25, False), 1.12, 2),
        ((620.0, 600.0, 0.5, 0.05, 0.05, 0.2, True), 44.19, 2),
    ],
)
def test_price_of_hulls_examples_is_the_printed_one(
    arguments: tuple[float, float, float, float, float, float, bool], expected: float, digits: int
) -> None:
    assert round(float(price(*arguments)), digits) == expected


def test_greeks_of_hulls_chapter_are_the_printed_ones() -> None:
    greeks = all_greeks(49.0, 50.0, 0.3846, 0.05, 0.0, 0.2, True)
    assert round(float(greeks.delta), 3) == 0.522
    assert round(float(greeks.gamma), 3) == 0.066
    assert round(float(greeks.theta) * 365.0, 2) == -4.31
    assert round(float(greeks.vega) * 100.0, 1) == 12.1
    assert round(float(greeks.rho) * 100.0, 2) == 8.91


def test_price_alone_equals_price_of_all_greeks() -> None:
    strikes = np.linspace(50.0, 150.0, 21)
    arguments = (100.0, strikes, 0.25, 0.04, 0.01, 0.3, strikes > 90.0)
    np.testing.assert_allclose(price(*arguments), all_greeks(*arguments).price, rtol=1e-12)


def test_one_odd_row_leaves_the_others_as_they_are() -> None:
    strikes = np.linspace(50.0, 150.0, 5000)
    years = np.full(5000, 0.25)
    usual = all_greeks(100.0, strikes, years, 0.04, 0.01, 0.3, True)
    years[4321] = 0.0
    odd = all_greeks(100.0, strikes, years, 0.04, 0.01, 0.3, True)
    others = np.arange(5000) != 4321
    for name, mine, theirs in zip(usual._fields, usual, odd, strict=True):
        np.testing.assert_allclose(
            mine[others], theirs[others], rtol=1e-12, atol=1e-14, err_msg=name
        )
    assert odd.price[4321] == max(100.0 - strikes[4321], 0.0)


def test_expired_option_is_worth_its_intrinsic_value_and_moves_like_it() -> None:
    strikes = np.array([90.0, 100.0, 110.0])
    for years in (0.0, -0.5):
        call = all_greeks(100.0, strikes, years, 0.05, 0.02, 0.3, True)
        put = all_greeks(100.0, strikes, years, 0.05, 0.02, 0.3, False)
        assert call.price.tolist() == [10.0, 0.0, 0.0]
        assert put.price.tolist() == [0.0, 0.0, 10.0]
        assert call.delta.tolist() == [1.0, 0.5, 0.0]
        assert put.delta.tolist() == [0.0, -0.5, -1.0]
        for greeks in (call, put):
            for values in (greeks.gamma, greeks.theta, greeks.vega, greeks.rho):
                assert values.tolist() == [0.0, 0.0, 0.0]


def test_option_without_volatility_is_worth_the_discounted_forward_payoff() -> None:
    call = all_greeks(100.0, 90.0, 1.0, 0.05, 0.02, 0.0, True)
    stock, bond = 100.0 * math.exp(-0.02), 90.0 * math.exp(-0.05)
    assert float(call.price) == pytest.approx(stock - bond, rel=1e-14)
    assert float(call.delta) == pytest.approx(math.exp(-0.02), rel=1e-14)
    assert float(call.gamma) == 0.0
    assert float(call.theta) == pytest.approx((0.02 * stock - 0.05 * bond) / 365.0, rel=1e-12)
    assert float(call.rho) == pytest.approx(bond / 100.0, rel=1e-14)


def test_deep_wings_run_into_their_limits() -> None:
    greeks = all_greeks(100.0, np.array([1e-6, 1e9]), 0.01, 0.05, 0.0, 0.1, True)
    assert greeks.delta.tolist() == [1.0, 0.0]
    assert greeks.price[1] == 0.0
    assert greeks.price[0] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("spot", "strike", "volatility"),
    [(-1.0, 100.0, 0.2), (100.0, -1.0, 0.2), (100.0, 100.0, -0.2), (math.nan, 100.0, 0.2)],
)
def test_impossible_input_is_nan_and_leaves_its_neighbours_alone(
    spot: float, strike: float, volatility: float
) -> None:
    greeks = all_greeks([spot, 100.0], [strike, 100.0], 0.5, 0.0, 0.0, [volatility, 0.2], True)
    assert np.isnan(greeks.price[0])
    assert greeks.price[1] == pytest.approx(5.637, abs=1e-3)


def test_arguments_broadcast_to_a_grid() -> None:
    spots, strikes = np.array([90.0, 100.0]), np.array([[95.0], [100.0], [105.0]])
    grid = all_greeks(spots, strikes, 0.5, 0.01, 0.0, 0.2, False)
    assert grid.delta.shape == (3, 2)
    assert grid.price[2, 0] == price(90.0, 105.0, 0.5, 0.01, 0.0, 0.2, False)


@given(
    spot=st.floats(0.0, 1e12),
    strike=st.floats(0.0, 1e12),
    years=st.floats(-5.0, 50.0),
    rate=st.floats(-0.5, 1.0),
    dividend_yield=st.floats(-0.5, 1.0),
    volatility=st.floats(0.0, 50.0),
    is_call=st.booleans(),
)
def test_any_possible_input_gives_finite_numbers(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    is_call: bool,
) -> None:
    greeks = all_greeks(spot, strike, years, rate, dividend_yield, volatility, is_call)
    for name, value in zip(greeks._fields, greeks, strict=True):
        assert np.isfinite(value), name
    assert greeks.price >= 0.0
    assert greeks.gamma >= 0.0
    assert greeks.vega >= 0.0


@given(
    strike=st.floats(20.0, 400.0),
    years=st.floats(0.002, 3.0),
    rate=st.floats(-0.02, 0.1),
    dividend_yield=st.floats(0.0, 0.08),
    volatility=st.floats(0.02, 2.0),
)
def test_call_minus_put_is_the_forward(
    strike: float, years: float, rate: float, dividend_yield: float, volatility: float
) -> None:
    both = price(SPOT, strike, years, rate, dividend_yield, volatility, np.array([True, False]))
    forward = SPOT * math.exp(-dividend_yield * years) - strike * math.exp(-rate * years)
    assert both[0] - both[1] == pytest.approx(forward, abs=1e-10)

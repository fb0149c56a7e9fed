"""Implied volatility: what went into a price comes back, or nothing does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greeks.maths.black_scholes import all_greeks, price
from greeks.maths.implied_volatility import implied_volatility


def test_volatility_comes_back_wherever_the_price_determines_it() -> None:
    random = np.random.default_rng(42)
    size = 200_000
    strike = 100.0 * np.exp(random.uniform(-3.0, 3.0, size))
    years = np.exp(random.uniform(math.log(1.0 / 365.0), math.log(5.0), size))
    volatility = np.exp(random.uniform(math.log(0.01), math.log(4.0), size))
    is_call = random.random(size) < 0.5
    greeks = all_greeks(100.0, strike, years, 0.03, 0.01, volatility, is_call)
    found = implied_volatility(greeks.price, 100.0, strike, years, 0.03, 0.01, is_call)
    # The price says something where a volatility change of 1e-9 moves it by more than its own
    # rounding; in the money that is the rounding of the two legs whose difference it is.
    stock, bond = 100.0 * np.exp(-0.01 * years), strike * np.exp(-0.03 * years)
    in_the_money = np.where(is_call, stock > bond, bond > stock)
    rounding = 1e-15 * np.where(in_the_money, np.maximum(stock, bond), stock)
    determined = 1e-9 * 100.0 * greeks.vega > rounding
    determined |= ~in_the_money & (greeks.price > 1e-200) & (greeks.price < 1e-3)
    assert determined.mean() > 0.2
    assert not np.isnan(found[determined]).any()
    answered = ~np.isnan(found)
    assert np.abs(found - volatility)[answered].max() < 1e-8


def test_real_looking_chain_has_no_gaps() -> None:
    strikes = np.arange(70.0, 131.0, 1.0)
    for years in (2.0 / 365.0, 0.1, 1.0):
        for is_call in (True, False):
            value = price(100.0, strikes, years, 0.04, 0.01, 0.35, is_call)
            greeks = all_greeks(100.0, strikes, years, 0.04, 0.01, 0.35, is_call)
            found = implied_volatility(value, 100.0, strikes, years, 0.04, 0.01, is_call)
            seen = greeks.vega > 1e-5
            np.testing.assert_allclose(found[seen], 0.35, atol=1e-8)


@pytest.mark.parametrize(
    "value", [-1.0, 0.0, 9.9, 10.0, 100.0, 101.0, math.nan, math.inf, -math.inf]
)
def test_price_outside_its_bounds_determines_nothing(value: float) -> None:
    assert np.isnan(implied_volatility(value, 100.0, 90.0, 0.5, 0.0, 0.0, True))


@pytest.mark.parametrize(
    ("spot", "strike", "years"),
    [
        (100.0, 100.0, 0.0),
        (100.0, 100.0, -1.0),
        (0.0, 100.0, 1.0),
        (100.0, 0.0, 1.0),
        (-5.0, 100.0, 1.0),
        (math.nan, 100.0, 1.0),
    ],
)
def test_impossible_option_determines_nothing(spot: float, strike: float, years: float) -> None:
    assert np.isnan(implied_volatility(3.0, spot, strike, years, 0.0, 0.0, True))


def test_deep_in_the_money_price_without_time_value_determines_nothing() -> None:
    value = price(100.0, 20.0, 0.05, 0.03, 0.0, 0.2, True)
    assert np.isnan(implied_volatility(value, 100.0, 20.0, 0.05, 0.03, 0.0, True))


def test_undetermined_rows_leave_their_neighbours_alone() -> None:
    value = np.array([math.nan, float(price(100.0, 100.0, 1.0, 0.0, 0.0, 0.2, True)), -1.0])
    found = implied_volatility(value, 100.0, 100.0, 1.0, 0.0, 0.0, True)
    assert np.isnan(found).tolist() == [True, False, True]
    assert found[1] == pytest.approx(0.2, abs=1e-12)


def test_shape_is_that_of_the_broadcast_arguments() -> None:
    strikes = np.array([[95.0], [105.0]])
    value = price(100.0, strikes, np.array([0.5, 1.0, 2.0]), 0.0, 0.0, 0.3, False)
    found = implied_volatility(value, 100.0, strikes, np.array([0.5, 1.0, 2.0]), 0.0, 0.0, False)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found, 0.3, atol=1e-10)
    assert implied_volatility([], 100.0, [], 1.0, 0.0, 0.0, True).shape == (0,)


@given(
    strike=st.floats(60.0, 160.0),
    years=st.floats(0.02, 3.0),
    rate=st.floats(-0.01, 0.08),
    dividend_yield=st.floats(0.0, 0.05),
    volatility=st.floats(0.15, 2.0),
    is_call=st.booleans(),
)
def test_round_trip_holds_near_the_money(
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    is_call: bool,
) -> None:
    arguments = (100.0, strike, years, rate, dividend_yield)
    greeks = all_greeks(*arguments, volatility, is_call)
    found = implied_volatility(greeks.price, *arguments, is_call)
    if greeks.vega > 1e-5:
        assert found == pytest.approx(volatility, abs=1e-8)
    else:
        assert np.isnan(found) or found == pytest.approx(volatility, abs=1e-8)

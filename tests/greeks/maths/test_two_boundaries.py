"""American options at negative rates and with a large drift, against trees and closed forms."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from greeks.maths import american, black_scholes
from greeks.maths.american import PRICE_ERROR, all_greeks, price
from greeks.maths.black_scholes import Floats
from greeks.maths.boundaries.normal import cumulative
from greeks.maths.legs import Legs
from greeks.maths.valuation import value_grid
from tests.greeks.maths.trees import tree_put

SPOT = 100.0


@pytest.mark.parametrize(
    ("strike", "years", "rate", "dividend_yield", "volatility"),
    [
        (100.0, 1.0, -0.01, -0.03, 0.05),
        (100.0, 5.0, -0.01, -0.03, 0.08),
        (70.0, 5.0, -0.01, -0.03, 0.08),
        # Below the lower boundary waiting is worth more than exercise.
        (300.0, 5.0, -0.01, -0.03, 0.08),
        (400.0, 2.0, -0.01, -0.03, 0.2),
        # Longer than the two boundaries last.
        (125.0, 0.75, -0.005, -0.01, 0.3),
        (125.5, 1.2, -0.0258, -0.0469, 0.28),
        (132.19, 1.0858, -0.03832, -0.04431, 0.17347),
        (121.56, 3.45, -0.01336, -0.02877, 0.18414),
        # Days, and a rate that is almost the yield or almost 0.
        (99.9, 0.005, -0.0073, -0.0215, 0.6),
        (134.0, 3.8, -0.005, -0.0061, 0.095),
        (98.5, 0.25, -0.0018, -0.036, 0.044),
    ],
)
def test_puts_with_two_boundaries_agree_with_trees(
    strike: float, years: float, rate: float, dividend_yield: float, volatility: float
) -> None:
    arguments = (strike, years, rate, dividend_yield, volatility)
    # The trees themselves are off by up to a millionth.
    error = 2.0 * PRICE_ERROR * max(SPOT, strike)
    expected = tree_put(SPOT, *arguments)
    assert float(price(SPOT, *arguments, False)) == pytest.approx(expected, abs=error)
    call = price(strike, SPOT, years, dividend_yield, rate, volatility, True)
    assert float(call) == pytest.approx(expected, abs=error)


@pytest.mark.parametrize(
    ("spot", "years", "rate", "dividend_yield", "volatility"),
    [
        # Below the lower boundary, and longer than the two boundaries last.
        (8.0, 1.0, -0.01, -0.03, 0.1),
        (45.061, 4.4056, -0.049, -0.0495, 0.171),
        (70.0, 5.0, -0.01, -0.03, 0.6),
    ],
)
def test_delta_goes_beyond_1_where_the_yield_is_negative_and_exercise_waits(
    spot: float, years: float, rate: float, dividend_yield: float, volatility: float
) -> None:
    def put(at: float) -> float:
        return float(price(at, 100.0, years, rate, dividend_yield, volatility, False))

    step = 1e-4 * spot
    slope = (put(spot + step) - put(spot - step)) / (2.0 * step)
    greeks = all_greeks(spot, 100.0, years, rate, dividend_yield, volatility, False)
    assert float(greeks.delta) == pytest.approx(slope, abs=1e-6)
    call = all_greeks(100.0, spot, years, dividend_yield, rate, volatility, True)
    assert float(call.delta) == pytest.approx((put(spot) - spot * slope) / 100.0, abs=1e-6)


def test_a_put_of_300_percent_at_negative_rates_stays_below_its_bound() -> None:
    """The strike can grow to K·exp(−rT) = 105.127 at most."""
    value = float(price(100.0, 100.0, 5.0, -0.01, -0.03, 3.0, False))
    european = float(black_scholes.price(100.0, 100.0, 5.0, -0.01, -0.03, 3.0, False))
    assert european <= value <= 100.0 * math.exp(0.05)
    assert value == pytest.approx(105.0391, abs=1e-3)


@pytest.mark.parametrize("years", [1.0, 3.0, 5.0])
def test_a_put_at_the_strike_with_a_rate_far_above_the_volatility(years: float) -> None:
    """As good as perpetual: K ÷ (1 + λ) · (λ ÷ (1 + λ))^λ with λ = 2r ÷ σ²."""
    power = 2.0 * 0.2 / 0.01**2
    perpetual = 100.0 / (1.0 + power) * (power / (1.0 + power)) ** power
    value = float(price(100.0, 100.0, years, 0.2, 0.0, 0.01, False))
    assert perpetual == pytest.approx(0.0092, abs=1e-4)
    assert value == pytest.approx(perpetual, abs=1e-6)


@pytest.mark.parametrize(
    ("years", "rate", "dividend_yield", "volatility"),
    [
        (1.0, -0.01, -0.03, 0.1),
        (5.0, -0.01, -0.03, 0.08),
        (1.2, -0.0258, -0.0469, 0.28),
        (0.5, 0.02, -0.03, 0.2),
        (4.0, 0.01, 0.12, 0.05),
        (4.0, 0.15, 0.0, 0.05),
    ],
)
@pytest.mark.parametrize("is_call", [False, True])
def test_greeks_are_the_derivatives_of_the_price(
    years: float, rate: float, dividend_yield: float, volatility: float, is_call: bool
) -> None:
    spots = np.array([80.0, 92.0, 101.0, 110.0, 150.0])
    if is_call:
        rate, dividend_yield = dividend_yield, rate

    def moved(**by: float) -> Floats:
        return price(
            spots + by.get("spot", 0.0),
            100.0,
            years,
            rate + by.get("rate", 0.0),
            dividend_yield,
            volatility + by.get("volatility", 0.0),
            is_call,
        )

    greeks = all_greeks(spots, 100.0, years, rate, dividend_yield, volatility, is_call)
    delta = (moved(spot=0.05) - moved(spot=-0.05)) / 0.1
    vega = (moved(volatility=5e-4) - moved(volatility=-5e-4)) / 0.1
    rho = (moved(rate=2e-4) - moved(rate=-2e-4)) / 0.04
    np.testing.assert_allclose(greeks.delta, delta, atol=2e-4)
    np.testing.assert_allclose(greeks.vega, vega, atol=1e-3)
    np.testing.assert_allclose(greeks.rho, rho, atol=2e-3)


def test_rho_has_no_jump_where_a_second_boundary_appears() -> None:
    rates = np.array([-3e-4, -1e-4, -1e-5, -1e-7, -1e-13, 0.0, 1e-13, 1e-7, 1e-5, 1e-4, 3e-4])
    greeks = all_greeks(SPOT, [[90.0], [100.0], [115.0]], 2.0, rates, -0.03, 0.2, False)
    slope = np.abs(np.diff(greeks.rho, axis=1))
    assert (slope <= 5e-4 + 40.0 * np.diff(rates)).all()
    price_slope = (greeks.price[:, -1] - greeks.price[:, 0]) / (rates[-1] - rates[0]) / 100.0
    np.testing.assert_allclose(greeks.rho[:, 5], price_slope, atol=2e-3)


def test_a_grid_is_the_prices_of_its_cells() -> None:
    legs = Legs.of(
        spot=[100.0, 100.0, 100.0, 100.0],
        strike=[100.0, 300.0, 110.0, 100.0],
        years=[1.0, 5.0, 4.0, 5.0],
        rate=[-0.01, -0.01, 0.01, 0.2],
        dividend_yield=[-0.03, -0.03, 0.12, 0.0],
        volatility=[0.1, 0.08, 0.05, 0.05],
        is_call=False,
        is_american=True,
    )
    factors, shifts, forward = np.array([0.8, 1.0, 1.1]), np.array([0.0, 0.2]), [0.0, 0.5]
    grid = value_grid(legs, factors, shifts, forward)
    for day, passed in enumerate(forward):
        expected = american.price(
            legs.spot * factors[:, None],
            legs.strike,
            legs.years - passed,
            legs.rate,
            legs.dividend_yield,
            legs.volatility + shifts[:, None, None],
            False,
        )
        np.testing.assert_allclose(grid[day], expected, atol=2.0 * PRICE_ERROR * 300.0)


RATES = st.sampled_from([0.0, 1e-12, -1e-12, -1e-6, -0.01, 0.05]) | st.floats(-0.1, 0.5)


@given(
    spot=st.floats(1.0, 1e4),
    years=st.floats(0.0, 20.0),
    rate=RATES,
    dividend_yield=RATES,
    volatility=st.floats(0.0, 10.0),
    is_call=st.booleans(),
)
def test_no_price_leaves_its_bounds(
    spot: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    is_call: bool,
) -> None:
    arguments = (spot, 100.0, years, rate, dividend_yield, volatility, is_call)
    value = float(price(*arguments))
    most = (
        spot * math.exp(max(-dividend_yield * years, 0.0))
        if is_call
        else 100.0 * math.exp(max(-rate * years, 0.0))
    )
    rounding = 1e-9 * max(spot, 100.0)
    assert float(black_scholes.price(*arguments)) - rounding <= value <= most + rounding


@pytest.mark.parametrize("is_call", [False, True])
def test_worst_inputs_give_nan_or_the_limit_without_a_warning(is_call: bool) -> None:
    nan, inf = math.nan, math.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for column in range(6):
            arguments: list[Any] = [SPOT, 90.0, 0.5, -0.01, -0.03, 0.2, is_call]
            arguments[column] = nan
            assert np.isnan(price(*arguments))
            assert all(np.isnan(greek) for greek in all_greeks(*arguments))
        for impossible in ((-100.0, -90.0, 0.2), (-100.0, 90.0, 0.2), (SPOT, 90.0, -0.2)):
            spot, strike, volatility = impossible
            assert np.isnan(price(spot, strike, 0.5, -0.01, -0.03, volatility, is_call))
            assert np.isnan(all_greeks(spot, strike, 0.5, 0.03, 0.01, volatility, is_call).delta)
        intrinsic = 10.0 if is_call else 0.0
        assert float(price(SPOT, 90.0, 0.0, -0.01, -0.03, 0.2, is_call)) == intrinsic
        assert float(price(SPOT, 90.0, -1.0, -0.01, -0.03, 0.2, is_call)) == intrinsic
        # Without volatility the best time to exercise is known; with endless, the bound is left.
        for volatility in (0.0, 1e-9):
            value = float(price(SPOT, 110.0, 2.0, -0.03, -0.01, volatility, is_call))
            early = 110.0 * math.exp(0.06) - 100.0 * math.exp(0.02)
            assert value == pytest.approx(0.0 if is_call else early, abs=1e-6)
        for volatility in (50.0, 1e6, inf):
            value = float(price(SPOT, 90.0, 2.0, -0.03, -0.04, volatility, is_call))
            most = SPOT * math.exp(0.08) if is_call else 90.0 * math.exp(0.06)
            assert value == pytest.approx(most, rel=1e-9)


def test_the_fast_normal_distribution_is_scipys_to_nine_digits() -> None:
    deviation = np.concatenate([np.linspace(-37.0, 37.0, 20_001), [0.0, -0.0, 1e9, -1e9]])
    found = cumulative(deviation, np.exp(-0.5 * deviation * deviation))
    np.testing.assert_allclose(found, ndtr(deviation), rtol=1e-9, atol=1e-300)

"""American options against QuantLib's high-precision engine, Hull's examples and identities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greeks.maths import american, black_scholes
from greeks.maths.american import PRICE_ERROR, all_greeks, implied_volatility, price
from greeks.maths.black_scholes import Floats
from tests.greeks.maths.quantlib import american_price

SPOT = 100.0


def cases(count: int, seed: int) -> tuple[Any, ...]:
    """strike, days, rate, yield, volatility, is_call: near and far, short and long, odd carries."""
    random = np.random.default_rng(seed)
    wide = random.random(count) < 0.7
    strike = SPOT * np.exp(random.normal(0.0, np.where(wide, 0.35, 0.07)))
    days = np.select(
        [random.random(count) < 0.3, random.random(count) < 0.5],
        [random.integers(1, 15, count), random.integers(15, 365, count)],
        random.integers(365, 1500, count),
    )
    rate = random.choice([0.0, 0.0, 0.003, 0.01, 0.03, 0.05, 0.08, 0.12], count)
    dividend_yield = random.choice([0.0, 0.0, 0.005, 0.01, 0.03, 0.06, 0.12], count)
    volatility = random.choice([0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.5], count)
    return strike, days, rate, dividend_yield, volatility, random.random(count) < 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_prices_agree_with_quantlib_in_hundreds_of_random_cases(seed: int) -> None:
    strike, days, rate, dividend_yield, volatility, is_call = cases(150, seed)
    expected = [
        american_price(SPOT, float(k), int(d), float(r), float(q), float(v), bool(c))
        for k, d, r, q, v, c in zip(
            strike, days, rate, dividend_yield, volatility, is_call, strict=True
        )
    ]
    ours = price(SPOT, strike, days / 365.0, rate, dividend_yield, volatility, is_call)
    error = np.abs(ours - expected)
    assert error.max() < 1e-4
    assert (error <= PRICE_ERROR * np.maximum(SPOT, strike)).all()


@pytest.mark.parametrize("volatility", [0.01, 0.02, 0.05, 3.0])
@pytest.mark.parametrize(("rate", "dividend_yield"), [(0.2, 0.01), (0.05, -0.03), (0.001, 0.12)])
def test_prices_agree_with_quantlib_at_the_ends_of_the_stated_range(
    volatility: float, rate: float, dividend_yield: float
) -> None:
    for days in (1, 90, 1825):
        for strike in (85.0, 99.0, 101.0, 120.0):
            expected = american_price(SPOT, strike, days, rate, dividend_yield, volatility, False)
            ours = price(SPOT, strike, days / 365.0, rate, dividend_yield, volatility, False)
            assert float(ours) == pytest.approx(expected, abs=PRICE_ERROR * 120.0)


def test_hulls_american_put_is_where_his_trees_go() -> None:
    """Example 21.1: trees of 30, 50, 100 and 500 steps give 4.263, 4.272, 4.278 and 4.283."""
    greeks = all_greeks(50.0, 50.0, 5.0 / 12.0, 0.1, 0.0, 0.4, False)
    assert float(greeks.price) == pytest.approx(4.283, abs=2e-3)
    assert (round(float(greeks.delta), 2), round(float(greeks.gamma), 2)) == (-0.41, 0.03)


@pytest.mark.parametrize(
    ("rate", "dividend_yield", "is_call"),
    [(0.05, 0.0, True), (0.0, 0.0, True), (0.0, 0.03, False), (-0.01, 0.0, False)],
)
def test_what_is_never_exercised_early_is_european(
    rate: float, dividend_yield: float, is_call: bool
) -> None:
    strikes = np.linspace(50.0, 200.0, 31)
    arguments = (SPOT, strikes, 0.8, rate, dividend_yield, 0.3, is_call)
    ours, european = all_greeks(*arguments), black_scholes.all_greeks(*arguments)
    for name, mine, theirs in zip(ours._fields, ours, european, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-14, err_msg=name)


def test_deep_in_the_money_is_exercised_at_once() -> None:
    put = all_greeks(60.0, 100.0, 0.5, 0.08, 0.0, 0.2, False)
    call = all_greeks(200.0, 100.0, 0.5, 0.01, 0.12, 0.2, True)
    assert (float(put.price), float(put.delta)) == (40.0, -1.0)
    assert (float(call.price), float(call.delta)) == (100.0, 1.0)
    for greeks in (put, call):
        values = (greeks.gamma, greeks.theta, greeks.vega, greeks.rho)
        assert [float(value) for value in values] == [0.0, 0.0, 0.0, 0.0]


def test_calls_are_puts_with_everything_exchanged() -> None:
    call = price(90.0, 110.0, 0.7, 0.03, 0.06, 0.25, True)
    put = price(110.0, 90.0, 0.7, 0.06, 0.03, 0.25, False)
    assert float(call) == pytest.approx(float(put), rel=1e-13)


def test_negative_carry_on_both_sides_exceeds_european_and_intrinsic_value() -> None:
    """A put with yield < rate < 0 has two boundaries; QuantLib refuses it."""
    strikes = np.linspace(60.0, 160.0, 21)
    arguments = (SPOT, strikes, 2.0, -0.01, -0.04, 0.25, False)
    values = price(*arguments)
    assert (values >= black_scholes.price(*arguments) - 1e-4).all()
    assert (values >= np.maximum(strikes - SPOT, 0.0)).all()
    assert (np.diff(values) > 0.0).all()
    assert values.max() - (strikes - SPOT).max() > 0.01


def test_greeks_are_the_derivatives_of_quantlibs_price() -> None:
    strike, days, rate, dividend_yield, volatility, is_call = cases(60, 7)
    volatility = np.maximum(volatility, 0.1)
    days = np.maximum(days, 10)
    ours = all_greeks(SPOT, strike, days / 365.0, rate, dividend_yield, volatility, is_call)
    columns = list(zip(strike, days, rate, dividend_yield, volatility, is_call, strict=True))

    def oracle(**moved: float) -> Floats:
        return np.array(
            [
                american_price(
                    SPOT + moved.get("spot", 0.0),
                    float(k),
                    int(d + moved.get("days", 0)),
                    float(r + moved.get("rate", 0.0)),
                    float(q),
                    float(v + moved.get("volatility", 0.0)),
                    bool(c),
                )
                for k, d, r, q, v, c in columns
            ]
        )

    up, middle, down = oracle(spot=0.1), oracle(), oracle(spot=-0.1)
    np.testing.assert_allclose(ours.delta, (up - down) / 0.2, atol=2e-4)
    # Gamma jumps at the boundary: where a bump crosses it the oracle's own is no derivative.
    intrinsic = np.where(is_call, 1.0, -1.0) * (SPOT - strike)
    smooth = (np.minimum(up, down) > np.maximum(intrinsic + 0.02, 0.0)) & (days > 20)
    gamma = (up - 2.0 * middle + down) / 0.01
    np.testing.assert_allclose(ours.gamma[smooth], gamma[smooth], rtol=0.02, atol=2e-4)
    vega = (oracle(volatility=1e-3) - oracle(volatility=-1e-3)) / 0.2
    np.testing.assert_allclose(ours.vega, vega, atol=1e-4)
    rho = (oracle(rate=1e-4) - oracle(rate=-1e-4)) / 0.02
    positive = rate > 0.0
    np.testing.assert_allclose(ours.rho[positive], rho[positive], atol=2e-4)
    theta = -(oracle(days=1) - oracle(days=-1)) / 2.0
    slow = days > 60
    np.testing.assert_allclose(ours.theta[slow], theta[slow], atol=2e-4)


def test_theta_is_that_of_the_price_an_instant_later() -> None:
    strikes = np.linspace(70.0, 140.0, 29)
    for is_call in (True, False):
        arguments = (strikes, 0.4, 0.04, 0.05, 0.3, is_call)
        theta = all_greeks(SPOT, *arguments).theta
        step = 1e-5
        later = price(SPOT, strikes, 0.4 - step, *arguments[2:])
        sooner = price(SPOT, strikes, 0.4 + step, *arguments[2:])
        np.testing.assert_allclose(theta, (later - sooner) / (2.0 * step) / 365.0, atol=1e-4)


def test_expired_and_riskless_options_have_their_limits() -> None:
    expired = all_greeks(SPOT, [90.0, 100.0, 110.0], 0.0, 0.05, 0.02, 0.3, True)
    assert expired.price.tolist() == [10.0, 0.0, 0.0]
    assert expired.delta.tolist() == [1.0, 0.5, 0.0]
    # Kept to its end a riskless put loses interest; one that drifts into the money gains.
    riskless = all_greeks(SPOT, [110.0, 95.0], 1.0, [0.05, 0.01], [0.0, 0.08], 0.0, False)
    assert riskless.price[0] == 10.0
    assert riskless.price[1] == pytest.approx(95.0 * math.exp(-0.01) - 100.0 * math.exp(-0.08))
    assert riskless.delta[1] == pytest.approx(-math.exp(-0.08))
    for greeks in (expired, riskless):
        assert all(np.isfinite(column).all() for column in greeks)


def test_impossible_input_is_nan_and_leaves_its_neighbours_alone() -> None:
    greeks = all_greeks(
        [-1.0, 100.0, math.nan, 100.0], 100.0, 0.5, 0.04, 0.0, [0.2, -0.2, 0.2, 0.2], False
    )
    assert np.isnan(greeks.price[:3]).all()
    expected = american_price(100.0, 100.0, 182, 0.04, 0.0, 0.2, False)
    assert greeks.price[3] == pytest.approx(expected, abs=0.02)
    assert np.isnan(implied_volatility([5.0], [math.nan], 100.0, 0.5, 0.04, 0.0, False)).all()


# Amounts have eight decimals; of a spot near the smallest float the true gamma is none.
PRICES = st.just(0.0) | st.floats(1e-8, 1e7)


@given(
    spot=PRICES,
    strike=PRICES,
    years=st.floats(-1.0, 20.0),
    rate=st.floats(-0.1, 0.5),
    dividend_yield=st.floats(-0.1, 0.5),
    volatility=st.floats(0.0, 10.0),
    is_call=st.booleans(),
)
@example(100.0, 100.0, 1.0, -0.02, -0.05, 0.2, False)
@example(100.0, 100.0, 1.0, 0.0, -0.05, 0.2, False)
@example(100.0, 100.0, 5.0, 0.05, 0.3, 0.01, False)
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
    sign = 1.0 if is_call else -1.0
    assert greeks.price >= max(sign * (spot - strike), 0.0)
    assert greeks.gamma >= 0.0
    assert greeks.vega >= 0.0


def test_implied_volatility_gives_the_volatility_back() -> None:
    strike, days, rate, dividend_yield, volatility, is_call = cases(1500, 11)
    years = days / 365.0
    arguments = (SPOT, strike, years, rate, dividend_yield)
    values = price(*arguments, volatility, is_call)
    found = implied_volatility(values, *arguments, is_call)
    told = np.isfinite(found)
    np.testing.assert_allclose(found[told], volatility[told], rtol=0.0, atol=1e-8)
    # A price that moves by a millionth for a point of volatility determines one.
    vega = all_greeks(*arguments, volatility, is_call).vega
    assert told[vega > 1e-6].all()
    assert told.mean() > 0.6


@pytest.mark.parametrize(
    ("value", "strike"), [(40.0, 140.0), (39.0, 140.0), (140.0, 140.0), (0.0, 80.0), (-1.0, 80.0)]
)
def test_price_without_time_value_or_above_the_bound_determines_none(
    value: float, strike: float
) -> None:
    found = implied_volatility(value, SPOT, strike, 0.5, 0.05, 0.0, False)
    assert np.isnan(found)


def test_results_do_not_depend_on_the_neighbours() -> None:
    strike, days, rate, dividend_yield, volatility, is_call = cases(300, 13)
    together = american.all_greeks(
        SPOT, strike, days / 365.0, rate, dividend_yield, volatility, is_call
    )
    for row in (0, 77, 151, 299):
        alone = american.all_greeks(
            SPOT,
            strike[row],
            days[row] / 365.0,
            rate[row],
            dividend_yield[row],
            volatility[row],
            is_call[row],
        )
        for name, mine, theirs in zip(alone._fields, alone, together, strict=True):
            assert float(mine) == pytest.approx(theirs[row], rel=1e-9, abs=1e-11), name

"""Cash dividends against QuantLib's finite differences, Hull's examples and limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from greeks.maths import american, black_scholes
from greeks.maths.discrete_dividends import PRICE_ERROR, all_greeks, implied_volatility, price
from tests.greeks.maths.quantlib import with_dividends

SPOT = 100.0
Case = tuple[float, int, float, float, bool, tuple[tuple[int, float], ...]]


def cases() -> list[Case]:
    """strike, days, rate, volatility, is_call, dividends as (day, amount)."""
    random = np.random.default_rng(5)
    found: list[Case] = []
    for _ in range(24):
        days = int(random.integers(20, 540))
        count = int(random.integers(1, 4))
        on = sorted({int(day) for day in random.integers(1, days, count)})
        found.append(
            (
                float(SPOT * np.exp(random.normal(0.0, 0.12))),
                days,
                float(random.choice([0.01, 0.03, 0.05])),
                float(random.choice([0.15, 0.25, 0.4])),
                bool(random.random() < 0.5),
                tuple((day, float(random.choice([0.3, 0.8, 2.0]))) for day in on),
            )
        )
    # Calls in the money the day before the dividend, and puts that wait for it.
    for strike in (80.0, 90.0, 97.0):
        found.append((strike, 45, 0.03, 0.2, True, ((1, 1.5),)))
        found.append((200.0 - strike, 45, 0.03, 0.2, False, ((1, 1.5),)))
    return found


@pytest.mark.parametrize("is_american", [True, False])
def test_prices_and_slopes_agree_with_quantlibs_finite_differences(is_american: bool) -> None:
    for strike, days, rate, volatility, is_call, dividends in cases():
        expected = with_dividends(
            SPOT, strike, days, rate, volatility, is_call, is_american, dividends
        )
        ours = all_greeks(
            SPOT,
            strike,
            days / 365.0,
            rate,
            0.0,
            volatility,
            is_call,
            is_american,
            [[day / 365.0 for day, _ in dividends]],
            [[amount for _, amount in dividends]],
        )
        assert float(ours.price[0]) == pytest.approx(expected[0], abs=PRICE_ERROR * 150.0)
        assert float(ours.delta[0]) == pytest.approx(expected[1], abs=2e-3)
        assert float(ours.gamma[0]) == pytest.approx(expected[2], abs=5e-4)


def test_hulls_european_call_with_two_dividends_is_the_printed_one() -> None:
    """Example 15.9: 40, K = 40, 30 %, 9 %, six months, 0.50 after two and five months: 3.67."""
    value = price(
        40.0, 40.0, 0.5, 0.09, 0.0, 0.3, True, False, [[2.0 / 12.0, 5.0 / 12.0]], [[0.5, 0.5]]
    )
    assert round(float(value[0]), 2) == 3.67


def test_hulls_american_call_is_worth_more_than_blacks_approximation() -> None:
    """Example 15.10, the same option: exercising before the last dividend alone gives 3.52."""
    american_value = price(
        40.0, 40.0, 0.5, 0.09, 0.0, 0.3, True, True, [[2.0 / 12.0, 5.0 / 12.0]], [[0.5, 0.5]]
    )
    assert 3.67 < float(american_value[0]) < 3.80


def test_dividends_outside_the_life_count_for_nothing() -> None:
    times, amounts = [[-0.1, 0.6]], [[3.0, 3.0]]
    arguments = (SPOT, 105.0, 0.5, 0.04, 0.01, 0.25, False)
    assert float(price(*arguments, True, times, amounts)[0]) == float(american.price(*arguments))
    assert float(price(*arguments, False, times, amounts)[0]) == float(
        black_scholes.price(*arguments)
    )


def test_call_in_the_money_is_exercised_the_day_before_a_large_dividend() -> None:
    value = all_greeks(SPOT, 60.0, 0.25, 0.02, 0.0, 0.2, True, True, [[1.0 / 365.0]], [[5.0]])
    waited = price(SPOT, 60.0, 0.25, 0.02, 0.0, 0.2, True, False, [[1.0 / 365.0]], [[5.0]])
    assert float(value.price[0]) == pytest.approx(40.0, abs=0.01)
    assert float(waited[0]) < 35.5
    assert float(value.delta[0]) == pytest.approx(1.0, abs=1e-3)


def test_greeks_are_the_derivatives_of_the_price() -> None:
    strikes = np.linspace(80.0, 120.0, 9)
    times, amounts = np.array([[0.15, 0.4]]), np.array([[0.6, 0.6]])
    for is_american in (True, False):
        for is_call in (True, False):
            rest = (is_call, is_american)
            ours = all_greeks(SPOT, strikes, 0.5, 0.04, 0.0, 0.3, *rest, times, amounts)
            step = 1.0 / 365.0 / 8.0
            later = price(SPOT, strikes, 0.5 - step, 0.04, 0.0, 0.3, *rest, times - step, amounts)
            sooner = price(SPOT, strikes, 0.5 + step, 0.04, 0.0, 0.3, *rest, times + step, amounts)
            np.testing.assert_allclose(ours.theta, (later - sooner) * 4.0, atol=5e-4)
            up = price(SPOT, strikes, 0.5, 0.04, 0.0, 0.305, *rest, times, amounts)
            down = price(SPOT, strikes, 0.5, 0.04, 0.0, 0.295, *rest, times, amounts)
            np.testing.assert_allclose(ours.vega, up - down, atol=5e-4)
            high = price(SPOT, strikes, 0.5, 0.045, 0.0, 0.3, *rest, times, amounts)
            low = price(SPOT, strikes, 0.5, 0.035, 0.0, 0.3, *rest, times, amounts)
            np.testing.assert_allclose(ours.rho, high - low, atol=1e-3)


def test_implied_volatility_gives_the_volatility_back() -> None:
    strikes = np.linspace(80.0, 125.0, 10)
    times, amounts = [[0.1, 0.3]], [[0.8, 0.8]]
    for is_american in (True, False):
        for is_call in (True, False):
            arguments = (SPOT, strikes, 0.45, 0.03, 0.0)
            values = price(*arguments, 0.27, is_call, is_american, times, amounts)
            found = implied_volatility(values, *arguments, is_call, is_american, times, amounts)
            told = np.isfinite(found)
            np.testing.assert_allclose(found[told], 0.27, atol=1e-8)
            assert told.sum() >= 8


def test_impossible_and_degenerate_input_is_nan_or_finite() -> None:
    greeks = all_greeks(
        [100.0, 100.0, math.nan, 100.0, 0.0, 100.0],
        100.0,
        [0.5, 0.0, 0.5, 0.5, 0.5, 0.5],
        0.05,
        0.0,
        [0.0, 0.2, 0.2, 0.2, 0.2, 0.2],
        [True, True, True, True, True, False],
        True,
        0.25,
        [[1.0], [1.0], [1.0], [-1.0], [1.0], [150.0]],
    )
    finite = np.isfinite(np.stack(greeks)).all(axis=0)
    assert finite.tolist() == [True, True, False, False, True, True]
    # Dividends worth more than the spot leave a share of nothing.
    assert greeks.price[5] == pytest.approx(100.0 * math.exp(-0.0125), abs=0.1)


def test_results_do_not_depend_on_the_neighbours() -> None:
    spots = np.linspace(90.0, 110.0, 7)
    times, amounts = np.linspace(0.05, 0.45, 14).reshape(7, 2), np.full((7, 2), 0.5)
    amounts[::2, 1] = 0.0
    together = price(spots, 100.0, 0.5, 0.04, 0.0, 0.25, False, True, times, amounts)
    for row in range(7):
        alone = price(
            spots[row], 100.0, 0.5, 0.04, 0.0, 0.25, False, True, times[row], amounts[row]
        )
        assert float(alone[0]) == pytest.approx(together[row], rel=1e-12)

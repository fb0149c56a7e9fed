"""The one door: each leg by its own model, alone and in scenario grids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from greeks.maths import american, black_scholes, discrete_dividends, valuation
from greeks.maths.valuation import CashDividends, Legs

SPOTS = np.array([0.8, 0.95, 1.0, 1.1])
SHIFTS = np.array([-0.05, -0.02, 0.0, 0.1])
FORWARD = np.array([0.0, 7.0, 40.0, 400.0]) / 365.0
ERROR = 120.0 * discrete_dividends.PRICE_ERROR


def book() -> Legs:
    """European and American legs, some with cash dividends, some that expire in the grid."""
    random = np.random.default_rng(3)
    count = 24
    times = np.sort(random.uniform(-0.1, 0.8, (count, 2)), axis=1)
    amounts = np.where(np.arange(count)[:, None] % 3 == 0, 0.7, 0.0) * np.ones((count, 2))
    return Legs.of(
        spot=random.uniform(90.0, 110.0, count),
        strike=random.uniform(80.0, 120.0, count),
        years=random.uniform(0.05, 1.2, count),
        rate=0.04,
        dividend_yield=random.choice([0.0, 0.02, 0.06], count),
        volatility=random.uniform(0.15, 0.6, count),
        is_call=random.random(count) < 0.5,
        is_american=np.arange(count) % 2 == 0,
        dividends=CashDividends(times, amounts),
    )


def test_each_leg_is_valued_by_its_own_model() -> None:
    legs = book()
    values = valuation.value(legs)
    greeks = valuation.greeks(legs)
    assert legs.dividends is not None
    for row in range(len(legs)):
        arguments = (
            legs.spot[row],
            legs.strike[row],
            legs.years[row],
            legs.rate[row],
            legs.dividend_yield[row],
            legs.volatility[row],
            legs.is_call[row],
        )
        times, amounts = legs.dividends.times[row], legs.dividends.amounts[row]
        if amounts.any():
            style = bool(legs.is_american[row])
            expected = discrete_dividends.all_greeks(*arguments, style, times, amounts)
        else:
            model = american if legs.is_american[row] else black_scholes
            expected = model.all_greeks(*arguments)
        assert values[row] == pytest.approx(float(np.ravel(expected.price)[0]), abs=1e-9)
        for name, mine, theirs in zip(greeks._fields, greeks, expected, strict=True):
            assert mine[row] == pytest.approx(float(np.ravel(theirs)[0]), abs=1e-8), name


DAY = 1.0 / 365.0


@pytest.mark.parametrize("american_style", [False, True])
@pytest.mark.parametrize("is_call", [False, True])
def test_theta_is_within_what_a_day_can_take_or_bring(is_call: bool, american_style: bool) -> None:
    """Strikes from far in to far out of the money, from seconds to years before expiry."""
    days = np.repeat([1e-4, 0.02, 0.3, 0.999, 1.001, 3.0, 40.0, 400.0], 5)
    legs = Legs.of(
        spot=100.0,
        strike=np.tile([60.0, 97.0, 100.0, 103.0, 150.0], 8),
        years=days * DAY,
        rate=0.05,
        dividend_yield=0.02,
        volatility=0.3,
        is_call=is_call,
        is_american=american_style,
    )
    model = american if american_style else black_scholes
    arguments = (legs.spot, legs.strike, legs.years, 0.05, 0.02, 0.3, is_call)
    value, theirs = model.price(*arguments), model.all_greeks(*arguments).theta
    ours = valuation.greeks(legs).theta
    intrinsic = np.maximum((legs.spot - legs.strike) * (1.0 if is_call else -1.0), 0.0)
    last = days < 0.02
    # The rest of its life takes all time value, or brings it.
    np.testing.assert_allclose(ours[last], (intrinsic - value)[last], atol=1e-8)
    assert (value + ours > -1e-12).all()
    assert (np.abs(ours) <= np.abs(theirs) + 1e-12).all()
    # The derivative where a day is little.
    np.testing.assert_allclose(ours[days > 20.0], theirs[days > 20.0], rtol=1e-4)
    before, after = ours[(days > 0.9) & (days < 1.0)], ours[(days > 1.0) & (days < 2.0)]
    np.testing.assert_allclose(before, after, rtol=0.01, atol=1e-9)


def test_theta_of_an_option_with_dividends_leaves_the_spot_where_it_is() -> None:
    legs = Legs.of(
        spot=100.0, strike=[80.0, 120.0], years=3e-5, rate=0.05, dividend_yield=0.0,
        volatility=0.3, is_call=[True, False], is_american=True,
        dividends=CashDividends(np.full((2, 1), 1e-5), np.full((2, 1), 1.5)),
    )  # fmt: skip
    greeks = valuation.greeks(legs)
    assert (greeks.price + greeks.theta >= 20.0 - 1e-9).all()


def test_grid_is_the_value_of_every_leg_in_every_scenario() -> None:
    legs = book()
    grid = valuation.value_grid(legs, SPOTS, SHIFTS, FORWARD)
    assert grid.shape == (4, 4, 4, len(legs))
    assert legs.dividends is not None
    for day, passed in enumerate(FORWARD):
        for row, shift in enumerate(SHIFTS):
            for column, factor in enumerate(SPOTS):
                moved = replace(
                    legs,
                    spot=legs.spot * factor,
                    volatility=np.maximum(legs.volatility + shift, 0.0),
                    years=np.maximum(legs.years - passed, 0.0),
                    dividends=legs.dividends._replace(times=legs.dividends.times - passed),
                )
                expected = valuation.value(moved)
                np.testing.assert_allclose(grid[day, row, column], expected, atol=ERROR)


def test_european_grid_is_exact() -> None:
    legs = replace(book(), is_american=np.zeros(24, dtype=bool), dividends=None)
    shifts = np.array([-0.7, -0.05, 0.0, 0.1])
    grid = valuation.value_grid(legs, SPOTS, shifts, FORWARD)
    expected = black_scholes.price(
        legs.spot * SPOTS[:, None],
        legs.strike,
        np.maximum(legs.years - FORWARD[:, None, None, None], 0.0),
        legs.rate,
        legs.dividend_yield,
        np.maximum(legs.volatility + shifts[:, None, None], 0.0),
        legs.is_call,
    )
    np.testing.assert_allclose(grid, expected, rtol=1e-12, atol=1e-11)


def test_grid_without_volatility_is_finite_and_never_below_the_intrinsic_value() -> None:
    legs = book()
    grid = valuation.value_grid(legs, SPOTS, [-1.0], FORWARD)[:, 0]
    intrinsic = np.where(legs.is_call, 1.0, -1.0) * (legs.spot * SPOTS[:, None] - legs.strike)
    assert np.isfinite(grid).all()
    american_legs = np.flatnonzero(legs.is_american)
    assert (grid >= np.maximum(intrinsic, 0.0) - 1e-9)[..., american_legs].all()


def test_axes_may_move_each_leg_differently() -> None:
    legs = book()
    beta = np.linspace(0.5, 2.0, len(legs))
    factors = 1.0 + (SPOTS[:, None] - 1.0) * beta
    grid = valuation.value_grid(legs, factors, [0.0], [0.0])
    for column in range(SPOTS.size):
        moved = replace(legs, spot=legs.spot * factors[column])
        np.testing.assert_allclose(grid[0, 0, column], valuation.value(moved), atol=ERROR)


@pytest.mark.parametrize("volatility", [0.02, 0.3])
def test_american_option_alone_is_worth_what_it_is_beside_others(volatility: float) -> None:
    """At little volatility beside the rate its premium is summed over points of its own."""
    one: dict[str, Any] = {"spot": 100.0, "strike": 100.0, "years": 2.0, "is_call": False}
    one |= {"rate": 0.08, "dividend_yield": 0.01, "is_american": True}
    legs = [Legs.of(**one, volatility=each) for each in (volatility, [volatility] * 3)]
    alone, beside = (valuation.value_grid(each, SPOTS, SHIFTS, FORWARD) for each in legs)
    assert np.isfinite(alone).all()
    np.testing.assert_allclose(beside, np.broadcast_to(alone, beside.shape), rtol=1e-12)


def test_implied_volatilities_give_the_volatilities_back_by_each_model() -> None:
    legs = book()
    found = valuation.implied_volatilities(valuation.value(legs), legs)
    told = np.isfinite(found)
    np.testing.assert_allclose(found[told], legs.volatility[told], atol=1e-8)
    assert told.sum() >= 20


def test_nothing_held_gives_nothing() -> None:
    legs = book().take(np.array([], dtype=np.intp))
    assert valuation.value(legs).shape == (0,)
    assert valuation.greeks(legs).delta.shape == (0,)
    assert valuation.value_grid(legs, SPOTS, SHIFTS, FORWARD).shape == (4, 4, 4, 0)


def test_shapes_that_do_not_fit_are_refused() -> None:
    arguments: dict[str, Any] = {"strike": 100.0, "years": 0.5, "rate": 0.0, "dividend_yield": 0.0}
    with pytest.raises(ValueError, match="one-dimensional"):
        Legs.of(spot=np.ones((2, 2)), volatility=0.2, is_call=True, **arguments)
    with pytest.raises(ValueError, match=r"shape \(2, 1\)"):
        Legs.of(
            spot=[100.0, 100.0],
            volatility=0.2,
            is_call=True,
            dividends=CashDividends(np.zeros((3, 1)), np.zeros((3, 1))),
            **arguments,
        )


@pytest.mark.parametrize("is_american", [True, False])
@pytest.mark.parametrize("paying", [True, False])
@pytest.mark.parametrize(("spot", "strike"), [(-100.0, -90.0), (-100.0, 90.0), (100.0, -90.0)])
def test_negative_spot_or_strike_has_no_lognormal_value(
    spot: float, strike: float, paying: bool, is_american: bool
) -> None:
    legs = Legs.of(
        spot=[spot] * 3, strike=strike, years=1.0, rate=0.05, dividend_yield=0.02, volatility=0.3,
        is_call=[True, False, True], is_american=is_american,
        dividends=CashDividends(np.full((3, 1), 0.5), np.full((3, 1), 1.0)) if paying else None,
    )  # fmt: skip
    assert np.isnan(valuation.value(legs)).all()
    assert np.isnan(valuation.value_grid(legs, SPOTS, SHIFTS, FORWARD)).all()
    assert np.isnan(valuation.implied_volatilities([12.0] * 3, legs)).all()
    for greek in valuation.greeks(legs):
        assert np.isnan(greek).all()

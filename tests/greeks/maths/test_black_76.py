"""Options on futures: Hull's examples, QuantLib's Black formula, and rho's convention."""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib

from tests.greeks.maths.black_76 import all_greeks, implied_volatility, price


def test_hulls_examples_are_the_printed_ones() -> None:
    # Examples 18.6 (crude oil put) and 18.7 (gold call).
    assert round(float(price(20.0, 20.0, 4.0 / 12.0, 0.09, 0.25, False)), 2) == 1.12
    assert round(float(price(620.0, 600.0, 0.5, 0.05, 0.2, True)), 2) == 44.19


@pytest.mark.parametrize("is_call", [True, False])
def test_price_and_delta_agree_with_quantlib(is_call: bool) -> None:
    right = QuantLib.Option.Call if is_call else QuantLib.Option.Put
    for strike in (60.0, 95.0, 100.0, 130.0):
        calculator = QuantLib.BlackCalculator(
            QuantLib.PlainVanillaPayoff(right, strike),
            100.0,
            0.3 * math.sqrt(0.7),
            math.exp(-0.04 * 0.7),
        )
        ours = all_greeks(100.0, strike, 0.7, 0.04, 0.3, is_call)
        assert float(ours.price) == pytest.approx(calculator.value(), rel=1e-12)
        assert float(ours.delta) == pytest.approx(calculator.deltaForward(), rel=1e-12)
        assert float(ours.gamma) == pytest.approx(calculator.gammaForward(), rel=1e-11)
        assert float(ours.vega) == pytest.approx(calculator.vega(0.7) / 100.0, rel=1e-11)


def test_rho_and_theta_leave_the_futures_price_where_it_is() -> None:
    arguments = (100.0, 105.0)
    ours = all_greeks(*arguments, 0.7, 0.04, 0.3, True)
    higher, lower = (price(*arguments, 0.7, 0.04 + step, 0.3, True) for step in (1e-5, -1e-5))
    assert float(ours.rho) == pytest.approx(float(higher - lower) / 2e-5 / 100.0, rel=1e-8)
    later, sooner = (price(*arguments, 0.7 + step, 0.04, 0.3, True) for step in (-1e-5, 1e-5))
    assert float(ours.theta) == pytest.approx(float(later - sooner) / 2e-5 / 365.0, rel=1e-7)


def test_implied_volatility_gives_the_volatility_back() -> None:
    strikes = np.linspace(70.0, 140.0, 15)
    values = price(100.0, strikes, 0.3, 0.05, 0.22, strikes > 100.0)
    found = implied_volatility(values, 100.0, strikes, 0.3, 0.05, strikes > 100.0)
    np.testing.assert_allclose(found, 0.22, atol=1e-10)

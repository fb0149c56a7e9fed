"""QuantLib as the oracle of American options and of cash dividends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import QuantLib

TODAY = QuantLib.Date(1, 6, 2026)


def _process(
    spot: float, rate: float, dividend_yield: float, volatility: float
) -> QuantLib.BlackScholesMertonProcess:
    QuantLib.Settings.instance().evaluationDate = TODAY
    count, calendar = QuantLib.Actual365Fixed(), QuantLib.NullCalendar()
    return QuantLib.BlackScholesMertonProcess(
        QuantLib.QuoteHandle(QuantLib.SimpleQuote(spot)),
        QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(TODAY, dividend_yield, count)),
        QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(TODAY, rate, count)),
        QuantLib.BlackVolTermStructureHandle(
            QuantLib.BlackConstantVol(TODAY, calendar, volatility, count)
        ),
    )


def _payoff(strike: float, is_call: bool) -> QuantLib.PlainVanillaPayoff:
    right = QuantLib.Option.Call if is_call else QuantLib.Option.Put
    return QuantLib.PlainVanillaPayoff(right, strike)


def american_price(
    spot: float,
    strike: float,
    days: int,
    rate: float,
    dividend_yield: float,
    volatility: float,
    is_call: bool,
) -> float:
    """By the high-precision scheme of Andersen, Lake and Offengenden."""
    option = QuantLib.VanillaOption(
        _payoff(strike, is_call), QuantLib.AmericanExercise(TODAY, TODAY + days)
    )
    option.setPricingEngine(
        QuantLib.QdFpAmericanEngine(
            _process(spot, rate, dividend_yield, volatility),
            QuantLib.QdFpAmericanEngine.highPrecisionScheme(),
        )
    )
    return float(option.NPV())


def with_dividends(
    spot: float,
    strike: float,
    days: int,
    rate: float,
    volatility: float,
    is_call: bool,
    is_american: bool,
    dividends: Sequence[tuple[int, float]],
    *,
    steps: int = 600,
) -> tuple[float, float, float]:
    """Return the price, delta and gamma by finite differences of the escrowed model."""
    expiry = TODAY + days
    exercise: Any = (
        QuantLib.AmericanExercise(TODAY, expiry)
        if is_american
        else QuantLib.EuropeanExercise(expiry)
    )
    option = QuantLib.VanillaOption(_payoff(strike, is_call), exercise)
    option.setPricingEngine(
        QuantLib.FdBlackScholesVanillaEngine(
            _process(spot, rate, 0.0, volatility),
            QuantLib.DividendVector(
                [TODAY + day for day, _ in dividends], [amount for _, amount in dividends]
            ),
            steps,
            steps,
            4,
            QuantLib.FdmSchemeDesc.Douglas(),
            False,
            -1e9,
            QuantLib.FdBlackScholesVanillaEngine.Escrowed,
        )
    )
    return float(option.NPV()), float(option.delta()), float(option.gamma())

"""The contracts that the mathematics is measured on, and how a vendor's library is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import QuantLib
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TODAY = QuantLib.Date(1, 6, 2026)


def contracts(count: int) -> tuple[Any, ...]:
    """spot, strike, years, rate, yield, volatility, is_call: a large book at several spots."""
    random = np.random.default_rng(20261120)
    days = random.integers(3, 730, count)
    return (
        random.uniform(50.0, 200.0, count),
        random.uniform(50.0, 200.0, count),
        days / 365.0,
        random.uniform(0.01, 0.05, count),
        random.uniform(0.0, 0.03, count),
        random.uniform(0.1, 0.8, count),
        random.random(count) < 0.5,
    )


def quantlib_calls(
    columns: Sequence[Any], ask: Callable[[Any], object], *, american: bool
) -> Callable[[], None]:
    """Price each contract with its own prebuilt option, so that only pricing is timed."""
    options = []
    QuantLib.Settings.instance().evaluationDate = TODAY
    day_count, calendar = QuantLib.Actual365Fixed(), QuantLib.NullCalendar()
    for spot, strike, years, rate, dividend_yield, volatility, is_call in zip(
        *columns, strict=True
    ):
        quote = QuantLib.SimpleQuote(float(spot))
        process = QuantLib.BlackScholesMertonProcess(
            QuantLib.QuoteHandle(quote),
            QuantLib.YieldTermStructureHandle(
                QuantLib.FlatForward(TODAY, float(dividend_yield), day_count)
            ),
            QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(TODAY, float(rate), day_count)),
            QuantLib.BlackVolTermStructureHandle(
                QuantLib.BlackConstantVol(TODAY, calendar, float(volatility), day_count)
            ),
        )
        right = QuantLib.Option.Call if is_call else QuantLib.Option.Put
        expiry = TODAY + round(float(years) * 365)
        option = QuantLib.VanillaOption(
            QuantLib.PlainVanillaPayoff(right, float(strike)),
            QuantLib.AmericanExercise(TODAY, expiry)
            if american
            else QuantLib.EuropeanExercise(expiry),
        )
        option.setPricingEngine(
            QuantLib.QdFpAmericanEngine(process, QuantLib.QdFpAmericanEngine.fastScheme())
            if american
            else QuantLib.AnalyticEuropeanEngine(process)
        )
        options.append((quote, option))

    def run() -> None:
        for quote, option in options:
            # An equal value notifies no observer; changing it and back forces a computation.
            value = quote.value()
            quote.setValue(value + 1.0)
            quote.setValue(value)
            ask(option)

    return run

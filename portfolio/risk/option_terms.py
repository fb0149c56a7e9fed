"""Model inputs of each option leg: volatility, dividend yield, dividends, time.

A leg's volatility is its own implied one, else the one its price implies, else that of the nearest
strike of its expiry in its account, else zero where the price is all intrinsic value. Its dividend
yield is the one that brings the model nearest its mark, unless the dividends are known; futures
options use the rate, as in Black-76 (Hull, *Options, Futures, and Other Derivatives*, ch. 18).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from greeks.calendar.exchanges import exchange_of_currency
from greeks.domain import InstrumentKind
from greeks.maths import valuation
from greeks.maths.valuation import Legs
from greeks.pricing.dividends import KnownDividends, going_ex
from greeks.pricing.parity import cash_dividends
from greeks.pricing.rates import risk_free_rate
from greeks.pricing.time_value import from_neighbours, quote_noise, time_value
from greeks.pricing.years import years_to
from portfolio.exposure.columns import FloatArray, column
from portfolio.risk.legs import RiskLeg

# A gap to the mark is split between noise and yield: yields beyond a few per cent are unlikely,
# except for an index nobody can carry, whose futures may lie anywhere.
_YIELD_SPREAD = 0.03
_UNCARRIED, _UNCARRIED_SPREAD = "VIX", 1.0
# Largest log distance of a future from its spot: beyond it the mark is wrong.
_MOST_CARRY = 0.5
_YIELD_STEP = 1e-4
_YIELD_ROUNDS = 2
# A yield far from zero needs the slope taken anew each time.
_FAR_ROUNDS = 6


def option_terms(
    legs: Sequence[RiskLeg], spots: FloatArray, *, dividends: KnownDividends, at: datetime
) -> tuple[Legs, list[str]]:
    """Return the model inputs of these options, and where each volatility is from.

    The source is ``own``, ``price``, ``neighbour``, ``intrinsic`` or ``expired``. An undetermined
    volatility is NaN.
    """
    rate = column(risk_free_rate(leg.leg.currency).value for leg in legs)
    futures = np.array(
        [leg.leg.instrument_type == InstrumentKind.FUTURE_OPTION.value for leg in legs], dtype=bool
    )
    coming = [
        going_ex(paid, exchange_of_currency(leg.leg.currency), at=at, until=leg.expires_at or at)
        if (paid := dividends.get(leg.leg.underlying_key))
        else ()
        for leg in legs
    ]
    # A yield on top of known dividends would count them twice.
    paying = np.array([bool(each) for each in coming], dtype=bool)
    given = column(leg.implied_volatility for leg in legs)
    given[~(given > 0)] = np.nan
    arrays = Legs.of(
        spot=spots,
        strike=column(leg.strike for leg in legs),
        years=[years_to(leg.expires_at, at) for leg in legs if leg.expires_at is not None],
        rate=rate,
        dividend_yield=np.where(futures, rate, 0.0),
        volatility=given,
        is_call=[leg.right == "C" for leg in legs],
        is_american=[leg.model == "american" for leg in legs],
        dividends=cash_dividends(coming),
    )
    marks = column(leg.leg.price for leg in legs)
    spread = np.array(
        [_UNCARRIED_SPREAD if leg.leg.underlying == _UNCARRIED else _YIELD_SPREAD for leg in legs]
    )
    yields = _fitted_yields(arrays, marks, spread, fixed=futures | paying)
    arrays = replace(arrays, dividend_yield=yields)
    # An expiring option is worth its intrinsic value whatever the volatility.
    expired = arrays.years <= 0.0
    volatility = np.where(expired, 0.0, given)
    missing = np.flatnonzero(np.isnan(volatility))
    if missing.size:
        volatility[missing] = valuation.implied_volatilities(marks[missing], arrays.take(missing))
    sources = [
        "expired" if over else "own" if has else "price"
        for over, has in zip(expired, ~np.isnan(given), strict=True)
    ]
    _without_own_volatility(legs, arrays, marks, volatility, sources)
    return replace(arrays, volatility=volatility), sources


def _without_own_volatility(
    legs: Sequence[RiskLeg],
    arrays: Legs,
    marks: FloatArray,
    volatility: FloatArray,
    sources: list[str],
) -> None:
    """Fill a missing volatility from the account's nearest strike, else with 0 at intrinsic."""
    missing = np.flatnonzero(np.isnan(volatility))
    if not missing.size:
        return
    expiries = [(leg.account_id, leg.leg.underlying_key, leg.expires_at) for leg in legs]
    near = from_neighbours(volatility, arrays.strike, expiries)
    # A price far below is old, and its leg exercised all the more.
    exercised = time_value(marks[missing], arrays.take(missing)) <= quote_noise(marks[missing])
    for index, is_exercised in zip(missing.tolist(), exercised.tolist(), strict=True):
        if not np.isnan(near[index]):
            volatility[index], sources[index] = near[index], "neighbour"
        elif is_exercised:
            volatility[index], sources[index] = 0.0, "intrinsic"


def _fitted_yields(
    arrays: Legs, marks: FloatArray, spread: FloatArray, *, fixed: Any
) -> FloatArray:
    """Fit the yield that brings each leg's model nearest its mark, by ridge least squares.

    ``spread`` is how far from zero the leg's yield may plausibly be. Each leg is fitted alone: its
    value must not depend on the other legs, or the grids of two accounts would not add up to the
    grid of both.
    """
    yields = arrays.dividend_yield.copy()
    usable = (marks > 0) & ~np.isnan(arrays.volatility) & (arrays.years > 0) & ~fixed
    far = spread > _YIELD_SPREAD
    for chosen, slopes, steps in (
        (usable & ~far, 1, _YIELD_ROUNDS),
        (usable & far, _FAR_ROUNDS, 1),
    ):
        rows = np.flatnonzero(chosen)
        for _ in range(slopes if rows.size else 0):
            here = replace(arrays.take(rows), dividend_yield=yields[rows])
            yields[rows] = _nearer_yields(here, marks[rows], spread[rows], steps)
    return yields


def _nearer_yields(arrays: Legs, marks: FloatArray, spread: FloatArray, steps: int) -> FloatArray:
    """Take this many Gauss-Newton steps with the slope at the current yields."""
    weight, pull = quote_noise(marks) ** -2.0, spread**-2.0
    found = arrays.dividend_yield
    model = valuation.value(arrays)
    nudged = valuation.value(replace(arrays, dividend_yield=found + _YIELD_STEP))
    slope = (nudged - model) / _YIELD_STEP
    for left in reversed(range(steps)):
        # The current yield pulls back to zero like one more observation.
        push = weight * slope * (marks - model) - found * pull
        found = found + push / (weight * slope * slope + pull)
        found = np.clip(found, -_MOST_CARRY / arrays.years, _MOST_CARRY / arrays.years)
        if left:
            model = valuation.value(replace(arrays, dividend_yield=found))
    return found

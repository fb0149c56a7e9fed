"""A book made ready for revaluation: what each leg is worth when spot, volatility and time move.

Options are revalued whole by their own model (:mod:`greeks.maths.valuation`), stock and futures
are linear. The P&L of a leg is model(moved) − model(now), × quantity × multiplier × the rate into
the book's currency, so that what the model and the market disagree about today is in no scenario.

The volatility of a leg is its own implied one, else that which its price implies, else that of the
nearest strike of its expiry in its account, else nought where the price is all intrinsic value. Its
dividend yield is the one at which the model comes nearest its mark, unless the dividends are known;
futures options carry the rate, as in Black-76 (Hull, *Options, Futures, and Other Derivatives*,
ch. 18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from numpy.typing import ArrayLike

from greeks.domain import InstrumentKind
from greeks.exchanges import exchange_of_currency
from greeks.maths import valuation
from greeks.maths.valuation import Legs
from greeks.selectors.dividends import KnownDividends
from greeks.services.model_greeks import years_to
from greeks.services.parity import cash_dividends
from portfolio.services.risk_legs import RiskLeg
from portfolio.services.risk_rows import FloatArray, column, leg_spots

DAYS_A_YEAR = 365.0
# A mark's disagreement is shared between its noise and the yield: beyond a few per cent are
# unlikely, but for an index that nobody can carry, whose futures lie where they like.
_YIELD_SPREAD = 0.03
_UNCARRIED, _UNCARRIED_SPREAD = "VIX", 1.0
_YIELD_STEP = 1e-4
_YIELD_ROUNDS = 2


class LeftOut(NamedTuple):
    """A leg that cannot be revalued, with the reason; it is in no cell."""

    leg: RiskLeg
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioBook:
    """Legs that can be revalued, options first, then linear ones.

    ``scale`` is quantity × multiplier × rate, ``spots`` each leg's price of its underlying.
    """

    legs: tuple[RiskLeg, ...]
    options: Legs
    spots: FloatArray
    scale: FloatArray
    left_out: tuple[LeftOut, ...]
    iv_sources: tuple[str, ...]

    @property
    def base_values(self) -> FloatArray:
        """What the models say that each leg is worth now, in the book's currency."""
        option_values = valuation.value(self.options) if len(self.options) else np.empty(0)
        return np.concatenate([option_values, self.spots[len(self.options) :]]) * self.scale

    def models(self) -> dict[str, int]:
        """How many legs each model revalues."""
        counts = {"european": 0, "american": 0, "linear": 0}
        for leg in self.legs:
            counts[leg.model] += 1
        return counts

    def pnl(self, factors: ArrayLike, shifts: ArrayLike, days: ArrayLike) -> FloatArray:
        """P&L of every leg in every scenario: (days, volatilities, spots, legs).

        ``factors`` multiply the spots: (S,), or (S, legs). ``shifts`` are fractions added to the
        volatilities: (V,), or (V, legs). ``days`` are calendar days from now: (D,).
        """
        spot_factors, volatility_shifts = _by_leg(factors), _by_leg(shifts)
        forward = np.atleast_1d(np.asarray(days, dtype=np.float64)) / DAYS_A_YEAR
        count = len(self.options)
        shape = (forward.size, volatility_shifts.shape[0], spot_factors.shape[0], len(self.legs))
        result = np.empty(shape)
        if count:
            own = spot_factors[:, :count] if spot_factors.shape[1] > 1 else spot_factors[:, 0]
            own_shifts = (
                volatility_shifts[:, :count]
                if volatility_shifts.shape[1] > 1
                else volatility_shifts[:, 0]
            )
            moved = valuation.value_grid(self.options, own, own_shifts, forward)
            now = valuation.value_grid(self.options, [1.0], [0.0], [0.0])
            result[..., :count] = moved - now
        moves = spot_factors[:, count:] if spot_factors.shape[1] > 1 else spot_factors
        result[..., count:] = self.spots[count:] * (moves - 1.0)
        result *= self.scale
        # Rounding is no profit: where nothing moved nothing is gained.
        still = (forward == 0.0)[:, None, None, None] & (
            (volatility_shifts == 0.0)[None, :, None, :] & (spot_factors == 1.0)[None, None, :, :]
        )
        np.copyto(result, 0.0, where=still)
        return result


def _by_leg(axis: ArrayLike) -> FloatArray:
    values = np.atleast_1d(np.asarray(axis, dtype=np.float64))
    return values[:, None] if values.ndim == 1 else values


def scenario_book(
    legs: Sequence[RiskLeg],
    *,
    currency: str,
    rates: Mapping[str, float],
    spots: Mapping[str, float],
    dividends: KnownDividends,
    at: datetime,
) -> ScenarioBook:
    """Make a book ready. ``spots`` are known prices by underlying, ``at`` is market time."""
    known = {currency: 1.0} | dict(rates)
    prices = leg_spots([leg.leg for leg in legs], spots=spots)
    options: list[int] = []
    linear: list[int] = []
    left_out: list[LeftOut] = []
    for index, leg in enumerate(legs):
        reason = _unusable(leg, spot=float(prices[index]), known=known)
        if reason:
            left_out.append(LeftOut(leg, reason))
        else:
            (options if leg.is_option else linear).append(index)
    arrays, sources = _option_arrays(
        [legs[index] for index in options], prices[options], dividends=dividends, at=at
    )
    solved = ~np.isnan(arrays.volatility)
    for position in np.flatnonzero(~solved):
        leg = legs[options[int(position)]]
        left_out.append(LeftOut(leg, "no implied volatility, and its price determines none"))
    options = [index for index, fine in zip(options, solved, strict=True) if fine]
    chosen = options + linear
    return ScenarioBook(
        legs=tuple(legs[index] for index in chosen),
        options=arrays.take(np.flatnonzero(solved)),
        spots=prices[chosen],
        scale=column(
            legs[index].leg.quantity * legs[index].leg.multiplier * known[legs[index].leg.currency]
            for index in chosen
        ),
        left_out=tuple(left_out),
        iv_sources=tuple(source for source, fine in zip(sources, solved, strict=True) if fine),
    )


def _unusable(leg: RiskLeg, *, spot: float, known: Mapping[str, float]) -> str:
    if leg.leg.currency not in known:
        return f"no rate for {leg.leg.currency}"
    if not leg.is_option:
        return "" if np.isfinite(spot) else "no price"
    if not spot > 0:
        return "no price of the underlying"
    if not leg.strike or leg.expires_at is None or leg.right not in ("C", "P"):
        return "its strike, expiry or right is unknown"
    return ""


def _option_arrays(
    legs: Sequence[RiskLeg], spots: FloatArray, *, dividends: KnownDividends, at: datetime
) -> tuple[Legs, list[str]]:
    rate = settings.RISK_FREE_RATE
    futures = np.array(
        [leg.leg.instrument_type == InstrumentKind.FUTURE_OPTION.value for leg in legs], dtype=bool
    )
    going_ex = [_going_ex(leg, dividends, at=at) for leg in legs]
    # A yield besides known dividends would count them twice.
    paying = np.array([bool(each) for each in going_ex], dtype=bool)
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
        dividends=cash_dividends(going_ex),
    )
    marks = column(leg.leg.price for leg in legs)
    spread = np.array(
        [_UNCARRIED_SPREAD if leg.leg.underlying == _UNCARRIED else _YIELD_SPREAD for leg in legs]
    )
    yields = _fitted_yields(arrays, marks, spread, fixed=futures | paying)
    arrays = replace(arrays, dividend_yield=yields)
    # An option at its last instant is worth its intrinsic value whatever the volatility.
    expired = arrays.years <= 0.0
    volatility = np.where(expired, 0.0, given)
    missing = np.flatnonzero(np.isnan(volatility))
    if missing.size:
        volatility[missing] = valuation.implied_volatilities(marks[missing], arrays.take(missing))
    sources = [
        "expired" if over else "own" if has else "price"
        for over, has in zip(expired, ~np.isnan(given), strict=True)
    ]
    _take_from_neighbours(legs, volatility, sources)
    _take_none_at_intrinsic(arrays, marks, volatility, sources)
    return replace(arrays, volatility=volatility), sources


def _going_ex(
    leg: RiskLeg, dividends: KnownDividends, *, at: datetime
) -> tuple[tuple[float, float], ...]:
    """Years until the opening of each ex-date before the leg expires, and amounts."""
    known = dividends.get(leg.leg.underlying, ())
    exchange = exchange_of_currency(leg.leg.currency) if known else None
    if exchange is None:
        return ()
    openings = [
        (datetime.combine(day, exchange.opens, tzinfo=exchange.zone), amount)
        for day, amount in known
    ]
    return tuple(
        (years_to(opening, at), amount)
        for opening, amount in openings
        if at < opening <= (leg.expires_at or at)
    )


def _take_from_neighbours(
    legs: Sequence[RiskLeg], volatility: FloatArray, sources: list[str]
) -> None:
    """Fill what is missing from the account's nearest strike of the same expiry."""
    for index in np.flatnonzero(np.isnan(volatility)):
        mine = legs[int(index)]
        near = [
            (abs((other.strike or 0.0) - (mine.strike or 0.0)), position)
            for position, other in enumerate(legs)
            if sources[position] in ("own", "price")
            and not np.isnan(volatility[position])
            and other.account_id == mine.account_id
            and other.leg.underlying == mine.leg.underlying
            and other.expires_at == mine.expires_at
        ]
        if near:
            volatility[index] = volatility[min(near)[1]]
            sources[int(index)] = "neighbour"


def _take_none_at_intrinsic(
    arrays: Legs, marks: FloatArray, volatility: FloatArray, sources: list[str]
) -> None:
    """Nought where the price has no time value to tell a volatility by: deep in the money."""
    missing = np.flatnonzero(np.isnan(volatility))
    if not missing.size:
        return
    least = valuation.value(arrays.take(missing).with_volatility(np.zeros(missing.size)))
    priced = marks[missing]
    # False where there is no price.
    for index in missing[priced <= least + _noise(priced)]:
        volatility[index], sources[int(index)] = 0.0, "intrinsic"


def _noise(marks: FloatArray) -> FloatArray:
    """How far a mark may be off: a cent and a hundredth of itself."""
    return 0.01 + 0.01 * np.abs(marks)


def _fitted_yields(
    arrays: Legs, marks: FloatArray, spread: FloatArray, *, fixed: Any
) -> FloatArray:
    """The yield at which each leg's model comes nearest its mark, by ridge least squares.

    ``spread`` is how far from nought a yield of the leg may well be.

    For each leg alone: what a leg is worth must not depend on which others are looked at with it,
    or the grids of two accounts would not add up to that of both.
    """
    yields = arrays.dividend_yield.copy()
    usable = (marks > 0) & ~np.isnan(arrays.volatility) & (arrays.years > 0) & ~fixed
    rows = np.flatnonzero(usable)
    if not rows.size:
        return yields
    fitted, wanted = arrays.take(rows), marks[rows]
    weight, pull = _noise(wanted) ** -2.0, spread[rows] ** -2.0
    found = yields[rows]
    model = valuation.value(fitted)
    nudged = valuation.value(replace(fitted, dividend_yield=found + _YIELD_STEP))
    slope = (nudged - model) / _YIELD_STEP
    for left in reversed(range(_YIELD_ROUNDS)):
        # The present yield pulls back to nought like one more observation.
        push = weight * slope * (wanted - model) - found * pull
        found = found + push / (weight * slope * slope + pull)
        if left:
            model = valuation.value(replace(fitted, dividend_yield=found))
    yields[rows] = found
    return yields

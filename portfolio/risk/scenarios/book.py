"""A book ready for revaluation: each leg's value when spot, volatility and time move.

Options are fully revalued by their own model (:mod:`greeks.maths.valuation`); stock and futures are
linear. A leg's P&L is model(moved) − model(now), × quantity × multiplier × the rate into the book's
currency, so today's gap between model and market is in no scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from greeks.domain import InstrumentKind
from greeks.maths import valuation
from greeks.maths.valuation import Legs
from greeks.pricing.dividends import KnownDividends
from portfolio.exposure.columns import FloatArray, column, leg_spots
from portfolio.risk.legs import RiskLeg
from portfolio.risk.option_terms import option_terms

DAYS_A_YEAR = 365.0


class LeftOut(NamedTuple):
    """A leg that cannot be revalued, with the reason; it is in no cell."""

    leg: RiskLeg
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioBook:
    """Legs that can be revalued, options first, then linear ones.

    ``scale`` is quantity × multiplier × rate; ``spots`` is each leg's underlying price.
    """

    legs: tuple[RiskLeg, ...]
    options: Legs
    spots: FloatArray
    scale: FloatArray
    left_out: tuple[LeftOut, ...]
    iv_sources: tuple[str, ...]

    @property
    def base_values(self) -> FloatArray:
        """Each leg's model value now, in the book's currency."""
        option_values = valuation.value(self.options) if len(self.options) else np.empty(0)
        return np.concatenate([option_values, self.spots[len(self.options) :]]) * self.scale

    @property
    def is_blank(self) -> bool:
        """Whether there are legs but none can be revalued: such a book has no known P&L."""
        return bool(self.left_out) and not self.legs

    def models(self) -> dict[str, int]:
        """Return how many legs each model revalues."""
        counts = {"european": 0, "american": 0, "linear": 0}
        for leg in self.legs:
            counts[leg.model] += 1
        return counts

    def pnl(self, factors: ArrayLike, shifts: ArrayLike, days: ArrayLike) -> FloatArray:
        """Return P&L of every leg in every scenario: (days, volatilities, spots, legs).

        ``factors`` multiply the spots: (S,) or (S, legs). ``shifts`` are fractions added to the
        volatilities: (V,) or (V, legs). ``days`` are calendar days from now: (D,).
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
        # Rounding is not profit: if nothing moved, P&L is zero.
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
    """Prepare a book. ``spots`` are known prices by ``underlying_key``; ``at`` is market time."""
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
    arrays, sources = option_terms(
        [legs[index] for index in options], prices[options], dividends=dividends, at=at
    )
    solved = ~np.isnan(arrays.volatility)
    for position in np.flatnonzero(~solved):
        leg = legs[options[int(position)]]
        left_out.append(LeftOut(leg, "no implied volatility, and its price implies none"))
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
    if leg.leg.instrument_type == InstrumentKind.EVENT.value:
        return "an event contract: no model values it"
    if leg.leg.currency not in known:
        return f"no rate for {leg.leg.currency}"
    if not leg.is_option:
        return "" if np.isfinite(spot) else "no price"
    if not leg.deliverable_known:
        return "an adjusted contract whose deliverable is unknown, or cash alone"
    if not np.isfinite(spot) or spot == 0:
        return "no price of the underlying"
    if leg.strike is None or leg.expires_at is None or leg.right not in ("C", "P"):
        return "its strike, expiry or right is unknown"
    if spot < 0 or leg.strike <= 0:
        return "no model values an option at or below zero"
    return ""

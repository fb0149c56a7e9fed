"""The most that a trade could lose and gain at expiry, from its legs. Pure, vectorised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegColumns:
    """Legs of many trades, ordered by trade; ``trade`` is its row.

    ``kind`` is 1 for calls, −1 for puts, 0 for shares. ``units`` are signed units of the
    underlying, ``price`` is per unit. Strikes of shares are 0.
    """

    trade: Indices
    kind: Floats
    strike: Floats
    units: Floats
    price: Floats
    expiry: Floats


def extremes(legs: LegColumns, trades: int) -> tuple[Floats, Floats]:
    """Return each trade's largest loss (positive) and largest gain at expiry, before costs.

    The payoff is linear between strikes, so only strikes, zero and the slope beyond the last strike
    matter. NaN if unlimited, without legs, with options of several expiries, or an unknown price.
    """
    best, worst = np.full(trades, np.nan), np.full(trades, np.nan)
    if not legs.trade.size:
        return worst, best
    counts = np.bincount(legs.trade, minlength=trades)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    width = int(counts.max())
    place = np.arange(legs.trade.size) - first[legs.trade]

    def spread(values: Floats, fill: float) -> Floats:
        wide = np.full((trades, width), fill)
        wide[legs.trade, place] = values
        return wide

    kind, strike = spread(legs.kind, 0.0), spread(legs.strike, 0.0)
    units, price = spread(legs.units, 0.0), spread(legs.price, 0.0)
    spots = np.concatenate([np.zeros((trades, 1)), strike], axis=1)[:, :, None]
    intrinsic = np.where(
        kind[:, None, :] == 0.0,
        spots,
        np.maximum(kind[:, None, :] * (spots - strike[:, None, :]), 0.0),
    )
    payoff = (units[:, None, :] * (intrinsic - price[:, None, :])).sum(axis=2)
    slope = (units * (kind >= 0.0)).sum(axis=1)
    option = spread(np.where(legs.kind == 0.0, np.nan, legs.expiry), np.nan)
    has_option = ~np.isnan(option)
    nearest = np.where(has_option, option, np.inf).min(axis=1)
    latest = np.where(has_option, option, -np.inf).max(axis=1)
    whole = (counts > 0) & ((nearest == latest) | ~has_option.any(axis=1))
    low, high = payoff.min(axis=1), payoff.max(axis=1)
    # Legs of one size cancel beyond the last strike up to rounding.
    flat = 1e-9 * np.abs(units).sum(axis=1)
    worst[:] = np.where(whole & (slope >= -flat), np.maximum(-low, 0.0), np.nan)
    best[:] = np.where(whole & (slope <= flat), np.maximum(high, 0.0), np.nan)
    return worst, best

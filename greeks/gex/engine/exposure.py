"""Gamma, vanna and charm exposure of a chain: one vectorised pass over its columns.

=========  =========================================  ==========================================
exposure   sum over contracts                         unit
=========  =========================================  ==========================================
gamma      ± Γ · OI · M · S² · 0.01                   currency a 1 % move of the spot
vanna      ± ∂Δ/∂σ · OI · M · S · 0.01                currency of delta a volatility point
charm      ± ∂Δ/∂t ÷ 365 · OI · M · S                 currency of delta a calendar day
=========  =========================================  ==========================================

± is the sign of the side the dealers are assumed to hold, by default calls + and puts −. Zero
gamma is where the net exposure changes its sign, with every option priced anew at spots from 0.8
to 1.2 of today's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import numpy as np

from greeks.chains import Flags, Floats
from greeks.gex.engine.columns import ExposureColumns, Integers
from greeks.gex.engine.cross_greeks import cross_greeks, summed_gamma
from greeks.gex.engine.crossings import NoFlip, ZeroGamma, zero_gamma
from greeks.gex.engine.definition import Dealers, Definition
from greeks.maths.black_scholes import DAYS_A_YEAR

LOWEST, HIGHEST = 0.8, 1.2
#: Fewer strikes with open interest and a volatility say nothing about where gamma turns.
LEAST_STRIKES = 3
_TRADING_DAYS_A_YEAR = 262.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exposure:
    """Exposures by strike (ascending) and expiry (ordinals, ascending), signed, shape (n, m).

    ``levels`` and ``profile`` have the net gamma exposure at each spot, shape (levels, 2): of all
    expiries, and of those after today. ``contracts`` counts those summed, ``unpriced`` those of
    them that have no volatility: their gamma is the vendor's, and they are not in the profile.
    ``undetermined`` have neither and are left out. ``has_zero_dte`` says which expiries are
    today's; ``strikes_priced`` and ``sides_priced`` count what the profiles are made of.
    """

    spot: float
    strikes: Floats
    expiries: Integers
    is_zero_dte: Flags
    call: Floats
    put: Floats
    vanna: Floats
    charm: Floats
    units: Floats
    levels: Floats
    profile: Floats
    strikes_priced: tuple[int, int]
    sides_priced: tuple[int, int]
    contracts: int
    unpriced: int
    undetermined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What an exposure comes to. Walls are strikes.

    ``call_wall`` is the strike at or above the spot with the most call exposure, ``put_wall`` the
    one at or below it with the most put exposure; ``largest_…`` are the largest anywhere. ``None``
    if there is no such strike.
    """

    net: float
    absolute: float
    call: float
    put: float
    vanna: float
    charm: float
    call_wall: float | None
    put_wall: float | None
    largest_call_strike: float | None
    largest_put_strike: float | None
    zero_gamma: ZeroGamma


def compute_exposure(
    columns: ExposureColumns,
    definition: Definition,
    dealers: Dealers,
    expiries: Collection[date] = (),
) -> Exposure:
    """Return the exposure of the chosen expiries, or of all."""
    spot = columns.spot
    years = columns.weekdays / _TRADING_DAYS_A_YEAR if definition.trading_days else columns.years
    chosen = (years > 0.0) & (columns.units > 0.0)
    if expiries:
        chosen &= np.isin(columns.expiry, [each.toordinal() for each in expiries])
    priced = chosen & (columns.volatility > 0.0)
    has_gamma = priced | (chosen & np.isfinite(columns.vendor_gamma))
    rows = np.flatnonzero(has_gamma)
    signed = columns.units * np.where(columns.is_call, dealers.call, dealers.put)
    carry = 1.0 if definition.carries else 0.0
    model = np.flatnonzero(priced)
    terms = (
        columns.strike[model],
        years[model],
        carry * columns.rate[model],
        carry * columns.dividend_yield[model],
        columns.volatility[model],
    )
    greeks = cross_greeks(spot, *terms, columns.is_call[model])
    gamma = np.full((3, len(columns)), np.nan)
    gamma[:, model] = greeks
    known = columns.vendor_gamma
    first, second = (known, gamma[0]) if definition.vendor_gamma else (gamma[0], known)
    gamma[0] = np.where(np.isfinite(first), first, second)
    per_point = np.array([spot * spot * 0.01, spot * 0.01, spot / DAYS_A_YEAR])
    exposed = np.nan_to_num(gamma[:, rows]) * signed[rows] * per_point[:, None]

    strikes, at_strike = np.unique(columns.strike[rows], return_inverse=True)
    days, at_day = np.unique(columns.expiry[rows], return_inverse=True)
    place, shape = at_strike * days.size + at_day, (strikes.size, days.size)
    is_call = columns.is_call[rows]

    def cells(weights: Floats) -> Floats:
        total = np.bincount(place, weights, minlength=strikes.size * days.size)
        return total.astype(np.float64).reshape(shape)

    later = columns.expiry[model] != columns.today.toordinal()
    weights = np.stack([signed[model], signed[model] * later], axis=1)
    levels = np.linspace(LOWEST * spot, HIGHEST * spot, definition.levels)
    summed = summed_gamma(levels, *terms, weights)
    return Exposure(
        spot=spot,
        strikes=strikes,
        expiries=days,
        is_zero_dte=days == columns.today.toordinal(),
        call=cells(exposed[0] * is_call),
        put=cells(exposed[0] * ~is_call),
        vanna=cells(exposed[1]),
        charm=cells(exposed[2]),
        units=cells(columns.units[rows]),
        levels=levels,
        profile=summed * (levels * levels * 0.01)[:, None],
        strikes_priced=_counts(columns.strike[model], later),
        sides_priced=_counts(columns.is_call[model], later),
        contracts=rows.size,
        unpriced=rows.size - model.size,
        undetermined=int(np.count_nonzero(chosen & ~has_gamma)),
    )


def summarise(exposure: Exposure, *, without_zero_dte: bool = False) -> Summary:
    """Return the sums, walls and zero gamma, of all expiries or of those after today."""
    kept = ~exposure.is_zero_dte if without_zero_dte else np.ones_like(exposure.is_zero_dte)
    call, put = exposure.call[:, kept], exposure.put[:, kept]
    calls, puts = call.sum(axis=1), put.sum(axis=1)
    spot, strikes = exposure.spot, exposure.strikes
    absolute = float(np.abs(call).sum() + np.abs(put).sum())
    return Summary(
        net=float(call.sum() + put.sum()),
        absolute=absolute,
        call=float(call.sum()),
        put=float(put.sum()),
        vanna=float(exposure.vanna[:, kept].sum()),
        charm=float(exposure.charm[:, kept].sum()),
        call_wall=_wall(strikes, calls, strikes >= spot, spot),
        put_wall=_wall(strikes, puts, strikes <= spot, spot),
        largest_call_strike=_wall(strikes, calls, strikes > 0.0, spot),
        largest_put_strike=_wall(strikes, puts, strikes > 0.0, spot),
        zero_gamma=_zero_gamma(exposure, int(without_zero_dte), absolute),
    )


def zero_dte_share(exposure: Exposure) -> float | None:
    """Return today's share of the absolute exposure; ``None`` without any exposure."""
    by_day = (np.abs(exposure.call) + np.abs(exposure.put)).sum(axis=0)
    total = by_day.sum()
    return float(by_day[exposure.is_zero_dte].sum() / total) if total > 0.0 else None


def _zero_gamma(exposure: Exposure, column: int, scale: float) -> ZeroGamma:
    if exposure.strikes_priced[column] < LEAST_STRIKES:
        return ZeroGamma(None, NoFlip.THIN)
    if exposure.sides_priced[column] < 2:
        return ZeroGamma(None, NoFlip.ONE_SIDED)
    profile = exposure.profile[:, column]
    return zero_gamma(exposure.levels, profile, spot=exposure.spot, scale=scale)


def _wall(strikes: Floats, exposed: Floats, allowed: Flags, spot: float) -> float | None:
    """Return the strike with the most exposure; of equals the one nearest to the spot."""
    size = np.abs(exposed)
    places = np.flatnonzero(allowed & (size > 0.0))
    if not places.size:
        return None
    best = places[size[places] == size[places].max()]
    return float(strikes[best[np.argmin(np.abs(strikes[best] - spot))]])


def _counts(values: Floats | Flags, later: Flags) -> tuple[int, int]:
    """Count the different values, of all expiries and of those after today."""
    return np.unique(values).size, np.unique(values[later]).size

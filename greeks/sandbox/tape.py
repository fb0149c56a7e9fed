"""From theoretical values to quotes: ticks, spreads, open interest, volume."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from greeks.chains import Floats
from greeks.sandbox.contracts import Columns
from greeks.sandbox.noise import normal_hash, uniform_hash
from greeks.sandbox.underlyings import UNDERLYINGS

_TICK = np.array([u.tick for u in UNDERLYINGS])
_DAILY_CONTRACTS = np.array([u.daily_contracts for u in UNDERLYINGS])
_DAILY_SHARES = np.array([u.daily_shares for u in UNDERLYINGS])
# SPY and QQQ trade in pennies at any price; other US options in nickels from 3.00 up.
_PENNIES = np.array([u.expiry_rule == "daily" or u.currency != "USD" for u in UNDERLYINGS])
_STRIKE_UNIT = np.array([u.strike_unit for u in UNDERLYINGS])
_SPREAD_SHARE = 0.0012 * np.sqrt(8e6 / np.maximum(_DAILY_CONTRACTS, 1.0))
_VOLATILITY = np.array([u.volatility for u in UNDERLYINGS])


class TwoSided(NamedTuple):
    """Bid, ask and last; NaN for an index, which is only calculated."""

    bid: Floats
    ask: Floats
    last: Floats
    mark: Floats


def tick_sizes(columns: Columns, value: Floats) -> Floats:
    tick = _TICK[columns.underlying]
    nickel = columns.is_option & ~_PENNIES[columns.underlying] & (value >= 3.0)
    result: Floats = np.where(nickel, 0.05, tick)
    return result


def to_tick(columns: Columns, value: Floats) -> Floats:
    """Return the nearest tick, but never a price of zero for something of value."""
    tick = tick_sizes(columns, value)
    result: Floats = np.round(np.maximum(np.round(value / tick), value > 0.0) * tick, 4)
    return result


def make_market(columns: Columns, value: Floats, years: Floats, seconds: Floats) -> TwoSided:
    """Return quotes around the theoretical value; wider for thin and far contracts."""
    tick = tick_sizes(columns, value)
    thinness = np.where(columns.is_option, 0.6 + 3.0 * np.minimum(years, 2.0), 0.02)
    half = np.maximum(0.5 * tick, value * _SPREAD_SHARE[columns.underlying] * thinness)
    traded = columns.is_option | (_DAILY_SHARES[columns.underlying] > 0.0)
    # A few millionths keep rounding from pushing a value off its tick.
    bid = np.maximum(np.floor((value - half) / tick + 1e-6), 0.0) * tick
    ask = np.maximum(np.ceil((value + half) / tick - 1e-6) * tick, bid + tick)
    side = uniform_hash(columns.number, np.floor(seconds / 15.0))
    last = bid + np.round(side * (ask - bid) / tick) * tick
    last = np.where(last > 0.0, last, tick)
    return TwoSided(
        bid=np.where(traded, bid.round(4), np.nan),
        ask=np.where(traded, ask.round(4), np.nan),
        last=np.where(traded, last, value).round(4),
        mark=np.where(traded, 0.5 * (bid + ask), value).round(4),
    )


def _roundness(columns: Columns) -> Floats:
    """Return how much traders like a strike: multiples of 5, 10, 20 and 50 units stand out."""
    units = np.where(columns.is_option, columns.strike, 0.0) / _STRIKE_UNIT[columns.underlying]
    weight = np.ones(units.size)
    for multiple, factor in ((5.0, 2.2), (10.0, 1.6), (20.0, 1.3), (50.0, 1.8)):
        weight = weight * np.where(np.mod(units, multiple) == 0.0, factor, 1.0)
    return weight


def _distance(columns: Columns, spot: Floats, years: Floats, least_years: float) -> Floats:
    """Return standard deviations out of the money, negative in the money."""
    deviation = _VOLATILITY[columns.underlying] * np.sqrt(np.maximum(years, least_years))
    strike = np.where(columns.is_option, columns.strike, spot)
    moneyness: Floats = np.log(strike / spot) / deviation
    return np.where(columns.is_call, moneyness, -moneyness)


def open_interest(columns: Columns, spot: Floats, years: Floats, day: Floats) -> Floats:
    """Open interest of the day (set before the opening), NaN for underlyings.

    ``spot`` is the previous close. It peaks slightly out of the money and at round strikes, more
    in monthly than in weekly expiries.
    """
    distance = _distance(columns, spot, years, 0.06)
    shape = np.exp(-0.5 * ((distance - 0.5) / 1.1) ** 2) + 0.01 * np.exp(-0.1 * distance**2)
    term = np.where(columns.monthly, 1.5, 0.35) * (0.12 + np.exp(-years / 0.5))
    own = np.exp(0.5 * normal_hash(columns.number, 1) + 0.04 * normal_hash(columns.number, day))
    size = 0.0022 * _DAILY_CONTRACTS[columns.underlying]
    result = np.floor(size * shape * term * _roundness(columns) * own)
    return np.where(columns.is_option, result, np.nan)


def volume(columns: Columns, spot: Floats, years: Floats, day: Floats, elapsed: Floats) -> Floats:
    """Return contracts or shares traded since the opening.

    ``elapsed`` is the elapsed share of the session.
    """
    busy = np.clip(elapsed, 0.0, 1.0)
    # Busier near the opening and the close than at noon.
    progress = busy + 0.14 * np.sin(2.0 * np.pi * busy)
    distance = _distance(columns, spot, years, 0.004)
    shape = np.exp(-0.5 * ((distance - 0.2) / 0.9) ** 2)
    term = np.exp(-years / 0.06) + 0.03
    own = np.exp(0.6 * normal_hash(columns.number, day, 2))
    size = 0.004 * _DAILY_CONTRACTS[columns.underlying]
    contracts = size * shape * term * np.sqrt(_roundness(columns)) * own
    shares = _DAILY_SHARES[columns.underlying] * np.exp(0.2 * normal_hash(columns.number, day, 2))
    total = np.floor(progress * np.where(columns.is_option, contracts, shares))
    return np.where(columns.is_option | (shares > 0.0), total, np.nan)

"""Terms of American puts, and what is known of their exercise boundaries before they are solved.

Units are those of :mod:`greeks.maths.boundaries.solution`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from greeks.chains import Floats

INVERSE_ROOT_TWO_PI = 0.3989422804014327
_GUESS_ROUNDS = 3
# ln(σ²τ ÷ 8π(r−q)²τ²) above which a boundary is guessed by its limit near expiry.
_SOON = 5.0
# Stretches the first guess's time scale.
_GUESS_STRETCH = 1.2


class PutTerms(NamedTuple):
    """r·T, q·T and σ·√T of puts, each (contracts,)."""

    rate_time: Floats
    yield_time: Floats
    deviation: Floats

    def scaled(self, share: Floats | float) -> PutTerms:
        """Return the terms of the same puts with a share of the time."""
        return PutTerms(
            self.rate_time * share, self.yield_time * share, self.deviation * np.sqrt(share)
        )

    def take(self, rows: NDArray[np.intp]) -> PutTerms:
        return PutTerms._make(column[rows] for column in self)


class Start(NamedTuple):
    """What is known of boundaries before they are solved: all (contracts,).

    ``side`` is +1 for the upper one and -1 for the lower; ``log`` is ln X.
    """

    side: Floats
    log: Floats
    lowest: Floats
    highest: Floats

    def take(self, rows: NDArray[np.intp]) -> Start:
        return Start._make(column[rows] for column in self)


def start_of(terms: PutTerms, *, lower: bool = False) -> Start:
    rate_time, yield_time, deviation = terms
    with np.errstate(all="ignore"):
        balance = np.log(rate_time / yield_time)
        zero = np.zeros_like(rate_time)
        if lower:
            return Start(zero - 1.0, balance, balance, zero)
        log = np.where((yield_time > rate_time) & (rate_time >= 0.0), balance, 0.0)
        lowest = np.where(
            rate_time < 0.0, balance, _log_perpetual(rate_time, rate_time - yield_time, deviation)
        )
        return Start(zero + 1.0, log, lowest, log)


def first_guess(terms: PutTerms, start: Start, root: Floats) -> Floats:
    """|ln(B/X)| by the quadratic approximation of MacMillan (1986), Barone-Adesi and Whaley.

    The upper boundary is found by Newton's method from that of Bjerksund and Stensland (1993);
    the lower one has a closed form.
    """
    rate_time, yield_time, deviation = terms
    time = root * root
    rate, carry, spread = rate_time * time, yield_time * time, deviation * root
    variance = spread * spread
    earned = -np.expm1(-rate)
    ratio = np.where(np.abs(rate) > 1e-12, earned / rate, 1.0)
    trend = 2.0 * (rate - carry) / variance - 1.0
    away = np.sqrt(trend * trend + 8.0 / (variance * ratio))
    lower = start.side < 0.0
    power = 0.5 * (away - trend)
    rising = np.log(power / (power - 1.0) * earned / -np.expm1(-carry))
    rising = np.minimum(np.where(np.isfinite(rising), rising, start.highest), start.highest)
    power = -0.5 * (trend + away)
    log, lowest = _flat_guess(terms, start, root), start.lowest
    stock = np.exp(-carry)
    for _ in range(_GUESS_ROUNDS):
        at = np.exp(log)
        d1 = (log + rate - carry) / spread + 0.5 * spread
        kept = 1.0 - stock * ndtr(-d1)
        gap = 1.0 - at * kept - np.exp(-rate) * ndtr(spread - d1)
        slope = kept * (1.0 - power) + stock * density(d1) / spread
        step = (kept + power * gap / at) / slope
        log = np.clip(np.where(np.isfinite(step), log - step, log), lowest, start.log)
    # Near expiry, with the rate above the yield: Evans, Kuske and Keller (2002).
    soon = np.log(np.square(spread / (rate - carry)) / (8.0 * np.pi))
    near = (soon > _SOON) & (rate_time > yield_time)
    log = np.where(near, np.maximum(-spread * np.sqrt(soon), lowest), log)
    log = np.where(lower, rising, log)
    # Far from 0, where Newton's method could not move it.
    least = 0.1 * np.minimum(spread, 1.0)
    return np.clip(np.abs(start.log - log), least, start.highest - lowest + 1e3 * ~lower)


def _flat_guess(terms: PutTerms, start: Start, root: Floats) -> Floats:
    """Bjerksund and Stensland's boundary, from the call that equals the put by symmetry."""
    rate_time, yield_time, deviation = terms
    drift = rate_time - yield_time
    top, perpetual = np.exp(-start.log), np.exp(-start.lowest)
    gap = np.maximum(perpetual - top, 1e-300)
    speed = np.minimum(drift * root * root - 2.0 * deviation * root, 0.0)
    guess = -np.log(top - gap * np.expm1(_GUESS_STRETCH * speed * top / gap))
    result: Floats = np.clip(guess, start.lowest, start.log)
    return result


def _log_perpetual(rate_time: Floats, drift: Floats, deviation: Floats) -> Floats:
    """ln of the boundary of the perpetual put; no boundary falls below it."""
    variance = deviation * deviation
    trend = drift - 0.5 * variance
    # The negative root of ½v²λ² + (drift − ½v²)λ − r = 0, in the form without cancellation.
    away = np.sqrt(trend * trend + 2.0 * rate_time * variance)
    root = np.where(trend > 0.0, -(trend + away) / variance, -2.0 * rate_time / (away - trend))
    return np.maximum(np.log(root / (root - 1.0)), -700.0)


def density(deviation: Floats) -> Floats:
    result: Floats = np.exp(-0.5 * deviation * deviation)
    result *= INVERSE_ROOT_TWO_PI
    return result

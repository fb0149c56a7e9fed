"""Digits of gamma that a vendor's rounding took away.

Four decimals leave an index option's gamma one or two digits, so that its sum over a chain moves in
stairs. The vendor's delta keeps four, and with the volatility it says what gamma is: in
Black-Scholes' formula Δ = N(d₁), and Γ = n(d₁) ÷ (S σ √T), where σ √T d₁ = ln(F ÷ K) + σ² T ÷ 2
(Hull, ch. 19). Forward F and time T are those that fit the chain's deltas best, so that the
vendor's own convention of time counts. Yield and early exercise are left out; no gamma is moved
further than rounding may have.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from greeks.chains import Floats, OptionChain

_STEP = 1e-4
# Deltas nearer to 0 or 1 say little, and a few contracts may be wrong together.
_TELLING = (0.1, 0.9)
_FEWEST = 6
_ROUNDS = 6


def restore_gamma(chain: OptionChain) -> OptionChain:
    """Return the chain with unrounded gammas if all were rounded to four places, else as it is."""
    known = np.isfinite(chain.gamma)
    steps = chain.gamma[known] / _STEP
    if chain.spot is None or not known.any() or np.abs(steps - np.rint(steps)).max() > 1e-6:
        return chain
    with np.errstate(all="ignore"):
        implied = _implied_gamma(chain, chain.spot)
        low, high = np.maximum(chain.gamma - _STEP / 2, 0.0), chain.gamma + _STEP / 2
        restored = np.clip(implied, low, high)
    return replace(chain, gamma=np.where(np.isfinite(restored), restored, chain.gamma))


def _implied_gamma(chain: OptionChain, spot: float) -> Floats:
    """Return Γ of each contract by its delta and volatility; NaN where they tell none."""
    volatility = np.where(chain.implied_volatility > 0.0, chain.implied_volatility, np.nan)
    of_call = np.where(chain.is_call, chain.delta, 1.0 + chain.delta)
    moneyness: Floats = ndtri(of_call)
    fits = (of_call > _TELLING[0]) & (of_call < _TELLING[1]) & np.isfinite(volatility)
    root = _root_of_time(
        (moneyness * volatility)[fits], volatility[fits] ** 2, np.log(chain.strike[fits] / spot)
    )
    density = np.exp(-0.5 * moneyness**2) / np.sqrt(2.0 * np.pi)
    return np.asarray(density / (spot * volatility * root))


def _root_of_time(slope: Floats, variance: Floats, strike: Floats) -> float:
    """Return √T such that slope·√T − variance·T/2 + strike is as nearly constant as it can be."""
    if slope.size < _FEWEST:
        return np.nan
    slope, variance, strike = (each - each.mean() for each in (slope, variance, strike))
    root = -(slope @ strike) / (slope @ slope)
    for _ in range(_ROUNDS):
        rest = slope * root - 0.5 * variance * root**2 + strike
        moved = slope - variance * root
        root -= (moved @ rest) / (moved @ moved)
    return float(root) if root > 0.0 else np.nan

"""Daily log returns from closes, joint over several underlyings, and the betas they give."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from portfolio.exposure.columns import FloatArray

#: Closes by day of one underlying.
Closes = Mapping[date, float]

# Returns in the look-back window: a year of sessions.
WINDOW = 252
# With fewer returns than this there is no beta and no value at risk.
LEAST_OBSERVATIONS = 60


@dataclass(frozen=True, slots=True, eq=False)
class JointReturns:
    """Log returns (days, symbols) between days on which every symbol closed.

    ``first`` and ``last`` are the days of the first and the last close used.
    """

    symbols: tuple[str, ...]
    values: FloatArray
    first: date
    last: date
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressedBeta:
    """Slope of the symbol's log returns on the benchmark's, over their common days."""

    value: float
    observations: int
    last: date


def joint_returns(closes: Mapping[str, Closes], wanted: Collection[str]) -> JointReturns | None:
    """Return joint returns of as many of ``wanted`` as share enough days, or ``None``.

    While too few days are common to all, the symbol with the fewest days is dropped.
    """
    known = {
        name: closes[name]
        for name in sorted(wanted)
        if len(closes.get(name, ())) > LEAST_OBSERVATIONS
    }
    while known:
        days = sorted(set.intersection(*(set(each) for each in known.values())))[-(WINDOW + 1) :]
        if len(days) > LEAST_OBSERVATIONS:
            prices = np.array([[known[name][day] for name in known] for day in days])
            return JointReturns(
                symbols=tuple(known),
                values=np.diff(np.log(prices), axis=0),
                first=days[0],
                last=days[-1],
                left_out=tuple(sorted(set(wanted) - set(known))),
            )
        shortest = min(known, key=lambda name: (len(known[name]), name))
        del known[shortest]
    return None


def regressed_beta(symbol: Closes, benchmark: Closes) -> RegressedBeta | None:
    """Beta by least squares; ``None`` with too few common days or a flat benchmark."""
    found = joint_returns({"symbol": symbol, "benchmark": benchmark}, ("symbol", "benchmark"))
    if found is None or len(found.symbols) < 2:
        return None
    market, own = (
        found.values.T[found.symbols.index("benchmark")],
        found.values.T[found.symbols.index("symbol")],
    )
    spread = market - market.mean()
    variance = float(spread @ spread)
    if variance <= 0.0:
        return None
    value = float(spread @ (own - own.mean())) / variance
    if not math.isfinite(value) or abs(value) > 100.0:
        return None
    return RegressedBeta(value=value, observations=len(own), last=found.last)

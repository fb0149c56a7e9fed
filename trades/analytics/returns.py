"""Returns of an account's balance: pure, over days; each is defined in docs/statistics.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SESSIONS_A_YEAR: Final = 252
_DAYS_A_YEAR: Final = 365.0
#: Over fewer days a figure per year says nothing: two good ones would be thousands of percent.
DAYS_TO_ANNUALISE: Final = 28
#: Rates of return that are looked for: from nearly all lost to a thousandfold.
_LOWEST, _HIGHEST = -0.9999, 1000.0
_PRECISION: Final = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """What a balance has returned. ``skipped`` counts days without a return."""

    days: int
    skipped: int
    time_weighted: float | None
    money_weighted: float | None
    sharpe: float | None


def measure_returns(
    days: Sequence[date], balance: Floats, flows: Floats, *, risk_free: float
) -> Returns:
    """Return the measures of a balance by session day.

    ``balance`` is the closing net liquidation, ``flows`` the deposits less withdrawals of each day
    (the first day's are in its balance); ``risk_free`` is an annual rate. What is per
    year (``money_weighted``, ``sharpe``) is ``None`` over fewer than ``DAYS_TO_ANNUALISE`` days.
    """
    links = daily_returns(balance, flows)
    known = links[~np.isnan(links)]
    is_long = bool(days) and (days[-1] - days[0]).days >= DAYS_TO_ANNUALISE
    return Returns(
        days=len(days),
        skipped=int(links.size - known.size),
        time_weighted=float(np.prod(1.0 + known) - 1.0) if known.size else None,
        money_weighted=money_weighted(days, balance, flows) if is_long else None,
        sharpe=sharpe(known, risk_free=risk_free) if is_long else None,
    )


def daily_returns(balance: Floats, flows: Floats) -> Floats:
    """Return (balance − flow) / balance of the day before − 1, one less than there are days.

    NaN where the base is not above 0 or the flow is not known.
    """
    base = balance[:-1]
    safe = np.where(base > 0, base, np.nan)
    result: Floats = (balance[1:] - flows[1:]) / safe - 1.0
    return result


def sharpe(returns: Floats, *, risk_free: float) -> float | None:
    """Return mean / sd (n − 1) of the daily excess returns × √252; ``None`` without a spread."""
    if returns.size < 2:
        return None
    excess = returns - risk_free / SESSIONS_A_YEAR
    spread = float(excess.std(ddof=1))
    return float(excess.mean()) / spread * sqrt(SESSIONS_A_YEAR) if spread > 1e-12 else None


def money_weighted(days: Sequence[date], balance: Floats, flows: Floats) -> float | None:
    """Return the annual rate at which all flows and the final balance are worth nothing (XIRR).

    ACT/365. ``None`` if no rate between −99.99 % and 1000-fold does it.
    """
    if len(days) < 2 or days[-1] == days[0]:
        return None
    years = np.array([(day - days[0]).days for day in days]) / _DAYS_A_YEAR
    paid = flows.astype(np.float64).copy()
    paid[0] = balance[0]
    paid[-1] -= balance[-1]

    def worth(rate: float) -> float:
        return float((paid * (1.0 + rate) ** -years).sum())

    at_low, at_high = worth(_LOWEST), worth(_HIGHEST)
    if not (np.isfinite(at_low) and np.isfinite(at_high)) or at_low * at_high > 0:
        return None
    # Bisection: scipy.optimize would take 18 MB of every process for this one root.
    low, high = _LOWEST, _HIGHEST
    while high - low > _PRECISION:
        middle = (low + high) / 2
        if worth(middle) * at_low > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def return_drawdown(returns: Floats) -> float | None:
    """Return the deepest fall of the chained returns from their highest so far, as a share of it.

    The start is the first peak; ``None`` without returns.
    """
    if not returns.size:
        return None
    worth = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    peak = np.maximum.accumulate(worth)
    return float(((peak - worth) / peak).max())


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall from a peak: money, and share of the peak where the start is known."""

    money: float
    share: float | None


def drawdown(results: Floats, *, start: float | None) -> Drawdown:
    """Return the deepest fall of the running sum of ``results`` from its highest so far.

    The starting balance is the first peak, so a loss from the start on counts.
    """
    equity = np.concatenate([[0.0], np.cumsum(results)]) + (start or 0.0)
    peak = np.maximum.accumulate(equity)
    fall = peak - equity
    share = None
    if start is not None and start > 0:
        share = float((fall / peak).max())
    return Drawdown(money=float(fall.max()), share=share)

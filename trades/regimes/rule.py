"""The rule that names a day's regime, version ``RULE_VERSION``: docs/regimes.md.

Pure and vectorised over the days. Every value of a day uses closes up to that day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Closes by day.
Closes = Mapping[date, float]

#: Raise it when anything below changes: rows of the old rule stay beside the new ones.
RULE_VERSION: Final = 1
#: Sessions of a year.
YEAR: Final = 252
#: Returns in a realised volatility.
REALISED_DAYS: Final = 20
REGIMES: Final = ("calm", "normal", "elevated", "stressed")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityIndex:
    """A volatility index with the levels at which each next regime begins, and its companions."""

    symbol: str
    exchange: str
    levels: tuple[float, float, float]
    nine_day: str = ""
    three_month: str = ""
    underlying: str = ""


INDICES: Final = {
    index.symbol: index
    for index in (
        VolatilityIndex(
            symbol="VIX",
            exchange="NYSE",
            levels=(15.0, 20.0, 30.0),
            nine_day="VIX9D",
            three_month="VIX3M",
            underlying="SPX",
        ),
        VolatilityIndex(
            symbol="INDIAVIX", exchange="NSE", levels=(13.0, 18.0, 25.0), underlying="NIFTY"
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFacts:
    """What is known after one session. Ratios, percentiles and the rank are ``None`` if unknown."""

    session_date: date
    regime: str
    level: float
    percentile: float | None
    rank: float | None
    three_month_ratio: float | None
    nine_day_ratio: float | None
    realised_volatility: float | None
    realised_percentile: float | None


def regime_days(index: VolatilityIndex, closes: Mapping[str, Closes]) -> list[DayFacts]:
    """Return the facts of every day on which the index closed, oldest first."""
    own = closes.get(index.symbol, {})
    days = sorted(own)
    level = np.array([own[day] for day in days])
    names = np.searchsorted(index.levels, level, side="right")
    realised = _realised(closes.get(index.underlying, {}))
    realised_share = dict(
        zip(realised, one_year_percentiles(np.array(list(realised.values()))), strict=True)
    )
    percentile, rank = one_year_percentiles(level), one_year_ranks(level)
    nine, three = closes.get(index.nine_day, {}), closes.get(index.three_month, {})
    return [
        DayFacts(
            session_date=day,
            regime=REGIMES[names[row]],
            level=float(level[row]),
            percentile=_known(percentile[row]),
            rank=_known(rank[row]),
            three_month_ratio=own[day] / three[day] if day in three else None,
            nine_day_ratio=nine[day] / own[day] if day in nine else None,
            realised_volatility=realised.get(day),
            realised_percentile=_known(realised_share.get(day, np.nan)),
        )
        for row, day in enumerate(days)
    ]


def one_year_percentiles(values: Floats) -> Floats:
    """Return for each value the share of the ``YEAR`` values before it that were lower.

    Equal ones count half. NaN while fewer came before.
    """
    result = np.full(values.shape, np.nan)
    if values.size > YEAR:
        before = sliding_window_view(values[:-1], YEAR)
        value = values[YEAR:, None]
        lower, equal = (before < value).mean(axis=1), (before == value).mean(axis=1)
        result[YEAR:] = lower + 0.5 * equal
    return result


def one_year_ranks(values: Floats) -> Floats:
    """Return where each value lies between the lowest and the highest of the ``YEAR`` values that
    end with it, 0 to 1. NaN with fewer, or if all are equal.
    """
    result = np.full(values.shape, np.nan)
    if values.size >= YEAR:
        year = sliding_window_view(values, YEAR)
        low, high = year.min(axis=1), year.max(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = (values[YEAR - 1 :] - low) / (high - low)
        result[YEAR - 1 :] = np.where(high > low, found, np.nan)
    return result


def _realised(closes: Closes) -> dict[date, float]:
    """Return the volatility of the last ``REALISED_DAYS`` log returns, annual, about zero mean."""
    days = sorted(closes)
    if len(days) <= REALISED_DAYS:
        return {}
    returns = np.diff(np.log([closes[day] for day in days]))
    squares = sliding_window_view(returns * returns, REALISED_DAYS).mean(axis=1)
    return dict(zip(days[REALISED_DAYS:], np.sqrt(squares * YEAR).tolist(), strict=True))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

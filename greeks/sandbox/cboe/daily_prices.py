"""Cboe's daily files of VIX, VIX9D, VIX3M and SPX for the simulated market, two years long.

The other terms of volatility follow the VIX: nearer ones are further from its long-run level,
later ones nearer to it, so that the curve inverts when the VIX is high.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from greeks.sandbox.market import Market
from greeks.sandbox.polygon.payloads import daily_bars
from greeks.sandbox.sessions import EXCHANGES, local_date

_NYSE: Final = EXCHANGES["NYSE"]
_DAYS: Final = 800
_LONG_RUN: Final = 20.0
#: Share of the VIX's distance from its long-run level that a term has.
_TERMS: Final = {"VIX": 1.0, "VIX9D": 1.3, "VIX3M": 0.65}
_SPX_PER_SPY: Final = 10.0


def daily_prices(market: Market, symbol: str) -> str | None:
    """Return the file of an index up to yesterday; ``None`` if the market has no such index."""
    based_on = "VIX" if symbol in _TERMS else "SPY"
    if symbol not in (*_TERMS, "SPX") or based_on not in market.underlyings():
        return None
    today = local_date(_NYSE.name, market.seconds())
    start, end = today - timedelta(days=_DAYS), today - timedelta(days=1)
    bars = daily_bars(market, market.underlying(based_on), start, end)
    days = [datetime.fromtimestamp(bar["t"] / 1000, _NYSE.zone).date() for bar in bars]
    prices = np.array([[bar["o"], bar["h"], bar["l"], bar["c"]] for bar in bars])
    if symbol == "SPX":
        rows = (f"{day:%m/%d/%Y},{row[3]:.6f}" for day, row in _rows(days, prices * _SPX_PER_SPY))
        return "\n".join(["DATE,SPX", *rows, ""])
    values = np.maximum(_LONG_RUN + (prices - _LONG_RUN) * _TERMS[symbol], 5.0)
    lines = (
        f"{day:%m/%d/%Y}," + ",".join(f"{value:.6f}" for value in row)
        for day, row in _rows(days, values)
    )
    return "\n".join(["DATE,OPEN,HIGH,LOW,CLOSE", *lines, ""])


def _rows(days: list[date], values: NDArray[np.float64]) -> list[tuple[date, NDArray[np.float64]]]:
    return list(zip(days, values, strict=True))

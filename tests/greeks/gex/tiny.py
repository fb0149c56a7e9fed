"""Tiny chains whose exposures can be computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from greeks.chains import OptionChain
from greeks.gex.engine.columns import ExposureColumns
from greeks.gex.engine.definition import DEALERS, SETTLEMENT_INSTANT
from greeks.gex.engine.exposure import Exposure, Summary, compute_exposure, summarise

TODAY = date(2026, 11, 27)
AT = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)
LATER = date(2026, 12, 18)
USUAL = DEALERS["long_calls_short_puts"]
#: (strike, "C" or "P", contracts, volatility, vendor's gamma)
Row = tuple[float, str, float, float, float]


def columns(rows: Sequence[Row], *, spot: float = 100.0, **changes: Any) -> ExposureColumns:
    """A hundred units a contract, three weeks to go, no carry."""
    count = len(rows)
    values: dict[str, Any] = {
        "spot": spot,
        "at": AT,
        "today": TODAY,
        "strike": np.array([row[0] for row in rows], float),
        "is_call": np.array([row[1] == "C" for row in rows], bool),
        "units": np.array([row[2] * 100.0 for row in rows], float),
        "expiry": np.full(count, LATER.toordinal()),
        "years": np.full(count, 21 / 365),
        "weekdays": np.full(count, 15),
        "rate": np.zeros(count),
        "dividend_yield": np.zeros(count),
        "volatility": np.array([row[3] for row in rows], float),
        "vendor_gamma": np.array([row[4] for row in rows], float),
    }
    return ExposureColumns(**values | changes)


def exposure(rows: Sequence[Row], **changes: Any) -> Exposure:
    return compute_exposure(columns(rows, **changes), SETTLEMENT_INSTANT, USUAL)


def summary(rows: Sequence[Row], **changes: Any) -> Summary:
    return summarise(exposure(rows, **changes))


def chain(rows: Sequence[tuple[str, float, str, float, float]], **changes: Any) -> OptionChain:
    """One expiry as a provider sends it: rows of key, strike, side, open interest, volatility."""
    count = len(rows)
    empty: dict[str, Any] = dict.fromkeys(
        ("last", "previous_close", "volume", "previous_open_interest", "delta", "theta", "vega"),
        np.full(count, np.nan),
    )
    made = OptionChain(
        source="cboe",
        instrument_key="XYZ",
        expiry=LATER,
        as_of=AT,
        spot=100.0,
        keys=tuple(row[0] for row in rows),
        strike=np.array([row[1] for row in rows], float),
        is_call=np.array([row[2] == "C" for row in rows], bool),
        bid=np.full(count, np.nan),
        ask=np.full(count, np.nan),
        open_interest=np.array([row[3] for row in rows], float),
        implied_volatility=np.array([row[4] for row in rows], float),
        gamma=np.full(count, np.nan),
        counts_contracts=True,
        **empty,
    )
    return replace(made, **changes)

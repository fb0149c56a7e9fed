"""A sample as JSON: the forming minute as the page and its websocket show it."""

from __future__ import annotations

import math
from typing import Any
from zoneinfo import ZoneInfo

from greeks.chains import SIDES, SUMMED_GREEKS, Floats
from greeks.polling.samples import ChainSample
from greeks.polling.shapes import SumsByGreek


def forming_minute(sample: ChainSample, *, zone: ZoneInfo) -> dict[str, Any]:
    """Return the sample as JSON: missing values are ``None``, times have the exchange's offset."""
    sums = sample.sums
    return {
        "slot": sample.slot.astimezone(zone).isoformat(),
        "minute": sample.minute.astimezone(zone).isoformat(),
        "as_of": sample.as_of.astimezone(zone).isoformat(),
        "spot": known(sample.spot),
        "pcr": known(sums.pcr),
        "max_pain": known(sums.max_pain),
        "atm_implied_volatility": known(sums.atm_implied_volatility),
        "call_open_interest": known(sums.call_open_interest),
        "put_open_interest": known(sums.put_open_interest),
        "contracts": sums.contracts,
        "contracts_without_greeks": sums.contracts_without_greeks,
        "contracts_filled": sums.contracts_filled,
        "samples_seen": sample.seen,
        "samples_expected": sample.expected,
        "sums": sums_by_greek(sums.everything),
        "vendor": sums_by_greek(sums.vendor),
    }


def sums_by_greek(sums: Floats) -> SumsByGreek:
    """Convert (3 sides, 4 Greeks) to ``{"delta": {"call": …, "put": …, "total": …}, …}``."""
    by_greek = sums.T.tolist()
    return {
        greek: {side: known(value) for side, value in zip(SIDES, values, strict=True)}
        for greek, values in zip(SUMMED_GREEKS, by_greek, strict=True)
    }


def known(value: float) -> float | None:
    """Return a number, or ``None`` for NaN."""
    return value if math.isfinite(value) else None

"""The options of one underlying, all expiries together, as columns for the engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from greeks.chains import Flags, Floats

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExposureColumns:
    """One row a contract that has not expired and has open interest.

    ``units``: open interest in units of the underlying (OI · M). ``years``: ACT/365 to settlement,
    at least 15 minutes; ``weekdays`` from the day of ``at`` to the expiry. ``expiry``: the day's
    ordinal. ``volatility`` (a fraction) and ``vendor_gamma`` are NaN if unknown. ``today``: the
    exchange's day of ``at``, whose expiry is 0DTE.
    """

    spot: float
    at: datetime
    today: date
    strike: Floats
    is_call: Flags
    units: Floats
    expiry: Integers
    years: Floats
    weekdays: Integers
    rate: Floats
    dividend_yield: Floats
    volatility: Floats
    vendor_gamma: Floats

    def __len__(self) -> int:
        return int(self.strike.size)

"""An option chain as a provider sends it: every strike of one expiry, in columns.

Columns are NumPy arrays of one length, one row a contract, so that a chain is summed in one pass.
A missing number is NaN inside; it never leaves as one and never counts as zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from greeks.domain import RejectedRow

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: The Greeks that are summed, in the order of every array axis that has them.
SUMMED_GREEKS = ("delta", "gamma", "theta", "vega")
#: The sides of a chain, in the order of every array axis that has them. "total" is both.
SIDES = ("call", "put", "total")

_TOO_LARGE = 1e12
# Vendors round: a delta of 1.00004 is one.
LARGEST_DELTA = 1.001
_SIGNED = frozenset({"delta", "theta", "rho"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptionChain:
    """One answer. Rows ascend by strike, the call before the put.

    Units are those of ``greeks.domain``: Greeks of one long contract per unit of the underlying,
    theta per calendar day, vega per percentage point, ``implied_volatility`` a fraction, open
    interest and volume in units of the underlying as Upstox sends them, unless
    ``counts_contracts``. A contract without vendor Greeks has NaN in all four. ``as_of`` is the
    vendor's time, or when the answer arrived if it gives none.
    """

    source: str
    instrument_key: str
    expiry: date
    as_of: datetime
    spot: float | None
    keys: tuple[str, ...]
    strike: Floats
    is_call: Flags
    bid: Floats
    ask: Floats
    last: Floats
    previous_close: Floats
    volume: Floats
    open_interest: Floats
    previous_open_interest: Floats
    implied_volatility: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    #: Whether volume and open interest count contracts (US) instead of units (India).
    counts_contracts: bool = False
    rejected: tuple[RejectedRow, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def greeks(self) -> Floats:
        """Return the summed Greeks, shape (4, contracts), in the order of ``SUMMED_GREEKS``."""
        return np.stack([self.delta, self.gamma, self.theta, self.vega])


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedExpiry:
    """An expiry that a provider lists. ``lot_size``: units of the underlying per contract."""

    expiry: date
    lot_size: int | None = None
    is_weekly: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What can be polled for an underlying, soonest first."""

    source: str
    instrument_key: str
    expiries: tuple[ListedExpiry, ...]
    as_of: datetime
    rejected: tuple[RejectedRow, ...] = field(default=())


def is_impossible(name: str, column: Floats) -> Flags:
    """Return where a chain's column holds no possible number: NaN, infinite, from 1e12 on, negative
    where nothing can be, a delta beyond one (vendors' sentinels, such as −999)."""
    with np.errstate(invalid="ignore"):
        size = np.abs(column)
        impossible: Flags = ~(size < _TOO_LARGE)
        if name not in _SIGNED:
            impossible |= column < 0.0
        if name == "delta":
            impossible |= size > LARGEST_DELTA
    return impossible

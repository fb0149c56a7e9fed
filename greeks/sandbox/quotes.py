"""The simulated market's quote of one contract at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from greeks.chains import Floats
from greeks.domain import Contract


class SimulatedQuote(NamedTuple):
    """Prices in the contract's currency per unit; Greeks in the units of ``greeks.domain``, rho
    per percentage point. ``None`` is missing. ``as_of`` is the last trading moment."""

    contract: Contract
    as_of: datetime
    bid: float | None
    ask: float | None
    last: float | None
    mark: float | None
    opening_price: float | None
    previous_close: float | None
    volume: int | None
    open_interest: int | None
    implied_volatility: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    rho: float | None
    underlying_price: float | None


def optional(values: Floats) -> list[float | None]:
    """Return Python floats with None for NaN."""
    if not np.isnan(values).any():
        return list(values.tolist())
    return [None if value != value else value for value in values.tolist()]


def optional_counts(values: Floats) -> list[int | None]:
    """Return Python integers with None for NaN."""
    return [None if value is None else int(value) for value in optional(values)]


_COUNTS = frozenset({"volume", "open_interest"})


def build_quotes(
    contracts: Sequence[Contract], as_of: Iterable[datetime], columns: Mapping[str, Floats]
) -> list[SimulatedQuote]:
    """Return the quotes; ``columns`` has an array for each number of a quote, NaN for missing."""
    lists = [
        optional_counts(columns[name]) if name in _COUNTS else optional(columns[name])
        for name in SimulatedQuote._fields[2:]
    ]
    return list(map(SimulatedQuote._make, zip(contracts, as_of, *lists, strict=True)))

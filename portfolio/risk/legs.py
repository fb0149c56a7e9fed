"""One leg as the risk report, the scenarios and the what-if use it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from greeks.underlyings import is_month
from portfolio.exposure.columns import OPTION_KINDS, ROW_COLUMNS, FloatArray, Leg, Mask, sums


class RiskLeg(NamedTuple):
    """A leg with its terms; ``leg`` holds what is summed.

    ``id`` is the position's, or made up by the what-if. ``expires_at`` is aware, in UTC. An
    adjusted option's strike, price and multiplier are those per share it delivers.
    """

    id: str
    symbol: str
    account_id: str
    leg: Leg
    strike: float | None = None
    right: str = ""
    implied_volatility: float | None = None
    greeks_source: str | None = None
    exercise_style: str = ""
    expires_at: datetime | None = None
    root: str = ""
    #: False for an adjusted option of which nobody told what it delivers.
    deliverable_known: bool = True

    @property
    def is_option(self) -> bool:
        return self.leg.instrument_type in OPTION_KINDS

    @property
    def model(self) -> str:
        """Which model revalues it: ``linear``, ``european`` or ``american``.

        Options of unknown style count as American, as equity and most futures options are.
        """
        if not self.is_option:
            return "linear"
        return "european" if self.exercise_style == "european" else "american"


def named_months(legs: Iterable[RiskLeg]) -> dict[str, str]:
    """Return ``/ESZ6`` by the ``underlying_key`` of that future, where one of the legs names it.

    Tastytrade names the month of a future and of the options on it, IBKR does not.
    """
    return {
        leg.leg.underlying_key: name
        for leg in legs
        for name in (leg.symbol, leg.leg.underlying)
        if is_month(name)
    }


def row_of(
    columns: dict[str, FloatArray], lacking: Mask, chosen: Any = slice(None)
) -> dict[str, Any]:
    """Return the ``Row`` of the selected legs (a NumPy index): totals and what they lack."""
    return sums(columns, ROW_COLUMNS, chosen) | {
        "legs": int(lacking[chosen].size),
        "legs_without_greeks": int(lacking[chosen].sum()),
        "legs_without_beta": int(np.isnan(columns["beta"][chosen]).sum()),
    }

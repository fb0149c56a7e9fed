"""The labels by which closed trades are grouped, in their natural order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from trades.regimes.rule import REGIMES
from trades.statistics.reading import ClosedTrades

_DTE: Final = (1, 8, 22, 46, 91)
_DTE_NAMES: Final = ("0 days", "1–7 days", "8–21 days", "22–45 days", "46–90 days", "91+ days")
_RANK: Final = (0.25, 0.5, 0.75)
_RANK_NAMES: Final = ("0–25 %", "25–50 %", "50–75 %", "75–100 %")
_HOLDING: Final = (timedelta(days=1), timedelta(days=7), timedelta(days=21), timedelta(days=45))
_HOLDING_NAMES: Final = ("under a day", "1–6 days", "7–20 days", "21–44 days", "45+ days")
_WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip

#: What trades are grouped by, and the labels in order; without any, by number of trades.
DIMENSIONS: Final[Mapping[str, Sequence[str]]] = {
    "strategy": (),
    "underlying": (),
    "days_to_expiry": _DTE_NAMES,
    "iv_rank": _RANK_NAMES,
    "regime": REGIMES,
    "weekday": _WEEKDAYS,
    "holding_time": _HOLDING_NAMES,
}


def labels_of(
    trades: ClosedTrades, zones: Mapping[str, ZoneInfo]
) -> dict[str, Sequence[str | None]]:
    """Return each trade's labels by dimension; ``None`` where it is not known.

    Days to expiry, IV rank, regime and weekday (in the account's zone) are those of the opening.
    """
    return {
        "strategy": trades.strategy,
        "underlying": trades.underlying,
        "days_to_expiry": _banded(trades.dte, _DTE, _DTE_NAMES),
        "iv_rank": _banded(trades.iv_rank, _RANK, _RANK_NAMES),
        "regime": trades.regime,
        "weekday": [
            None if at is None else _WEEKDAYS[at.astimezone(zones[account]).weekday()]
            for at, account in zip(trades.opened_at, trades.account_id, strict=True)
        ],
        "holding_time": [
            None if opened is None else _HOLDING_NAMES[bisect_right(_HOLDING, closed - opened)]
            for opened, closed in zip(trades.opened_at, trades.closed_at, strict=True)
        ],
    }


def _banded(
    values: NDArray[np.float64], edges: Sequence[float], names: Sequence[str]
) -> list[str | None]:
    places = np.searchsorted(edges, values, side="right")
    return [
        None if unknown else names[place]
        for place, unknown in zip(places.tolist(), np.isnan(values).tolist(), strict=True)
    ]


def month_of(day: date) -> str:
    return day.isoformat()[:7]

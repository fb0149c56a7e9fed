"""The labels by which closed trades are grouped, in their natural order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trades.analytics.span import Span
from trades.regimes.rule import REGIMES
from trades.statistics.measures import Labels, labelled
from trades.statistics.reading import ClosedTrades

_DTE: Final = (1, 8, 22, 46, 91)
_DTE_NAMES: Final = ("0 days", "1–7 days", "8–21 days", "22–45 days", "46–90 days", "91+ days")
_RANK: Final = (0.25, 0.5, 0.75)
_RANK_NAMES: Final = ("0–25 %", "25–50 %", "50–75 %", "75–100 %")
_HOLDING: Final = (1, 7, 21, 45)
_HOLDING_NAMES: Final = ("under a day", "1–6 days", "7–20 days", "21–44 days", "45+ days")
_WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
_A_MONDAY: Final = np.datetime64("1970-01-05")
_DAY: Final = np.timedelta64(1, "D")

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


def labels_of(trades: ClosedTrades, span: Span) -> dict[str, Labels]:
    """Return each trade's labels by dimension; none where it is not known.

    Days to expiry, IV rank, regime and weekday (in the account's zone) are those of the opening.
    """
    opened = span.days_of(trades.account_id, trades.opened_at)
    return {
        "strategy": labelled(trades.strategy),
        "underlying": labelled(trades.underlying),
        "days_to_expiry": _banded(trades.dte, _DTE, _DTE_NAMES),
        "iv_rank": _banded(trades.iv_rank, _RANK, _RANK_NAMES),
        "regime": labelled(trades.regime),
        "weekday": _banded((opened - _A_MONDAY) / _DAY % 7, range(1, 7), _WEEKDAYS),
        "holding_time": _banded(
            (trades.closed_at - trades.opened_at) / _DAY, _HOLDING, _HOLDING_NAMES
        ),
    }


def _banded(values: NDArray[np.float64], edges: Sequence[float], names: Sequence[str]) -> Labels:
    """Return each value's band; none for NaN."""
    places = np.searchsorted(edges, values, side="right")
    return Labels(names, np.where(np.isnan(values), -1, places))


def month_of(day: date) -> str:
    return day.isoformat()[:7]

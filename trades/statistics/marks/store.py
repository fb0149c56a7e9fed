"""Follow closed trades along their marks, and store the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Final

import numpy as np
from django.db.models import F, Q
from numpy.typing import NDArray

from config.core.clock import now
from config.core.upsert import upsert
from greeks.calendar.exchanges import exchange_of_currency
from portfolio.accounts.days import minute_of
from portfolio.models import PriceBar
from trades.models import Trade, TradeFill, TradeLot, TradeMarks
from trades.statistics.marks.excursions import DAYS_EXIT, MarkedLot, measure_excursions
from trades.statistics.marks.session_minutes import session_minutes
from trades.statistics.reading import maximum_profits

_MINUTE: Final = timedelta(minutes=1)
_BATCH: Final = 20
#: A trade held for longer is followed from its last years on.
_LONGEST: Final = timedelta(days=800)
_COLUMNS: Final = (
    "opening_id", "closed_at", "net", "seen", "expected", "worst", "best", "exits", "computed_at",
)  # fmt: skip


def measure_marks(*, most: int = 200) -> int:
    """Follow closed trades that were not yet, or have changed since; return how many.

    Some queries for each twenty trades.
    """
    behind = Q(opening__marks=None) | ~Q(
        closed_at=F("opening__marks__closed_at"), net=F("opening__marks__net")
    )
    rows = Trade.objects.filter(
        behind, status=Trade.Status.CLOSED, net__isnull=False, unknown_closes=0
    ).select_related("account")
    trades = list(rows.order_by("-closed_at")[:most])
    for start in range(0, len(trades), _BATCH):
        _measure(trades[start : start + _BATCH])
    return len(trades)


def _measure(trades: Sequence[Trade]) -> None:
    keys = [trade.key for trade in trades]
    opened_in = dict(
        TradeFill.objects.filter(trade__in=keys, role=TradeFill.Role.OPEN.value).values_list(
            "execution_id", "trade_id"
        )
    )
    lots: dict[int, list[TradeLot]] = {}
    found = TradeLot.objects.filter(opened_by__in=list(opened_in), closed_at__isnull=False)
    for lot in found.select_related("instrument"):
        lots.setdefault(opened_in[lot.opened_by_id or 0], []).append(lot)
    marks = _marks([lot for each in lots.values() for lot in each])
    profits = maximum_profits(keys)
    at = now()
    written = []
    for trade in trades:
        own = lots.get(trade.key, [])
        minutes = _session_minutes(trade, own, marks)
        excursions = measure_excursions(
            [MarkedLot.of(lot) for lot in own],
            marks,
            minutes,
            most=profits.get(trade.key),
            days_exit_at=_days_exit(trade, own),
        )
        written.append(
            (
                trade.key, trade.closed_at, trade.net, excursions.seen, minutes.size,
                excursions.worst, excursions.best, excursions.exits, at,
            )
        )  # fmt: skip
    upsert(TradeMarks, _COLUMNS, written, unique=("opening_id",))


def _marks(lots: Sequence[TradeLot]) -> dict[int, dict[float, float]]:
    spans = [
        Q(
            instrument=lot.instrument_id,
            minute__gte=minute_of(lot.opened_at),
            minute__lte=lot.closed_at,
        )
        for lot in lots
        if lot.opened_at and lot.closed_at
    ]
    marks: dict[int, dict[float, float]] = {}
    if spans:
        bars = PriceBar.objects.filter(reduce(or_, spans))
        for pk, minute, close in bars.values_list("instrument_id", "minute", "close"):
            marks.setdefault(pk, {})[minute.timestamp()] = float(close)
    return marks


def _session_minutes(
    trade: Trade, lots: Sequence[TradeLot], marks: Mapping[int, Mapping[float, float]]
) -> NDArray[np.float64]:
    """Return the minutes of sessions from the first opening on, before the last close."""
    starts = [lot.opened_at for lot in lots if lot.opened_at]
    if not starts or trade.closed_at is None:
        return np.empty(0)
    first = max(minute_of(min(starts)) + _MINUTE, trade.closed_at - _LONGEST)
    last = minute_of(trade.closed_at)
    marked = [minute for lot in lots for minute in marks.get(lot.instrument_id, ())]
    return session_minutes(
        first,
        last,
        currency=trade.currency,
        kinds={lot.instrument.kind for lot in lots},
        simulated=trade.account.simulated,
        marked=(min(marked), max(marked)) if marked else None,
    )


def _days_exit(trade: Trade, lots: Sequence[TradeLot]) -> float | None:
    """Return when 21 days were left to the nearest expiry; ``None`` if fewer were at the start."""
    expiries = [lot.instrument.expiry for lot in lots if lot.instrument.expiry]
    if not expiries or trade.opened_at is None:
        return None
    exchange = exchange_of_currency(trade.currency)
    zone = exchange.zone if exchange else UTC
    due = datetime.combine(min(expiries) - timedelta(days=DAYS_EXIT), time(), tzinfo=zone)
    return due.timestamp() if due > trade.opened_at else None

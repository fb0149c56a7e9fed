"""Store published closes, and compute the regimes of the days from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from django.db import transaction

from config.core.clock import now
from config.core.upsert import upsert
from greeks.domain import DailyClose
from trades.models import IndexClose, RegimeDay
from trades.regimes.reading import closed_at
from trades.regimes.rule import INDICES, RULE_VERSION, VolatilityIndex, regime_days

_FACTS: Final = (
    "session_date", "regime", "level", "percentile", "rank", "three_month_ratio",
    "nine_day_ratio", "realised_volatility", "realised_percentile",
)  # fmt: skip
_COLUMNS: Final = ("symbol", "timestamp", "rule_version", "source", "as_of", *_FACTS)
_BATCH: Final = 5_000


def store_index_closes(items: Sequence[DailyClose], *, source: str) -> None:
    """Store closes; a day that is stored already takes the new close."""
    at = now()
    rows = [(item.symbol, item.session_date, item.close, source[:24], at) for item in items]
    with transaction.atomic():
        for start in range(0, len(rows), _BATCH):
            upsert(
                IndexClose,
                ("symbol", "session_date", "close", "source", "as_of"),
                rows[start : start + _BATCH],
                unique=("symbol", "session_date"),
            )


def compute_regimes(*, since: date | None = None) -> dict[str, int]:
    """Compute the days of each index again from the stored closes; return how many by index.

    ``since`` leaves the days before it as they are. Idempotent.
    """
    return {symbol: _compute(index, since) for symbol, index in INDICES.items()}


def _compute(index: VolatilityIndex, since: date | None) -> int:
    wanted = [index.symbol, index.nine_day, index.three_month, index.underlying]
    closes: dict[str, dict[date, float]] = {}
    source, as_of = "", now()
    rows = IndexClose.objects.filter(symbol__in=[name for name in wanted if name]).order_by()
    found = rows.values_list("symbol", "session_date", "close", "source", "as_of")
    for symbol, day, close, said_by, read_at in found.iterator(chunk_size=_BATCH):
        closes.setdefault(symbol, {})[day] = float(close)
        if symbol == index.symbol:
            source, as_of = said_by, read_at
    days = [
        facts for facts in regime_days(index, closes) if not since or facts.session_date >= since
    ]
    stored = [
        (
            index.symbol,
            closed_at(index.symbol, facts.session_date),
            RULE_VERSION,
            source,
            as_of,
            *(getattr(facts, name) for name in _FACTS),
        )
        for facts in days
    ]
    with transaction.atomic():
        for start in range(0, len(stored), _BATCH):
            upsert(
                RegimeDay,
                _COLUMNS,
                stored[start : start + _BATCH],
                unique=("symbol", "session_date", "rule_version"),
            )
    return len(stored)

"""What was known of regimes and of implied volatility before a day."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar

import numpy as np

from greeks.calendar.exchanges import exchange_named
from greeks.calendar.sessions import session_closes
from trades.models import IndexClose, RegimeDay
from trades.regimes.rule import INDICES, RULE_VERSION, one_year_ranks

Then = TypeVar("Then")
#: Older than this, a regime or a rank tells nothing: weekends and holidays are shorter.
OLDEST: Final = timedelta(days=7)
#: Days in which a year of sessions lies, and the oldest rank.
_YEAR: Final = timedelta(days=385)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeThen:
    symbol: str
    regime: str
    rule_version: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RankThen:
    symbol: str
    rank: float
    as_of: datetime


class KnownRegimes:
    """Regimes and ranks of some indices around some days, read in two queries."""

    def __init__(
        self, *, regimes: Collection[str], ranks: Collection[str], days: Iterable[date]
    ) -> None:
        known = sorted(set(days)) or [date.min + _YEAR]
        first, last = known[0], known[-1]
        self._regimes: dict[str, list[tuple[date, RegimeThen]]] = {}
        rows = RegimeDay.objects.filter(
            symbol__in=regimes,
            rule_version=RULE_VERSION,
            session_date__gte=first - OLDEST,
            session_date__lt=last,
        )
        for symbol, day, regime, at in rows.order_by("session_date").values_list(
            "symbol", "session_date", "regime", "timestamp"
        ):
            then = RegimeThen(symbol=symbol, regime=regime, rule_version=RULE_VERSION, as_of=at)
            self._regimes.setdefault(symbol, []).append((day, then))
        self._ranks: dict[str, list[tuple[date, RankThen]]] = {}
        closes: dict[str, list[tuple[date, float]]] = {}
        stored = IndexClose.objects.filter(
            symbol__in=ranks, session_date__gte=first - _YEAR, session_date__lt=last
        )
        for symbol, day, close in stored.order_by("session_date").values_list(
            "symbol", "session_date", "close"
        ):
            closes.setdefault(symbol, []).append((day, float(close)))
        for symbol, series in closes.items():
            found = one_year_ranks(np.array([close for _, close in series]))
            self._ranks[symbol] = [
                (day, RankThen(symbol=symbol, rank=float(rank), as_of=closed_at(symbol, day)))
                for (day, _), rank in zip(series, found, strict=True)
                if not np.isnan(rank)
            ]

    def regime_before(self, symbol: str, day: date) -> RegimeThen | None:
        """Return the regime of the last close before a day; ``None`` if unknown or too old."""
        return _last_before(self._regimes.get(symbol, []), day)

    def rank_before(self, symbol: str, day: date) -> RankThen | None:
        """Return the rank of the last close before a day; ``None`` if unknown or too old."""
        return _last_before(self._ranks.get(symbol, []), day)


def closed_at(symbol: str, day: date) -> datetime:
    """Return when the session of an index closed, UTC. Other indices than India's are Cboe's."""
    exchange = exchange_named(INDICES[symbol].exchange if symbol in INDICES else "NYSE")
    known = session_closes(exchange.name).get(day)
    if known is not None:
        return known
    return datetime.combine(day, exchange.closes, tzinfo=exchange.zone).astimezone(UTC)


def _last_before(series: Sequence[tuple[date, Then]], day: date) -> Then | None:
    place = bisect_left(series, day, key=lambda each: each[0])
    if place == 0:
        return None
    last, then = series[place - 1]
    return then if day - last <= OLDEST else None

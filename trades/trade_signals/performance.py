"""Results of each source's signals: the trades that followed, beside their shadows.

Trades are read and measured by the statistics' own functions, so a trade has one number everywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np

from auth_tokens.models import User
from portfolio.accounts.scopes import scope_of
from trades.analytics.span import Span, span_of
from trades.models import ShadowPosition, TradeFill, TradeLeg, TradeSignal
from trades.statistics.filter import StatisticsFilter
from trades.statistics.measures import measure
from trades.statistics.reading import ClosedTrades, closed_trades
from trades.strategies.trade import total
from trades.trade_signals.reading import midnight_of, signals_of, sources_of
from trades.trade_signals.shapes import SourcePerformance

DAYS_BY_DEFAULT: Final = 30
_FIRST: Final = timedelta(days=1)


def complete_days(
    user: User, *, start: date | None = None, end: date | None = None
) -> dict[str, Any]:
    """Return both days: by default the last 30. Raises InvalidInput naming the day."""
    span = span_of(user, account_id=None, start=start, end=end, days=DAYS_BY_DEFAULT)
    return {"start": span.start, "end": span.end}


def performance_scope(user: User) -> str:
    """Return whose answer it is: sources are a user's own, trades those of visible accounts."""
    return f"{user.pk}-{scope_of(user)}"


def source_performance(
    user: User, *, start: date | None = None, end: date | None = None
) -> list[SourcePerformance]:
    """Return every source's figures between two days, by name. The number of queries is fixed.

    Signals are those received in the days, trades those closed in them, whenever their signal came.
    """
    span = span_of(user, account_id=None, start=start, end=end, days=DAYS_BY_DEFAULT)
    trades = closed_trades(
        StatisticsFilter(
            accounts=span.accounts, currency=span.currency, start=span.start, end=span.end
        )
    )
    received = signals_of(user).order_by().filter(**_received_in(user, span))
    ties = _ties(user, trades)
    legs = _legs_by_signal(user, received.values("pk"), [tie.signal for tie in ties])
    pairs = _pairs(ties, trades, legs)
    sources = list(sources_of(user))
    found: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for pk, source, opening in received.values_list("pk", "source_id", "opening_id"):
        found[source].append((pk, opening is not None))
    return [
        _performance(
            source.name,
            span.currency,
            signals=found[source.pk],
            trades=trades,
            rows=sorted({tie.row for tie in ties if tie.source == source.pk}),
            shadows=legs,
            pairs=pairs.get(source.pk, []),
        )
        for source in sources
    ]


@dataclass(frozen=True, slots=True)
class _Tie:
    """A signal and the row of the closed trade that followed it."""

    source: int
    signal: int
    row: int


@dataclass(frozen=True, slots=True)
class _Pair:
    """A trade beside its shadow: money. ``None`` if not known, or not comparable."""

    edge: float | None
    slippage: float | None


def _received_in(user: User, span: Span) -> dict[str, Any]:
    return {
        "created_at__gte": midnight_of(user, span.start),
        "created_at__lt": midnight_of(user, span.end) + timedelta(days=1),
    }


def _ties(user: User, trades: ClosedTrades) -> list[_Tie]:
    """Return the ties to these trades, oldest signal first. Two queries."""
    place = {key: row for row, key in enumerate(trades.key)}
    tied = TradeSignal.objects.filter(source__owner=user.pk, opening__isnull=False)
    opened = TradeFill.objects.filter(
        role=TradeFill.Role.OPEN.value, key__in=tied.order_by().values("opening")
    )
    homes = dict(opened.values_list("key", "trade_id"))
    found = []
    for pk, source, opening in tied.order_by("created_at", "pk").values_list(
        "pk", "source_id", "opening_id"
    ):
        row = place.get(homes.get(opening or 0, opening or 0))
        if row is not None:
            found.append(_Tie(source, pk, row))
    return found


def _legs_by_signal(
    user: User, received: Any, tied: Sequence[int]
) -> dict[int, list[ShadowPosition]]:
    rows = ShadowPosition.objects.filter(signal__source__owner=user.pk)
    wanted = rows.filter(signal__in=received) | rows.filter(signal__in=tied)
    legs: dict[int, list[ShadowPosition]] = defaultdict(list)
    for row in wanted.select_related("instrument").order_by("pk"):
        legs[row.signal_id].append(row)
    return legs


def _pairs(
    ties: Iterable[_Tie], trades: ClosedTrades, shadows: Mapping[int, list[ShadowPosition]]
) -> dict[int, list[_Pair]]:
    """Compare each source's trades with the shadow of the first signal they followed. One query."""
    first: dict[tuple[int, int], int] = {}
    for tie in ties:
        first.setdefault((tie.source, tie.row), tie.signal)
    legs: dict[int, list[TradeLeg]] = defaultdict(list)
    keys = {trades.key[row] for _, row in first}
    for leg in TradeLeg.objects.filter(trade__in=keys).select_related("trade"):
        began = leg.trade.opened_at
        if began is not None and leg.opened_at is not None and leg.opened_at - began <= _FIRST:
            legs[leg.trade_id].append(leg)
    found: dict[int, list[_Pair]] = defaultdict(list)
    for (source, row), signal in first.items():
        opened = legs[trades.key[row]]
        found[source].append(_compare(float(trades.net[row]), opened, shadows.get(signal, [])))
    return found


def _compare(net: float, opened: Sequence[TradeLeg], shadow: Sequence[ShadowPosition]) -> _Pair:
    size = _size(opened, shadow)
    if size is None:
        return _Pair(None, None)
    result = total(leg.pnl if leg.status == leg.Status.CLOSED else None for leg in shadow)
    traded = {leg.instrument_id: leg for leg in opened}
    paid = total(
        None
        if leg.entry_mid is None or (price := traded[leg.instrument_id].open_price) is None
        else (price - leg.entry_mid) * traded[leg.instrument_id].quantity
        * leg.instrument.multiplier
        for leg in shadow
    )  # fmt: skip
    return _Pair(
        edge=None if result is None else net - float(result * size),
        slippage=None if paid is None else float(paid),
    )


def _size(opened: Sequence[TradeLeg], shadow: Sequence[ShadowPosition]) -> Decimal | None:
    """Return how many shadows the trade is; ``None`` if it traded something else."""
    held = {leg.instrument_id: leg.quantity for leg in opened}
    paper = {leg.instrument_id: leg.quantity for leg in shadow}
    if not paper or held.keys() != paper.keys():
        return None
    sizes = {held[instrument] / paper[instrument] for instrument in paper}
    size = sizes.pop()
    return size if not sizes and size > 0 else None


def _performance(
    name: str,
    currency: str,
    *,
    signals: Sequence[tuple[int, bool]],
    trades: ClosedTrades,
    rows: list[int],
    shadows: Mapping[int, list[ShadowPosition]],
    pairs: Sequence[_Pair],
) -> SourcePerformance:
    measured = measure(trades.net[rows], trades.risk[rows])
    results = [
        result
        for signal, _ in signals
        if (result := _result(shadows.get(signal, []), currency)) is not None
    ]
    edges = [pair.edge for pair in pairs if pair.edge is not None]
    slips = [pair.slippage for pair in pairs if pair.slippage is not None]
    return SourcePerformance.of(
        measured,
        source=name,
        currency=currency,
        signals=len(signals),
        taken=sum(is_taken for _, is_taken in signals),
        avg_pnl=measured.expectancy,
        total_pnl=measured.net if measured.trades else None,
        shadow_pnl=float(sum(results)) if results else None,
        shadow_signals=len(results),
        edge=float(np.mean(edges)) if edges else None,
        edge_trades=len(edges),
        slippage=float(np.mean(slips)) if slips else None,
        slippage_trades=len(slips),
    )


def _result(legs: Sequence[ShadowPosition], currency: str) -> Decimal | None:
    if any(leg.instrument.currency != currency for leg in legs):
        return None
    return total(leg.pnl for leg in legs)

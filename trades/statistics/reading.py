"""Read what statistics are computed from: closed trades as columns, realised events, balances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from django.db.models import Case, Count, F, FloatField, Q, QuerySet, When
from django.db.models.functions import Cast
from numpy.typing import NDArray

from config.core.rows.reading import read_rows
from trades.analytics.realised import realised_lots
from trades.models import EntryContext, Trade, TradeFill, TradeLeg, TradeLot, TradeTag
from trades.statistics.filter import StatisticsFilter, tagged_trades
from trades.statistics.payoff import LegColumns, extremes

Floats = NDArray[np.float64]
NAN: Final = float("nan")
_FIRST: Final = timedelta(days=1)
_KIND: Final = {"C": 1.0, "P": -1.0, "": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrades:
    """Closed trades of known profit as columns, oldest close first; NaN or ``None`` if unknown."""

    key: list[int]
    account_id: list[str]
    underlying: list[str]
    strategy: list[str]
    opened_at: list[datetime | None]
    closed_at: list[datetime]
    net: Floats
    gross: Floats
    costs: Floats
    risk: Floats
    most: Floats
    iv_rank: Floats
    dte: Floats
    regime: list[str | None]

    def chosen(self, rows: Sequence[int]) -> ClosedTrades:
        """Return some of the trades."""
        return replace(self, **{name: _pick(getattr(self, name), rows) for name in _NAMES})


_NAMES: Final = tuple(ClosedTrades.__dataclass_fields__)


def _pick(values: Any, rows: Sequence[int]) -> Any:
    return values[list(rows)] if isinstance(values, np.ndarray) else [values[n] for n in rows]


def found_trades(wanted: StatisticsFilter) -> QuerySet[Trade]:
    """Return the closed trades whose profit is known."""
    return Trade.objects.filter(
        wanted.trades(),
        wanted.between("closed_at"),
        status=Trade.Status.CLOSED,
        unknown_closes=0,
        net__isnull=False,
    )


def closed_trades(wanted: StatisticsFilter) -> ClosedTrades:
    """Read closed trades whose profit is known. Three queries."""
    found = found_trades(wanted)
    rows = read_rows(
        found.order_by("closed_at", "pk").annotate(
            net_number=Cast("net", FloatField()),
            gross_number=Cast("gross", FloatField()),
            costs_number=Cast("costs", FloatField()),
        ),
        (
            "pk", "account_id", "underlying", "strategy", "opened_at", "closed_at", "net_number",
            "gross_number", "costs_number",
        ),
    )  # fmt: skip
    place = {row[0]: number for number, row in enumerate(rows)}
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * 9
    of_found = found.order_by().values("pk")
    loss, gain = extremes(_legs(of_found, place), len(rows))
    contexts = _contexts(of_found, place)
    return ClosedTrades(
        key=list(columns[0]),
        account_id=list(columns[1]),
        underlying=list(columns[2]),
        strategy=list(columns[3]),
        opened_at=list(columns[4]),
        closed_at=list(columns[5]),
        net=np.array(columns[6], dtype=np.float64),
        gross=np.array(columns[7], dtype=np.float64),
        costs=np.array(columns[8], dtype=np.float64),
        risk=np.where(loss > 0, loss, np.nan),
        most=np.where(gain > 0, gain, np.nan),
        iv_rank=_numbers(contexts, 0, len(rows)),
        dte=_numbers(contexts, 1, len(rows)),
        regime=[(contexts.get(n, _NOTHING)[2] or None) for n in range(len(rows))],
    )


def maximum_profits(keys: Sequence[int]) -> dict[int, float]:
    """Return the most that trades could gain at expiry, where that is limited. One query."""
    trades = Trade.objects.filter(pk__in=keys)
    place = {key: number for number, key in enumerate(sorted(keys))}
    _, gain = extremes(_legs(trades.order_by().values("pk"), place), len(place))
    return {key: float(gain[number]) for key, number in place.items() if gain[number] > 0}


_NOTHING: Final = (None, None, "")


def _numbers(contexts: Mapping[int, Sequence[Any]], index: int, count: int) -> Floats:
    values = (contexts.get(n, _NOTHING)[index] for n in range(count))
    return np.array([NAN if value is None else value for value in values], dtype=np.float64)


def _legs(trades: Any, place: Mapping[int, int]) -> LegColumns:
    """Return the legs opened within a day of the trade: rolled and delivered ones are left out."""
    rows = read_rows(
        TradeLeg.objects.filter(
            trade__in=trades, opened_at__isnull=False, trade__opened_at__isnull=False
        )
        .order_by()
        .annotate(
            # Nearly all are opened with their trade.
            later=Case(When(opened_at=F("trade__opened_at"), then=None), default=F("opened_at")),
            since=Case(
                When(opened_at=F("trade__opened_at"), then=None), default=F("trade__opened_at")
            ),
            strike=Cast("instrument__strike", FloatField()),
            units=Cast(F("quantity"), FloatField()) * Cast("instrument__multiplier", FloatField()),
            price=Cast("open_price", FloatField()),
        ),
        (
            "trade_id", "instrument__right", "strike", "units", "price", "instrument__expiry",
            "later", "since",
        ),
    )  # fmt: skip
    # Ordered by the trade's row, not by its key.
    found = [
        (place[row[0]], *row[1:6])
        for row in rows
        if row[0] in place and (row[6] is None or row[6] - row[7] <= _FIRST)
    ]
    found.sort(key=lambda row: row[0])
    if not found:
        empty = np.empty(0)
        return LegColumns(
            trade=np.empty(0, dtype=np.intp),
            kind=empty,
            strike=empty,
            units=empty,
            price=empty,
            expiry=empty,
        )
    trade, right, strike, units, price, expiry = zip(*found, strict=True)
    return LegColumns(
        trade=np.array(trade, dtype=np.intp),
        kind=np.array([_KIND[each] for each in right]),
        strike=np.array([each or 0.0 for each in strike]),
        units=np.array(units, dtype=np.float64),
        price=np.array([NAN if each is None else each for each in price]),
        expiry=np.array([NAN if each is None else float(each.toordinal()) for each in expiry]),
    )


def _contexts(trades: Any, place: Mapping[int, int]) -> dict[int, tuple[Any, ...]]:
    """Return IV rank, days to expiry and regime of each trade's first opening fill."""
    rows = read_rows(
        EntryContext.objects.filter(
            execution__in_trades__role=TradeFill.Role.OPEN.value,
            execution__in_trades__trade__in=trades,
        ).order_by("-execution__execution_time", "-pk"),
        ("execution__in_trades__trade", "iv_rank", "dte", "regime"),
    )
    # The last one written is the first fill.
    return {place[row[0]]: row[1:] for row in rows if row[0] in place}


def tags_of(trades: ClosedTrades, wanted: StatisticsFilter) -> list[tuple[int, str]]:
    """Return the rows of trades with each tag that one of their openings has. Two queries."""
    place = {key: number for number, key in enumerate(trades.key)}
    found = found_trades(wanted).order_by().values("pk")
    opened = TradeFill.objects.filter(role=TradeFill.Role.OPEN.value, trade__in=found)
    tags = TradeTag.objects.filter(Q(opening__in=found) | Q(opening__in=opened.values("key")))
    names: dict[int, set[str]] = {}
    for key, name in tags.values_list("opening_id", "name"):
        names.setdefault(key, set()).add(name)
    if not names:
        return []
    homes = set(opened.filter(key__in=list(names)).values_list("trade_id", "key"))
    homes |= {(key, key) for key in names}
    pairs = {(place[trade], name) for trade, key in homes if trade in place for name in names[key]}
    return sorted(pairs)


def chosen_lots(wanted: StatisticsFilter) -> QuerySet[TradeLot]:
    """Return the lots closed in the days, open trades' closed parts too, as far as asked for."""
    lots = realised_lots(wanted)
    if wanted.underlying:
        lots = lots.filter(instrument__underlying=wanted.underlying)
    if wanted.tag:
        lots = lots.filter(
            opened_by__in_trades__role=TradeFill.Role.OPEN.value,
            opened_by__in_trades__trade__in=tagged_trades(wanted.tag),
        )
    if wanted.strategy:
        lots = lots.filter(
            opened_by__in_trades__role=TradeFill.Role.OPEN.value,
            opened_by__in_trades__trade__strategy=wanted.strategy,
        )
    return lots


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Closed trades in the days that measures leave out."""

    unknown_basis: int
    other_currencies: dict[str, int]


def left_out(wanted: StatisticsFilter) -> LeftOut:
    """Count closed trades of unknown profit, and those in other currencies. One query."""
    every = Trade.objects.filter(wanted.between("closed_at"), status=Trade.Status.CLOSED).order_by()
    counts = every.values_list("currency").annotate(
        all=Count("pk"), unknown=Count("pk", filter=Q(net=None) | Q(unknown_closes__gt=0))
    )
    unknown = 0
    others = {}
    for currency, number, without in counts:
        if currency == wanted.currency:
            unknown = without
        else:
            others[currency] = number
    return LeftOut(unknown_basis=unknown, other_currencies=others)

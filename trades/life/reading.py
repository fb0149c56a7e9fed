"""A trade's profit and Greeks over its life, from the minutes of its contracts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import numpy as np
from django.db.models import F, OuterRef, Subquery

from config.core.clock import now
from greeks.models import ContractGreekHistory, Instrument
from greeks.underlyings import key_of_row
from portfolio.accounts.days import minute_of
from portfolio.amounts import as_float
from portfolio.exposure.columns import LINEAR_KINDS
from portfolio.models import PriceBar
from trades.life.sampling import (
    Floats,
    at_points,
    looked_at,
    minutes_a_point,
    sample,
    summed,
    units_held,
)
from trades.life.shapes import LifeFill, LifeSeries, TradeLife
from trades.models import Trade, TradeFill, TradeLot
from trades.statistics.marks.excursions import MarkedLot, money_along
from trades.statistics.marks.session_minutes import session_minutes

#: A trade held for longer is shown from its last years on.
_LONGEST: Final = timedelta(days=800)
_MINUTE: Final = timedelta(minutes=1)
_GREEKS: Final = ("delta", "gamma", "theta", "vega")


@dataclass(slots=True)
class _Known:
    """Columns by instrument at the points, and who told them."""

    prices: dict[int, Floats] = field(default_factory=dict)
    greeks: dict[str, dict[int, Floats]] = field(default_factory=dict)
    spots: dict[int, Floats] = field(default_factory=dict)
    price_sources: set[str] = field(default_factory=set)
    greek_sources: set[str] = field(default_factory=set)


def read_life(trade: Trade) -> TradeLife:
    """Return at most some hundred points of a trade's life. Seven queries, bounded by the points.

    They begin with the first minute that is known and end with the last, or with the last close.
    """
    fills = list(
        trade.fills.select_related("execution").order_by("execution__execution_time", "id")
    )
    opened = [fill.execution_id for fill in fills if fill.role == TradeFill.Role.OPEN.value]
    lots = list(
        TradeLot.objects.filter(opened_by__in=opened, opened_at__isnull=False).select_related(
            "instrument"
        )
    )
    contracts = {lot.instrument_id: lot.instrument for lot in lots}
    underlyings = _underlyings(contracts.values())
    first, last = _span(trade, lots)
    window = _known_window({*contracts, *underlyings}, first, last)
    life = session_minutes(
        first,
        last,
        currency=trade.currency,
        kinds={contract.kind for contract in contracts.values()},
        simulated=trade.account.simulated,
        marked=window,
    )
    minutes = life[(life >= window[0]) & (life <= window[1])] if window else life[:0]
    step = minutes_a_point(minutes.size)
    points = sample(minutes, step)
    known = _read(contracts, underlyings, points, step)
    marked = [MarkedLot.of(lot) for lot in lots]
    if points.size and trade.closed_at is not None:
        # What it brought in the end needs no mark.
        points = np.append(points, max(points[-1], trade.closed_at.timestamp()))
        known = _extended(known)
    series = _series(marked, known, points)
    return TradeLife(
        id=str(trade.key),
        currency=trade.currency,
        minutes_a_point=step,
        seen=sum(pnl is not None for pnl in series.pnl),
        expected=-(-life.size // step) + (trade.closed_at is not None),
        price_sources=sorted(known.price_sources),
        greek_sources=sorted(known.greek_sources),
        series=series,
        fills=[_fill(each) for each in fills],
    )


def _span(trade: Trade, lots: Sequence[TradeLot]) -> tuple[datetime, datetime]:
    last = trade.closed_at or now()
    first = min((lot.opened_at for lot in lots if lot.opened_at), default=last)
    return max(minute_of(first) + _MINUTE, last - _LONGEST), last


def _underlyings(contracts: Any) -> set[int]:
    keys = {key_of_row(row) for row in contracts}
    return set(Instrument.objects.filter(key__in=keys).values_list("pk", flat=True))


def _known_window(
    instruments: set[int], first: datetime, last: datetime
) -> tuple[float, float] | None:
    """Return the first and last minute with a bar; a look-up in the index for each instrument."""
    bars = PriceBar.objects.filter(
        instrument=OuterRef("pk"), minute__gte=first, minute__lte=last
    ).values("minute")
    rows = Instrument.objects.filter(pk__in=instruments).annotate(
        first_bar=Subquery(bars.order_by("minute")[:1]),
        last_bar=Subquery(bars.order_by("-minute")[:1]),
    )
    found = [
        (start.timestamp(), end.timestamp())
        for start, end in rows.values_list("first_bar", "last_bar")
        if start is not None
    ]
    return (min(f for f, _ in found), max(e for _, e in found)) if found else None


def _read(
    contracts: Mapping[int, Instrument], underlyings: set[int], points: Floats, step: int
) -> _Known:
    known = _Known(greeks={name: {} for name in _GREEKS})
    if not points.size:
        return known
    minutes = [datetime.fromtimestamp(at, UTC) for at in looked_at(points, step).tolist()]
    wanted = {"minute__in": minutes, "minute__range": (minutes[0], minutes[-1])}
    bars: dict[int, list[tuple[float, float]]] = defaultdict(list)
    rows = PriceBar.objects.filter(instrument__in={*contracts, *underlyings}, **wanted)
    for pk, minute, close, source in rows.values_list("instrument_id", "minute", "close", "source"):
        bars[pk].append((minute.timestamp(), float(close)))
        if pk in contracts:
            known.price_sources.add(source)
    columns: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    names = (*_GREEKS, "underlying_price")
    history = ContractGreekHistory.objects.filter(instrument__in=contracts, **wanted)
    for pk, minute, source, *values in history.values_list(
        "instrument_id", "minute", "source", *(F(f"{name}_raw") for name in _GREEKS),
        "underlying_price",
    ):  # fmt: skip
        known.greek_sources.add(source)
        for name, value in zip(names, values, strict=True):
            if value is not None:
                columns[pk, name].append((minute.timestamp(), float(value)))
    for pk, contract in contracts.items():
        known.prices[pk] = at_points(bars[pk], points, step)
        for name in _GREEKS:
            known.greeks[name][pk] = _of_contract(contract, name, columns[pk, name], points, step)
        if columns[pk, "underlying_price"]:
            known.spots[pk] = at_points(columns[pk, "underlying_price"], points, step)
    # The underlying's own bars count first.
    own = {pk: at_points(bars[pk], points, step) for pk in underlyings if bars[pk]}
    known.spots = own | known.spots
    return known


def _of_contract(
    contract: Instrument,
    name: str,
    rows: Sequence[tuple[float, float]],
    points: Floats,
    step: int,
) -> Floats:
    """Return a Greek of one unit: a linear contract has a delta of 1 and nothing else."""
    if contract.kind in LINEAR_KINDS:
        return np.full(points.size, 1.0 if name == "delta" else 0.0)
    found = at_points(rows, points, step)
    if not contract.is_adjusted:
        return found
    # It counts for the shares that it delivers.
    shares: Decimal | None = contract.deliverable_shares
    if shares is None or shares <= 0:
        return np.full(points.size, np.nan)
    return found * float(shares / contract.multiplier)


def _extended(known: _Known) -> _Known:
    def longer(columns: dict[int, Floats]) -> dict[int, Floats]:
        return {pk: np.append(values, np.nan) for pk, values in columns.items()}

    known.prices, known.spots = longer(known.prices), longer(known.spots)
    known.greeks = {name: longer(columns) for name, columns in known.greeks.items()}
    return known


def _series(lots: Sequence[MarkedLot], known: _Known, points: Floats) -> LifeSeries:
    marks = {
        pk: dict(zip(points.tolist(), prices.tolist(), strict=True))
        for pk, prices in known.prices.items()
    }
    held = units_held(lots, points)
    underlying = np.full(points.size, np.nan)
    for spots in known.spots.values():
        underlying = np.where(np.isnan(underlying), spots, underlying)
    columns = {name: summed(held, known.greeks[name], points.size) for name in _GREEKS}
    return LifeSeries(
        at=[datetime.fromtimestamp(at, UTC) for at in points.tolist()],
        pnl=_column(money_along(lots, marks, points)),
        underlying=_column(underlying),
        **{name: _column(values) for name, values in columns.items()},
    )


def _column(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values.tolist()]


def _fill(fill: TradeFill) -> LifeFill:
    execution = fill.execution
    return LifeFill(
        at=execution.execution_time,
        role=fill.role,
        kind=execution.kind,
        symbol=execution.symbol,
        quantity=float(fill.quantity),
        price=as_float(execution.price),
    )

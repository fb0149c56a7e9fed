"""Read what statistics are computed from: closed trades as columns, realised events, balances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from django.db.models import Count, F, FloatField, Q, QuerySet
from django.db.models.functions import Cast
from numpy.typing import NDArray

from config.core.rows.moments import Moment, Moments, moments_of
from config.core.rows.reading import floats_of, read_numbers, read_rows
from trades.analytics.realised import realised_lots
from trades.models import EntryContext, Trade, TradeFill, TradeLeg, TradeLot, TradeTag
from trades.statistics.filter import StatisticsFilter, tagged_trades
from trades.statistics.payoff import LegColumns, extremes
from trades.underlyings import of_underlyings

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Keys = NDArray[np.int64]
_FIRST: Final = np.timedelta64(1, "D")
_DAY_ZERO: Final = np.datetime64("1970-01-01")
_KIND: Final = {"C": 1.0, "P": -1.0, "": 0.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrades:
    """Closed trades of known profit as columns, oldest close first.

    What is not known is NaN, NaT or ``None``.
    """

    key: list[int]
    account_id: list[str]
    underlying: list[str]
    strategy: list[str]
    opened_at: Moments
    closed_at: Moments
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
    """Read closed trades whose profit is known. Three queries, or four."""
    found = found_trades(wanted)
    keys, account_id, underlying, strategy, opened, closed, net, costs = read_numbers(
        found.order_by("closed_at", "pk").annotate(
            opened=Moment("opened_at"),
            closed=Moment("closed_at"),
            net_number=Cast("net", FloatField()),
            costs_number=Cast("costs", FloatField()),
        ),
        (
            "pk", "account_id", "underlying", "strategy", "opened", "closed", "net_number",
            "costs_number",
        ),
        texts=("account_id", "underlying", "strategy"),
    )  # fmt: skip
    key = _keys(keys)
    place = {each: number for number, each in enumerate(key.tolist())}
    of_found = found.order_by().values("pk")
    paid = floats_of(costs)
    brought = floats_of(net)
    loss, gain = extremes(_legs(of_found, key), key.size)
    iv_rank, dte = np.full((2, key.size), np.nan)
    regime: list[str | None] = [None] * key.size
    for row, (rank, days, then) in _contexts(of_found, place).items():
        iv_rank[row], dte[row], regime[row] = rank, days, then or None
    return ClosedTrades(
        key=list(place),
        account_id=list(account_id),
        underlying=list(underlying),
        strategy=list(strategy),
        opened_at=moments_of(opened),
        closed_at=moments_of(closed),
        net=brought,
        # Of a closed trade nothing else was paid.
        gross=brought + paid,
        costs=paid,
        risk=np.where(loss > 0, loss, np.nan),
        most=np.where(gain > 0, gain, np.nan),
        iv_rank=iv_rank,
        dte=dte,
        regime=regime,
    )


def maximum_profits(keys: Sequence[int]) -> dict[int, float]:
    """Return the most that trades could gain at expiry, where that is limited. One query."""
    found = Trade.objects.filter(pk__in=keys).order_by().values("pk")
    wanted = np.array(sorted(keys), dtype=np.int64)
    _, gain = extremes(_legs(found, wanted), wanted.size)
    return dict(zip(wanted[gain > 0].tolist(), gain[gain > 0].tolist(), strict=True))


def _keys(column: Any) -> Keys:
    return np.asarray(column, dtype=np.int64)


def _legs(trades: Any, keys: Keys) -> LegColumns:
    """Return the legs opened within a day of the trade: rolled and delivered ones are left out.

    A leg's trade is its place in ``keys``.
    """
    of_trade, right, opened, since, expiry, *numbers = read_numbers(
        TradeLeg.objects.filter(trade__in=trades)
        .order_by()
        .annotate(
            opened=Moment("opened_at"),
            since=Moment("trade__opened_at"),
            until=Moment("instrument__expiry"),
            strike=Cast("instrument__strike", FloatField()),
            units=Cast(F("quantity") * F("instrument__multiplier"), FloatField()),
            price=Cast("open_price", FloatField()),
        ),
        ("trade_id", "instrument__right", "opened", "since", "until", "strike", "units", "price"),
        texts=("instrument__right",),
    )
    trade = _places(keys, _keys(of_trade))
    # False if one of the two is not known.
    known = (trade >= 0) & (moments_of(opened) - moments_of(since) <= _FIRST)
    rows = np.flatnonzero(known)[np.argsort(trade[known], kind="stable")]
    kind = np.fromiter(map(_KIND.__getitem__, right), np.float64, len(right))
    strike, units, price = (floats_of(column)[rows] for column in numbers)
    return LegColumns(
        trade=trade[rows],
        kind=kind[rows],
        strike=np.nan_to_num(strike),
        units=units,
        price=price,
        expiry=(moments_of(expiry)[rows] - _DAY_ZERO) / _FIRST,
    )


def _places(keys: Keys, wanted: Keys) -> Indices:
    """Return where in ``keys`` each wanted one is; −1 if nowhere."""
    if not keys.size:
        return np.full(wanted.size, -1, dtype=np.intp)
    order = np.argsort(keys)
    place = order[np.searchsorted(keys, wanted, sorter=order).clip(max=keys.size - 1)]
    return np.where(keys[place] == wanted, place, -1)


def _contexts(trades: Any, place: Mapping[int, int]) -> dict[int, tuple[Any, ...]]:
    """Return IV rank, days to expiry and regime of each trade's first opening fill."""
    opened = TradeFill.objects.filter(role=TradeFill.Role.OPEN.value, trade__in=trades).order_by()
    rows = read_rows(
        EntryContext.objects.filter(execution__in=opened.values("execution")).order_by(
            "-execution__execution_time", "-pk"
        ),
        ("execution_id", "iv_rank", "dte", "regime"),
    )
    homes = dict(read_rows(opened, ("execution_id", "trade_id"))) if rows else {}
    # The last one written is the first fill.
    return {place[homes[row[0]]]: row[1:] for row in rows if homes.get(row[0]) in place}


def tags_of(trades: ClosedTrades, wanted: StatisticsFilter) -> list[tuple[int, str]]:
    """Return the rows of trades with each tag that one of their openings has. Two queries."""
    own = TradeTag.objects.filter(opening__account__in=[each.pk for each in wanted.accounts])
    names: dict[int, set[str]] = {}
    for key, name in read_rows(own.order_by(), ("opening_id", "name")):
        names.setdefault(key, set()).add(name)
    if not names:
        return []
    opened = TradeFill.objects.filter(
        role=TradeFill.Role.OPEN.value, key__in=own.order_by().values("opening")
    )
    place = {key: number for number, key in enumerate(trades.key)}
    homes = set(read_rows(opened.order_by(), ("trade_id", "key")))
    homes |= {(key, key) for key in names}
    pairs = {(place[trade], name) for trade, key in homes if trade in place for name in names[key]}
    return sorted(pairs)


def chosen_lots(wanted: StatisticsFilter) -> QuerySet[TradeLot]:
    """Return the lots closed in the days, open trades' closed parts too, as far as asked for."""
    lots = realised_lots(wanted)
    if wanted.underlying:
        lots = lots.filter(of_underlyings([wanted.underlying], "instrument__underlying"))
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
    omitted = Trade.objects.filter(
        ~Q(currency=wanted.currency) | Q(net=None) | Q(unknown_closes__gt=0),
        wanted.trades_in_any_currency(),
        wanted.between("closed_at"),
        status=Trade.Status.CLOSED,
    ).order_by()
    counts = dict(omitted.values_list("currency").annotate(Count("pk")))
    unknown = counts.pop(wanted.currency, 0)
    return LeftOut(unknown_basis=unknown, other_currencies=counts)

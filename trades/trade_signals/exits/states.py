"""Open trades as the exit rules see them now, from stored quotes and Greeks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from greeks.calendar.exchanges import exchange_of_currency
from greeks.domain import ExerciseStyle, InstrumentKind, Right
from greeks.models import ContractGreeks, Instrument
from greeks.pricing.dividends import KnownDividends, known_dividends
from greeks.underlyings import share_key
from portfolio.market_data.spots import oldest_usable
from portfolio.models import Quote
from trades.models import ExitRule, Trade, TradeFill, TradeLot, TradePeak, TradeTag
from trades.statistics.reading import maximum_profits
from trades.trade_signals.exits.rules import TradeNow

#: A dividend that goes ex within so many days may have a call exercised for it.
_EX_DATE: Final = timedelta(days=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a contract is worth, per unit, and its Greeks' delta and spot."""

    price: float | None = None
    delta: float | None = None
    spot: float | None = None


@dataclass(slots=True)
class OpenTrade:
    """A trade with its lots and the keys of its openings."""

    trade: Trade
    lots: list[TradeLot] = field(default_factory=list)
    keys: set[int] = field(default_factory=set)


def with_lots(trades: Iterable[Trade]) -> dict[int, OpenTrade]:
    """Return trades with their lots, by key. Two queries."""
    found = {trade.key: OpenTrade(trade, keys={trade.key}) for trade in trades}
    home: dict[int, int] = {}
    fills = TradeFill.objects.filter(trade__in=list(found), role=TradeFill.Role.OPEN.value)
    for execution, key, trade in fills.values_list("execution_id", "key", "trade_id"):
        home[execution] = trade
        found[trade].keys.add(key)
    lots = TradeLot.objects.filter(opened_by__in=list(home)).select_related("instrument")
    for lot in lots:
        found[home[lot.opened_by_id or 0]].lots.append(lot)
    return found


def applies(rule: ExitRule, trade: Trade, tags: set[str]) -> bool:
    """Return whether a rule applies to a trade its owner sees."""
    return (
        rule.account_id in (None, trade.account_id)
        and rule.strategy in ("", trade.strategy)
        and (not rule.tag or rule.tag in tags)
    )


def tags_of_trades(trades: Mapping[int, OpenTrade]) -> dict[int, set[str]]:
    """Return the tags of each trade, whichever opening has them. One query."""
    home = {key: trade for trade, each in trades.items() for key in each.keys}
    found: dict[int, set[str]] = defaultdict(set)
    rows = TradeTag.objects.filter(opening__in=list(home)).values_list("opening_id", "name")
    for key, name in rows:
        found[home[key]].add(name)
    return found


def trades_now(trades: Mapping[int, OpenTrade], *, at: datetime) -> dict[int, TradeNow]:
    """Return the state of each trade. Five queries for any number."""
    contracts = {
        lot.instrument_id: lot.instrument
        for each in trades.values()
        for lot in each.lots
        if lot.closed_at is None
    }
    marks = _marks(contracts, at)
    profits = maximum_profits(list(trades))
    best = dict(TradePeak.objects.filter(pk__in=list(trades)).values_list("pk", "best"))
    dividends = known_dividends(
        {(row.underlying, row.currency) for row in contracts.values()},
        until=at.date() + _EX_DATE,
    )
    found = {}
    for key, each in trades.items():
        profit = profit_of(each.lots, marks, at=at)
        peak = [float(best[key])] if key in best else []
        found[key] = state_of(
            each,
            marks,
            at=at,
            profit=profit,
            best=max([*peak, *([] if profit is None else [profit])], default=None),
            most=profits.get(key),
            dividends=dividends,
        )
    return found


def state_of(
    each: OpenTrade,
    marks: Mapping[int, Mark],
    *,
    at: datetime,
    profit: float | None,
    best: float | None,
    most: float | None,
    dividends: KnownDividends,
) -> TradeNow:
    """Return the state of one trade at one moment, as the rules read it."""
    held = [lot for lot in each.lots if lot.closed_at is None or lot.closed_at > at]
    held = [lot for lot in held if lot.opened_at is not None and lot.opened_at <= at]
    expiries = [lot.instrument.expiry for lot in held if lot.instrument.expiry]
    exchange = exchange_of_currency(each.trade.currency)
    local = at.astimezone(exchange.zone if exchange else UTC)
    days = (min(expiries) - local.date()).days if expiries else None
    written = [lot for lot in held if lot.quantity < 0 and lot.instrument.right]
    deltas = [
        abs(mark.delta)
        for lot in written
        if (mark := marks.get(lot.instrument_id)) is not None and mark.delta is not None
    ]
    return TradeNow(
        profit=profit,
        best=best,
        most=most,
        premium=None if each.trade.premium is None else float(each.trade.premium),
        days=days,
        short_delta=max(deltas, default=None),
        minute=local.hour * 60 + local.minute if days in (None, 0) else -1,
        time_value=_time_value([lot.instrument for lot in written], marks, dividends),
    )


def profit_of(lots: Sequence[TradeLot], marks: Mapping[int, Mark], *, at: datetime) -> float | None:
    """Return the lots' realised and open profit at a moment; ``None`` if a mark is missing."""
    profit = 0.0
    for lot in lots:
        if lot.closed_at is not None and lot.closed_at <= at:
            if lot.net is None:
                return None
            profit += float(lot.net)
        elif lot.opened_at is not None and lot.opened_at <= at:
            mark = marks.get(lot.instrument_id)
            if mark is None or mark.price is None or lot.open_price is None:
                return None
            units = float(lot.quantity * lot.instrument.multiplier)
            profit += (mark.price - float(lot.open_price)) * units - float(lot.open_costs or 0)
    return profit


def _time_value(
    written: Iterable[Instrument], marks: Mapping[int, Mark], dividends: KnownDividends
) -> float | None:
    """Return the least time value at risk; infinite if none is, ``None`` if that is not known."""
    least = math.inf
    is_unknown = False
    for row in written:
        if row.strike is None or row.exercise_style == ExerciseStyle.EUROPEAN.value:
            continue
        mark = marks.get(row.pk)
        if mark is None or mark.spot is None:
            is_unknown = True
            continue
        is_call = row.right == Right.CALL.value
        inside = mark.spot - float(row.strike) if is_call else float(row.strike) - mark.spot
        if inside <= 0.0:
            continue
        if mark.price is None:
            is_unknown = True
            continue
        value = max(0.0, mark.price - inside)
        if is_call and row.kind == InstrumentKind.OPTION.value:
            coming = dividends.get(share_key(row.underlying, row.currency), ())
            value -= sum(amount for _, amount in coming[:1])
        least = min(least, value)
    return None if is_unknown and math.isinf(least) else least


def _marks(contracts: Mapping[int, Instrument], at: datetime) -> dict[int, Mark]:
    """Return prices and Greeks that are not too old. Two queries."""
    oldest = {
        currency: oldest_usable(currency, at)
        for currency in {row.currency for row in contracts.values()}
    }
    prices: dict[int, float] = {}
    for quote in Quote.objects.filter(instrument__in=list(contracts)):
        price = quote.price
        if quote.bid is not None and quote.ask is not None and 0 < quote.bid <= quote.ask:
            price = (quote.bid + quote.ask) / 2
        if price is not None and quote.as_of >= oldest[contracts[quote.pk].currency]:
            prices[quote.pk] = float(price)
    known: dict[int, tuple[float | None, float | None]] = defaultdict(lambda: (None, None))
    rows = ContractGreeks.objects.filter(instrument__in=list(contracts))
    for pk, delta, spot, as_of in rows.values_list("pk", "delta_raw", "underlying_price", "as_of"):
        if as_of >= oldest[contracts[pk].currency]:
            known[pk] = (delta, None if spot is None else float(spot))
    return {
        pk: Mark(price=prices.get(pk), delta=known[pk][0], spot=known[pk][1]) for pk in contracts
    }

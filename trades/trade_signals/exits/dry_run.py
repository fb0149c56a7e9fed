"""What an exit rule would have done in the past, by the marks of each quarter of an hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Final

from django.db.models import Q

from config.core.clock import market_now
from greeks.models import ContractGreekHistory
from portfolio.models import PriceBar
from trades.models import ExitRule, Trade, TradeLot
from trades.statistics.reading import maximum_profits
from trades.trade_signals.exits.rules import KINDS
from trades.trade_signals.exits.states import (
    Mark,
    OpenTrade,
    applies,
    profit_of,
    state_of,
    tags_of_trades,
    with_lots,
)

#: Trades that are followed, the last closed first.
MOST_TRADES: Final = 40
DAYS: Final = 90
_QUARTERS: Final = (0, 15, 30, 45)
Marks = dict[datetime, dict[int, Mark]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One trade under the rule. Without ``fired_at`` the rule would not have fired.

    ``profit`` is the trade's at that moment; ``seen`` the moments with a mark of every open leg.
    """

    trade: Trade
    seen: int
    fired_at: datetime | None = None
    value: float | None = None
    profit: float | None = None

    @property
    def gain(self) -> float | None:
        """What closing then would have brought more than was brought."""
        if self.profit is None or self.trade.net is None:
            return None
        return self.profit - float(self.trade.net)


@dataclass(slots=True, kw_only=True)
class DryRun:
    """All outcomes. ``most_reached``: older trades are left out."""

    outcomes: list[Outcome] = field(default_factory=list)
    most_reached: bool = False

    @property
    def fired(self) -> list[Outcome]:
        return [each for each in self.outcomes if each.fired_at is not None]

    @property
    def unseen(self) -> int:
        """Trades without a single mark."""
        return sum(not each.seen for each in self.outcomes)

    @property
    def gains(self) -> dict[str, float]:
        sums: dict[str, float] = {}
        for each in self.fired:
            if each.gain is not None:
                currency = each.trade.currency
                sums[currency] = sums.get(currency, 0.0) + each.gain
        return sums


def dry_run(rule: ExitRule, *, accounts: Sequence[str], days: int = DAYS) -> DryRun:
    """Follow the trades of these accounts that closed in the last days. Nine queries."""
    closed = Trade.objects.filter(
        account__in=accounts,
        status=Trade.Status.CLOSED,
        closed_at__gte=market_now() - timedelta(days=days),
        net__isnull=False,
        unknown_closes=0,
    ).order_by("-closed_at")
    if rule.account_id:
        closed = closed.filter(account=rule.account_id)
    if rule.strategy:
        closed = closed.filter(strategy=rule.strategy)
    rows = with_lots(closed[: MOST_TRADES * 5 if rule.tag else MOST_TRADES + 1])
    tags = tags_of_trades(rows) if rule.tag else {}
    chosen = [each for key, each in rows.items() if applies(rule, each.trade, tags.get(key, set()))]
    found = DryRun(most_reached=len(chosen) > MOST_TRADES)
    chosen = chosen[:MOST_TRADES]
    marks = _marks([lot for each in chosen for lot in each.lots])
    profits = maximum_profits([each.trade.key for each in chosen])
    for each in chosen:
        found.outcomes.append(_follow(rule, each, marks, profits.get(each.trade.key)))
    return found


def _follow(rule: ExitRule, each: OpenTrade, marks: Marks, most: float | None) -> Outcome:
    own = {lot.instrument_id for lot in each.lots}
    began, ended = each.trade.opened_at, each.trade.closed_at
    best: float | None = None
    seen = 0
    for at in sorted(marks):
        if began is None or ended is None or not began < at < ended or not own & marks[at].keys():
            continue
        profit = profit_of(each.lots, marks[at], at=at)
        if profit is not None:
            seen += 1
            best = profit if best is None else max(best, profit)
        state = state_of(each, marks[at], at=at, profit=profit, best=best, most=most, dividends={})
        kind = KINDS[rule.kind]
        if kind.is_active(state, threshold=rule.threshold, band=rule.band, was_active=False):
            value = kind.number(state)
            return Outcome(trade=each.trade, seen=seen, fired_at=at, value=value, profit=profit)
    return Outcome(trade=each.trade, seen=seen)


def _marks(lots: Sequence[TradeLot]) -> Marks:
    """Return what was known of each lot's contract while it was open. Two queries."""
    spans = [
        Q(instrument=lot.instrument_id, minute__gte=lot.opened_at, minute__lt=lot.closed_at)
        for lot in lots
        if lot.opened_at and lot.closed_at
    ]
    if not spans:
        return {}
    wanted = Q(reduce(or_, spans), minute__minute__in=_QUARTERS)
    greeks: Mapping[tuple[int, datetime], tuple[float | None, float | None]] = {
        (pk, minute): (delta, None if spot is None else float(spot))
        for pk, minute, delta, spot in ContractGreekHistory.objects.filter(wanted)
        .order_by()
        .values_list("instrument_id", "minute", "delta_raw", "underlying_price")
    }
    found: Marks = defaultdict(dict)
    bars = PriceBar.objects.filter(wanted).order_by()
    for pk, minute, close in bars.values_list("instrument_id", "minute", "close"):
        delta, spot = greeks.get((pk, minute), (None, None))
        found[minute][pk] = Mark(price=float(close), delta=delta, spot=spot)
    return found

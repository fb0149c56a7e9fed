"""The P&L curve and the daily returns of accounts between two days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import numpy as np
from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from greeks.pricing.rates import risk_free_rate
from trades.analytics.balances import Balances, Floats, balances
from trades.analytics.realised import other_currencies, realised_by_day, realised_lots
from trades.analytics.returns import daily_returns, measure_returns, return_drawdown
from trades.analytics.shapes import DailyReturn, DailyReturnsData, PnLCurveData, PnLPoint
from trades.analytics.span import Span, span_of

DAYS_BY_DEFAULT: Final = 30
Reader = User | AnonymousUser


def complete_days(
    user: Reader,
    *,
    account_id: str | None = None,
    start: date | None = None,
    end: date | None = None,
) -> dict[str, Any]:
    """Return all parameters: by default the last 30 days, both included, of all accounts.

    Raises ``InvalidInput`` naming the day, ``NotFound`` for another's account.
    """
    span = span_of(user, account_id=account_id, start=start, end=end, days=DAYS_BY_DEFAULT)
    return {"account_id": account_id, "start": span.start, "end": span.end}


def read_pnl_curve(
    user: Reader, *, account_id: str | None, start: date | None, end: date | None
) -> PnLCurveData:
    """Return the P&L summed by day. The number of queries is fixed. Raises as ``complete_days``."""
    span = span_of(user, account_id=account_id, start=start, end=end, days=DAYS_BY_DEFAULT)
    return pnl_curve(span, account_id=account_id)


def read_daily_returns(
    user: Reader, *, account_id: str | None, start: date | None, end: date | None
) -> DailyReturnsData:
    """Return the daily returns. The number of queries is fixed. Raises as ``complete_days``."""
    span = span_of(user, account_id=account_id, start=start, end=end, days=DAYS_BY_DEFAULT)
    return returns_by_day(span, account_id=account_id)


def returns_by_day(span: Span, *, account_id: str | None) -> DailyReturnsData:
    """Return what the closing balances returned each day, and over all days."""
    found = balances(span)
    links = daily_returns(found.balance, found.flows)
    known = ~np.isnan(links)
    rate = risk_free_rate(span.currency).value
    measured = measure_returns(found.days, found.balance, found.flows, risk_free=rate)
    percent = links[known] * 100.0
    return DailyReturnsData(
        returns=[
            DailyReturn(date=day, return_pct=value)
            for day, value in zip(_where(found.days[1:], known), percent.tolist(), strict=True)
        ],
        avg_return=float(percent.mean()) if percent.size else None,
        account_id=account_id,
        currency=span.currency,
        start=span.start,
        end=span.end,
        time_weighted_pct=_percent(measured.time_weighted),
        money_weighted_pct=_percent(measured.money_weighted),
        sharpe=measured.sharpe,
        max_drawdown_pct=_percent(return_drawdown(links[known])),
        skipped=measured.skipped,
        flows_converted=found.converted,
        accounts_left_out=found.left_out,
    )


def pnl_curve(span: Span, *, account_id: str | None) -> PnLCurveData:
    """Return the change of the closing balances less what was paid in, summed.

    Without two closing balances it is what closed lots brought.
    """
    found = balances(span)
    realised = realised_by_day(span, realised_lots(span))
    has_balances = len(found.days) > 1
    days, change = (found.days[1:], _changes(found)) if has_balances else _by_fills(realised)
    known = np.nan_to_num(change)
    pnl = np.cumsum(known)
    peak = np.maximum(np.maximum.accumulate(pnl), 0.0) if pnl.size else pnl
    points = [
        PnLPoint(date=day, pnl=total, change=None if np.isnan(own) else own, realised=closed,
                 drawdown=fall)
        for day, total, own, closed, fall in zip(
            days, pnl.tolist(), change.tolist(), _summed_to(days, realised), (peak - pnl).tolist(),
            strict=True,
        )
    ]  # fmt: skip
    return PnLCurveData(
        data_points=points,
        total_pnl=points[-1].pnl if points else None,
        account_id=account_id,
        currency=span.currency,
        start=span.start,
        end=span.end,
        basis="net_liquidation" if has_balances else "realised",
        max_drawdown=max((point.drawdown for point in points), default=0.0),
        skipped=int(np.isnan(change).sum()),
        flows_converted=found.converted,
        accounts_left_out=found.left_out,
        other_currencies=other_currencies(span),
    )


def _changes(found: Balances) -> Floats:
    changes: Floats = np.diff(found.balance) - found.flows[1:]
    return changes


def _by_fills(realised: Mapping[date, float]) -> tuple[list[date], Floats]:
    days = sorted(realised)
    return days, np.array([realised[day] for day in days], dtype=np.float64)


def _summed_to(days: list[date], realised: Mapping[date, float]) -> list[float]:
    """Return what was realised up to each day, days between them included."""
    ordered = sorted(realised)
    sums = np.concatenate([[0.0], np.cumsum([realised[day] for day in ordered])])
    places = np.searchsorted([day.toordinal() for day in ordered],
                             [day.toordinal() for day in days], side="right")  # fmt: skip
    summed: list[float] = sums[places].tolist()
    return summed


def _where(days: list[date], known: np.ndarray[Any, Any]) -> list[date]:
    return [day for day, is_known in zip(days, known, strict=True) if is_known]


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100.0

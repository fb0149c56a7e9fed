"""What was realised after costs, by day."""

from __future__ import annotations

from datetime import date

from django.db.models import FloatField, QuerySet, Sum
from django.db.models.functions import Cast

from config.core.rows.reading import read_rows
from trades.analytics.span import Span
from trades.models import TradeLot


def realised_lots(span: Span) -> QuerySet[TradeLot]:
    """Return the lots closed in the days whose profit is known and final."""
    return TradeLot.objects.filter(
        span.between("closed_at"), currency=span.currency, net__isnull=False, awaiting=False
    )


def realised_by_day(span: Span, lots: QuerySet[TradeLot]) -> dict[date, float]:
    """Return the profit of ``lots`` by the closing fill's day in its account's zone. One query."""
    zones = span.zones()
    days: dict[date, float] = {}
    sums = (
        lots.order_by("closed_at")
        .values("account_id", "closed_at")
        .annotate(realised=Cast(Sum("net"), FloatField()))
    )
    for account_id, at, net in read_rows(sums, ("account_id", "closed_at", "realised")):
        if at is None:
            continue
        day = at.astimezone(zones[account_id]).date()
        days[day] = days.get(day, 0.0) + net
    return days


def other_currencies(span: Span) -> list[str]:
    """Return the currencies of closed lots that the span leaves out. One query."""
    lots = TradeLot.objects.filter(span.between("closed_at"), net__isnull=False, awaiting=False)
    names = lots.exclude(currency=span.currency).order_by("currency").values_list("currency")
    return [name for (name,) in names.distinct()]

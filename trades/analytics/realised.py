"""What was realised after costs, by day."""

from __future__ import annotations

from datetime import date

import numpy as np
from django.db.models import FloatField, QuerySet, Sum
from django.db.models.functions import Cast

from config.core.rows.moments import Quarter, moments_of
from config.core.rows.reading import floats_of, read_numbers
from trades.analytics.span import Span
from trades.models import TradeLot


def realised_lots(span: Span) -> QuerySet[TradeLot]:
    """Return the lots closed in the days whose profit is known and final."""
    return TradeLot.objects.filter(
        span.between("closed_at"), currency=span.currency, net__isnull=False, awaiting=False
    )


def realised_by_day(span: Span, lots: QuerySet[TradeLot]) -> dict[date, float]:
    """Return the profit of ``lots`` by the closing fill's day in its account's zone. One query."""
    found = (
        lots.order_by()
        .annotate(quarter=Quarter("closed_at"))
        .values("account_id", "quarter")
        .annotate(realised=Cast(Sum("net"), FloatField()))
    )
    accounts, quarters, sums = read_numbers(
        found, ("account_id", "quarter", "realised"), texts=("account_id",)
    )
    at = moments_of(quarters)
    days, place = np.unique(span.days_of(accounts, at), return_inverse=True)
    realised = np.bincount(place, floats_of(sums), days.size)
    return dict(zip(days.tolist(), realised.tolist(), strict=True))


def other_currencies(span: Span) -> list[str]:
    """Return the currencies of closed lots that the span leaves out. One query."""
    lots = TradeLot.objects.filter(span.between("closed_at"), net__isnull=False, awaiting=False)
    names = lots.exclude(currency=span.currency).order_by("currency").values_list("currency")
    return [name for (name,) in names.distinct()]

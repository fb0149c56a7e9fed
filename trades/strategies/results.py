"""Which trades won and lost, and their sums: one rule for the list, the page, the API and files.

A trade counts once, when it is closed and its profit is known. Less than half a cent is neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Q, QuerySet, Sum

from trades.models import Trade

SMALLEST = Decimal("0.005")
_COUNTED = Q(status=Trade.Status.CLOSED, net__isnull=False)
WON = _COUNTED & Q(net__gte=SMALLEST)
LOST = _COUNTED & Q(net__lte=-SMALLEST)
EVEN = _COUNTED & ~WON & ~LOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums of trades in one currency. ``net`` leaves out what is not known; ``unknown`` counts
    those trades."""

    currency: str
    trades: int
    open: int
    wins: int
    losses: int
    unknown: int
    gross: Decimal | None
    costs: Decimal | None
    net: Decimal | None

    @property
    def win_rate(self) -> float | None:
        """Wins of wins and losses; ``None`` without any."""
        decided = self.wins + self.losses
        return self.wins / decided if decided else None


def totals_of(trades: QuerySet[Trade]) -> list[Totals]:
    """Return the sums by currency, the one with most trades first. One query."""
    rows = (
        trades.order_by()
        .values("currency")
        .annotate(
            trades=Count("pk"),
            open=Count("pk", filter=Q(status=Trade.Status.OPEN)),
            wins=Count("pk", filter=WON),
            losses=Count("pk", filter=LOST),
            unknown=Count("pk", filter=Q(unknown_closes__gt=0)),
            sum_gross=Sum("gross"),
            sum_costs=Sum("costs"),
            sum_net=Sum("net"),
        )
    )
    found = [
        Totals(
            currency=row["currency"],
            trades=row["trades"],
            open=row["open"],
            wins=row["wins"],
            losses=row["losses"],
            unknown=row["unknown"],
            gross=row["sum_gross"],
            costs=row["sum_costs"],
            net=row["sum_net"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda totals: (-totals.trades, totals.currency))


def outcome_of(trade: Trade) -> str:
    """Return ``won``, ``lost`` or ``even``; empty while open or unknown."""
    if trade.status != Trade.Status.CLOSED or trade.net is None:
        return ""
    if abs(trade.net) < SMALLEST:
        return "even"
    return "won" if trade.net > 0 else "lost"

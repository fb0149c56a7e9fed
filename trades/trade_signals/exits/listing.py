"""Exit signals as the page lists them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Q

from auth_tokens.models import User
from config.core.clock import market_now
from portfolio.accounts.access import accounts_visible_to
from trades.models import ExitSignal, Trade
from trades.trade_signals.exits.rules import number_words
from trades.trade_signals.listing import trades_opened_by

_LATELY: Final = timedelta(days=7)
_MOST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRow:
    """An exit signal, its number in words, and the trade it is of."""

    signal: ExitSignal
    words: str
    trade: Trade | None


def exit_rows(user: User) -> list[ExitRow]:
    """Return the user's active exit signals and those executed in a week. Three queries."""
    recently = Q(status=ExitSignal.Status.EXECUTED, executed_at__gte=market_now() - _LATELY)
    found = ExitSignal.objects.filter(
        Q(status=ExitSignal.Status.ACTIVE) | recently,
        rule__owner=user.pk,
        account__in=accounts_visible_to(user).values("pk"),
    )
    rows = list(found.select_related("rule").order_by("status", "-fired_at")[:_MOST])
    trades = trades_opened_by([row.opening_id for row in rows])
    return [
        ExitRow(
            signal=row,
            words=number_words(row.rule.kind, row.value),
            trade=trades.get(row.opening_id),
        )
        for row in rows
    ]

"""One trade in full: legs, fills, notes. Scoped to the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import BigIntegerField

from auth_tokens.models import User
from config.core.errors import NotFound
from config.core.web.formatting import day
from greeks.instruments.names import held_name
from portfolio.accounts.access import accounts_visible_to
from portfolio.models import Position
from trades.models import Trade, TradeFill, TradeLeg, TradeNote
from trades.reviewing.listing import Row, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """A trade and all that belongs to it."""

    row: Row
    legs: Sequence[TradeLeg]
    fills: Sequence[TradeFill]
    notes: Sequence[TradeNote]

    @property
    def trade(self) -> Trade:
        return self.row.trade


def held_names(detail: Detail) -> list[str]:
    """Return the book's positions in the open legs, in words by which the risk monitor finds each.

    One query.
    """
    held = [leg.instrument_id for leg in detail.legs if not leg.closed_at]
    positions = Position.objects.filter(account=detail.trade.account_id, instrument__in=held)
    names = []
    for each in positions:
        name = held_name(each.symbol, each.underlying, each.strike, each.right)
        names.append(f"{name} {day(each.expiry) or ''}".strip())
    return names


def trade_for_user(user: User | AnonymousUser, key: int) -> Trade:
    """Return the trade that holds an opening, by its key. Raises NotFound for another's.

    After fills came late or trades were merged, the key of any of its openings leads to it.
    """
    if key > BigIntegerField.MAX_BIGINT:
        # Django checks this for a number of its own, but not for the key of a relation.
        raise NotFound("No such trade.")
    visible = Trade.objects.filter(account__in=accounts_visible_to(user))
    trade = visible.filter(pk=key).first()
    if trade is None:
        opened = TradeFill.objects.filter(key=key, role=TradeFill.Role.OPEN.value)
        trade = visible.filter(pk__in=opened.values("trade_id")).first()
    if trade is None:
        raise NotFound("No such trade.")
    return trade


def trade_of_position(
    user: User | AnonymousUser, *, account_id: str, instrument_id: int
) -> Trade | None:
    """Return the trade that holds an instrument open; of several, the last."""
    legs = TradeLeg.objects.filter(instrument=instrument_id, closed_at=None)
    return (
        Trade.objects.filter(
            account=account_id,
            account__in=accounts_visible_to(user),
            pk__in=legs.values("trade_id"),
        )
        .order_by("-opened_at")
        .first()
    )


def read_detail(trade: Trade) -> Detail:
    """Return a trade with its legs, fills and notes. Seven queries."""
    fills = list(
        trade.fills.select_related("execution", "execution__instrument").order_by(
            "execution__execution_time", "role", "id"
        )
    )
    keys = {trade.key} | {fill.key for fill in fills if fill.role == TradeFill.Role.OPEN}
    (row,) = rows_of([trade])
    return Detail(
        row=row,
        legs=list(
            trade.legs.select_related("instrument").order_by(
                "instrument__expiry", "instrument__strike", "instrument__right", "id"
            )
        ),
        fills=fills,
        notes=list(
            TradeNote.objects.filter(opening__in=keys).select_related("created_by").order_by("id")
        ),
    )

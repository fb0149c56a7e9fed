"""The positions of the dashboard, straight from the database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.dashboard.shapes import Position
from portfolio.models import Position as PositionRow

_ORDER = ("account_id", "underlying", "expiry", "strike", "right", "id")


def read_positions(user: Any, *, account_id: str | None = None) -> list[Position]:
    """Return the positions of all accounts that the user may see, or of one.

    Raises:
        NotFound: ``account_id`` does not exist or is not the user's.
    """
    visible = accounts_visible_to(user)
    if account_id is not None:
        visible = visible.filter(pk=account_for_user(user, account_id).pk)
    rows = PositionRow.objects.filter(account__in=visible).order_by(*_ORDER)
    return [
        Position(
            id=str(pk),
            symbol=symbol,
            quantity=float(quantity),
            entry_price=_number(entry),
            current_price=_number(price),
            pnl=_number(pnl),
            status="open" if quantity else "closed",
        )
        for pk, symbol, quantity, entry, price, pnl in rows.values_list(
            "id", "symbol", "quantity", "avg_price", "price", "unrealized_pnl"
        )
    ]


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)

"""The positions of the dashboard, straight from the database."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, FloatField, QuerySet
from django.db.models.functions import Cast

from config.core.rows.kept_query import KeptQuery
from portfolio.accounts.scopes import account_in_view, accounts_in_view
from portfolio.dashboard.shapes import Position
from portfolio.models import Position as PositionRow

_NUMBERS = ("quantity", "avg_price", "price", "unrealized_pnl")
_ORDER = ("account_id", "underlying", "expiry", "strike", "right", "id")


def _of_accounts(accounts: Any) -> QuerySet[PositionRow, Any]:
    # Numbers of a body are floats; as decimals most of the time would go into making them.
    numbers = [Cast(name, FloatField()) for name in _NUMBERS]
    rows = PositionRow.objects.filter(account__pk__in=accounts).order_by(*_ORDER)
    return rows.values_list("id", "symbol", "currency", *numbers)


_rows = KeptQuery(_of_accounts, accounts=CharField())


def read_positions(user: Any, *, account_id: str | None = None) -> list[Position]:
    """Return the positions of all accounts that the user may see, or of one.

    Raises:
        NotFound: ``account_id`` does not exist or is not the user's.
    """
    seen = accounts_in_view(user) if account_id is None else [account_in_view(user, account_id)]
    rows = _rows(accounts=[each.pk for each in seen])
    return [
        Position(
            id=str(pk),
            symbol=symbol,
            quantity=quantity,
            entry_price=entry,
            current_price=price,
            pnl=pnl,
            currency=currency,
            status="open" if quantity else "closed",
        )
        for pk, symbol, currency, quantity, entry, price, pnl in rows
    ]

"""The day's orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AnonymousUser

from auth_tokens.models import User
from portfolio.accounts.access import account_for_user, accounts_visible_to
from portfolio.book.rows import plain
from portfolio.book.shapes import OrderRow
from portfolio.models import Order


def orders_visible_to(
    user: User | AnonymousUser, *, account_id: str | None = None
) -> list[dict[str, Any]]:
    """Return the orders of the user's accounts, or of one account, newest first.

    Raises:
        NotFound: ``account_id`` does not exist or is not the user's.
    """
    orders = Order.objects.filter(account__in=accounts_visible_to(user))
    if account_id is not None:
        orders = orders.filter(account=account_for_user(user, account_id))
    columns = [name for name in OrderRow.__struct_fields__ if name != "currency"]
    return [
        row
        | {"id": str(row["id"]), "currency": _currency(row["legs"])}
        | {name: plain(row[name]) for name in ("quantity", "filled_quantity", "limit_price")}
        | {"legs": [_leg(leg) for leg in row["legs"]]}
        for row in orders.values(*columns)
    ]


def _currency(legs: list[dict[str, Any]]) -> str | None:
    """Return the currency of all legs; ``None`` if they have several, or it was not stored yet."""
    named = {leg.get("currency") for leg in legs}
    return named.pop() if len(named) == 1 else None


def _leg(leg: dict[str, Any]) -> dict[str, Any]:
    """Return a stored leg with its quantities as numbers: JSON columns keep Decimals as text."""
    return leg | {
        name: plain(Decimal(leg[name]))
        for name in ("quantity", "remaining_quantity")
        if leg.get(name) is not None
    }

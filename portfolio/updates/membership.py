"""Which accounts a portfolio has, and which accounts hold an instrument.

A portfolio counts only enabled accounts its owner may see now; one that ``holds_all`` counts every
such account.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from threading import Lock

from cachetools import TTLCache, cached
from django.db.models import F

from greeks.underlyings import key_of_terms
from portfolio.models import Account, AccountAccess, Portfolio, Position

# An instrument just bought was valued by its sync; its later moves reach the queue.
_REMEMBERED_SECONDS = 5.0


def members(portfolio_ids: Collection[int] | None = None) -> dict[int, frozenset[str]]:
    """Return the accounts of these portfolios, or of all. Four queries."""
    seen: dict[int, set[str]] = {}
    owned = Account.objects.filter(enabled=True).order_by().values_list("owner_id", "account_id")
    given = AccountAccess.objects.filter(account__enabled=True).values_list("user_id", "account_id")
    for user_id, account_id in (*owned, *given):
        seen.setdefault(user_id, set()).add(account_id)
    portfolios = Portfolio.objects.filter(owner__is_active=True).order_by()
    named = Portfolio.accounts.through.objects.all()
    if portfolio_ids is not None:
        portfolios = portfolios.filter(pk__in=portfolio_ids)
        named = named.filter(portfolio_id__in=portfolio_ids)
    chosen: dict[int, set[str]] = {}
    for portfolio_id, account_id in named.values_list("portfolio_id", "account_id"):
        chosen.setdefault(portfolio_id, set()).add(account_id)
    return {
        pk: frozenset(
            seen.get(owner_id, set())
            if holds_all
            else seen.get(owner_id, set()) & chosen.get(pk, set())
        )
        for pk, owner_id, holds_all in portfolios.values_list("pk", "owner_id", "holds_all")
    }


@cached(TTLCache(1, _REMEMBERED_SECONDS), lock=Lock())
def portfolios_by_account() -> Mapping[str, Collection[int]]:
    """Return the portfolios that count an account. Remembered for five seconds."""
    found: dict[str, set[int]] = {}
    for portfolio_id, account_ids in members().items():
        for account_id in account_ids:
            found.setdefault(account_id, set()).add(portfolio_id)
    return found


@cached(TTLCache(1, _REMEMBERED_SECONDS), lock=Lock())
def accounts_by_instrument() -> Mapping[str, Collection[str]]:
    """Return the accounts that hold an instrument or an option on it, by its key.

    Remembered for five seconds.
    """
    found: dict[str, set[str]] = {}
    rows = Position.objects.filter(account__enabled=True).order_by().distinct()
    for account_id, key, stored, kind, underlying, currency, expiry, size in rows.values_list(
        "account_id",
        "instrument__key",
        "instrument__underlying_key",
        "instrument_type",
        "underlying",
        "currency",
        "expiry",
        "multiplier",
    ):
        refers = stored or key_of_terms(
            kind=kind,
            underlying=underlying,
            currency=currency,
            expiry=expiry,
            multiplier=float(size),
        )
        for name in {key, refers}:
            found.setdefault(name, set()).add(account_id)
    return found


def instruments_named(symbol: str) -> list[str]:
    """Return the keys of held instruments of this symbol, and of what is held on it. One query."""
    rows = Position.objects.filter(account__enabled=True).annotate(key=F("instrument__key"))
    held = rows.filter(symbol=symbol) | rows.filter(underlying=symbol)
    return sorted(set(held.order_by().values_list("key", flat=True)))

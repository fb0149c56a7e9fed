"""The currency of an account's totals, and stored rates into it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Q

from portfolio.models import Account, FxRate


def totals_currency(accounts: Sequence[Account]) -> str:
    """Return the accounts' base currency; if they differ, USD if present, else the first."""
    currencies = sorted({account.base_currency for account in accounts})
    if not currencies:
        return "USD"
    return "USD" if "USD" in currencies else currencies[0]


def currency_of(account: Account) -> str:
    """Return the currency of the account's summary and history."""
    status = getattr(account, "status", None)
    return status.currency if status else account.base_currency


def rates_into(currency: str, currencies: Iterable[str]) -> dict[str, float]:
    """Return the latest known rates: units of ``currency`` per unit of each other currency.

    A pair stored the other way round is inverted; the newer of the two wins. No query if there is
    no other currency.
    """
    others = set(currencies) - {currency}
    if not others:
        return {}
    stored = FxRate.objects.filter(
        Q(base=currency, quote__in=others) | Q(quote=currency, base__in=others), rate__gt=0
    ).order_by("as_of")
    rates: dict[str, float] = {}
    for base, quote, rate in stored.values_list("base", "quote", "rate"):
        if base == currency:
            rates[quote] = float(rate)
        else:
            rates[base] = 1.0 / float(rate)
    return rates

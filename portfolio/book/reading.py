"""Positions and totals of a set of accounts, cached per process by committed version."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from config.core.clock import market_now
from portfolio.accounts.days import local_date
from portfolio.amounts import ENCODER
from portfolio.betas.reading import stored_weights
from portfolio.book.rows import read_rows
from portfolio.exposure.columns import Money
from portfolio.exposure.currencies import currency_of, rates_into, totals_currency
from portfolio.exposure.totals import book_totals
from portfolio.models import Account


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """Committed positions of a set of accounts, with their totals. Each reading is its own.

    ``positions_json`` and ``totals_json`` are the same as JSON, encoded once per version.
    """

    positions: list[dict[str, Any]]
    totals: dict[str, Any]
    positions_json: bytes
    totals_json: bytes


#: This process's most recent books. Never stale: the key holds every account's version.
kept_books: LRUCache[Hashable, Book] = LRUCache(32)
_lock = threading.Lock()


def book_of(accounts: Sequence[Account]) -> Book:
    """Return the committed book of (already authorised) accounts, read once per version."""
    key = book_key(accounts)
    with _lock:
        book = kept_books.get(key)
    if book is None:
        book = read_book(accounts)
        # If a sync committed between the two reads, the next reader gets its version.
        if _versions(accounts) == key[0]:
            with _lock:
                kept_books[key] = book
    return book


def book_key(accounts: Sequence[Account]) -> tuple[Hashable, ...]:
    """Return what the book depends on: account versions, their local days, betas and rates."""
    at = market_now()
    return (
        tuple((account.account_id, account.book_version) for account in accounts),
        tuple(local_date(account, at) for account in accounts),
        # Read with the accounts; all have the same value.
        tuple(getattr(account, "betas_as_of", None) for account in accounts[:1]),
        tuple(getattr(account, "betas_sum", None) for account in accounts[:1]),
        rates_version(accounts),
    )


def rates_version(accounts: Sequence[Account]) -> Hashable:
    """Return what changes with any exchange rate, read with the accounts."""
    return tuple(getattr(account, "rates_sum", None) for account in accounts[:1])


def _versions(accounts: Sequence[Account]) -> tuple[tuple[str, int], ...]:
    committed = dict(
        Account.objects.filter(
            account_id__in=[account.account_id for account in accounts]
        ).values_list("account_id", "book_version")
    )
    return tuple((a.account_id, committed.get(a.account_id, -1)) for a in accounts)


def read_book(accounts: Sequence[Account]) -> Book:
    """Read the book of (already authorised) accounts and total it; only changed rows are built.

    Three queries: positions, betas and the benchmark's price. One more if the book has a currency
    its accounts do not, and one if the benchmark has no quote.
    """
    at = market_now()
    rows = read_rows({account.account_id: local_date(account, at) for account in accounts})
    positions, legs = [row.shown for row in rows], [row.leg for row in rows]
    currency = totals_currency(accounts)
    named = [*(leg.currency for leg in legs), *(currency_of(account) for account in accounts)]
    rates = rates_into(currency, named)
    totals = book_totals(
        legs=legs,
        accounts=[money_of(account) for account in accounts],
        currency=currency,
        rates=rates,
        weights=stored_weights(legs, currency=currency, rates=rates),
    )
    totals["value_conflicts"] = [
        f"{row['symbol']}: {row['value_conflict']}" for row in positions if row["value_conflict"]
    ]
    return Book(
        positions=positions,
        totals=totals,
        positions_json=ENCODER.encode(positions),
        totals_json=ENCODER.encode(totals),
    )


def money_of(account: Account) -> Money:
    """Return net liquidation and margin from the account's last summary."""
    status = getattr(account, "status", None)
    return Money(
        currency=currency_of(account),
        net_liquidation=status.net_liquidation if status else None,
        maint_margin=status.maint_margin if status else None,
    )

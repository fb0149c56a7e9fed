"""Queue the portfolios that a price, a book or a person changes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import structlog
from django.db import transaction

from portfolio.updates.membership import (
    accounts_by_instrument,
    instruments_named,
    portfolios_by_account,
)
from portfolio.updates.queue import queue_portfolio_updates
from portfolio.updates.rules import Priority

logger = structlog.get_logger(__name__)

#: In a storm the queue learns how much moved, not what: names would cost more than the rest.
MOST_NAMED: Final = 50
MANY: Final = "*"
_ALL: Final = (MANY,)


def update_portfolios_for_instruments(keys: Collection[str]) -> int:
    """Queue every portfolio that holds one of the instruments that moved; return how many."""
    holders, counted = accounts_by_instrument(), portfolios_by_account()
    by_account: dict[str, set[str]] = {}
    for key in keys:
        for account_id in holders.get(key, ()):
            by_account.setdefault(account_id, set()).add(key)
    moved: dict[int, Collection[str]] = {}
    for account_id, names in by_account.items():
        for portfolio_id in counted.get(account_id, ()):
            if (known := moved.get(portfolio_id)) is _ALL:
                continue
            if len(names) > MOST_NAMED:
                moved[portfolio_id] = _ALL
                continue
            both = names.union(known or ())
            moved[portfolio_id] = _ALL if len(both) > MOST_NAMED else both
    if not moved or not queue_portfolio_updates(moved, Priority.MARKET):
        return 0
    logger.debug("updates.triggered", portfolios=len(moved), instruments=len(keys))
    return len(moved)


def update_portfolios_for_symbol(symbol: str) -> int:
    """Queue every portfolio that holds the symbol or a contract on it; return how many."""
    return update_portfolios_for_instruments(instruments_named(symbol))


def update_portfolios_of_account(account_id: str) -> int:
    """Queue every portfolio that counts the account: its book changed. Returns how many."""
    moved: dict[int, tuple[str, ...]] = dict.fromkeys(
        portfolios_by_account().get(account_id, ()), ()
    )
    if not moved or not queue_portfolio_updates(moved, Priority.BULK):
        return 0
    return len(moved)


def refresh_portfolio(portfolio_id: int) -> None:
    """Queue the portfolio at once after commit: somebody asked for it or changed its accounts."""
    transaction.on_commit(lambda: queue_portfolio_updates({portfolio_id: ()}, Priority.MANUAL))

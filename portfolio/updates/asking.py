"""Queue the portfolios that a price, a book or a person changes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import structlog
from django.db import transaction

from portfolio.updates.membership import (
    instruments_named,
    portfolios_by_account,
    portfolios_by_instrument,
)
from portfolio.updates.queue import queue_portfolio_updates
from portfolio.updates.rules import Priority

logger = structlog.get_logger(__name__)

#: Of a storm the queue is told that much moved, not what: naming it would cost more than the rest.
MOST_NAMED: Final = 50
MANY: Final = "*"


def update_portfolios_for_instruments(keys: Collection[str]) -> int:
    """Queue every portfolio that holds one of the instruments that moved; return how many."""
    by_instrument = portfolios_by_instrument()
    moved: dict[int, list[str]] = {}
    for key in keys:
        for portfolio_id in by_instrument.get(key, ()):
            moved.setdefault(portfolio_id, []).append(key)
    for portfolio_id, names in moved.items():
        if len(names) > MOST_NAMED:
            moved[portfolio_id] = [MANY]
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

"""What all rows of one write share: account, market data, time and dates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from config.core.clock import market_now, now
from portfolio.accounts.days import local_date
from portfolio.market_data.sources import MarketData
from portfolio.models import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingContext:
    """``at`` is wall time, ``market_at`` market time.

    ``today`` is the account's calendar day, for days to expiry. ``session_date`` is the trading
    session the write belongs to, from ``session_date_at``.
    """

    account: Account
    market: MarketData
    today: date
    session_date: date
    session_date_at: Callable[[datetime], date]
    at: datetime
    market_at: datetime


def writing_context(
    *, account: Account, market: MarketData, session_date_at: Callable[[datetime], date]
) -> WritingContext:
    """Return the context of a write that happens now.

    Make ``session_date_at`` (``session_dates_of``) before the transaction, so the calendar is not
    read inside it.
    """
    market_at = market_now()
    return WritingContext(
        account=account,
        market=market,
        today=local_date(account, market_at),
        session_date=session_date_at(market_at),
        session_date_at=session_date_at,
        at=now(),
        market_at=market_at,
    )

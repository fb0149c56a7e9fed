"""What all rows of one write share: account, market data, time and dates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from config.core.clock import market_now, now
from portfolio.accounts.days import local_date, session_begun_with
from portfolio.book.day_fills import DayFill, fills_since
from portfolio.market_data.sources import MarketData
from portfolio.models import Account

# The longest a session's fills can be old: a long weekend counts to the session before it.
_SESSION_REACH: Final = timedelta(days=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingContext:
    """``at`` is wall time, ``market_at`` market time.

    ``today`` is the account's calendar day, for days to expiry. ``session_date`` is the trading
    session the write belongs to, from ``session_date_at``; ``fills`` are that session's, by
    instrument.
    """

    account: Account
    market: MarketData
    today: date
    session_date: date
    session_date_at: Callable[[datetime], date]
    at: datetime
    market_at: datetime
    fills: Mapping[int, Sequence[DayFill]]


def writing_context(
    *,
    account: Account,
    market: MarketData,
    session_date_at: Callable[[datetime], date],
    fills: Iterable[DayFill] | None = None,
) -> WritingContext:
    """Return the context of a write that happens now. One query without ``fills``.

    ``fills`` are the account's of ``recent_fills``. Make ``session_date_at`` (``session_dates_of``)
    before the transaction, so the calendar is not read inside it.
    """
    market_at = market_now()
    session_date = session_date_at(market_at)
    if fills is None:
        fills = recent_fills([account.pk])[account.pk]
    return WritingContext(
        account=account,
        market=market,
        today=local_date(account, market_at),
        session_date=session_date,
        session_date_at=session_date_at,
        at=now(),
        market_at=market_at,
        fills=fills_of_session(account, fills, session_date, session_date_at),
    )


def fills_of_session(
    account: Account,
    fills: Iterable[DayFill],
    session_date: date,
    session_date_at: Callable[[datetime], date],
) -> dict[int, list[DayFill]]:
    """Return what was filled in a session, and the splits it began with, by instrument."""
    found: dict[int, list[DayFill]] = {}
    for fill in fills:
        of = (
            session_begun_with(account, fill.at, session_date_at)
            if fill.is_split
            else session_date_at(fill.at)
        )
        if of == session_date:
            found.setdefault(fill.instrument_id, []).append(fill)
    return found


def recent_fills(account_ids: Collection[str]) -> dict[str, list[DayFill]]:
    """Return the fills of each account that may be of its session. One query."""
    return fills_since(account_ids, market_now() - _SESSION_REACH)

"""What all rows of one write share: account, market data, time and dates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from config.core.clock import market_now, now
from portfolio.accounts.days import AccountSessions, local_date
from portfolio.book.day_fills import DayFill, fills_since
from portfolio.market_data.sources import MarketData
from portfolio.models import Account

# The longest a session's fills can be old: a long weekend counts to the session before it.
_SESSION_REACH: Final = timedelta(days=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingContext:
    """``at`` is wall time, ``market_at`` market time.

    ``today`` is the account's calendar day, for days to expiry. ``session_date`` is the session of
    the account that the write belongs to; a contract's own is told by ``sessions``. ``fills`` are
    those of their contracts' sessions, by instrument.
    """

    account: Account
    market: MarketData
    today: date
    session_date: date
    sessions: AccountSessions
    at: datetime
    market_at: datetime
    fills: Mapping[int, Sequence[DayFill]]


def writing_context(
    *,
    account: Account,
    market: MarketData,
    sessions: AccountSessions,
    fills: Iterable[DayFill] | None = None,
) -> WritingContext:
    """Return the context of a write that happens now. One query without ``fills``.

    ``fills`` are the account's of ``recent_fills``. Make ``sessions`` (``session_dates_of``)
    before the transaction, so the calendar is not read inside it.
    """
    market_at = market_now()
    if fills is None:
        fills = recent_fills([account.pk])[account.pk]
    return WritingContext(
        account=account,
        market=market,
        today=local_date(account, market_at),
        session_date=sessions(market_at),
        sessions=sessions,
        at=now(),
        market_at=market_at,
        fills=fills_of_session(fills, sessions, at=market_at),
    )


def fills_of_session(
    fills: Iterable[DayFill], sessions: AccountSessions, *, at: datetime
) -> dict[int, list[DayFill]]:
    """Return what was filled in the session that each contract is in, and the splits it began
    with, by instrument."""
    found: dict[int, list[DayFill]] = {}
    for fill in fills:
        its = sessions.of(fill.currency)
        of = its.begun_with(fill.at) if fill.is_split else its.date_at(fill.at)
        if of == its.date_at(at):
            found.setdefault(fill.instrument_id, []).append(fill)
    return found


def recent_fills(account_ids: Collection[str]) -> dict[str, list[DayFill]]:
    """Return the fills of each account that may be of its session. One query."""
    return fills_since(account_ids, market_now() - _SESSION_REACH)

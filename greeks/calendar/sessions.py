"""When an exchange trades, and which session a fact belongs to. The same for everyone.

Each process caches an exchange's calendar for up to a minute; an edit in this process shows at
once, one made elsewhere within that minute.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from config.core.errors import InvalidInput
from greeks.calendar.exchanges import exchange_named
from greeks.models import ExchangeSession

#: Note on sessions in years whose holidays are not announced yet.
PROVISIONAL = "provisional"
_COPY_SECONDS = 60.0
# No exchange here pauses this long: a larger gap means those years were never seeded.
_LONGEST_PAUSE = timedelta(days=14)

Kind = ExchangeSession.Kind


class Session(NamedTuple):
    """One trading session: opens at ``opens_at``, trades until just before ``closes_at`` (UTC)."""

    exchange: str
    session_date: date
    opens_at: datetime
    closes_at: datetime
    kind: str
    note: str

    @property
    def is_provisional(self) -> bool:
        """True while the year's holidays are unannounced: the day may become a holiday."""
        return self.note == PROVISIONAL


@dataclass(frozen=True, slots=True)
class _Calendar:
    sessions: tuple[Session, ...]
    dates: tuple[date, ...]
    openings: tuple[datetime, ...]
    closes: Mapping[date, datetime]
    known_until: date | None
    loaded: float


_copies: dict[str, _Calendar] = {}


class _Edits(threading.local):
    #: Whether this thread's transaction holds an edit that it may still take back.
    are_open = False


_edits = _Edits()


def session_on(exchange: str, day: date) -> Session | None:
    """Return the session of a day, the regular one if there are several; ``None`` if closed.

    Like all functions here, raises ``InvalidInput`` for an exchange without a calendar.
    """
    calendar = _calendar(exchange)
    end = bisect_right(calendar.dates, day)
    of_day = []
    while end > 0 and calendar.dates[end - 1] == day:
        end -= 1
        of_day.append(calendar.sessions[end])
    return min(of_day, key=lambda s: (s.kind == Kind.SPECIAL, s.opens_at), default=None)


def sessions_between(exchange: str, first: datetime, last: datetime) -> Sequence[Session]:
    """Return the sessions that trade at some time from ``first`` on and before ``last``."""
    calendar = _calendar(exchange)
    start = max(0, bisect_right(calendar.openings, _aware(first)) - 1)
    end = bisect_left(calendar.openings, _aware(last))
    return [each for each in calendar.sessions[start:end] if each.closes_at > first]


def current_session(exchange: str, at: datetime) -> Session | None:
    """Return the session open at an instant, or ``None``."""
    calendar = _calendar(exchange)
    position = bisect_right(calendar.openings, _aware(at))
    if position == 0:
        return None
    session = calendar.sessions[position - 1]
    return session if at < session.closes_at else None


def latest_session(exchange: str, at: datetime) -> Session | None:
    """Return the session open at an instant, else the last one before, else ``None``."""
    calendar = _calendar(exchange)
    position = bisect_right(calendar.openings, _aware(at))
    return calendar.sessions[position - 1] if position else None


def next_session(exchange: str, at: datetime) -> Session | None:
    """Return the first session that opens after an instant; ``None`` if none is known."""
    calendar = _calendar(exchange)
    position = bisect_right(calendar.openings, _aware(at))
    return calendar.sessions[position] if position < len(calendar.sessions) else None


def session_dates(exchange: str) -> Callable[[datetime], date]:
    """Return a function from an instant to its session date; the calendar is read once, now.

    A fact belongs to the last session day that had begun, by the exchange's own midnight: before
    the open and after the close count to that day's session, weekends and holidays to the session
    before. So dates never run backwards in time. Where the calendar is unknown, weekdays are
    session days.
    """
    zone = exchange_named(exchange).zone
    dates = _calendar(exchange).dates

    def session_date(at: datetime) -> date:
        local_day = _aware(at).astimezone(zone).date()
        position = bisect_right(dates, local_day)
        if position > 0 and local_day - dates[position - 1] <= _LONGEST_PAUSE:
            beyond = position == len(dates) and local_day.year > dates[-1].year
            if not beyond:
                return dates[position - 1]
        return local_day - timedelta(days=max(0, local_day.weekday() - 4))

    return session_date


def traded_until(exchange: str, at: datetime) -> datetime:
    """Return when the exchange last traded as of ``at``: ``at`` itself during a session.

    Also ``at`` where the calendar is unknown.
    """
    calendar = _calendar(exchange)
    position = bisect_right(calendar.openings, _aware(at))
    if position == 0:
        return at
    closed_at = calendar.sessions[position - 1].closes_at
    return min(at, closed_at) if at - closed_at <= _LONGEST_PAUSE else at


def session_closes(exchange: str) -> Mapping[date, datetime]:
    """Return when each known session day ends, half days included, special sessions excluded."""
    return _calendar(exchange).closes


def calendar_known_until(exchange: str) -> date | None:
    """Return the last day of the last year whose calendar the exchange has announced.

    ``None`` if nothing is seeded. Later sessions are provisional or missing; one session entered by
    hand does not make its year known.
    """
    return _calendar(exchange).known_until


def forget_sessions() -> None:
    """Drop this process's copies; the next read goes to the database."""
    _copies.clear()
    _edits.are_open = False


def forget_edited_sessions() -> None:
    """Drop the copies now and when the edit commits; in between none is kept."""
    forget_sessions()
    _edits.are_open = connection.in_atomic_block
    transaction.on_commit(forget_sessions)


def _calendar(exchange: str) -> _Calendar:
    copy = _copies.get(exchange)
    if copy is not None and time.monotonic() - copy.loaded < _COPY_SECONDS:
        return copy
    exchange_named(exchange)
    stored = ExchangeSession.objects.filter(exchange=exchange).order_by("opens_at", "pk")
    rows = [Session(*row) for row in stored.values_list(*Session._fields)]
    # A day closed by hand has no session, except a special one entered for it.
    closed = {row.session_date for row in rows if row.kind == Kind.CLOSED}
    sessions = tuple(
        row
        for row in rows
        if row.kind == Kind.SPECIAL or (row.kind != Kind.CLOSED and row.session_date not in closed)
    )
    copy = _Calendar(
        sessions=sessions,
        dates=tuple(session.session_date for session in sessions),
        openings=tuple(session.opens_at for session in sessions),
        closes={s.session_date: s.closes_at for s in sessions if s.kind != Kind.SPECIAL},
        known_until=_known_until(sessions),
        loaded=time.monotonic(),
    )
    if not connection.in_atomic_block:
        _edits.are_open = False
    if not _edits.are_open:
        _copies[exchange] = copy
    return copy


def _known_until(sessions: Iterable[Session]) -> date | None:
    provisional: dict[int, bool] = {}
    for session in sessions:
        year = session.session_date.year
        provisional[year] = provisional.get(year, False) or session.is_provisional
    known = [year for year, is_provisional in provisional.items() if not is_provisional]
    return date(max(known), 12, 31) if known else None


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise InvalidInput("A time without a zone has no session.", fields={"at": "an aware time"})
    return at

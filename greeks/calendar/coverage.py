"""How far each exchange's calendar reaches, and what is still to be entered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from greeks.calendar.exchanges import EXCHANGES, exchange_named
from greeks.calendar.sessions import Session, calendar_known_until, current_session, session_on

#: Warn when a calendar ends this soon: next year's holidays must be entered.
ENDS_SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarState:
    """One exchange's calendar as of an instant.

    ``awaited`` are days with a session announced without hours that nobody has entered yet.
    ``note`` says so on the day itself.
    """

    exchange: str
    zone: str
    known_until: date | None
    ends_soon: bool
    session: Session | None
    is_open: bool
    awaited: tuple[tuple[date, str], ...]
    note: str


def calendar_states(at: datetime) -> tuple[CalendarState, ...]:
    """Return every exchange's calendar. ``at`` is market time."""
    return tuple(_state(name, at) for name in EXCHANGES)


def ending_calendars(at: datetime, exchanges: Iterable[str]) -> dict[str, date | None]:
    """Return the last known day of those calendars that end soon."""
    reach = {name: calendar_known_until(name) for name in exchanges}
    return {name: until for name, until in reach.items() if _ends_soon(name, until, at)}


def calendar_note(exchange: str, day: date) -> str:
    """Return the warning for a day whose session was announced without hours.

    Empty on other days, and once somebody has entered the session.
    """
    awaited = exchange_named(exchange).sessions_without_hours.get(day)
    if awaited is None or session_on(exchange, day) is not None:
        return ""
    return f"{awaited}: a session is held today, but nobody has entered its hours in the calendar."


def _ends_soon(name: str, known_until: date | None, at: datetime) -> bool:
    today = at.astimezone(EXCHANGES[name].zone).date()
    return known_until is None or known_until - today < ENDS_SOON


def _state(name: str, at: datetime) -> CalendarState:
    exchange = EXCHANGES[name]
    today = at.astimezone(exchange.zone).date()
    known_until = calendar_known_until(name)
    return CalendarState(
        exchange=name,
        zone=exchange.zone.key,
        known_until=known_until,
        ends_soon=_ends_soon(name, known_until, at),
        session=session_on(name, today),
        is_open=current_session(name, at) is not None,
        awaited=tuple(
            (day, note)
            for day, note in sorted(exchange.sessions_without_hours.items())
            if day >= today and session_on(name, day) is None
        ),
        note=calendar_note(name, today),
    )

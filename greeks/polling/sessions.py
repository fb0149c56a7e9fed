"""Which session of a polled instrument to poll and to show on the page.

Sessions are those of the instrument's exchange, special ones included. The demo's simulated market
never closes (``MARKET_ALWAYS_OPEN``): its instruments have a *simulated* session every day, from
one regular opening to the next, so that the demo also moves at night and on Saturdays. Such a
session is marked by its kind and is no row of the calendar, which stays unchanged.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.conf import settings

from greeks.calendar.exchanges import exchange_named
from greeks.calendar.sessions import Session, current_session, latest_session, session_on
from greeks.models import PolledInstrument

#: The kind of sessions that only the simulated market has.
SIMULATED = "simulated"


def session_for(instrument: PolledInstrument, at: datetime) -> Session | None:
    """Return the session to show at an instant: the open one, else the last one.

    ``None`` if the calendar knows no earlier one.
    """
    if _is_always_open(instrument):
        return _simulated_session(instrument, _simulated_date(instrument, at))
    return latest_session(instrument.exchange, at)


def open_session(instrument: PolledInstrument, at: datetime) -> Session | None:
    """Return the session the instrument is polled in at an instant; ``None`` while closed."""
    if _is_always_open(instrument):
        return session_for(instrument, at)
    return current_session(instrument.exchange, at)


def session_on_date(instrument: PolledInstrument, day: date) -> Session | None:
    """Return a day's session, the regular one of several; ``None`` if it has none."""
    if _is_always_open(instrument):
        return _simulated_session(instrument, day)
    return session_on(instrument.exchange, day)


def _is_always_open(instrument: PolledInstrument) -> bool:
    return bool(settings.MARKET_ALWAYS_OPEN) and instrument.simulated


def _simulated_date(instrument: PolledInstrument, at: datetime) -> date:
    exchange = exchange_named(instrument.exchange)
    there = at.astimezone(exchange.zone)
    begun = there.time() >= exchange.opens
    return there.date() if begun else there.date() - timedelta(days=1)


def _simulated_session(instrument: PolledInstrument, day: date) -> Session:
    exchange = exchange_named(instrument.exchange)
    opens_at, closes_at = (
        datetime.combine(date_, exchange.opens, tzinfo=exchange.zone).astimezone(UTC)
        for date_ in (day, day + timedelta(days=1))
    )
    return Session(
        exchange=exchange.name,
        session_date=day,
        opens_at=opens_at,
        closes_at=closes_at,
        kind=SIMULATED,
        note="the simulated market never closes",
    )

"""One minute rolled up by itself, whatever is due."""

from __future__ import annotations

from datetime import date, datetime

from greeks.minutes.roll_up import PolledChain, roll_minutes
from greeks.polling.instruments import instrument_by_slug
from greeks.polling.sessions import open_session


def roll_up(*, slug: str, expiry: date, minute: datetime, samples: int = 12) -> None:
    """Write the row of a minute in session, of which ``samples`` are expected."""
    instrument = instrument_by_slug(slug)
    session = open_session(instrument, minute)
    assert session is not None
    roll_minutes(PolledChain(instrument, expiry, samples), session, [minute])

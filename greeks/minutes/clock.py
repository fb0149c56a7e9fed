"""Which minutes of a session should exist by now."""

from __future__ import annotations

from datetime import datetime, timedelta

from greeks.calendar.sessions import Session

MINUTE = timedelta(minutes=1)
#: How long after a minute's end its row may still arrive; then it is a gap.
GRACE = timedelta(seconds=20)
#: How long after the close a session's rows may be rebuilt from the samples.
REBUILDABLE = timedelta(hours=2)


def opening_minute(session: Session) -> datetime:
    return session.opens_at.replace(second=0, microsecond=0)


def last_due_minute(session: Session, at: datetime) -> datetime | None:
    """Return the last minute that should be stored at ``at``; ``None`` before the first."""
    # The last minute with trading: a close at 15:30 ends 15:29.
    last = (session.closes_at - timedelta(microseconds=1)).replace(second=0, microsecond=0)
    due = (at - MINUTE - GRACE).replace(second=0, microsecond=0)
    if due < opening_minute(session):
        return None
    return min(due, last)


def seconds_to_next_due(session: Session, at: datetime) -> float | None:
    """Return seconds until the next minute should be stored; ``None`` if none will be."""
    due = last_due_minute(session, at)
    following = opening_minute(session) if due is None else due + MINUTE
    if following >= session.closes_at:
        return None
    return (following + MINUTE + GRACE - at).total_seconds()


def is_settled(session: Session, at: datetime) -> bool:
    """Return whether the session will not be written any more."""
    return at >= session.closes_at + REBUILDABLE

"""Which minutes of a session there should be by now."""

from __future__ import annotations

from datetime import datetime, timedelta

from greeks.calendar.sessions import Session

MINUTE = timedelta(minutes=1)
#: So long after a minute's end its row may still be on its way; then it is a gap.
GRACE = timedelta(seconds=20)
#: So long after the close a session's rows may still be built anew from the samples.
REBUILDABLE = timedelta(hours=2)


def opening_minute(session: Session) -> datetime:
    return session.opens_at.replace(second=0, microsecond=0)


def last_due_minute(session: Session, at: datetime) -> datetime | None:
    """The last minute of the session that should be stored at ``at``; ``None`` before the first."""
    # The minute in which the last trade may happen: a close at 15:30 ends 15:29.
    last = (session.closes_at - timedelta(microseconds=1)).replace(second=0, microsecond=0)
    due = (at - MINUTE - GRACE).replace(second=0, microsecond=0)
    if due < opening_minute(session):
        return None
    return min(due, last)


def seconds_to_next_due(session: Session, at: datetime) -> float | None:
    """Until another minute should be stored; ``None`` when none will be."""
    due = last_due_minute(session, at)
    following = opening_minute(session) if due is None else due + MINUTE
    if following >= session.closes_at:
        return None
    return (following + MINUTE + GRACE - at).total_seconds()


def is_settled(session: Session, at: datetime) -> bool:
    """Whether nothing of the session will be written any more."""
    return at >= session.closes_at + REBUILDABLE

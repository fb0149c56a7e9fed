"""Roll a minute's samples up into its row: exactly one per minute of the session.

A minute is rolled up when it ends, and again if samples arrive later. One without samples becomes a
gap, a row that says so, but only if the stream could be read: with Redis down nobody knows. The
sweep finds what is missing, so nothing depends on a single message: it may run twice, late, or
after a worker died at any point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import structlog
from django.db import transaction
from redis.exceptions import RedisError

from config.core.clock import market_now
from config.core.live.hub import announce
from greeks.calendar.exchanges import exchange_named
from greeks.calendar.sessions import Session
from greeks.minutes.chain_rows import write_chains
from greeks.minutes.clock import opening_minute
from greeks.minutes.range_changes import range_changes
from greeks.minutes.rows import MinuteOf, candle_row, write_rows
from greeks.minutes.stored import Chain
from greeks.models import GreekSnapshot, PolledInstrument
from greeks.polling.instruments import enabled_instruments, expiry_schedule, poll_seconds_by_slug
from greeks.polling.latest_chain import is_kept_minute, read_closing_chains
from greeks.polling.poll import group_of
from greeks.polling.samples import KEPT, MINUTE, ChainSample, read_samples
from greeks.polling.sessions import session_for
from greeks.signals import minute_closed

logger = structlog.get_logger(__name__)

#: How long samples may still arrive after a minute's first roll-up.
_LATE = timedelta(minutes=3)
_MOST_TOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledMinute:
    """The result for a minute: ``written``, or a row at least as good was already there."""

    slug: str
    expiry: date
    minute: datetime
    samples_seen: int
    samples_expected: int
    written: bool

    @property
    def is_gap(self) -> bool:
        return self.samples_seen == 0


def roll_up_due(*, slug: str | None = None, at: datetime | None = None) -> list[RolledMinute]:
    """Write missing rows of one instrument, or of every enabled one.

    Covers sessions of the last two hours from their opening. Minutes whose samples are gone become
    gaps; recent ones short of samples are rolled up again. A chain whose samples cannot be read is
    left to the next sweep.
    """
    at = at or market_now()
    enabled = enabled_instruments()
    seconds = poll_seconds_by_slug(enabled, at)
    rolled: list[RolledMinute] = []
    for instrument in enabled:
        if slug not in (None, instrument.slug):
            continue
        for session in _sessions(instrument, at):
            for expiry, due in _due(instrument, session, at).items():
                chain = PolledChain(instrument, expiry, 60 // seconds[instrument.slug])
                rolled += _roll_or_leave(chain, session, due)
    return rolled


@dataclass(frozen=True, slots=True)
class PolledChain:
    """One expiry of an instrument, and how many samples its minutes should have."""

    instrument: PolledInstrument
    expiry: date
    expected: int

    def minute(self, minute: datetime, session: Session) -> MinuteOf:
        return MinuteOf(
            instrument_key=self.instrument.instrument_key,
            expiry=self.expiry,
            minute=minute,
            session_date=session.session_date,
            samples_expected=self.expected,
            source=self.instrument.provider,
            simulated=self.instrument.simulated,
        )


def session_minutes(session: Session, until: datetime) -> Iterator[datetime]:
    """Return the starts of a session's minutes that are over at ``until``, ascending."""
    minute = session.opens_at.replace(second=0, microsecond=0)
    while minute < session.closes_at and minute + MINUTE <= until:
        yield minute
        minute += MINUTE


def _sessions(instrument: PolledInstrument, at: datetime) -> list[Session]:
    """Return sessions open at some time in the last two hours."""
    found = (session_for(instrument, moment) for moment in (at - KEPT, at))
    by_opening = {
        session.opens_at: session
        for session in found
        if session is not None and session.closes_at > at - KEPT
    }
    return [by_opening[opening] for opening in sorted(by_opening)]


def _due(
    instrument: PolledInstrument, session: Session, at: datetime
) -> dict[date, list[datetime]]:
    """Return the minutes to roll up by expiry: those without a row, and recent ones short of
    samples."""
    schedule = expiry_schedule(instrument)
    stored: dict[tuple[date, datetime], tuple[int, int]] = {
        (expiry, minute): (seen, expected)
        for expiry, minute, seen, expected in GreekSnapshot.objects.filter(
            instrument_key=instrument.instrument_key, session_date=session.session_date
        )
        .order_by()
        .values_list("expiry", "minute", "samples_seen", "samples_expected")
    }
    due: dict[date, list[datetime]] = {}
    for minute in session_minutes(session, at):
        for expiry in schedule.polled_at(minute):
            row = stored.get((expiry, minute))
            if row is None or (row[0] < row[1] and minute + _LATE >= at):
                due.setdefault(expiry, []).append(minute)
    return due


def _roll_or_leave(
    chain: PolledChain, session: Session, minutes: Sequence[datetime]
) -> list[RolledMinute]:
    try:
        return roll_minutes(chain, session, minutes)
    except RedisError as error:
        logger.warning("roll_up_put_off", slug=chain.instrument.slug, reason=type(error).__name__)
        return []


def roll_minutes(
    chain: PolledChain, session: Session, minutes: Sequence[datetime], *, rewrite: bool = False
) -> list[RolledMinute]:
    """Write the rows of a session's ascending minutes in one transaction.

    ``rewrite`` also replaces rows built from equally many samples. Raises
    ``redis.exceptions.RedisError`` if the samples cannot be read.
    """
    if not minutes:
        return []
    slug, expiry = chain.instrument.slug, chain.expiry
    samples = read_samples(slug, expiry, minutes[0], minutes[-1] + MINUTE)
    changes = range_changes(slug, expiry, minutes, opening_minute(session))
    rows = [
        candle_row(
            chain.minute(minute, session),
            _of_session(samples.get(minute, ()), session),
            changes.get(minute),
        )
        for minute in minutes
    ]
    kept = [minute for minute in minutes if is_kept_minute(session, minute)]
    closing = read_closing_chains(slug, expiry, kept)
    with transaction.atomic():
        write_chains(Chain(chain.instrument.instrument_key, session.session_date, expiry), closing)
        written = write_rows(rows, rewrite=rewrite)
        rolled = [
            RolledMinute(
                slug=slug,
                expiry=expiry,
                minute=minute,
                samples_seen=row["samples_seen"],
                samples_expected=row["samples_expected"],
                written=is_written,
            )
            for minute, row, is_written in zip(minutes, rows, written, strict=True)
        ]
        transaction.on_commit(partial(_tell, chain, [each for each in rolled if each.written]))
    return rolled


def _of_session(samples: Iterable[ChainSample], session: Session) -> list[ChainSample]:
    return [each for each in samples if session.opens_at <= each.slot < session.closes_at]


def _tell(chain: PolledChain, written: Sequence[RolledMinute]) -> None:
    """After the commit, send a signal for each minute and announce the last.

    Listeners read everything written when they reload the chain. After an outage only the last
    minutes get their own signal: nobody acts on old news.
    """
    if not written:
        return
    for each in written[-_MOST_TOLD:]:
        minute_closed.send_robust(
            sender=GreekSnapshot, slug=each.slug, expiry=each.expiry, minute=each.minute
        )
    last = written[-1]
    zone = exchange_named(chain.instrument.exchange).zone
    announce(
        group_of(last.slug, last.expiry),
        {
            "type": "market.minute_closed",
            "minute": last.minute.astimezone(zone).isoformat(),
            "minutes_written": len(written),
            "samples_seen": last.samples_seen,
            "samples_expected": last.samples_expected,
        },
    )
    logger.info("minutes_rolled_up", slug=last.slug, expiry=str(last.expiry), minutes=len(written))


def samples_expected(instrument: PolledInstrument, at: datetime) -> int:
    """Return how many samples a minute of the instrument should have at its current polling."""
    instruments = {each.slug: each for each in enabled_instruments()} | {
        instrument.slug: instrument
    }
    return 60 // poll_seconds_by_slug(instruments.values(), at)[instrument.slug]

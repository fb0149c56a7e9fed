"""The market's pickers: what is polled, and which days and expiries have data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from greeks.calendar.exchanges import exchange_named
from greeks.calendar.sessions import calendar_known_until
from greeks.market.shapes import MarketInstrument, MarketInstruments, OfferedExpiry, ShownSession
from greeks.models import PolledInstrument, StoredDay
from greeks.polling.instruments import enabled_instruments, poll_seconds_by_slug, polled_expiries
from greeks.polling.sessions import session_for

SCHEMA = 1
#: Days offered; older ones must be named.
OFFERED = timedelta(days=120)


def instrument_choices(
    instrument: PolledInstrument | None, at: datetime
) -> Mapping[str, tuple[date, ...]]:
    """Return ``expiries`` (polled or stored) and ``dates`` (stored) by instrument, ascending."""
    if instrument is None:
        return {"expiries": (), "dates": ()}
    stored = _stored([instrument], at)[instrument.instrument_key]
    return {
        "expiries": tuple(sorted({*polled_expiries(instrument, at), *stored.expiries})),
        "dates": tuple(sorted(stored.dates)),
    }


def instruments_body(at: datetime) -> MarketInstruments:
    """Return the body of ``/api/market/instruments``, in two queries."""
    instruments = enabled_instruments()
    stored = _stored(instruments, at)
    seconds = poll_seconds_by_slug(instruments, at)
    return MarketInstruments(
        schema=SCHEMA,
        instruments=[
            _row(each, stored[each.instrument_key], seconds[each.slug], at) for each in instruments
        ],
    )


class _Stored:
    """What is stored for one instrument."""

    def __init__(self) -> None:
        self.expiries: set[date] = set()
        self.dates: set[date] = set()
        self.as_of: datetime | None = None


def _stored(instruments: Iterable[PolledInstrument], at: datetime) -> dict[str, _Stored]:
    found = {each.instrument_key: _Stored() for each in instruments}
    rows = StoredDay.objects.filter(
        instrument_key__in=found, session_date__gte=at.date() - OFFERED
    ).order_by()
    for row in rows:
        stored = found[row.instrument_key]
        stored.dates.add(row.session_date)
        stored.expiries.add(row.expiry)
        stored.as_of = max(row.as_of, stored.as_of or row.as_of)
    return found


def _row(
    instrument: PolledInstrument, stored: _Stored, seconds: int, at: datetime
) -> MarketInstrument:
    zone = exchange_named(instrument.exchange).zone
    session = session_for(instrument, at)
    polled = polled_expiries(instrument, at)
    return MarketInstrument.of(
        instrument,
        expiries=[
            OfferedExpiry(expiry, expiry in polled)
            for expiry in sorted({*polled, *stored.expiries})
        ],
        dates=sorted(stored.dates),
        poll_seconds=seconds,
        session=(
            ShownSession(
                exchange=session.exchange,
                zone=zone.key,
                date=session.session_date,
                opens_at=session.opens_at.astimezone(zone),
                closes_at=session.closes_at.astimezone(zone),
                kind=session.kind,
                is_open=session.opens_at <= at < session.closes_at,
            )
            if session is not None
            else None
        ),
        calendar_known_until=calendar_known_until(instrument.exchange),
        as_of=stored.as_of.astimezone(zone) if stored.as_of is not None else None,
    )

"""Polled instruments that stored nothing lately although their exchange is open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from greeks.models import GreekSnapshot, PolledInstrument
from greeks.polling.instruments import enabled_instruments, polled_expiries
from greeks.polling.sessions import open_session

#: Minutes without a sample before a chain counts as silent; the first may come late.
SILENT_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentChains:
    """An instrument with its silent chains; none if it has no known expiry."""

    instrument: PolledInstrument
    expiries: tuple[date, ...]


def silent_chains(at: datetime) -> list[SilentChains]:
    """Return silent chains in two queries, however many are polled. ``at`` is market time."""
    trading = [
        instrument
        for instrument in enabled_instruments()
        if (session := open_session(instrument, at)) and at - session.opens_at > SILENT_AFTER
    ]
    if not trading:
        return []
    recent = GreekSnapshot.objects.filter(
        instrument_key__in=[each.instrument_key for each in trading],
        minute__gte=at - SILENT_AFTER - timedelta(minutes=1),
        samples_seen__gt=0,
    )
    seen = set(recent.order_by().values_list("instrument_key", "expiry").distinct())
    silent = []
    for instrument in trading:
        expiries = polled_expiries(instrument, at)
        missing = tuple(each for each in expiries if (instrument.instrument_key, each) not in seen)
        if missing or not expiries:
            silent.append(SilentChains(instrument=instrument, expiries=missing))
    return silent

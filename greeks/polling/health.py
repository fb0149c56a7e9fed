"""Health of the market: polls and stored minutes during trading, and the calendar's reach."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Max
from redis.exceptions import RedisError

from config.core.clock import market_now, now
from config.core.health import CheckResult, register_check
from greeks.calendar.coverage import ending_calendars
from greeks.calendar.exchanges import NYSE
from greeks.models import GreekSnapshot, PolledInstrument
from greeks.polling.instruments import enabled_instruments
from greeks.polling.sessions import open_session
from greeks.polling.states import chain_states

# A poll may fail now and then; three in a row of the slowest chain are a fault.
_POLLS = 3
_SHORTEST_WAIT = timedelta(seconds=30)
_MINUTE = timedelta(minutes=1)
# A minute is rolled up seconds after its end, and again if samples arrive late.
_MINUTES_LATE = timedelta(seconds=90)
_MOST_NAMED = 3


def _trading(for_at_least: timedelta) -> list[PolledInstrument]:
    """Return the instruments whose session has been open this long."""
    at = market_now()
    return [
        instrument
        for instrument in enabled_instruments()
        if (session := open_session(instrument, at)) and at - session.opens_at >= for_at_least
    ]


@register_check("market.polls")
def check_polls() -> CheckResult:
    """Degraded if a chain in session had no successful poll for three slots."""
    trading = _trading(_SHORTEST_WAIT)
    if not trading:
        return CheckResult("ok", detail="No market that is polled is open.")
    try:
        states = chain_states(trading)
    except RedisError:
        return CheckResult("degraded", detail="Unknown: Redis is not reachable.")
    longest = {
        each.slug: max(_SHORTEST_WAIT, timedelta(seconds=_POLLS * each.poll_seconds))
        for each in trading
    }
    late, ages, moment = [], [], now()
    for state in states:
        succeeded = None if state.record is None else state.record.succeeded_at
        if succeeded is not None:
            ages.append((moment - succeeded).total_seconds())
        if succeeded is None or moment - succeeded > longest[state.slug]:
            late.append(f"{state.name} {state.expiry.isoformat()}")
    unlisted = {each.slug for each in trading} - {state.slug for state in states}
    late += [f"{each.name} (no expiry is known)" for each in trading if each.slug in unlisted]
    return _result(late, ages, "Not polled")


@register_check("market.minutes")
def check_minutes() -> CheckResult:
    """Degraded if an instrument in session has no minute that ended in the last 90 seconds."""
    trading = _trading(_MINUTE + _MINUTES_LATE)
    if not trading:
        return CheckResult("ok", detail="No market that is polled is open.")
    at = market_now()
    latest = dict(
        GreekSnapshot.objects.filter(
            instrument_key__in=[each.instrument_key for each in trading],
            minute__gte=at - timedelta(days=1),
            samples_seen__gt=0,
        )
        .order_by()
        .values_list("instrument_key")
        .annotate(latest=Max("minute"))
    )
    late, ages = [], []
    for instrument in trading:
        minute = latest.get(instrument.instrument_key)
        if minute is not None:
            ages.append(max(0.0, (at - minute - _MINUTE).total_seconds()))
        if minute is None or at - minute - _MINUTE > _MINUTES_LATE:
            late.append(instrument.name)
    return _result(late, ages, "No minute stored")


@register_check("calendar")
def check_calendar() -> CheckResult:
    """Degraded from two weeks before a calendar ends, for exchanges in use."""
    used = {each.exchange for each in enabled_instruments()} | {NYSE.name}
    ending = [
        f"{exchange} is known until {until or 'no day'}"
        for exchange, until in ending_calendars(market_now(), sorted(used)).items()
    ]
    return CheckResult("degraded" if ending else "ok", detail="; ".join(ending))


def _result(late: list[str], ages: list[float], problem: str) -> CheckResult:
    """Return the oldest age and the names of the first few late ones."""
    age = round(max(ages), 1) if ages else None
    if not late:
        return CheckResult("ok", age)
    more = f" and {len(late) - _MOST_NAMED} more" if len(late) > _MOST_NAMED else ""
    return CheckResult("degraded", age, f"{problem}: {', '.join(late[:_MOST_NAMED])}{more}.")

"""What is polled: instruments, their expiries and how often. Public: the same for everyone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from threading import Lock

from cachetools import TTLCache, cached
from django.conf import settings

from config.core.errors import NotFound
from config.core.one_reading import once
from config.core.rows.kept_query import KeptObjects
from greeks.models import PolledInstrument
from greeks.polling.terms import chains_expire_at

#: Seconds between polls; each divides a minute, so that all minutes have equally many.
POLL_STEPS = (5, 10, 15, 20, 30, 60)
_HALF_HOUR = 1800
# Upstox allows 2000 calls in half an hour, which must also cover listings and retries.
_UPSTOX_CALLS = 1900
# Cboe's files are fifteen minutes late and change about once a minute.
_CBOE_CALLS = 60
# A chain takes every market-data line of an IBKR log-in: one a minute leaves them to the book.
_IBKR_CALLS = 30
# At most this many pages of 250 contracts per chain, plus the underlying.
_POLYGON_CALLS_A_CHAIN = 4


_enabled = KeptObjects(PolledInstrument, lambda: PolledInstrument.objects.filter(enabled=True))


def enabled_instruments() -> tuple[PolledInstrument, ...]:
    """Return enabled instruments in the picker's order. One query a reading."""
    return once("enabled_instruments", lambda: tuple(_enabled()))


def polled_underlyings(provider: str) -> dict[str, str]:
    """Return the provider's keys by underlying, of disabled instruments too. One query."""
    rows = PolledInstrument.objects.filter(provider=provider)
    return {
        underlying.upper(): key
        for underlying, key in rows.values_list("underlying", "instrument_key")
    }


def instrument_by_slug(slug: str) -> PolledInstrument:
    """Return an instrument, even a disabled one: it has a past. Raises ``NotFound``."""
    try:
        return PolledInstrument.objects.get(slug=slug)
    except PolledInstrument.DoesNotExist:
        raise NotFound(f"No polled instrument has the slug {slug[:64]!r}.") from None


@cached(TTLCache(64, 10.0), lock=Lock())
def recent_instrument(slug: str) -> PolledInstrument:
    """Return ``instrument_by_slug``, cached for ten seconds: every poll calls this."""
    return instrument_by_slug(slug)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpirySchedule:
    """An instrument's expiries with the instants they end at, soonest first."""

    listed: tuple[tuple[date, datetime], ...]
    extra: tuple[tuple[date, datetime], ...]
    nearest: int

    def polled_at(self, at: datetime | date) -> tuple[date, ...]:
        """Return the expiries polled at that time; for a plain date, at the day's start."""
        alive = [expiry for expiry, ends_at in self.listed if _is_alive(expiry, ends_at, at)]
        extra = [expiry for expiry, ends_at in self.extra if _is_alive(expiry, ends_at, at)]
        return tuple(sorted({*alive[: self.nearest], *extra}))


def expiry_schedule(instrument: PolledInstrument) -> ExpirySchedule:
    """Return expiries from the provider's last good listing plus the row's extra ones."""
    listed = {
        parsed
        for each in instrument.listed_expiries
        if isinstance(each, Mapping) and (parsed := _date(each.get("expiry")))
    }
    extra = {parsed for text in instrument.extra_expiries if (parsed := _date(text))}
    ends_at = chains_expire_at(instrument, listed | extra)
    return ExpirySchedule(
        listed=tuple((expiry, ends_at[expiry]) for expiry in sorted(listed)),
        extra=tuple((expiry, ends_at[expiry]) for expiry in sorted(extra)),
        nearest=instrument.nearest_expiries,
    )


def polled_expiries(instrument: PolledInstrument, at: datetime | date) -> tuple[date, ...]:
    """Return the expiries polled at an instant, soonest first: pass ``market_now()``.

    These are the nearest of the provider's last good listing and the row's extra ones, unless their
    last contract has expired by then.
    """
    return expiry_schedule(instrument).polled_at(at)


def lot_size(instrument: PolledInstrument, expiry: date) -> int | None:
    """Return the provider's listed units of the underlying per contract; ``None`` if unknown."""
    for each in instrument.listed_expiries:
        if isinstance(each, Mapping) and _date(each.get("expiry")) == expiry:
            size = each.get("lot_size")
            return size if isinstance(size, int) and size > 0 else None
    return None


def poll_seconds_by_slug(
    instruments: Iterable[PolledInstrument], at: datetime | date
) -> dict[str, int]:
    """Return seconds between polls of each instrument, such that the provider's chains fit
    together.

    All chains of a provider share its call limit. If that is too low, the shortest intervals are
    stretched together, up to a minute. Beyond that the call budget refuses, and each refused call
    is a missing sample.
    """
    found: dict[str, int] = {}
    by_provider: dict[str, list[tuple[PolledInstrument, int]]] = {}
    for instrument in instruments:
        chains = len(polled_expiries(instrument, at))
        by_provider.setdefault(instrument.provider, []).append((instrument, chains))
    for provider, polled in by_provider.items():
        allowed = _calls_in_half_an_hour(provider)
        for step in POLL_STEPS:
            seconds = {each.slug: max(step, each.poll_seconds) for each, _ in polled}
            calls = sum(chains * _HALF_HOUR / seconds[each.slug] for each, chains in polled)
            if calls <= allowed:
                break
        found |= seconds
    return found


def poll_seconds(instrument: PolledInstrument, at: datetime | date) -> int:
    """Return one instrument's ``poll_seconds_by_slug``, among all enabled ones."""
    others = [each for each in enabled_instruments() if each.pk != instrument.pk]
    return poll_seconds_by_slug([instrument, *others], at)[instrument.slug]


def _is_alive(expiry: date, ends_at: datetime, at: datetime | date) -> bool:
    return ends_at > at if isinstance(at, datetime) else expiry >= at


def _calls_in_half_an_hour(provider: str) -> float:
    if provider == "upstox":
        return _UPSTOX_CALLS
    if provider == "polygon":
        a_minute = settings.POLYGON_CALLS_PER_MINUTE
        return 30 * a_minute / _POLYGON_CALLS_A_CHAIN if a_minute else float("inf")
    return {"cboe": _CBOE_CALLS, "ibkr": _IBKR_CALLS}.get(provider, float("inf"))


def _date(text: object) -> date | None:
    """Parse a JSON date; ``None`` if invalid: such an expiry is not polled."""
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None

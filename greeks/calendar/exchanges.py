"""Exchanges with a calendar: their hours, and corrections to the holiday tables.

Sources: NYSE "Holidays & Trading Hours"; NSE circulars CMTR71775 (holidays of 2026), CMTR72349
(Sunday 2026-02-01), and the exchange's notices of the days named below. The corrections were
checked against ``pandas_market_calendars`` 5.5 for 2020 to 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from zoneinfo import ZoneInfo

from config.core.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialHours:
    """A session at irregular hours, in the exchange's local time."""

    opens: time
    closes: time
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Local trading hours of one exchange and its exceptions.

    ``published_until`` is the last year whose holidays the exchange has announced; later years are
    estimates, marked provisional. ``None``: the rules are fixed for years to come.
    """

    name: str
    zone: ZoneInfo
    currency: str
    opens: time
    closes: time
    early_close: time
    first_year: int
    published_until: int | None = None
    closed_days: Mapping[date, str] = field(default_factory=dict)
    open_days: Mapping[date, str] = field(default_factory=dict)
    special_sessions: Mapping[date, SpecialHours] = field(default_factory=dict)
    #: Sessions announced without hours, which staff enter in the admin once they are known.
    sessions_without_hours: Mapping[date, str] = field(default_factory=dict)


def _muhurat(opens: time, closes: time) -> SpecialHours:
    return SpecialHours(opens=opens, closes=closes, note="Muhurat trading")


def _weekend(note: str) -> SpecialHours:
    return SpecialHours(opens=time(9, 15), closes=time(15, 30), note=note)


NYSE = Exchange(
    name="NYSE",
    zone=ZoneInfo("America/New_York"),
    currency="USD",
    opens=time(9, 30),
    closes=time(16, 0),
    early_close=time(13, 0),
    first_year=1993,
)
NSE = Exchange(
    name="NSE",
    zone=ZoneInfo("Asia/Kolkata"),
    currency="INR",
    opens=time(9, 15),
    closes=time(15, 30),
    early_close=time(15, 30),
    first_year=2020,
    published_until=2026,
    closed_days={
        date(2023, 6, 29): "Bakri Id, moved from the 28th",
        date(2024, 1, 22): "Ram Mandir consecration",
        date(2024, 5, 20): "General election in Mumbai",
        date(2024, 11, 20): "Election in Maharashtra",
        date(2026, 1, 15): "Municipal elections in Maharashtra",
    },
    open_days={date(2023, 6, 28): "Bakri Id was moved to the 29th"},
    # Muhurat hours are announced some weeks ahead; years missing here are added in the admin.
    special_sessions={
        date(2020, 2, 1): _weekend("Budget day"),
        date(2020, 11, 14): _muhurat(time(18, 15), time(19, 15)),
        date(2021, 11, 4): _muhurat(time(18, 15), time(19, 15)),
        date(2022, 10, 24): _muhurat(time(18, 15), time(19, 15)),
        date(2023, 11, 12): _muhurat(time(18, 15), time(19, 15)),
        date(2024, 1, 20): _weekend("In place of Monday the 22nd"),
        date(2024, 11, 1): _muhurat(time(18, 0), time(19, 0)),
        date(2025, 2, 1): _weekend("Budget day"),
        date(2025, 10, 21): _muhurat(time(13, 45), time(14, 45)),
        date(2026, 2, 1): _weekend("Budget day"),
    },
    # A Sunday, Diwali Laxmi Pujan: "timings shall be notified subsequently" (CMTR71775).
    sessions_without_hours={date(2026, 11, 8): "Muhurat trading"},
)
EXCHANGES: Mapping[str, Exchange] = {exchange.name: exchange for exchange in (NYSE, NSE)}


def exchange_named(name: str) -> Exchange:
    """Return the exchange with this name. Raises ``InvalidInput`` if it has no calendar."""
    try:
        return EXCHANGES[name]
    except KeyError:
        raise InvalidInput(
            f"No calendar for exchange {name[:32]!r}.",
            fields={"exchange": f"one of {', '.join(EXCHANGES)}"},
        ) from None


def exchange_in_zone(zone: str) -> Exchange | None:
    """Return the exchange in this IANA time zone, or ``None``."""
    return next((each for each in EXCHANGES.values() if each.zone.key == zone), None)


def exchange_of_currency(currency: str) -> Exchange | None:
    """Return the exchange where contracts in this currency trade, or ``None``."""
    return next((each for each in EXCHANGES.values() if each.currency == currency.upper()), None)

"""When an option expires, to the minute: the end point of time to expiry.

========================  =====================  ===============================================
contract                  instant                source
========================  =====================  ===============================================
US equity and ETF option  16:00 New York         OCC: trading ends at the close
SPXW, XSP, RUTW, …        16:00 New York         Cboe, PM-settled index options
SPX, NDX, RUT, VIX, …     09:30 New York         Cboe, settled from the opening prices of the day
options on other indices  the index's hour       ``greeks.instruments.products``
NSE option                15:30 Asia/Kolkata     NSE, close of the cash market
option on a future        the product's hour     ``greeks.instruments.products``
others                    the currency's market  table below
========================  =====================  ===============================================

If the exchange calendar knows the day's session, its close counts: 13:00 in New York on a half
day, or an earlier one entered by hand. An hour of the product stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from greeks.calendar.exchanges import exchange_of_currency
from greeks.calendar.sessions import session_closes
from greeks.domain import Contract, InstrumentKind
from greeks.instruments.products import future_option_hour, index_hour

#: By currency: when its exchange's sessions end, by day.
SessionCloses = Mapping[str, Mapping[date, datetime]]
NO_CLOSES: SessionCloses = {}

_CLOSES = {
    "USD": (ZoneInfo("America/New_York"), time(16, 0)),
    "CAD": (ZoneInfo("America/Toronto"), time(16, 0)),
    "INR": (ZoneInfo("Asia/Kolkata"), time(15, 30)),
    "EUR": (ZoneInfo("Europe/Berlin"), time(17, 30)),
    "GBP": (ZoneInfo("Europe/London"), time(16, 30)),
    "CHF": (ZoneInfo("Europe/Zurich"), time(17, 20)),
    "JPY": (ZoneInfo("Asia/Tokyo"), time(15, 30)),
    "HKD": (ZoneInfo("Asia/Hong_Kong"), time(16, 0)),
    "AUD": (ZoneInfo("Australia/Sydney"), time(16, 0)),
    "SEK": (ZoneInfo("Europe/Stockholm"), time(17, 30)),
    "NOK": (ZoneInfo("Europe/Oslo"), time(16, 25)),
    "DKK": (ZoneInfo("Europe/Copenhagen"), time(17, 0)),
    "KRW": (ZoneInfo("Asia/Seoul"), time(15, 30)),
    "TWD": (ZoneInfo("Asia/Taipei"), time(13, 30)),
    "SGD": (ZoneInfo("Asia/Singapore"), time(17, 0)),
    "CNH": (ZoneInfo("Asia/Shanghai"), time(15, 0)),
    "CNY": (ZoneInfo("Asia/Shanghai"), time(15, 0)),
    "MXN": (ZoneInfo("America/Mexico_City"), time(15, 0)),
    "PLN": (ZoneInfo("Europe/Warsaw"), time(17, 0)),
    "ZAR": (ZoneInfo("Africa/Johannesburg"), time(17, 0)),
}


def known_closes(contracts: Iterable[Contract]) -> SessionCloses:
    """Return session closes of the exchanges on which these contracts expire.

    One look-up for many contracts, from the process's copy: a query a minute.
    """
    currencies = {each.currency.upper() for each in contracts if each.expiry is not None}
    return {
        currency: session_closes(exchange.name)
        for currency in currencies
        if (exchange := exchange_of_currency(currency)) is not None
    }


def expiry_instant(contract: Contract, closes: SessionCloses = NO_CLOSES) -> datetime | None:
    """Return the instant of expiry, aware, UTC; ``None`` for a contract without an expiry date.

    A provider's own instant comes first; an event contract has no other.
    ``closes`` are the session ends the calendar knows (``known_closes``); regular hours apply to
    other days.
    """
    if contract.expires_at is not None:
        return contract.expires_at
    if contract.expiry is None or contract.kind is InstrumentKind.EVENT:
        return None
    hour = (
        future_option_hour(contract)
        if contract.kind is InstrumentKind.FUTURE_OPTION
        else index_hour(contract)
    )
    if hour is None:
        known = closes.get(contract.currency.upper(), {}).get(contract.expiry)
        if known is not None:
            return known
        hour = _CLOSES.get(contract.currency.upper(), _CLOSES["USD"])
    return datetime.combine(contract.expiry, hour[1], tzinfo=hour[0]).astimezone(UTC)

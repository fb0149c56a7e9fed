"""Tastytrade's symbols of futures and of options on them, and the terms the symbols lack."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from greeks.providers.decoding import BadRow, Row, parse_date, parse_decimal, parse_text, parse_time

#: Expiry may be at night, or settle a day later; a longer distance is a mistake.
MOST_DAYS_APART: Final = 2
_NEW_YORK: Final = ZoneInfo("America/New_York")

FUTURE_OPTION = re.compile(
    r"\./(?P<names>[A-Z0-9]{2,8} +[A-Z0-9]{1,8}|[A-Z0-9]{6,16}) +"
    r"(?P<year>\d{2})(?P<month>\d{2})(?P<day>\d{2})(?P<right>[CP])(?P<strike>-?\d{1,8}(?:\.\d{1,8})?)",
    re.ASCII,
)
#: A future's code of five characters or more fills the symbol's fixed width: no blank follows it.
_JOINED_NAMES = re.compile(r"([A-Z0-9]{3,6}?[FGHJKMNQUVXZ]\d)([A-Z0-9]{1,8})", re.ASCII)
FUTURE = re.compile(r"/(?P<root>[A-Z0-9]{1,6})[FGHJKMNQUVXZ]\d{1,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FutureTerms:
    """What /instruments/futures adds to a future's symbol."""

    multiplier: Decimal
    expiry: date | None = None
    expires_at: datetime | None = None


Futures = Mapping[str, FutureTerms]


def decode_terms(row: Mapping[str, Any]) -> tuple[str, FutureTerms] | None:
    """Return symbol and terms of a row of /instruments/futures; ``None`` if unusable."""
    try:
        multiplier = parse_decimal(row.get("notional-multiplier"), "notional-multiplier")
        expiry = parse_date(row.get("expiration-date"), "expiration-date")
        # The day above tells enough: a sentinel is missing here.
        expires_at = parse_time(row.get("expires-at"), "expires-at")
        symbol = parse_text(row.get("symbol"), "symbol")
    except BadRow:
        return None
    if multiplier is None or multiplier <= 0:
        return None
    return symbol, FutureTerms(multiplier, expiry, expires_at)


def future_and_root(names: str, named: str = "") -> tuple[str, str] | None:
    """Split the names of a symbol into the future (``/MNQZ5``) and the option's root.

    Joined names divide after ``named``, the row's underlying, or else after the first code that can
    be a future's. ``None`` if there is none.
    """
    if " " in names:
        future, root = names.split()
        return f"/{future}", root
    if len(named) > 5 and f"/{names}".startswith(named) and names != named[1:]:
        return named, names[len(named) - 1 :]
    matched = _JOINED_NAMES.fullmatch(names)
    return (f"/{matched[1]}", matched[2]) if matched else None


def parse_expires_at(row: Row) -> datetime | None:
    """Parse a future's ``expires-at``; ``None`` if the row has none.

    Raises BadRow for a sentinel and for a year outside 2000–2099.
    """
    value = row.get("expires-at")
    moment = parse_time(value, "expires-at")
    if value and (moment is None or not 2000 <= moment.year <= 2099):
        raise BadRow(f"expires-at: {str(value)[:40]!a} is not when a contract expires")
    return moment


def instant_near(moment: datetime | None, day: date) -> datetime | None:
    """Return the instant of expiry unless it is days away from the contract's known day."""
    if moment is None or abs((new_york_date(moment) - day).days) > MOST_DAYS_APART:
        return None
    return moment


def new_york_date(moment: datetime) -> date:
    """Return an instant's trading day: Tastytrade counts days in New York."""
    return moment.astimezone(_NEW_YORK).date()


def futures_of(rows: list[object]) -> tuple[str, ...]:
    """Return symbols of the futures the rows or their legs name, directly or under an option."""
    found: set[str] = set()
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        legs = row.get("legs")
        for leg in legs if isinstance(legs, list) else [row]:
            symbol = leg.get("symbol") if isinstance(leg, Mapping) else None
            if not isinstance(symbol, str):
                continue
            option = FUTURE_OPTION.fullmatch(symbol)
            if option is not None:
                names = future_and_root(option["names"], _named_future(leg))
                found.update(names[:1] if names else ())
            elif FUTURE.fullmatch(symbol):
                found.add(symbol)
    return tuple(sorted(found))


def _named_future(row: Mapping[str, object]) -> str:
    named = row.get("underlying-symbol")
    return named if isinstance(named, str) else ""

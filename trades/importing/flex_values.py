"""Single values of a Flex row: contracts, ids and times in the forms a query offers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from greeks.domain import Contract, InstrumentKind
from greeks.providers.decoding import BadRow, parse_identifier
from portfolio.brokers.ibkr_portal.contracts import decode_contract

Attributes = Mapping[str, str]

SOURCE: Final = "flex"
#: Flex times carry no zone.
EASTERN: Final = ZoneInfo("America/New_York")
#: A day and a time in the forms a Flex query offers, with the separators it offers.
_MOMENT: Final = re.compile(r"(?P<day>[^;,T ]+)[;,T ]+(?P<time>\d{1,2}:?\d{2}:?\d{2})", re.ASCII)
_COMPACT_DAY: Final = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_OTHER_DAYS: Final = ("%d-%b-%y", "%m/%d/%Y", "%m/%d/%y")


def flex_contract(row: Attributes) -> Contract:
    """Return the contract of a row. Raises BadRow if nothing names it."""
    category = row.get("assetCategory") or ("OPT" if row.get("putCall") else "STK")
    symbol = row.get("symbol") or row.get("isin") or ""
    underlying = row.get("underlyingSymbol") or ""
    multiplier = row.get("multiplier")
    if category == "STK":
        underlying = symbol
    elif category == "CASH":
        return _currency_pair(row, symbol)
    elif not underlying and category == "OPT":
        # The root of the OCC symbol; without a symbol nothing says what it is an option on.
        underlying = symbol[:6].strip()
    terms: dict[str, Any] = {
        "conid": row.get("conid"),
        "assetClass": category,
        "ticker": underlying,
        "expiry": _compact_day(row.get("expiry")),
        "strike": row.get("strike"),
        "putOrCall": row.get("putCall"),
        "multiplier": multiplier,
        "currency": row.get("currency"),
        "listingExchange": row.get("listingExchange"),
        "contractDesc": f"[{symbol} {multiplier}]" if multiplier and symbol else None,
    }
    if not underlying:
        raise BadRow("symbol: missing, and nothing else names the contract")
    return decode_contract(terms, needs_conid=False)


def _currency_pair(row: Attributes, symbol: str) -> Contract:
    base, _, quoted = symbol.partition(".")
    if not quoted:
        raise BadRow(f"symbol: {symbol[:16]!r} is not a currency pair")
    return Contract(
        kind=InstrumentKind.CURRENCY,
        symbol=symbol,
        underlying=base,
        multiplier=Decimal(1),
        currency=quoted,
        aliases={"ibkr": row["conid"]} if row.get("conid") else {},
    )


def _compact_day(text: str | None) -> str | None:
    if not text:
        return None
    day = _day(text)
    if day is None:
        raise BadRow(f"expiry: {text[:24]!a} is not a date")
    return f"{day:%Y%m%d}"


def flex_id(row: Attributes, name: str) -> str:
    """Return an id; empty for the zero that stands for none."""
    text = parse_identifier(row.get(name), name, required=False)
    return "" if text in ("0", "-") else text


def flex_moment(row: Attributes, *names: str) -> datetime:
    """Return the first time given, read as US Eastern; a day alone is its midnight there."""
    for name in names:
        text = row.get(name, "").strip()
        if not text:
            continue
        matched = _MOMENT.fullmatch(text)
        day = _day(matched["day"] if matched else text)
        clock = _clock(matched["time"]) if matched else time()
        if day is None or clock is None:
            raise BadRow(f"{name}: {text[:32]!a} is not a time")
        return _checked(datetime.combine(day, clock, tzinfo=EASTERN), name)
    raise BadRow(f"{names[0]}: missing")


def _checked(moment: datetime, name: str) -> datetime:
    if not 1990 <= moment.year < 2200:
        raise BadRow(f"{name}: {moment:%Y-%m-%d} is not a possible day")
    return moment.astimezone(UTC)


def _clock(text: str) -> time | None:
    digits = text.replace(":", "").zfill(6)
    try:
        return time(int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError:
        return None


def _day(text: str) -> date | None:
    matched = _COMPACT_DAY.fullmatch(text)
    try:
        if matched is not None:
            return date(int(matched[1]), int(matched[2]), int(matched[3]))
    except ValueError:
        return None
    for form in _OTHER_DAYS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None

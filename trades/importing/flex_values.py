"""Single values of a Flex row: contracts, ids and times in the forms a query offers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from config.core.clock import parse_clock
from greeks.domain import Contract, InstrumentKind
from greeks.instruments.future_terms import product_of
from greeks.instruments.occ import OptionSymbolError, parse_occ
from greeks.providers.decoding import BadRow, parse_identifier
from portfolio.brokers.ibkr_portal.contracts import decode_contract, parse_kind
from portfolio.brokers.ibkr_portal.units import MAGNIFIER

Attributes = Mapping[str, str]

SOURCE: Final = "flex"
#: Flex times carry no zone.
EASTERN: Final = ZoneInfo("America/New_York")
#: A day and a time in the forms a Flex query offers, with the separators it offers.
_MOMENT: Final = re.compile(
    r"(?P<day>[^;,T ]+)[;,T ]+(?P<time>\d{1,2}:?\d{2}:?\d{2})(?: E[SD]?T)?", re.ASCII
)
_OPTION: Final = re.compile(
    r"(?P<root>[A-Z0-9./ ]{1,12}?) (?P<expiry>\d{1,2}[A-Z]{3}\d{2}) (?P<strike>-?\d+(?:\.\d+)?) "
    r"(?P<right>[CP])\b",
    re.ASCII,
)
_ROOT: Final = re.compile(r"[A-Z0-9.]{1,6}", re.ASCII)
_COMPACT_DAY: Final = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_OTHER_DAYS: Final = ("%d-%b-%y", "%m/%d/%Y", "%m/%d/%y")
#: All that tells the contract of a row.
_CONTRACT: Final = (
    "assetCategory", "putCall", "symbol", "isin", "multiplier", "conid", "underlyingSymbol",
    "expiry", "strike", "currency", "listingExchange", "description", MAGNIFIER,
)  # fmt: skip
_SLASHED: Final = re.compile(rb'="(\d\d)/(\d\d)/(\d{4}|\d\d)(?=["; ,T])')


def flex_account(row: Attributes) -> str:
    """Return the account of a row. Raises BadRow if none is named."""
    return parse_identifier(row.get("accountId"), "accountId", maximum=48)


def flex_contract(row: Attributes) -> Contract:
    """Return the contract of a row. Raises BadRow if nothing names it."""
    return _contract(*map(row.get, _CONTRACT))


@lru_cache(maxsize=2_000)
def _contract(*told: str | None) -> Contract:
    """Return the contract of these values; a statement has many rows of each."""
    row = {name: value for name, value in zip(_CONTRACT, told, strict=True) if value is not None}
    category = row.get("assetCategory") or ("OPT" if row.get("putCall") else "STK")
    symbol = row.get("symbol") or row.get("isin") or ""
    multiplier = row.get("multiplier")
    if category == "CASH":
        return _currency_pair(row, symbol)
    terms: dict[str, Any] = {
        "conid": row.get("conid"),
        "assetClass": category,
        "ticker": row.get("underlyingSymbol"),
        "expiry": _compact_day(row.get("expiry")),
        "strike": row.get("strike"),
        "putOrCall": row.get("putCall"),
        "multiplier": multiplier,
        "currency": row.get("currency"),
        "listingExchange": row.get("listingExchange"),
        "contractDesc": f"[{symbol} {multiplier}]" if multiplier and symbol else None,
        MAGNIFIER: row.get(MAGNIFIER),
    }
    if category == "STK":
        # A share that is replaced by a new one keeps its contract under a name with ".OLD".
        terms["ticker"] = symbol.removesuffix(".OLD")
    elif category == "OPT":
        named = named_option(symbol, row.get("description", ""))
        terms |= {name: value for name, value in named.items() if not terms[name]}
        # "SPXW 20JUN25 5000 C" is no option of the class SPX, though SPX is its underlying.
        if _ROOT.fullmatch(named.get("ticker", "")):
            terms["tradingClass"] = named["ticker"]
        # For settlement in the morning IBKR's expiry is the last trading day, the day before.
        terms["expiry"] = max(named.get("expiry", ""), terms["expiry"] or "") or None
        if _ROOT.fullmatch(symbol):
            terms["ticker"] = terms["ticker"] or symbol
    elif category == "FUT" and not terms["ticker"]:
        terms["ticker"] = product_of(symbol)
    # What the desk cannot value is refused by its class, whatever else is missing.
    parse_kind(terms)
    if not terms["ticker"]:
        raise BadRow(
            "symbol: missing, and nothing else names the contract. In the Flex query add the "
            "fields Symbol and Underlying Symbol"
        )
    return decode_contract(terms, needs_conid=False)


def named_option(*texts: str) -> dict[str, str]:
    """Return the terms that an option's name tells: the OCC's, or IBKR's ``XYZ 20JUN25 200 C``."""
    for text in texts:
        try:
            occ = parse_occ(text)
        except OptionSymbolError:
            pass
        else:
            return _terms(occ.root, occ.expiry, occ.strike, occ.right.value)
        told = _OPTION.match(text)
        if told is not None:
            with contextlib.suppress(ValueError):
                day = parse_clock(told["expiry"].title(), "%d%b%y").date()
                return _terms(told["root"], day, Decimal(told["strike"]), told["right"])
    return {}


def _terms(root: str, expiry: date, strike: Decimal, right: str) -> dict[str, str]:
    return {
        "ticker": root,
        "expiry": f"{expiry:%Y%m%d}",
        "strike": f"{strike.normalize():f}",
        "putOrCall": right,
    }


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


def with_month_first(content: bytes) -> bytes:
    """Return a file whose days with slashes are written with the month first.

    A query may offer them either way: a day above the twelfth tells. Raises BadRow if none does.
    """
    days = {(int(told[1]), int(told[2])) for told in _SLASHED.finditer(content)}
    day_first = any(first > 12 for first, _ in days)
    if days and day_first == any(second > 12 for _, second in days):
        raise BadRow(
            "days like 03/04/2026 can be read in two ways. In the Flex query choose yyyyMMdd as "
            "the format of dates"
        )
    return _SLASHED.sub(rb'="\2/\1/\3', content) if day_first else content


def flex_moment(row: Attributes, *names: str) -> datetime:
    """Return the first time given, read as US Eastern; a day alone is its midnight there."""
    for name in names:
        text = row.get(name, "").strip()
        if not text:
            continue
        if name == "tradeDate" and row.get("tradeTime"):
            text = f"{text};{row['tradeTime']}"
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
            return parse_clock(text, form).date()
        except ValueError:
            continue
    return None

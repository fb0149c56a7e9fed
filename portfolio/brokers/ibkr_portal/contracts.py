"""Decode IBKR Client Portal contracts into our :class:`Contract`.

Terms come from the row itself (positions have them) or from ``/trsrv/secdef``; the bracket in a
description, ``[SPY   260117C00600000 100]``, is used only for what both lack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.last_trading import expiry_after
from greeks.instruments.occ import OptionSymbol, OptionSymbolError, listed_name, parse_occ
from greeks.instruments.price_units import exchange_code
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_date,
    parse_decimal,
    parse_identifier,
    parse_text,
)
from portfolio.brokers.ibkr_portal.events import is_event
from portfolio.brokers.ibkr_portal.symbols import display_symbol
from portfolio.brokers.ibkr_portal.units import magnifier_of
from portfolio.brokers.units import in_currency

SOURCE = "ibkr"

# Security types the desk can value. Others are rejected by name, never guessed.
KINDS: Mapping[str, InstrumentKind] = {
    "STK": InstrumentKind.STOCK,
    "OPT": InstrumentKind.OPTION,
    "IND": InstrumentKind.INDEX,
    "FUT": InstrumentKind.FUTURE,
    "FOP": InstrumentKind.FUTURE_OPTION,
    "CASH": InstrumentKind.CURRENCY,
    "EC": InstrumentKind.EVENT,
}
_DATED = frozenset(
    {
        InstrumentKind.OPTION,
        InstrumentKind.FUTURE,
        InstrumentKind.FUTURE_OPTION,
        InstrumentKind.EVENT,
    }
)
_RIGHTS = {"C": Right.CALL, "CALL": Right.CALL, "P": Right.PUT, "PUT": Right.PUT}
_FUTURE_OPTION = re.compile(r"\[(?P<root>[A-Z0-9]{1,5}?)[FGHJKMNQUVXZ]\d{1,2} [CP]-?\d", re.ASCII)
_BRACKET = re.compile(
    r"\[(?P<symbol>[^\[\]]{1,40}?)\s+(?P<multiplier>\d+(?:\.\d+)?)\s*\]", re.ASCII
)


#: Exchanges abroad with shares in US dollars. Their names may be those of other shares in New York:
#: SMH in London is another fund.
_ABROAD = frozenset(
    {"LSE", "LSEETF", "LSEIOB1", "EBS", "SBF", "AEB", "IBIS", "IBIS2", "BVME", "BVME.ETF", "SGX",
     "SEHK", "TSE", "VENTURE", "TASE", "ASX", "BVL", "MEXI"}
)  # fmt: skip

#: What the directory adds to a row: the identity of the future that an option delivers.
UNDERLYING_KEY = "underlyingKey"
#: The definition's expiry, where it differs from the last trading day.
REAL_EXPIRY = "realExpirationDate"
#: From the last trading day to expiry: a weekend with a holiday.
MOST_DAYS_TO_EXPIRY = 4


def first_of(row: Row, *names: str) -> Any:
    """Return the first of the fields that is present and not empty."""
    for name in names:
        value = row.get(name)
        if value is not None and value != "":
            return value
    return None


def parse_conid(row: Row) -> str:
    """Parse the contract id: a number in most answers, digits as text in ``/portfolio2``."""
    text = parse_identifier(first_of(row, "conid", "con_id"), "conid")
    if not (text.isascii() and text.isdigit() and text != "0"):
        raise BadRow(f"conid: {text!a} is not a contract id")
    return text


def conids_of(rows: Iterable[object]) -> list[str]:
    """Return the ids the rows name. A row without one is rejected later, when decoded."""
    conids = []
    for row in rows:
        try:
            if isinstance(row, Mapping):
                conids.append(parse_conid(row))
        except BadRow:
            continue
    return conids


class MissingTerm(BadRow):
    """The row lacks a term the contract's definition may have."""


def _described(row: Row) -> tuple[OptionSymbol | None, Decimal | None]:
    """Return the symbol and the multiplier that the bracket of a description says."""
    text = first_of(row, "contractDesc", "fullName", "description")
    matched = _BRACKET.search(text) if isinstance(text, str) and len(text) <= 255 else None
    if matched is None:
        return None, None
    multiplier = parse_decimal(matched["multiplier"], "contractDesc")
    try:
        return parse_occ(matched["symbol"]), multiplier
    except OptionSymbolError:
        return None, multiplier


def parse_kind(row: Row) -> InstrumentKind:
    text = parse_text(first_of(row, "assetClass", "secType", "sec_type"), "assetClass")
    if not text:
        raise MissingTerm("assetClass: missing")
    try:
        kind = KINDS[text.upper()]
    except KeyError:
        raise BadRow(f"assetClass: {text[:24]!a} is not supported") from None
    if kind in (InstrumentKind.OPTION, InstrumentKind.FUTURE_OPTION) and is_event(row):
        return InstrumentKind.EVENT
    return kind


def decode_contract(row: Row, *, needs_conid: bool = True) -> Contract:
    """Return the contract described by a position or ``/trsrv/secdef`` row.

    Statements may leave out the contract id: pass ``needs_conid=False`` for their rows.

    Raises BadRow if a term needed for valuation is missing or invalid: an option needs expiry,
    strike, right and multiplier, a future expiry and multiplier. Futures are named with a slash
    (``/ES``), as no share is. A strike is in the unit of the quotes (``priceMagnifier``). A stock's
    multiplier, sent as 0.0
    or null, is 1; its strike, sent as ``"0"``, is none.
    """
    conid = parse_conid(row) if needs_conid or first_of(row, "conid", "con_id") else ""
    kind = parse_kind(row)
    terms, described_multiplier = _described(row)
    underlying = _underlying(row)
    expiry = parse_date(first_of(row, "expiry", "lastTradingDay"), "expiry")
    right = _right(row)
    strike = _plain(in_currency(parse_decimal(row.get("strike"), "strike"), magnifier_of(row)))
    multiplier = _plain(parse_decimal(row.get("multiplier"), "multiplier"))
    if kind in _DATED:
        multiplier = multiplier or described_multiplier
        # IBKR tells the last trading day, for AM settlement the day before expiry: the OCC symbol's
        # day counts, as at other brokers.
        if kind is InstrumentKind.OPTION:
            expiry = terms.expiry if terms else _expiry_of_option(row, expiry, underlying)
    else:
        expiry, right, strike, multiplier = None, None, None, multiplier or Decimal(1)
    if kind in (InstrumentKind.OPTION, InstrumentKind.FUTURE_OPTION):
        right = right or (terms.right if terms else None)
        # An option on a future, or on the spread of two, may have a strike of zero; no other has.
        if strike is None or (strike == 0 and kind is InstrumentKind.OPTION):
            strike = terms.strike if terms else None
        if right is None or strike is None:
            raise MissingTerm(f"{'putOrCall' if right is None else 'strike'}: missing")
        # Oil has had strikes below zero.
        if strike <= 0 and kind is InstrumentKind.OPTION:
            raise BadRow(f"strike: {strike} is not above zero")
    elif kind is InstrumentKind.FUTURE:
        right, strike = None, None
    if kind in _DATED and expiry is None:
        raise MissingTerm("expiry: missing")
    if not multiplier:
        raise MissingTerm("multiplier: missing")
    if multiplier < 0:
        raise BadRow(f"multiplier: {multiplier} is not above zero")
    currency = parse_text(row.get("currency"), "currency", maximum=8)
    if not currency:
        raise MissingTerm("currency: missing")
    exchange = parse_text(row.get("listingExchange"), "listingExchange", maximum=32)
    if kind is InstrumentKind.STOCK and currency == "USD" and exchange.upper() in _ABROAD:
        underlying = f"{underlying}@{exchange.upper()}"
    root = terms.root if terms else underlying
    if kind in (InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION):
        root = exchange_code(underlying.removeprefix("/"), multiplier, currency)
        underlying = f"/{root}"
    if kind is InstrumentKind.OPTION and currency == "USD":
        root = root if terms else _trading_class(row) or root
        underlying = listed_name(underlying)
    if kind in (InstrumentKind.FUTURE_OPTION, InstrumentKind.EVENT):
        root = _trading_class(row) or underlying.removeprefix("/")
    return Contract(
        kind=kind,
        symbol=display_symbol(kind, currency, underlying, root, expiry, strike, right),
        underlying=underlying,
        multiplier=multiplier,
        currency=currency,
        root=root if kind in _DATED else "",
        expiry=expiry,
        strike=strike,
        right=right,
        underlying_key=str(row.get(UNDERLYING_KEY) or ""),
        exchange=exchange,
        description=parse_text(first_of(row, "name", "companyName", "company_name"), "name"),
        aliases={SOURCE: conid} if conid else {},
    )


def needs_definition(row: Row) -> bool:
    """Return whether the row lacks terms, so the contract's definition is needed.

    Also true for an option whose description lacks the bracket: its OCC root is only there; and for
    an option on a future without its trading class. False for a row with an invalid value: it is
    rejected, not repaired.
    """
    try:
        contract = decode_contract(row)
    except MissingTerm:
        return True
    except BadRow:
        return False
    if contract.kind is InstrumentKind.FUTURE_OPTION:
        return not _trading_class(row)
    return contract.kind is InstrumentKind.OPTION and _described(row)[0] is None


def _underlying(row: Row) -> str:
    text = parse_text(first_of(row, "ticker", "symbol", "description1"), "ticker")
    if not text:
        described = first_of(row, "contractDesc", "description", "fullName")
        text = parse_text(described, "contractDesc").split("  ")[0].split(" [")[0]
        # "SPY JAN2026 600 C": the name ends where the terms begin.
        text = re.split(r"\s+[A-Z]{3}'?\d{2,4}\b", text, maxsplit=1, flags=re.ASCII)[0]
    if not text:
        raise MissingTerm("contractDesc: missing")
    # IBKR writes share classes with a space; the desk and the exchanges use a slash.
    text = text.replace(" ", "/")
    if len(text) > 32:
        raise BadRow(f"ticker: {len(text)} characters, at most 32 are possible")
    return text


def _trading_class(row: Row) -> str:
    """Return the trading class, by which weekly and quarterly options of one expiry differ.

    It comes from the row, or from the local symbol in a description's bracket,
    ``[EW3Z6 P5500 50]``.
    """
    text = parse_text(row.get("tradingClass"), "tradingClass", maximum=32)
    if not text:
        described = first_of(row, "contractDesc", "fullName", "description")
        matched = _FUTURE_OPTION.search(described) if isinstance(described, str) else None
        text = matched["root"] if matched else ""
    return text


def _expiry_of_option(row: Row, day: date | None, underlying: str) -> date | None:
    """Return the expiry of an option without an OCC symbol; ``day`` is its last trading day."""
    real = parse_date(row.get(REAL_EXPIRY), REAL_EXPIRY)
    if day is None or (real is not None and 0 <= (real - day).days <= MOST_DAYS_TO_EXPIRY):
        return real or day
    return expiry_after(
        day,
        trading_class=_trading_class(row),
        underlying=underlying,
        currency=parse_text(row.get("currency"), "currency", maximum=8),
    )


def _plain(number: Decimal | None) -> Decimal | None:
    """100.0 → 100: the same term in any number format."""
    if number is None:
        return None
    whole = number.to_integral_value()
    return whole if whole == number else number.normalize()


def _right(row: Row) -> Right | None:
    text = parse_text(first_of(row, "putOrCall", "right"), "putOrCall").upper()
    if text in ("", "0"):
        return None
    try:
        return _RIGHTS[text]
    except KeyError:
        raise BadRow(f"putOrCall: {text[:16]!a} is neither call nor put") from None

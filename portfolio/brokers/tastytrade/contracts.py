"""Tastytrade's instruments as our contracts, and our contracts as Tastytrade's symbols.

Symbols: equities by ticker (``BRK/B``), equity options by OCC symbol (``BRK/B 260117C00600000``),
futures ``/ESZ5``, future options ``./ESZ5 EW4U5 250927P5975`` (``./MNQZ5D4AU5 250922C24575`` where
the future's code fills the width), cryptocurrencies ``BTC/USD``.
Everything Tastytrade trades is in US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from config.core.errors import MalformedResponse
from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.future_terms import product_of
from greeks.instruments.identity import instrument_key
from greeks.instruments.occ import OptionSymbolError, listed_name, parse_occ
from greeks.instruments.price_units import (
    HUNDRED,
    ONE,
    hundredths_per_unit,
    is_quoted_in_hundredths,
)
from greeks.providers.decoding import BadRow, Row, parse_decimal, parse_text, parse_time
from portfolio.brokers.tastytrade.deliverables import NO_DELIVERABLES, Deliverables
from portfolio.brokers.tastytrade.future_symbols import (
    FUTURE,
    FUTURE_OPTION,
    Futures,
    FutureTerms,
    future_and_root,
    instant_near,
    new_york_date,
    parse_expires_at,
)
from portfolio.brokers.units import in_currency
from portfolio.domain import Side

#: The key of Tastytrade's own symbol in ``Contract.aliases``, and the source of its numbers.
SOURCE: Final = "tastytrade"
CURRENCY: Final = "USD"
#: Shares of a standard equity option. Adjusted contracts keep it: their deliverable changes.
SHARES_PER_CONTRACT: Final = Decimal(100)

KINDS: Final[Mapping[str, InstrumentKind]] = {
    "Equity": InstrumentKind.STOCK,
    "Index": InstrumentKind.INDEX,
    "Equity Option": InstrumentKind.OPTION,
    "Future": InstrumentKind.FUTURE,
    "Future Option": InstrumentKind.FUTURE_OPTION,
    "Cryptocurrency": InstrumentKind.CURRENCY,
    "Event Contract": InstrumentKind.EVENT,
}
#: The parameter of /market-data/by-type for each kind.
MARKET_DATA_PARAMETERS: Final[Mapping[InstrumentKind, str]] = {
    InstrumentKind.STOCK: "equity",
    InstrumentKind.INDEX: "index",
    InstrumentKind.OPTION: "equity-option",
    InstrumentKind.FUTURE: "future",
    InstrumentKind.FUTURE_OPTION: "future-option",
    InstrumentKind.CURRENCY: "cryptocurrency",
}
#: Action → side and position effect. Futures trade without an effect.
ACTIONS: Final[Mapping[str, tuple[Side, str]]] = {
    "Buy to Open": (Side.BUY, "OPEN"),
    "Buy to Close": (Side.BUY, "CLOSE"),
    "Sell to Open": (Side.SELL, "OPEN"),
    "Sell to Close": (Side.SELL, "CLOSE"),
    "Buy": (Side.BUY, ""),
    "Sell": (Side.SELL, ""),
}


def parse_action(value: object) -> tuple[Side, str]:
    """Return side and position effect (``OPEN``, ``CLOSE`` or empty). Raises BadRow for another
    word."""
    text = parse_text(value, "action", required=True)
    try:
        return ACTIONS[text]
    except KeyError:
        raise BadRow(f"action: {text[:40]!r} is not one that is known") from None


def parse_signed(row: Row, field: str, *, required: bool = False) -> Decimal | None:
    """Return an amount with the sign of its ``-effect``: Credit positive, Debit negative.

    Without an effect (or with ``None``) the amount keeps the sign it was sent with.
    """
    sent = row.get(field)
    if sent is None and not required:
        # Most amounts of most rows: a file asks for ten a row.
        return None
    amount = parse_decimal(sent, field, required=required)
    told = None if amount is None else row.get(f"{field}-effect")
    if amount is None or told is None:
        return amount
    effect = parse_text(told, f"{field}-effect")
    if effect in ("", "None"):
        return amount
    if effect not in ("Debit", "Credit"):
        raise BadRow(f"{field}-effect: {effect[:40]!r} is neither Debit nor Credit")
    return -abs(amount) if effect == "Debit" else abs(amount)


def check_account(row: Row, account_number: str) -> None:
    """Raise BadRow if the row belongs to another account than the one requested."""
    named = parse_text(row.get("account-number"), "account-number")
    if named and named != account_number:
        raise BadRow(f"account-number: {named[:24]!r} is not the requested account")


def items_of(answer: object, what: str) -> list[object]:
    """Return the rows of an answer, inside the ``data`` envelope or bare.

    Raises MalformedResponse if they are absent: an empty list is an answer, no list is not.
    """
    inner = answer.get("data", answer) if isinstance(answer, Mapping) else None
    items = inner.get("items") if isinstance(inner, Mapping) else None
    if not isinstance(items, list):
        raise MalformedResponse(f"{what}: the answer has no list of items", provider=SOURCE)
    return items


def decode_contract(
    row: Row, futures: Futures | None = None, deliverables: Deliverables = NO_DELIVERABLES
) -> Contract:
    """Decode the contract of a position, order leg or transaction.

    ``futures`` are terms by symbol, needed if the row has no ``multiplier`` (legs, transactions),
    ``deliverables`` go by root. Raises BadRow for what cannot be held or identified.
    """
    symbol = parse_text(row.get("symbol"), "symbol", required=True, maximum=64)
    type_name = parse_text(row.get("instrument-type"), "instrument-type", required=True)
    kind = KINDS.get(type_name)
    if kind is None:
        raise BadRow(f"instrument-type: {type_name[:40]!r} is not a kind the desk holds")
    named = parse_text(row.get("underlying-symbol"), "underlying-symbol", maximum=32)
    multiplier = parse_decimal(row.get("multiplier"), "multiplier")
    if multiplier is not None and multiplier <= 0:
        raise BadRow(f"multiplier: {multiplier} is not positive")
    match kind:
        case InstrumentKind.OPTION:
            return _option(symbol, named, multiplier, deliverables)
        case InstrumentKind.FUTURE:
            return _future(symbol, multiplier, parse_expires_at(row), futures or {})
        case InstrumentKind.FUTURE_OPTION:
            return _future_option(symbol, named, multiplier, row, futures or {})
        case InstrumentKind.EVENT:
            return _event(symbol, named, multiplier, parse_expires_at(row))
    return Contract(
        kind=kind,
        symbol=_checked_length(symbol),
        underlying=named or symbol,
        multiplier=multiplier or Decimal(1),
        currency=CURRENCY,
        aliases={SOURCE: symbol},
    )


def _checked_length(symbol: str) -> str:
    if len(symbol) > 32:
        raise BadRow(f"symbol: {len(symbol)} characters, at most 32 are possible")
    return symbol


def _size(multiplier: Decimal | None, terms: FutureTerms | None, symbol: str) -> Decimal:
    """Return the multiplier of the row, else that of the future's terms."""
    size = multiplier or (terms.multiplier if terms else None)
    if size is None:
        raise BadRow(f"multiplier: unknown for {symbol}")
    return size


def _option(
    symbol: str, underlying: str, multiplier: Decimal | None, deliverables: Deliverables
) -> Contract:
    try:
        option = parse_occ(symbol)
    except OptionSymbolError as error:
        raise BadRow(f"symbol: {error}") from None
    standard = option.standard
    return Contract(
        kind=InstrumentKind.OPTION,
        symbol=standard.occ,
        underlying=listed_name(underlying or option.root),
        root=standard.root,
        expiry=option.expiry,
        strike=option.strike,
        right=option.right,
        multiplier=multiplier or SHARES_PER_CONTRACT,
        currency=CURRENCY,
        deliverable=deliverables.get(option.root),
        aliases={SOURCE: symbol},
    )


def _future(
    symbol: str, multiplier: Decimal | None, expires_at: datetime | None, futures: Futures
) -> Contract:
    matched = FUTURE.fullmatch(symbol)
    if matched is None:
        raise BadRow(f"symbol: {symbol[:32]!r} is not a future's")
    terms = futures.get(symbol)
    size = _size(multiplier, terms, symbol)
    expires_at = expires_at or (terms.expires_at if terms else None)
    expiry = terms.expiry if terms else None
    root = matched["root"]
    if expiry is not None:
        expires_at = instant_near(expires_at, expiry)
    elif expires_at is not None:
        expiry = new_york_date(expires_at)
    return Contract(
        kind=InstrumentKind.FUTURE,
        symbol=symbol,
        underlying=f"/{root}",
        root=f"/{root}",
        expiry=expiry,
        expires_at=expires_at,
        multiplier=size * hundredths_per_unit(root, size),
        currency=CURRENCY,
        aliases={SOURCE: symbol},
    )


def _event(
    symbol: str, named: str, multiplier: Decimal | None, expires_at: datetime | None
) -> Contract:
    size = _size(multiplier, None, symbol)
    return Contract(
        kind=InstrumentKind.EVENT,
        symbol=symbol,
        underlying=named or _checked_length(symbol),
        root=_checked_length(symbol),
        expiry=None if expires_at is None else new_york_date(expires_at),
        expires_at=expires_at,
        multiplier=size,
        currency=CURRENCY,
        aliases={SOURCE: symbol},
    )


def _future_option(
    symbol: str,
    named: str,
    multiplier: Decimal | None,
    row: Row,
    futures: Futures,
) -> Contract:
    matched = FUTURE_OPTION.fullmatch(symbol)
    names = future_and_root(matched["names"], named) if matched is not None else None
    if matched is None or names is None:
        raise BadRow(f"symbol: {symbol[:40]!r} is not a future option's")
    underlying, root = names
    terms = futures.get(underlying)
    size = _size(multiplier, terms, symbol)
    try:
        expiry = date(2000 + int(matched["year"]), int(matched["month"]), int(matched["day"]))
    except ValueError:
        raise BadRow(f"symbol: {symbol[:40]!r} has no such expiry date") from None
    strike = parse_decimal(matched["strike"], "strike", required=True)
    unit = hundredths_per_unit(product_of(underlying), size)
    return Contract(
        kind=InstrumentKind.FUTURE_OPTION,
        symbol=symbol,
        underlying=underlying,
        root=root,
        expiry=expiry,
        expires_at=instant_near(parse_time(row.get("expires-at"), "expires-at"), expiry),
        strike=in_currency(strike, unit),
        right=Right(matched["right"]),
        multiplier=size * unit,
        currency=CURRENCY,
        underlying_key=_key_of_future(underlying, futures),
        aliases={SOURCE: symbol},
    )


def unit_of(contract: Contract) -> Decimal:
    """Return how many units of the vendor's prices of a contract make one dollar: 1, or 100."""
    if contract.kind is InstrumentKind.FUTURE:
        product = contract.root.removeprefix("/")
    elif contract.kind is InstrumentKind.FUTURE_OPTION:
        product = product_of(contract.underlying) or contract.underlying.removeprefix("/")
    else:
        return ONE
    return HUNDRED if is_quoted_in_hundredths(product, contract.multiplier) else ONE


def _key_of_future(symbol: str, futures: Futures) -> str:
    """Return the identity of the future an option delivers; empty if its terms are unknown."""
    terms = futures.get(symbol)
    if terms is None or (terms.expiry is None and terms.expires_at is None):
        return ""
    return instrument_key(_future(symbol, terms.multiplier, terms.expires_at, futures))

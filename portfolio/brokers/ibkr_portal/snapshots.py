"""IBKR Client Portal's market data: rows of texts under numbered fields, polled till complete."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from greeks.domain import Contract, Greeks, Quote, Snapshot
from greeks.instruments.fractions import price_of_fractions
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_decimal,
    parse_float,
    parse_integer,
    parse_milliseconds,
    rows_of,
)
from greeks.providers.possible import read_greeks
from portfolio.brokers.ibkr_portal.account import PROVIDER
from portfolio.brokers.ibkr_portal.contracts import SOURCE, parse_conid
from portfolio.brokers.ibkr_portal.gateway import PortalGateway
from portfolio.brokers.ibkr_portal.session import BROKERAGE

LAST = "31"
BID = "84"
ASK = "86"
#: The last price's distance from the previous day's close.
CHANGE = "82"
VOLUME = "87"
AVAILABILITY = "6509"
OPEN = "7295"
#: For the strike itself, in percent. Field 7283 is the underlying's volatility and not requested.
IMPLIED_VOLATILITY = "7633"
MARK = "7635"
OPEN_INTEREST = "7638"
PREVIOUS_CLOSE = "7741"
DELTA, GAMMA, THETA, VEGA = "7308", "7309", "7310", "7311"

PRICES = (LAST, BID, ASK, MARK)
#: Fields worth waiting for, in the order they are reported missing.
AWAITED = PRICE, GREEKS = "price", "greeks"
FIELDS = (
    *PRICES,
    CHANGE,
    VOLUME,
    OPEN,
    PREVIOUS_CLOSE,
    OPEN_INTEREST,
    DELTA,
    GAMMA,
    THETA,
    VEGA,
    IMPLIED_VOLATILITY,
    AVAILABILITY,
)
# How long not to wait again for data a full poll did not bring: otherwise an option IBKR has no
# Greeks for would delay every sync.
IN_VAIN_SECONDS = 300
# The first answer is a preflight: after it alone, nothing was really waited for.
_FEWEST_ANSWERS = 2
_PREFIXED = re.compile(r"(?P<prefix>[CH])?\s*(?P<number>[-+]?[\d.,']+)", re.ASCII)
_SCALED = re.compile(r"(?P<number>[\d.,]+)\s*(?P<unit>[KMB])?", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "K": 1_000, "M": 1_000_000, "B": 1_000_000_000}


def lacks(row: Row, contract: Contract) -> str | None:
    """Return which of ``AWAITED`` the row lacks: a price or, for an option, its Greeks.

    The first answer after subscribing is a preflight with little more than the conid. A contract
    without market-data permission (availability N) never gets more.
    """
    availability = row.get(AVAILABILITY)
    if isinstance(availability, str) and availability.startswith("N"):
        return None
    if not any(row.get(field) not in (None, "") for field in PRICES):
        return PRICE
    if contract.is_option and row.get(DELTA) in (None, ""):
        return GREEKS
    return None


def poll_snapshots(
    gateway: PortalGateway, contracts: Mapping[str, Contract], *, seconds: float
) -> list[Any]:
    """Return the contracts' rows by conid, asking until each is complete or time is up.

    Later answers fill earlier ones. Data that never came is remembered for all processes
    (``IN_VAIN_SECONDS``): used if it comes, but not waited for.
    """
    params = {"conids": ",".join(contracts), "fields": ",".join(FIELDS)}
    memory = gateway.memory
    in_vain = memory.known(f"{field}/{conid}" for conid in contracts for field in AWAITED)
    deadline = time.monotonic() + seconds
    pause = 0.1
    answers = 0
    merged: dict[str, dict[str, Any]] = {}
    while True:
        answer = gateway.get("/iserver/marketdata/snapshot", needs=(BROKERAGE,), params=params)
        answers += 1
        strange: list[Any] = []
        for row in rows_of(answer, provider=PROVIDER, what="snapshot"):
            try:
                if not isinstance(row, Mapping):
                    raise BadRow("not an object")
                merged.setdefault(parse_conid(row), {}).update(row)
            except BadRow:
                strange.append(row)
        lacking = {
            f"{field}/{conid}"
            for conid, contract in contracts.items()
            if (field := lacks(merged.get(conid, {}), contract)) is not None
        }
        if lacking <= in_vain:
            break
        if time.monotonic() + pause > deadline:
            if answers >= _FEWEST_ANSWERS:
                memory.note_all(lacking - in_vain, seconds=IN_VAIN_SECONDS)
            break
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
    return [*merged.values(), *strange]


def decode_snapshot(
    row: Row, contracts: Mapping[str, Contract], *, received_at: datetime
) -> Snapshot | None:
    """Decode a row of ``/iserver/marketdata/snapshot``; None without price or Greeks.

    Implied volatility is sent in percent and becomes a fraction; theta is per day and vega per
    point, as the desk stores them. A last price marked ``C`` is the previous day's close, one
    marked ``H`` the price at a halt.
    """
    contract = contracts.get(parse_conid(row))
    if contract is None:
        raise BadRow("conid: not among the contracts asked for")
    as_of = parse_milliseconds(row.get("_updated"), "_updated") or received_at
    quote = _quote(row, contract, as_of)
    faults: list[str] = []
    greeks = _greeks(row, as_of, faults) if contract.is_option else None
    if quote is None and greeks is None:
        return None
    return Snapshot(contract=contract, quote=quote, greeks=greeks, faults=tuple(faults))


def _quote(row: Row, contract: Contract, as_of: datetime) -> Quote | None:
    last, prefix = _prefixed(row.get(LAST), LAST, contract)
    prices = {
        "bid": _price(row, BID, contract),
        "ask": _price(row, ASK, contract),
        "last": _possible(last, contract),
        "mark": _price(row, MARK, contract),
    }
    previous_close = _previous_close(row, contract, last=prices["last"], prefix=prefix)
    if all(price is None for price in prices.values()) and previous_close is None:
        return None
    return Quote(
        contract=contract,
        source=SOURCE,
        as_of=as_of,
        opening_price=_price(row, OPEN, contract),
        previous_close=previous_close,
        volume=_count(row.get(VOLUME), VOLUME),
        open_interest=_count(row.get(OPEN_INTEREST), OPEN_INTEREST),
        **prices,
    )


def _previous_close(
    row: Row, contract: Contract, *, last: Decimal | None, prefix: str
) -> Decimal | None:
    """Return the field itself, else the close implied by last price and change."""
    close = _price(row, PREVIOUS_CLOSE, contract)
    if close is not None or last is None:
        return close
    if prefix == "C":
        return last
    change = parse_decimal(row.get(CHANGE), CHANGE)
    return None if change is None else _possible(last - change, contract)


def _greeks(row: Row, as_of: datetime, faults: list[str]) -> Greeks | None:
    sent = {
        "delta": row.get(DELTA),
        "gamma": row.get(GAMMA),
        "theta": row.get(THETA),
        "vega": row.get(VEGA),
        "implied_volatility": _fraction(row.get(IMPLIED_VOLATILITY)),
    }
    return read_greeks(sent, source=SOURCE, as_of=as_of, faults=faults)


def _prefixed(value: object, field: str, contract: Contract) -> tuple[Decimal | None, str]:
    """Split ``C123.4`` into (123.4, "C"); a Treasury's price may be in 32nds: ``110'165``."""
    prefix = ""
    if isinstance(value, str) and (matched := _PREFIXED.fullmatch(value.strip())):
        value, prefix = matched["number"], matched["prefix"] or ""
        if "'" in value:
            value = price_of_fractions(value, contract) or value
    return parse_decimal(value, field), prefix


def _price(row: Row, field: str, contract: Contract) -> Decimal | None:
    price, _ = _prefixed(row.get(field), field, contract)
    return _possible(price, contract)


def _possible(price: Decimal | None, contract: Contract) -> Decimal | None:
    """Return a price the contract can have; the vendor's −1 for "no bid" means none."""
    if price is None or price >= 0:
        return price
    return price if contract.may_be_negative and price != -1 else None


def _count(value: Any, field: str) -> int | None:
    """Parse a whole number, also as ``"1.2K"``, ``"3.4M"``."""
    if isinstance(value, str) and (matched := _SCALED.fullmatch(value.strip())):
        number = parse_decimal(matched["number"], field)
        if number is None:
            return None
        value = (number * _UNITS[(matched["unit"] or "").upper()]).to_integral_value()
    count = parse_integer(value, field)
    return None if count is None or count < 0 else count


def _fraction(value: object) -> object:
    """Return 0.253 for ``"25.3%"`` or ``"25.3"``; what is no number is returned as it is."""
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    try:
        number = parse_float(value, IMPLIED_VOLATILITY)
    except BadRow:
        return value
    return None if number is None else number / 100

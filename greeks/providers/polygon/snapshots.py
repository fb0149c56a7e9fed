"""Decoders of Polygon.io's answers: option snapshots and daily closes.

Units as sent are ours: implied volatility is a fraction, delta and gamma per 1 of the underlying,
theta per calendar day, vega per percentage point. Open interest is the previous day's. The
underlying's level is ``price`` for stocks and ``value`` for indices. Times are in nanoseconds, for
daily bars in milliseconds. A test checks this against recorded answers. A cell that cannot be read
is missing; the row stays if it names an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from greeks.domain import Contract, DailyClose, Greeks, Quote, Snapshot
from greeks.providers.chain_columns import cell
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_decimal,
    parse_float,
    parse_integer,
    parse_milliseconds,
    parse_nanoseconds,
)
from greeks.providers.polygon.chains import ticker_of
from greeks.providers.polygon.tickers import SOURCE
from greeks.providers.possible import possible_quote, read_greeks

_NEW_YORK = ZoneInfo("America/New_York")


def decode_snapshot(row: Row, *, contracts: Mapping[str, Contract]) -> Snapshot:
    """Return one option of a chain. ``contracts`` are those asked for, by the vendor's ticker."""
    ticker = ticker_of(row)
    contract = contracts.get(ticker or "")
    if contract is None:
        raise BadRow("details.ticker: not a requested option's ticker")
    quote, faults = _quote(row, contract), list[str]()
    greeks = _greeks(row, faults)
    return Snapshot(
        contract=contract,
        quote=quote and possible_quote(quote),
        greeks=greeks,
        faults=tuple(faults),
    )


def _quote(row: Row, contract: Contract) -> Quote | None:
    day, quoted, traded = _section(row, "day"), _section(row, "last_quote"), _trade(row)
    last = cell(parse_decimal, traded.get("price"))
    if last is None:
        last = cell(parse_decimal, day.get("close"))
    bid = cell(parse_decimal, quoted.get("bid"))
    ask = cell(parse_decimal, quoted.get("ask"))
    as_of = (
        cell(parse_nanoseconds, quoted.get("last_updated"))
        or cell(parse_nanoseconds, traded.get("sip_timestamp"))
        or cell(parse_nanoseconds, day.get("last_updated"))
    )
    interest = cell(parse_integer, row.get("open_interest"))
    if as_of is None or (bid is None and ask is None and last is None):
        return None
    return Quote(
        contract=contract,
        source=SOURCE,
        as_of=as_of,
        bid=bid,
        ask=ask,
        last=last,
        opening_price=cell(parse_decimal, day.get("open")),
        previous_close=cell(parse_decimal, day.get("previous_close")),
        volume=cell(parse_integer, day.get("volume")),
        open_interest=interest,
    )


def _greeks(row: Row, faults: list[str]) -> Greeks | None:
    """Return the row's Greeks, as old as the underlying price they were computed from.

    ``None`` if the vendor has none (deep in the money), or gives no age.
    """
    greeks, asset = _section(row, "greeks"), _section(row, "underlying_asset")
    sent = {name: greeks.get(name) for name in ("delta", "gamma", "theta", "vega")}
    as_of = (
        cell(parse_nanoseconds, asset.get("last_updated"))
        or cell(parse_nanoseconds, _section(row, "last_quote").get("last_updated"))
        or cell(parse_nanoseconds, _trade(row).get("sip_timestamp"))
        or cell(parse_nanoseconds, _section(row, "day").get("last_updated"))
    )
    if as_of is None:
        return None
    price = cell(parse_float, asset.get("price"))
    if price is None:
        price = cell(parse_float, asset.get("value"))
    sent |= {"implied_volatility": row.get("implied_volatility"), "underlying_price": price or None}
    return read_greeks(sent, source=SOURCE, as_of=as_of, faults=faults)


def decode_daily_close(row: Row, *, symbol: str) -> DailyClose:
    """Return a bar's close, from ``/v2/aggs``, and the New York day at whose midnight it begins."""
    close = parse_decimal(row.get("c"), "c", required=True)
    begins = parse_milliseconds(row.get("t"), "t")
    if begins is None:
        raise BadRow("t: missing")
    if close <= 0:
        raise BadRow(f"c: {close} is not a price")
    # A few hours later, so that summer time cannot change the day.
    day = (begins + timedelta(hours=6)).astimezone(_NEW_YORK).date()
    return DailyClose(symbol=symbol, session_date=day, close=close)


def _trade(row: Row) -> Mapping[str, Any]:
    return _section(row, "last_trade")


def _section(row: Row, name: str) -> Mapping[str, Any]:
    """Return a part of the row; empty if it is missing or no object."""
    section = row.get(name)
    return section if isinstance(section, Mapping) else {}

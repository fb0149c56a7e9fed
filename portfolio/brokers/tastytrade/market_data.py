"""Decode /market-data/by-type: quotes of every kind, Greeks of options.

Units are ours already: volatility is a fraction, delta and gamma per 1 of the underlying, theta per
calendar day, vega per 1 percentage point. A test reprices a recorded answer with our own
Black-Scholes: at one spot for all strikes, rate 0 and expiry at the end of trading (16:15 in New
York for SPY), every Greek agrees to 0.01 %, theta except for the vendor's year of 365.25 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_DOWN

from greeks.domain import Contract, Greeks, Quote, Snapshot
from greeks.providers.decoding import (
    BadRow,
    Row,
    parse_decimal,
    parse_float,
    parse_integer,
    parse_text,
    parse_time,
)
from greeks.providers.possible import possible
from portfolio.brokers.tastytrade.contracts import SOURCE, unit_of
from portfolio.brokers.units import snapshot_in_currency

#: Most symbols in one request, over all kinds together.
BATCH_SIZE = 100


def decode_snapshot(
    row: Row, *, contracts: Mapping[str, Contract], fetched_at: datetime
) -> Snapshot:
    """Decode one instrument's market data. ``contracts``: those requested, by Tastytrade symbol."""
    symbol = parse_text(row.get("symbol"), "symbol", required=True, maximum=64)
    contract = contracts.get(symbol)
    if contract is None:
        raise BadRow(f"symbol: {symbol[:40]!r} was not asked for")
    as_of = parse_time(row.get("updated-at"), "updated-at") or fetched_at
    volume = parse_decimal(row.get("volume"), "volume")
    quote = Quote(
        contract=contract,
        source=SOURCE,
        as_of=as_of,
        bid=parse_decimal(row.get("bid"), "bid"),
        ask=parse_decimal(row.get("ask"), "ask"),
        last=parse_decimal(row.get("last"), "last"),
        mark=parse_decimal(row.get("mark"), "mark"),
        opening_price=parse_decimal(row.get("open"), "open"),
        previous_close=parse_decimal(row.get("prev-close"), "prev-close"),
        # Cryptocurrencies trade in fractions.
        volume=None if volume is None else int(volume.to_integral_value(ROUND_DOWN)),
        open_interest=parse_integer(row.get("open-interest"), "open-interest"),
    )
    greeks = _decode_greeks(row, as_of) if contract.is_option else None
    snapshot = Snapshot(contract=contract, quote=quote, greeks=greeks)
    return snapshot_in_currency(possible(snapshot), unit_of(contract))


def _decode_greeks(row: Row, as_of: datetime) -> Greeks | None:
    greeks = Greeks(
        source=SOURCE,
        as_of=as_of,
        delta=parse_float(row.get("delta"), "delta"),
        gamma=parse_float(row.get("gamma"), "gamma"),
        theta=parse_float(row.get("theta"), "theta"),
        vega=parse_float(row.get("vega"), "vega"),
        # The vendor sends a volatility of zero if it has none.
        implied_volatility=parse_float(row.get("volatility"), "volatility") or None,
    )
    known = (greeks.delta, greeks.gamma, greeks.theta, greeks.vega, greeks.implied_volatility)
    return None if all(value is None for value in known) else greeks

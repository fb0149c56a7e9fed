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
    parse_integer,
    parse_text,
    parse_time,
)
from greeks.providers.possible import possible_quote, read_greeks
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
    faults: list[str] = []
    greeks = _greeks(row, as_of, faults) if contract.is_option else None
    snapshot = Snapshot(
        contract=contract, quote=possible_quote(quote), greeks=greeks, faults=tuple(faults)
    )
    return snapshot_in_currency(snapshot, unit_of(contract))


def _greeks(row: Row, as_of: datetime, faults: list[str]) -> Greeks | None:
    sent = {name: row.get(name) for name in ("delta", "gamma", "theta", "vega")}
    sent["implied_volatility"] = row.get("volatility")
    return read_greeks(sent, source=SOURCE, as_of=as_of, faults=faults)

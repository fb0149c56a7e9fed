"""Cboe's file of delayed quotes for one underlying of the market.

Like the vendor's: every expiry in one list, including options that expired today (all zeros),
Greeks rounded to four places, an iv of 0 for options deep in the money, times without zone (the
stamp in UTC, trades in New York).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.market import Market
from greeks.sandbox.quotes import SimulatedQuote
from greeks.sandbox.sessions import local_date, utc

_NEW_YORK: Final = ZoneInfo("America/New_York")
_EXCHANGE: Final = "NYSE"
_DEEP_DELTA: Final = 0.995
Payload = dict[str, Any]


def quote_file(market: Market, symbol: str, *, seconds: float, stamped: float) -> Payload:
    """Return quotes as of ``seconds``, in a file made at ``stamped`` (Unix seconds)."""
    underlying = market.underlying(symbol)
    today = local_date(_EXCHANGE, seconds)
    contracts: list[Contract] = [
        contract
        for expiry in market.listed_expiries(symbol, today)
        for contract in market.chain(symbol, expiry)
    ]
    alive = frozenset(market.expiries(symbol))
    spot, *quotes = market.quotes([underlying, *contracts], seconds)
    name = f"_{symbol}" if underlying.kind is InstrumentKind.INDEX else symbol
    return {
        "timestamp": f"{utc(stamped):%Y-%m-%d %H:%M:%S}",
        "symbol": name,
        "data": _underlying(spot)
        | {"options": [_option(quote, quote.contract.expiry in alive) for quote in quotes]},
    }


def _underlying(quote: SimulatedQuote) -> Payload:
    is_index = quote.contract.kind is InstrumentKind.INDEX
    price, previous = quote.mark or quote.last or 0.0, quote.previous_close or 0.0
    return {
        "symbol": f"^{quote.contract.symbol}" if is_index else quote.contract.symbol,
        "security_type": "index" if is_index else "stock",
        "exchange_id": 0,
        "current_price": price,
        "price_change": round(price - previous, 4),
        "price_change_percent": round(100.0 * (price / previous - 1.0), 4) if previous else 0.0,
        "bid": quote.bid or 0.0,
        "ask": quote.ask or 0.0,
        "bid_size": 0,
        "ask_size": 0,
        "open": quote.opening_price or 0.0,
        "high": max(price, quote.opening_price or price),
        "low": min(price, quote.opening_price or price),
        "close": price,
        "prev_day_close": previous,
        "volume": quote.volume or 0,
        "iv30": 0.0,
        "iv30_change": 0.0,
        "iv30_change_percent": 0.0,
        "seqno": int(quote.as_of.timestamp()),
        "last_trade_time": _local(quote.as_of),
        "tick": "no_change",
    }


def _option(quote: SimulatedQuote, is_alive: bool) -> Payload:
    def greek(value: float | None) -> float:
        return round(value, 4) + 0.0 if is_alive and value is not None else 0.0

    deep = abs(quote.delta or 0.0) > _DEEP_DELTA
    last, previous = quote.last or 0.0, quote.previous_close or 0.0
    return {
        "option": quote.contract.symbol.replace(" ", ""),
        "bid": quote.bid or 0.0,
        "bid_size": 10.0,
        "ask": quote.ask or 0.0,
        "ask_size": 10.0,
        "iv": 0.0 if deep else greek(quote.implied_volatility),
        "open_interest": float(quote.open_interest or 0),
        "volume": float(quote.volume or 0),
        "delta": greek(quote.delta),
        "gamma": greek(quote.gamma),
        "theta": greek(quote.theta),
        "rho": greek(quote.rho),
        "vega": greek(quote.vega),
        "theo": quote.mark or 0.0,
        "change": round(last - previous, 4) if last else 0.0,
        "open": quote.opening_price or 0.0,
        "high": max(last, quote.opening_price or 0.0),
        "low": min(last, quote.opening_price or last),
        "tick": "no_change",
        "last_trade_price": last,
        "last_trade_time": _local(quote.as_of) if last else None,
        "percent_change": round(100.0 * (last / previous - 1.0), 4) if last and previous else 0.0,
        "prev_day_close": previous,
    }


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(_NEW_YORK):%Y-%m-%dT%H:%M:%S}"

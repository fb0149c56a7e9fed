"""Polygon.io's rows of option snapshots, listed contracts, indices and daily bars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from greeks.chains import SUMMED_GREEKS
from greeks.domain import Contract, InstrumentKind, Right
from greeks.instruments.occ import parse_occ
from greeks.instruments.products import exercise_style
from greeks.sandbox.market import Market
from greeks.sandbox.noise import one_uniform_hash
from greeks.sandbox.quotes import SimulatedQuote
from greeks.sandbox.sessions import EXCHANGES, half_days, instant, is_trading_day

NEW_YORK: Final = ZoneInfo("America/New_York")
EXCHANGE: Final = "NYSE"
#: Deeper in the money than this the vendor computes no Greeks.
_DEEP_DELTA: Final = 0.985
_LOOKS_A_DAY: Final = 9
_ONLY_IN_CHAINS: Final = ("last_updated", "vwap")
Payload = dict[str, Any]


def ticker(contract: Contract) -> str:
    if contract.is_option:
        return f"O:{parse_occ(contract.symbol).standard.compact}"
    return f"I:{contract.symbol}" if contract.kind is InstrumentKind.INDEX else contract.symbol


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6) * 1000


def option_snapshots(market: Market, contracts: Sequence[Contract]) -> list[Payload]:
    if not contracts:
        return []
    underlying = market.underlying(contracts[0].underlying)
    quotes = market.quotes([underlying, *contracts])
    session_day = market.session_open().astimezone(NEW_YORK).date()
    return [_option(quote, quotes[0], session_day) for quote in quotes[1:]]


def _option(quote: SimulatedQuote, underlying: SimulatedQuote, session_day: date) -> Payload:
    contract = quote.contract
    midpoint = _midpoint(quote)
    spot = underlying.mark if underlying.mark is not None else underlying.last
    break_even = _break_even(contract, midpoint)
    row: Payload = {
        "day": _day(quote, session_day),
        "details": _details(contract) | {"ticker": ticker(contract)},
        "greeks": _greeks(quote),
        "open_interest": quote.open_interest or 0,
        "last_quote": {
            "ask": quote.ask,
            "ask_size": 0 if quote.ask is None else 10 + (quote.volume or 0) % 90,
            "bid": quote.bid,
            "bid_size": 0 if quote.bid is None else 10 + (quote.open_interest or 0) % 90,
            "last_updated": nanoseconds(quote.as_of),
            "midpoint": midpoint,
            "timeframe": "REAL-TIME",
        },
        "underlying_asset": {
            "change_to_break_even": _difference(break_even, spot),
            "last_updated": nanoseconds(underlying.as_of),
            "value" if underlying.contract.kind is InstrumentKind.INDEX else "price": spot,
            "ticker": ticker(underlying.contract),
            "timeframe": "REAL-TIME",
        },
    }
    if break_even is not None:
        row["break_even_price"] = break_even
    if quote.mark is not None:
        row["fmv"] = quote.mark
    if row["greeks"]:
        row["implied_volatility"] = quote.implied_volatility
    if quote.last is not None:
        row["last_trade"] = {
            "price": quote.last,
            "sip_timestamp": nanoseconds(quote.as_of),
            "size": 1 + (quote.volume or 0) % 9,
            "conditions": [209],
            "exchange": 309,
            "timeframe": "REAL-TIME",
        }
    return row


def _details(contract: Contract) -> Payload:
    strike = float(contract.strike or 0)
    return {
        "contract_type": "call" if contract.right is Right.CALL else "put",
        "exercise_style": exercise_style(contract),
        "expiration_date": contract.expiry.isoformat() if contract.expiry else None,
        "shares_per_contract": int(contract.multiplier),
        "strike_price": int(strike) if strike.is_integer() else strike,
    }


def _greeks(quote: SimulatedQuote) -> Payload:
    if quote.delta is None or quote.implied_volatility is None or abs(quote.delta) > _DEEP_DELTA:
        return {}
    return {name: getattr(quote, name) for name in SUMMED_GREEKS}


def _day(quote: SimulatedQuote, session_day: date) -> Payload:
    """Return the day's bar; almost empty without a trade, like the vendor's."""
    begins = datetime.combine(session_day, time(), tzinfo=NEW_YORK)
    bar: Payload = {"last_updated": nanoseconds(begins)}
    if quote.previous_close is not None:
        bar["previous_close"] = quote.previous_close
    if quote.last is None:
        return bar
    seen = [price for price in (quote.opening_price, quote.last) if price is not None]
    change = _difference(quote.last, quote.previous_close)
    return bar | {
        "change": change,
        "change_percent": _percent(change, quote.previous_close),
        "close": quote.last,
        "high": max(seen),
        "low": min(seen),
        "open": quote.opening_price,
        "volume": quote.volume or 0,
        "vwap": sum(seen) / len(seen),
    }


def _midpoint(quote: SimulatedQuote) -> float | None:
    if quote.bid is None or quote.ask is None:
        return None
    return round((quote.bid + quote.ask) / 2, 4)


def _break_even(contract: Contract, midpoint: float | None) -> float | None:
    if midpoint is None or contract.strike is None:
        return None
    sign = 1 if contract.right is Right.CALL else -1
    return round(float(contract.strike) + sign * midpoint, 4)


def _difference(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right


def _percent(change: float | None, previous: float | None) -> float | None:
    return 100 * change / previous if change is not None and previous else None


def universal_snapshots(market: Market, contracts: Sequence[Contract]) -> list[Payload]:
    """Return rows of /v3/snapshot: options on any underlyings, in the order of the contracts."""
    by_underlying: dict[str, list[Contract]] = {}
    for contract in contracts:
        by_underlying.setdefault(contract.underlying, []).append(contract)
    rows: dict[str, Payload] = {}
    for listed in by_underlying.values():
        for contract, row in zip(listed, option_snapshots(market, listed), strict=True):
            rows[contract.symbol] = _universal(market, contract, row)
    return [rows[contract.symbol] for contract in contracts]


def _universal(market: Market, contract: Contract, row: Payload) -> Payload:
    """Return the chain's row under the universal snapshot's names."""
    day = {name: value for name, value in row["day"].items() if name not in _ONLY_IN_CHAINS}
    outside = {
        f"{when}_trading_change{unit}": 0.0
        for when in ("early", "late")
        for unit in ("", "_percent")
    }
    return {name: value for name, value in row.items() if name != "day"} | {
        "details": _details(contract) | {"underlying_ticker": contract.underlying},
        "market_status": "open" if market.is_open(EXCHANGE) else "closed",
        "name": f"{contract.underlying} ${contract.strike} {contract.right.name.title()}"
        if contract.right
        else contract.symbol,
        "session": day | outside,
        "ticker": ticker(contract),
        "type": "options",
    }


def listed_contract(contract: Contract) -> Payload:
    """Return one row of /v3/reference/options/contracts."""
    return _details(contract) | {
        "cfi": "OC" if contract.right is Right.CALL else "OP" + "ASPS",
        "primary_exchange": "BATO",
        "ticker": ticker(contract),
        "underlying_ticker": contract.underlying,
    }


def index_snapshot(market: Market, contract: Contract) -> Payload:
    """Return one row of /v3/snapshot/indices."""
    quote = market.quote(contract)
    value = quote.mark if quote.mark is not None else quote.last
    change = _difference(value, quote.previous_close)
    seen = [price for price in (quote.opening_price, value) if price is not None]
    return {
        "value": value,
        "name": contract.description or contract.symbol,
        "ticker": ticker(contract),
        "type": "indices",
        "market_status": "open" if market.is_open(EXCHANGE) else "closed",
        "last_updated": nanoseconds(quote.as_of),
        "timeframe": "REAL-TIME",
        "session": {
            "change": change,
            "change_percent": _percent(change, quote.previous_close),
            "close": value,
            "high": max(seen, default=None),
            "low": min(seen, default=None),
            "open": quote.opening_price,
            "previous_close": quote.previous_close,
        },
    }


def daily_bars(market: Market, contract: Contract, start: date, end: date) -> list[Payload]:
    """Return the bars of the sessions that begin in [start, end], oldest first, up to now.

    Prices are the market's own at each session's bells: underlyings move together as they do
    during the day, and the last close before today is the market's previous close.
    """
    now = market.seconds()
    days = [day for day in _days(start, end) if is_trading_day(EXCHANGE, day)]
    days = [day for day in days if instant(EXCHANGE, day, EXCHANGES[EXCHANGE].opens) < now]
    if not days:
        return []
    hours = EXCHANGES[EXCHANGE]
    opens = np.array([instant(EXCHANGE, day, hours.opens) for day in days])
    closes = np.array([min(_close(day), now) for day in days])
    looks = opens[:, None] + (closes - opens)[:, None] * np.linspace(0.0, 1.0, _LOOKS_A_DAY)
    values = np.round(market.values([contract], looks.ravel()), 2).reshape(looks.shape)
    previous_at, previous = market.previous_close_at(EXCHANGE).timestamp(), None
    if previous_at in closes:
        previous = market.quote(contract).previous_close
    bars = []
    for day, close_at, prices in zip(days, closes.tolist(), values.tolist(), strict=True):
        if close_at == previous_at and previous is not None:
            prices[-1] = previous
        volume = 1_000_000 + int(4_000_000 * one_uniform_hash(market.seed, day.toordinal()))
        bars.append(
            {
                "v": volume,
                "vw": round(sum(prices) / len(prices), 4),
                "o": prices[0],
                "c": prices[-1],
                "h": max(prices),
                "l": min(prices),
                "t": int(datetime.combine(day, time(), tzinfo=NEW_YORK).timestamp() * 1000),
                "n": volume // 120,
            }
        )
    return bars


def _close(day: date) -> float:
    hours = EXCHANGES[EXCHANGE]
    early = hours.closes_early if day in half_days(EXCHANGE) else None
    return instant(EXCHANGE, day, early or hours.closes)


def _days(start: date, end: date) -> list[date]:
    return [start + timedelta(days=number) for number in range((end - start).days + 1)]

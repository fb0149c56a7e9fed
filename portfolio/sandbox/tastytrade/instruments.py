"""Tastytrade's instruments, chains and market data, from the simulated market."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from greeks.domain import Contract, InstrumentKind
from greeks.instruments.occ import parse_occ
from greeks.sandbox.lines import LINES
from greeks.sandbox.market import Market
from greeks.sandbox.quotes import SimulatedQuote

NEW_YORK = ZoneInfo("America/New_York")
INSTRUMENT_TYPES = {
    InstrumentKind.STOCK: "Equity",
    InstrumentKind.INDEX: "Index",
    InstrumentKind.OPTION: "Equity Option",
    InstrumentKind.FUTURE: "Future",
    InstrumentKind.FUTURE_OPTION: "Future Option",
}
#: Roots that settle to the opening print of the expiry day; futures and options on them do too.
SETTLED_IN_THE_MORNING = frozenset({"VIX", "SPX"})
Payload = dict[str, Any]
_OPTION_TICKS = [{"value": "0.01", "threshold": "3.0"}, {"value": "0.05"}]


def is_traded(contract: Contract | None) -> bool:
    """Return whether Tastytrade offers the contract: it trades in US dollars only."""
    return contract is not None and "tastytrade" in contract.aliases


def amount(value: float | Decimal) -> str:
    """Format a number as the vendor does: text with one to nine decimals."""
    number = round(Decimal(str(value)), 9)
    text = f"{number.normalize():f}" if number else "0"
    return text if "." in text else f"{text}.0"


def timestamp(moment: datetime) -> str:
    """Format a time as ``2025-06-27T23:59:39.372+00:00``, for accounts, orders, transactions."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def market_data(market: Market, contracts: Sequence[Contract]) -> list[Payload]:
    """Return rows of /market-data/by-type, in the order of the contracts."""
    days = {
        "summary-date": _day(market.session_open()),
        "prev-close-date": _day(market.previous_close_at()),
    }
    return [_market_data(quote) | days for quote in market.quotes(contracts)]


def _market_data(quote: SimulatedQuote) -> Payload:
    contract = quote.contract
    seen = [p for p in (quote.opening_price, quote.last, quote.mark) if p is not None]
    depth = (quote.open_interest or quote.volume or 0) % 90 + 1
    prices: dict[str, float | None] = {
        "bid": quote.bid,
        "bid-size": 0 if quote.bid is None else depth,
        "ask": quote.ask,
        "ask-size": 0 if quote.ask is None else 91 - depth,
        "mid": None if quote.bid is None or quote.ask is None else (quote.bid + quote.ask) / 2,
        "mark": quote.mark,
        "last": quote.last,
        "last-mkt": quote.last,
        "open": quote.opening_price,
        "day-high-price": max(seen, default=None),
        "day-low-price": min(seen, default=None),
        "close": quote.last,
        "prev-close": quote.previous_close,
        "volume": quote.volume,
    }
    if contract.is_option:
        prices |= {
            "volatility": quote.implied_volatility,
            "delta": quote.delta,
            "gamma": quote.gamma,
            "theta": quote.theta,
            "rho": quote.rho,
            "vega": quote.vega,
            "theo-price": quote.mark,
            "dx-mark": quote.mark,
        }
    row: Payload = {
        "symbol": contract.aliases.get("tastytrade", contract.symbol),
        "instrument-type": INSTRUMENT_TYPES[contract.kind],
        "updated-at": timestamp(quote.as_of).replace("+00:00", "Z"),
        "close-price-type": "Regular",
        "prev-close-price-type": "Regular",
        "is-trading-halted": False,
        "halt-start-time": -1,
        "halt-end-time": -1,
        "tick-size": "0.01",
    }
    # Unknown values are left out, as the vendor does.
    row |= {name: amount(price) for name, price in prices.items() if price is not None}
    if quote.open_interest is not None:
        row["open-interest"] = quote.open_interest
    return row


def equity(contract: Contract) -> Payload:
    """Return a row of /instruments/equities."""
    symbol, index = contract.symbol, contract.kind is InstrumentKind.INDEX
    return {
        "id": _number(symbol),
        "symbol": symbol,
        "instrument-type": "Equity",
        "cusip": f"{_number(symbol):010d}"[-9:],
        "short-description": contract.description[:30] or symbol,
        "is-index": index,
        "listed-market": "OTC" if index else "XNAS",
        "description": contract.description or symbol,
        "lendability": "Easy To Borrow",
        "borrow-rate": "0.0",
        "market-time-instrument-collection": "Equity",
        "is-closing-only": False,
        "is-options-closing-only": False,
        "active": True,
        "is-fractional-quantity-eligible": not index,
        "is-illiquid": False,
        "is-etf": symbol in ("SPY", "QQQ"),
        "streamer-symbol": symbol,
        "tick-sizes": [{"value": "0.0001", "threshold": "1.0"}, {"value": "0.01"}],
        "option-tick-sizes": _OPTION_TICKS,
    }


def equity_option(market: Market, contract: Contract) -> Payload:
    """Return a row of /instruments/equity-options."""
    symbol = parse_occ(contract.aliases["tastytrade"])
    expires_at = timestamp(expiry_instant(contract))
    morning = contract.root in SETTLED_IN_THE_MORNING
    return {
        "symbol": symbol.occ,
        "instrument-type": "Equity Option",
        "active": symbol.expiry >= _today(market),
        "strike-price": amount(symbol.strike),
        "root-symbol": symbol.root,
        "underlying-symbol": contract.underlying,
        "expiration-date": symbol.expiry.isoformat(),
        "exercise-style": "European" if morning else "American",
        "shares-per-contract": int(contract.multiplier),
        "option-type": symbol.right.value,
        "option-chain-type": "Standard",
        "expiration-type": _expiration_type(symbol.expiry),
        "settlement-type": "AM" if morning else "PM",
        "stops-trading-at": expires_at,
        "market-time-instrument-collection": "Equity Option",
        "days-to-expiration": (symbol.expiry - _today(market)).days,
        "expires-at": expires_at,
        "is-closing-only": False,
        "streamer-symbol": symbol.streamer,
    }


def nested_chain(market: Market, symbol: str) -> list[Payload]:
    """Return the items of /option-chains/{symbol}/nested: the standard root, then adjusted ones."""
    adjusted = [
        (line.root, line.shares)
        for line in LINES.values()
        if line.name == symbol and line.shares is not None and not market.recorded
    ]
    items = [_chain_of_root(market, symbol, symbol, Decimal(100))]
    return items + [_chain_of_root(market, symbol, *terms) for terms in adjusted]


def _chain_of_root(market: Market, symbol: str, root: str, shares: Decimal) -> Payload:
    standard = root == symbol
    expirations = [
        {
            "expiration-type": _expiration_type(expiry),
            "expiration-date": expiry.isoformat(),
            "days-to-expiration": (expiry - _today(market)).days,
            "settlement-type": "AM" if symbol in SETTLED_IN_THE_MORNING else "PM",
            "strikes": _strikes(market.chain(symbol, expiry)),
        }
        for expiry in (market.expiries(symbol) if standard else ())
    ]
    return {
        "underlying-symbol": symbol,
        "root-symbol": root,
        "option-chain-type": "Standard" if standard else "Non-standard",
        "shares-per-contract": 100,
        "tick-sizes": _OPTION_TICKS,
        "deliverables": [
            {
                "id": _number(symbol),
                "root-symbol": root,
                "deliverable-type": "Shares",
                "description": f"{shares} shares of {symbol}",
                "amount": amount(shares),
                "symbol": symbol,
                "instrument-type": "Equity",
                "percent": "100",
            }
        ],
        "expirations": expirations,
    }


def expiry_instant(contract: Contract) -> datetime:
    """Return the end of trading on the expiry day; the opening for morning-settled indices."""
    if contract.expiry is None:
        raise ValueError(f"{contract.symbol} does not expire")
    morning = contract.root in SETTLED_IN_THE_MORNING or contract.kind is not InstrumentKind.OPTION
    hour, minute = (9, 30) if morning else (16, 0)
    day = contract.expiry
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK)


def _number(symbol: str) -> int:
    """Return the vendor's number of an instrument, fixed per symbol."""
    return zlib.crc32(symbol.encode())


def _strikes(chain: Sequence[Contract]) -> list[Payload]:
    rows: dict[Decimal, Payload] = {}
    for contract in chain:
        symbol = parse_occ(contract.aliases["tastytrade"])
        side = "call" if symbol.right.value == "C" else "put"
        row = rows.setdefault(symbol.strike, {"strike-price": amount(symbol.strike)})
        row |= {side: symbol.occ, f"{side}-streamer-symbol": symbol.streamer}
    return [rows[strike] for strike in sorted(rows)]


def _expiration_type(expiry: date) -> str:
    """Return ``Regular`` for the month's third Friday, else ``Weekly``."""
    return "Regular" if 15 <= expiry.day <= 21 and expiry.weekday() == 4 else "Weekly"


def _today(market: Market) -> date:
    return market.now().astimezone(NEW_YORK).date()


def _day(moment: datetime) -> str:
    return moment.astimezone(NEW_YORK).date().isoformat()

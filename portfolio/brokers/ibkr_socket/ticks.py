"""Market data of the socket: ib_async's tickers as quotes and Greeks.

Greeks are the model's (tick 13, delayed 83): delta and gamma per 1 of the underlying, theta per
calendar day, vega per point of volatility, as the desk stores them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from ib_async import OptionComputation, Ticker

from config.core.clock import market_now, now
from greeks.domain import Contract, Greeks, Quote, Right, Snapshot
from greeks.providers.decoding import parse_decimal, parse_integer
from greeks.providers.possible import read_greeks
from portfolio.brokers.ibkr_portal.contracts import SOURCE

#: Market data types 3 and 4 are 15 minutes late; 2 and 4 are frozen.
_DELAYED = frozenset({3, 4})
DELAY = timedelta(minutes=15)
#: "Not computed" for vega and theta. ib_async passes it on, but makes the others None.
_NOT_COMPUTED = -2.0


def has_price(ticker: Ticker) -> bool:
    return any(
        value is not None and value == value and (value > 0 or value < -1)
        for value in (ticker.bid, ticker.ask, ticker.last)
    )


def has_greeks(ticker: Ticker) -> bool:
    return ticker.modelGreeks is not None and ticker.modelGreeks.delta is not None


def decode_ticker(ticker: Ticker, contract: Contract) -> Snapshot | None:
    """Return the ticker's values as of its last tick; ``None`` while it has none.

    Raises BadRow for an unreadable price. An impossible Greek is missing, and named in ``faults``.
    """
    as_of = _moment(ticker)
    quote = _quote(ticker, contract, as_of)
    faults: list[str] = []
    greeks = decode_greeks(ticker.modelGreeks, as_of, faults) if contract.is_option else None
    if quote is None and greeks is None:
        return None
    return Snapshot(contract=contract, quote=quote, greeks=greeks, faults=tuple(faults))


def _moment(ticker: Ticker) -> datetime:
    """Return the tick's time on the market's clock, which may stand still in a recorded market."""
    age = timedelta(0) if ticker.time is None else max(now() - ticker.time, timedelta(0))
    return market_now() - age - (DELAY if ticker.marketDataType in _DELAYED else timedelta(0))


def _quote(ticker: Ticker, contract: Contract, as_of: datetime) -> Quote | None:
    prices = {
        "bid": _price(ticker.bid, "bid", contract, size=ticker.bidSize),
        "ask": _price(ticker.ask, "ask", contract, size=ticker.askSize),
        "last": _price(ticker.last, "last", contract) or None,
        "mark": _price(ticker.markPrice, "markPrice", contract),
    }
    previous_close = _price(ticker.close, "close", contract) or None
    if all(price is None for price in prices.values()) and previous_close is None:
        return None
    return Quote(
        contract=contract,
        source=SOURCE,
        as_of=as_of,
        opening_price=_price(ticker.open, "open", contract) or None,
        previous_close=previous_close,
        volume=_count(ticker.volume, "volume"),
        open_interest=_open_interest(ticker, contract),
        **prices,
    )


def decode_greeks(
    computed: OptionComputation | None, as_of: datetime, faults: list[str]
) -> Greeks | None:
    """Return the model's Greeks; −2, NaN and unset numbers are missing.

    So are impossible ones, which are named in ``faults``.
    """
    if computed is None:
        return None
    sent: dict[str, float | None] = {
        "delta": computed.delta,
        "gamma": computed.gamma,
        "theta": computed.theta,
        "vega": computed.vega,
        "implied_volatility": computed.impliedVol,
        "underlying_price": computed.undPrice,
    }
    if computed.impliedVol == -1.0:
        # Not computed either.
        sent["implied_volatility"] = None
    if computed.undPrice is not None and computed.undPrice <= 0:
        sent["underlying_price"] = None
    known = {name: None if value == _NOT_COMPUTED else value for name, value in sent.items()}
    return read_greeks(known, source=SOURCE, as_of=as_of, faults=faults)


def _price(
    value: float | None, field: str, contract: Contract, *, size: float | None = None
) -> Decimal | None:
    """Return a price; −1 (IBKR) and NaN (ib_async) mean none.

    A future's price may be below zero, and −1 beside a size is one. For trades the caller drops 0,
    which the gateway sends for a contract that has not traded.
    """
    price = parse_decimal(value, field)
    if price is None or price >= 0:
        return price
    return price if contract.may_be_negative and (price != -1 or (size or 0) > 0) else None


def _count(value: float | None, field: str) -> int | None:
    count = parse_integer(value, field)
    return None if count is None or count < 0 else count


def _open_interest(ticker: Ticker, contract: Contract) -> int | None:
    if not contract.is_option:
        return None
    if contract.right is Right.CALL:
        return _count(ticker.callOpenInterest, "callOpenInterest")
    return _count(ticker.putOpenInterest, "putOpenInterest")

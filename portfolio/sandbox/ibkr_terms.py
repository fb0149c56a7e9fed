"""How both ways to IBKR name, date and quote a contract."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from greeks.domain import Contract, InstrumentKind
from greeks.sandbox.lines import magnifier
from greeks.sandbox.market import Market
from greeks.sandbox.quotes import SimulatedQuote
from greeks.sandbox.sessions import is_trading_day

#: Roots that settle at the opening: their last trading day is the one before expiry.
_MORNING_SETTLED = frozenset({"SPX", "VIX"})
_MONTH = re.compile(r"[FGHJKMNQUVXZ]\d{1,2}")
_PRICES = ("bid", "ask", "last", "mark", "opening_price", "previous_close")


def is_dated(contract: Contract) -> bool:
    return contract.expiry is not None


def ticker(contract: Contract) -> str:
    """Return IBKR's symbol: a future's and its options' is the product's."""
    name = contract.underlying.removeprefix("/")
    if contract.kind is InstrumentKind.FUTURE_OPTION:
        return _MONTH.sub("", name)
    return name


def local_symbol(contract: Contract) -> str:
    """Return the exchange's symbol: OCC's, ``MESZ6`` or ``MESZ6 P6650``."""
    if contract.kind is InstrumentKind.FUTURE:
        return contract.symbol.removeprefix("/")
    if contract.kind is InstrumentKind.FUTURE_OPTION and contract.right and contract.strike:
        code = contract.underlying.removeprefix("/")
        return f"{code} {contract.right.value}{contract.strike.normalize():f}"
    return contract.symbol


def trading_class(contract: Contract) -> str:
    if contract.kind in (InstrumentKind.FUTURE, InstrumentKind.FUTURE_OPTION):
        return ticker(contract)
    return contract.root if is_dated(contract) else contract.symbol


def last_trading_day(contract: Contract) -> date | None:
    """Return the day that IBKR calls expiry."""
    day = contract.expiry
    if day is not None and contract.is_option and contract.root in _MORNING_SETTLED:
        day -= timedelta(days=1)
        while not is_trading_day("NYSE", day):
            day -= timedelta(days=1)
    return day


def quoted(contract: Contract, price: float) -> float:
    """Return a price in the unit of the quotes: cents or pence for some."""
    units = magnifier(contract)
    return price if units == 1 else round(price * units, 6)


def vendor_quotes(market: Market, contracts: Sequence[Contract]) -> list[SimulatedQuote]:
    """Return quotes in the order of the contracts, in the unit that IBKR sends."""
    return [_in_units(quote) for quote in market.quotes(contracts)]


def _in_units(quote: SimulatedQuote) -> SimulatedQuote:
    if magnifier(quote.contract) == 1:
        return quote
    prices: dict[str, Any] = {
        name: None if price is None else quoted(quote.contract, price)
        for name in _PRICES
        for price in (getattr(quote, name),)
    }
    return quote._replace(**prices)

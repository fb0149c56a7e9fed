"""A share that IBKR quotes in hundredths: the London line of an American one, in pence.

Both of IBKR's servers define and quote it by its contract id. Nobody holds it, it has no options,
and it moves with the American line at a fixed rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from greeks.domain import Contract
from greeks.sandbox.market import Market
from greeks.sandbox.quotes import SimulatedQuote

SYMBOL, CONID, CURRENCY, EXCHANGE = "AAPL", "265599", "GBP", "LSE"
POUNDS_PER_DOLLAR = 0.75
MAGNIFIER = 100
_PRICES = ("bid", "ask", "last", "mark", "opening_price", "previous_close")


def magnifier(contract: Contract) -> int:
    """Return how many of the contract's price units make one of its currency."""
    return MAGNIFIER if contract.currency == CURRENCY else 1


def sessions_of(contract: Contract) -> str:
    """Return the exchange whose hours the contract keeps."""
    return "NYSE" if contract.exchange == EXCHANGE else contract.exchange


def contract_by_id(market: Market, number: str) -> Contract | None:
    if number != CONID or SYMBOL not in market.underlyings():
        return market.contract(number)
    american = market.underlying(SYMBOL)
    return replace(
        american, currency=CURRENCY, exchange=EXCHANGE, aliases={**american.aliases, "ibkr": CONID}
    )


def vendor_quotes(market: Market, contracts: Sequence[Contract]) -> list[SimulatedQuote]:
    """Return quotes in the order of the contracts, in the unit that IBKR sends."""
    traded = [
        market.underlying(SYMBOL) if magnifier(contract) > 1 else contract for contract in contracts
    ]
    return [
        _in_pence(quote, contract) if magnifier(contract) > 1 else quote
        for quote, contract in zip(market.quotes(traded), contracts, strict=True)
    ]


def _in_pence(quote: SimulatedQuote, contract: Contract) -> SimulatedQuote:
    prices: dict[str, Any] = {
        name: None if price is None else round(price * POUNDS_PER_DOLLAR * MAGNIFIER, 2)
        for name in _PRICES
        for price in (getattr(quote, name),)
    }
    return quote._replace(contract=contract, **prices)

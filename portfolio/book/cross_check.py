"""Whether a broker's own value and profit of a position can be those of our price.

The price moves between the broker's valuation and our quote. So the price that the broker's figure
implies may lie anywhere between the quote's numbers (bid, ask, last, mark, open, previous close), a
quarter beyond them, and five hundredths of the currency more. What is further away is no movement:
a unit of price, a multiplier or a quantity is wrong.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from greeks.domain import Quote
from portfolio.domain import BrokerPosition

ALLOWED_PART: Final = Decimal("0.25")
ALLOWED_MORE: Final = Decimal("0.05")


def value_conflict(position: BrokerPosition, price: Decimal | None, quote: Quote | None) -> str:
    """Return which of the broker's figures our ``price`` contradicts; empty if none.

    ``quote`` is where the price is from, if it did not come with the position.
    """
    size = position.quantity * position.contract.multiplier
    if price is None or not size:
        return ""
    value, profit, cost = position.market_value, position.unrealized_pnl, position.average_price
    if value is not None and not _explains(price, quote, value / size):
        return f"the broker's value is {_text(value)}, ours {_text(price * size)}"
    if profit is None or cost is None or _explains(price, quote, cost + profit / size):
        return ""
    ours = (price - cost) * size
    return f"the broker's unrealized P&L is {_text(profit)}, ours {_text(ours)}"


def _explains(price: Decimal, quote: Quote | None, implied: Decimal) -> bool:
    known = [price]
    if quote is not None:
        known += [
            each
            for each in (
                quote.bid, quote.ask, quote.last, quote.mark, quote.opening_price,
                quote.previous_close,
            )
            if each is not None
        ]  # fmt: skip
    low, high = min(known), max(known)
    return (
        low - abs(low) * ALLOWED_PART - ALLOWED_MORE
        <= implied
        <= high + abs(high) * ALLOWED_PART + ALLOWED_MORE
    )


def _text(amount: Decimal) -> str:
    return f"{amount:,.0f}" if abs(amount) >= 100 else f"{amount:,.2f}"

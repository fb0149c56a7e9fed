"""What a vendor's number can be: a sentinel (a delta of −999, a price of −1) is missing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from greeks.chains import LARGEST_DELTA
from greeks.domain import Greeks, Quote, Snapshot

_LARGEST_VOLATILITY: Final = 100.0
_PRICES: Final = ("bid", "ask", "last", "mark", "opening_price", "previous_close")
_COUNTS: Final = ("volume", "open_interest")


def possible(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot without the numbers that its contract cannot have.

    A price below zero is possible for a future, a count never. If one Greek is impossible, the
    contract has none; an impossible volatility is missing alone.
    """
    quote = snapshot.quote and _possible_quote(snapshot.quote)
    greeks = snapshot.greeks and _possible_greeks(snapshot.greeks)
    if quote is snapshot.quote and greeks is snapshot.greeks:
        return snapshot
    return replace(snapshot, quote=quote, greeks=greeks)


def _possible_quote(quote: Quote) -> Quote:
    names = _COUNTS if quote.contract.may_be_negative else (*_PRICES, *_COUNTS)
    sent: dict[str, Decimal | int | None] = {name: getattr(quote, name) for name in names}
    missing: dict[str, Any] = {
        name: None for name, value in sent.items() if value is not None and value < 0
    }
    return replace(quote, **missing) if missing else quote


def _possible_greeks(greeks: Greeks) -> Greeks | None:
    delta, gamma, vega = greeks.delta or 0.0, greeks.gamma or 0.0, greeks.vega or 0.0
    volatility = greeks.implied_volatility
    if abs(delta) > LARGEST_DELTA or gamma < 0.0 or vega < 0.0:
        greeks = replace(greeks, delta=None, gamma=None, theta=None, vega=None)
    if volatility is not None and not 0.0 < volatility <= _LARGEST_VOLATILITY:
        greeks = replace(greeks, implied_volatility=None)
    known = (greeks.delta, greeks.gamma, greeks.theta, greeks.vega, greeks.implied_volatility)
    return None if all(value is None for value in known) else greeks

"""Quotes and Greeks of derived contracts from those of their bases.

An option on a future is priced like one on its base, which carries interest and dividends. A future
carries nothing: volatility and Greeks are those that the model without carry has at that price.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from greeks.chains import Floats
from greeks.domain import Contract, ExerciseStyle, Right
from greeks.instruments.expiry import expiry_instant
from greeks.instruments.products import exercise_style
from greeks.maths import valuation
from greeks.maths.black_scholes import GreekArrays
from greeks.maths.valuation import Legs
from greeks.sandbox.lines import Line
from greeks.sandbox.quotes import SimulatedQuote, optional
from greeks.sandbox.surface import years_between
from greeks.sandbox.underlyings import RATES

_PRICES = ("bid", "ask", "last", "mark", "opening_price", "previous_close")
_GREEKS = ("delta", "gamma", "theta", "vega", "rho")


def derived_quote(quote: SimulatedQuote, contract: Contract, line: Line) -> SimulatedQuote:
    """Return the line's quote of a contract from that of its base."""
    rate, spot = float(line.rate), line.spot_rate

    def price(value: float | None) -> float | None:
        return None if value is None else round(value * rate + line.shift, line.digits)

    def scaled(value: float | None, factor: float) -> float | None:
        return None if value is None else value * factor

    changes: dict[str, Any] = {name: price(getattr(quote, name)) for name in _PRICES}
    spot_price = scaled(quote.underlying_price, spot)
    changes["underlying_price"] = None if spot_price is None else spot_price + line.shift
    changes["delta"] = scaled(quote.delta, rate / spot)
    changes["gamma"] = scaled(quote.gamma, rate / (spot * spot))
    for name in ("theta", "vega", "rho"):
        changes[name] = scaled(getattr(quote, name), rate)
    if quote.bid is None and not contract.is_option and line.is_dated:
        # An index is not traded, but what is made of it is.
        tick = 10.0**-line.digits
        changes["bid"], changes["ask"] = changes["mark"] - tick, changes["mark"] + tick
    return quote._replace(contract=contract, **changes)


def without_carry(
    contract: Contract, price: Floats, future: Floats, moments: Floats
) -> tuple[Floats, GreekArrays]:
    """Return volatility and Greeks of an option on a future by prices at Unix seconds: (times,).

    NaN where the price determines no volatility.
    """
    expires_at = expiry_instant(contract)
    seconds = 0.0 if expires_at is None else expires_at.timestamp()
    rate = RATES[contract.currency]
    legs = Legs.of(
        spot=future,
        strike=math.nan if contract.strike is None else float(contract.strike),
        years=years_between(moments, np.array(seconds)),
        rate=rate,
        dividend_yield=rate,
        volatility=0.0,
        is_call=contract.right is Right.CALL,
        is_american=exercise_style(contract) != ExerciseStyle.EUROPEAN,
    )
    volatility = valuation.implied_volatilities(price, legs)
    return volatility, valuation.greeks(legs.with_volatility(volatility))


def with_greeks(quote: SimulatedQuote, volatility: Floats, greeks: GreekArrays) -> SimulatedQuote:
    """Return the quote with this volatility and these Greeks, each (1,)."""
    changes: dict[str, Any] = {name: optional(getattr(greeks, name))[0] for name in _GREEKS}
    return quote._replace(implied_volatility=optional(volatility)[0], **changes)
